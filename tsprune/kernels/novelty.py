"""Novelty: how far a value is from everything seen before.

A book keeps at most `BOOK` values in order, no two closer than its resolution; when it is full the resolution grows
until a quarter of the places is free. Finding the nearest value is a binary search; a value not met for a stated
number of rows is forgotten. This is adaptive resonance in one dimension: what came before is known, however rare it
was, and what was new once is known from then on.

A book is a vector (BOOK_SIZE,): count, resolution, the values, the rows at which each was met last.

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
COUNT, RESOLUTION, VALUES = 0, 1, 2
ROWS = VALUES + BOOK
BOOK_SIZE = ROWS + BOOK


@njit(cache=True, error_model="numpy")
def _remove(book: Floats, place: int) -> None:
    """Take one value out."""
    count = int(book[COUNT])
    for k in range(place, count - 1):
        book[VALUES + k] = book[VALUES + k + 1]
        book[ROWS + k] = book[ROWS + k + 1]
    book[COUNT] = count - 1.0


@njit(cache=True, error_model="numpy")
def _thin(book: Floats) -> None:
    """Let the resolution grow until a quarter of the places is free."""
    count = int(book[COUNT])
    width = book[VALUES + count - 1] - book[VALUES]
    resolution = max(book[RESOLUTION], 1e-3 * width / BOOK)
    while count > 3 * BOOK // 4:
        resolution *= 1.25
        kept = 1
        for k in range(1, count):
            if book[VALUES + k] - book[VALUES + kept - 1] > resolution:
                book[VALUES + kept] = book[VALUES + k]
                book[ROWS + kept] = book[ROWS + k]
                kept += 1
            else:
                book[ROWS + kept - 1] = max(book[ROWS + kept - 1], book[ROWS + k])
        count = kept
    book[COUNT] = count
    book[RESOLUTION] = resolution


@njit(cache=True, error_model="numpy")
def novelty(book: Floats, value: float, row: float, memory: float) -> float:
    """Return the distance from `value` to the nearest one of the book, and learn it; -1 if the book was empty."""
    while True:
        count = int(book[COUNT])
        low, high = 0, count
        while low < high:
            middle = (low + high) // 2
            if book[VALUES + middle] < value:
                low = middle + 1
            else:
                high = middle
        if count == 0:
            nearest, distance = -1, -1.0
            break
        nearest = low
        if low == count or (low > 0 and value - book[VALUES + low - 1] <= book[VALUES + low] - value):
            nearest = low - 1
        distance = abs(book[VALUES + nearest] - value)
        if row - book[ROWS + nearest] <= memory:
            break
        _remove(book, nearest)
    if nearest >= 0 and distance <= book[RESOLUTION]:
        book[ROWS + nearest] = row
        return distance
    for k in range(count, low, -1):
        book[VALUES + k] = book[VALUES + k - 1]
        book[ROWS + k] = book[ROWS + k - 1]
    book[VALUES + low], book[ROWS + low] = value, row
    book[COUNT] = count + 1.0
    if count + 1 == BOOK:
        _thin(book)
    return distance
