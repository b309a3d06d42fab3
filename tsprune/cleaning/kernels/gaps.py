"""Gaps of an autoregression, filled one after the other: rows that do not feel each other are solved apart.

Short gaps by the dense normal equations, long ones by the banded ones, at a cost that grows with the length.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from detectors.kernels.compilation import njit

__all__ = ["fill_gaps", "solve_gap", "solve_long_gap"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

_DENSE = 50  # rows; the time of the dense solver goes with the cube


@njit(cache=True)
def solve_gap(a: Floats, phi: Floats, v: Floats, rows: Integers) -> tuple[Floats, Floats]:
    """Return the values at `rows` (n_rows,) that make the weighted innovations least, and their variances.

    The rest of `a` is taken as it is; `v` (n_timepoints,) are the weights 1 / variance of the innovations.
    """
    n, order, size = a.shape[0], phi.shape[0], rows.shape[0]
    place = np.full(n, -1)
    work = a.copy()
    for k in range(size):
        place[rows[k]] = k
        work[rows[k]] = 0.0
    matrix, right = np.zeros((size, size)), np.zeros(size)
    for k in range(size):
        matrix[k, k] = 1e-9 * v[rows[k]]
    t, stop = rows[0] if rows[0] >= order else 0, min(n, rows[-1] + order)  # mirrored rows reach into early gaps
    while t < stop:
        known = 0.0
        touched = False
        for j in range(order):
            row = abs(t - j)
            known += phi[j] * work[row]
            touched = touched or place[row] >= 0
        if touched:
            for j in range(order):
                p = place[abs(t - j)]
                if p < 0:
                    continue
                right[p] -= v[t] * phi[j] * known
                for i in range(order):
                    q = place[abs(t - i)]
                    if q >= 0:
                        matrix[p, q] += v[t] * phi[j] * phi[i]
        t += 1
    inverse = np.linalg.inv(matrix)
    variances = np.empty(size)
    for k in range(size):
        variances[k] = inverse[k, k]
    return inverse @ right, variances


@njit(cache=True)
def _normal_equations(a: Floats, phi: Floats, v: Floats, rows: Integers) -> tuple[Floats, Floats]:
    """Band (n_rows, order) of the normal matrix, ``band[k, d]`` = its element (k, k - d), and the right side."""
    n, order, size = a.shape[0], phi.shape[0], rows.shape[0]
    first, last = max(0, rows[0] - order), min(n, rows[-1] + order)
    place = np.full(last - first, -1)
    for k in range(size):
        place[rows[k] - first] = k
    band, right = np.zeros((size, order)), np.zeros(size)
    for k in range(size):
        band[k, 0] = 1e-9 * v[rows[k]]
    for t in range(rows[0] if rows[0] >= order else 0, last):  # the first rows are mirrored
        known, touched = 0.0, False
        for j in range(order):
            row = abs(t - j)
            if first <= row < last and place[row - first] >= 0:
                touched = True
            else:
                known += phi[j] * a[row]
        if not touched:
            continue
        for j in range(order):
            row = abs(t - j)
            p = place[row - first] if first <= row < last else -1
            if p < 0:
                continue
            right[p] -= v[t] * phi[j] * known
            for i in range(order):
                other = abs(t - i)
                q = place[other - first] if first <= other < last else -1
                if 0 <= q <= p:
                    band[p, p - q] += v[t] * phi[j] * phi[i]
    return band, right


@njit(cache=True)
def solve_long_gap(a: Floats, phi: Floats, v: Floats, rows: Integers) -> tuple[Floats, Floats]:
    """Return the values at `rows` (n_rows,) that make the weighted innovations least, and their variances.

    The same as `solve_gap`. The matrix is banded, so that it is factored as L D L' row by
    row, and the band of its inverse, the diagonal of which are the variances, follows from the last row back
    (Takahashi, Fagan & Chen 1973; Erisman & Tinney, Communications of the ACM 18 (1975), section 2).
    """
    order, size = phi.shape[0], rows.shape[0]
    band, right = _normal_equations(a, phi, v, rows)
    pivots = np.zeros(size)
    for k in range(size):
        for d in range(min(order - 1, k), -1, -1):
            total = band[k, d]
            for i in range(d + 1, min(order - 1, k) + 1):
                if i - d < order:
                    total -= band[k, i] * pivots[k - i] * band[k - d, i - d]
            if d:
                band[k, d] = total / pivots[k - d]
            else:
                pivots[k] = total
    values = right.copy()
    for k in range(size):
        for d in range(1, min(order - 1, k) + 1):
            values[k] -= band[k, d] * values[k - d]
    for k in range(size - 1, -1, -1):
        values[k] /= pivots[k]
        for d in range(1, min(order - 1, size - 1 - k) + 1):
            values[k] -= band[k + d, d] * values[k + d]
    inverse = np.zeros((size, order))  # inverse[k, d] = its element (k, k + d)
    for k in range(size - 1, -1, -1):
        reach = min(order - 1, size - 1 - k)
        for d in range(reach, -1, -1):
            total = 1.0 / pivots[k] if d == 0 else 0.0
            for i in range(1, reach + 1):
                low, high = min(i, d), max(i, d)
                total -= band[k + i, i] * inverse[k + low, high - low]
            inverse[k, d] = total
    return values, inverse[:, 0].copy()


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
