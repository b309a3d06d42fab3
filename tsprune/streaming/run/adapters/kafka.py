"""Kafka as a source: the journal's own offsets decide where reading goes on; the group is told after the commit."""

from __future__ import annotations

import json
import math
import time
from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any

from detectors.exceptions import InvalidParameterError
from tsprune.exceptions import StoredStateError
from tsprune.streaming.run.journal import Progress
from tsprune.streaming.run.lines import Line
from tsprune.streaming.run.records import TIME_NAMES, parse_time
from tsprune.streaming.run.sources import check_same

__all__ = ["KafkaTopic"]

_MOST_WAITING = 10_000  # messages of one partition that wait for the others


class KafkaTopic:
    """The messages of a Kafka topic, all partitions, merged by time; a message is one record as JSON text.

    A message leaves once every partition has one that is not earlier, has ended, or has been idle for `patience`
    seconds (with `follow`); records that come later still are late (`--lateness`). What waits is not yet in the cursor,
    so a restart reads it again.

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
    patience : float, default=2.0
        Longest wait for a partition that is idle, in seconds.
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
        patience: float = 2.0,
    ) -> None:
        from confluent_kafka import Consumer

        self.topic, self.follow, self.pause, self.timeout, self.patience = topic, follow, pause, timeout, patience
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
        read = dict(following)  # what has been fetched; `following` is what has left
        waiting: dict[int, deque[tuple[float, Any]]] = {p: deque() for p in partitions}
        heard = dict.fromkeys(partitions, time.monotonic())
        stopped: set[int] = set()
        while self.follow or any(following[p] < ends[p] for p in partitions):
            message = self._client.poll(self.pause if not any(waiting.values()) else self.pause / 10)
            if message is not None and (error := message.error()) is not None:
                if error.fatal() or not error.retriable():
                    raise KafkaException(error)
                message = None
            if message is not None:
                partition = message.partition()
                read[partition] = message.offset() + 1
                heard[partition] = time.monotonic()
                waiting[partition].append((_moment(message.value() or b""), message))
                if len(waiting[partition]) >= _MOST_WAITING and partition not in stopped:  # the others catch up
                    self._client.pause([TopicPartition(self.topic, partition)])
                    stopped.add(partition)
            now = time.monotonic()
            while any(waiting.values()):
                open_ones = [p for p in partitions if not waiting[p] and self._may_come(p, read, ends, now - heard[p])]
                if open_ones:
                    break
                partition = min((p for p in partitions if waiting[p]), key=lambda p: waiting[p][0][0])
                _, first = waiting[partition].popleft()
                following[partition] = first.offset() + 1
                if partition in stopped and len(waiting[partition]) < _MOST_WAITING // 2:
                    self._client.resume([TopicPartition(self.topic, partition)])
                    stopped.discard(partition)
                cursor = json.dumps({str(p): following[p] for p in sorted(following)})
                yield Line(first.value() or b"", 0, cursor)
            if message is None:
                yield None

    def _may_come(self, partition: int, read: Mapping[int, int], ends: Mapping[int, int], idle: float) -> bool:
        """Return whether a message of a partition may come that is earlier than those of the others."""
        if not self.follow:
            return read[partition] < ends[partition]
        return idle < self.patience or read[partition] < ends[partition]

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


def _moment(text: bytes) -> float:
    """Return the time of a message, in seconds since the epoch; a message without one goes first, to be refused."""
    try:
        record = json.loads(text)
        found = next(record[name] for name in TIME_NAMES if name in record)
        if isinstance(found, str):
            return parse_time(found) / 1e9
        return float(found)
    except (ValueError, TypeError, KeyError, StopIteration, AttributeError):
        return -math.inf


def _offsets(cursor: str) -> dict[int, int]:
    """Return the next offset by partition."""
    return {int(partition): int(offset) for partition, offset in json.loads(cursor or "{}").items()}
