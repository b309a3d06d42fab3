"""Views of the last values of a metric: what a monitor looks at to see that something is new.

The window is a vector (WINDOW_SIZE,): count, position, the last 64 values as a ring that is kept twice, so that they
always stand in a row somewhere, and the last 32 of them in order.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = ["QUARTILE_HIGH", "QUARTILE_LOW", "WINDOW_SIZE", "push", "views"]

Floats = NDArray[np.float64]

RING = 64
SORTED = 32
COUNT, POSITION, VALUES = 0, 1, 2
ORDER = VALUES + 2 * RING
WINDOW_SIZE = ORDER + SORTED
QUARTILE_LOW, QUARTILE_HIGH = ORDER + SORTED // 4, ORDER + 3 * SORTED // 4  # once 32 values are there
_EXTREME, _MEAN, _DEVIATION, _HALF = 16, 24, 48, 32


@njit(cache=True, error_model="numpy")
def push(window: Floats, value: float) -> None:
    """Take a value in; the oldest one goes."""
    count, position = int(window[COUNT]), int(window[POSITION])
    order = window[ORDER : ORDER + SORTED]
    if count >= SORTED:
        old = window[VALUES + position + RING - SORTED]
        out, place = 0, 0  # where the old one is, and where the new one belongs among all
        for k in range(SORTED):
            out += order[k] < old
            place += order[k] <= value
        if place > out:  # the old one is before it
            place -= 1
            for k in range(out, place):
                order[k] = order[k + 1]
        else:
            for k in range(out, place, -1):
                order[k] = order[k - 1]
        order[place] = value
    else:
        k = count
        while k > 0 and order[k - 1] > value:
            order[k] = order[k - 1]
            k -= 1
        order[k] = value
    window[VALUES + position] = value
    window[VALUES + position + RING] = value
    window[POSITION] = (position + 1) & (RING - 1)
    window[COUNT] = min(count + 1, RING)


@njit(cache=True, error_model="numpy")
def _total(values: Floats) -> float:
    """Return the sum of some values, four at a time: the slice begins at 0, so that the four become one instruction."""
    a, b, c, d = 0.0, 0.0, 0.0, 0.0
    whole = values.shape[0] // 4 * 4
    for k in range(0, whole, 4):
        a += values[k]
        b += values[k + 1]
        c += values[k + 2]
        d += values[k + 3]
    for k in range(whole, values.shape[0]):
        a += values[k]
    return (a + b) + (c + d)


@njit(cache=True, error_model="numpy")
def _squares(values: Floats, centre: float) -> float:
    """Return the sum of squared distances of some values from `centre`, four at a time."""
    a, b, c, d = 0.0, 0.0, 0.0, 0.0
    whole = values.shape[0] // 4 * 4
    for k in range(0, whole, 4):
        a += (values[k] - centre) * (values[k] - centre)
        b += (values[k + 1] - centre) * (values[k + 1] - centre)
        c += (values[k + 2] - centre) * (values[k + 2] - centre)
        d += (values[k + 3] - centre) * (values[k + 3] - centre)
    for k in range(whole, values.shape[0]):
        a += (values[k] - centre) * (values[k] - centre)
    return (a + b) + (c + d)


@njit(cache=True, error_model="numpy")
def views(window: Floats, result: Floats) -> None:
    """Fill `result` (7,): value, mean of 24, median of 32, highest and lowest of 16, slope over 64, deviation of 48."""
    count = int(window[COUNT])
    end = VALUES + RING + int(window[POSITION])  # one beyond the newest value
    newest = window[end - 1]
    high = low = newest
    for value in window[end - min(count, _EXTREME) : end]:
        high = max(high, value)
        low = min(low, value)
    n_mean, n_recent, n_deviation = min(count, _MEAN), min(count, _HALF), min(count, _DEVIATION)
    centre = _total(window[end - n_deviation : end]) / n_deviation
    size = min(count, SORTED)
    result[0] = newest
    result[1] = _total(window[end - n_mean : end]) / n_mean
    result[2] = 0.5 * (window[ORDER + (size - 1) // 2] + window[ORDER + size // 2])
    result[3] = high
    result[4] = low
    result[5] = 0.0
    if count > n_recent:
        old = _total(window[end - count : end - n_recent]) / (count - n_recent)
        result[5] = _total(window[end - n_recent : end]) / n_recent - old
    result[6] = math.sqrt(_squares(window[end - n_deviation : end], centre) / n_deviation)
