"""Decomposition: trend, seasonal components and remainder of one series, in its units."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tsprune.decomposition.level_shifts import LevelShift
from tsprune.series.validation import SeriesInput

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Decomposition"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Decomposition:
    """Components of one series, as `decompose` returns them.

    Attributes
    ----------
    observed : ndarray of shape (n_timepoints,)
        The series, in its units; NaN where it is missing.
    trend : ndarray of shape (n_timepoints,)
        Finite everywhere; carries the level shifts as steps.
    seasonal : ndarray of shape (n_timepoints, n_periods)
        One column per period, in the order of `periods`; finite everywhere.
    remainder : ndarray of shape (n_timepoints,)
        What is left; NaN where the series is missing.
    periods : tuple of int
        Season lengths in samples; empty for a series without season.
    weights : ndarray of shape (n_timepoints,)
        Robustness weights in [0, 1]: 1 ordinary, 0 an outlier or a missing value.
    shifts : tuple of LevelShift
        The level shifts found, in the order of time.
    """

    observed: Floats
    trend: Floats
    seasonal: Floats
    remainder: Floats
    periods: tuple[int, ...]
    weights: Floats
    shifts: tuple[LevelShift, ...] = ()
    _series: SeriesInput | None = field(default=None, repr=False, compare=False)

    @property
    def time_index(self) -> pd.Index:
        """The times of the rows: the index of a pandas input, stamps, or row numbers."""
        return pd.RangeIndex(self.observed.shape[0]) if self._series is None else self._series.time_index()

    def strength(self) -> dict[str, float]:
        """Return the strength of the components, from 0 (none) to 1.

        Returns
        -------
        dict
            ``"trend"`` and ``"seasonal_P"`` for every period P: the share of the variance of component plus
            remainder that the remainder does not explain.

        References
        ----------
        Wang, Smith, Hyndman (2006), "Characteristic-based clustering for time series data", section 3.1.
        """
        known = ~np.isnan(self.remainder)
        remainder = self.remainder[known]
        rounding = (1e-13 * float(np.nanmax(np.abs(self.observed)))) ** 2  # what is below it did not vary at all

        def share(component: Floats) -> float:
            total = float(np.var(component[known] + remainder))
            return 0.0 if total <= rounding else max(0.0, 1.0 - float(np.var(remainder)) / total)

        seasonal = {f"seasonal_{p}": share(column) for p, column in zip(self.periods, self.seasonal.T, strict=True)}
        return {"trend": share(self.trend), **seasonal}

    def to_frame(self) -> pd.DataFrame:
        """Return a frame of n_timepoints rows: observed, trend, seasonal_P for every period P, remainder, weight."""
        columns = {"observed": self.observed, "trend": self.trend}
        columns |= {f"seasonal_{p}": column for p, column in zip(self.periods, self.seasonal.T, strict=True)}
        columns |= {"remainder": self.remainder, "weight": self.weights}
        return pd.DataFrame(columns, index=self.time_index)

    def shifts_frame(self) -> pd.DataFrame:
        """Return one row per level shift: position, time, size, statistic, p_value."""
        names = ["position", "time", "size", "statistic", "p_value"]
        return pd.DataFrame([[getattr(shift, name) for name in names] for shift in self.shifts], columns=names)

    def plot(self) -> Figure:
        """Draw one panel per component (needs matplotlib, the extra `plots`).

        Raises
        ------
        ImportError
            Without matplotlib.
        """
        try:
            from matplotlib.figure import Figure
        except ImportError as error:
            raise ImportError("plots need matplotlib; install tsprune[plots].") from error
        frame = self.to_frame().drop(columns="weight")
        figure = Figure(figsize=(9.0, 1.6 * frame.shape[1]), layout="constrained")
        panels = np.atleast_1d(figure.subplots(frame.shape[1], 1, sharex=True))
        for panel, (name, column) in zip(panels, frame.items(), strict=True):
            panel.plot(frame.index, column.to_numpy(), linewidth=0.8, color="#1f4e79")
            panel.set_ylabel(str(name))
            if name in ("observed", "trend"):
                for shift in self.shifts:
                    panel.axvline(frame.index[shift.position], color="#b03a2e", linewidth=0.8)
        return figure
