"""STL, the seasonal-trend decomposition by LOESS, on complete or incomplete series.

The procedure is that of Cleveland et al. (1990) with every LOESS evaluated at every point. The arithmetic runs in the
kernels of `tsprune.kernels`; this module holds the order of the steps.

Time is O(n_timepoints) per pass, whatever the trend and low-pass windows, and grows with the seasonal window. Memory
is about a dozen arrays of n_timepoints doubles, twice that with weights.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from tsprune.kernels import loess as kernels
from tsprune.kernels import stl as steps
from tsprune.loess import interior_row, loess_plan

__all__ = ["STLFit", "STLSetting", "STLPass", "fit_stl", "fit_trend", "robustness_weights"]

Floats = NDArray[np.float64]
Booleans = NDArray[np.bool_]

# the least share of a window's weight that observed points must carry for a local fit to count
LEAST_SHARE = 0.05
# residuals below this multiple of the rounding of the largest value are exact fits, not a scale for outliers
ROUNDING = 64 * float(np.finfo(np.float64).eps)


@dataclass(frozen=True)
class STLSetting:
    """Parameters of one STL; windows are odd, in samples (trend, low-pass) or cycles (seasonal)."""

    period: int
    seasonal_window: int
    trend_window: int
    low_pass_window: int
    seasonal_degree: int
    trend_degree: int
    low_pass_degree: int
    inner_iter: int
    outer_iter: int
    tolerance: float | None = None


@dataclass
class STLFit:
    """Components (n_timepoints,), the robustness weights, and how many passes of the outer loop there were."""

    trend: Floats
    seasonal: Floats
    weights: Floats
    n_outer: int


class STLPass:
    """One pass of the inner loop (section 3.2 of the paper), with its room to work in."""

    def __init__(self, n_timepoints: int, setting: STLSetting) -> None:
        self.setting = setting
        n, period = n_timepoints, setting.period
        self.adjusted = np.empty(n)
        self.cycles = np.empty(n + 2 * period)
        self.once = np.empty(n + period + 1)
        self.twice = np.empty(n + 2)
        self.low = np.empty(n)

    def run(
        self, values: Floats, weights: Floats | None, incomplete: bool, trend: Floats, seasonal: Floats,
        *, smooth: bool = True,
    ) -> None:  # fmt: skip
        """Replace `trend` and `seasonal` (n_timepoints,) by those of the next pass; the trend only if `smooth`.

        `values` (n_timepoints,): the series, anything finite where it is missing. `weights` (n_timepoints,): 0 where
        missing; None for 1 everywhere.
        """
        n, period, setting = values.shape[0], self.setting.period, self.setting
        np.subtract(values, trend, out=self.adjusted)
        self._smooth_cycles(weights, incomplete)
        averages = self.adjusted
        steps.low_pass_averages(self.cycles, period, self.once, self.twice, averages)
        loess_plan(n, setting.low_pass_window, setting.low_pass_degree).smooth(averages, self.low)
        steps.split_season(self.cycles[period : n + period], self.low, values, seasonal, self.adjusted)
        if smooth:
            smooth_trend(self.adjusted, weights, incomplete, setting, trend)

    def _smooth_cycles(self, weights: Floats | None, incomplete: bool) -> None:
        """Smooth the cycle-subseries of `adjusted`, one cycle longer at both ends, into `cycles`."""
        x, setting = self.adjusted, self.setting
        n, period, window, degree = x.shape[0], setting.period, setting.seasonal_window, setting.seasonal_degree
        lengths = (n // period + 1, n // period)
        if weights is None:
            heads = [cycle_head(length, window, degree) for length in lengths]
            steps.smooth_cycles(x, period, interior_row(window, True), heads[0], heads[1], self.cycles)
            return
        heads = [cycle_head(length, window, -1) for length in lengths]
        share = LEAST_SHARE if incomplete else 0.0
        row = interior_row(window, False)
        steps.smooth_cycles_weighted(weights, weights * x, period, row, heads[0], heads[1], degree, share, self.cycles)
        if not incomplete:
            body = self.cycles[period : n + period]
            np.copyto(body, x, where=np.isnan(body))
        if kernels.fill_along(self.cycles, period):
            kernels.fill_along(self.cycles, 1)


def fit_stl(values: Floats, missing: Booleans | None, setting: STLSetting) -> STLFit:
    """Decompose `values` (n_timepoints,); `missing` (n_timepoints,) marks what has weight 0, None for nothing.

    `setting.tolerance` ends the robustness loop as soon as the weights change by less than it on average.
    """
    n = values.shape[0]
    filled, weights = prepared(values, missing)
    trend, seasonal = np.zeros(n), np.empty(n)
    inner = STLPass(n, setting)
    n_outer = 0
    while True:
        for _ in range(setting.inner_iter):
            inner.run(filled, weights, missing is not None, trend, seasonal)
        if n_outer >= setting.outer_iter:
            break
        updated = robustness_weights(values, trend + seasonal, missing)
        change = np.inf if weights is None else float(np.abs(updated - weights).mean())
        weights, n_outer = updated, n_outer + 1
        if setting.tolerance is not None and change <= setting.tolerance:
            break
    return STLFit(trend, seasonal, np.ones(n) if weights is None else weights, n_outer)


def fit_trend(values: Floats, missing: Booleans | None, setting: STLSetting) -> STLFit:
    """Smooth `values` (n_timepoints,) without a season; `seasonal` is (n_timepoints, 0)."""
    n = values.shape[0]
    filled, weights = prepared(values, missing)
    trend = np.empty(n)
    n_outer = 0
    while True:
        smooth_trend(filled, weights, missing is not None, setting, trend)
        if n_outer >= setting.outer_iter:
            break
        updated = robustness_weights(values, trend, missing)
        change = np.inf if weights is None else float(np.abs(updated - weights).mean())
        weights, n_outer = updated, n_outer + 1
        if setting.tolerance is not None and change <= setting.tolerance:
            break
    return STLFit(trend, np.empty((n, 0)), np.ones(n) if weights is None else weights, n_outer)


def prepared(values: Floats, missing: Booleans | None) -> tuple[Floats, Floats | None]:
    """Return the values with 0 for missing ones, and their weights (n_timepoints,) or None for 1 everywhere."""
    if missing is None:
        return values, None
    return np.where(missing, 0.0, values), np.where(missing, 0.0, 1.0)


def smooth_trend(x: Floats, weights: Floats | None, incomplete: bool, setting: STLSetting, out: Floats) -> None:
    """Write the trend LOESS of `x` (n_timepoints,) to `out` (n_timepoints,)."""
    plan = loess_plan(x.shape[0], setting.trend_window, setting.trend_degree)
    if weights is None:
        plan.smooth(x, out)
        return
    plan.smooth_weighted(weights, weights * x, LEAST_SHARE if incomplete else 0.0, out)
    if not incomplete:
        np.copyto(out, x, where=np.isnan(out))
    kernels.fill_along(out, 1)


@lru_cache(maxsize=64)
def cycle_head(length: int, window: int, degree: int) -> Floats:
    """Rows of the fits at cycles -1, 0, ... that have no full window before them, for `length` cycles."""
    last = window // 2 if length >= window else (length + 1) // 2
    return np.asarray(kernels.window_rows(length, window, degree, -1, last))


def robustness_weights(values: Floats, fitted: Floats, missing: Booleans | None = None) -> Floats:
    """Return bisquare weights (n_timepoints,) at 6 median absolute residuals; 0 where missing."""
    residuals = np.abs(values - fitted)
    known, magnitude = (residuals, values) if missing is None else (residuals[~missing], values[~missing])
    scale = 6.0 * max(float(np.median(known)), ROUNDING * float(np.abs(magnitude).max()))
    weights = np.empty(residuals.shape[0])
    steps.bisquare_weights(residuals, max(scale, float(np.finfo(np.float64).tiny)), weights)
    return weights
