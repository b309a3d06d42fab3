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
    mean_of_cycle,
    phase_medians,
    robust_weights,
    smooth_cycles,
    smooth_trend,
)

__all__ = ["SeriesModel", "fit_model", "seasonal_scale", "start_of_season", "total_season"]

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

_MAD = 1.4826  # makes the median absolute deviation of a normal variable its standard deviation
_STL_BISQUARE = 6.0  # Cleveland et al., J. Official Statistics 6 (1990) 3-73, section 2.4
_CYCLES = 7  # half-window of the seasonal smoother, in cycles
_TREND = 0.75  # half-window of the trend, in cycles
_MAX_ORDER = 6
_NEIGHBOURS = np.array([0.25, 0.5, 0.25])  # weights of a phase and of those beside it
_MEDIAN_ERROR = 1.36  # variance of the log of a median absolute deviation of n normal values, times n
_LEAST_PHASE = 0.01  # of the mean phase: below, a phase is at rest
_PHASE_CYCLES = 8  # cycles, at least, to tell the phases apart
_UNEVEN = 3.0  # times as noisy: from there on the quiet phases would rule the autoregression of the others
_LEAST_UNIT = 0.1  # of the typical noise: no phase is worth more than a hundred others
_SMALLEST = 1e-140  # standard deviation: its square, and 1 over that, are still numbers


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


def _seen_phases(trusted: Mask, period: int) -> Mask:
    """Which phases (period,) have a trusted row (n_timepoints,)."""
    return np.bincount(np.flatnonzero(trusted) % period, minlength=period) > 0


def _around_the_cycle(values: Floats, trusted: Mask) -> Floats:
    """The values of the phases (period,), those never seen on straight lines between their neighbours in the cycle."""
    seen = _seen_phases(trusted, values.size)
    if seen.all() or not seen.any():
        return values
    phases = np.arange(values.size)
    return np.interp(phases, phases[seen], values[seen], period=float(values.size))


def _bridged(cycles: Floats, trusted: Mask, period: int) -> Floats:
    """The smoothed cycles (n_timepoints,), with straight lines over the rows of phases that were never seen."""
    seen = _seen_phases(trusted, period)
    if seen.all() or not seen.any():
        return cycles
    rows = np.arange(cycles.size)
    known = seen[rows % period]
    return np.interp(rows, rows[known], cycles[known])


def start_of_season(x: Floats, trusted: Mask, periods: tuple[int, ...]) -> tuple[Floats, Floats]:
    """Return seasonals (n_timepoints, n_periods) and trend (n_timepoints,) by medians."""
    seen = np.where(trusted, x, np.nan)
    trend = running_median(seen, periods[0])
    trend = np.where(np.isnan(trend), median_of_seen(seen), trend)
    seasonal = np.zeros((x.size, len(periods)))
    for j, period in enumerate(periods):
        medians = _around_the_cycle(phase_medians(seen - trend - total_season(seasonal), period), trusted)
        seasonal[:, j] = np.resize(medians - medians.mean(), x.size)
    return seasonal, trend


def seasonal_parts(x: Floats, trusted: Mask, periods: tuple[int, ...], n_rounds: int = 3) -> Floats:
    """Return robust seasonals (n_timepoints, n_periods) of `x`; rows not `trusted` have no weight.

    As in STL: cycles smoothed phase by phase, their own level taken off, then the trend, with bisquare weights; the
    start is made of medians, and the scale of the weights is local.
    """
    if not periods:
        return np.zeros((x.size, 0))
    seasonal, trend = start_of_season(x, trusted, periods)
    y = np.where(trusted, x, 0.0)
    for _ in range(n_rounds):
        weights = robust_weights(y - trend - total_season(seasonal), trusted, 2 * periods[0], _STL_BISQUARE)
        for j, period in enumerate(periods):
            others = trend + total_season(seasonal) - seasonal[:, j]
            cycles = _bridged(smooth_cycles(y - others, weights, period, _CYCLES), trusted, period)
            seasonal[:, j] = cycles - mean_of_cycle(cycles, period)
        trend = smooth_trend(y - total_season(seasonal), weights, int(_TREND * periods[0]) + 1)
    return seasonal


def _autoregression(a: Floats, usual_error: Floats, order: int, n_iterations: int = 5) -> tuple[Floats, float]:
    """Robust least squares of `a` (n_timepoints,) on its past: phi (order + 1,) and mean (median at a unit root).

    Errors count in units of `usual_error` (n_timepoints,), positive.
    """
    usual = median_of_seen(a)
    unit = median_of_seen(np.abs(a - usual)) or float(np.std(a)) or 1.0
    # lags of any unit and level beside the ones of the constant
    coefficients = robust_autoregression((a - usual) / unit, usual_error, order, n_iterations)
    phi = np.r_[1.0, -coefficients[:order]]
    total = float(phi.sum())
    return phi, usual + (unit * float(coefficients[order]) / total if abs(total) > 1e-3 else 0.0)


def _phase_scale(size: Floats, period: int) -> Floats:
    """Typical size of the innovations by phase (period,), in units of their mean over the phases; 0 = they have none.

    What the phases differ by beyond the error of a median of so few cycles is theirs (empirical Bayes, on the log
    scale; Efron & Morris, JASA 70 (1975) 311-319), and one such error more; neighbouring phases lend each other
    strength.
    """
    medians = phase_medians(size, period)
    around = np.r_[medians[-1], medians, medians[0]]
    medians = np.convolve(around, _NEIGHBOURS, "valid")
    usual = float(np.mean(medians))
    if not usual > 0.0:
        return np.ones(period)
    alive = medians > _LEAST_PHASE * usual
    logs = np.log(medians[alive] / usual)
    error = _MEDIAN_ERROR * float(_NEIGHBOURS @ _NEIGHBOURS) * period / max(1.0, float(np.isfinite(size).sum()))
    between = max(0.0, float(np.var(logs)) - error)
    centre, share = float(np.mean(logs)), between / (between + error)
    out = np.zeros(period)
    out[alive] = np.exp(centre + (logs - centre) * share + np.sqrt(share * error))
    return out


def _local_scale(e: Floats, judged: Mask, period: int) -> Floats:
    """Standard deviation of the innovations `e` by phase and by place (n_timepoints,), positive."""
    size = np.where(judged, np.abs(e), np.nan)
    by_phase = np.ones(e.size)
    if period > 1 and e.size >= _PHASE_CYCLES * period and judged.any() and median_of_seen(size) > 0.0:
        by_phase = np.resize(_phase_scale(size, period), e.size)
    relative = np.where(by_phase > 0.0, size / np.where(by_phase > 0.0, by_phase, 1.0), np.nan)
    usual = _MAD * median_of_seen(relative) if judged.any() else 0.0
    half = max(2 * period, 30)
    local = _MAD * running_median(relative, half)
    local = np.where(np.isnan(local), usual, local)
    if period > 1 and usual > 0.0:
        local = _by_place(local, usual, half)
    floor = 1e-2 * float(np.std(e[judged])) if judged.any() else 0.0
    return np.maximum(by_phase * np.maximum(local, 0.25 * usual), max(floor, _SMALLEST))


def _by_place(local: Floats, usual: float, half_window: int) -> Floats:
    """The scale at every place (n_timepoints,): a running one, drawn to the `usual` as far as it is chance.

    What running scales differ by beyond their own error is the series' own, as with the phases.
    """
    logs = np.log(np.maximum(local / usual, 1e-3))
    error = _MEDIAN_ERROR / (2 * half_window + 1)
    between = max(0.0, float(np.mean(logs**2)) - error)
    share = between / (between + error)
    return np.asarray(usual * np.exp(share * logs))


def _leverage(n: int, periods: tuple[int, ...]) -> float:
    """How much of a row's own value the seasonals and the trend at that row hold, 0 .. 0.5."""
    if not periods:
        return 0.0
    windows = [min(_CYCLES, n // (2 * p)) for p in periods] + [int(_TREND * periods[0]) + 1]
    total = 0.0
    for window in windows:
        distance = np.abs(np.arange(-window, window + 1)) / (window + 1.0)
        total += 1.0 / float(((1.0 - distance**3) ** 3).sum())
    return min(0.5, total)


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
    phi, mean = _autoregression(calm, np.ones(x.size), order)
    if x.size >= _PHASE_CYCLES * period > _PHASE_CYCLES:
        usual = _local_scale(innovations(calm - mean, phi), trusted, period)
        if float(np.quantile(usual, 0.9)) > _UNEVEN * float(np.quantile(usual, 0.1)):
            unit = np.maximum(usual / median_of_seen(usual), _LEAST_UNIT)
            phi, mean = _autoregression(calm, unit, order)
    a = a - mean
    if missing.any() or bad.any():
        a = interpolate_rows(a, phi, np.ones(x.size), ~trusted)[0]
    own = _leverage(x.size, periods)
    scale = _local_scale(innovations(a, phi), trusted, period) * np.sqrt((1.0 + own) / (1.0 - own))
    return SeriesModel(seasonal, np.where(bad & ~missing, x - total_season(seasonal) - mean, a), phi, mean, scale)
