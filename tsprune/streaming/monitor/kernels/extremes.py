"""Extremes: how rare is this evidence among what came before, from its largest values alone.

Only the largest `KEPT` values so far are kept, in order, beside the number of all. The p-value of a value among them
is exact; a value beyond all of them gets the tail of a power law whose exponent is Hill's estimate, so that a new
extreme can have a p-value below the reciprocal of the number; a value below all of them is ordinary and gets a p-value
between that of the smallest one kept and 1. The past fades: after two horizons every second value goes and the number
is halved.

A list of extremes is a part of a vector, EXTREMES_SIZE long: number of all, number kept, the kept values in rising
order.

References
----------
Hill, "A simple general approach to inference about the tail of a distribution", Annals of Statistics 3(5), 1975.
Siffer, Fouque, Termier, Largouet, "Anomaly detection in streams with extreme value theory", KDD 2017, section 3.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from detectors.kernels.leaf import leaf

__all__ = ["EXTREMES_SIZE", "KEPT", "rarity", "standing"]

Floats = NDArray[np.float64]

KEPT = 128
TOTAL, COUNT, VALUES = 0, 1, 2
EXTREMES_SIZE = VALUES + KEPT
_TAIL_SHARE, _TAIL_COUNT, _TAIL_TOTAL = 0.02, 10, 60  # Hill's estimate: of so many, at least; after so many
_MIN_SHAPE = 0.05
_P_MIN = 1e-12


@leaf
def _tail(state: Floats, extremes: int, value: float) -> float:
    """Return the p-value of a value above all kept ones."""
    total, count = state[extremes + TOTAL], int(state[extremes + COUNT])
    k = min(max(_TAIL_COUNT, int(_TAIL_SHARE * total)), count - 1)
    p: float = 1.0 / (total + 1.0)
    if total < _TAIL_TOTAL or k < _TAIL_COUNT:
        return p
    threshold: float = state[extremes + VALUES + count - 1 - k]
    if not threshold > 0.0:
        return p
    logs: float = 0.0
    for j in range(count - k, count):
        logs += math.log(state[extremes + VALUES + j] / threshold)
    shape = max(logs / k, _MIN_SHAPE)
    tail: float = k / (total + 1.0) * (value / threshold) ** (-1.0 / shape)
    return max(min(p, tail), _P_MIN)


@leaf
def standing(state: Floats, extremes: int, value: float) -> float:
    """Return the p-value of a value >= 0 among those before, and learn nothing."""
    total, count = state[extremes + TOTAL], int(state[extremes + COUNT])
    if count == KEPT and value <= state[extremes + VALUES]:
        return 1.0
    low, high = 0, count
    while low < high:
        middle = (low + high) // 2
        if state[extremes + VALUES + middle] < value:
            low = middle + 1
        else:
            high = middle
    if low < count or count == 0:
        rank: float = (count - low + 1.0) / (total + 1.0)
        return rank
    return _tail(state, extremes, value)


@leaf
def rarity(state: Floats, extremes: int, value: float, horizon: float) -> float:
    """Return the p-value of a value >= 0 among those before, in [1e-12, 1], and learn it.

    `state` (n,) holds the list from place `extremes` on.
    """
    total, count = state[extremes + TOTAL], int(state[extremes + COUNT])
    state[extremes + TOTAL] = total + 1.0
    if count == KEPT and value <= state[extremes + VALUES]:
        smallest = state[extremes + VALUES]
        edge = (KEPT + 1.0) / (total + 1.0)
        p = edge + (1.0 - edge) * (1.0 - value / smallest) if smallest > 0.0 else 1.0
    else:
        low, high = 0, count
        while low < high:
            middle = (low + high) // 2
            if state[extremes + VALUES + middle] < value:
                low = middle + 1
            else:
                high = middle
        state[extremes + TOTAL] = total
        p = (count - low + 1.0) / (total + 1.0) if low < count or count == 0 else _tail(state, extremes, value)
        state[extremes + TOTAL] = total + 1.0
        if count == KEPT:
            for k in range(low - 1):
                state[extremes + VALUES + k] = state[extremes + VALUES + k + 1]
            state[extremes + VALUES + low - 1] = value
        else:
            for k in range(count, low, -1):
                state[extremes + VALUES + k] = state[extremes + VALUES + k - 1]
            state[extremes + VALUES + low] = value
            state[extremes + COUNT] = count + 1.0
    if state[extremes + TOTAL] >= 2.0 * horizon:
        state[extremes + TOTAL] *= 0.5
        kept = int(state[extremes + COUNT]) // 2
        for k in range(kept):
            state[extremes + VALUES + k] = state[extremes + VALUES + 2 * k + 1]
        state[extremes + COUNT] = kept
    return p
