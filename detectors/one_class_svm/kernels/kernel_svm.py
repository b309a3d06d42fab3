"""Kernel-expansion kernels: ``sum_j weights[j] * K(vectors[j], x)`` for many rows x.

Vectors come transposed, (n_features, n_vectors), so that the innermost loop runs over vectors: it is as fast as the
machine's wide registers and never changes the order in which the terms of one row are added. A row's score does not
depend on the rows around it or on the number of threads.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import prange

from detectors.kernels.compilation import njit

__all__ = ["LINEAR", "POLY", "RBF", "SIGMOID", "expansion_scores", "expansion_scores_parallel"]

LINEAR, POLY, RBF, SIGMOID = 0, 1, 2, 3

_TILE = 512  # vectors at a time: their sums stay in the first cache
_LOG2_E = 1.4426950408889634
_LN2_HIGH = 6.93147180369123816490e-01  # the two parts of ln 2 of Cody and Waite
_LN2_LOW = 1.90821492927058770002e-10
_SMALLEST = -708.0  # exp below this is subnormal; it counts as 0


@njit(cache=True)
def _exponentials(x: Any, n: Any, bits: Any) -> Any:
    r"""Replace ``x[:n]``, all <= 0, by their exponentials; `bits` (>= n,) int64 is scratch.

    exp(x) = 2**k * exp(r) with \|r\| <= ln(2) / 2, exp(r) by its Taylor polynomial of degree 13: relative error
    below 4e-16. There is no branch and no call in the loops, so they run in wide registers.
    """
    powers = bits.view(np.float64)
    for j in range(n):
        v = max(x[j], _SMALLEST)
        k = np.floor(v * _LOG2_E + 0.5)
        r = (v - k * _LN2_HIGH) - k * _LN2_LOW
        p = 1.0 / 6227020800.0
        p = p * r + 1.0 / 479001600.0
        p = p * r + 1.0 / 39916800.0
        p = p * r + 1.0 / 3628800.0
        p = p * r + 1.0 / 362880.0
        p = p * r + 1.0 / 40320.0
        p = p * r + 1.0 / 5040.0
        p = p * r + 1.0 / 720.0
        p = p * r + 1.0 / 120.0
        p = p * r + 1.0 / 24.0
        p = p * r + 1.0 / 6.0
        p = p * r + 0.5
        p = p * r + 1.0
        p = p * r + 1.0
        x[j] = p if x[j] >= _SMALLEST else 0.0
        bits[j] = (np.int64(k) + 1023) << 52
    for j in range(n):
        x[j] *= powers[j]


@njit(cache=True)
def _squared_distances(row: Any, vectors: Any, start: Any, n: Any, sums: Any) -> Any:
    """Squared distances of `row` (n_features,) to vectors start .. start + n - 1, into ``sums[:n]``."""
    sums[:n] = 0.0
    n_features = row.shape[0]
    feature = 0
    while feature + 4 <= n_features:
        x0, x1, x2, x3 = row[feature], row[feature + 1], row[feature + 2], row[feature + 3]
        v0 = vectors[feature, start : start + n]
        v1 = vectors[feature + 1, start : start + n]
        v2 = vectors[feature + 2, start : start + n]
        v3 = vectors[feature + 3, start : start + n]
        for j in range(n):
            d0, d1, d2, d3 = x0 - v0[j], x1 - v1[j], x2 - v2[j], x3 - v3[j]
            sums[j] += (d0 * d0 + d1 * d1) + (d2 * d2 + d3 * d3)
        feature += 4
    while feature < n_features:
        x = row[feature]
        v = vectors[feature, start : start + n]
        for j in range(n):
            d = x - v[j]
            sums[j] += d * d
        feature += 1


@njit(cache=True)
def _products(row: Any, vectors: Any, start: Any, n: Any, sums: Any) -> Any:
    """Inner products of `row` (n_features,) with vectors start .. start + n - 1, into ``sums[:n]``."""
    sums[:n] = 0.0
    for feature in range(row.shape[0]):
        x = row[feature]
        v = vectors[feature, start : start + n]
        for j in range(n):
            sums[j] += x * v[j]


@njit(cache=True)
def _row_score(
    row: Any, vectors: Any, weights: Any, kind: Any, gamma: Any, coef0: Any, degree: Any, sums: Any, bits: Any
) -> Any:
    """The expansion at one row (n_features,); `sums` float64 and `bits` int64 (_TILE,) are scratch."""
    total = 0.0
    for start in range(0, weights.shape[0], _TILE):
        n = min(_TILE, weights.shape[0] - start)
        if kind == RBF:
            _squared_distances(row, vectors, start, n, sums)
            for j in range(n):
                sums[j] *= -gamma
            _exponentials(sums, n, bits)
        else:
            _products(row, vectors, start, n, sums)
            if kind == POLY:
                for j in range(n):
                    base = gamma * sums[j] + coef0
                    power = 1.0
                    for _ in range(degree):
                        power *= base
                    sums[j] = power
            elif kind == SIGMOID:
                for j in range(n):
                    sums[j] = np.tanh(gamma * sums[j] + coef0)
        t0, t1, t2, t3 = 0.0, 0.0, 0.0, 0.0
        w = weights[start : start + n]
        j = 0
        while j + 4 <= n:
            t0 += w[j] * sums[j]
            t1 += w[j + 1] * sums[j + 1]
            t2 += w[j + 2] * sums[j + 2]
            t3 += w[j + 3] * sums[j + 3]
            j += 4
        while j < n:
            t0 += w[j] * sums[j]
            j += 1
        total += (t0 + t1) + (t2 + t3)
    return total


@njit(cache=True)
def expansion_scores(
    rows: Any, vectors: Any, weights: Any, intercept: Any, kind: Any, gamma: Any, coef0: Any, degree: Any
) -> Any:
    """Values of a kernel expansion.

    Parameters
    ----------
    rows : float64 (n_rows, n_features)
    vectors : float64 (n_features, n_vectors)
    weights : float64 (n_vectors,)
    intercept : float
    kind : int
        `LINEAR` x.v, `POLY` (gamma x.v + coef0) ** degree, `RBF` exp(-gamma |x - v|**2),
        `SIGMOID` tanh(gamma x.v + coef0).
    gamma, coef0 : float
    degree : int

    Returns
    -------
    float64 (n_rows,)
    """
    out = np.empty(rows.shape[0])
    sums = np.empty(_TILE)
    bits = np.empty(_TILE, np.int64)
    for i in range(rows.shape[0]):
        out[i] = intercept + _row_score(rows[i], vectors, weights, kind, gamma, coef0, degree, sums, bits)
    return out


@njit(cache=True, parallel=True)
def expansion_scores_parallel(
    rows: Any, vectors: Any, weights: Any, intercept: Any, kind: Any, gamma: Any, coef0: Any, degree: Any
) -> Any:
    """`expansion_scores` on numba's threads; the same numbers, bit by bit."""
    n_rows = rows.shape[0]
    out = np.empty(n_rows)
    block = 64
    for b in prange((n_rows + block - 1) // block):
        sums = np.empty(_TILE)
        bits = np.empty(_TILE, np.int64)
        for i in range(b * block, min((b + 1) * block, n_rows)):
            out[i] = intercept + _row_score(rows[i], vectors, weights, kind, gamma, coef0, degree, sums, bits)
    return out
