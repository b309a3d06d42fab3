"""Online decomposition of a series into level, season and remainder, one point at a time.

All memory is one row of floats: a header (``H_*``), the evidence for every shift of the phase, and three numbers for
every phase of the cycle (offset, visits, strikes). A point touches a bounded number of them, whatever the period.

Three explanations compete for a value that the running level and season do not explain: an outlier, a step of the
level, and a shift of the phase. Their likelihoods are followed until one of them has won.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = ["HEADER_SIZE", "advance", "fleet_step", "many_steps", "new_state", "state_size", "step"]

Floats = NDArray[np.float64]

H_PERIOD = 0  # 0 = no season
H_SHIFT = 1  # largest shift of the phase that is looked for
H_WINDOW_MAX = 2  # most points the level averages
H_GAIN_MIN = 3  # least gain of a phase's offset
H_TIME = 4  # points so far, missing ones too
H_PHASE = 5
H_DELTA = 6  # shift of the phase at present
H_LEVEL = 7
H_COUNT = 8  # points behind the level
H_WINDOW = 9  # most points the level may average at present
H_SCALE = 10  # mean absolute remainder
H_SCALE_COUNT = 11
H_SEASON_SUM = 12
H_LAST = 13  # last known value, relative to the base
H_BASE = 14  # first known value
H_RANGE = 15  # mean absolute deviation of values from the level
H_UP = 16  # cumulative sums for slow changes of the level: evidence, sum, points
H_UP_SUM = 17
H_UP_COUNT = 18
H_DOWN = 19
H_DOWN_SUM = 20
H_DOWN_COUNT = 21
H_EPISODE = 22  # points since the first unexplained one; 0 = none
H_LOG_OUTLIER = 23  # log-likelihoods of the explanations
H_LOG_LEVEL = 24
H_NEW_LEVEL = 25  # sum of values less season since then
H_CALM = 26  # explained points in a row within the episode
H_QUIET = 27  # points since the last change of the level
H_SLOPE = 28
H_LAST_ALARM = 29  # sign of the last slow change
H_CYCLE_SUM = 30  # values less the first cycle, summed over the running cycle
H_CYCLE_COUNT = 31
H_CYCLE_MEAN = 32  # of the cycle before
H_HOME = 33  # shift at which the season is learnt
H_AWAY = 34  # points since the shift left home
H_ALARM_LEVEL = 35  # level and time after the last slow change
H_ALARM_TIME = 36
HEADER_SIZE = 40

_PER_PHASE = 3
_LIMIT = 4.5  # standardized remainders beyond it need an explanation
_CLIP = 3.0
_LOG_RARE = math.log(0.01)  # prior of an outlier, of a step, of a shift
_LOG_ODDS = math.log(20.0)  # evidence that ends the competition
_EPISODE_MAX = 12
_TO_DEVIATION = 1.2533141373155  # of a normal variable, over its mean absolute value
_SCALE_MEMORY = 1000.0
_DRIFT = 0.25
_ALARM = 18.0
_LEARN_FIRST = 10
_NEAR = 5.0  # samples; shifts of the phase are small ones rather than large ones
_VISITS_MIN = 3.0  # of a phase whose surprise may be a shift: before, its own offset may be what is wrong
_RUN = 3


@njit(cache=True)
def state_size(period: int, shift: int) -> int:
    """Return the number of floats of one state."""
    return int(HEADER_SIZE + 2 * shift + 1 + _PER_PHASE * period)


@njit(cache=True)
def new_state(state: Floats, period: int, shift: int, window: float, gain: float) -> None:
    """Make `state` (state_size,) that of a series not begun."""
    state[:] = 0.0
    state[H_PERIOD] = period
    state[H_SHIFT] = shift
    state[H_WINDOW_MAX] = window
    state[H_WINDOW] = window
    state[H_GAIN_MIN] = gain
    state[H_BASE] = np.nan
    state[H_CYCLE_MEAN] = np.nan


@njit(cache=True)
def _offset_at(state: Floats, phase: int) -> int:
    """Return where the numbers of a phase, shifted, stand in the state."""
    period = int(state[H_PERIOD])
    while phase < 0:
        phase += period
    while phase >= period:
        phase -= period
    return int(HEADER_SIZE + 2 * int(state[H_SHIFT]) + 1 + _PER_PHASE * phase)


@njit(cache=True)
def _log_normal(z: float, deviation: float) -> float:
    """Return the log density of a remainder of `z` deviations."""
    return -0.5 * z * z - math.log(deviation) - 0.9189385332046727


@njit(cache=True)
def _change_level(state: Floats, level: float, count: float, faster: bool) -> None:
    """Restart the level from `count` points; a level that moves slowly but often is followed by a shorter window."""
    if faster:
        state[H_WINDOW] = max(8.0, 0.5 * min(state[H_WINDOW], 2.0 * state[H_QUIET] + 8.0))
    state[H_LEVEL] = level
    state[H_COUNT] = count
    state[H_QUIET] = 0.0
    state[H_UP : H_DOWN_COUNT + 1] = 0.0


@njit(cache=True)
def _first_cycle(state: Floats, value: float) -> tuple[float, float, float]:
    """Take a value of the first cycle: it becomes the season, once the cycle is full."""
    known = not np.isnan(value)
    if known:
        if np.isnan(state[H_BASE]):
            state[H_BASE] = value
        state[H_LAST] = value - state[H_BASE]
        state[H_COUNT] += 1.0
        state[H_NEW_LEVEL] += state[H_LAST]
    where = _offset_at(state, int(state[H_PHASE]))
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
            state[H_NEW_LEVEL] = 0.0
            state[H_LAST] = 0.0
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
    if first * second <= 0.0:
        return
    tilt = math.copysign(min(abs(first), abs(second)), first) / period
    centre = 0.5 * (period - 1)
    for phase in range(period):
        state[_offset_at(state, phase)] -= tilt * (phase - centre)
    state[H_LEVEL] += tilt * centre
    state[H_SLOPE] = tilt


@njit(cache=True)
def step(state: Floats, value: float) -> tuple[float, float, float]:
    """Take one value (NaN: missing); return its trend, seasonal and remainder."""
    period = int(state[H_PERIOD])
    if period > 0 and state[H_TIME] < period:
        return _first_cycle(state, value)
    known = not np.isnan(value)
    if np.isnan(state[H_BASE]):
        if not known:
            return np.nan, 0.0, np.nan
        state[H_BASE] = value
        state[H_LEVEL] = value
    phase = int(state[H_PHASE])
    here = 0
    season = 0.0
    visits = 1e300
    mean = 0.0
    state[H_LEVEL] += state[H_SLOPE]
    if period > 0:
        mean = state[H_SEASON_SUM] / period
        here = _offset_at(state, phase + int(state[H_DELTA]))
        season = state[here] - mean
        visits = max(state[here + 1], 0.5)
        state[H_PHASE] = phase + 1.0 if phase + 1 < period else 0.0
    state[H_TIME] += 1.0
    level = state[H_LEVEL]
    if known:
        remainder = value - level - season
        uncertainty = math.sqrt(1.0 + 1.0 / visits + 1.0 / (state[H_COUNT] + 1.0))
        floor = 1e-7 * state[H_RANGE] + 1e-13 * abs(level) + 1e-300
        scale = max(state[H_SCALE] * _TO_DEVIATION, floor)
        deviation = scale * uncertainty
        z = remainder / deviation
        if state[H_TIME] < 3.0 * period + 0.5 and period > 0:
            state[H_CYCLE_SUM] += remainder + level - state[H_BASE]
            state[H_CYCLE_COUNT] += 1.0
        learn = True
        if state[H_SCALE_COUNT] >= _LEARN_FIRST and (abs(z) > _LIMIT or state[H_EPISODE] > 0.0):
            learn = _episode(state, value, phase, mean, season, z, deviation)
            level = state[H_LEVEL]
            if period > 0:
                here = _offset_at(state, phase + int(state[H_DELTA]))
                season = state[here] - mean
                visits = max(state[here + 1], 0.5)
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
        _slow_change(state, gap, state[H_UP_COUNT], 1.0)
    elif state[H_DOWN] > _ALARM:
        gap = state[H_DOWN_SUM] / state[H_DOWN_COUNT]
        _slow_change(state, gap, state[H_DOWN_COUNT], -1.0)
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
def _slow_change(state: Floats, gap: float, count: float, sign: float) -> None:
    """Restart the level where the cumulative sum began; two in the same direction make a slope."""
    _change_level(state, state[H_LEVEL] + gap, count, True)
    run = state[H_LAST_ALARM]
    elapsed = state[H_TIME] - state[H_ALARM_TIME]
    if run * sign > 0.0:
        run += sign
        if abs(run) >= _RUN:
            state[H_SLOPE] += 0.5 * ((state[H_LEVEL] - state[H_ALARM_LEVEL]) / elapsed - state[H_SLOPE])
    else:
        run = sign
        state[H_SLOPE] *= 0.5
    state[H_LAST_ALARM] = run
    state[H_ALARM_LEVEL] = state[H_LEVEL]
    state[H_ALARM_TIME] = state[H_TIME]


@njit(cache=True)
def _shift_priors(state: Floats) -> None:
    """Begin the evidence for shifts: half of it for the way home, the rest the more the nearer."""
    n_shift = int(state[H_SHIFT])
    base = HEADER_SIZE + n_shift
    for delta in range(-n_shift, n_shift + 1):
        distance = abs(delta - state[H_DELTA])
        state[base + delta] = _LOG_RARE - math.log(2.0 * _NEAR) - distance / _NEAR
    state[base + int(state[H_HOME])] = _LOG_RARE + math.log(0.5)


@njit(cache=True)
def _episode(state: Floats, value: float, phase: int, mean: float, season: float, z: float, deviation: float) -> bool:
    """Weigh outlier, step and shift for an unexplained run of points; tell whether the point may be learnt from."""
    n_shift = int(state[H_SHIFT])
    period = int(state[H_PERIOD])
    level = state[H_LEVEL]
    spread = max(8.0 * state[H_RANGE], 30.0 * deviation)
    log_rare = _LOG_RARE - math.log(spread)
    first = state[H_EPISODE] == 0.0
    if first:
        state[H_LOG_OUTLIER] = 0.0
        state[H_LOG_LEVEL] = _LOG_RARE
        state[H_NEW_LEVEL] = 0.0
        state[H_CALM] = 0.0
        _shift_priors(state)
    count = state[H_EPISODE]
    state[H_EPISODE] = count + 1.0
    state[H_LOG_OUTLIER] += max(_log_normal(z, deviation), log_rare)
    rest = value - season
    if first:
        state[H_LOG_LEVEL] += -math.log(spread)
    else:
        widened = deviation * math.sqrt(1.0 + 1.0 / count)
        state[H_LOG_LEVEL] += max(_log_normal((rest - state[H_NEW_LEVEL] / count) / widened, widened), log_rare)
    state[H_NEW_LEVEL] += rest
    best = -1e300
    best_delta = int(state[H_DELTA])
    if period > 0 and n_shift > 0 and state[_offset_at(state, phase + int(state[H_DELTA])) + 1] >= _VISITS_MIN:
        base = HEADER_SIZE + n_shift
        for distance in range(n_shift + 1):
            for sign in (-1, 1):
                if distance == 0 and sign == 1:
                    continue
                delta = sign * distance
                gap = (value - level - (state[_offset_at(state, phase + delta)] - mean)) / deviation
                state[base + delta] += max(_log_normal(gap, deviation), log_rare)
                if state[base + delta] > best and delta != int(state[H_DELTA]):
                    best = state[base + delta]
                    best_delta = delta
        total = 0.0
        for delta in range(-n_shift, n_shift + 1):
            if delta != int(state[H_DELTA]):
                total += math.exp(max(state[base + delta] - best, -700.0))
        best += math.log(total)
        # among those that explain equally well, the one nearest to none is taken by the order above
    outlier = state[H_LOG_OUTLIER]
    step_size = state[H_LOG_LEVEL]
    calm = abs(z) <= _LIMIT
    state[H_CALM] = state[H_CALM] + 1.0 if calm else 0.0
    if best > outlier + _LOG_ODDS and best > step_size + _LOG_ODDS:
        state[H_DELTA] = best_delta
        state[H_EPISODE] = 0.0
        return True
    if step_size > outlier + _LOG_ODDS and step_size > best + _LOG_ODDS and state[H_EPISODE] >= 3.0:
        _change_level(state, state[H_NEW_LEVEL] / state[H_EPISODE], state[H_EPISODE], False)
        state[H_EPISODE] = 0.0
        return True
    if state[H_CALM] >= 2.0:
        state[H_EPISODE] = 0.0
        return True
    if state[H_EPISODE] >= _EPISODE_MAX:
        if step_size > outlier and step_size >= best:
            _change_level(state, state[H_NEW_LEVEL] / state[H_EPISODE], state[H_EPISODE], True)
        elif best > outlier:
            state[H_DELTA] = best_delta
        else:  # nothing explains them: the noise has grown
            state[H_SCALE] *= 1.5
        state[H_EPISODE] = 0.0
        return True
    return calm


@njit(cache=True)
def advance(state: Floats, n_missing: int) -> None:
    """Let `n_missing` points pass unseen, in time that does not depend on their number once a cycle is known."""
    period = int(state[H_PERIOD])
    if period > 0:
        while n_missing > 0 and state[H_TIME] < 3.5 * period:
            step(state, np.nan)
            n_missing -= 1
        state[H_PHASE] = (int(state[H_PHASE]) + n_missing) % period
    if not np.isnan(state[H_BASE]):
        state[H_LEVEL] += n_missing * state[H_SLOPE]
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
