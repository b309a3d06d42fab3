"""Times of log lines: read from a field, or found at the start of the text in one of the usual forms."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tsprune.exceptions import TimeIndexError

__all__ = ["as_seconds", "found_seconds", "window_seconds"]

Floats = NDArray[np.float64]

_MONTHS = {
    m: i for i, m in enumerate(["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"], 1)
}
_ISO = re.compile(
    r"(\d{4})[-/.](\d{2})[-/.](\d{2})[T _-](\d{2})[:.](\d{2})[:.](\d{2})(?:[.,](\d+))?(?:\s?(Z|[+-]\d\d:?\d\d)(?!\d))?"
)
_SYSLOG = re.compile(r"()([A-Z][a-z]{2})\s+(\d{1,2}) (\d{2}):(\d{2}):(\d{2})()()")
_APACHE = re.compile(r"(\d{1,2})/([A-Z][a-z]{2})/(\d{4}):(\d{2}):(\d{2}):(\d{2})()(?: ([+-]\d{4}))?")
_COMPACT = re.compile(r"\b(\d{2})(\d{2})(\d{2}) (\d{2})(\d{2})(\d{2})\b()()")
_EPOCH = re.compile(r"(?<![\d.])(1\d{9}(?:\.\d+)?)(?![\d.])")
_HEAD = 120  # characters in which a time is looked for


def _iso(found: re.Match[str]) -> float:
    year, month, day, *clock = found.groups()
    return _instant(int(year), int(month), int(day), *clock)


def _syslog(found: re.Match[str]) -> float:
    _, month, day, *clock = found.groups()
    return _instant(1970, _MONTHS[month], int(day), *clock)


def _apache(found: re.Match[str]) -> float:
    day, month, year, *clock = found.groups()
    return _instant(int(year), _MONTHS[month], int(day), *clock)


def _compact(found: re.Match[str]) -> float:
    year, month, day, *clock = found.groups()
    return _instant(2000 + int(year), int(month), int(day), *clock)


def _epoch(found: re.Match[str]) -> float:
    return float(found[1])


_FORMS = ((_ISO, _iso), (_SYSLOG, _syslog), (_APACHE, _apache), (_COMPACT, _compact), (_EPOCH, _epoch))


def _instant(year: int, month: int, day: int, hour: str, minute: str, second: str, part: Any, zone: Any) -> float:
    """Seconds since 1970, UTC."""
    moment = datetime(year, month, day, int(hour), int(minute), int(second), tzinfo=UTC).timestamp()
    if part:
        moment += float(f"0.{part}")
    if zone and zone != "Z":
        sign = -1 if zone[0] == "-" else 1
        moment -= sign * (int(zone[1:3]) * 3600 + int(zone[-2:]) * 60)
    return moment


def found_seconds(lines: Sequence[str]) -> Floats:
    """Look for the time at the start of every line.

    ISO 8601, syslog (whose year is not known: 1970), Apache, ``yymmdd hhmmss`` and seconds since 1970; the form is the
    one that fits most of the first 200 lines.

    Parameters
    ----------
    lines : sequence of str of length n_lines

    Returns
    -------
    ndarray of shape (n_lines,)
        Seconds since 1970; a line without a time has that of the line before it, NaN if there is none.
    """
    head = lines[:200]
    counts = [sum(_read(form, read, line) is not None for line in head) for form, read in _FORMS]
    best = int(np.argmax(counts))
    seconds = np.full(len(lines), np.nan)
    if not counts[best]:
        return seconds
    form, read = _FORMS[best]
    last = np.nan
    for i, line in enumerate(lines):
        value = _read(form, read, line)
        last = last if value is None else value
        seconds[i] = last
    return seconds


def _read(form: re.Pattern[str], read: Any, line: str) -> float | None:
    """The time of one line, None without one."""
    found = form.search(line, 0, _HEAD)
    if found is None:
        return None
    try:
        return float(read(found))
    except (ValueError, KeyError):
        return None


def as_seconds(times: Any) -> Floats:
    """Times as seconds since 1970.

    Parameters
    ----------
    times : sequence of length n_lines
        Datetimes, ISO texts, or numbers, which are seconds.

    Returns
    -------
    ndarray of shape (n_lines,)

    Raises
    ------
    TimeIndexError
        If they cannot be read.
    """
    values = pd.Series(list(times)) if not isinstance(times, pd.Series) else times.reset_index(drop=True)
    numbers = pd.to_numeric(values, errors="coerce") if not pd.api.types.is_datetime64_any_dtype(values.dtype) else None
    if numbers is not None and numbers.notna().all():
        return numbers.to_numpy(dtype=np.float64)
    try:
        stamps = pd.to_datetime(values, utc=True, format=None if values.dtype.kind == "M" else "ISO8601")
    except (ValueError, TypeError) as error:
        raise TimeIndexError(
            f"time must hold datetimes, ISO 8601 texts or seconds, got {values.iloc[0]!r}: {error}"
        ) from error
    return stamps.dt.tz_localize(None).to_numpy(dtype="datetime64[ns]").astype(np.int64) / 1e9


def window_seconds(window: str) -> float:
    """Length of a window such as ``"5min"`` in seconds.

    Raises
    ------
    TimeIndexError
        If it is no length of time.
    """
    try:
        seconds = float(pd.Timedelta(window).total_seconds())
    except ValueError as error:
        raise TimeIndexError(f"window must be a length of time such as '5min' or '1h', got {window!r}.") from error
    if not seconds > 0:
        raise TimeIndexError(f"window must be longer than nothing, got {window!r}; say '5min' or '1h'.")
    return seconds
