"""STL, the seasonal-trend decomposition by LOESS, on complete or incomplete series.

The procedure is that of Cleveland et al. (1990) with every LOESS evaluated at every point. The linear parts run in
the kernels of `tsprune.kernels`; this module holds the order of the steps.

Time is O(n_timepoints) per pass for fixed windows; memory is a dozen arrays of n_timepoints doubles.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from tsprune.kernels import loess
from tsprune.kernels import stl as steps

__all__ = ["STLFit", "STLSetting", "fit_stl", "fit_trend", "robustness_weights", "smooth_trend"]

Floats = NDArray[np.float64]
Booleans = NDArray[np.bool_]

# the least share of a window's weight that observed points must carry for a local fit to count
LEAST_SHARE = 0.05


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
    """Components (n_timepoints,), the robustness weights, and how many passes there were."""

    trend: Floats
    seasonal: Floats
    weights: Floats
    n_outer: int


def fit_stl(
    values: Floats, missing: Booleans | None, setting: STLSetting, *, trend: Floats | None = None,
    weights: Floats | None = None,
) -> STLFit:  # fmt: skip
    """Decompose `values` (n_timepoints,); `missing` (n_timepoints,) marks what has weight 0, None for nothing.

    `trend` and `weights` (n_timepoints,) start the iteration from an earlier fit. `setting.tolerance` ends the
    robustness loop as soon as the weights change by less on average.
    """
    n = values.shape[0]
    filled = values if missing is None else np.where(missing, 0.0, values)
    base = None if missing is None else np.where(missing, 0.0, 1.0)
    current = base if weights is None else weights
    trend = np.zeros(n) if trend is None else trend
    n_outer = 0
    while True:
        for _ in range(setting.inner_iter):
            seasonal, trend = inner_pass(filled, current, missing is not None, trend, setting)
        if n_outer >= setting.outer_iter:
            break
        updated = robustness_weights(values - trend - seasonal, missing)
        change = np.inf if current is None else float(np.abs(updated - current).mean())
        current = updated
        n_outer += 1
        if setting.tolerance is not None and change <= setting.tolerance:
            break
    return STLFit(trend, seasonal, np.ones(n) if current is None else current, n_outer)


def fit_trend(values: Floats, missing: Booleans | None, setting: STLSetting) -> STLFit:
    """Smooth `values` (n_timepoints,) without a season; `seasonal` is (n_timepoints, 0)."""
    n = values.shape[0]
    filled = values if missing is None else np.where(missing, 0.0, values)
    weights = None if missing is None else np.where(missing, 0.0, 1.0)
    n_outer = 0
    while True:
        trend = smooth_trend(filled, weights, missing is not None, setting.trend_window, setting.trend_degree)
        if n_outer >= setting.outer_iter:
            break
        updated = robustness_weights(values - trend, missing)
        change = np.inf if weights is None else float(np.abs(updated - weights).mean())
        weights, n_outer = updated, n_outer + 1
        if setting.tolerance is not None and change <= setting.tolerance:
            break
    return STLFit(trend, np.empty((n, 0)), np.ones(n) if weights is None else weights, n_outer)


def inner_pass(
    values: Floats, weights: Floats | None, incomplete: bool, trend: Floats, setting: STLSetting
) -> tuple[Floats, Floats]:
    """Return seasonal and trend (n_timepoints,) after one pass of the inner loop (section 3.2 of the paper)."""
    n, period = values.shape[0], setting.period
    cycles = smooth_seasonal(values - trend, weights, incomplete, setting)
    averages = np.empty(n)
    steps.low_pass_averages(cycles, period, averages)
    low = smooth_trend(averages, None, False, setting.low_pass_window, setting.low_pass_degree)
    seasonal = cycles[period : n + period] - low
    return seasonal, smooth_trend(values - seasonal, weights, incomplete, setting.trend_window, setting.trend_degree)


def smooth_seasonal(x: Floats, weights: Floats | None, incomplete: bool, setting: STLSetting) -> Floats:
    """Return the smoothed cycle-subseries, one cycle longer at both ends: (n_timepoints + 2 period,)."""
    n, period, window = x.shape[0], setting.period, setting.seasonal_window
    degree = setting.seasonal_degree if weights is None else -1
    row = loess.window_rows(window, window, degree, window // 2, window // 2 + 1)[0]
    heads = [cycle_head(length, window, degree) for length in (n // period + 1, n // period)]
    out = np.empty(n + 2 * period)
    if weights is None:
        steps.smooth_cycles(x, period, row, heads[0], heads[1], out)
        return out
    share = LEAST_SHARE if incomplete else 0.0
    steps.smooth_cycles_weighted(
        weights, weights * x, period, row, heads[0], heads[1], setting.seasonal_degree, share, out
    )
    if not incomplete:
        body = out[period : n + period]
        np.copyto(body, x, where=np.isnan(body))
    if loess.fill_along(out, period):
        loess.fill_along(out, 1)
    return out


@lru_cache(maxsize=64)
def cycle_head(length: int, window: int, degree: int) -> Floats:
    """Rows of the fits at cycles -1, 0, ... that have no full window before them, for `length` cycles."""
    last = window // 2 if length >= window else (length + 1) // 2
    return loess.window_rows(length, window, degree, -1, last)


@lru_cache(maxsize=64)
def trend_rows(length: int, window: int, degree: int) -> tuple[Floats, Floats]:
    """Row inside (window,) and rows at the start of LOESS on `length` points; all rows if they are fewer."""
    if length < window:
        return np.empty(0), loess.window_rows(length, window, degree, 0, length)
    half = window // 2
    return (
        loess.window_rows(window, window, degree, half, half + 1)[0],
        loess.window_rows(window, window, degree, 0, half),
    )


def smooth_trend(x: Floats, weights: Floats | None, incomplete: bool, window: int, degree: int) -> Floats:
    """Return the LOESS of `x` (n_timepoints,)."""
    n = x.shape[0]
    out = np.empty(n)
    row, head = trend_rows(min(n, window), window, degree if weights is None else -1)
    if weights is None:
        if n < window:
            return np.asarray(head @ x)
        loess.smooth(x, window, row, head, out)
        return out
    share = LEAST_SHARE if incomplete else 0.0
    loess.smooth_weighted(weights, weights * x, window, row, head, degree, share, out)
    if not incomplete:
        np.copyto(out, x, where=np.isnan(out))
    loess.fill_along(out, 1)
    return out


def robustness_weights(residuals: Floats, missing: Booleans | None = None) -> Floats:
    """Return bisquare weights (n_timepoints,) at 6 median absolute residuals; 0 where missing."""
    absolute = np.abs(residuals)
    scale = 6.0 * float(np.median(absolute if missing is None else absolute[~missing]))
    weights = np.empty(absolute.shape[0])
    steps.bisquare_weights(absolute, scale, weights)
    if missing is not None:
        weights[missing] = 0.0
    return weights
