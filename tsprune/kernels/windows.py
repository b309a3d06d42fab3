"""Views of the last values of a metric: what a monitor looks at to see that something is new.

The window is a vector (WINDOW_SIZE,): count, position, the last 64 values as a ring, the last 32 of them in order.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = ["WINDOW_SIZE", "push", "views"]

Floats = NDArray[np.float64]

RING = 64
SORTED = 32
COUNT, POSITION, VALUES = 0, 1, 2
ORDER = VALUES + RING
WINDOW_SIZE = ORDER + SORTED
QUARTILE_LOW, QUARTILE_HIGH = ORDER + SORTED // 4, ORDER + 3 * SORTED // 4  # once 32 values are there
_EXTREME, _MEAN, _DEVIATION, _HALF = 16, 24, 48, 32


@njit(cache=True, error_model="numpy")
def push(window: Floats, value: float) -> None:
    """Take a value in; the oldest one goes."""
    count, position = int(window[COUNT]), int(window[POSITION])
    size = min(count, SORTED)
    if count >= SORTED:
        old = window[VALUES + ((position - SORTED) & (RING - 1))]
        k = 0
        while window[ORDER + k] != old:
            k += 1
        for j in range(k, SORTED - 1):
            window[ORDER + j] = window[ORDER + j + 1]
        size = SORTED - 1
    k = size
    while k > 0 and window[ORDER + k - 1] > value:
        window[ORDER + k] = window[ORDER + k - 1]
        k -= 1
    window[ORDER + k] = value
    window[VALUES + position] = value
    window[POSITION] = (position + 1) & (RING - 1)
    window[COUNT] = min(count + 1, RING)


@njit(cache=True, error_model="numpy")
def views(window: Floats, result: Floats) -> None:
    """Fill `result` (7,): value, mean of 24, median of 32, highest and lowest of 16, slope over 64, deviation of 48."""
    count, position = int(window[COUNT]), int(window[POSITION])
    newest = window[VALUES + ((position - 1) & (RING - 1))]
    high = low = newest
    total, recent, mean_total = 0.0, 0.0, 0.0
    n_mean, n_recent = min(count, _MEAN), min(count, _HALF)
    n_deviation = min(count, _DEVIATION)
    squares = 0.0
    for k in range(count):
        value = window[VALUES + ((position - 1 - k) & (RING - 1))]
        if k < _EXTREME:
            high = max(high, value)
            low = min(low, value)
        if k < _MEAN:
            mean_total += value
        if k < _HALF:
            recent += value
        else:
            total += value
        if k < _DEVIATION:
            # distances from the newest value: no cancellation for values far from zero
            squares += value - newest
    mean = newest + squares / n_deviation
    spread = 0.0
    for k in range(n_deviation):
        distance = window[VALUES + ((position - 1 - k) & (RING - 1))] - mean
        spread += distance * distance
    size = min(count, SORTED)
    result[0] = newest
    result[1] = mean_total / n_mean
    result[2] = 0.5 * (window[ORDER + (size - 1) // 2] + window[ORDER + size // 2])
    result[3] = high
    result[4] = low
    result[5] = recent / n_recent - total / (count - n_recent) if count > n_recent else 0.0
    result[6] = math.sqrt(spread / n_deviation)
