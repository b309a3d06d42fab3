"""Journal: what a run remembers, in one SQLite file and one transaction at a time.

The monitor's state, the place in the input, the counts, and the alerts move together or not at all. The output file
is outside; the journal knows how many of its bytes count, and a restart cuts back the rest.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tsprune.exceptions import StoredStateError

__all__ = ["Journal", "Progress"]

_VERSION = 2
_APPLICATION = 0x74737072  # "tspr": marks the file as ours


@dataclass
class Progress:
    """How far a run has come.

    Attributes
    ----------
    offset : int
        Bytes of the input that are done.
    fingerprint : str
        SHA-256 of the last bytes before `offset`: the input must still be the same file.
    output_bytes : int
        Bytes of the output that count.
    lines, accepted, readings, missing : int
        Lines done; of those accepted; readings written; accepted lines with a missing value.
    bad : dict of int
        Refused lines by kind.
    cursor : str
        Where a source other than a file stands.
    alerts, held_back : int
        Alerts raised; those that the budget kept back.
    dialect : list
        How the records are written; empty before the first one.
    grouped : bool
        Whether records of one time belong together.
    pending : list
        Rows that wait for more records of their time: time, text, values, number of the last line.
    newest : int
        Latest time met, in nanoseconds since the epoch.
    pace : list of float
        Memory of the usual step in time.
    silent : int
        Time of the last record before the silence that was reported last.
    """

    offset: int = 0
    fingerprint: str = ""
    output_bytes: int = 0
    lines: int = 0
    accepted: int = 0
    readings: int = 0
    missing: int = 0
    bad: dict[str, int] = field(default_factory=dict)
    cursor: str = ""
    alerts: int = 0
    held_back: int = 0
    dialect: list[Any] = field(default_factory=list)
    grouped: bool = False
    pending: list[list[Any]] = field(default_factory=list)
    newest: int = 0
    pace: list[float] = field(default_factory=list)
    silent: int = 0

    def summary(self) -> dict[str, Any]:
        """Return what ``--json`` prints."""
        return {
            "lines": self.lines,
            "accepted": self.accepted,
            "readings": self.readings,
            "missing": self.missing,
            "bad": dict(sorted(self.bad.items())),
            "alerts": self.alerts,
            "held_back": self.held_back,
        }


class Journal:
    """The SQLite file of a run; held exclusively while open.

    Parameters
    ----------
    path : path
        Made if absent.

    Raises
    ------
    StoredStateError
        If the file is something else, or another process holds it.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        try:
            self._connection = sqlite3.connect(self.path, timeout=0.5, isolation_level=None)
        except sqlite3.OperationalError as error:
            raise StoredStateError(
                f"the state {str(self.path)!r} must be a file that can be written, got: {error}; check its directory."
            ) from None
        try:
            self._open()
        except sqlite3.OperationalError as error:
            self._connection.close()
            raise StoredStateError(
                f"the state {str(self.path)!r} cannot be used: {error}; is another `tsprune monitor` running on it?"
            ) from None
        except sqlite3.DatabaseError as error:
            self._connection.close()
            raise StoredStateError(
                f"the state {str(self.path)!r} must be a journal of `tsprune monitor`, got another file: {error}."
            ) from None
        except BaseException:
            self._connection.close()
            raise

    def _open(self) -> None:
        run = self._connection.execute
        run("PRAGMA locking_mode=EXCLUSIVE")
        run("PRAGMA synchronous=NORMAL")
        run("BEGIN EXCLUSIVE")
        application = run("PRAGMA application_id").fetchone()[0]
        tables = run("SELECT count(*) FROM sqlite_master").fetchone()[0]
        if tables == 0:
            run(f"PRAGMA application_id={_APPLICATION}")
            run(f"PRAGMA user_version={_VERSION}")
            run("CREATE TABLE run (id INTEGER PRIMARY KEY CHECK (id = 1), options TEXT, progress TEXT, monitor BLOB)")
            run(
                "CREATE TABLE alerts (id INTEGER PRIMARY KEY AUTOINCREMENT, line INTEGER NOT NULL, "
                "time TEXT NOT NULL, reading TEXT NOT NULL)"
            )
            run("CREATE TABLE marks (sink TEXT PRIMARY KEY, id INTEGER NOT NULL)")
            run("CREATE TABLE refused (sink TEXT, id INTEGER, reason TEXT NOT NULL, PRIMARY KEY (sink, id))")
        elif application != _APPLICATION:
            raise sqlite3.DatabaseError("it is a database of another program")
        elif (version := run("PRAGMA user_version").fetchone()[0]) != _VERSION:
            raise sqlite3.DatabaseError(
                f"it has format version {version}, this tsprune writes {_VERSION}; remove it to start over"
            )
        run("COMMIT")

    def read(self) -> tuple[dict[str, Any], Progress, bytes] | None:
        """Return options, progress and monitor of the last commit; None if there was none.

        Raises
        ------
        StoredStateError
            If what the file holds was changed by something else.
        """
        try:
            row = self._connection.execute("SELECT options, progress, monitor FROM run").fetchone()
            if row is None:
                return None
            options, progress, monitor = json.loads(row[0]), Progress(**json.loads(row[1])), row[2]
            if not isinstance(options, dict) or not isinstance(monitor, bytes):
                raise TypeError(f"options and monitor are {type(options).__name__} and {type(monitor).__name__}")
        except (sqlite3.DatabaseError, TypeError, ValueError) as error:
            raise StoredStateError(
                f"the state {str(self.path)!r} is damaged, or of another version of tsprune: {error}; restore a copy, "
                "or remove it to start over."
            ) from None
        return options, progress, monitor

    def commit(
        self, options: dict[str, Any], progress: Progress, monitor: bytes, alerts: Sequence[tuple[int, str, str]]
    ) -> None:
        """Replace what is remembered and add `alerts` (line, time, reading), in one transaction."""
        run = self._connection.execute
        try:
            run("BEGIN IMMEDIATE")
            run(
                "INSERT OR REPLACE INTO run VALUES (1, ?, ?, ?)",
                (json.dumps(options, sort_keys=True), json.dumps(asdict(progress)), monitor),
            )
            self._connection.executemany("INSERT INTO alerts (line, time, reading) VALUES (?, ?, ?)", alerts)
            run("COMMIT")
        except sqlite3.OperationalError as error:
            self._connection.rollback()
            raise StoredStateError(
                f"the state {str(self.path)!r} cannot be written: {error}; make room and run again, what was committed "
                "before is kept."
            ) from None
        except BaseException:
            self._connection.rollback()
            raise

    def alerts(self, after: int = 0) -> list[tuple[int, str, str]]:
        """Return the alerts committed for lines beyond `after`: line, time, the reading as JSON."""
        query = "SELECT line, time, reading FROM alerts WHERE line > ? ORDER BY id"
        return list(self._connection.execute(query, (after,)))

    def undelivered(self, sink: str) -> list[tuple[int, int, str, str]]:
        """Return the alerts that `sink` has not got and has not refused: number, line, time, the reading as JSON."""
        query = (
            "SELECT id, line, time, reading FROM alerts WHERE id > coalesce((SELECT id FROM marks WHERE sink = ?), 0) "
            "AND id NOT IN (SELECT id FROM refused WHERE sink = ?) ORDER BY id"
        )
        return list(self._connection.execute(query, (sink, sink)))

    def mark(self, sink: str, number: int) -> None:
        """Remember that `sink` has every alert up to `number`."""
        self._connection.execute("INSERT OR REPLACE INTO marks VALUES (?, ?)", (sink, number))

    def refuse(self, sink: str, number: int, reason: str) -> None:
        """Remember that `sink` will not take alert `number`."""
        self._connection.execute("INSERT OR REPLACE INTO refused VALUES (?, ?, ?)", (sink, number, reason))

    def refused(self, sink: str) -> list[tuple[int, str]]:
        """Return the lines of the alerts that `sink` refused, and why."""
        query = "SELECT line, reason FROM refused JOIN alerts USING (id) WHERE sink = ? ORDER BY id"
        return list(self._connection.execute(query, (sink,)))

    def retry(self, sink: str) -> None:
        """Forget what `sink` refused: its receiver may have been mended; those alerts are delivered first."""
        row = self._connection.execute("SELECT min(id) FROM refused WHERE sink = ?", (sink,)).fetchone()
        if row[0] is not None:
            self._connection.execute("UPDATE marks SET id = min(id, ?) WHERE sink = ?", (row[0] - 1, sink))
            self._connection.execute("DELETE FROM refused WHERE sink = ?", (sink,))

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()

    def __enter__(self) -> Journal:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()
