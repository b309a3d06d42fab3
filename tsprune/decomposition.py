"""Decomposition of a series into trend, seasonal components and remainder.

Law: ``observed == trend + seasonal.sum(axis=1) + remainder`` to rounding, in the units of the series. A missing
value has weight 0: its remainder is NaN, trend and seasonal have a value everywhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from detectors.parameters import Rule, boolean, check_value, choice, either, integer, nothing, sequence_of
from tsprune.exceptions import InvalidParameterError, InvalidSeriesError
from tsprune.level_shifts import LevelShift, Step
from tsprune.periods import find_periods
from tsprune.step_fit import fit_components, fit_with_steps
from tsprune.stl_settings import stl_settings, trend_setting
from tsprune.validation import SeriesInput, read_series

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Decomposition", "decompose"]

Floats = NDArray[np.float64]

_window = integer(3)
_RULES: dict[str, Rule] = {
    "period": either(choice("auto"), nothing(), integer(1), sequence_of(integer(2), min_length=0)),
    "robust": boolean(),
    "seasonal_window": either(nothing(), choice("periodic"), _window, sequence_of(_window)),
    "trend_window": either(nothing(), _window),
    "low_pass_window": either(nothing(), _window, sequence_of(_window)),
    "seasonal_degree": integer(0, 1),
    "trend_degree": integer(0, 1),
    "low_pass_degree": integer(0, 1),
    "inner_iter": either(nothing(), integer(1)),
    "outer_iter": either(nothing(), integer(0)),
    "shifts": either(choice("auto"), boolean()),
    "engine": choice("tsprune", "statsmodels"),
}


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
    time_index : pandas.Index
        The times, for `to_frame` and `plot`.
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

        def share(component: Floats) -> float:
            total = float(np.var(component[known] + remainder))
            return 0.0 if total <= 0.0 else max(0.0, 1.0 - float(np.var(remainder)) / total)

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


def decompose(
    y: Any,
    period: int | Sequence[int] | Literal["auto"] | None = "auto",
    *,
    robust: bool = False,
    seasonal_window: int | Sequence[int] | Literal["periodic"] | None = None,
    trend_window: int | None = None,
    low_pass_window: int | Sequence[int] | None = None,
    seasonal_degree: int = 0,
    trend_degree: int = 1,
    low_pass_degree: int = 1,
    inner_iter: int | None = None,
    outer_iter: int | None = None,
    shifts: bool | Literal["auto"] = "auto",
    engine: Literal["tsprune", "statsmodels"] = "tsprune",
    time: Any = None,
    time_column: str | None = None,
) -> Decomposition:
    """Decompose a series into trend, seasonal components and remainder."""
    given = locals()
    for name, rule in _RULES.items():
        check_value(name, given[name], rule, owner="decompose")
    series = read_series(y, time=time, time_column=time_column, min_timepoints=2)
    values = np.ascontiguousarray(series.column())
    missing = np.isnan(values)
    gaps = missing if missing.any() else None
    periods = _periods(values, period)
    loops = (inner_iter, outer_iter)
    windows = (seasonal_window, trend_window, low_pass_window)
    degrees = (seasonal_degree, trend_degree, low_pass_degree)
    n = values.shape[0]
    if periods:
        settings = stl_settings(n, periods, robust=robust, windows=windows, degrees=degrees, loops=loops)
    else:
        settings = [trend_setting(n, robust=robust, window=trend_window, degree=trend_degree, outer_iter=outer_iter)]
    prescribed = inner_iter is not None or outer_iter is not None
    steps: list[Step] = []
    if shifts is True or (shifts == "auto" and robust and not prescribed):
        found, steps = fit_with_steps(values, gaps, settings)
    else:
        found = fit_components(values, gaps, settings)
    seasonal = found.seasonal
    if list(periods) != sorted(periods):
        seasonal = seasonal[:, [sorted(periods).index(p) for p in periods]]
    remainder = values - found.trend
    for column in seasonal.T:
        remainder -= column
    return Decomposition(
        values, found.trend, seasonal, remainder, periods, found.weights, _dated(steps, series), series
    )


def _dated(steps: Sequence[Step], series: SeriesInput) -> tuple[LevelShift, ...]:
    """Return the steps with the times of their rows."""
    if not steps:
        return ()
    times = series.time_index()
    return tuple(
        LevelShift(step.position, times[step.position], step.size, step.statistic, step.p_value) for step in steps
    )


def _periods(values: Floats, period: int | Sequence[int] | str | None) -> tuple[int, ...]:
    """Return the periods asked for, or those found; raise for what the series is too short for."""
    n = values.shape[0]
    if isinstance(period, str):
        return tuple(p for p in find_periods(values).lengths if 2 * p <= n)
    if period is None:
        return ()
    asked = [period] if isinstance(period, int | np.integer) else list(period)
    periods = tuple(int(p) for p in asked if p != 1)
    for p in periods:
        if 2 * p > n:
            raise InvalidSeriesError(
                f"period must be at most n_timepoints // 2 = {n // 2}, got {p}; "
                "pass a longer series or a smaller period."
            )
    if len(set(periods)) < len(periods):
        raise InvalidParameterError(f"periods of decompose must differ, got {periods}; name each period once.")
    return periods
