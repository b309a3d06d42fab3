"""Known events: holidays and protected times, whose rows a cleaner neither changes nor learns from.

Holidays come from an iCalendar file, from the calendar of a country (package `holidays`), or from a table of dates and
names; protected times from a list, from spans, or from a function of the times.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tsprune.cleaning.ical import read_calendar
from tsprune.exceptions import InvalidParameterError

__all__ = ["KnownEvent", "find_known_events"]

Mask = NDArray[np.bool_]
Integers = NDArray[np.int64]
Days = dict[datetime.date, str]

_DAY = pd.Timedelta(days=1)


@dataclass(frozen=True)
class KnownEvent:
    """Rows ``start .. stop - 1`` of the grid belong to the event `name`."""

    start: int
    stop: int
    name: str


def find_known_events(times: pd.Index, holidays: Any, protect: Any) -> list[KnownEvent]:
    """Return the known events of rows at `times` (n_timepoints,), timestamps by the wall clock or integers, in order.

    Raises
    ------
    InvalidParameterError
        If `holidays` or `protect` cannot be read, or there are no timestamps for holidays.
    """
    found: list[KnownEvent] = []
    if holidays is not None:
        if not isinstance(times, pd.DatetimeIndex):
            raise InvalidParameterError(
                "holidays of SeriesCleaner need a series with timestamps, got row numbers; pass an index of stamps, "
                "`time=` or `time_column=`, or give the rows in protect=."
            )
        found += _holiday_rows(times, holidays)
    if protect is not None:
        found += [KnownEvent(a, b, "protected") for a, b in _spans(_protected_rows(times, protect))]
    return sorted(found, key=lambda event: (event.start, event.stop, event.name))


def _spans(mask: Mask) -> list[tuple[int, int]]:
    """First row and row after the last of every run of True."""
    edges = np.flatnonzero(np.diff(np.r_[False, mask, False].astype(np.int8)))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


def _holiday_rows(times: pd.DatetimeIndex, holidays: Any) -> list[KnownEvent]:
    """The events of the days in `holidays`: rows of the day or, in steps longer than a day, those a step around it."""
    step = pd.Timedelta(np.median(np.diff(times.as_unit("ns").asi8)), unit="ns") if len(times) > 1 else _DAY
    reach = step if step > _DAY else pd.Timedelta(0)
    first, last = (times[0] - reach).normalize(), (times[-1] + reach).normalize()
    found = []
    for day, name in sorted(_days(holidays, first.year, last.year).items()):
        start = pd.Timestamp(day)
        if not first <= start <= last:
            continue
        low = int(times.searchsorted(start - reach, side="right" if reach > pd.Timedelta(0) else "left"))
        high = int(times.searchsorted(start + max(reach, _DAY), side="left"))
        if low < high:
            found.append(KnownEvent(low, high, name))
    return found


def _days(holidays: Any, first_year: int, last_year: int) -> Days:
    """The days of `holidays`, at least those of the years from the first to the last, with their names."""
    if isinstance(holidays, str | Path):
        path = Path(holidays)
        if path.suffix.lower() in (".ics", ".ical") or path.is_file():
            return read_calendar(path, first_year, last_year)
        return _of_country(str(holidays), first_year, last_year)
    if isinstance(holidays, pd.DataFrame):
        if holidays.shape[1] != 2:
            raise _refusal(f"a table of {holidays.shape[1]} columns")
        return _named(zip(holidays.iloc[:, 0], holidays.iloc[:, 1], strict=True))
    if isinstance(holidays, pd.Series):
        return _named(holidays.items())
    if isinstance(holidays, Mapping):
        if hasattr(holidays, "years"):  # a calendar of the package `holidays` makes up its years when asked
            days = (d.date() for d in pd.date_range(f"{first_year}-01-01", f"{last_year}-12-31"))
            return {day: str(name) for day in days if (name := holidays.get(day)) is not None}
        return _named(holidays.items())
    raise _refusal(f"a value of type {type(holidays).__name__}")


def _of_country(code: str, first_year: int, last_year: int) -> Days:
    """The public holidays of a country (``"DE"``) or of a part of it (``"DE-BY"``), and the days beside them."""
    try:
        import holidays
    except ImportError as error:
        raise InvalidParameterError(
            f"holidays={code!r} is a country, whose calendar needs the package `holidays`; "
            "install tsprune[holidays], or pass an iCalendar file or a table of dates and names."
        ) from error
    country, _, part = code.partition("-")
    try:
        found = holidays.country_holidays(country, subdiv=part or None, years=range(first_year, last_year + 1))
    except (NotImplementedError, AttributeError) as error:
        raise InvalidParameterError(
            f"holidays must be an iCalendar file, a country such as 'DE' or 'US-CA', or a table of dates and names, "
            f"got {code!r}: no such file, and {error}"
        ) from error
    days = {day: str(name) for day, name in sorted(found.items())}
    beside: Days = {}
    for day, name in days.items():  # sales and traffic of a holiday begin the day before and end the day after
        beside.setdefault(day - datetime.timedelta(days=1), f"day before {name}")
        beside.setdefault(day + datetime.timedelta(days=1), f"day after {name}")
    return beside | days


def _named(pairs: Iterable[tuple[Any, Any]]) -> Days:
    """Dates and names of a table."""
    days: Days = {}
    for day, name in pairs:
        try:
            days[pd.Timestamp(day).date()] = str(name)
        except (ValueError, TypeError) as error:
            raise _refusal(f"the date {day!r}") from error
    return days


def _refusal(got: str) -> InvalidParameterError:
    """The error for what is no table of holidays."""
    return InvalidParameterError(
        "holidays of SeriesCleaner must be the path of an iCalendar file, a country such as 'DE' or 'US-CA', or dates "
        f"with names (a mapping, a pandas Series, a table of two columns), got {got}."
    )


def _protected_rows(times: pd.Index, protect: Any) -> Mask:
    """The rows (n_timepoints,) that `protect` names: by a function of the times, by times, or by spans of two times."""
    if callable(protect):
        mask = np.asarray(protect(times))
        if mask.shape != (len(times),) or mask.dtype != np.bool_:
            raise InvalidParameterError(
                f"the function protect must return one Boolean a row, of shape ({len(times)},), got an array of shape "
                f"{mask.shape} and dtype {mask.dtype}."
            )
        return mask
    mask = np.zeros(len(times), bool)
    for one in protect:
        is_span = isinstance(one, tuple | list) and len(one) == 2
        first, last = (_time(times, end) for end in (one if is_span else (one, one)))
        if is_span or not isinstance(times, pd.DatetimeIndex):
            mask |= np.asarray((times >= first) & (times <= last))
        else:  # a date means its whole day
            whole = first == first.normalize()
            mask |= np.asarray((times >= first) & (times < first + _DAY) if whole else times == first)
    return mask


def _time(times: pd.Index, value: Any) -> Any:
    """The time `value` in the kind of `times`."""
    if not isinstance(times, pd.DatetimeIndex):
        if isinstance(value, int | np.integer):
            return int(value)
        raise InvalidParameterError(
            f"protect must name rows by their integer times, as the series has no timestamps, got {value!r}."
        )
    try:
        stamp = pd.Timestamp(value)
    except (ValueError, TypeError) as error:
        raise InvalidParameterError(f"protect must hold times or pairs of times, got {value!r}.") from error
    return stamp.tz_localize(None) if stamp.tz is not None else stamp
