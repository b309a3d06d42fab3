"""Local-outlier-factor kernels on top of `detectors.kernels.neighbors`: new rows against fixed references.

Every row's score is computed by itself, in one order: it depends neither on the rows around it nor on the number of
threads, and a sieve in float32 only saves time.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, prange

from detectors.kernels.neighbors import EUCLIDEAN, dissimilarities, distance, smallest

__all__ = ["lof_scores", "lof_scores_parallel", "sieve"]

_BLOCK = 128  # rows of one matrix product
_FEWEST_ROWS = 8  # fewer are not worth one
_STEPS = 12  # of a search for a bound


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


@njit(cache=True)
def _count(values: Any, limit: Any) -> Any:
    """How many of `values` do not exceed `limit`."""
    count = 0
    for j in range(values.shape[0]):
        count += values[j] <= limit
    return count


@njit(cache=True)
def _minima_of_groups(values: Any, minima: Any) -> Any:
    """Smallest of the values j, j + n_groups, j + 2 n_groups, ... into ``minima[j]`` (n_groups,); the tail is left out.

    There are three groups' worth of values at least.
    """
    n_groups = minima.shape[0]
    n_parts = values.shape[0] // n_groups
    a, b, c = values[:n_groups], values[n_groups : 2 * n_groups], values[2 * n_groups : 3 * n_groups]
    for j in range(n_groups):
        v = b[j] if b[j] < a[j] else a[j]
        minima[j] = c[j] if c[j] < v else v
    first = 3
    while first + 4 <= n_parts:
        at = first * n_groups
        a, b = values[at : at + n_groups], values[at + n_groups : at + 2 * n_groups]
        c, d = values[at + 2 * n_groups : at + 3 * n_groups], values[at + 3 * n_groups : at + 4 * n_groups]
        for j in range(n_groups):
            v = b[j] if b[j] < a[j] else a[j]
            w = d[j] if d[j] < c[j] else c[j]
            v = w if w < v else v
            minima[j] = v if v < minima[j] else minima[j]
        first += 4
    while first < n_parts:
        a = values[first * n_groups : (first + 1) * n_groups]
        for j in range(n_groups):
            minima[j] = a[j] if a[j] < minima[j] else minima[j]
        first += 1


@njit(cache=True)
def _bracket(values: Any, k: Any, slack: Any) -> Any:
    """Two float32 around the k-th smallest of `values` float32 (>= k,), and how many do not exceed the upper one.

    At best they are no more than k + `slack`. Fewer than k do not exceed the lower, unless that is the k-th smallest.
    """
    n = values.shape[0]
    low = high = other_low = other_high = values[0]
    for j in range(0, n - 1, 2):  # two chains, so that they do not wait for each other
        v, w = values[j], values[j + 1]
        low = v if v < low else low
        high = v if v > high else high
        other_low = w if w < other_low else other_low
        other_high = w if w > other_high else other_high
    low = min(low, other_low, values[n - 1])
    high = max(high, other_high, values[n - 1])
    below, above = _count(values, low), n
    if below >= k:
        return low, low, below
    for step in range(_STEPS):
        if above <= k + slack:
            break
        share = np.float32(0.5)
        if step % 2 == 0:
            share = np.float32((k + 0.5 * slack - below) / (above - below))
        middle = low + (high - low) * share
        count = _count(values, middle)
        if count < k:
            low, below = middle, count
        else:
            high, above = middle, count
    return low, high, above


@njit(cache=True)
def _last(values: Any, k: Any) -> Any:
    """A float32 that k of `values` float32 (>= k,) do not exceed, or the k-th smallest if others equal it."""
    low, high, above = _bracket(values, k, 0)
    while above > k and low < high:
        following = high
        for v in values:
            following = v if low < v < following else following
        count = _count(values, following)
        if count >= k:
            return following
        low = following
    return high


@njit(cache=True)
def _not_above(values: Any, bound: Any, numbers: Any, flags: Any, words: Any, places: Any) -> Any:
    """Numbers of the `values` (n,) that do not exceed `bound`, in order, into `numbers` (n + 1,); how many they are.

    `flags` uint8, zeros, as many as `values` at least; `words` is the same memory as uint64, 8 flags each; `places`
    int64 (n_words + 1,) is scratch.
    """
    for j in range(values.shape[0]):
        flags[j] = values[j] <= bound
    n_words = 0
    for w in range(words.shape[0]):
        places[n_words] = 8 * w
        n_words += words[w] != 0
    found = 0
    for w in range(n_words):
        place = places[w]
        for j in range(8):
            numbers[found] = place + j
            found += np.int64(flags[np.uint64(place + j)])
    return found


@njit(cache=True)
def _sieved(
    row: Any,
    length: Any,
    half_distances: Any,
    kth: Any,
    floor: Any,
    points: Any,
    near: Any,
    densities: Any,
    longest: Any,
    numbers: Any,
    lowest: Any,
    minima: Any,
    candidates: Any,
    room: Any,
    doubtful: Any,
    flags: Any,
    words: Any,
    places: Any,
) -> Any:
    """Negative local outlier factor of `row`; only distances that matter and are in doubt are measured exactly.

    `half_distances` float32 (n_references,) lack half the squared length of the row, are centred, and are off by
    rounding, at most by `error`: 2**-24 times the number of operations times the largest term, twice. A reference
    in doubt may or may not be among the k nearest; the distance of one that is matters if it may exceed `kth`.
    """
    n = half_distances.shape[0]
    n_groups = minima.shape[0]
    k = numbers.shape[0]
    scale = length + longest
    error = (1.2e-7 * scale * scale + 1.2e-38) * (row.shape[0] + 8)
    if n >= 3 * n_groups:
        _minima_of_groups(half_distances, minima)
        bound = _bracket(minima, k, 2)[1]
    else:
        bound = _bracket(half_distances, k, 2)[1]
    bound = np.float32(bound + 2.0 * error)
    found = _not_above(half_distances, bound, candidates, flags, words, places)
    few = room[:found]
    for c in range(found):
        few[c] = half_distances[candidates[c]]
    last = np.float64(_last(few, k))
    surely, perhaps = last - 2.0 * error, last + 2.0 * error
    certain = _count(few, surely)
    if certain == k:
        perhaps = surely
    if _count(few, perhaps) == k:
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
                v = _squared_distance(row, points[j])
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
        j = numbers[c]
        lowest[c] = kth[j]
        doubtful[n_far] = c
        n_far += half_distances[j] + half >= near[j]
    for d in range(n_far):
        c = doubtful[d]
        j = numbers[c]
        lowest[c] = max(np.sqrt(_squared_distance(row, points[j])), kth[j])
    reach = 0.0
    inverse = 0.0
    for c in range(k):
        reach += lowest[c]
        inverse += densities[numbers[c]]
    return -(reach / k + floor) * (inverse / k)


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
    points, centre, narrow, near, densities, longest = sieve_
    n_features, n_references = references.shape
    _values, numbers, lowest, doubtful, _minima, candidates = scratch
    if metric != EUCLIDEAN or stop - start < _FEWEST_ROWS or longest == np.inf:
        for i in range(start, stop):
            out[i] = _lof(rows[i], references, kth, spread, floor, metric, p, scratch)
        return
    minima = np.empty(2 * k + 24, np.float32)
    room = np.empty(n_references, np.float32)
    flags = np.zeros((n_references + 7) // 8 * 8, np.uint8)
    words = flags.view(np.uint64)
    places = np.empty(len(words) + 1, np.int64)
    moved = np.empty((stop - start, n_features + 1), np.float32)
    lengths = np.zeros(stop - start)
    for i in range(start, stop):
        for feature in range(n_features):
            x = np.float32(rows[i, feature] - centre[feature])
            moved[i - start, feature] = -x
            lengths[i - start] += np.float64(x) * np.float64(x)
        moved[i - start, n_features] = 1.0
    half_distances = products[: stop - start]
    np.dot(moved, narrow, half_distances)
    for i in range(start, stop):
        length = np.sqrt(lengths[i - start])
        if not length < 1e15:
            out[i] = _lof(rows[i], references, kth, spread, floor, metric, p, scratch)
            continue
        own = half_distances[i - start]
        out[i] = _sieved(
            rows[i], length, own, kth, floor, points, near, densities, longest,
            numbers, lowest, minima, candidates, room, doubtful, flags, words, places,
        )  # fmt: skip


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
        ``sieve(references, kth, spread)``. A matrix product in float32 tells which references may be near; their distances are
        then computed, where they matter, as if there were no sieve, so it changes the time and not one bit of the scores.

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
