"""Long gaps of an autoregression: the banded normal equations of `solve_gap`, at a cost that grows with the length."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from detectors.kernels.compilation import njit

__all__ = ["solve_long_gap"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


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

    The same as `tsprune.kernels.patches.solve_gap`. The matrix is banded, so that it is factored as L D L' row by
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
