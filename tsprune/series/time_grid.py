"""TimeGrid: the regular grid under a series, which turns times into positions.

Gaps in the times are gaps in the positions; plain arrays count from 0 in steps of 1. Steps of whole months (quarters,
years) count in months, whose lengths differ; all others in nanoseconds or integers.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tsprune.exceptions import TimeIndexError
from tsprune.series.validation import SeriesInput

__all__ = ["TimeGrid"]

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]

_SHORTEST_MONTH = 27.9  # days
_MONTH_TOLERANCE = 0.12  # of a month: the end of February against the end of January, zones, summer time


@dataclass(frozen=True)
class TimeGrid:
    """The regular grid under a series: position k stands at ``start + k * step``, or `months` months a step.

    Plain arrays have ``start=0, step=1`` and no stamps; gaps in the times are gaps in the positions.
    """

    start: int
    step: int
    is_stamped: bool
    months: int = 0

    @classmethod
    def of(cls, series: SeriesInput) -> TimeGrid:
        """Return the grid of a series: whole months, or the most frequent difference (the smallest of equals)."""
        if series.time is None or series.n_timepoints < 2:
            start = 0 if series.time is None else int(series.time[0])
            return cls(start, 1, series.is_stamped)
        steps, counts = np.unique(np.diff(series.time), return_counts=True)
        months = _months_per_step(series.time) if series.is_stamped else 0
        return cls(int(series.time[0]), int(steps[np.argmax(counts)]), series.is_stamped, months)

    def positions(self, series: SeriesInput) -> Integers:
        """Return the position of every row on this grid (n_timepoints,), rounded to the nearest.

        Raises
        ------
        TimeIndexError
            If the series has times of another kind, or two rows fall on one position.
        """
        if series.time is None:
            return np.arange(series.n_timepoints, dtype=np.int64)
        if series.is_stamped != self.is_stamped:
            raise TimeIndexError(
                f"times must be of the kind that was fitted ({'stamps' if self.is_stamped else 'integers'}), "
                f"got {'stamps' if series.is_stamped else 'integers'}."
            )
        if self.months:
            passed = _month_numbers(series.time) - _month_numbers(np.array([self.start]))
            where = np.rint(passed / self.months).astype(np.int64)
        else:
            offset = series.time - self.start
            where = np.floor_divide(2 * offset + self.step, 2 * self.step)
        clash = np.flatnonzero(np.diff(where) <= 0)
        if clash.size:
            row = int(clash[0]) + 1
            raise TimeIndexError(
                f"times must be at least one step of {self.describe_step()} apart, got rows {row - 1} and {row} "
                f"at {series.time_index()[row - 1]} and {series.time_index()[row]}; resample the series first."
            )
        return where

    def describe_step(self) -> str:
        """Return the step in words, such as ``0 days 01:00:00``, ``3 months`` or ``1``."""
        if self.months:
            return f"{self.months} month{'s' if self.months > 1 else ''}"
        return str(pd.Timedelta(self.step, unit="ns")) if self.is_stamped else str(self.step)


def _month_numbers(stamps: Integers) -> Floats:
    """Months since the year 0 of stamps (n,), with the passed share of the month as fraction."""
    when = pd.DatetimeIndex(stamps.astype("datetime64[ns]"))
    days = when.day.to_numpy() - 1 + (when - when.normalize()).to_numpy() / np.timedelta64(1, "D")
    numbers: Floats = 12.0 * when.year.to_numpy() + when.month.to_numpy() + days / when.days_in_month.to_numpy()
    return numbers


def _months_per_step(stamps: Integers) -> int:
    """Months a step if all stamps (n,) are whole numbers of them apart, else 0."""
    if np.diff(stamps).min() < _SHORTEST_MONTH * 86_400 * 10**9:
        return 0
    passed = _month_numbers(stamps) - _month_numbers(stamps[:1])
    if np.abs(passed - np.rint(passed)).max() > _MONTH_TOLERANCE:
        return 0
    steps, counts = np.unique(np.diff(np.rint(passed).astype(np.int64)), return_counts=True)
    return int(steps[np.argmax(counts)])
