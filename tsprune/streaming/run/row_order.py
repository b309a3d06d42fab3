"""RowOrder: records of one time become one row, and rows leave in the order of their times.

A row is complete once every known metric has a value. An incomplete one waits until the watermark, the latest time met
less the lateness, has passed it: sensors that write one metric a message, and messages that overtake each other.
Invariant: what waits is in the progress, so that a restart goes on with it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import pandas as pd

from tsprune.exceptions import InvalidRecordError
from tsprune.streaming.run.journal import Progress
from tsprune.streaming.run.records import Record

__all__ = ["Leap", "RowOrder", "are_parts", "leaps_ahead", "out_of_order"]

_FEW = 10  # records before the pace of a stream is known
_LEAP_STEPS, _LEAP_GAPS = 500.0, 3.0  # a leap is more than so many steps, and so many times the longest gap so far


def out_of_order(moment: int, last: int) -> InvalidRecordError:
    """Return the error for a record at `moment` after one at `last`, in nanoseconds since the epoch."""
    return InvalidRecordError(
        f"time must be later than that of the last accepted line, {pd.Timestamp(last)}, got {pd.Timestamp(moment)}; "
        "--lateness SECONDS takes records of one time together, and late ones.",
        "duplicate" if moment == last else "late",
    )


def leaps_ahead(moment: int, last: int) -> InvalidRecordError:
    """Return the error for a record at `moment` far after `last`, which a later record contradicts."""
    return InvalidRecordError(
        f"time must not leap far ahead of the stream, got {pd.Timestamp(moment)} after {pd.Timestamp(last)} "
        "and before earlier ones; mend the clock of the sender, or pass --max-jump SECONDS.",
        "future",
    )


def are_parts(first: Record, second: Record) -> bool:
    """Return whether two records of one time have different metrics, so that they may be parts of one row."""
    return bool(first.values) and bool(second.values) and first.values.keys().isdisjoint(second.values)


class RowOrder:
    """The rows that wait.

    Parameters
    ----------
    progress : Progress
        Its `pending` and `newest` are the memory.
    lateness : int
        Nanoseconds by which a record may be late.
    """

    def __init__(self, progress: Progress, lateness: int) -> None:
        self.progress, self.lateness = progress, lateness

    def add(self, record: Record, number: int, last: int | None) -> None:
        """Take a record in, line `number`; `last` is the time of the last row that has left.

        Raises
        ------
        InvalidRecordError
            If its row has left, or the row has a value for one of its metrics.
        """
        if last is not None and record.time <= last:
            raise out_of_order(record.time, last)
        pending = self.progress.pending
        for row in pending:
            if row[0] == record.time:
                double = next((name for name in record.values if name in row[2]), None)
                if double is not None:
                    raise InvalidRecordError(
                        f"records of one time must have different metrics, got {double!r} twice at "
                        f"{pd.Timestamp(record.time)}; keep one.",
                        "duplicate",
                    )
                row[2] = {**row[2], **_stored(record)}
                row[3] = number
                break
        else:
            pending.append([record.time, record.text, _stored(record), number])
            pending.sort(key=lambda row: row[0])
        self.progress.newest = max(self.progress.newest, record.time)

    def leave(self, names: Sequence[str], *, known: bool, everything: bool = False) -> list[tuple[Record, int]]:
        """Return the rows that may leave, with the number of their last line.

        `known`: whether `names` are all metrics there are, so that a row can be complete.
        """
        pending, left = self.progress.pending, []
        while pending:
            time, text, values, number = pending[0]
            passed = time < self.progress.newest - self.lateness
            complete = known and self.lateness == 0 and all(name in values for name in names)
            if not (everything or passed or complete):
                break
            pending.pop(0)
            found = {name: math.nan if value is None else value for name, value in values.items()}
            left.append((Record(time, text, found), number))
        return left


def _stored(record: Record) -> dict[str, float | None]:
    """Return values as JSON holds them."""
    return {name: None if math.isnan(value) else value for name, value in record.values.items()}


class Leap:
    """Tells a time far beyond the pace of a stream.

    Parameters
    ----------
    most : float or None
        Longest step that is taken as it comes, in seconds; None follows the pace of the stream.
    """

    def __init__(self, most: float | None = None) -> None:
        self.most = most
        self.pace, self.longest, self.count = 0.0, 0.0, 0

    @property
    def memory(self) -> list[float]:
        """What it has learnt: pace, longest step, number of steps."""
        return [self.pace, self.longest, self.count]

    def restore(self, memory: list[float]) -> None:
        """Go on from `memory`."""
        self.pace, self.longest, self.count = memory[0], memory[1], int(memory[2])

    def follow(self, step: float) -> None:
        """Learn an accepted step, in seconds: its median and its largest."""
        self.count += 1
        if self.pace == 0.0:
            self.pace = step
        self.pace *= 1.1 if step > self.pace else 1.0 if step == self.pace else 1.0 / 1.1
        self.longest = max(self.longest, step)

    def is_one(self, step: float) -> bool:
        """Return whether a step of so many seconds has to be confirmed by a second record."""
        if self.most is not None:
            return step > self.most
        return self.count >= _FEW and step > max(_LEAP_STEPS * self.pace, _LEAP_GAPS * self.longest)
