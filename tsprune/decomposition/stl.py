"""STL, the seasonal-trend decomposition by LOESS, on complete or incomplete series.

The procedure is that of Cleveland et al. (1990) with every LOESS evaluated at every point. The arithmetic runs in the
kernels of `tsprune.kernels`; this module holds the order of the steps.

Time is O(n_timepoints) per pass, whatever the trend and low-pass windows, and grows with the seasonal window. Memory
is about a dozen arrays of n_timepoints doubles, twice that with weights.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tsprune.decomposition.cycle_subseries import LEAST_SHARE, smooth_cycle_subseries
from tsprune.decomposition.kernels import loess as kernels
from tsprune.decomposition.kernels import stl as steps
from tsprune.decomposition.kernels.medians import medians_of_cycles
from tsprune.decomposition.loess import loess_plan

__all__ = ["Robustness", "STLFit", "STLPass", "STLSetting", "fit_stl", "fit_trend", "prepared"]

Floats = NDArray[np.float64]
Booleans = NDArray[np.bool_]

# weights have settled if their mean change is within the tolerance, and the largest within this multiple of it
LARGEST = 25
# from this many bytes on numpy asks for large pages, which spare thousands of page faults; unused room costs nothing
LARGE_PAGES = 1 << 22
# a first pass leaves out what is farther from the running medians of its phase than this many median distances
GROSS = 12.0
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
    """Components and robustness weights, each (n_timepoints,)."""

    trend: Floats
    seasonal: Floats
    weights: Floats


class STLPass:
    """One pass of the inner loop (section 3.2 of the paper), with its room to work in: one block of memory."""

    def __init__(self, n_timepoints: int, setting: STLSetting) -> None:
        self.setting = setting
        n, period = n_timepoints, setting.period
        ends = np.cumsum([n, n + 2 * period, n + period + 1, n + 2, n])
        room = np.empty(ends[-1] if 8 * ends[-1] < LARGE_PAGES // 8 else max(ends[-1], LARGE_PAGES // 8 + 1))
        self.adjusted, self.cycles, self.once, self.twice, self.low, _ = np.split(room, ends)

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
        smooth_cycle_subseries(
            self.adjusted, weights, incomplete, period, setting.seasonal_window, setting.seasonal_degree, self.cycles
        )
        averages = self.adjusted
        steps.low_pass_averages(self.cycles, period, self.once, self.twice, averages)
        loess_plan(n, setting.low_pass_window, setting.low_pass_degree).smooth(averages, self.low)
        steps.split_season(self.cycles[period : n + period], self.low, values, seasonal, self.adjusted)
        if smooth:
            smooth_trend(self.adjusted, weights, incomplete, setting, trend)


class Robustness:
    """The outer loop (section 3.3 of the paper): weights from residuals, and whether they have settled."""

    def __init__(self, values: Floats, missing: Booleans | None, setting: STLSetting) -> None:
        self.values, self.missing, self.setting = values, missing, setting
        self.known = None if missing is None else ~missing
        magnitude = np.abs(values if self.known is None else values[self.known]).max()
        self.floor = max(ROUNDING * float(magnitude), float(np.finfo(np.float64).tiny))
        self.n_outer, self.settled = 0, False

    def first_weights(self, filled: Floats, period: int) -> Floats | None:
        """Return weights (n_timepoints,) that keep gross outliers out of the first pass; None for no opinion.

        They come from the distance to the running medians of the cycle-subseries, and only where the loop is free to
        choose its passes: prescribed loops start with equal weights, as published.
        """
        n, setting = filled.shape[0], self.setting
        if setting.tolerance is None or setting.outer_iter == 0 or n < 3 * period:
            return None
        x = filled
        if self.missing is not None:
            x = np.where(self.missing, np.nan, filled)
            if kernels.fill_along(x, period):
                kernels.fill_along(x, 1)
        medians = np.empty(n)
        medians_of_cycles(x, period, medians)
        distance = np.abs(x - medians)
        typical = float(np.median(distance if self.known is None else distance[self.known]))
        weights = np.ones(n)
        steps.update_weights(distance, GROSS * max(typical, self.floor), weights)
        if self.missing is not None:
            weights[self.missing] = 0.0
        return weights

    def update(self, weights: Floats | None, *components: Floats) -> Floats:
        """Return the weights (n_timepoints,) after one more pass; the components are those just found."""
        residuals = self.values - components[0]
        for component in components[1:]:
            residuals -= component
        np.abs(residuals, out=residuals)
        scale = 6.0 * max(float(np.median(residuals if self.known is None else residuals[self.known])), self.floor)
        first = weights is None
        updated = np.ones(residuals.shape[0]) if weights is None else weights
        mean, largest = steps.update_weights(residuals, scale, updated)
        self.n_outer += 1
        tolerance = self.setting.tolerance
        self.settled = not first and tolerance is not None and mean <= tolerance and largest <= LARGEST * tolerance
        return updated

    @property
    def goes_on(self) -> bool:
        """True if another pass is due."""
        return self.n_outer < self.setting.outer_iter and not self.settled


def fit_stl(values: Floats, missing: Booleans | None, setting: STLSetting) -> STLFit:
    """Decompose `values` (n_timepoints,); `missing` (n_timepoints,) marks what has weight 0, None for nothing.

    `setting.tolerance` ends the robustness loop as soon as the weights stand still.
    """
    n = values.shape[0]
    filled, weights = prepared(values, missing)
    trend, seasonal = np.zeros(n), np.empty(n)
    inner, robustness = STLPass(n, setting), Robustness(values, missing, setting)
    first = robustness.first_weights(filled, setting.period)
    weights = weights if first is None else first
    while True:
        for _ in range(setting.inner_iter):
            inner.run(filled, weights, missing is not None, trend, seasonal)
        if not robustness.goes_on:
            return STLFit(trend, seasonal, np.ones(n) if weights is None else weights)
        weights = robustness.update(weights, trend, seasonal)


def fit_trend(values: Floats, missing: Booleans | None, setting: STLSetting) -> STLFit:
    """Smooth `values` (n_timepoints,) without a season; `seasonal` is (n_timepoints, 0)."""
    n = values.shape[0]
    filled, weights = prepared(values, missing)
    trend, robustness = np.empty(n), Robustness(values, missing, setting)
    first = robustness.first_weights(filled, 1)
    weights = weights if first is None else first
    while True:
        smooth_trend(filled, weights, missing is not None, setting, trend)
        if not robustness.goes_on:
            return STLFit(trend, np.empty((n, 0)), np.ones(n) if weights is None else weights)
        weights = robustness.update(weights, trend)


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
