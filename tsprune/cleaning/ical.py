"""Days of an iCalendar file: the events of whole days or hours, once or repeated (RFC 5545)."""

from __future__ import annotations

import datetime
import re
from pathlib import Path

from dateutil.rrule import rrulestr

from tsprune.exceptions import InvalidParameterError

__all__ = ["read_calendar"]

_LARGEST = 1 << 24  # bytes of a file; a calendar of a century of holidays has a tenth of it
_ESCAPED = re.compile(r"\\([\\;,nN])")


def read_calendar(path: Path, first_year: int, last_year: int) -> dict[datetime.date, str]:
    """Return the days of the events in `path` from the first to the last year, with the names of the events.

    Raises
    ------
    InvalidParameterError
        If the file cannot be read or is no calendar.
    """
    try:
        if path.stat().st_size > _LARGEST:
            raise InvalidParameterError(f"the calendar {path} must be at most {_LARGEST} bytes large.")
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidParameterError(f"the calendar {path} cannot be read: {error}") from error
    if "BEGIN:VCALENDAR" not in text.upper():
        raise InvalidParameterError(f"holidays must name an iCalendar file, got {path}, which has no BEGIN:VCALENDAR.")
    lines = re.sub(r"\r?\n[ \t]", "", text).splitlines()  # long lines are folded
    days: dict[datetime.date, str] = {}
    event: dict[str, list[str]] | None = None
    for number, line in enumerate(lines, 1):
        name, _, value = line.partition(":")
        name = name.split(";")[0].strip().upper()
        if name == "BEGIN" and value.strip().upper() == "VEVENT":
            event = {}
        elif name == "END" and value.strip().upper() == "VEVENT" and event is not None:
            try:
                days |= _days(event, first_year, last_year)
            except (ValueError, KeyError, TypeError) as error:
                raise InvalidParameterError(
                    f"the event that ends in line {number} (unfolded) of the calendar {path} cannot be read: {error}"
                ) from error
            event = None
        elif event is not None:
            event.setdefault(name, []).append(value.strip())
    return days


def _days(event: dict[str, list[str]], first_year: int, last_year: int) -> dict[datetime.date, str]:
    """The days of one event."""
    start = _moment(event["DTSTART"][0])
    end = _moment(event["DTEND"][0]) if "DTEND" in event else start
    last = end - datetime.timedelta(seconds=1) if end > start else start  # the end is not part of it
    length = (last.date() - start.date()).days + 1
    name = _ESCAPED.sub(lambda m: " " if m[1] in "nN" else m[1], event.get("SUMMARY", ["holiday"])[0])
    starts = [start]
    if "RRULE" in event:
        low, high = datetime.datetime(first_year, 1, 1), datetime.datetime(last_year, 12, 31, 23, 59)
        rule = re.sub(r"(UNTIL=\d{8}(T\d{6})?)Z", r"\1", event["RRULE"][0])
        starts = list(rrulestr(rule, dtstart=start).between(low - datetime.timedelta(days=length), high, inc=True))
    starts += [_moment(part) for value in event.get("RDATE", []) for part in value.split(",")]
    left_out = {_moment(part) for value in event.get("EXDATE", []) for part in value.split(",")}
    return {
        one.date() + datetime.timedelta(days=k): name for one in starts if one not in left_out for k in range(length)
    }


def _moment(value: str) -> datetime.datetime:
    """The date or date and time of a property, by its own clock."""
    digits = value.rstrip("Z")
    return datetime.datetime.strptime(digits, "%Y%m%dT%H%M%S" if "T" in digits else "%Y%m%d")
