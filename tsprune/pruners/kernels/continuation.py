"""Causal recursions that carry components on after the end of a fitted span.

`y` is a series on a regular grid, NaN missing. A missing value changes no state except that the trend moves on.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from detectors.kernels.compilation import njit

__all__ = ["PATIENCE", "filter_level", "invert_level_filter", "update_components"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

PATIENCE = 6  # clipped errors of one sign in a row; after that many the level has moved, it is no outlier


@njit(cache=True)
def update_components(
    y: Floats, start: int, state: Floats, seasons: Floats, periods: Integers, gains: Floats, limit: float
) -> Floats:
    """Carry trend and seasons over `y` (m,), whose first value stands at position `start`.

    Additive exponential smoothing with a damped slope: Gardner, McKenzie (1985), Management Science 31, eq. 1.
    `state` (3,): level, slope, run of clipped errors (signed); `seasons` (sum of periods,): one value per phase,
    season after season; both are updated in place. `gains` (4,): of level, slope, season, and the damping. Errors
    are clipped at `limit`. Returns (m, 4): trend, sum of the seasons, error of the one-step prediction, slope.
    """
    out = np.empty((y.size, 4))
    n_periods = periods.size
    for t in range(y.size):
        expected = state[0] + gains[3] * state[1]
        season = 0.0
        first = 0
        for k in range(n_periods):
            season += seasons[first + (start + t) % periods[k]]
            first += periods[k]
        error = y[t] - expected - season
        if math.isnan(error):
            state[0] = expected
            state[1] *= gains[3]
            out[t] = expected, season, error, state[1]
            continue
        taken = min(max(error, -limit), limit)
        if taken == error:
            state[2] = 0.0
        else:
            sign = 1.0 if error > 0.0 else -1.0
            state[2] = state[2] + sign if state[2] * sign > 0.0 else sign
        if abs(state[2]) >= PATIENCE:  # a new level: go there, keep slope and season
            state[2] = 0.0
            state[1] *= gains[3]
            state[0] = expected + error
        else:
            state[1] = gains[3] * state[1] + gains[1] * taken
            state[0] = expected + gains[0] * taken
            season = 0.0
            first = 0
            for k in range(n_periods):
                phase = first + (start + t) % periods[k]
                seasons[phase] += gains[2] * taken / n_periods
                season += seasons[phase]
                first += periods[k]
        out[t] = state[0], season, error, state[1]
    return out


@njit(cache=True)
def filter_level(y: Floats, level: float, variance: float, step: float, noise: float) -> Floats:
    """Filter a local level through `y` (m,): Harvey (1989), section 3.2. Returns levels and variances (m, 2).

    `variance`, `step`, `noise`: of the level's estimate before the first row, of its step, of the observation.
    """
    out = np.empty((y.size, 2))
    for t in range(y.size):
        variance += step
        if not math.isnan(y[t]):
            gain = variance / (variance + noise)
            level += gain * (y[t] - level)
            variance *= 1.0 - gain
        out[t] = level, variance
    return out


@njit(cache=True)
def invert_level_filter(levels: Floats, level: float, variance: float, step: float, noise: float) -> Floats:
    """Return the series (m,) whose filtered levels are `levels` (m,); NaN stands for a missing value."""
    out = np.empty(levels.size)
    for t in range(levels.size):
        variance += step
        if math.isnan(levels[t]):
            out[t] = np.nan
            continue
        gain = variance / (variance + noise)
        out[t] = level + (levels[t] - level) / gain
        level = levels[t]
        variance *= 1.0 - gain
    return out
