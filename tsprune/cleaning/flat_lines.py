"""Flat-lined sensors: runs of one value far longer than chance repeats explain."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["FlatRun", "flat_runs"]

Floats = NDArray[np.float64]

_SHORTEST = 4  # points; fewer equal ones are rounding
_ALPHA = 1e-6  # expected number of runs that long in the whole series, if repeats were independent


@dataclass(frozen=True)
class FlatRun:
    """Rows ``start .. stop - 1`` hold one value; `p_value` = expected number of such runs by chance."""

    start: int
    stop: int
    p_value: float


def flat_runs(x: Floats) -> list[FlatRun]:
    """Return the runs of equal values in `x` (n_timepoints,) that chance does not explain; NaN does not break a run.

    Chance is the share of equal neighbours outside the run in question, doubled: sensors that round repeat
    themselves often, and then only long runs count. A series whose commonest value makes up more than a fifth of it
    (counts with zeros, tariffs) has no flat lines at that value.
    """
    seen = np.flatnonzero(~np.isnan(x))
    values = x[seen]
    n = values.size
    if n < 3 * _SHORTEST:
        return []
    equal = np.r_[False, values[1:] == values[:-1]]
    starts = np.flatnonzero(~equal)
    stops = np.r_[starts[1:], n]
    lengths = stops - starts
    found = []
    distinct, counts = np.unique(values, return_counts=True)
    for k in np.flatnonzero(lengths >= _SHORTEST):
        start, stop, length = starts[k], stops[k], int(lengths[k])
        long = lengths >= max(_SHORTEST, length // 2)  # as long: the same fault, not evidence that repeats are common
        repeats = int((lengths - 1)[~long].sum())
        rate = min(0.99, 2.0 * (repeats + 1.0) / max(1.0, n - lengths[long].sum()))
        expected = n * rate ** (length - 1)
        elsewhere = (
            counts[np.searchsorted(distinct, values[start])] - lengths[long & (values[starts] == values[start])].sum()
        )
        if expected < _ALPHA and elsewhere <= 0.2 * n:
            found.append(FlatRun(int(seen[start]), int(seen[stop - 1]) + 1, float(expected)))
    return found
