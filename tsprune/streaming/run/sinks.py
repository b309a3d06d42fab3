"""Sinks: where alerts go, after the commit, and again after a crash until they have arrived.

Law: an alert is delivered only once it is committed. Every sink has a mark, the line of the last alert that arrived; a
crash between delivery and mark delivers again, so alerts carry their line as an identity, and the sinks that can
tell (file, SQLite, webhooks that honour ``Idempotency-Key``) keep one of each.
"""

from __future__ import annotations

import json
import os
import sqlite3
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TextIO

from detectors.storage.atomic_file import replace_file
from tsprune.exceptions import StoredStateError
from tsprune.streaming.run.journal import Journal, Progress

__all__ = ["Alert", "JsonLinesSink", "Outbox", "Sink", "SqliteSink", "StreamSink", "WebhookSink"]


@dataclass(frozen=True)
class Alert:
    """One committed alert.

    Attributes
    ----------
    line : int
        1-based number of the record that raised it: its identity.
    time : str
        Time of the record, as given.
    reading : dict
        The reading as it stands in the output, ``because`` included.
    """

    line: int
    time: str
    reading: Mapping[str, Any]

    def to_json(self) -> str:
        """Return one line of JSON."""
        return json.dumps({"line": self.line, "time": self.time, **self.reading}, allow_nan=False)


class Sink(Protocol):
    """Where alerts go; `name` is what its mark is kept under."""

    @property
    def name(self) -> str:
        """What the mark is kept under: the same sink has the same name after a restart."""

    def deliver(self, alerts: Sequence[Alert]) -> None:
        """Take alerts in order; return once they have arrived, raise OSError if they have not."""


class StreamSink:
    """Alerts as JSON lines on a text stream, such as standard output."""

    name = "stream"

    def __init__(self, stream: TextIO | None = None) -> None:
        self.stream = sys.stdout if stream is None else stream

    def deliver(self, alerts: Sequence[Alert]) -> None:
        """Print the alerts."""
        for alert in alerts:
            print(alert.to_json(), file=self.stream)
        self.stream.flush()


class JsonLinesSink:
    """Alerts appended to a file, one JSON line each; one that is there already is not written again."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)

    @property
    def name(self) -> str:
        """``file:`` and the path."""
        return f"file:{self.path}"

    def deliver(self, alerts: Sequence[Alert]) -> None:
        """Append the alerts and make them last."""
        last = self._cut()
        with self.path.open("a", encoding="utf-8") as file:
            file.writelines(alert.to_json() + "\n" for alert in alerts if alert.line > last)
            file.flush()
            os.fsync(file.fileno())

    def _cut(self) -> int:
        """Cut off an unfinished last line; return the number of the last alert."""
        if not self.path.exists():
            return 0
        with self.path.open("r+b") as file:
            kept = file.read()
            whole = kept[: kept.rfind(b"\n") + 1]
            if len(whole) < len(kept):
                file.truncate(len(whole))
        lines = whole.splitlines()
        return int(json.loads(lines[-1])["line"]) if lines else 0


class SqliteSink:
    """Alerts as rows of a table ``alerts`` (line, time, reading) of an SQLite file of its own."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)

    @property
    def name(self) -> str:
        """``sqlite:`` and the path."""
        return f"sqlite:{self.path}"

    def deliver(self, alerts: Sequence[Alert]) -> None:
        """Insert the alerts in one transaction."""
        connection = sqlite3.connect(self.path)
        try:
            with connection:
                connection.execute(
                    "CREATE TABLE IF NOT EXISTS alerts "
                    "(line INTEGER PRIMARY KEY, time TEXT NOT NULL, reading TEXT NOT NULL)"
                )
                connection.executemany(
                    "INSERT OR REPLACE INTO alerts VALUES (?, ?, ?)",
                    [(alert.line, alert.time, json.dumps(dict(alert.reading), allow_nan=False)) for alert in alerts],
                )
        except sqlite3.Error as error:
            raise OSError(f"{self.name}: {error}") from None
        finally:
            connection.close()


class WebhookSink:
    """Alerts posted to a URL, one JSON object each, with the header ``Idempotency-Key: LINE``.

    Parameters
    ----------
    url : str
        ``http://`` or ``https://``.
    timeout : float, default=10
        Longest wait for an answer, in seconds.
    attempts : int, default=3
        Tries an alert, with pauses of `pause`, 2 `pause`, 4 `pause`, ... seconds between them; answers of 400 to 499
        other than 408 and 429 are final: the receiver refuses the alert, and it counts as delivered.
    pause : float, default=0.5
    """

    def __init__(self, url: str, *, timeout: float = 10.0, attempts: int = 3, pause: float = 0.5) -> None:
        self.url, self.timeout, self.attempts, self.pause = url, timeout, attempts, pause
        self.refused: list[tuple[int, int]] = []

    @property
    def name(self) -> str:
        """``webhook:`` and the URL."""
        return f"webhook:{self.url}"

    def deliver(self, alerts: Sequence[Alert]) -> None:
        """Post the alerts."""
        for alert in alerts:
            self._post(alert)

    def _post(self, alert: Alert) -> None:
        headers = {"Content-Type": "application/json", "Idempotency-Key": str(alert.line)}
        request = urllib.request.Request(self.url, alert.to_json().encode(), headers, method="POST")
        for attempt in range(self.attempts):
            try:
                with urllib.request.urlopen(request, timeout=self.timeout):
                    return
            except urllib.error.HTTPError as error:
                error.close()
                if 400 <= error.code < 500 and error.code not in (408, 429):
                    self.refused.append((alert.line, error.code))
                    return
                failure: OSError = error
            except OSError as error:
                failure = error
            if attempt + 1 < self.attempts:
                time.sleep(self.pause * 2**attempt)
        raise OSError(
            f"{self.name}: alert of line {alert.line} was not taken after {self.attempts} attempts: {failure}"
        )


class Outbox:
    """Delivers committed alerts to sinks, each from its own mark on; call it after each commit.

    A sink that fails keeps its mark: its alerts wait in the journal and are tried again at the next commit, `failures`
    says what happened last.

    Parameters
    ----------
    journal : Journal
        Of the run; the alerts are read from it.
    path : path
        Where the marks are kept, as JSON.
    sinks : sequence of Sink
    """

    def __init__(self, journal: Journal, path: str | os.PathLike[str], sinks: Sequence[Sink]) -> None:
        self.journal, self.path, self.sinks = journal, Path(path), list(sinks)
        self.failures: dict[str, str] = {}
        self._marks: dict[str, int] = {}
        if self.path.exists():
            try:
                self._marks = {str(name): int(line) for name, line in json.loads(self.path.read_text()).items()}
            except (ValueError, AttributeError, TypeError) as error:
                raise StoredStateError(
                    f"the marks {str(self.path)!r} must be those of an outbox, got another file: {error}; remove it to "
                    "deliver every alert again."
                ) from None

    def __call__(self, progress: Progress) -> None:  # noqa: ARG002 - what the run gives after a commit
        """Deliver what has not arrived yet."""
        first = min((self._marks.get(sink.name, 0) for sink in self.sinks), default=0)
        alerts = [Alert(line, moment, json.loads(reading)) for line, moment, reading in self.journal.alerts(first)]
        for sink in self.sinks:
            due = [alert for alert in alerts if alert.line > self._marks.get(sink.name, 0)]
            if not due:
                continue
            try:
                sink.deliver(due)
            except OSError as error:
                self.failures[sink.name] = str(error)
                continue
            self.failures.pop(sink.name, None)
            self._marks[sink.name] = due[-1].line
            self._keep()

    def _keep(self) -> None:
        """Write the marks, atomically."""
        replace_file(self.path, json.dumps(self._marks).encode())
