"""TimeGrid: the regular grid under a series, which turns times into positions.

Gaps in the times are gaps in the positions; plain arrays count from 0 in steps of 1. Whole months (quarters, years) are
counted in months, business days in business days, everything else in nanoseconds or integers. Zone-aware times are
counted by the clock on the wall: the hour that is skipped in spring is a gap, the rows of the hour that comes twice in
autumn share their positions.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from tsprune.exceptions import TimeIndexError
from tsprune.series.business_days import business_week
from tsprune.series.calendar_months import month_numbers, months_per_step
from tsprune.series.lattice import LARGEST_OFFSET, find_lattice, offsets
from tsprune.series.series_input import Floats, Integers, SeriesInput

__all__ = ["TimeGrid", "on_grid", "refuse_sparse"]

DAY = 86_400 * 10**9  # nanoseconds
_HOUR = 3600 * 10**9
_LONGEST_GRID = 50  # positions per row; beyond that the times are not those of a regular series
_FEWEST = 20  # rows: fewer are counted as that many

Clock = Literal["elapsed", "shifted", "wall"]


@dataclass(frozen=True)
class TimeGrid:
    """The regular grid under a series: position k stands at ``start + k * step``, in the unit of the grid.

    Attributes
    ----------
    start : int
        Time of position 0: nanoseconds (of the wall clock with ``clock="wall"``) or an integer.
    step : int
        Nanoseconds or integers a step; not used by months and business days.
    kind : {"timestamps", "durations", "integers", "rows"}
        Kind of times, as in `Timeline`; ``"rows"`` for none.
    months : int
        Months a step; 0 for another unit.
    phase : float
        Where in its month a step stands, in months.
    week : str
        Business days, Monday first, as in ``"1111100"``; empty for another unit.
    zone : tzinfo or None
        Zone whose wall clock is counted.
    clock : {"elapsed", "shifted", "wall"}
        Whether steps count elapsed time, elapsed time shifted by whole steps where the wall clock is, or wall-clock
        time itself (steps longer than the change of a clock).
    are_periods : bool
        Whether the fitted times were spans of time (pandas periods).
    """

    start: int
    step: int
    kind: str = "rows"
    months: int = 0
    phase: float = 0.0
    week: str = ""
    zone: datetime.tzinfo | None = None
    clock: Clock = "elapsed"
    are_periods: bool = False

    @classmethod
    def of(cls, series: SeriesInput, period: Any = "auto") -> TimeGrid:
        """Return the grid of a series.

        Parameters
        ----------
        series : SeriesInput
        period : "auto", None, int or sequence of int, default="auto"
            Season lengths given by the caller, in samples. On business days a multiple of 7 that is none of 5 means
            days of the calendar, with weekends as gaps. Seasons that are all shorter than a day follow elapsed time.
        """
        timeline = series.timeline
        if timeline is None:
            return cls(0, 1)
        ticks, kind = timeline.ticks, timeline.kind
        if ticks.size < 2 or kind != "timestamps":
            start, step = find_lattice(ticks, has_clock=kind == "durations") if ticks.size > 1 else (int(ticks[0]), 1)
            return cls(start, step, kind)
        given = [] if period is None or isinstance(period, str) else [int(p) for p in np.atleast_1d(period)]
        zone = timeline.zone if _changes_its_clock(timeline.zone) else None
        wall = ticks if timeline.zone is None else _wall(ticks, timeline.zone)
        months, phase = months_per_step(wall)
        if months:
            return cls(int(ticks[0]), 1, kind, months, phase, zone=timeline.zone, are_periods=timeline.are_periods)
        week = business_week(wall, timeline.index)
        if week and not any(p % 7 == 0 and p % 5 for p in given):
            return cls(int(ticks[0]), DAY, kind, week=week, zone=timeline.zone, are_periods=timeline.are_periods)
        start, step = find_lattice(ticks, has_clock=True)
        if zone is None or (given and max(given) * step < DAY):
            return cls(start, step, kind, are_periods=timeline.are_periods)
        if step <= _HOUR:
            return cls(start, step, kind, zone=zone, clock="shifted", are_periods=timeline.are_periods)
        wall_start, wall_step = find_lattice(wall, has_clock=True)
        on_wall, elapsed = (np.abs(offsets(*f)).max() for f in ((wall, wall_start, wall_step), (ticks, start, step)))
        if on_wall <= max(elapsed, 0.1):
            return cls(wall_start, wall_step, kind, zone=zone, clock="wall", are_periods=timeline.are_periods)
        return cls(start, step, kind, zone=zone, are_periods=timeline.are_periods)

    @property
    def is_stamped(self) -> bool:
        """True if the times are timestamps or durations."""
        return self.kind in ("timestamps", "durations")

    @property
    def steps_per_day(self) -> float:
        """Steps in a day: 24 for hours, 1/7 for weeks; 0 where days are unknown."""
        if self.kind != "timestamps":
            return 0.0
        if self.months:
            return 12.0 / (self.months * 365.2425)
        return 5.0 / 7.0 if self.week else DAY / self.step

    def positions(self, series: SeriesInput, *, strict: bool = True) -> Integers:
        """Return the position of every row on this grid (n_timepoints,), rounded to the nearest.

        Positions increase, except for the rows of an hour that the wall clock repeats: they have the positions of its
        first rows.

        Parameters
        ----------
        series : SeriesInput
        strict : bool, default=True
            Whether a row that is too far from the grid, or shares its position, is an error.

        Raises
        ------
        TimeIndexError
            If the series has times of another kind; if `strict`, rows that cannot be placed.
        """
        timeline = series.timeline
        if timeline is None:
            return np.arange(series.n_timepoints, dtype=np.int64)
        if timeline.kind != ("integers" if self.kind == "rows" else self.kind):
            raise TimeIndexError(
                f"times must be of the kind that was fitted ({self.kind}), got {timeline.kind}; pass `time=`."
            )
        ticks = timeline.ticks
        if self.week:
            return self._business_positions(series, strict=strict)
        exact = self._exact_positions(ticks)
        if timeline.are_periods and not self.are_periods:  # the step that lies inside the span
            where = np.ceil(exact - 1e-9)
            exact = where
        elif self.are_periods and not timeline.are_periods:  # the span that holds the timestamp
            where = np.floor(exact + 1e-9)
            exact = where
        else:
            where = np.floor(exact + 0.5)
        if strict:
            self._refuse_unplaced(where, np.abs(exact - where), series)
        if self.clock == "shifted":
            where = where + self._shifts(ticks)
        return np.asarray(where, dtype=np.int64)

    def continues(self, last: int, series: SeriesInput) -> bool:
        """Tell whether the first row of `series` comes at most a step and a half after the time `last`."""
        if series.timeline is None:
            return False
        pair = self._exact_positions(np.array([last, int(series.timeline.ticks[0])]))
        if self.week:
            first, then = _dates(np.array([last, series.timeline.ticks[0]]), self.zone)
            return int(np.busday_count(first, then, weekmask=self.week)) == 1
        return bool(0.0 < pair[1] - pair[0] <= 1.5)

    def times(self, positions: Integers) -> pd.Index:
        """Return the times (m,) that stand at positions (m,): what a row there would be called."""
        if self.kind in ("rows", "integers"):
            return pd.Index(self.start + self.step * positions)
        if self.kind == "durations":
            return pd.TimedeltaIndex((self.start + self.step * positions).astype("timedelta64[ns]"))
        if self.months or self.week:
            first = pd.Timestamp(self.start, tz="UTC").tz_convert(self.zone or "UTC").tz_localize(None)
            if self.week:
                days = np.busday_offset(np.datetime64(first.date(), "D"), positions, weekmask=self.week)
                naive = pd.DatetimeIndex(days) + (first - first.normalize())
            else:
                steps = [first + pd.DateOffset(months=int(k) * self.months) for k in positions]
                naive = pd.DatetimeIndex(steps)
                naive = naive + pd.offsets.MonthEnd(0) if first.is_month_end else naive
        elif self.clock == "elapsed":
            return pd.DatetimeIndex((self.start + self.step * positions).astype("datetime64[ns]"))
        else:
            first_wall = _wall(np.array([self.start]), self.zone)[0] if self.clock == "shifted" else self.start
            naive = pd.DatetimeIndex((first_wall + self.step * positions).astype("datetime64[ns]"))
        if self.zone is None:
            return naive
        return naive.tz_localize(self.zone, ambiguous=np.ones(len(naive), bool), nonexistent="shift_forward")

    def describe_step(self) -> str:
        """Return the step in words, such as ``0 days 01:00:00``, ``3 months`` or ``1``."""
        if self.months:
            return f"{self.months} month{'s' if self.months > 1 else ''}"
        if self.week:
            return "1 business day"
        return str(pd.Timedelta(self.step, unit="ns")) if self.is_stamped else str(self.step)

    def _exact_positions(self, ticks: Integers) -> Floats:
        """Return the positions (n,) before they are rounded, in elapsed steps where the clock is shifted."""
        if self.months:
            passed = month_numbers(_wall(ticks, self.zone)) - month_numbers(_wall(np.array([self.start]), self.zone))
            base = month_numbers(_wall(np.array([self.start]), self.zone))[0]
            nearest = np.floor(base - self.phase + 0.5) + self.phase  # the month step that the start belongs to
            return np.asarray((passed + base - nearest) / self.months)
        counted = _wall(ticks, self.zone) if self.clock == "wall" else ticks
        whole, part = np.divmod(counted - self.start, self.step)  # integers: no digit of a long span is lost
        return np.asarray(whole + part / self.step)

    def _shifts(self, ticks: Integers) -> Floats:
        """Return by how many steps the wall clock (n,) is ahead of where it was at the start."""
        both = np.r_[self.start, ticks]
        ahead = _wall(both, self.zone) - both
        return np.asarray(np.floor((ahead[1:] - ahead[0]) / self.step + 0.5))

    def _business_positions(self, series: SeriesInput, *, strict: bool) -> Integers:
        """Return the positions (n_timepoints,) in business days; days between them count as the next one."""
        assert series.timeline is not None
        start, days = _dates(np.array([self.start]), self.zone)[0], _dates(series.timeline.ticks, self.zone)
        where = np.busday_count(start, days, weekmask=self.week).astype(np.float64)
        if strict:
            between = np.where(np.is_busday(days, weekmask=self.week), 0.0, 0.5)
            self._refuse_unplaced(where, between, series)
        return np.asarray(where, dtype=np.int64)

    def _refuse_unplaced(self, where: Floats, off: Floats, series: SeriesInput) -> None:
        """Raise for the first row that is too far `off` (n,) its place, or has the place of the row before."""
        far = np.flatnonzero(off > LARGEST_OFFSET)
        if far.size:
            row = int(far[0])
            raise TimeIndexError(
                f"times must lie on a regular grid, at most a third of a step off, got row {row} at "
                f"{series.time_index()[row]} between two steps of {self.describe_step()} ({far.size} such rows of "
                f"{off.size}); resample the series to a regular grid first, or pass row numbers in `time=`."
            )
        clash = np.flatnonzero(np.diff(where) <= 0)
        if clash.size:
            row = int(clash[0]) + 1
            raise TimeIndexError(
                f"times must be at least one step of {self.describe_step()} apart, got rows {row - 1} and {row} at "
                f"{series.time_index()[row - 1]} and {series.time_index()[row]}; resample the series first, or pass "
                "row numbers in `time=`."
            )


def on_grid(values: Floats, rows: Integers, n_positions: int) -> Floats:
    """Return rows (m, k) on a grid (n_positions, k), NaN in the gaps; of rows at one position the first counts."""
    table = np.full((n_positions, values.shape[1]), np.nan)
    table[rows[::-1]] = values[::-1]
    return table


def refuse_sparse(rows: Integers, n_rows: int) -> None:
    """Raise if the positions (m,) reach much farther than there are rows, `n_rows` of them.

    Raises
    ------
    TimeIndexError
    """
    extent = int(rows.max()) + 1
    if extent > _LONGEST_GRID * max(n_rows, _FEWEST):
        raise TimeIndexError(
            f"times must stand on a regular grid with gaps, got {rows.shape[0]} rows over {extent} steps; resample the "
            "series first, split it at its long gaps, or pass row numbers in `time=`."
        )


def _wall(ticks: Integers, zone: datetime.tzinfo | None) -> Integers:
    """Return what the clock on the wall shows at times (n,), in nanoseconds."""
    if zone is None:
        return ticks
    utc = pd.DatetimeIndex(ticks.astype("datetime64[ns]"), tz="UTC")
    return np.asarray(utc.tz_convert(zone).tz_localize(None).asi8, dtype=np.int64)


def _dates(ticks: Integers, zone: datetime.tzinfo | None) -> Any:
    """Return the dates on the wall (n,) as datetime64[D]."""
    return _wall(ticks, zone).astype("datetime64[ns]").astype("datetime64[D]")


def _changes_its_clock(zone: datetime.tzinfo | None) -> bool:
    """True unless the zone has one offset for ever."""
    if zone is None or isinstance(zone, datetime.timezone):
        return False
    return zone.utcoffset(None) is None and str(zone) not in ("UTC", "Etc/UTC")
