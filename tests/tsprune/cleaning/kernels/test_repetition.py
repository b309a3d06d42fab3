"""How well a series repeats itself, against whole arrays of numpy."""

from __future__ import annotations

import numpy as np
import pytest

from tsprune.cleaning.kernels.repetition import repetitions


def naive_mean(x: np.ndarray, width: int) -> np.ndarray:
    first = np.arange(x.size) - width // 2
    return np.array([x[max(low, 0) : low + width].mean() for low in first])


def naive_repetition(even: np.ndarray, good: np.ndarray, length: int, parts: int) -> float:
    rest = np.where(good, even - naive_mean(even, length), 0.0)
    reach = 4.0 * np.median(np.abs(rest[good]))
    smooth = naive_mean(np.clip(rest, -reach, reach), max(3, length // parts) | 1)
    both = good[length:] & good[:-length]
    if both.sum() <= 0.2 * even.size:
        return 0.0
    now, ago = smooth[length:][both], smooth[:-length][both]
    return float((now * ago).sum() / np.sqrt((now**2).sum() * (ago**2).sum()))


@pytest.mark.parametrize("missing", [0.0, 0.2, 0.6])
def test_repetitions_are_those_of_whole_arrays(missing: float) -> None:
    rng = np.random.default_rng(0)
    even = np.sin(np.arange(150) * 2 * np.pi / 30) + 0.1 * np.cumsum(rng.normal(size=150))
    even[50] += 30.0
    good = rng.uniform(size=150) >= missing
    lengths = np.array([8, 15, 30, 45, 60, 140])
    found = repetitions(even, good, lengths, 24)
    np.testing.assert_allclose(found, [naive_repetition(even, good, int(n), 24) for n in lengths], atol=1e-12)
    assert missing > 0.5 or found[2] > 0.5
    assert found[5] == 0.0
