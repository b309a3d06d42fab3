"""Statistics of level shifts against direct computations."""

from __future__ import annotations

import numpy as np
from numpy.testing import assert_allclose, assert_array_equal

from tsprune.decomposition.kernels.level_shifts import best_break, jumps, largest


def direct_jump(x: np.ndarray, i: int, window: int, least: int) -> float:
    ends = []
    for side in (np.arange(i - window, i), np.arange(i, i + window)):
        side = side[np.isfinite(x[side])]
        if side.size < least:
            return np.nan
        ends.append(np.polyval(np.polyfit(side - i + 0.5, x[side], 1), 0.0))
    return ends[1] - ends[0]


def direct_error(x: np.ndarray, i: int, window: int) -> float:
    variance = 0.0
    for side in (np.arange(i - window, i), np.arange(i, i + window)):
        offsets = side[np.isfinite(x[side])] - i + 0.5
        design = np.column_stack([np.ones_like(offsets), offsets])
        variance += np.linalg.inv(design.T @ design)[0, 0]
    return np.sqrt(variance)


def test_jumps_are_those_of_two_lines() -> None:
    rng = np.random.default_rng(0)
    x = 1e3 + 0.1 * np.arange(120) + rng.normal(size=120)
    x[60:] += 8.0
    x[rng.random(120) < 0.15] = np.nan
    x[80:92] = np.nan
    out, error = np.empty((2, 120))
    jumps(x, 12, 4, out, error)
    expected = np.full(120, np.nan)
    for i in range(12, 109):
        expected[i] = direct_jump(x, i, 12, 4)
    assert_array_equal(np.isnan(out), np.isnan(expected))
    known = np.isfinite(out)
    assert_allclose(out[known], expected[known], atol=1e-8)
    assert_allclose(
        error[known], [direct_error(x, i, 12) / direct_error(np.zeros(120), i, 12) for i in np.flatnonzero(known)]
    )


def test_best_break_is_where_two_lines_leave_least() -> None:
    rng = np.random.default_rng(1)
    x = 0.2 * np.arange(50) + rng.normal(0, 0.3, 50) + 5.0 * (np.arange(50) >= 23)
    x[[22, 30]] = np.nan
    assert best_break(x, 5, 45, 4) == 23
    assert best_break(np.full(20, np.nan), 0, 20, 4) == -1


def test_largest_skips_what_is_no_candidate() -> None:
    x = np.array([1.0, -5.0, np.nan, 3.0])
    assert largest(x, np.ones(4), np.ones(4, dtype=bool)) == 1
    assert largest(x, np.array([1.0, 9.0, 1.0, 1.0]), np.ones(4, dtype=bool)) == 3
    assert largest(x, np.ones(4), np.array([True, False, True, True])) == 3
    assert largest(np.full(3, np.nan), np.ones(3), np.ones(3, dtype=bool)) == -1
