"""Kafka as a source: the journal's own offsets decide where reading goes on; the group is told after the commit."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from detectors.exceptions import InvalidParameterError
from tsprune.exceptions import StoredStateError
from tsprune.streaming.run.journal import Progress
from tsprune.streaming.run.runner import Line
from tsprune.streaming.run.sources import check_same

__all__ = ["KafkaTopic"]


class KafkaTopic:
    """The messages of a Kafka topic, all partitions; a message is one record as JSON text.

    The cursor holds the next offset of every partition. It is committed with the monitor's state, so a restart reads
    on exactly behind it, whatever the group's own offsets say; those follow, for others to see.

    Parameters
    ----------
    topic : str
    brokers : str
        ``HOST:PORT`` of one or more brokers.
    group : str, default="tsprune"
    follow : bool, default=False
        Whether to wait for more; otherwise the source ends where every partition ended when it was opened.
    pause : float, default=0.2
        Longest wait for a message, in seconds.
    timeout : float, default=10.0
        Longest wait for the broker's answers, in seconds.
    """

    def __init__(
        self,
        topic: str,
        *,
        brokers: str = "127.0.0.1:9092",
        group: str = "tsprune",
        follow: bool = False,
        pause: float = 0.2,
        timeout: float = 10.0,
    ) -> None:
        from confluent_kafka import Consumer

        self.topic, self.follow, self.pause, self.timeout = topic, follow, pause, timeout
        self._client: Any = Consumer(
            {
                "bootstrap.servers": brokers,
                "group.id": group,
                "enable.auto.commit": False,
                "auto.offset.reset": "earliest",
            }
        )

    def check(self, progress: Progress) -> None:
        """Raise `StoredStateError` for another topic, or if what comes next has been deleted."""
        check_same(self, progress)
        for partition, offset in _offsets(progress.cursor).items():
            low, _ = self._ends(partition)
            if low > offset:
                raise StoredStateError(
                    f"partition {partition} of {self.topic!r} must still hold offset {offset}, got {low} as its first; "
                    "records are lost: keep them longer, or remove the state to start over."
                )

    def fingerprint(self, offset: int) -> str:  # noqa: ARG002 - the protocol's
        """Return the topic."""
        return self.topic

    def lines(self, progress: Progress) -> Iterator[Line | None]:
        """Yield the messages behind the cursor."""
        from confluent_kafka import KafkaException

        try:
            yield from self._messages(progress)
        except KafkaException as error:
            raise ConnectionError(
                f"the Kafka brokers of the topic {self.topic!r} must answer, got: {error}; run again when they do."
            ) from None

    def _messages(self, progress: Progress) -> Iterator[Line | None]:
        """Yield the messages from the brokers."""
        from confluent_kafka import KafkaException, TopicPartition

        partitions = sorted(self._client.list_topics(self.topic, timeout=self.timeout).topics[self.topic].partitions)
        if not partitions:
            raise InvalidParameterError(f"the topic must exist, got {self.topic!r}, which the brokers do not know.")
        following = _offsets(progress.cursor)
        for partition in partitions:
            following.setdefault(partition, self._ends(partition)[0])
        ends = {partition: self._ends(partition)[1] for partition in partitions}
        self._client.assign([TopicPartition(self.topic, p, following[p]) for p in partitions])
        while self.follow or any(following[p] < ends[p] for p in partitions):
            message = self._client.poll(self.pause)
            if message is None:
                yield None
                continue
            error = message.error()
            if error is not None:
                if error.fatal() or not error.retriable():
                    raise KafkaException(error)
                yield None
                continue
            following[message.partition()] = message.offset() + 1
            yield Line(message.value() or b"", 0, json.dumps({str(p): following[p] for p in sorted(following)}))

    def acknowledge(self, progress: Progress) -> None:
        """Tell the group where this consumer stands."""
        from confluent_kafka import TopicPartition

        offsets = _offsets(progress.cursor)
        if offsets:
            self._client.commit(
                offsets=[TopicPartition(self.topic, p, o) for p, o in offsets.items()], asynchronous=True
            )

    def close(self) -> None:
        """Leave the group."""
        self._client.close()

    def _ends(self, partition: int) -> tuple[int, int]:
        """Return the first and the next offset of a partition."""
        from confluent_kafka import TopicPartition

        low, high = self._client.get_watermark_offsets(TopicPartition(self.topic, partition), timeout=self.timeout)
        return int(low), int(high)


def _offsets(cursor: str) -> dict[int, int]:
    """Return the next offset by partition."""
    return {int(partition): int(offset) for partition, offset in json.loads(cursor or "{}").items()}
