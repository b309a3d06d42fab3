"""Lines from wherever they are: text files, gzip, JSON lines, journald exports, pandas, polars, any iterable.

Blocks keep where each line came from (file and number), so that an explanation can show it.
"""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from tsprune.exceptions import InvalidRecordError

__all__ = ["LineBlock", "line_blocks", "text_of_record"]

_BLOCK = 20_000  # lines held at a time
_MESSAGES = ("message", "MESSAGE", "msg", "line", "log", "text", "event", "body")
_TIMES = ("time", "timestamp", "@timestamp", "ts", "datetime", "date", "__REALTIME_TIMESTAMP")
_LEVELS = ("level", "severity", "levelname", "lvl", "PRIORITY")
_SYSLOG_LEVELS = ("EMERG", "ALERT", "CRIT", "ERR", "WARNING", "NOTICE", "INFO", "DEBUG")


@dataclass
class LineBlock:
    """Some lines in a row.

    Parameters
    ----------
    lines : list of str
    where : str
        File they come from; "" for lines that were given.
    first : int
        Number of the first one there, from 1 in files, from 0 for lines that were given.
    times : list of str, optional
        Times that stood in a field of their own.
    numbers : list of int, optional
        Numbers of the lines, where they do not follow each other.
    """

    lines: list[str]
    where: str = ""
    first: int = 0
    times: list[str] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)

    def number(self, i: int) -> int:
        """Number of line `i` of the block in its file."""
        return self.numbers[i] if self.numbers else self.first + i


def line_blocks(source: Any) -> Iterator[LineBlock]:
    """Read blocks of lines.

    Parameters
    ----------
    source : path-like, or iterable of str or of records
        A path (``pathlib.Path``, or a text that names a file) of lines of text, of JSON lines (``{"message": ...}``)
        or of a journald export (``journalctl -o json`` or ``-o export``), each also gzipped; a list, a pandas or
        polars Series of lines; a frame with one of the columns `message`, `msg`, `line`, `log`, `text`.

    Yields
    ------
    LineBlock

    Raises
    ------
    InvalidRecordError
        If there is no such file, or something is no line of text.
    """
    if hasattr(source, "blocks"):  # something that watches the blocks of another source
        yield from source.blocks()
        return
    if isinstance(source, os.PathLike) or (isinstance(source, str) and "\n" not in source):
        yield from _file_blocks(Path(source))
        return
    if isinstance(source, str):
        source = source.splitlines()
    if hasattr(source, "columns"):
        column = next((name for name in _MESSAGES if name in source.columns), None)
        if column is None:
            raise InvalidRecordError(
                f"a frame of log lines must have one of the columns {', '.join(_MESSAGES)}, got "
                f"{list(map(str, source.columns))[:12]}; rename yours, or pass that column alone.",
                "shape",
            )
        source = source[column]
    lines = source.tolist() if hasattr(source, "tolist") else source.to_list() if hasattr(source, "to_list") else source
    first = 0
    iterator = iter(lines)
    while part := list(islice(iterator, _BLOCK)):
        for number, line in enumerate(part):
            if not isinstance(line, str):
                raise InvalidRecordError(
                    f"a log line must be text, got {line!r} at position {first + number}; decode or drop it.", "shape"
                )
        yield LineBlock(part, first=first)
        first += len(part)


def _file_blocks(path: Path) -> Iterator[LineBlock]:
    """Blocks of a file, whatever of the known forms it has."""
    if not path.is_file():
        raise InvalidRecordError(f"INPUT must be a file of log lines, got {str(path)!r}; check the path.", "shape")
    opened = gzip.open if path.suffix == ".gz" else open
    try:
        with opened(path, "rt", encoding="utf-8", errors="replace", newline="\n") as file:
            head = list(islice(file, 50))
            yield from _blocks_of_text(head, file, str(path))
    except (EOFError, gzip.BadGzipFile) as error:
        raise InvalidRecordError(
            f"{path.name} must be a whole gzip file, got: {error}; copy it again.", "shape"
        ) from error


def _blocks_of_text(head: Sequence[str], rest: Iterable[str], where: str) -> Iterator[LineBlock]:
    """Blocks of the lines of `head` and `rest`, read as what `head` looks like."""

    def every() -> Iterator[str]:
        yield from head
        yield from rest

    if head and head[0].startswith("{"):
        yield from _records(_json_records(every(), where), where)
        return
    if (head and head[0].startswith("__CURSOR=")) or any(line.startswith("__REALTIME_TIMESTAMP=") for line in head[:5]):
        yield from _records(_export_records(every()), where)
        return
    iterator, first = every(), 1
    while part := [line.rstrip("\r\n") for line in islice(iterator, _BLOCK)]:
        yield LineBlock(part, where, first)
        first += len(part)


def _records(records: Iterable[tuple[int, dict[str, Any]]], where: str) -> Iterator[LineBlock]:
    """Blocks of records (number of the line, fields)."""
    iterator = iter(records)
    while part := list(islice(iterator, _BLOCK)):
        texts, times = zip(*(text_of_record(record) for _, record in part), strict=True)
        yield LineBlock(list(texts), where, part[0][0], list(times) if any(times) else [], [n for n, _ in part])


def text_of_record(record: dict[str, Any]) -> tuple[str, str]:
    """The line and the time of a record: its level, unit and message; all fields where none is a message."""
    name = next((name for name in _MESSAGES if name in record), None)
    time = next((str(record[name]) for name in _TIMES if name in record), "")
    if time.isdigit() and len(time) == 16:  # journald counts microseconds
        time = str(int(time) / 1e6)
    if name is None:
        text = " ".join(f"{key}={value}" for key, value in record.items() if key not in _TIMES)
        return text, time
    level = next((record[key] for key in _LEVELS if key in record), "")
    if str(level).isdigit() and int(level) < len(_SYSLOG_LEVELS):
        level = _SYSLOG_LEVELS[int(level)]
    unit = record.get("SYSLOG_IDENTIFIER", record.get("logger", ""))
    message = record[name]
    if isinstance(message, list):  # journald: bytes that are no UTF-8
        message = bytes(message).decode("utf-8", "replace")
    return " ".join(str(part) for part in (str(level).upper(), unit, message) if part != ""), time


def _json_records(lines: Iterable[str], where: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """Records of JSON lines, with the number of their line."""
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except json.JSONDecodeError:
            record = {"message": line.rstrip("\r\n")}  # a line between records, such as a stack trace
        if not isinstance(record, dict):
            raise InvalidRecordError(
                f"line {number} of {where} must be a JSON object, got {line[:60]!r}; drop it.", "shape"
            )
        yield number, record


def _export_records(lines: Iterable[str]) -> Iterator[tuple[int, dict[str, Any]]]:
    """Records of a journald export: fields ``NAME=value``, records ended by an empty line."""
    record: dict[str, Any] = {}
    first = 1
    for number, line in enumerate(lines, 1):
        text = line.rstrip("\n")
        if not text:
            if record:
                yield first, record
            record, first = {}, number + 1
            continue
        name, found, value = text.partition("=")
        if found:
            record[name] = value
    if record:
        yield first, record
