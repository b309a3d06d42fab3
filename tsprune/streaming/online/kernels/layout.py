"""Memory of an online decomposition: one row of floats.

A header (``H_*``), the evidence for every shift of the phase, and three numbers for every phase of the cycle: offset,
visits, and the last surprise (0 = none).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from detectors.kernels.compilation import njit

__all__ = [
    "HEADER_SIZE",
    "H_AWAY",
    "H_BASE",
    "H_CALM",
    "H_COUNT",
    "H_CYCLE_COUNT",
    "H_CYCLE_MEAN",
    "H_CYCLE_SUM",
    "H_DELTA",
    "H_DOWN",
    "H_DOWN_COUNT",
    "H_DOWN_SUM",
    "H_EPISODE",
    "H_GAIN_MIN",
    "H_GAP",
    "H_HOME",
    "H_LAST",
    "H_LEVEL",
    "H_LOG_LEVEL",
    "H_LOG_OUTLIER",
    "H_NEW_LEVEL",
    "H_PERIOD",
    "H_PHASE",
    "H_QUIET",
    "H_RANGE",
    "H_RECENT",
    "H_SCALE",
    "H_SCALE_COUNT",
    "H_SEASON_SUM",
    "H_SEEN",
    "H_SHIFT",
    "H_SLOPE",
    "H_TIME",
    "H_UP",
    "H_UP_COUNT",
    "H_UP_SUM",
    "H_WINDOW",
    "H_WINDOW_MAX",
    "new_state",
    "offset_at",
    "state_size",
]

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
H_BASE = 14  # first known value; mean of the first cycle once that is full
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
H_RECENT = 29  # mean of the last standardized remainders
H_CYCLE_SUM = 30  # values less the first cycle, summed over the running cycle
H_CYCLE_COUNT = 31
H_CYCLE_MEAN = 32  # of the cycle before
H_HOME = 33  # shift at which the season is learnt
H_AWAY = 34  # points since the shift left home
H_SEEN = 35  # points taken, before the first known one too
H_GAP = 36  # missing points since the last known one
HEADER_SIZE = 40
_PER_PHASE = 3


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
def offset_at(state: Floats, phase: int) -> int:
    """Return where the numbers of a phase, shifted, stand in the state."""
    period = int(state[H_PERIOD])
    while phase < 0:
        phase += period
    while phase >= period:
        phase -= period
    return int(HEADER_SIZE + 2 * int(state[H_SHIFT]) + 1 + _PER_PHASE * phase)
