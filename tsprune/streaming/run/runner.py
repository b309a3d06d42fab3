"""Run: lines in, readings out, nothing lost and nothing doubled.

Law: every accepted line after the priming ones gives exactly one reading, whatever happened in between; a refused
line leaves no trace but its count. Order of a commit: the readings are written to the output first, then one SQLite
transaction moves state, place in the input, counts and alerts. After a crash the output is cut back to what the last
transaction counts.
"""

from __future__ import annotations

import codecs
import errno
import hashlib
import json
import math
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import pandas as pd

from tsprune.exceptions import InvalidRecordError, StoredStateError
from tsprune.streaming.monitor.monitor import StreamMonitor
from tsprune.streaming.monitor.reading import Reading
from tsprune.streaming.run.journal import Journal, Progress
from tsprune.streaming.run.records import Record, parse_line

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

__all__ = ["FileLines", "Line", "MonitorRun", "RefusedLineError"]

_COMMIT_LINES = 2000
_COMMIT_SECONDS = 1.0
_FINGERPRINT_BYTES = 4096
_NO_ROOM = (errno.ENOSPC, errno.EFBIG, errno.EDQUOT)


class RefusedLineError(InvalidRecordError):
    """A refused line stopped the run; `number` is its 1-based number."""

    def __init__(self, number: int, error: InvalidRecordError) -> None:
        super().__init__(f"line {number}: {error} (kind {error.kind}; --on-error skip goes on)", error.kind)
        self.number = number


@dataclass(frozen=True)
class Line:
    """One line of a source; `offset` and `cursor` say where the source stands once it is done."""

    text: bytes
    offset: int = 0
    cursor: str = ""


class FileLines:
    """The lines of a file from a place on; with `follow`, also those that are written later.

    Iterating gives a `Line`, or None where nothing has come for now.

    Parameters
    ----------
    path : path
    follow : bool, default=False
        Whether to wait for more; an unfinished last line is then waited for, otherwise it counts as a line.
    pause : float, default=0.2
        Seconds between two looks.
    """

    def __init__(self, path: str | os.PathLike[str], *, follow: bool = False, pause: float = 0.2) -> None:
        self.path = Path(path)
        self.follow = follow
        self.pause = pause

    def fingerprint(self, offset: int) -> str:
        """Return the SHA-256 of the last bytes before `offset`."""
        with self.path.open("rb") as file:
            start = max(0, offset - _FINGERPRINT_BYTES)
            file.seek(start)
            return hashlib.sha256(file.read(offset - start)).hexdigest()

    def check(self, progress: Progress) -> None:
        """Raise `StoredStateError` unless the file still begins with what was read."""
        if self.path.stat().st_size < progress.offset or self.fingerprint(progress.offset) != progress.fingerprint:
            raise StoredStateError(
                f"the input {str(self.path)!r} must still hold the {progress.lines} lines that the state counts, got "
                "another file; use another state for it, or remove the state to start over."
            )

    def lines(self, progress: Progress) -> Iterator[Line | None]:
        """Yield the lines after `progress`."""
        offset = progress.offset
        with self.path.open("rb") as file:
            file.seek(offset)
            begun = b""
            while True:
                text = begun + file.readline()
                if text.endswith(b"\n") or (text and not self.follow):
                    begun, offset = b"", offset + len(text)
                    yield Line(text, offset)
                elif not self.follow:
                    return
                else:
                    begun = text
                    yield None
                    time.sleep(self.pause)

    def acknowledge(self, progress: Progress) -> None:
        """Nobody to tell: a file keeps everything."""

    def close(self) -> None:
        """Nothing to let go of: the file is open only while `lines` is read."""


@dataclass
class MonitorRun:
    """One input, one state, one output.

    Parameters
    ----------
    source : Source
        `FileLines`, or another one of the protocol in `tsprune.streaming.sources`.
    journal : Journal
    output : path
    monitor : StreamMonitor
        Unprimed; what to begin with.
    prime : int
        Accepted lines to learn from before the first reading.
    skip : bool
        Whether refused lines are counted and passed over; otherwise the first one stops the run.
    options : dict
        What must be equal in the run that made the state.
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

    def __post_init__(self) -> None:
        """Begin with nothing done."""
        self.progress = Progress()
        self.stopping = False
        self._history: list[Record] = []
        self._names: tuple[str, ...] | None = None
        self._last: int | None = None
        self._alerts: list[tuple[int, str, str]] = []
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
        for told in self.after_commit:
            told(self.progress)
        try:
            with self._open_output() as out:
                self._follow(out)
        except OSError as error:
            if error.errno not in _NO_ROOM:
                raise
            raise StoredStateError(
                f"the output {str(self.output)!r} cannot be written: {error}; make room and run again, what was "
                "committed before is kept."
            ) from None
        return self.progress

    def _follow(self, out: BinaryIO) -> None:
        """Take line by line, commit now and then."""
        if not self._is_begun:  # from now on, what the output holds is this run's
            self.journal.commit(self.options, self.progress, b"{}", [])
        committed = time.monotonic()
        for line in self.source.lines(self.progress):
            if line is not None:
                try:
                    self._take(line, out)
                except RefusedLineError:
                    self._commit(out)
                    raise
                self._uncommitted += 1
            late = time.monotonic() - committed > _COMMIT_SECONDS
            if line is None or late or self._uncommitted >= _COMMIT_LINES or self.stopping:
                self._commit(out)
                committed = time.monotonic()
            if self.stopping:
                break
        self._commit(out)

    # ------------------------------------------------------------------------------------------- one line
    def _take(self, line: Line, out: BinaryIO) -> None:
        progress = self.progress
        try:
            text = line.text if progress.lines else line.text.removeprefix(codecs.BOM_UTF8)
            record = parse_line(text, self._names, adopt=self.monitor.new_metrics == "adopt")
            self._check_order(record.time)
        except InvalidRecordError as error:
            if not self.skip:
                raise RefusedLineError(progress.lines + 1, error) from None
            progress.lines += 1
            progress.bad[error.kind] = progress.bad.get(error.kind, 0) + 1
            progress.offset, progress.cursor = line.offset, line.cursor
            return
        if self._names is None:
            self._names = tuple(record.values)
        elif self.monitor.new_metrics == "adopt":
            self._names += tuple(name for name in record.values if name not in self._names)
        self._last = record.time
        progress.lines += 1
        progress.accepted += 1
        values = record.values
        if len(values) < len(self._names) or any(map(math.isnan, values.values())):
            progress.missing += 1
        progress.offset, progress.cursor = line.offset, line.cursor
        if self._primed:
            self._write(record, out)
            return
        self._history.append(record)
        if len(self._history) >= self.prime:
            self._learn()

    def _check_order(self, moment: int) -> None:
        """Raise unless `moment` is later than the last accepted line."""
        if self._last is not None and moment <= self._last:
            kind = "duplicate" if moment == self._last else "late"
            raise InvalidRecordError(
                f"time must be later than that of the last accepted line, {pd.Timestamp(self._last)}, got "
                f"{pd.Timestamp(moment)}.",
                kind,
            )

    def _learn(self) -> None:
        """Prime the monitor with the history, and forget that."""
        index = pd.DatetimeIndex([record.time for record in self._history], name="time")
        rows = [[record.values.get(name, math.nan) for name in self._names or ()] for record in self._history]
        self.monitor.prime(pd.DataFrame(rows, index=index, columns=list(self._names or ())))
        self._history, self._primed = [], True

    def _write(self, record: Record, out: BinaryIO) -> None:
        """Score a record and write its reading."""
        reading = self.monitor.update(pd.Timestamp(record.time), record.values)
        fields: dict[str, Any] = {
            "line": self.progress.lines,
            "time": record.text,
            "score": reading.score,
            "onset": reading.onset,
            "p_value": reading.p_value,
            "is_anomaly": reading.is_anomaly,
            "alert": reading.alert,
            "repruned": reading.repruned,
        }
        if reading.alert:
            fields["because"] = self._because(reading)
        text = json.dumps(fields, allow_nan=False)
        out.write(text.encode() + b"\n")
        self.progress.readings += 1
        if reading.alert:
            self._alerts.append((self.progress.lines, record.text, text))
        for listener in self.listeners:
            listener(reading, self.progress)

    @staticmethod
    def _because(reading: Reading) -> dict[str, dict[str, float]]:
        """Return the causes of an alert with a share of at least 5 %, by metric."""
        table = reading.explain()
        found: dict[str, dict[str, float]] = {}
        for metric, row in table.iterrows():
            shares = {str(cause): round(float(share), 3) for cause, share in row.items() if share >= 0.05}
            if shares:
                found[str(metric)] = shares
        return found

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
        if not blob.startswith(b"{"):
            self.monitor, self._primed = StreamMonitor.from_bytes(blob), True
            self._names, self._last = self.monitor.names_, self.monitor.last_time_
            return
        try:
            kept = json.loads(blob)
            self._names = None if kept["names"] is None else tuple(kept["names"])
            for moment, values in kept["history"]:
                found = {name: math.nan if value is None else value for name, value in values.items()}
                self._history.append(Record(moment, "", found))
        except (KeyError, TypeError, ValueError) as error:
            raise StoredStateError(
                f"the state {str(self.journal.path)!r} is damaged: its history cannot be read ({error!r}); restore a "
                "copy, or remove it to start over."
            ) from None
        self._last = self._history[-1].time if self._history else None

    def _open_output(self) -> BinaryIO:
        """Open the output, cut back to what counts."""
        if self.output.exists() and not self.output.is_file():
            raise StoredStateError(
                f"the output {str(self.output)!r} must be a regular file, because it is cut back after a crash; write "
                "to one, and follow that."
            )
        out: BinaryIO = self.output.open("r+b") if self.output.exists() else self.output.open("w+b")
        if not _lock(out):
            out.close()
            raise StoredStateError(
                f"the output {str(self.output)!r} is being written by another run; end that one, or name another file."
            )
        held = out.seek(0, os.SEEK_END)
        if not self._is_begun and held:
            out.close()
            raise StoredStateError(
                f"the output {str(self.output)!r} must be empty where the state {str(self.journal.path)!r} is new, got "
                f"{held} bytes; give the state that belongs to it, name another file, or remove it."
            )
        if held < self.progress.output_bytes:
            out.close()
            raise StoredStateError(
                f"the output {str(self.output)!r} must hold the {self.progress.output_bytes} bytes that the state "
                f"counts, got {held}; restore it, or remove the state to start over."
            )
        out.truncate(self.progress.output_bytes)
        out.seek(self.progress.output_bytes)
        return out

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
            history = [
                (r.time, {name: None if math.isnan(v) else v for name, v in r.values.items()}) for r in self._history
            ]
            blob = json.dumps({"names": self._names, "history": history}).encode()
        self.journal.commit(self.options, self.progress, blob, self._alerts)
        self._alerts, self._uncommitted = [], 0
        self.source.acknowledge(self.progress)
        for told in self.after_commit:
            told(self.progress)


def _lock(file: BinaryIO) -> bool:
    """Hold a file until it is closed; False if another process does. Where there are no such locks, always True."""
    if fcntl is None:
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks
        return True
    return True
