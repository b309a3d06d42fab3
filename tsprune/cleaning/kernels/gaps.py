"""Gaps of an autoregression, filled one after the other: rows that do not feel each other are solved apart."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from detectors.kernels.compilation import njit
from tsprune.cleaning.kernels.long_gaps import solve_long_gap
from tsprune.cleaning.kernels.patches import solve_gap

__all__ = ["fill_gaps"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

_DENSE = 50  # rows; the time of the dense solver goes with the cube


@njit(cache=True)
def fill_gaps(a: Floats, phi: Floats, v: Floats, places: Integers) -> Floats:
    """Write the likeliest values into the rows `places` (n_rows,), rising, of `a` (n_timepoints,), in place.

    `v` (n_timepoints,) are the weights 1 / variance of the innovations, `phi` (order,) begins with 1. Rows further
    apart than the memory of the autoregression belong to different gaps. Returns the variances (n_timepoints,), 0
    where nothing was written.
    """
    n, order = a.shape[0], phi.shape[0]
    variance = np.zeros(n)
    first = 0
    for k in range(1, places.shape[0] + 1):
        if k < places.shape[0] and places[k] - places[k - 1] < order:
            continue
        rows = places[first:k]
        low, high = max(0, rows[0] - order), min(n, rows[-1] + order)  # nothing further away has a say
        near, weights, mine = a[low:high], v[low:high], rows - low
        values, spread = (
            solve_gap(near, phi, weights, mine) if rows.shape[0] <= _DENSE else solve_long_gap(near, phi, weights, mine)
        )
        for j in range(rows.shape[0]):
            a[rows[j]], variance[rows[j]] = values[j], spread[j]
        first = k
    return variance
