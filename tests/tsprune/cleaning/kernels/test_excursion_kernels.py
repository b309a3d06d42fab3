"""Kernels that find and fill excursions against plain loops and dense linear algebra."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import naive_cleaning, naive_excursions

from tsprune.cleaning.kernels.excursions import bridge_roughness, reach_above, running_mean, running_quantile
from tsprune.cleaning.kernels.gaps import solve_long_gap

SEEDS = st.integers(0, 10_000)


def holed(seed: int, n: int = 50) -> np.ndarray:
    rng = np.random.default_rng(seed)
    x = np.round(np.abs(np.cumsum(rng.normal(size=n))), 1)  # with ties
    x[rng.random(n) < 0.2] = np.nan
    return x


@settings(deadline=None, max_examples=15)
@given(SEEDS, st.integers(1, 9))
def test_bridge_roughness_is_the_distance_from_the_line_between_neighbours(seed: int, reach: int) -> None:
    x = holed(seed)
    np.testing.assert_allclose(bridge_roughness(x, reach), naive_excursions.bridge_roughness(x, reach), atol=1e-12)


@settings(deadline=None, max_examples=15)
@given(SEEDS, st.integers(0, 30), st.integers(0, 6))
def test_running_mean_is_that_of_the_finite_values(seed: int, half_window: int, fewest: int) -> None:
    x = holed(seed)
    expected = naive_excursions.running_mean(x, half_window, fewest)
    np.testing.assert_allclose(running_mean(x, half_window, fewest), expected, atol=1e-12)


@settings(deadline=None, max_examples=25)
@given(SEEDS, st.integers(0, 60), st.sampled_from([0.0, 0.1587, 0.5, 0.77, 1.0]))
def test_running_quantile_is_that_of_the_finite_values(seed: int, half_window: int, share: float) -> None:
    x = holed(seed)
    expected = naive_excursions.running_quantile(x, half_window, share)
    np.testing.assert_allclose(running_quantile(x, half_window, share), expected, atol=1e-12)


@settings(deadline=None, max_examples=25)
@given(SEEDS, st.integers(0, 49), st.floats(-1.0, 3.0))
def test_reach_above_is_the_run_around_the_peak(seed: int, peak: int, floor: float) -> None:
    x = holed(seed)
    assert reach_above(x, peak, floor) == naive_excursions.reach_above(x, peak, floor)


@settings(deadline=None, max_examples=30)
@given(SEEDS, st.integers(1, 5), st.sampled_from(["inside", "start", "end", "all but one"]))
def test_long_gaps_are_filled_by_generalised_least_squares(seed: int, order: int, where: str) -> None:
    rng = np.random.default_rng(seed)
    n = 40
    a = np.cumsum(rng.normal(size=n))
    phi = np.r_[1.0, np.array([-0.9, -0.2, 0.1, 0.05])[: order - 1]]
    v = rng.uniform(0.5, 2.0, n)
    low, high = {"inside": (8, 30), "start": (0, 12), "end": (28, n), "all but one": (1, n)}[where]
    rows = np.flatnonzero((np.arange(n) >= low) & (np.arange(n) < high) & (rng.random(n) < 0.8))
    if rows.size == 0:
        rows = np.array([low])
    values, variances = solve_long_gap(a, phi, v, rows)
    expected, spread = naive_cleaning.gap(a, phi, v, rows)
    np.testing.assert_allclose(values, expected, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(variances, spread, rtol=1e-5)


def test_the_variance_of_a_long_gap_of_a_random_walk_is_that_of_a_bridge() -> None:
    rows = np.arange(10, 309)  # 299 rows between two known ones: k (300 - k) / 300
    values, variances = solve_long_gap(np.zeros(400), np.array([1.0, -1.0]), np.ones(400), rows)
    k = np.arange(1, 300)
    np.testing.assert_allclose(variances, k * (300 - k) / 300, rtol=1e-5)
    assert values == pytest.approx(0.0)
