"""Visits: what a metric was worth the last times the clock stood here.

The day has 288 slots of five minutes of the wall clock. The values that fall into a slot one after another are one
visit; when it ends, its mean goes into the table of the slot, which keeps the last seven. The median over them is what
is typical of that time of day. The week has 168 slots of an hour in a table of their own, which keeps the last three
visits: of how far the metric was from what is typical of the time of day.

A table is a part of a vector, VISITS_SIZE or WEEK_SIZE long: slot, sum and count of the visit that goes on, the number
of visits per slot, the values.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from detectors.kernels.leaf import leaf

__all__ = [
    "N_HOURS",
    "N_SLOTS",
    "N_VISITS",
    "N_WEEKS",
    "SLOT",
    "VISITS_SIZE",
    "WEEK_SIZE",
    "slot_median",
    "visit",
    "week_median",
]

Floats = NDArray[np.float64]

N_SLOTS, N_VISITS = 288, 7
N_HOURS, N_WEEKS = 168, 3
SLOT, SUM, NUMBER, VISITED = 0, 1, 2, 3
VALUES = VISITED + N_SLOTS
VISITS_SIZE = VALUES + N_SLOTS * N_VISITS
WEEK_VALUES = VISITED + N_HOURS
WEEK_SIZE = WEEK_VALUES + N_HOURS * N_WEEKS


@leaf
def median_of_seven(row: Floats, start: int) -> float:
    """Return the median of row[start : start + 7] without a branch, by a network of exchanges."""
    a, b, c, d = row[start], row[start + 1], row[start + 2], row[start + 3]
    e, f, g = row[start + 4], row[start + 5], row[start + 6]
    a, f = min(a, f), max(a, f)
    a, d = min(a, d), max(a, d)
    b, g = min(b, g), max(b, g)
    c, e = min(c, e), max(c, e)
    b = max(a, b)
    d, f = min(d, f), max(d, f)
    c, g = min(c, g), max(c, g)
    d = max(c, d)
    d, g = min(d, g), max(d, g)
    e = min(e, f)
    b, e = min(b, e), max(b, e)
    b, d = min(b, d), max(b, d)
    middle: float = min(d, e)
    return middle


@leaf
def slot_median(row: Floats, table: int, slot: int, work: Floats) -> float:
    """Return the median of the last visits of a slot; NaN before the first; `work` (N_VISITS,)."""
    n = min(int(row[table + VISITED + slot]), N_VISITS)
    start = table + VALUES + slot * N_VISITS
    if n == 0:
        return math.nan
    if n == N_VISITS:
        return median_of_seven(row, start)
    for k in range(n):
        value = row[start + k]
        j = k
        while j > 0 and work[j - 1] > value:
            work[j] = work[j - 1]
            j -= 1
        work[j] = value
    middle: float = 0.5 * (work[(n - 1) // 2] + work[n // 2])
    return middle


@leaf
def week_median(row: Floats, table: int, hour: int) -> float:
    """Return the median of the last visits of an hour of the week; NaN before the second: one week is no season."""
    n = int(row[table + VISITED + hour])
    start = table + WEEK_VALUES + hour * N_WEEKS
    if n < 2:
        return math.nan
    a, b = row[start], row[start + 1]
    if n == 2:
        return float(0.5 * (a + b))
    c = row[start + 2]
    middle: float = max(min(a, b), min(max(a, b), c))
    return middle


@leaf
def visit(row: Floats, table: int, slot: int, value: float, n_slots: int, n_visits: int) -> None:
    """Add a value to the visit of a slot; the visit that ends goes into the table as its mean."""
    old = int(row[table + SLOT])
    if old != slot:
        if old >= 0 and row[table + NUMBER] > 0.0:
            visits = int(row[table + VISITED + old])
            place = table + VISITED + n_slots + old * n_visits + visits % n_visits
            row[place] = row[table + SUM] / row[table + NUMBER]
            row[table + VISITED + old] = visits + 1.0
        row[table + SLOT], row[table + SUM], row[table + NUMBER] = slot, 0.0, 0.0
    row[table + SUM] += value
    row[table + NUMBER] += 1.0
