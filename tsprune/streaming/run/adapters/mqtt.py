"""MQTT as a source: quality of service 1, a lasting session, every message acknowledged only after the commit."""

from __future__ import annotations

import hashlib
import queue
from collections.abc import Iterator
from typing import Any

from tsprune.streaming.run.journal import Progress
from tsprune.streaming.run.lines import Line
from tsprune.streaming.run.sources import check_same

__all__ = ["MqttTopic"]

_IN_FLIGHT = 4000  # messages that the broker may send before the first of them is committed and acknowledged
_FOR_EVER = 0xFFFFFFFF  # a session without an end


class MqttTopic:
    """The messages of an MQTT topic; a message is one record as JSON text.

    The session lasts: the broker keeps messages while this client is away, and sends again what was not
    acknowledged, in order. The cursor is the digest of the last message committed: messages sent again up to it
    are acknowledged and passed over.

    Parameters
    ----------
    topic : str
        Topic or filter.
    host, port
        Where the broker is.
    client : str
        Name of the session; a broker allows one connection each.
    follow : bool, default=False
        Whether to wait for more; otherwise the source ends once nothing has come for `patience` seconds.
    username, password : str or None
        Credentials, if the broker asks for them.
    pause : float, default=0.2
        Longest wait for a message before the run commits, in seconds. A broker may have 4000 messages on their way
        before it waits for acknowledgements.
    patience : float, default=1.0

    References
    ----------
    .. [1] OASIS, MQTT version 5.0 (2019), sections 4.3.2, 4.4 and 4.9: quality of service 1, delivery again, flow.
    """

    def __init__(
        self,
        topic: str,
        *,
        host: str = "127.0.0.1",
        port: int = 1883,
        client: str = "tsprune-monitor",
        username: str | None = None,
        password: str | None = None,
        follow: bool = False,
        pause: float = 0.2,
        patience: float = 1.0,
    ) -> None:
        from paho.mqtt.client import Client
        from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

        self.topic, self.host, self.port, self.follow = topic, host, port, follow
        self.pause, self.patience = pause, patience
        self._queue: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._unacknowledged: list[Any] = []
        self._in_flight = _IN_FLIGHT // 2
        self._client: Any = Client(
            CallbackAPIVersion.VERSION2, client_id=client, protocol=MQTTProtocolVersion.MQTTv5, manual_ack=True
        )
        if username is not None:
            self._client.username_pw_set(username, password)
        self._client.on_connect = self._subscribe
        self._client.on_message = lambda _client, _data, message: self._queue.put(message)

    def check(self, progress: Progress) -> None:
        """Raise `StoredStateError` for another stream; the broker knows what is not acknowledged."""
        check_same(self, progress)

    def fingerprint(self, offset: int) -> str:  # noqa: ARG002 - the protocol's
        """Return the topic."""
        return self.topic

    def lines(self, progress: Progress) -> Iterator[Line | None]:
        """Yield the messages as they come."""
        from paho.mqtt.packettypes import PacketTypes
        from paho.mqtt.properties import Properties

        properties: Any = Properties
        asked = properties(PacketTypes.CONNECT)
        asked.SessionExpiryInterval, asked.ReceiveMaximum = _FOR_EVER, _IN_FLIGHT
        self._client.connect(self.host, self.port, clean_start=False, properties=asked)
        self._client.loop_start()
        for message in self._sent_again(progress.cursor):
            yield self._line(message)
        idle = 0.0
        while True:
            try:
                message = self._queue.get(timeout=self.pause)
            except queue.Empty:
                idle += self.pause
                if not self.follow and idle >= self.patience:
                    return
                yield None
                continue
            idle = 0.0
            yield self._line(message)
            # a broker sends no more than it may have in flight: those must be committed before the next ones come
            if self._queue.empty() and len(self._unacknowledged) >= self._in_flight:
                yield None

    def acknowledge(self, progress: Progress) -> None:
        """Acknowledge every message up to the cursor."""
        digests = [_digest(message.payload) for message in self._unacknowledged]
        done = len(digests) - digests[::-1].index(progress.cursor) if progress.cursor in digests else 0
        for message in self._unacknowledged[:done]:
            self._client.ack(message.mid, message.qos)
        del self._unacknowledged[:done]

    def close(self) -> None:
        """Disconnect; the session stays with the broker."""
        self._client.disconnect()
        self._client.loop_stop()

    def _line(self, message: Any) -> Line:
        self._unacknowledged.append(message)
        return Line(message.payload, 0, _digest(message.payload))

    def _sent_again(self, cursor: str) -> list[Any]:
        """Return the first messages, less those up to the committed one if that is among those sent again."""
        first: list[Any] = []
        while True:
            try:
                message = self._queue.get(timeout=self.pause)
            except queue.Empty:
                break
            first.append(message)
            if not message.dup:
                break
        committed = [k for k, message in enumerate(first) if message.dup and _digest(message.payload) == cursor]
        done = committed[-1] + 1 if committed else 0
        for message in first[:done]:
            self._client.ack(message.mid, message.qos)
        return first[done:]

    def _subscribe(self, client: Any, *_: Any) -> None:
        client.subscribe(self.topic, qos=1)


def _digest(payload: bytes) -> str:
    """Return the first half of the SHA-256."""
    return hashlib.sha256(payload).hexdigest()[:32]
