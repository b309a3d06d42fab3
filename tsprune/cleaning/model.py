"""The model a cleaner judges by: robust seasonals, an autoregression around them, and a local scale.

A series is ``seasonal + a``; ``a`` is a robust autoregression, stationary or not, so that levels, trends and random
walks need no separate model. Evidence is measured on its innovations, divided by a scale that may differ from phase
to phase and from place to place.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tsprune.cleaning.imputation import interpolate_rows
from tsprune.cleaning.kernels.autoregression import median_of_seen, robust_autoregression
from tsprune.cleaning.kernels.patches import innovations
from tsprune.cleaning.kernels.running_median import running_median
from tsprune.cleaning.kernels.seasonal_smoothing import (
    left_out_errors,
    mean_of_cycle,
    phase_medians,
    robust_weights,
    smooth_cycles,
    smooth_trend,
)

__all__ = ["SeriesModel", "fit_model", "longer_periods", "seasonal_scale", "total_season"]

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

_MAD = 1.4826  # makes the median absolute deviation of a normal variable its standard deviation
_STL_BISQUARE = 6.0  # Cleveland et al., J. Official Statistics 6 (1990) 3-73, section 2.4
_CYCLES = 7  # half-window of the seasonal smoother, in cycles
_MAX_ORDER = 6
_SMALLEST = 1e-140  # standard deviation: its square, and 1 over that, are still numbers
_SEASON_GAIN = 0.1  # a longer season must take off this share of the typical remainder, out of sample


@dataclass(frozen=True)
class SeriesModel:
    """Robust fit of one series.

    Attributes
    ----------
    seasonal : ndarray of shape (n_timepoints, n_periods)
    adjusted : ndarray of shape (n_timepoints,)
        Series less seasonals and `mean`; gaps filled by the autoregression.
    phi : ndarray of shape (order + 1,)
        ``phi[0] = 1``; innovations are ``sum_k phi[k] adjusted[t - k]``.
    mean : float
    scale : ndarray of shape (n_timepoints,)
        Local standard deviation of the innovations, positive.
    """

    seasonal: Floats
    adjusted: Floats
    phi: Floats
    mean: float
    scale: Floats

    def weights(self, missing: Mask) -> Floats:
        """Return 1 / variance of every innovation (n_timepoints,), 0 where the row is missing."""
        return np.where(missing, 0.0, 1.0 / self.scale**2)


def seasonal_scale(x: Floats, period: int, *, robust: bool) -> float:
    """Unpredictability of `x` (n_timepoints,) a season ahead: scale of its seasonal differences over sqrt(2).

    The smaller of that and of the scale of its simple differences; the standard deviation, or by the MAD.
    """
    scales = []
    for lag in {1, period}:
        if x.size <= 2 * lag:
            continue
        steps = x[lag:] - x[:-lag]
        steps = steps[np.isfinite(steps)]
        if steps.size:
            scales.append(_MAD * np.median(np.abs(steps - np.median(steps))) if robust else np.std(steps))
    return float(min(scales)) / np.sqrt(2) if scales else 0.0


def total_season(seasonal: Floats) -> Floats:
    """Return the sum of seasonals (n_timepoints, n_periods) of all periods (n_timepoints,)."""
    total = np.zeros(seasonal.shape[0])
    for column in seasonal.T:  # of one or two columns this is far faster than a sum over the short axis
        total += column
    return total


def _start(x: Floats, trusted: Mask, periods: tuple[int, ...]) -> tuple[Floats, Floats]:
    """Seasonals (n_timepoints, n_periods) by medians of the phases, and trend (n_timepoints,) by a running median."""
    seen = np.where(trusted, x, np.nan)
    trend = running_median(seen, periods[0])
    trend = np.where(np.isnan(trend), median_of_seen(seen), trend)
    seasonal = np.zeros((x.size, len(periods)))
    for j, period in enumerate(periods):
        medians = phase_medians(seen - trend - total_season(seasonal), period)
        seasonal[:, j] = np.resize(medians - medians.mean(), x.size)
    return seasonal, trend


def seasonal_parts(x: Floats, trusted: Mask, periods: tuple[int, ...], n_rounds: int = 3) -> Floats:
    """Return robust seasonals (n_timepoints, n_periods) of `x`; rows not `trusted` have no weight.

    As in STL: cycles smoothed phase by phase, their own level taken off, then the trend, with bisquare weights; the
    start is made of medians, and the scale of the weights is local.
    """
    if not periods:
        return np.zeros((x.size, 0))
    seasonal, trend = _start(x, trusted, periods)
    y = np.where(trusted, x, 0.0)
    for _ in range(n_rounds):
        weights = robust_weights(y - trend - total_season(seasonal), trusted, 2 * periods[0], _STL_BISQUARE)
        for j, period in enumerate(periods):
            others = trend + total_season(seasonal) - seasonal[:, j]
            cycles = smooth_cycles(y - others, weights, period, _CYCLES)
            seasonal[:, j] = cycles - mean_of_cycle(cycles, period)
        trend = smooth_trend(y - total_season(seasonal), weights, int(0.75 * periods[0]) + 1)
    return seasonal


def longer_periods(x: Floats, trusted: Mask, period: int, most: int = 12) -> tuple[int, ...]:
    """Return the multiple of `period` that predicts the remainder of `x` out of sample; empty if none does.

    A cycle's phase is predicted by the median of the other cycles. The multiple must beat both no prediction and every
    multiple that does not contain it: a gain that all share comes from elsewhere.
    """
    seasonal, trend = _start(x, trusted, (period,))
    rest = np.where(trusted, x - trend - seasonal[:, 0], np.nan)
    typical = median_of_seen(np.abs(rest))
    losses: dict[int, float] = {}
    for factor in range(2, most + 1):
        long = factor * period
        cycles = x.size // long
        if cycles < 3 or not typical > 0:
            break
        losses[factor] = median_of_seen(left_out_errors(rest, long)) / typical
    if not losses:
        return ()
    best = min(losses, key=lambda factor: losses[factor])
    others = [loss for factor, loss in losses.items() if factor % best]
    if losses[best] < (1.0 - _SEASON_GAIN) * min([1.0, *others]):
        return (best * period,)
    return ()


def _autoregression(a: Floats, order: int, n_iterations: int = 5) -> tuple[Floats, float]:
    """Robust least squares of `a` (n_timepoints,) on its past: phi (order + 1,) and mean (median at a unit root)."""
    usual = median_of_seen(a)
    unit = median_of_seen(np.abs(a - usual)) or float(np.std(a)) or 1.0
    # lags of any unit and level beside the ones of the constant
    coefficients = robust_autoregression((a - usual) / unit, order, n_iterations)
    phi = np.r_[1.0, -coefficients[:order]]
    total = float(phi.sum())
    return phi, usual + (unit * float(coefficients[order]) / total if abs(total) > 1e-3 else 0.0)


def _local_scale(e: Floats, judged: Mask, period: int) -> Floats:
    """Standard deviation of the innovations `e` by phase and by place (n_timepoints,), positive."""
    size = np.where(judged, np.abs(e), np.nan)
    typical = _MAD * median_of_seen(size) if judged.any() else 0.0
    by_phase = np.ones(e.size)
    if period > 1 and e.size >= 8 * period and typical > 0:
        medians = phase_medians(size, period)
        medians = np.convolve(np.r_[medians[-1], medians, medians[0]], [0.25, 0.5, 0.25], "valid")
        if medians.mean() > 0:
            by_phase = np.resize(
                np.maximum(medians / medians.mean(), 0.1) ** (0.5 * e.size / (e.size + 8 * period)), e.size
            )
    local = _MAD * running_median(size / by_phase, max(2 * period, 30))
    local = np.where(np.isnan(local), typical, local)
    floor = 1e-2 * float(np.std(e[judged])) if judged.any() else 0.0
    return np.maximum(by_phase * np.maximum(local, 0.25 * typical), max(floor, _SMALLEST))


def fit_model(x: Floats, bad: Mask, periods: tuple[int, ...]) -> SeriesModel:
    """Fit `x` (n_timepoints,); NaN and `bad` rows have no say, and `adjusted` holds the bad ones as they are."""
    missing = np.isnan(x)
    trusted = ~(missing | bad)
    seasonal = seasonal_parts(x, trusted, periods)
    rows = np.arange(x.size)
    a = x - total_season(seasonal)
    a = np.interp(rows, rows[trusted], a[trusted])
    period = periods[0] if periods else 1
    middle = running_median(a, 3)
    spread = _MAD * running_median(np.abs(a - middle), max(25, period))
    calm = np.where(np.abs(a - middle) > 3.5 * spread, middle, a)
    order = int(min(_MAX_ORDER, max(1, x.size // 15)))
    phi, mean = _autoregression(calm, order)
    a = a - mean
    if missing.any() or bad.any():
        a = interpolate_rows(a, phi, np.ones(x.size), ~trusted)[0]
    scale = _local_scale(innovations(a, phi), trusted, period)
    return SeriesModel(seasonal, np.where(bad & ~missing, x - total_season(seasonal) - mean, a), phi, mean, scale)
