"""Selection kernels against sorting."""

from __future__ import annotations

import numpy as np
import pytest

from detectors.lof.kernels.selection import bracket, count_not_above, last_of_smallest, minima_of_groups, not_above


def _values(kind: str, n: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    drawn = {
        "continuous": rng.normal(size=n),
        "ties": rng.integers(0, 4, size=n).astype(float),
        "constant": np.full(n, -2.5),
        "heavy tail": np.concatenate([np.exp(40.0 * rng.random(n - 1)), [1e30]]),
    }
    return drawn[kind].astype(np.float32)


@pytest.mark.parametrize("kind", ["continuous", "ties", "constant", "heavy tail"])
@pytest.mark.parametrize(("n", "k"), [(1, 1), (2, 2), (26, 20), (33, 1), (70, 35)])
def test_bounds_hold_the_k_smallest(kind, n, k):
    values = _values(kind, n, n + k)
    ordered = np.sort(values)
    low, high, above = bracket(values, k, 2)
    assert low <= ordered[k - 1] <= high
    assert above == count_not_above(values, high) == int((values <= high).sum())
    last = last_of_smallest(values, k)
    exact = int((values <= last).sum()) == k
    assert last == ordered[k - 1] or (exact and last > ordered[k - 1])


@pytest.mark.parametrize("n", [9, 15, 16, 17, 35, 40])
def test_minima_and_members(n):
    values = _values("continuous", n, n)
    minima = np.empty(3, np.float32)
    minima_of_groups(values, minima)
    np.testing.assert_array_equal(minima, values[: n // 3 * 3].reshape(-1, 3).min(axis=0))
    flags = np.zeros((n + 7) // 8 * 8, np.uint8)
    words = flags.view(np.uint64)
    numbers = np.empty(n + 1, np.int64)
    for bound in (-np.inf, 0.0, np.inf):
        found = not_above(values, np.float32(bound), numbers, flags, words, np.empty(len(words) + 1, np.int64))
        np.testing.assert_array_equal(numbers[:found], np.flatnonzero(values <= bound))
