"""Online decomposition of a series into level, season and remainder, one point at a time.

All memory is one row of floats, laid out in `online_memory`; a point touches a bounded number of them, whatever the
period.

Three explanations compete for a value that the running level and season do not explain: an outlier, a step of the
level, and a shift of the phase. Their likelihoods are followed until one of them has won.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from detectors.kernels.compilation import njit
from tsprune.streaming.online.kernels.layout import (
    H_AWAY,
    H_BASE,
    H_COUNT,
    H_CYCLE_COUNT,
    H_CYCLE_MEAN,
    H_CYCLE_SUM,
    H_DELTA,
    H_DOWN,
    H_DOWN_COUNT,
    H_DOWN_SUM,
    H_EPISODE,
    H_GAIN_MIN,
    H_GAP,
    H_HOME,
    H_LAST,
    H_LEVEL,
    H_NEW_LEVEL,
    H_PERIOD,
    H_PHASE,
    H_QUIET,
    H_RANGE,
    H_RECENT,
    H_SCALE,
    H_SCALE_COUNT,
    H_SEASON_SUM,
    H_SEEN,
    H_SLOPE,
    H_TIME,
    H_UP,
    H_UP_COUNT,
    H_UP_SUM,
    H_WINDOW,
    H_WINDOW_MAX,
    offset_at,
)
from tsprune.streaming.online.kernels.surprise import change_level, explain

__all__ = ["advance", "fleet_step", "many_steps", "step"]

Floats = NDArray[np.float64]

_LIMIT = 4.5  # standardized remainders beyond it need an explanation
_CLIP = 3.0
_TO_DEVIATION = 1.2533141373155  # of a normal variable, over its mean absolute value
_SCALE_MEMORY = 1000.0
_DRIFT = 0.25
_ALARM = 18.0
_TILT = 2.5  # deviations, twice in a row, of the means of cycles
_LEARN_FIRST = 10
_SLOPE_COUNT = 30.0
_SLOPE_RATE = 0.02
_RECENT = 8.0
_RECENT_DEVIATION = 1.0 / math.sqrt(2.0 * _RECENT - 1.0)
_ADAPT = 0.05
_LONGER = 0.05


@njit(cache=True)
def _first_cycle(state: Floats, value: float) -> tuple[float, float, float]:
    """Take a value of the first cycle: it becomes the season, once the cycle is full."""
    state[H_SEEN] += 1.0
    known = not np.isnan(value)
    if known:
        if np.isnan(state[H_BASE]):
            state[H_BASE] = value
        state[H_LAST] = value - state[H_BASE]
        state[H_COUNT] += 1.0
        state[H_NEW_LEVEL] += state[H_LAST]
    where = offset_at(state, int(state[H_PHASE]))
    state[where] = state[H_LAST]
    state[where + 1] = 1.0 if known else 0.0
    state[H_SEASON_SUM] += state[H_LAST]
    level = state[H_BASE] + (state[H_NEW_LEVEL] / state[H_COUNT] if state[H_COUNT] > 0.0 else 0.0)
    state[H_TIME] += 1.0
    state[H_PHASE] += 1.0
    if state[H_PHASE] >= state[H_PERIOD]:
        state[H_PHASE] = 0.0
        if np.isnan(state[H_BASE]):  # nothing known yet: begin again
            state[H_TIME] = 0.0
            state[H_SEASON_SUM] = 0.0
        else:
            state[H_LEVEL] = state[H_BASE] + state[H_SEASON_SUM] / state[H_PERIOD]
            state[H_BASE] = state[H_LEVEL]
    return level, 0.0, value - level


@njit(cache=True)
def _end_of_cycle(state: Floats) -> None:
    """Take the line out of a season that was learnt on a rising trend: after the third cycle, once."""
    period = int(state[H_PERIOD])
    mean = state[H_CYCLE_SUM] / state[H_CYCLE_COUNT] if state[H_CYCLE_COUNT] > 0.0 else 0.0
    state[H_CYCLE_SUM] = 0.0
    state[H_CYCLE_COUNT] = 0.0
    if state[H_TIME] < 2.5 * period:
        state[H_CYCLE_MEAN] = mean
        return
    first = state[H_CYCLE_MEAN]
    second = mean - first
    state[H_CYCLE_MEAN] = 0.0
    noise = state[H_SCALE] * _TO_DEVIATION * math.sqrt(2.0 / period)
    if first * second <= 0.0 or min(abs(first), abs(second)) < _TILT * noise:
        return
    tilt = math.copysign(min(abs(first), abs(second)), first) / period
    centre = 0.5 * (period - 1)
    for phase in range(period):
        state[offset_at(state, phase)] -= tilt * (phase - centre)
    state[H_LEVEL] += tilt * centre
    state[H_SLOPE] = tilt


@njit(cache=True)
def step(state: Floats, value: float) -> tuple[float, float, float]:
    """Take one value (NaN: missing); return its trend, seasonal and remainder."""
    period = int(state[H_PERIOD])
    if period > 0 and state[H_TIME] < period:
        return _first_cycle(state, value)
    state[H_SEEN] += 1.0
    known = not np.isnan(value)
    if np.isnan(state[H_BASE]):  # only without a season: the first cycle is over
        if not known:
            return np.nan, 0.0, np.nan
        state[H_BASE] = value
        state[H_LEVEL] = value
    phase = int(state[H_PHASE])
    here = 0
    season = 0.0
    visits = 1e300
    mean = 0.0
    # through a gap the slope goes on for no more points than the level was learnt from
    state[H_GAP] += 1.0
    level = state[H_LEVEL] + state[H_SLOPE] * min(state[H_GAP], state[H_COUNT] + 1.0)
    if period > 0:
        mean = state[H_SEASON_SUM] / period
        here = offset_at(state, phase + int(state[H_DELTA]))
        season = state[here] - mean
        visits = max(state[here + 1], 0.5)
        state[H_PHASE] = phase + 1.0 if phase + 1 < period else 0.0
    state[H_TIME] += 1.0
    if known:
        state[H_LEVEL] = level
        state[H_GAP] = 0.0
        remainder = value - level - season
        uncertainty = math.sqrt(1.0 + 1.0 / visits + 1.0 / (state[H_COUNT] + 1.0))
        floor = 1e-7 * state[H_RANGE] + 1e-13 * abs(level) + 1e-100
        scale = max(state[H_SCALE] * _TO_DEVIATION, floor)
        deviation = scale * uncertainty
        z = remainder / deviation
        if state[H_TIME] < 3.0 * period + 0.5 and period > 0:
            state[H_CYCLE_SUM] += remainder + level - state[H_BASE]
            state[H_CYCLE_COUNT] += 1.0
        learn = True
        if state[H_SCALE_COUNT] >= _LEARN_FIRST and (abs(z) > _LIMIT or state[H_EPISODE] > 0.0):
            learn = explain(state, value, phase, mean, season, z, deviation)
            level = state[H_LEVEL]
            if period > 0:
                here = offset_at(state, phase + int(state[H_DELTA]))
                season = state[here] - mean
            remainder = value - level - season
            z = remainder / deviation
        if period > 0:
            _follow_shift(state)
            if abs(z) <= _LIMIT:
                state[here + 2] = 0.0
            elif not learn and state[H_DELTA] == state[H_HOME]:
                _surprise(state, here, remainder, deviation)
        if learn:
            level, season = _learn(state, value, here, season, z, deviation, uncertainty)
            remainder = value - level - season
    else:
        remainder = np.nan
    if period > 0 and state[H_PHASE] == 0.0 and state[H_TIME] < 3.5 * period:
        _end_of_cycle(state)
    return level, season, remainder


@njit(cache=True)
def _follow_shift(state: Floats) -> None:
    """Learn the season at a new shift once it has held for a whole cycle."""
    if state[H_DELTA] == state[H_HOME]:
        state[H_AWAY] = 0.0
        return
    state[H_AWAY] += 1.0
    if state[H_AWAY] >= state[H_PERIOD]:
        state[H_HOME] = state[H_DELTA]
        state[H_AWAY] = 0.0


@njit(cache=True)
def _surprise(state: Floats, here: int, remainder: float, deviation: float) -> None:
    """Take the same surprise at the same phase of two cycles as the new shape; one alone changes nothing."""
    before = state[here + 2]
    if before != 0.0 and abs(remainder - before) < _LIMIT * 1.4 * deviation:
        correction = 0.5 * (remainder + before)
        state[here] += correction
        state[here + 1] = 2.0
        state[here + 2] = 0.0
        state[H_SEASON_SUM] += correction
    else:
        state[here + 2] = remainder


@njit(cache=True)
def _learn(
    state: Floats, value: float, here: int, season: float, z: float, deviation: float, uncertainty: float
) -> tuple[float, float]:
    """Update level, season and scale from an explained value; return level and season."""
    clipped = min(max(z, -_CLIP), _CLIP)
    remainder = clipped * deviation if state[H_SCALE_COUNT] >= _LEARN_FIRST else z * deviation
    # scale
    count = min(state[H_SCALE_COUNT] + 1.0, _SCALE_MEMORY)
    state[H_SCALE_COUNT] = count
    state[H_SCALE] += (abs(remainder) / uncertainty - state[H_SCALE]) / count
    # level
    state[H_COUNT] = min(state[H_COUNT] + 1.0, state[H_WINDOW])
    state[H_QUIET] += 1.0
    if state[H_QUIET] > 4.0 * state[H_WINDOW]:
        state[H_WINDOW] = min(state[H_WINDOW_MAX], 2.0 * state[H_WINDOW])
    state[H_LEVEL] += remainder / state[H_COUNT]
    state[H_SLOPE] += remainder * _SLOPE_RATE / max(state[H_COUNT], _SLOPE_COUNT) ** 2
    # remainders that follow their predecessors: the level lags; that oppose them: it runs after noise
    lag = clipped * state[H_RECENT] / _RECENT_DEVIATION
    state[H_WINDOW] = min(state[H_WINDOW_MAX], max(4.0, state[H_WINDOW] * math.exp(_ADAPT * (_LONGER - lag))))
    state[H_RECENT] += (clipped - state[H_RECENT]) / _RECENT
    state[H_UP] += clipped - _DRIFT
    state[H_UP_SUM] += remainder
    state[H_UP_COUNT] += 1.0
    if state[H_UP] <= 0.0:
        state[H_UP : H_UP_COUNT + 1] = 0.0
    state[H_DOWN] += -clipped - _DRIFT
    state[H_DOWN_SUM] += remainder
    state[H_DOWN_COUNT] += 1.0
    if state[H_DOWN] <= 0.0:
        state[H_DOWN : H_DOWN_COUNT + 1] = 0.0
    if state[H_UP] > _ALARM:
        gap = state[H_UP_SUM] / state[H_UP_COUNT]
        change_level(state, state[H_LEVEL] + gap, state[H_UP_COUNT], True)
    elif state[H_DOWN] > _ALARM:
        gap = state[H_DOWN_SUM] / state[H_DOWN_COUNT]
        change_level(state, state[H_LEVEL] + gap, state[H_DOWN_COUNT], True)
    if state[H_PERIOD] > 0 and state[H_DELTA] == state[H_HOME]:
        state[H_RANGE] += (abs(value - state[H_LEVEL]) - state[H_RANGE]) / count
        visits = state[here + 1] + 1.0
        state[here + 1] = min(visits, 1.0 / state[H_GAIN_MIN])
        correction = remainder / visits
        state[here] += correction
        state[H_SEASON_SUM] += correction
        season = state[here] - state[H_SEASON_SUM] / state[H_PERIOD]
    return state[H_LEVEL], season


@njit(cache=True)
def advance(state: Floats, n_missing: int) -> None:
    """Let `n_missing` points pass unseen, in time that does not depend on their number once a cycle is known."""
    period = int(state[H_PERIOD])
    if period > 0:
        while n_missing > 0 and state[H_TIME] < 3.5 * period:
            step(state, np.nan)
            n_missing -= 1
        state[H_PHASE] = (int(state[H_PHASE]) + n_missing) % period
    state[H_SEEN] += n_missing
    if not np.isnan(state[H_BASE]):
        state[H_GAP] += n_missing
        state[H_TIME] += n_missing


@njit(cache=True)
def many_steps(state: Floats, values: Floats, out: Floats) -> None:
    """Take `values` (n,) one by one; write trend, seasonal, remainder to `out` (n, 3)."""
    for i in range(values.size):
        out[i, 0], out[i, 1], out[i, 2] = step(state, values[i])


@njit(cache=True)
def fleet_step(states: Floats, values: Floats, out: Floats) -> None:
    """Take one value of every series: states (n_series, state_size), values (n_series,), out (n_series, 3)."""
    for i in range(values.size):
        out[i, 0], out[i, 1], out[i, 2] = step(states[i], values[i])
