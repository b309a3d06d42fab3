"""Selection kernels: the smallest of many float32 without sorting them.

They work in whole passes that vectorise instead of branches that a processor guesses wrong.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

__all__ = ["bracket", "count_not_above", "last_of_smallest", "minima_of_groups", "not_above"]

_STEPS = 12  # of a search for a bound


@njit(cache=True)
def count_not_above(values: Any, limit: Any) -> Any:
    """How many of `values` do not exceed `limit`."""
    count = 0
    for j in range(values.shape[0]):
        count += values[j] <= limit
    return count


@njit(cache=True)
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


@njit(cache=True)
def bracket(values: Any, k: Any, slack: Any) -> Any:
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


@njit(cache=True)
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


@njit(cache=True)
def not_above(values: Any, bound: Any, numbers: Any, flags: Any, words: Any, places: Any) -> Any:
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
    found: Any = 0
    for w in range(n_words):
        place = places[w]
        for j in range(8):
            numbers[found] = place + j
            found += np.int64(flags[np.uint64(place + j)])
    return found
