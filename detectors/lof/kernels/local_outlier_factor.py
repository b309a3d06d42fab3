"""Local-outlier-factor kernels on top of `detectors.kernels.neighbors`: new rows against fixed references.

Every row's score is computed by itself, in one order: it depends neither on the rows around it nor on the number of
threads, and a sieve in float32 only saves time.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import prange

from detectors.kernels.compilation import njit
from detectors.kernels.leaf import leaf
from detectors.lof.kernels.neighbors import EUCLIDEAN, dissimilarities, distance, smallest
from detectors.lof.kernels.selection import bracket, count_not_above, last_of_smallest, minima_of_groups, not_above

__all__ = ["FEWEST_ROWS", "lof_scores", "lof_scores_parallel", "sieve"]

_BLOCK = 64  # rows of one matrix product
FEWEST_ROWS = 8  # of a matrix product: fewer are not worth one
_LONGEST = 1e15  # length of a row whose square float32 holds


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
def _lof(row: Any, references: Any, kth: Any, spread: Any, floor: Any, metric: Any, p: Any, scratch: Any) -> Any:
    """Negative local outlier factor of one row; `scratch` as `_scratch` makes it.

    The sums run over the neighbours in the order of their numbers, as in `_sieved`.
    """
    values, numbers, lowest, few, minima, candidates = scratch
    dissimilarities(row, references, metric, p, values)
    smallest(values, -1, numbers, lowest, few, minima, candidates)
    numbers.sort()
    k = numbers.shape[0]
    reach = 0.0
    inverse = 0.0
    for j in range(k):
        at = numbers[j]
        reach += max(distance(values[at], metric, p), kth[at])
        inverse += 1.0 / spread[at]
    return -(reach / k + floor) * (inverse / k)


@leaf
def _squared_distance(row: Any, points: Any, number: Any) -> Any:
    """Squared distance of `row` (n_features,) to one of `points`, added up in the order of `dissimilarities`.

    Unsigned places spare the question whether they count from the end.
    """
    total = 0.0
    n_features = np.uint64(row.shape[0])
    j, feature = np.uint64(number), np.uint64(0)
    one, two, three, four = np.uint64(1), np.uint64(2), np.uint64(3), np.uint64(4)
    while feature + four <= n_features:
        d0 = row[feature] - points[j, feature]
        d1 = row[feature + one] - points[j, feature + one]
        d2 = row[feature + two] - points[j, feature + two]
        d3 = row[feature + three] - points[j, feature + three]
        total += (d0 * d0 + d1 * d1) + (d2 * d2 + d3 * d3)
        feature += four
    while feature < n_features:
        d = row[feature] - points[j, feature]
        total += d * d
        feature += one
    return total


@njit(cache=True)
def sieve(references: Any, kth: Any, spread: Any) -> Any:
    """What `lof_scores` needs to tell near and far references without computing their distances exactly.

    Parameters
    ----------
    references : float64 (n_features, n_references)
    kth : float64 (n_references,)
    spread : float64 (n_references,)

    Returns
    -------
    points : float64 (n_references, n_features), the references row by row
    centre : float64 (n_features,)
    narrow : float32 (n_features + 1, n_references), references less centre; last, half of their squared lengths
    near : float64 (n_references,), half of the squared `kth`
    densities : float64 (n_references,), 1 / `spread`
    longest : float, largest length of a narrow reference, inf if float32 cannot hold one
    """
    n_features, n_references = references.shape
    points = np.ascontiguousarray(references.T)
    centre = np.zeros(n_features)
    for feature in range(n_features):
        centre[feature] = references[feature].sum() / n_references
    narrow = np.zeros((n_features + 1, n_references), np.float32)
    near = np.empty(n_references)
    densities = np.empty(n_references)
    longest = 0.0
    for j in range(n_references):
        near[j] = 0.5 * kth[j] * kth[j] * (1.0 - 1e-12)
        densities[j] = 1.0 / spread[j]
        length = 0.0
        for feature in range(n_features):
            x = np.float32(points[j, feature] - centre[feature])
            narrow[feature, j] = x
            length += np.float64(x) * np.float64(x)
        if length < 1e30:
            narrow[n_features, j] = np.float32(0.5 * length)
            longest = max(longest, np.sqrt(length))
        else:
            longest = np.inf
    return points, centre, narrow, near, densities, longest


@leaf
def _sieved(row: Any, length: Any, half_distances: Any, kth: Any, floor: Any, sieve_: Any, room: Any) -> Any:
    """Negative local outlier factor of `row`; only distances that matter and are in doubt are measured exactly.

    `half_distances` float32 (n_references,) lack half the squared length of the row, are centred, and are off by
    rounding, at most by `error`: 2**-24 times the number of operations times the largest term, twice. A reference
    in doubt may or may not be among the k nearest; the distance of one that is matters if it may exceed `kth`.
    `room` are the arrays that `_lof_block` makes for it.
    """
    points, _centre, _narrow, near, densities, longest = sieve_
    numbers, lowest, minima, candidates, few_room, doubtful, flags, words, places = room
    n = half_distances.shape[0]
    n_groups = minima.shape[0]
    k = numbers.shape[0]
    scale = length + longest
    error = (1.2e-7 * scale * scale + 1.2e-38) * (row.shape[0] + 8)
    if n >= 3 * n_groups:
        minima_of_groups(half_distances, minima)
        bound = bracket(minima, k, 2)[1]
    else:
        bound = bracket(half_distances, k, 2)[1]
    bound = np.float32(bound + 2.0 * error)
    found = not_above(half_distances, bound, candidates, flags, words, places)
    few = few_room[:found]
    for c in range(found):
        few[c] = half_distances[np.uint64(candidates[c])]
    last = np.float64(last_of_smallest(few, k))
    surely, perhaps = last - 2.0 * error, last + 2.0 * error
    certain = count_not_above(few, surely)
    if certain == k:
        perhaps = surely
    if count_not_above(few, perhaps) == k:
        taken = 0
        for c in range(found):
            numbers[taken] = candidates[c]
            taken += few[c] <= perhaps
            if taken == k:
                break
    else:
        taken = 0
        lowest[:] = np.inf
        for c in range(found):
            j = candidates[c]
            if few[c] <= surely:
                numbers[taken] = j
                taken += 1
            elif few[c] <= perhaps:
                v = _squared_distance(row, points, j)
                if v < lowest[k - 1 - certain]:
                    at = k - 1 - certain
                    while at > 0 and lowest[at - 1] > v:
                        lowest[at] = lowest[at - 1]
                        doubtful[at] = doubtful[at - 1]
                        at -= 1
                    lowest[at] = v
                    doubtful[at] = j
        for d in range(k - certain):  # into their places by number
            j = doubtful[d]
            at = certain + d
            while at > 0 and numbers[at - 1] > j:
                numbers[at] = numbers[at - 1]
                at -= 1
            numbers[at] = j
    half = 0.5 * length * length + error
    n_far = 0
    for c in range(k):
        j = np.uint64(numbers[c])
        lowest[c] = kth[j]
        doubtful[n_far] = c
        n_far += half_distances[j] + half >= near[j]
    for d in range(n_far):
        place = np.uint64(doubtful[d])
        j = np.uint64(numbers[place])
        lowest[place] = max(np.sqrt(_squared_distance(row, points, j)), kth[j])
    reach = 0.0
    inverse = 0.0
    for c in range(k):
        reach += lowest[c]
        inverse += densities[np.uint64(numbers[c])]
    return -(reach / k + floor) * (inverse / k)


@leaf
def _move(rows: Any, start: Any, stop: Any, centre: Any, moved: Any, lengths: Any) -> Any:
    """Rows start .. stop - 1, less `centre` and turned, into `moved` float32, a one behind each; their `lengths`."""
    n_features = rows.shape[1]
    for i in range(start, stop):
        row, own_row = rows[i], moved[i - start]
        for feature in range(n_features):
            own_row[feature] = -np.float32(row[feature] - centre[feature])
        own_row[n_features] = 1.0
        one, other = 0.0, 0.0
        for feature in range(0, n_features - 1, 2):
            x, y = np.float64(own_row[feature]), np.float64(own_row[feature + 1])
            one += x * x
            other += y * y
        if n_features % 2 == 1:
            one += np.float64(own_row[n_features - 1]) ** 2
        lengths[i - start] = np.sqrt(one + other)


@leaf
def _sieve_rows(
    rows: Any, start: Any, stop: Any, lengths: Any, half_distances: Any, kth: Any, floor: Any, sieve_: Any, room: Any,
    out: Any,
) -> Any:  # fmt: skip
    """`_sieved` of rows start .. stop - 1 into `out`, those left out that are too long for float32."""
    for i in range(start, stop):
        length = lengths[i - start]
        if length < _LONGEST:
            out[i] = _sieved(rows[i], length, half_distances[i - start], kth, floor, sieve_, room)


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
    _points, centre, narrow, _near, _densities, longest = sieve_
    n_features, n_references = references.shape
    if metric != EUCLIDEAN or stop - start < FEWEST_ROWS or longest == np.inf:
        for i in range(start, stop):
            out[i] = _lof(rows[i], references, kth, spread, floor, metric, p, scratch)
        return
    _values, numbers, lowest, doubtful, _minima, candidates = scratch
    flags = np.zeros((n_references + 7) // 8 * 8, np.uint8)
    words = flags.view(np.uint64)
    room = (
        numbers, lowest, np.empty(2 * k + 24, np.float32), candidates, np.empty(n_references, np.float32), doubtful,
        flags, words, np.empty(len(words) + 1, np.int64),
    )  # fmt: skip
    moved = np.empty((stop - start, n_features + 1), np.float32)
    lengths = np.empty(stop - start)
    half_distances = products[: stop - start]
    _move(rows, start, stop, centre, moved, lengths)
    np.dot(moved, narrow, half_distances)
    _sieve_rows(rows, start, stop, lengths, half_distances, kth, floor, sieve_, room, out)
    for i in range(start, stop):
        if not lengths[i - start] < _LONGEST:
            out[i] = _lof(rows[i], references, kth, spread, floor, metric, p, scratch)


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
        ``sieve(references, kth, spread)``. A matrix product in float32 tells which references may be near; distances
        that matter are then computed as if there were no sieve: it changes the time and not one bit of the scores.

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
