"""Blocks of lines with what stands beside them: sessions, times, and the marks of what is normal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from tsprune.exceptions import InvalidRecordError
from tsprune.logs.line_times import as_seconds, found_seconds
from tsprune.logs.sources import LineBlock, line_blocks

__all__ = ["lines_beside"]


def lines_beside(
    lines: Any, sessions: Any, time: Any, normal: Any
) -> Iterator[tuple[LineBlock, Sequence[Any] | None, Any]]:
    """Read blocks of lines, only those known to be normal if that is given.

    Parameters
    ----------
    lines
        See `line_blocks`.
    sessions : sequence of length n_lines or None
        Names of documents.
    time : sequence of length n_lines or None
    normal : None, time or array of bool of shape (n_lines,)
        Lines to keep: those marked, or those before a time.

    Yields
    ------
    block : LineBlock
    sessions : list or None
    seconds : ndarray or None

    Raises
    ------
    InvalidRecordError
        If sessions, times or marks are not as many as lines.
    """
    names = None if sessions is None else list(sessions)
    seconds = None if time is None else as_seconds(time)
    until = mask = None
    if normal is not None:
        if isinstance(normal, str) or not hasattr(normal, "__len__"):
            until = float(as_seconds([normal])[0])
        else:
            mask = np.asarray(normal, dtype=bool)
    start = 0
    for block in line_blocks(lines):
        rows = slice(start, start + len(block.lines))
        start = rows.stop
        part = None if names is None else names[rows]
        when = None if seconds is None else seconds[rows]
        for what, values in (("sessions", names), ("time", seconds), ("reference", mask)):
            if values is not None and len(values) < rows.stop:
                raise InvalidRecordError(
                    f"{what} must have one entry a line, got {len(values)} for {rows.stop} lines or more.", "shape"
                )
        if until is not None or mask is not None:
            if when is None and until is not None:
                when = as_seconds(block.times) if block.times else found_seconds(block.lines)
            inside = mask[rows] if mask is not None else np.asarray(when) < until
            chosen = np.flatnonzero(inside).tolist()
            times = [block.times[i] for i in chosen] if block.times else []
            numbers = [block.number(i) for i in chosen]
            block = LineBlock([block.lines[i] for i in chosen], block.where, block.first, times, numbers)
            part = None if part is None else [part[i] for i in chosen]
            when = None if when is None else np.asarray(when)[chosen]
        if block.lines:
            yield block, part, when
    for what, values in (("sessions", names), ("time", seconds), ("reference", mask)):
        if values is not None and len(values) != start:
            raise InvalidRecordError(
                f"{what} must have one entry a line, got {len(values)} for {start} lines.", "shape"
            )
