"""Run: lines in, readings out, nothing lost and nothing doubled.

Invariant: every accepted line after the priming ones gives exactly one reading - where records of one time belong
together, every row of them - whatever happened in between; a refused line leaves no trace but its count. Order of a
commit: the readings are written to the output first, then one SQLite transaction moves state, place in the input,
counts and alerts. After a crash the output is cut back to what the last transaction counts.
"""

from __future__ import annotations

import codecs
import errno
import itertools
import json
import logging
import math
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import pandas as pd

from tsprune.exceptions import InvalidRecordError, StoredStateError
from tsprune.streaming.monitor.monitor import StreamMonitor
from tsprune.streaming.monitor.reading import Reading
from tsprune.streaming.monitor.rows import unknown_names
from tsprune.streaming.run.history import dump_history, history_frame, load_history, read_history
from tsprune.streaming.run.journal import Journal, Progress
from tsprune.streaming.run.lines import Line
from tsprune.streaming.run.output import open_output
from tsprune.streaming.run.records import Record, RecordReader, RefusedLineError
from tsprune.streaming.run.row_order import Leap, RowOrder, are_parts, leaps_ahead, out_of_order
from tsprune.streaming.run.wording import reading_fields, silence_fields

__all__ = ["MonitorRun"]

_COMMIT_LINES = 2000
_COMMIT_SECONDS = 1.0
_NO_ROOM = (errno.ENOSPC, errno.EFBIG, errno.EDQUOT)
_IDLE_SECONDS = 1.0  # that end the wait for the rest of a row
_MOST_HELD = 1000  # lines that wait for a record of the future to be confirmed
_SILENT = 4.0  # strength of the evidence that a silence is no chance
_LIVE_STEPS = 20  # a stream is live if its last record was not older than that when it came

logger = logging.getLogger("tsprune.monitor")


@dataclass
class MonitorRun:
    """One input, one state, one output.

    Parameters
    ----------
    source : Source
        `FileLines`, or another one of the protocol in `tsprune.streaming.run.sources`.
    journal : Journal
    output : path
    monitor : StreamMonitor
        Unprimed; what to begin with.
    prime : int
        Accepted lines to learn from before the first reading.
    skip : bool
        Whether refused lines are counted and passed over; otherwise the first one stops the run.
    options : dict
        What must be equal in the run that made the state. The policy of `monitor` may differ: it holds from now on.
    lateness : float or None
        Seconds by which records may be late; records of one time are then one row. None: records of one time are one
        row only where the first ones are written so.
    max_jump : float or None
        Longest step in time that is taken as it comes, in seconds; a longer one waits for a second record that
        confirms it. None: 500 usual steps and three times the longest gap so far.
    history : Source or None
        What to learn from, instead of the first `prime` lines.
    clock : callable
        Seconds since the epoch; tells a stream that is live from a backfill.
    listeners : list of callables
        Called with (reading, progress) after each reading.
    after_commit : list of callables
        Called with (progress) after each commit, and once before the first line: what delivers the alerts.
    """

    source: Any
    journal: Journal
    output: Path
    monitor: StreamMonitor
    prime: int = 500
    skip: bool = False
    options: dict[str, Any] = field(default_factory=dict)
    listeners: list[Callable[[Reading, Progress], None]] = field(default_factory=list)
    after_commit: list[Callable[[Progress], None]] = field(default_factory=list)
    lateness: float | None = None
    max_jump: float | None = None
    history: Any = None
    clock: Callable[[], float] = time.time

    def __post_init__(self) -> None:
        """Begin with nothing done."""
        self.progress = Progress()
        self.stopping = False
        self._history: list[Record] = []
        self._names: tuple[str, ...] | None = None
        self._last: int | None = None
        self._alerts: list[tuple[int, str, str]] = []
        self._held: list[Line] = []
        self._leap, self._text = Leap(self.max_jump), ""
        self._reader = RecordReader()
        self._idle_since: float | None = None
        self._is_live = False
        self._primed = False
        self._is_begun = False
        self._uncommitted = 0

    def run(self) -> Progress:
        """Go on from the last commit to the end of the source, or until `stopping`.

        Raises
        ------
        RefusedLineError
            At the first refused line, unless `skip`; what came before is committed.
        StoredStateError
            If state, input and output do not belong together.
        """
        self._restore()
        logger.info("started: %d lines done, %d readings", self.progress.lines, self.progress.readings)
        for told in self.after_commit:
            told(self.progress)
        try:
            with open_output(self.output, self.journal.path, self.progress, is_begun=self._is_begun) as out:
                self._follow(out)
        except OSError as error:
            if error.errno not in _NO_ROOM:
                raise
            raise StoredStateError(
                f"the output {str(self.output)!r} cannot be written: {error}; make room and run again, what was "
                "committed before is kept."
            ) from None
        logger.info("ended: %d lines done, %d readings", self.progress.lines, self.progress.readings)
        return self.progress

    def _follow(self, out: BinaryIO) -> None:
        """Take line by line, commit now and then."""
        if not self._is_begun:  # from now on, what the output holds is this run's
            self.journal.commit(self.options, self.progress, b"{}", [])
            if self.history is not None:
                self._learn_history()
        committed = time.monotonic()
        for line in self.source.lines(self.progress):
            if line is not None:
                self._idle_since = None
                try:
                    self._take(line, out)
                except RefusedLineError:
                    self._commit(out)
                    raise
                self._uncommitted += 1
            else:
                self._wait(out)
            late = time.monotonic() - committed > _COMMIT_SECONDS
            if line is None or late or self._uncommitted >= _COMMIT_LINES or self.stopping:
                self._commit(out)
                committed = time.monotonic()
            if self.stopping:
                break
        if not self.stopping:
            self._release(out, everything=True)
            if self._held:
                logger.warning("line %d is far in the future and waits for a second one", self.progress.lines + 1)
        self._commit(out)

    def _wait(self, out: BinaryIO) -> None:
        """Nothing has come: rows that wait may be complete, and a stream may have fallen silent."""
        now = time.monotonic()
        if self._idle_since is None:
            self._idle_since = now
        if self.progress.pending and now - self._idle_since > max(_IDLE_SECONDS, self.lateness or 0.0):
            self._release(out, everything=True)
            self._uncommitted += 1
        if not (self._primed and self._is_live) or self._last is None or self.progress.silent == self._last:
            return
        silent = self.clock() - self._last / 1e9
        if self.monitor.silence(int(self.clock() * 1e9)) >= _SILENT:
            fields = silence_fields(self.progress.lines, self._text, silent)
            self._alerts.append((self.progress.lines, self._text, json.dumps(fields)))
            self.progress.silent = self._last
            self.progress.alerts += 1
            self._uncommitted += 1
            logger.warning("alert: %s", fields["text"])

    # ------------------------------------------------------------------------------------------- one line
    def _take(self, line: Line, out: BinaryIO) -> None:
        """Take a line, or hold it until the time of the one before it is confirmed."""
        if self._held:
            self._held.append(line)
            self._resolve(out)
            return
        try:
            record = self._parse(line)
            if self._last is not None and self._leap.is_one((record.time - self._last) / 1e9):
                self._held.append(line)
                return
            self._accept(record, line, out)
        except InvalidRecordError as error:
            self._refuse(line, error)

    def _resolve(self, out: BinaryIO) -> None:
        """Decide on a held record with the line that came last: it is confirmed, contradicted, or neither."""
        held, last = self._parse(self._held[0]), self._last or 0
        try:
            here = self._parse(self._held[-1]).time
        except InvalidRecordError:
            here = last  # no witness
        confirms = here > held.time and not self._leap.is_one((here - held.time) / 1e9)
        contradicts = here > last and not confirms and here != held.time
        if not (confirms or contradicts or len(self._held) > _MOST_HELD):
            return
        waiting, self._held = self._held, []
        first = waiting.pop(0)
        if confirms:
            try:
                self._accept(held, first, out)
            except InvalidRecordError as refusal:
                self._refuse(first, refusal)
        else:
            self._refuse(first, leaps_ahead(held.time, last))
        for line in waiting:
            self._take(line, out)

    def _parse(self, line: Line) -> Record:
        """Read a line; the first one that is a record decides how records are written."""
        text = line.text if self.progress.lines else line.text.removeprefix(codecs.BOM_UTF8)
        record = self._reader.parse(text, self._names, adopt=self.monitor.new_metrics == "adopt" or not self._primed)
        self.progress.dialect = self._reader.memory
        return record

    def _refuse(self, line: Line, error: InvalidRecordError) -> None:
        """Count a refused line, or stop at it."""
        progress = self.progress
        if not self.skip:
            raise RefusedLineError(progress.lines + 1, error) from None
        progress.lines += 1
        progress.bad[error.kind] = progress.bad.get(error.kind, 0) + 1
        progress.offset, progress.cursor = line.offset, line.cursor
        if progress.bad[error.kind] == 1:
            logger.warning("line %d refused (%s): %s", progress.lines, error.kind, error)

    def _accept(self, record: Record, line: Line, out: BinaryIO) -> None:
        """Take a record that could be read; raises `InvalidRecordError` before anything has changed."""
        progress = self.progress
        self._check_names(record)
        last = self._last
        if progress.grouped or self.lateness is not None:
            order = RowOrder(progress, round((self.lateness or 0.0) * 1e9))
            order.add(record, progress.lines + 1, last)
            progress.grouped = True
        elif last is not None and record.time <= last:
            raise out_of_order(record.time, last)
        if not self._primed:
            known = self._names or ()
            self._names = (*known, *(name for name in record.values if name not in known))
        elif self.monitor.new_metrics == "adopt":
            self._names = (*(self._names or ()), *(n for n in record.values if n not in (self._names or ())))
        progress.lines += 1
        progress.accepted += 1
        progress.offset, progress.cursor = line.offset, line.cursor
        if progress.grouped:
            self._release(out)
        else:
            self._row(record, progress.lines, out)

    def _check_names(self, record: Record) -> None:
        """Raise for a name that the first records did not have, unless it is one metric of many of the same time."""
        names = self._names
        if self._primed or names is None or self.monitor.new_metrics == "adopt" or self.lateness is not None:
            return
        unknown = [name for name in record.values if name not in names]
        before = self._history[-1] if self._history else None
        if self.progress.grouped or (before is None and not unknown):
            return
        if before is not None and before.time == record.time and are_parts(before, record):
            logger.info("records of one time belong together: %s, %s", list(before.values), list(record.values))
            self._history.pop()
            self._last = self._history[-1].time if self._history else None
            self.progress.missing -= len(before.values) < len(names) or any(map(math.isnan, before.values.values()))
            RowOrder(self.progress, 0).add(before, self.progress.lines, self._last)
            self.progress.grouped = True
            return
        unknown_names(record.values, names, "refuse")

    def _release(self, out: BinaryIO, *, everything: bool = False) -> None:
        """Score the rows that need not wait any longer."""
        if not self.progress.pending:
            return
        order = RowOrder(self.progress, round((self.lateness or 0.0) * 1e9))
        for record, number in order.leave(self._names or (), known=self._primed, everything=everything):
            self._row(record, number, out)

    def _row(self, record: Record, number: int, out: BinaryIO) -> None:
        """Learn from a row, or score it."""
        if self._last is not None:
            self._leap.follow((record.time - self._last) / 1e9)
            self.progress.pace = self._leap.memory
        self._last, self._text = record.time, record.text
        if len(record.values) < len(self._names or ()) or any(map(math.isnan, record.values.values())):
            self.progress.missing += 1
        if self._primed:
            self._write(record, number, out)
            return
        self._history.append(record)
        if len(self._history) % 100 == 0 and len(self._history) < self.prime:
            logger.info("learning %d of %d", len(self._history), self.prime)
        if self.history is None and len(self._history) >= self.prime:
            self._learn()

    def _learn_history(self) -> None:
        """Prime the monitor with the records of the history."""
        self._history, self._names = read_history(self.history)
        self._last = self._history[-1].time
        for before, record in itertools.pairwise(self._history):
            self._leap.follow((record.time - before.time) / 1e9)
        self.progress.pace = self._leap.memory
        self._learn()
        self._uncommitted += 1

    def _learn(self) -> None:
        """Prime the monitor with the history, and forget that."""
        rows = self._history
        self.monitor.prime(history_frame(rows, self._names or ()))
        logger.info("learnt from %d rows of %d metrics", len(rows), len(self._names or ()))
        self._history, self._primed = [], True

    def _write(self, record: Record, number: int, out: BinaryIO) -> None:
        """Score a row and write its reading."""
        reading = self.monitor.update(pd.Timestamp(record.time), record.values)
        fields = reading_fields(reading, number, record.text)
        text = json.dumps(fields, allow_nan=False)
        out.write(text.encode() + b"\n")
        progress = self.progress
        progress.readings += 1
        progress.held_back = self.monitor.counts_["suppressed"]
        self._is_live = self.clock() * 1e9 - record.time < _LIVE_STEPS * self.monitor.step_
        if reading.alert:
            progress.alerts += 1
            self._alerts.append((number, record.text, text))
            logger.warning("alert: %s", fields["text"])
        for listener in self.listeners:
            listener(reading, progress)

    # ------------------------------------------------------------------------------------------- persistence
    def _restore(self) -> None:
        """Take up what the journal holds."""
        stored = self.journal.read()
        self._is_begun = stored is not None
        if stored is None or stored[1].lines == 0:
            return
        options, self.progress, blob = stored
        if options != self.options:
            differing = sorted(
                key for key in options.keys() | self.options.keys() if options.get(key) != self.options.get(key)
            )
            raise StoredStateError(
                f"the state {str(self.journal.path)!r} was made with other options: {differing[0]} was "
                f"{options.get(differing[0])!r}, is {self.options.get(differing[0])!r}; use those, or another state."
            )
        self.source.check(self.progress)
        if self.progress.pace:
            self._leap.restore(self.progress.pace)
        self._reader.restore(self.progress.dialect)
        if not blob.startswith(b"{"):
            policy = self.monitor.alerts
            self.monitor, self._primed = StreamMonitor.from_bytes(blob), True
            self._names, self._last = self.monitor.names_, self.monitor.last_time_
            if self.monitor.alerts != policy:
                logger.info("another policy from here on")
                self.monitor.set_alerts(policy)
            return
        self._history, self._names = load_history(blob, self.journal.path)
        self._last = self._history[-1].time if self._history else None

    def _commit(self, out: BinaryIO) -> None:
        """Make what was done since the last commit last."""
        if not self._uncommitted:
            return
        out.flush()
        os.fsync(out.fileno())
        self.progress.output_bytes = out.tell()
        self.progress.fingerprint = self.source.fingerprint(self.progress.offset)
        if self._primed:
            blob = self.monitor.to_bytes()
        else:
            blob = dump_history(self._history, self._names)
        self.journal.commit(self.options, self.progress, blob, self._alerts)
        self._alerts, self._uncommitted = [], 0
        self.source.acknowledge(self.progress)
        for told in self.after_commit:
            told(self.progress)
