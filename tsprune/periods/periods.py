"""Find the periods of a series, with p-values; say "none" on noise, autocorrelated noise and random walks.

A period is claimed only where its harmonics stand out of the spectrum of a fitted background: an AR(1) level, up to a
random walk, seen through white noise, with a local correction for whatever else the spectrum does.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detectors.parameters import Rules, check_value, either, integer, nothing, real
from tsprune.periods.search import Limits, search
from tsprune.series.time_grid import TimeGrid, on_grid, refuse_sparse
from tsprune.series.validation import read_series

__all__ = ["Period", "Periods", "find_periods", "periods_on_grid"]

Floats = NDArray[np.float64]

_SHORTEST = 12  # fewer values cannot show three cycles of anything
_OUTLIER = 4.5  # robust deviations
_OUTLIERS_MAX = 0.06  # more than this share of outliers is the shape of the series, not a disturbance
_UNIT_AS_IS = (1e-100, 1e100)  # largest sizes whose powers are numbers, too
_RULES: Rules = {
    "max_periods": integer(1),
    "alpha": real(0, 1, open_low=True, open_high=True),
    "min_period": integer(2),
    "max_period": either(nothing(), integer(2)),
    "min_cycles": integer(2),
}


@dataclass(frozen=True)
class Period:
    """One period of a series; ``int(period)`` is its length.

    Attributes
    ----------
    period : int
        Length of a cycle, in whole samples. Where a cycle is no whole number, so that its phase would be lost, it is
        the length of several: 15 for 7.5 samples.
    p_value : float
        Probability of harmonics that strong in noise, corrected for the number of periods looked at.
    strength : float
        Share of the variance around the trend that the cycle explains, 0 to 1.
    length : float
        Estimate of the exact length of a cycle, in samples: 52.18 for a year of weeks.
    """

    period: int
    p_value: float
    strength: float
    length: float = field(default=math.nan, compare=False)

    def __int__(self) -> int:
        return self.period

    def __index__(self) -> int:
        return self.period


class Periods(tuple[Period, ...]):
    """Periods found, strongest first; a tuple of `Period`, empty for none."""

    __slots__ = ()

    @property
    def lengths(self) -> tuple[int, ...]:
        """Lengths in samples, strongest first."""
        return tuple(found.period for found in self)


def find_periods(
    y: Any,
    *,
    max_periods: int = 3,
    alpha: float = 0.01,
    min_period: int = 2,
    max_period: int | None = None,
    min_cycles: int = 3,
    time: Any = None,
    time_column: str | None = None,
) -> Periods:
    """Find the periods of a series, strongest first.

    Trend, random walks and autocorrelation are modelled, not mistaken for cycles; isolated outliers are set aside;
    missing values and gaps are allowed.

    Parameters
    ----------
    y : array, list, pandas or polars Series, or frame of one column, of shape (n_timepoints,)
        The series; NaN is missing.
    max_periods : int >= 1, default=3
        Most periods to return.
    alpha : float in (0, 1), default=0.01
        Significance level, over all candidate periods together.
    min_period : int >= 2, default=2
        Shortest candidate, in samples.
    max_period : int >= 2, optional
        Longest candidate, in samples; never more than ``n_timepoints // min_cycles``.
    min_cycles : int >= 2, default=3
        Cycles that the series must hold for a period to be considered.
    time : array-like of shape (n_timepoints,), optional
        Stamps or integers; left-out times count as missing values.
    time_column : str, optional
        Column of a frame that holds the times.

    Returns
    -------
    Periods
        A tuple of `Period` (`period`, `p_value`, `strength`), empty if nothing is significant.

    Raises
    ------
    InvalidParameterError
        A parameter breaks its rule.
    InvalidSeriesError
        `y` is not one series of finite or missing values.
    TimeIndexError
        `time` cannot be used.

    References
    ----------
    Whittle (1953), Arkiv för Matematik 2, 423-434: the likelihood of a periodogram, used for the background.
    Harvey (1989), Forecasting, structural time series models and the Kalman filter, section 3.2: prediction errors.
    Fisher (1929), Proc. Royal Society A 125, 54-59: the test of an ordinate, here of sums of harmonics.

    Examples
    --------
    >>> import numpy as np
    >>> from tsprune import find_periods
    >>> rng = np.random.default_rng(0)
    >>> t = np.arange(2000)
    >>> y = np.sin(2 * np.pi * t / 24) + (t // 24 % 7 >= 5) + rng.normal(0, 0.5, t.size)
    >>> find_periods(y).lengths
    (24, 168)
    >>> find_periods(np.cumsum(rng.normal(size=2000)))
    ()
    """
    for name, value in (
        ("max_periods", max_periods),
        ("alpha", alpha),
        ("min_period", min_period),
        ("max_period", max_period),
        ("min_cycles", min_cycles),
    ):
        check_value(name, value, _RULES[name], owner="find_periods")
    series = read_series(y, time=time, time_column=time_column)
    grid = TimeGrid.of(series)
    rows = grid.positions(series)
    refuse_sparse(rows, series.n_timepoints)
    values = on_grid(series.values, rows, int(rows.max()) + 1)[:, 0] if series.n_series == 1 else series.column()
    return periods_on_grid(
        values, steps_per_day=grid.steps_per_day, max_periods=int(max_periods), alpha=alpha,
        min_period=int(min_period), max_period=max_period, min_cycles=int(min_cycles),
    )  # fmt: skip


def periods_on_grid(
    values: Floats,
    *,
    steps_per_day: float = 0.0,
    max_periods: int = 3,
    alpha: float = 0.01,
    min_period: int = 2,
    max_period: int | None = None,
    min_cycles: int = 3,
) -> Periods:
    """Find the periods of values on a regular grid (n,), NaN missing; the rest as in `find_periods`.

    `steps_per_day` of a `TimeGrid` tells where the seasons of the calendar are; 0 for values without times.
    """
    known = np.flatnonzero(np.isfinite(values))
    values = values[known[0] : known[-1] + 1] if known.size else values
    if known.size < _SHORTEST or np.nanmin(values) == np.nanmax(values):
        return Periods()
    size = float(np.nanmax(np.abs(values)))
    if not _UNIT_AS_IS[0] <= size <= _UNIT_AS_IS[1]:  # a power of 2 more or less: squares are numbers again
        values = np.ldexp(values, -int(np.frexp(size)[1]))
    n = len(values)
    longest = n // min_cycles if max_period is None else min(int(max_period), n // min_cycles)
    if longest < min_period:
        return Periods()
    limits = Limits(max_periods, alpha, min_period, longest, 0.0 if max_period is not None else steps_per_day)
    quiet, clipped = _without_outliers(values)
    found = search(quiet, limits)
    if not found and clipped is not None:  # a short pulse in every cycle looks like outliers
        found = search(clipped, limits)
    return Periods(Period(f.period, math.exp(f.log_p), f.strength, f.length) for f in found)


def _without_outliers(y: Floats) -> tuple[Floats, Floats | None]:
    """Return `y` (n,) with isolated outliers missing, and clipped: far from the medians of blocks, and few."""
    n = len(y)
    edges = np.linspace(0, n, max(2, min(21, n // 25 + 1))).astype(int)
    blocks = [(0.5 * (a + b - 1), y[a:b]) for a, b in itertools.pairwise(edges)]
    known = [(middle, float(np.nanmedian(block))) for middle, block in blocks if np.isfinite(block).any()]
    gap = y - np.interp(np.arange(n), *np.array(known).T)
    gap -= np.nanmedian(gap)
    spread = 1.4826 * np.nanmedian(np.abs(gap))
    outlying = np.abs(gap) > _OUTLIER * spread
    if spread == 0.0 or outlying.sum() > _OUTLIERS_MAX * np.isfinite(y).sum():
        return y, None
    if not outlying.any():
        return y, None
    return np.where(outlying, np.nan, y), y - gap + np.clip(gap, -_OUTLIER * spread, _OUTLIER * spread)
