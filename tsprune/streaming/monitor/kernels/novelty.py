"""Novelty: how far a value is from everything seen before.

A book keeps at most `BOOK` values in order, no two closer than its resolution; when it is full the resolution grows
until a quarter of the places is free. Finding the nearest value is a binary search; a value not met for a stated
number of rows is forgotten. This is adaptive resonance in one dimension: what came before is known, however rare it
was, and what was new once is known from then on.

A value that was learnt while a metric was in an abnormal episode is a known bad one: it is kept with a negative row,
and counts as known only within the episode in which it was met. `meet` gives the distance to the nearest ordinary one.

A book is a part of a vector, BOOK_SIZE long: count, resolution, every sixteenth value, the values, the rows at which
each was met last, -1 - row for a bad one. Behind the values stands infinity, so that a search is two counts over
sixteen places each, which a processor does several at a time.

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

__all__ = ["BOOK", "BOOK_SIZE", "NOWHERE", "ROWS", "accept_since", "meet", "novelty", "row_of"]

Floats = NDArray[np.float64]

BOOK, GROUP = 256, 16
N_GROUPS = BOOK // GROUP
COUNT, RESOLUTION, LAST_ONES = 0, 1, 2
VALUES = LAST_ONES + N_GROUPS
ROWS = VALUES + BOOK
BOOK_SIZE = ROWS + BOOK
NOWHERE = -1  # place of a value that was not written


@leaf
def row_of(stored: float) -> float:
    """Return the row at which an entry was met last."""
    return stored if stored >= 0.0 else -1.0 - stored


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
def _insert(state: Floats, book: int, place: int, value: float, row: float) -> int:
    """Put a value into the book; where that fills it, the resolution grows until a quarter of the places is free.

    Returns where it stands, `NOWHERE` if it has moved. Two values that become one are ordinary if either was.
    """
    count = int(state[book + COUNT])
    values, rows = book + VALUES, book + ROWS
    for k in range(count, place, -1):
        state[values + k] = state[values + k - 1]
        state[rows + k] = state[rows + k - 1]
    state[values + place], state[rows + place] = value, row
    count += 1
    stands = place
    if count == BOOK:
        stands = NOWHERE
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
                    first, second = state[rows + kept - 1], state[rows + k]
                    newest = max(row_of(first), row_of(second))
                    state[rows + kept - 1] = newest if first >= 0.0 or second >= 0.0 else -1.0 - newest
            count = kept
        state[book + RESOLUTION] = resolution
    _index(state, book, count)
    return stands


@leaf
def _below(values: Floats, value: float) -> int:
    """Return how many of some values are less than `value`."""
    number = 0
    for k in range(values.shape[0]):  # over a length the compiler does not know: otherwise it unrolls, one at a time
        number += values[k] < value
    return number


@leaf
def _apart(state: Floats, book: int, low: int, value: float, distance: float) -> float:
    """Return the distance from `value` to the nearest ordinary entry; `distance` if there is none."""
    values, rows, count = book + VALUES, book + ROWS, int(state[book + COUNT])
    found = math.inf
    k = low - 1
    while k >= 0 and state[rows + k] < 0.0:
        k -= 1
    if k >= 0:
        found = value - state[values + k]
    k = low
    while k < count and state[rows + k] < 0.0:
        k += 1
    if k < count:
        found = min(found, state[values + k] - value)
    return found if found < math.inf else distance


@leaf
def meet(state: Floats, book: int, value: float, row: float, memory: float,
         since: float) -> tuple[float, float, bool, int]:  # fmt: skip
    """Meet a value; learn it.

    Returns the distance to the nearest entry, the distance to the nearest ordinary one, whether the nearest one is
    bad and from an episode before, and where the value was written. `state` (n,) holds the book from place `book` on;
    `row` numbers the values; those not met for `memory` rows go. `since` is the row at which the episode began that is
    going on, infinity if there is none. Both distances are -1 if the book was empty.
    """
    values, rows = book + VALUES, book + ROWS
    while state[book + COUNT] > 0.0:
        low = GROUP * _below(state[book + LAST_ONES : values], value)
        low += _below(state[values + low : values + low + GROUP], value)
        before = low - min(low, 1)
        under, over = abs(value - state[values + before]), state[values + low] - value
        nearest = before + (low - before) * (over < under)  # without a branch: which one is near is anybody's guess
        distance: float = min(under, over)
        met = state[rows + nearest]
        if row - row_of(met) <= memory:
            apart, is_old = distance, False
            if met < 0.0:
                apart, is_old = _apart(state, book, low, value, distance), row_of(met) < since
            if distance <= state[book + RESOLUTION]:
                state[rows + nearest] = row if met >= 0.0 else -1.0 - row
                return distance, apart, is_old, nearest if met < 0.0 else NOWHERE
            return distance, apart, is_old, _insert(state, book, low, value, row)
        _remove(state, book, nearest)
    return -1.0, -1.0, False, _insert(state, book, 0, value, row)


@leaf
def novelty(state: Floats, book: int, value: float, row: float, memory: float) -> float:
    """Return the distance from `value` to the nearest entry of the book, and learn it; -1 if the book was empty."""
    distance, _, _, _ = meet(state, book, value, row, memory, math.inf)
    return distance


@leaf
def accept_since(state: Floats, book: int, since: float) -> None:
    """Make the bad entries ordinary that were met at row `since` or later: what lasts is no incident."""
    rows = book + ROWS
    for k in range(int(state[book + COUNT])):
        met = state[rows + k]
        if met < 0.0 and row_of(met) >= since:
            state[rows + k] = row_of(met)
