"""Local-outlier-factor kernels on top of `detectors.kernels.neighbors`: new rows against fixed references.

Every row's score is computed by itself, in one order: it depends neither on the rows around it nor on the number of
threads, and a sieve in float32 only saves time.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, prange

from detectors.kernels.neighbors import EUCLIDEAN, dissimilarities, distance, insert, smallest

__all__ = ["lof_scores", "lof_scores_parallel", "sieve"]

_BLOCK = 64  # rows of one matrix product
_FEWEST_ROWS = 8  # fewer are not worth one


@njit(cache=True)
def _scratch(n_references: Any, k: Any) -> Any:
    """Working arrays of `_lof`."""
    return (
        np.empty(n_references),
        np.empty(k, np.int64),
        np.empty(k),
        np.empty(k, np.int64),
        np.empty(2 * k + 24),
        np.empty(n_references + 1, np.int64),
    )


@njit(cache=True)
def _factor(numbers: Any, lowest: Any, kth: Any, spread: Any, floor: Any, metric: Any, p: Any) -> Any:
    """Negative local outlier factor of a row whose neighbours are `numbers` (k,) at the values `lowest` (k,)."""
    k = numbers.shape[0]
    reach = 0.0
    inverse = 0.0
    for j in range(k):
        at = numbers[j]
        reach += max(distance(lowest[j], metric, p), kth[at])
        inverse += 1.0 / spread[at]
    return -(reach / k + floor) * (inverse / k)


@njit(cache=True)
def _lof(row: Any, references: Any, kth: Any, spread: Any, floor: Any, metric: Any, p: Any, scratch: Any) -> Any:
    """Negative local outlier factor of one row; `scratch` as `_scratch` makes it."""
    values, numbers, lowest, few, minima, candidates = scratch
    dissimilarities(row, references, metric, p, values)
    smallest(values, -1, numbers, lowest, few, minima, candidates)
    return _factor(numbers, lowest, kth, spread, floor, metric, p)


@njit(cache=True)
def _squared_distance(row: Any, point: Any) -> Any:
    """Squared distance of two rows (n_features,), added up in the order of `dissimilarities`: the same bits."""
    n_features = row.shape[0]
    total = 0.0
    feature = 0
    while feature + 4 <= n_features:
        d0, d1 = row[feature] - point[feature], row[feature + 1] - point[feature + 1]
        d2, d3 = row[feature + 2] - point[feature + 2], row[feature + 3] - point[feature + 3]
        total += (d0 * d0 + d1 * d1) + (d2 * d2 + d3 * d3)
        feature += 4
    while feature < n_features:
        d = row[feature] - point[feature]
        total += d * d
        feature += 1
    return total


@njit(cache=True)
def sieve(references: Any) -> Any:
    """What `lof_scores` needs to tell far references without computing their distances exactly.

    Parameters
    ----------
    references : float64 (n_features, n_references)

    Returns
    -------
    points : float64 (n_references, n_features), the references row by row
    centre : float64 (n_features,)
    narrow : float32 (n_features, n_references), references less centre
    halves : float32 (n_references,), half of their squared lengths
    longest : float, largest length of a narrow reference, inf if float32 cannot hold one
    """
    n_features, n_references = references.shape
    points = np.ascontiguousarray(references.T)
    centre = np.zeros(n_features)
    for feature in range(n_features):
        centre[feature] = references[feature].sum() / n_references
    narrow = np.empty((n_features, n_references), np.float32)
    halves = np.empty(n_references, np.float32)
    longest = 0.0
    for j in range(n_references):
        length = 0.0
        for feature in range(n_features):
            x = np.float32(points[j, feature] - centre[feature])
            narrow[feature, j] = x
            length += np.float64(x) * np.float64(x)
        if length < 1e30:
            halves[j] = np.float32(0.5 * length)
            longest = max(longest, np.sqrt(length))
        else:
            longest = np.inf
    return points, centre, narrow, halves, longest


@njit(cache=True)
def _sieved(
    row: Any,
    length: Any,
    half_distances: Any,
    points: Any,
    longest: Any,
    offset: Any,
    numbers: Any,
    lowest: Any,
    few: Any,
    minima: Any,
    candidates: Any,
) -> Any:
    """The k nearest `points` of `row`: those whose half squared distance may be small are measured exactly.

    `half_distances` float32 (n_references,) lack half the squared length of the row, are centred, and are off by
    rounding, which the margin covers: 2**-24 times the number of operations times the largest term, twice.
    """
    n = half_distances.shape[0]
    n_groups = minima.shape[0]
    minima[:] = half_distances[:n_groups]
    start = n_groups
    while start + n_groups <= n:
        for j in range(n_groups):
            minima[j] = min(minima[j], half_distances[start + j])
        start += n_groups
    insert(minima, -1, few, lowest)
    scale = length + longest
    margin = 2.4e-7 * (row.shape[0] + 8) * scale * scale + 1e-15 * scale * offset
    bound = np.float32(lowest[lowest.shape[0] - 1] + margin)
    found = 0
    for j in range(n):
        candidates[found] = j
        found += half_distances[j] <= bound
    k = numbers.shape[0]
    lowest[:] = np.inf
    for c in range(found):
        j = candidates[c]
        v = _squared_distance(row, points[j])
        if v < lowest[k - 1]:
            at = k - 1
            while at > 0 and lowest[at - 1] > v:
                lowest[at] = lowest[at - 1]
                numbers[at] = numbers[at - 1]
                at -= 1
            lowest[at] = v
            numbers[at] = j


@njit(cache=True)
def _lof_block(
    rows: Any,
    start: Any,
    stop: Any,
    references: Any,
    kth: Any,
    spread: Any,
    k: Any,
    floor: Any,
    metric: Any,
    p: Any,
    sieve_: Any,
    scratch: Any,
    products: Any,
    out: Any,
) -> Any:
    """`lof_scores` of rows start .. stop - 1 into `out` (n_rows,); `products` float32 (_BLOCK, n_references)."""
    points, centre, narrow, halves, longest = sieve_
    n_features, n_references = references.shape
    _values, numbers, lowest, few, _minima, candidates = scratch
    few_rows = stop - start < _FEWEST_ROWS
    if metric != EUCLIDEAN or few_rows or n_references < 3 * (2 * k + 24) or longest == np.inf:
        for i in range(start, stop):
            out[i] = _lof(rows[i], references, kth, spread, floor, metric, p, scratch)
        return
    minima = np.empty(2 * k + 24, np.float32)
    moved = np.empty((stop - start, n_features), np.float32)
    lengths = np.zeros(stop - start)
    offset = 0.0
    for feature in range(n_features):
        offset = max(offset, abs(centre[feature]))
    for i in range(start, stop):
        for feature in range(n_features):
            x = np.float32(rows[i, feature] - centre[feature])
            moved[i - start, feature] = -x
            lengths[i - start] += np.float64(x) * np.float64(x)
    half_distances = products[: stop - start]
    np.dot(moved, narrow, half_distances)
    for i in range(start, stop):
        length = np.sqrt(lengths[i - start])
        if not length < 1e15:
            out[i] = _lof(rows[i], references, kth, spread, floor, metric, p, scratch)
            continue
        own = half_distances[i - start]
        for j in range(n_references):
            own[j] += halves[j]
        _sieved(rows[i], length, own, points, longest, offset, numbers, lowest, few, minima, candidates)
        out[i] = _factor(numbers, lowest, kth, spread, floor, metric, p)


@njit(cache=True)
def lof_scores(
    rows: Any, references: Any, kth: Any, spread: Any, k: Any, floor: Any, metric: Any, p: Any, sieve_: Any
) -> Any:
    """Negative local outlier factor of new rows.

    Parameters
    ----------
    rows : float64 (n_rows, n_features)
    references : float64 (n_features, n_references)
    kth : float64 (n_references,), distance of a reference to its k-th neighbour
    spread : float64 (n_references,), mean reachability distance of a reference plus `floor`
    k : int
    floor : float, added to every mean reachability distance
    metric, p
        As in `nearest`.
    sieve_ : tuple
        ``sieve(references)``. A matrix product in float32 tells which references may be near; their distances are
        then computed as if there were no sieve, so it changes the time and not one bit of the scores.

    Returns
    -------
    float64 (n_rows,), about -1 inside, lower = more abnormal
    """
    n_rows = rows.shape[0]
    out = np.empty(n_rows)
    scratch = _scratch(references.shape[1], k)
    products = np.empty((min(_BLOCK, n_rows), references.shape[1]), np.float32)
    for start in range(0, n_rows, _BLOCK):
        stop = min(start + _BLOCK, n_rows)
        _lof_block(rows, start, stop, references, kth, spread, k, floor, metric, p, sieve_, scratch, products, out)
    return out


@njit(cache=True, parallel=True)
def lof_scores_parallel(
    rows: Any, references: Any, kth: Any, spread: Any, k: Any, floor: Any, metric: Any, p: Any, sieve_: Any
) -> Any:
    """`lof_scores` on numba's threads; the same numbers, bit by bit."""
    n_rows = rows.shape[0]
    out = np.empty(n_rows)
    for b in prange((n_rows + _BLOCK - 1) // _BLOCK):
        start = b * _BLOCK
        stop = min(start + _BLOCK, n_rows)
        scratch = _scratch(references.shape[1], k)
        products = np.empty((_BLOCK, references.shape[1]), np.float32)
        _lof_block(rows, start, stop, references, kth, spread, k, floor, metric, p, sieve_, scratch, products, out)
    return out
