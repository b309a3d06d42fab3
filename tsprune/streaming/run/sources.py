"""Sources: where records come from, one small protocol, acknowledged only after the commit.

Law: a run takes a `Line`, commits state, place and alerts in one transaction, and only then acknowledges. After a
crash a source goes on behind what was committed; what the server sends again although it was committed is
acknowledged and passed over. So every record counts once, if the server keeps what is not acknowledged.
"""

from __future__ import annotations

import codecs
import csv
import json
import os
import select
import sys
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO, Protocol

from detectors.exceptions import InvalidParameterError
from tsprune.exceptions import StoredStateError
from tsprune.streaming.run.journal import Progress
from tsprune.streaming.run.lines import FileLines, Line
from tsprune.streaming.run.records import TIME_NAMES

__all__ = ["CsvLines", "PipeLines", "Source", "check_same", "record_text"]

_BLOCK = 65536  # bytes that a pipe is asked for at once


class Source(Protocol):
    """Where records come from.

    A source is opened with the progress of the last commit: its `offset` (files) or `cursor` (servers) says what is
    done. `lines` yields a `Line` each, whose `offset` and `cursor` say where the source stands once it is done, or
    None where nothing has come for now, which makes the run commit.
    """

    def check(self, progress: Progress) -> None:
        """Raise `StoredStateError` unless the source can go on from there."""

    def lines(self, progress: Progress) -> Iterator[Line | None]:
        """Yield the lines after `progress`."""

    def fingerprint(self, offset: int) -> str:
        """Return what tells this source from another one read up to `offset`; "" where nothing does."""

    def acknowledge(self, progress: Progress) -> None:
        """Tell the server that everything up to `progress` is committed; called after each commit."""

    def close(self) -> None:
        """Let go of the connection."""


def check_same(source: Source, progress: Progress) -> None:
    """Raise `StoredStateError` unless what was read so far came from the same stream of the server."""
    here = source.fingerprint(progress.offset)
    if progress.lines and progress.fingerprint != here:
        raise StoredStateError(
            f"the state counts {progress.lines} records of {progress.fingerprint!r}, got the source {here!r}; use "
            "another state for it, or remove the state to start over."
        )


def record_text(time: str, values: Mapping[str, Any]) -> bytes:
    """Return a record as the line that the run reads; text that is a number becomes one."""
    return json.dumps({"time": time, "values": {name: _number(value) for name, value in values.items()}}).encode()


def _number(value: Any) -> Any:
    """Return text as a number or a missing value if it is one; otherwise as it is: the run refuses and counts it."""
    if not isinstance(value, str):
        return value
    if not value.strip():
        return None
    try:
        return value if "_" in value else float(value)  # Python's own "1_000" is no number elsewhere
    except ValueError:
        return value


class CsvLines(FileLines):
    """The rows of a CSV file with a header: a column of times, every other column a metric.

    Cells are separated by commas, semicolons (then a decimal comma is read, too) or tabs, whichever the header has.
    Quoted line breaks are not supported: a row is a line.

    Parameters
    ----------
    path : path
    time_column : str or None, default=None
        None takes the column called ``time``, ``timestamp``, ``datetime``, ``date`` or ``ts``.
    follow, pause
        As of `FileLines`.
    """

    def __init__(self, path: Any, *, time_column: str | None = None, follow: bool = False, pause: float = 0.2) -> None:
        super().__init__(path, follow=follow, pause=pause)
        self.time_column = time_column
        self._separator = ","

    def lines(self, progress: Progress) -> Iterator[Line | None]:
        """Yield the rows after `progress`, as records; a row of another length as it stands, to be refused."""
        with self.open() as file:
            header = file.readline()
        self._separator = max(",;\t", key=lambda mark: header.count(mark.encode()))
        names = self._names(header)
        known = TIME_NAMES if self.time_column is None else (self.time_column,)
        column = next((name for name in known if name in names), None)
        if column is None:
            raise InvalidParameterError(
                f"the header of {str(self.path)!r} must name the time column {known[0]!r}, got {names[:8]}; "
                "call that column so, and separate by commas, semicolons or tabs."
            )
        if progress.offset < len(header):
            progress.offset = len(header)
        for line in super().lines(progress):
            if line is None or not line.text.strip():
                yield line
                continue
            try:
                cells = _cells(line.text, self._separator)
            except csv.Error:  # the run refuses what is no row
                cells = []
            if len(cells) != len(names):
                yield line
                continue
            row = dict(zip(names, cells, strict=True))
            time = row.pop(column)
            if self._separator == ";":
                row = {name: cell.replace(",", ".") if "." not in cell else cell for name, cell in row.items()}
            if line.offset == 0 and line.text == header:  # of a file that was rotated
                continue
            yield Line(record_text(time, row), line.offset, line.cursor)

    def _names(self, header: bytes) -> list[str]:
        """Return the names of the columns.

        Raises
        ------
        InvalidParameterError
            If the header is no line of CSV in UTF-8, or a name comes twice: a column would be lost.
        """
        try:
            header.decode("utf-8-sig")
            names = _cells(header.removeprefix(codecs.BOM_UTF8), self._separator)
        except (UnicodeDecodeError, csv.Error) as error:
            raise InvalidParameterError(
                f"{str(self.path)!r} must begin with a header of CSV in UTF-8, ended by a line feed, got "
                f"{header[:30]!r}: {error}; convert the file."
            ) from None
        double = next((name for k, name in enumerate(names) if name in names[:k]), None)
        if double is not None:
            raise InvalidParameterError(
                f"the header of {str(self.path)!r} must give every column a name of its own, got {double!r} twice; "
                "rename one."
            )
        return names


def _cells(line: bytes, separator: str) -> list[str]:
    """Return the cells of one line of CSV."""
    return next(csv.reader([line.decode("utf-8", "replace").rstrip("\r\n")], delimiter=separator), [])


class PipeLines:
    """The lines of a pipe, such as standard input.

    A pipe cannot be read twice. After a restart the sender must go on behind the lines that were committed
    (`Progress.lines`), or send everything again with `resent=True`: the committed ones are then passed over.

    Parameters
    ----------
    stream : binary file, optional
        Default: standard input.
    resent : bool, default=False
        Whether the sender begins anew after a restart.
    pause : float, default=0.2
        Longest wait for a line before the run commits, in seconds.
    """

    def __init__(self, stream: BinaryIO | None = None, *, resent: bool = False, pause: float = 0.2) -> None:
        self.stream = sys.stdin.buffer if stream is None else stream
        self.resent = resent
        self.pause = pause

    def check(self, progress: Progress) -> None:
        """Nothing can be checked."""

    def fingerprint(self, offset: int) -> str:  # noqa: ARG002 - the protocol's
        """Nothing tells one pipe from another."""
        return ""

    def lines(self, progress: Progress) -> Iterator[Line | None]:
        """Yield the lines of the pipe until it is closed."""
        passed, offset = progress.lines if self.resent else 0, progress.offset
        for text in self._texts():
            if text is None:
                yield None
                continue
            if passed > 0:
                passed -= 1
                continue
            offset += len(text)
            yield Line(text, offset)

    def _texts(self) -> Iterator[bytes | None]:
        """Yield lines as they come, None where none has come for a while: a silent sender must not hold up a commit."""
        try:
            descriptor = self.stream.fileno()
        except (AttributeError, OSError):  # no pipe of the operating system
            descriptor = -1
        if descriptor < 0 or os.name != "posix":
            yield from iter(self.stream.readline, b"")
            return
        begun = b""
        while True:
            if not select.select([descriptor], [], [], self.pause)[0]:
                yield None
                continue
            block = os.read(descriptor, _BLOCK)
            *whole, begun = (begun + block).split(b"\n")
            for text in whole:
                yield text + b"\n"
            if not block:
                if begun:
                    yield begun
                return

    def acknowledge(self, progress: Progress) -> None:
        """Nobody to tell."""

    def close(self) -> None:
        """The pipe belongs to the caller."""
