"""Novelty: how far a value is from everything seen before.

A book keeps at most `BOOK` values in order, no two closer than its resolution; when it is full the resolution grows
until a quarter of the places is free. Finding the nearest value is a binary search; a value not met for a stated
number of rows is forgotten. This is adaptive resonance in one dimension: what came before is known, however rare it
was, and what was new once is known from then on.

A book is a part of a vector, BOOK_SIZE long: count, resolution, where the search ended last, the values, the rows at
which each was met last.

References
----------
Carpenter, Grossberg, Rosen, "Fuzzy ART: fast stable learning and categorization of analog patterns by an adaptive
resonance system", Neural Networks 4(6), 1991.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = ["BOOK", "BOOK_SIZE", "novelty"]

Floats = NDArray[np.float64]

BOOK = 256
COUNT, RESOLUTION, PLACE, VALUES = 0, 1, 2, 3
ROWS = VALUES + BOOK
BOOK_SIZE = ROWS + BOOK


@njit(cache=True, error_model="numpy")
def _remove(state: Floats, book: int, place: int) -> None:
    """Take one value out of the book that begins at `book`."""
    count = int(state[book + COUNT])
    for k in range(place, count - 1):
        state[book + VALUES + k] = state[book + VALUES + k + 1]
        state[book + ROWS + k] = state[book + ROWS + k + 1]
    state[book + COUNT] = count - 1.0


@njit(cache=True, error_model="numpy")
def _thin(state: Floats, book: int) -> None:
    """Let the resolution grow until a quarter of the places is free."""
    count = int(state[book + COUNT])
    values, rows = book + VALUES, book + ROWS
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
    state[book + COUNT] = count
    state[book + RESOLUTION] = resolution


@njit(cache=True, error_model="numpy")
def _search(state: Floats, book: int, value: float) -> int:
    """Return how many values of the book are below `value`; it looks first where it ended last."""
    count, place = int(state[book + COUNT]), int(state[book + PLACE])
    values = book + VALUES
    low, high = 0, count
    if place <= count:
        if place == 0 or state[values + place - 1] < value:
            low = place
            if place == count or state[values + place] >= value:
                high = place
        else:
            high = place - 1
            if place == 1 or state[values + place - 2] < value:
                low = high
    while low < high:
        middle = (low + high) // 2
        if state[values + middle] < value:
            low = middle + 1
        else:
            high = middle
    state[book + PLACE] = low
    return low


@njit(cache=True, error_model="numpy")
def novelty(state: Floats, book: int, value: float, row: float, memory: float) -> float:
    """Return the distance from `value` to the nearest one of the book, and learn it; -1 if the book was empty.

    `state` (n,) holds the book from place `book` on; `row` numbers the values; those not met for `memory` rows go.
    """
    values, rows = book + VALUES, book + ROWS
    distance: float = -1.0
    while True:
        count = int(state[book + COUNT])
        low = _search(state, book, value)
        nearest = -1
        if count == 0:
            break
        nearest = low
        if low == count or (low > 0 and value - state[values + low - 1] <= state[values + low] - value):
            nearest = low - 1
        distance = abs(state[values + nearest] - value)
        if row - state[rows + nearest] <= memory:
            break
        _remove(state, book, nearest)
        distance = -1.0
    if nearest >= 0 and distance <= state[book + RESOLUTION]:
        state[rows + nearest] = row
        return distance
    for k in range(count, low, -1):
        state[values + k] = state[values + k - 1]
        state[rows + k] = state[rows + k - 1]
    state[values + low], state[rows + low] = value, row
    state[book + COUNT] = count + 1.0
    if count + 1 == BOOK:
        _thin(state, book)
    return distance
