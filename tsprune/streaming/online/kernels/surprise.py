"""What a value that an online decomposition cannot explain may mean: an outlier, a step, or a shift of the phase.

The likelihoods of the three are followed from the first such point on, until one of them has won.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from detectors.kernels.compilation import njit
from tsprune.streaming.online.kernels.layout import (
    H_CALM,
    H_COUNT,
    H_DELTA,
    H_DOWN_COUNT,
    H_EPISODE,
    H_HOME,
    H_LEVEL,
    H_LOG_LEVEL,
    H_LOG_OUTLIER,
    H_NEW_LEVEL,
    H_PERIOD,
    H_QUIET,
    H_RANGE,
    H_SCALE,
    H_SHIFT,
    H_UP,
    H_WINDOW,
    HEADER_SIZE,
    offset_at,
)

__all__ = ["change_level", "explain"]

Floats = NDArray[np.float64]

_LIMIT = 4.5  # standardized remainders beyond it need an explanation
_LOG_RARE = math.log(0.01)  # prior of an outlier, of a step, of a shift
_LOG_ODDS = math.log(20.0)  # evidence against an outlier that ends the competition
_LOG_LEAD = math.log(3.0)  # evidence of a step against a shift, or of a shift against a step
_EPISODE_MAX = 12
_NEAR = 5.0  # samples; shifts of the phase are small ones rather than large ones
_NEGLIGIBLE = -36.0  # log of what no longer changes a sum
_VISITS_MIN = 3.0  # of a phase whose surprise may be a shift: before, its own offset may be what is wrong


@njit(cache=True)
def _log_peak(deviation: float) -> float:
    """Return the log density of a normal variable at its mean."""
    return -math.log(deviation) - 0.9189385332046727


@njit(cache=True)
def change_level(state: Floats, level: float, count: float, faster: bool) -> None:
    """Restart the level from `count` points; a level that moves slowly but often is followed by a shorter window."""
    if faster:
        state[H_WINDOW] = max(8.0, 0.5 * min(state[H_WINDOW], 2.0 * state[H_QUIET] + 8.0))
    state[H_LEVEL] = level
    state[H_COUNT] = count
    state[H_QUIET] = 0.0
    state[H_UP : H_DOWN_COUNT + 1] = 0.0


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
def explain(state: Floats, value: float, phase: int, mean: float, season: float, z: float, deviation: float) -> bool:
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
    log_peak = _log_peak(deviation)
    state[H_LOG_OUTLIER] += max(log_peak - 0.5 * z * z, log_rare)
    rest = value - season
    if state[H_DELTA] != state[H_HOME]:  # a step would mean that the shift was none
        rest = value - (state[offset_at(state, phase + int(state[H_HOME]))] - mean)
    if first:
        state[H_LOG_LEVEL] += -math.log(spread)
    else:
        widened = deviation * math.sqrt(1.0 + 1.0 / count)
        gap = (rest - state[H_NEW_LEVEL] / count) / widened
        state[H_LOG_LEVEL] += max(_log_peak(widened) - 0.5 * gap * gap, log_rare)
    state[H_NEW_LEVEL] += rest
    best = -1e300
    best_delta = int(state[H_DELTA])
    if period > 0 and n_shift > 0 and state[offset_at(state, phase + int(state[H_DELTA])) + 1] >= _VISITS_MIN:
        base = HEADER_SIZE + n_shift
        for distance in range(n_shift + 1):
            for sign in (-1, 1):
                if distance == 0 and sign == 1:
                    continue
                delta = sign * distance
                gap = (value - level - (state[offset_at(state, phase + delta)] - mean)) / deviation
                state[base + delta] += max(log_peak - 0.5 * gap * gap, log_rare)
                if state[base + delta] > best and delta != int(state[H_DELTA]):
                    best = state[base + delta]
                    best_delta = delta
        # among those that explain equally well, the one nearest to none has been taken; their evidence adds up
        total = 0.0
        for delta in range(-n_shift, n_shift + 1):
            less = state[base + delta] - best
            if less > _NEGLIGIBLE and delta != int(state[H_DELTA]):
                total += math.exp(less)
        best += math.log(total)
    outlier = state[H_LOG_OUTLIER]
    step_size = state[H_LOG_LEVEL]
    calm = abs(z) <= _LIMIT
    state[H_CALM] = state[H_CALM] + 1.0 if calm else 0.0
    if best > outlier + _LOG_ODDS and best > step_size + _LOG_LEAD:
        state[H_DELTA] = best_delta
        state[H_EPISODE] = 0.0
        return True
    if step_size > outlier + _LOG_ODDS and step_size > best + _LOG_LEAD and state[H_EPISODE] >= 3.0:
        change_level(state, state[H_NEW_LEVEL] / state[H_EPISODE], state[H_EPISODE], False)
        state[H_DELTA] = state[H_HOME]
        state[H_EPISODE] = 0.0
        return True
    if state[H_CALM] >= 2.0:
        state[H_EPISODE] = 0.0
        return True
    if state[H_EPISODE] >= _EPISODE_MAX:
        if step_size > outlier and step_size >= best:
            change_level(state, state[H_NEW_LEVEL] / state[H_EPISODE], state[H_EPISODE], True)
            state[H_DELTA] = state[H_HOME]
        elif best > outlier:
            state[H_DELTA] = best_delta
        else:  # nothing explains them: the noise has grown
            state[H_SCALE] *= 1.5
        state[H_EPISODE] = 0.0
        return True
    return calm
