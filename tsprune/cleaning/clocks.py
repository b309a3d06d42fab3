"""Clocks: the ways in which the rows of a series recur, by its seasons and by the calendar.

A clock gives every row a class (hour of the day, day of the month, week of the year) and an occurrence (which day,
which month). What happens in one class again and again is the series' own.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from dateutil.easter import easter
from numpy.typing import NDArray

__all__ = ["Clock", "calendar_clocks", "season_clocks"]

Integers = NDArray[np.int64]

_DAY = 86_400 * 10**9  # nanoseconds
_BINS = 24  # classes of a season, at most: what recurs does not do so to the minute
_SHORTEST_MONTH = 27 * _DAY
_AROUND_EASTER = (-3, 61)  # days: Maundy Thursday to Corpus Christi


@dataclass(frozen=True)
class Clock:
    """Classes and occurrences of every row (n_timepoints,); class -1 = none."""

    name: str
    classes: Integers
    occurrences: Integers
    is_calendar: bool = True

    def first(self, n: int) -> Clock:
        """Return the clock of the first `n` rows."""
        return Clock(self.name, self.classes[:n], self.occurrences[:n], self.is_calendar)


def season_clocks(n: int, periods: tuple[int, ...]) -> list[Clock]:
    """Return a clock for every period, its phases in at most 24 classes."""
    t = np.arange(n)
    return [Clock(f"season of {p}", (t % p) * min(p, _BINS) // p, t // p, is_calendar=False) for p in periods]


def calendar_clocks(times: pd.DatetimeIndex) -> list[Clock]:
    """Return the clocks of the calendar that rows at `times` (n_timepoints,), by the wall clock, can follow."""
    if len(times) < 3:
        return []
    step = float(np.median(np.diff(times.as_unit("ns").asi8)))
    year, month = times.year.to_numpy().astype(np.int64), times.month.to_numpy().astype(np.int64)
    if step >= _SHORTEST_MONTH:
        return [Clock("month of the year", month, year)]
    week = times.isocalendar().week.to_numpy().astype(np.int64)
    if step > 1.5 * _DAY:
        return [Clock("week of the year", week, year), Clock("month of the year", month, year)]
    day = times.day.to_numpy().astype(np.int64)
    weekday = times.day_of_week.to_numpy().astype(np.int64)
    date = times.normalize().as_unit("ns").asi8 // _DAY
    length = times.days_in_month.to_numpy().astype(np.int64)
    first, last = _working_days(date)
    to_easter = date - _easter_sundays(year)
    near_easter = (to_easter >= _AROUND_EASTER[0]) & (to_easter < _AROUND_EASTER[1])
    clocks = [
        Clock("day of the week", weekday, date),
        Clock("week of the year", week, year),
        Clock("day of the month", day, date),
        Clock("day before the end of the month", length - day, date),
        Clock("working day of the month", first, date),
        Clock("working day before the end of the month", last, date),
        Clock("day of the year", 31 * month + day, date),
        Clock("weekday of the year", (7 * ((day - 1) // 7) + weekday) + 35 * month, date),
        Clock("day around Easter", np.where(near_easter, to_easter - _AROUND_EASTER[0], -1), date),
    ]
    if step > 0.5 * _DAY:
        return clocks
    hour = times.hour.to_numpy().astype(np.int64)
    hourly = [
        Clock("hour of the week", 24 * weekday + hour, date),
        Clock("hour of the month", 24 * day + hour, date),
    ]
    return clocks + hourly


def _working_days(date: Integers) -> tuple[Integers, Integers]:
    """Working days from the first, and before the last, of the month (n_timepoints,); -1 at weekends."""
    known, where = np.unique(date, return_inverse=True)
    every = np.arange(known[0] - 31, known[-1] + 32)
    stamps = pd.DatetimeIndex((every * _DAY).astype("datetime64[ns]"))
    works = stamps.day_of_week.to_numpy() < 5
    group = (12 * stamps.year + stamps.month).to_numpy()
    counts = pd.Series(works.astype(np.int64))
    first = counts.groupby(group).cumsum().to_numpy()
    last = counts.groupby(group).transform("sum").to_numpy() - first
    at = (known - every[0])[where]
    return np.where(works[at], first[at], -1), np.where(works[at], last[at], -1)


def _easter_sundays(year: Integers) -> Integers:
    """Days since 1970 of the Easter Sunday of every row's year (n_timepoints,)."""
    known, where = np.unique(year, return_inverse=True)
    days = np.array([(easter(int(y)) - pd.Timestamp(1970, 1, 1).date()).days for y in known], np.int64)
    return days[where]
