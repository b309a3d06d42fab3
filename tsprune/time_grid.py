"""TimeGrid: the regular grid under a series, which turns times into positions.

Gaps in the times are gaps in the positions; plain arrays count from 0 in steps of 1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tsprune.exceptions import TimeIndexError
from tsprune.validation import SeriesInput

__all__ = ["TimeGrid"]

Integers = NDArray[np.int64]


@dataclass(frozen=True)
class TimeGrid:
    """The regular grid under a series: position k stands at ``start + k * step``.

    Plain arrays have ``start=0, step=1`` and no stamps; gaps in the times are gaps in the positions.
    """

    start: int
    step: int
    is_stamped: bool

    @classmethod
    def of(cls, series: SeriesInput) -> TimeGrid:
        """Return the grid of a series: the step is the most frequent difference (the smallest of equals)."""
        if series.time is None or series.n_timepoints < 2:
            start = 0 if series.time is None else int(series.time[0])
            return cls(start, 1, series.is_stamped)
        steps, counts = np.unique(np.diff(series.time), return_counts=True)
        return cls(int(series.time[0]), int(steps[np.argmax(counts)]), series.is_stamped)

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
        """Return the step in words, such as ``0 days 01:00:00`` or ``1``."""
        return str(pd.Timedelta(self.step, unit="ns")) if self.is_stamped else str(self.step)
