"""Running medians against sorting."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from tsprune.decomposition.kernels.medians import median_of_seven, medians_of_cycles


@pytest.mark.parametrize("n", [1, 2, 6, 7, 8, 300])
def test_median_of_seven(n: int) -> None:
    x = np.random.default_rng(n).normal(size=n).round(1)
    out = np.full(n, np.nan)
    median_of_seven(x, 1, out)
    expected = x.copy()
    for i in range(3, n - 3):
        expected[i] = np.median(x[i - 3 : i + 4])
    assert_array_equal(out, expected)


def test_median_of_seven_sorts_every_order() -> None:
    # 0-1 principle: a network of comparisons is right if it is right for all inputs of zeros and ones
    for code in range(2**7):
        x = np.array([(code >> k) & 1 for k in range(7)], dtype=float)
        out = np.empty(7)
        median_of_seven(x, 1, out)
        assert out[3] == np.median(x)


def direct_medians(x: np.ndarray) -> np.ndarray:
    n, out = len(x), np.array(x)
    for i in range(1, n - 1):
        half = min(3, i, n - 1 - i)
        out[i] = np.median(x[i - half : i + half + 1])
    far = 2 if n >= 4 else 1
    out[0] = np.median([x[0], out[1], 3 * out[1] - 2 * out[far]])
    out[-1] = np.median([x[-1], out[-2], 3 * out[-2] - 2 * out[-1 - far]])
    return out


@pytest.mark.parametrize(("n", "period"), [(9, 3), (11, 3), (12, 3), (50, 4), (40, 1), (3, 1), (4, 1)])
def test_medians_of_cycles_are_those_of_every_phase(n: int, period: int) -> None:
    x = np.random.default_rng(n).normal(size=n)
    out = np.empty(n)
    medians_of_cycles(x, period, out)
    for phase in range(period):
        assert_array_equal(out[phase::period], direct_medians(x[phase::period]))
