"""Nearest-neighbour kernels: brute force over transposed reference rows.

References come as (n_features, n_references), so that the innermost loop runs over references; every row's result is
computed by itself, in one order: it depends neither on the rows around it nor on the number of threads.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from detectors.kernels.compilation import njit

__all__ = [
    "CHEBYSHEV", "EUCLIDEAN", "MANHATTAN", "MINKOWSKI",
    "dissimilarities", "distance", "insert", "kth_distances", "nearest", "reach_means", "smallest",
]  # fmt: skip

EUCLIDEAN, MANHATTAN, CHEBYSHEV, MINKOWSKI = 0, 1, 2, 3


@njit(cache=True)
def dissimilarities(row: Any, references: Any, metric: Any, p: Any, out: Any) -> Any:
    """Monotone function of the distances of `row` (n_features,) to all references, into `out` (n_references,)."""
    n = references.shape[1]
    out[:] = 0.0
    n_features = row.shape[0]
    feature = 0
    if metric == EUCLIDEAN:
        while feature + 4 <= n_features:
            x0, x1, x2, x3 = row[feature], row[feature + 1], row[feature + 2], row[feature + 3]
            v0, v1, v2, v3 = (
                references[feature], references[feature + 1], references[feature + 2], references[feature + 3],
            )  # fmt: skip
            for j in range(n):
                d0, d1, d2, d3 = x0 - v0[j], x1 - v1[j], x2 - v2[j], x3 - v3[j]
                out[j] += (d0 * d0 + d1 * d1) + (d2 * d2 + d3 * d3)
            feature += 4
    while feature < n_features:
        x = row[feature]
        v = references[feature]
        if metric == EUCLIDEAN:
            for j in range(n):
                d = x - v[j]
                out[j] += d * d
        elif metric == MANHATTAN:
            for j in range(n):
                out[j] += abs(x - v[j])
        elif metric == CHEBYSHEV:
            for j in range(n):
                out[j] = max(out[j], abs(x - v[j]))
        else:
            for j in range(n):
                out[j] += abs(x - v[j]) ** p
        feature += 1


@njit(cache=True)
def distance(value: Any, metric: Any, p: Any) -> Any:
    """Distance behind a value of `dissimilarities`."""
    if metric == EUCLIDEAN:
        return np.sqrt(value)
    if metric == MINKOWSKI:
        return value ** (1.0 / p)
    return value


@njit(cache=True)
def insert(values: Any, own: Any, numbers: Any, lowest: Any) -> Any:
    """The k smallest of `values`, number `own` left out, in order, into `numbers` and `lowest` (k,)."""
    k = numbers.shape[0]
    lowest[:] = np.inf
    numbers[:] = -1
    limit = np.inf
    for j in range(values.shape[0]):
        v = values[j]
        if v < limit and j != own:
            at = k - 1
            while at > 0 and lowest[at - 1] > v:
                lowest[at] = lowest[at - 1]
                numbers[at] = numbers[at - 1]
                at -= 1
            lowest[at] = v
            numbers[at] = j
            limit = lowest[k - 1]


@njit(cache=True)
def smallest(values: Any, own: Any, numbers: Any, lowest: Any, few: Any, minima: Any, candidates: Any) -> Any:
    """As `insert`, faster for many values: the k-th smallest of the minima of groups bounds the k-th smallest.

    ``minima`` (n_groups >= k,) and ``candidates`` int64 (n_values,) are scratch, ``few`` int64 (k,) too.
    """
    n = values.shape[0]
    n_groups = minima.shape[0]
    if n < 3 * n_groups or own >= 0:
        insert(values, own, numbers, lowest)
        return
    minima[:] = values[:n_groups]
    start = n_groups
    while start + n_groups <= n:
        group = values[start : start + n_groups]
        for j in range(n_groups):
            minima[j] = min(minima[j], group[j])
        start += n_groups
    insert(minima, -1, few, lowest)
    bound = lowest[lowest.shape[0] - 1]
    found = 0
    for j in range(n):
        candidates[found] = j
        found += values[j] <= bound
    k = numbers.shape[0]
    lowest[:] = np.inf
    for c in range(found):
        j = candidates[c]
        v = values[j]
        if v < lowest[k - 1]:
            at = k - 1
            while at > 0 and lowest[at - 1] > v:
                lowest[at] = lowest[at - 1]
                numbers[at] = numbers[at - 1]
                at -= 1
            lowest[at] = v
            numbers[at] = j


@njit(cache=True)
def nearest(rows: Any, references: Any, own: Any, k: Any, metric: Any, p: Any) -> Any:
    """The k nearest references of every row.

    Parameters
    ----------
    rows : float64 (n_rows, n_features)
    references : float64 (n_features, n_references)
    own : int64 (n_rows,), reference that is the row itself and does not count; -1 for none
    k : int, at most the number of references that count
    metric : int, `EUCLIDEAN`, `MANHATTAN`, `CHEBYSHEV` or `MINKOWSKI`
    p : float, exponent of `MINKOWSKI`

    Returns
    -------
    distances : float64 (n_rows, k), rising
    numbers : int64 (n_rows, k)
    """
    distances = np.empty((rows.shape[0], k))
    numbers = np.empty((rows.shape[0], k), np.int64)
    values = np.empty(references.shape[1])
    for i in range(rows.shape[0]):
        dissimilarities(rows[i], references, metric, p, values)
        insert(values, own[i], numbers[i], distances[i])
        for j in range(k):
            distances[i, j] = distance(distances[i, j], metric, p)
    return distances, numbers


@njit(cache=True)
def kth_distances(rows: Any, references: Any, own: Any, k: Any, metric: Any, p: Any) -> Any:
    """Distance (n_rows,) of every row to its k-th nearest reference; arguments as in `nearest`, large k welcome."""
    out = np.empty(rows.shape[0])
    values = np.empty(references.shape[1])
    for i in range(rows.shape[0]):
        dissimilarities(rows[i], references, metric, p, values)
        if own[i] >= 0:
            values[own[i]] = np.inf
        out[i] = distance(np.partition(values, k - 1)[k - 1], metric, p)
    return out


@njit(cache=True)
def reach_means(distances: Any, numbers: Any, kth: Any) -> Any:
    """Mean reachability distance (n_rows,) of rows with `distances` and `numbers` (n_rows, k) of their neighbours.

    `kth` (n_references,) is the distance of every reference to its own k-th neighbour.
    """
    n_rows, k = distances.shape
    out = np.empty(n_rows)
    for i in range(n_rows):
        total = 0.0
        for j in range(k):
            total += max(distances[i, j], kth[numbers[i, j]])
        out[i] = total / k
    return out
