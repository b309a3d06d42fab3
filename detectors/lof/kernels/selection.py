"""Selection kernels: the smallest of many float32 without sorting them.

They work in whole passes that vectorise instead of branches that a processor guesses wrong.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from detectors.kernels.leaf import leaf

__all__ = ["bracket", "count_not_above", "last_of_smallest", "minima_of_groups", "not_above"]

_STEPS = 12  # of a search for a bound


@leaf
def count_not_above(values: Any, limit: Any) -> Any:
    """How many of `values` do not exceed `limit`."""
    count = np.int32(0)
    for j in range(values.shape[0]):
        count = np.int32(count + (values[j] <= limit))
    return np.int64(count)


@leaf
def minima_of_groups(values: Any, minima: Any) -> Any:
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


@leaf
def _ends(values: Any) -> Any:
    """Smallest and largest of `values` (n,), in four chains, so that they do not wait for each other."""
    n = values.shape[0]
    a0 = a1 = a2 = a3 = b0 = b1 = b2 = b3 = values[0]
    for j in range(0, n - 3, 4):
        v0, v1, v2, v3 = values[j], values[j + 1], values[j + 2], values[j + 3]
        a0 = v0 if v0 < a0 else a0
        a1 = v1 if v1 < a1 else a1
        a2 = v2 if v2 < a2 else a2
        a3 = v3 if v3 < a3 else a3
        b0 = v0 if v0 > b0 else b0
        b1 = v1 if v1 > b1 else b1
        b2 = v2 if v2 > b2 else b2
        b3 = v3 if v3 > b3 else b3
    for j in range(n // 4 * 4, n):
        a0 = min(a0, values[j])
        b0 = max(b0, values[j])
    return min(a0, a1, a2, a3), max(b0, b1, b2, b3)


@leaf
def bracket(values: Any, k: Any, slack: Any) -> Any:
    """Two float32 around the k-th smallest of `values` float32 (>= k,), and how many do not exceed the upper one.

    At best they are no more than k + `slack`. Fewer than k do not exceed the lower, unless that is the k-th smallest.
    """
    n = values.shape[0]
    low, high = _ends(values)
    below, above = count_not_above(values, low), n
    if below >= k:
        return low, low, below
    for step in range(_STEPS):
        if above <= k + slack:
            break
        share = np.float32(0.5)
        if step % 2 == 0:
            share = np.float32((k + 0.5 * slack - below) / (above - below))
        middle = low + (high - low) * share
        count = count_not_above(values, middle)
        if count < k:
            low, below = middle, count
        else:
            high, above = middle, count
    return low, high, above


@leaf
def last_of_smallest(values: Any, k: Any) -> Any:
    """A float32 that k of `values` float32 (>= k,) do not exceed, or the k-th smallest if others equal it."""
    low, high, above = bracket(values, k, 0)
    while above > k and low < high:
        following = high
        for v in values:
            following = v if low < v < following else following
        count = count_not_above(values, following)
        if count >= k:
            return following
        low = following
    return high


@leaf
def _byte(bit: Any) -> Any:
    """Number of the byte of a uint64 whose lowest bit is `bit`: how many bytes are below, all of them 1 modulo 255."""
    return ((bit - np.uint64(bit != 0)) & np.uint64(0x0101010101010101)) % np.uint64(255)


@leaf
def not_above(values: Any, bound: Any, numbers: Any, flags: Any, words: Any, places: Any) -> Any:
    """Numbers of the `values` (n,) that do not exceed `bound`, in order, into `numbers` (n + 1,); how many they are.

    `flags` uint8, zeros, as many as `values` at least; `words` is the same memory as uint64, 8 flags each; `places`
    int64 (n_words + 1,) is scratch.
    """
    for j in range(values.shape[0]):
        flags[j] = values[j] <= bound
    n_words = 0
    for w in range(words.shape[0]):
        places[n_words] = w
        n_words += words[w] != 0
    found = np.uint64(0)
    one = np.uint64(1)
    for w in range(n_words):
        place = np.uint64(places[w])
        word = words[place]
        at = place * np.uint64(8)
        rest = word & (word - one)
        numbers[found] = at + _byte(word ^ rest)
        found += one
        word = rest
        rest = word & (word - np.uint64(word != 0))
        numbers[found] = at + _byte(word ^ rest)  # if there is a second one; if not, its place is taken next time
        found += np.uint64(word != 0)
        word = rest
        while word != 0:
            rest = word & (word - one)
            numbers[found] = at + _byte(word ^ rest)
            found += one
            word = rest
    return np.int64(found)
