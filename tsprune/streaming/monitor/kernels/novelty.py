"""Novelty: how far a value is from everything seen before.

A book keeps at most `BOOK` values in order, no two closer than its resolution; when it is full the resolution grows
until a quarter of the places is free. Finding the nearest value is a binary search; a value not met for a stated
number of rows is forgotten. This is adaptive resonance in one dimension: what came before is known, however rare it
was, and what was new once is known from then on.

A book is a part of a vector, BOOK_SIZE long: count, resolution, every sixteenth value, the values, the rows at which
each was met last. Behind the values stands infinity, so that a search is two counts over sixteen places each, which a
processor does several at a time.

References
----------
Carpenter, Grossberg, Rosen, "Fuzzy ART: fast stable learning and categorization of analog patterns by an adaptive
resonance system", Neural Networks 4(6), 1991.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from detectors.kernels.leaf import leaf

__all__ = ["BOOK", "BOOK_SIZE", "novelty"]

Floats = NDArray[np.float64]

BOOK, GROUP = 256, 16
N_GROUPS = BOOK // GROUP
COUNT, RESOLUTION, LAST_ONES = 0, 1, 2
VALUES = LAST_ONES + N_GROUPS
ROWS = VALUES + BOOK
BOOK_SIZE = ROWS + BOOK


@leaf
def _index(state: Floats, book: int, count: int) -> None:
    """Say how many values the book holds; put infinity behind them, note the last one of every group."""
    state[book + COUNT] = count
    for k in range(count, BOOK):
        state[book + VALUES + k] = math.inf
    for k in range(N_GROUPS):
        state[book + LAST_ONES + k] = state[book + VALUES + GROUP * k + GROUP - 1]


@leaf
def _remove(state: Floats, book: int, place: int) -> None:
    """Take one value out of the book that begins at `book`."""
    count = int(state[book + COUNT])
    for k in range(place, count - 1):
        state[book + VALUES + k] = state[book + VALUES + k + 1]
        state[book + ROWS + k] = state[book + ROWS + k + 1]
    _index(state, book, count - 1)


@leaf
def _insert(state: Floats, book: int, place: int, value: float, row: float) -> None:
    """Put a value into the book; where that fills it, the resolution grows until a quarter of the places is free."""
    count = int(state[book + COUNT])
    values, rows = book + VALUES, book + ROWS
    for k in range(count, place, -1):
        state[values + k] = state[values + k - 1]
        state[rows + k] = state[rows + k - 1]
    state[values + place], state[rows + place] = value, row
    count += 1
    if count == BOOK:
        width = state[values + count - 1] - state[values]
        resolution = max(state[book + RESOLUTION], 1e-3 * width / BOOK)
        while count > 3 * BOOK // 4:
            resolution *= 1.25
            kept = 1
            for k in range(1, count):
                if state[values + k] - state[values + kept - 1] > resolution:
                    state[values + kept] = state[values + k]
                    state[rows + kept] = state[rows + k]
                    kept += 1
                else:
                    state[rows + kept - 1] = max(state[rows + kept - 1], state[rows + k])
            count = kept
        state[book + RESOLUTION] = resolution
    _index(state, book, count)


@leaf
def _below(values: Floats, value: float) -> int:
    """Return how many of some values are less than `value`."""
    number = 0
    for k in range(values.shape[0]):  # over a length the compiler does not know: otherwise it unrolls, one at a time
        number += values[k] < value
    return number


@leaf
def novelty(state: Floats, book: int, value: float, row: float, memory: float) -> float:
    """Return the distance from `value` to the nearest one of the book, and learn it; -1 if the book was empty.

    `state` (n,) holds the book from place `book` on; `row` numbers the values; those not met for `memory` rows go.
    """
    values, rows = book + VALUES, book + ROWS
    while state[book + COUNT] > 0.0:
        low = GROUP * _below(state[book + LAST_ONES : values], value)
        low += _below(state[values + low : values + low + GROUP], value)
        before = low - min(low, 1)
        under, over = abs(value - state[values + before]), state[values + low] - value
        nearest = before + (low - before) * (over < under)  # without a branch: which one is near is anybody's guess
        distance: float = min(under, over)
        if row - state[rows + nearest] <= memory:
            if distance <= state[book + RESOLUTION]:
                state[rows + nearest] = row
            else:
                _insert(state, book, low, value, row)
            return distance
        _remove(state, book, nearest)
    _insert(state, book, 0, value, row)
    return -1.0
