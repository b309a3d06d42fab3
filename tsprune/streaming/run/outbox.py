"""Outbox: delivers committed alerts to sinks, beside the run, so that a slow receiver does not hold up the readings.

Invariant: a sink gets its alerts in order; what has not arrived waits in the journal, and is tried again at a later
commit and by the next run. An alert that a receiver refuses does not hold up those behind it, is reported at the end,
and is sent again by the next run.
"""

from __future__ import annotations

import json
import queue
import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from tsprune.streaming.run.journal import Journal, Progress
from tsprune.streaming.run.records import parse_time
from tsprune.streaming.run.sinks import Alert, RefusedAlertError, Sink

__all__ = ["Outbox"]

_PAUSE = 5.0  # seconds before a sink that failed is tried again


class _Desk:
    """One sink, its thread, and what it was given."""

    def __init__(self, sink: Sink) -> None:
        self.sink = sink
        self.given: queue.SimpleQueue[list[tuple[int, Alert]] | None] = queue.SimpleQueue()
        self.done: queue.SimpleQueue[tuple[list[int], int | None, str | None]] = queue.SimpleQueue()
        self.busy = False
        self.rests_until = 0.0
        threading.Thread(target=self._work, daemon=True).start()

    def _work(self) -> None:
        """Deliver batch by batch: numbers that arrived, the one that was refused, the failure."""
        while (batch := self.given.get()) is not None:
            arrived: list[int] = []
            try:
                for number, alert in batch:
                    self.sink.deliver([alert])
                    arrived.append(number)
                self.done.put((arrived, None, None))
            except RefusedAlertError as error:
                self.done.put((arrived, batch[len(arrived)][0], str(error)))
            except Exception as error:  # whatever a sink raises must not end the run
                self.done.put((arrived, None, str(error)))


class Outbox:
    """Delivers committed alerts to sinks, each from its own mark on; call it after each commit.

    A sink that fails keeps its mark: its alerts wait in the journal and are tried again after some seconds; `failures`
    says what happened last, `refused` which alerts a receiver would not take.

    Parameters
    ----------
    journal : Journal
        Of the run; alerts are read from it, marks are kept in it.
    sinks : sequence of Sink
    patience : float, default=0.2
        Longest wait for a sink after a commit, in seconds; a slower one goes on beside the run.
    max_age : float or None, default=None
        Alerts of records older than so many seconds are not delivered, but counted in `too_old`: a backfill of last
        month pages nobody.
    clock : callable, default=time.time
    """

    def __init__(
        self,
        journal: Journal,
        sinks: Sequence[Sink],
        *,
        patience: float = 0.2,
        max_age: float | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.journal, self.patience, self.max_age, self.clock = journal, patience, max_age, clock
        self.sinks = list(sinks)
        self.failures: dict[str, str] = {}
        self._old: set[tuple[str, int]] = set()
        self._desks = [_Desk(sink) for sink in self.sinks]
        for sink in self.sinks:
            journal.retry(sink.name)

    def __call__(self, progress: Progress) -> None:  # noqa: ARG002 - what the run gives after a commit
        """Give out what has not arrived yet, and note what has."""
        for desk in self._desks:
            self._collect(desk, 0.0)
            if not desk.busy and time.monotonic() >= desk.rests_until:
                self._give(desk)
        until = time.monotonic() + self.patience
        for desk in self._desks:
            while desk.busy and self._collect(desk, until - time.monotonic()):
                self._give(desk)

    @property
    def too_old(self) -> int:
        """Alerts that were not delivered because of their age, by sink and alert."""
        return len(self._old)

    def refused(self) -> list[tuple[str, int, str]]:
        """Return sink, line and reason of the alerts that were refused."""
        return [(sink.name, line, why) for sink in self.sinks for line, why in self.journal.refused(sink.name)]

    def close(self, patience: float = 10.0) -> None:
        """Wait up to `patience` seconds for what is on its way."""
        until = time.monotonic() + patience
        for desk in self._desks:
            if not desk.busy and desk.rests_until == 0.0:
                self._give(desk)
            while desk.busy and self._collect(desk, until - time.monotonic()):
                self._give(desk)
            desk.given.put(None)
            if desk.busy:
                self.failures[desk.sink.name] = f"no answer after {patience:g} s"

    def _give(self, desk: _Desk) -> None:
        """Hand the alerts that are due to a sink."""
        due: list[tuple[int, Alert]] = []
        for number, line, moment, reading in self.journal.undelivered(desk.sink.name):
            if self.max_age is not None and self.clock() - _seconds(moment) > self.max_age:
                self._old.add((desk.sink.name, number))
                if not due:
                    self.journal.mark(desk.sink.name, number)
                continue
            due.append((number, Alert(line, moment, json.loads(reading))))
        if due:
            desk.busy = True
            desk.given.put(due)

    def _collect(self, desk: _Desk, patience: float) -> bool:
        """Note what a sink has done; True if there may be more for it to do."""
        try:
            arrived, refused, failure = desk.done.get(timeout=patience) if patience > 0.0 else desk.done.get_nowait()
        except queue.Empty:
            return False
        name, desk.busy = desk.sink.name, False
        if arrived:
            self.journal.mark(name, arrived[-1])
        if refused is not None:
            self.journal.refuse(name, refused, failure or "")
            return True
        if failure is None:
            self.failures.pop(name, None)
            desk.rests_until = 0.0
            return bool(arrived)
        self.failures[name], desk.rests_until = failure, time.monotonic() + _PAUSE
        return False


def _seconds(moment: str) -> float:
    """Return the time of a record in seconds since the epoch; now for a text that is none."""
    try:
        return parse_time(moment) / 1e9
    except ValueError:
        return datetime.now(UTC).timestamp()
