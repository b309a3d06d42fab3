"""Views of the last values of a metric: what a monitor looks at to see that something is new.

The window is a vector (WINDOW_SIZE,): count, position, the last 64 values as a ring that is kept twice, so that they
always stand in a row somewhere, and the last 32 of them in order.

Sums are taken in four lanes that are added at the end, so that a processor may take four values at once.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from detectors.kernels.leaf import leaf

__all__ = ["QUARTILE_HIGH", "QUARTILE_LOW", "WINDOW_SIZE", "push", "views"]

Floats = NDArray[np.float64]

RING = 64
SORTED = 32
COUNT, POSITION, VALUES = 0, 1, 2
ORDER = VALUES + 2 * RING
WINDOW_SIZE = ORDER + SORTED
QUARTILE_LOW, QUARTILE_HIGH = ORDER + SORTED // 4, ORDER + 3 * SORTED // 4  # once 32 values are there
_EXTREME, _MEAN, _DEVIATION, _HALF = 16, 24, 48, 32


@leaf
def _ranks(order: Floats, old: float, value: float) -> tuple[int, int]:
    """Return how many of `order` are below `old`, and how many are not above `value`."""
    below, up_to = 0, 0
    for k in range(order.shape[0]):  # over a length the compiler does not know: otherwise it unrolls, one at a time
        below += order[k] < old
        up_to += order[k] <= value
    return below, up_to


@leaf
def push(window: Floats, value: float) -> None:
    """Take a value in; the oldest one goes."""
    count, position = int(window[COUNT]), int(window[POSITION])
    order = window[ORDER : ORDER + SORTED]
    if count >= SORTED:
        # where the old one is, and where the new one belongs among all
        out, place = _ranks(order, window[VALUES + position + RING - SORTED], value)
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


@leaf
def _total(values: Floats, first: int, last: int) -> float:
    """Return the sum of values[first:last], four at a time."""
    a, b, c, d = 0.0, 0.0, 0.0, 0.0
    for k in range(first, last, 4):
        a += values[k]
        b += values[k + 1]
        c += values[k + 2]
        d += values[k + 3]
    return (a + b) + (c + d)


@leaf
def _squares(values: Floats, first: int, last: int, centre: float) -> float:
    """Return the sum of squared distances of values[first:last] from `centre`, four at a time."""
    a, b, c, d = 0.0, 0.0, 0.0, 0.0
    for k in range(first, last, 4):
        a += (values[k] - centre) * (values[k] - centre)
        b += (values[k + 1] - centre) * (values[k + 1] - centre)
        c += (values[k + 2] - centre) * (values[k + 2] - centre)
        d += (values[k + 3] - centre) * (values[k + 3] - centre)
    return (a + b) + (c + d)


@leaf
def _views_of_all(last: Floats, result: Floats) -> None:
    """Fill `result` from all 64 values, oldest first."""
    a, b, c, d = last[48], last[49], last[50], last[51]
    e, f, g, h = a, b, c, d
    for k in range(52, RING, 4):
        a, b, c, d = max(a, last[k]), max(b, last[k + 1]), max(c, last[k + 2]), max(d, last[k + 3])
        e, f, g, h = min(e, last[k]), min(f, last[k + 1]), min(g, last[k + 2]), min(h, last[k + 3])
    oldest, older = _total(last, 0, 16), _total(last, 16, 32)
    newer, newest = _total(last, 32, 40), _total(last, 40, RING)
    centre = (older + newer + newest) / _DEVIATION
    result[1] = newest / _MEAN
    result[3] = max(max(a, b), max(c, d))
    result[4] = min(min(e, f), min(g, h))
    result[5] = (newer + newest) / _HALF - (oldest + older) / (RING - _HALF)
    result[6] = math.sqrt(_squares(last, RING - _DEVIATION, RING, centre) / _DEVIATION)


@leaf
def _views_of_few(last: Floats, result: Floats) -> None:
    """Fill `result` from less than 64 values (n_values,), oldest first."""
    count = last.shape[0]
    mean, deviation, recent, old, squares = 0.0, 0.0, 0.0, 0.0, 0.0
    high = low = last[count - 1]
    n_mean, n_deviation, n_recent = min(count, _MEAN), min(count, _DEVIATION), min(count, _HALF)
    for k in range(count):
        age = count - k  # 1 is the newest
        if age <= _EXTREME:
            high, low = max(high, last[k]), min(low, last[k])
        mean += last[k] / n_mean if age <= n_mean else 0.0
        deviation += last[k] / n_deviation if age <= n_deviation else 0.0
        if age <= n_recent:
            recent += last[k] / n_recent
        else:
            old += last[k] / (count - n_recent)
    for k in range(count - n_deviation, count):
        squares += (last[k] - deviation) * (last[k] - deviation) / n_deviation
    result[1], result[3], result[4], result[6] = mean, high, low, math.sqrt(squares)
    result[5] = recent - old if count > n_recent else 0.0


@leaf
def views(window: Floats, result: Floats) -> None:
    """Fill `result` (7,): value, mean of 24, median of 32, highest and lowest of 16, slope over 64, deviation of 48."""
    count = int(window[COUNT])
    size = min(count, SORTED)
    end = VALUES + RING + int(window[POSITION])  # one beyond the newest value
    result[0] = window[end - 1]
    result[2] = 0.5 * (window[ORDER + (size - 1) // 2] + window[ORDER + size // 2])
    if count == RING:
        _views_of_all(window[end - RING : end], result)
    else:
        _views_of_few(window[end - count : end], result)
