"""Sinks: where alerts go, after the commit, and again after a crash until they have arrived.

Invariant: an alert is delivered only once it is committed. Every sink has a mark in the journal, the last alert that
arrived; a crash between delivery and mark delivers again, so alerts carry an identity, and the sinks that can tell
(file, SQLite, webhooks that honour ``Idempotency-Key``) keep one of each. `Outbox` in `outbox` delivers.
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

__all__ = ["Alert", "JsonLinesSink", "RefusedAlertError", "Sink", "SqliteSink", "StreamSink", "WebhookSink"]


class RefusedAlertError(OSError):
    """A receiver will not take an alert, however often it is sent; those before it have arrived."""

    def __init__(self, message: str, alert: Alert) -> None:
        super().__init__(message)
        self.alert = alert


@dataclass(frozen=True)
class Alert:
    """One committed alert.

    Attributes
    ----------
    line : int
        1-based number of the record that raised it; of the last one before a silence.
    time : str
        Time of the record, as given.
    reading : dict
        The reading as it stands in the output, ``because`` included.
    """

    line: int
    time: str
    reading: Mapping[str, Any]

    @property
    def key(self) -> str:
        """What tells it from every other alert of the run."""
        return f"silent-{self.line}" if self.reading.get("kind") == "silent" else str(self.line)

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
        held = self._cut()
        with self.path.open("a", encoding="utf-8") as file:
            file.writelines(alert.to_json() + "\n" for alert in alerts if alert.key not in held)
            file.flush()
            os.fsync(file.fileno())

    def _cut(self) -> set[str]:
        """Cut off an unfinished last line; return the keys of the alerts that are there."""
        if not self.path.exists():
            return set()
        with self.path.open("r+b") as file:
            kept = file.read()
            whole = kept[: kept.rfind(b"\n") + 1]
            if len(whole) < len(kept):
                file.truncate(len(whole))
        held = (json.loads(line) for line in whole.splitlines())
        return {Alert(int(alert["line"]), "", alert).key for alert in held}


class SqliteSink:
    """Alerts as rows of a table ``alerts`` (line, time, reading) of an SQLite file of its own.

    A silence has the negative number of the line before it.
    """

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
                rows = [
                    (
                        -alert.line if alert.key.startswith("silent") else alert.line,
                        alert.time,
                        json.dumps(dict(alert.reading), allow_nan=False),
                    )
                    for alert in alerts
                ]
                connection.executemany("INSERT OR REPLACE INTO alerts VALUES (?, ?, ?)", rows)
        except sqlite3.Error as error:
            raise OSError(f"{self.name}: {error}") from None
        finally:
            connection.close()


class WebhookSink:
    """Alerts posted to a URL, one JSON object each, with a header ``Idempotency-Key``: line, ``silent-LINE``.

    Parameters
    ----------
    url : str
        ``http://`` or ``https://``.
    timeout : float, default=10
        Longest wait for an answer, in seconds.
    attempts : int, default=3
        Tries an alert, with pauses of `pause`, 2 `pause`, 4 `pause`, ... seconds between them. Answers of 400 to 499
        other than 408, 425 and 429 are final for this run: `RefusedAlertError`.
    pause : float, default=0.5
    """

    def __init__(self, url: str, *, timeout: float = 10.0, attempts: int = 3, pause: float = 0.5) -> None:
        self.url, self.timeout, self.attempts, self.pause = url, timeout, attempts, pause

    @property
    def name(self) -> str:
        """``webhook:`` and the URL."""
        return f"webhook:{self.url}"

    def deliver(self, alerts: Sequence[Alert]) -> None:
        """Post the alerts."""
        for alert in alerts:
            self._post(alert)

    def _post(self, alert: Alert) -> None:
        headers = {"Content-Type": "application/json", "Idempotency-Key": alert.key}
        request = urllib.request.Request(self.url, alert.to_json().encode(), headers, method="POST")
        for attempt in range(self.attempts):
            try:
                with urllib.request.urlopen(request, timeout=self.timeout):
                    return
            except urllib.error.HTTPError as error:
                error.close()
                if 400 <= error.code < 500 and error.code not in (408, 425, 429):
                    raise RefusedAlertError(
                        f"{self.name}: the alert of line {alert.line} was refused with status {error.code}", alert
                    ) from None
                failure: OSError = error
            except OSError as error:
                failure = error
            if attempt + 1 < self.attempts:
                time.sleep(self.pause * 2**attempt)
        raise OSError(
            f"{self.name}: alert of line {alert.line} was not taken after {self.attempts} attempts: {failure}"
        )
