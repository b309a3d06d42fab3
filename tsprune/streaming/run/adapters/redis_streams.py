"""Redis Streams as a source: a consumer group, every entry acknowledged only after the commit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from tsprune.exceptions import InvalidSeriesError
from tsprune.streaming.run.journal import Progress
from tsprune.streaming.run.lines import Line
from tsprune.streaming.run.records import TIME_NAMES
from tsprune.streaming.run.sources import check_same, record_text

__all__ = ["RedisStream"]

_BATCH = 500


class RedisStream:
    """The entries of a Redis stream, as a consumer of a group.

    An entry holds one field ``record`` (JSON text), or one field a metric and ``time`` (default: that of the entry).
    Entries that were delivered but not committed before a crash are read again; those committed but not yet
    acknowledged are acknowledged and passed over.

    Parameters
    ----------
    stream : str
        Key of the stream.
    host, port, database
        Where the server is.
    username, password : str or None
        Credentials, if the server asks for them.
    group, consumer : str
        Names of the consumer group, made if absent at the beginning of the stream, and of this consumer in it.
    follow : bool, default=False
        Whether to wait for more entries.
    pause : float, default=0.2
        Longest wait for an entry, in seconds.

    References
    ----------
    .. [1] Redis documentation, "Redis Streams", section "Consumer groups".
    """

    def __init__(
        self,
        stream: str,
        *,
        host: str = "127.0.0.1",
        port: int = 6379,
        database: int = 0,
        username: str | None = None,
        password: str | None = None,
        group: str = "tsprune",
        consumer: str = "monitor",
        follow: bool = False,
        pause: float = 0.2,
    ) -> None:
        from redis import Redis

        self.stream, self.group, self.consumer = stream, group, consumer
        self.follow, self.pause = follow, pause
        self._client: Any = Redis(host=host, port=port, db=database, username=username, password=password)
        self._delivered: list[tuple[int, int]] = []

    def check(self, progress: Progress) -> None:
        """Raise `StoredStateError` for another stream; the group knows what is pending, the cursor what is done."""
        check_same(self, progress)

    def fingerprint(self, offset: int) -> str:  # noqa: ARG002 - the protocol's
        """Return the name of stream and group."""
        return f"{self.stream}/{self.group}"

    def lines(self, progress: Progress) -> Iterator[Line | None]:
        """Yield pending entries first, then new ones."""
        from redis.exceptions import ConnectionError as NoConnectionError
        from redis.exceptions import ResponseError

        try:
            yield from self._entries(progress)
        except NoConnectionError as error:
            raise ConnectionError(
                f"the Redis server of the stream {self.stream!r} must answer, got: {error}; run again when it does."
            ) from None
        except ResponseError as error:
            raise InvalidSeriesError(f"{self.stream!r} must be a stream that Redis can read, got: {error}.") from None

    def _entries(self, progress: Progress) -> Iterator[Line | None]:
        """Yield the entries from the server."""
        self._make_group()
        done = _number(progress.cursor) if progress.cursor else (0, 0)
        start = "0"
        while True:
            wait = None if start != ">" else max(1, int(1000 * self.pause))
            answer = self._client.xreadgroup(self.group, self.consumer, {self.stream: start}, count=_BATCH, block=wait)
            entries = answer[0][1] if answer else []
            if not entries:
                if start != ">":
                    start = ">"
                    continue
                if not self.follow:
                    return
                yield None
                continue
            for name, fields in entries:
                number = _number(name.decode())
                self._delivered.append(number)
                if start != ">":
                    start = name.decode()
                if number <= done:
                    self._client.xack(self.stream, self.group, name)
                    self._delivered.pop()
                elif fields:  # none: deleted from the stream while pending
                    yield Line(_text(fields, number[0]), progress.offset, name.decode())

    def acknowledge(self, progress: Progress) -> None:
        """Acknowledge every entry up to the cursor."""
        done = _number(progress.cursor) if progress.cursor else (0, 0)
        ready = [number for number in self._delivered if number <= done]
        if ready:
            self._client.xack(self.stream, self.group, *(f"{a}-{b}" for a, b in ready))
            self._delivered = [number for number in self._delivered if number > done]

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    def _make_group(self) -> None:
        """Make the group unless it is there."""
        from redis.exceptions import ResponseError

        try:
            self._client.xgroup_create(self.stream, self.group, id="0", mkstream=True)
        except ResponseError as error:
            if "BUSYGROUP" not in str(error):
                raise


def _number(name: str) -> tuple[int, int]:
    """Return an entry's name, milliseconds and sequence, in the order of the stream."""
    milliseconds, _, sequence = name.partition("-")
    return int(milliseconds), int(sequence or 0)


def _text(fields: Mapping[bytes, bytes], milliseconds: int) -> bytes:
    """Return an entry as a line; without a time, it is that of the entry."""
    if b"record" in fields:
        return fields[b"record"]
    values = {name.decode("utf-8", "replace"): value.decode("utf-8", "replace") for name, value in fields.items()}
    name = next((name for name in TIME_NAMES if name in values), None)
    if name is None:
        return record_text(datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(), values)
    return record_text(values.pop(name), values)
