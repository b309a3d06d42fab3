"""Continuation kernels against their naive twins."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.naive_continuation import local_level, smooth

from tsprune.pruners.kernels.continuation import PATIENCE, filter_level, invert_level_filter, update_components


def stream(n: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    y = 0.1 * np.arange(n) + np.sin(np.arange(n)) + rng.normal(0, 0.3, n)
    y[rng.random(n) < 0.1] = np.nan
    y[n // 2 :] += 20.0  # a step that patience has to follow
    y[n // 4] -= 50.0
    return y


@pytest.mark.parametrize("periods", [(), (4,), (3, 5)])
@pytest.mark.parametrize("gains", [(0.2, 0.02, 0.3, 1.0), (0.5, 0.1, 0.0, 0.9), (0.1, 0.0, 0.1, 1.0)])
@pytest.mark.parametrize("limit", [0.5, np.inf])
def test_update_components_is_its_twin(periods: tuple[int, ...], gains: tuple[float, ...], limit: float) -> None:
    y = stream(60, 1)
    seasons = [list(np.linspace(-1, 1, p)) for p in periods]
    flat = np.array([v for cycle in seasons for v in cycle])
    state = np.array([1.0, 0.1, 0.0])
    found = update_components(y, 7, state, flat, np.array(periods, dtype=np.int64), np.array(gains), limit)
    expected = np.array(smooth(y, 7, 1.0, 0.1, seasons, gains, limit, PATIENCE))
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(flat, [v for cycle in seasons for v in cycle], rtol=1e-12, atol=1e-12)


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 1000), st.integers(0, 40), st.integers(0, 40))
def test_blocks_give_the_same_bits(seed: int, first: int, second: int) -> None:
    y = stream(40, seed)
    a, b = sorted((first, second))
    periods, gains = np.array([4]), np.array([0.3, 0.02, 0.2, 0.98])
    whole_state, whole_seasons = np.zeros(3), np.zeros(4)
    whole = update_components(y, 0, whole_state, whole_seasons, periods, gains, 1.0)
    state, seasons = np.zeros(3), np.zeros(4)
    parts = [
        update_components(y[i:j], i, state, seasons, periods, gains, 1.0) for i, j in ((0, a), (a, b), (b, y.size))
    ]
    assert np.array_equal(whole, np.vstack(parts), equal_nan=True)
    assert np.array_equal(whole_state, state)
    assert np.array_equal(whole_seasons, seasons)


@pytest.mark.parametrize(("step", "noise"), [(0.5, 2.0), (1e-3, 1.0), (2.0, 1e-3)])
def test_filter_is_its_twin_and_its_inverse_undoes_it(step: float, noise: float) -> None:
    y = stream(50, 2)
    found = filter_level(y, 1.0, 3.0, step, noise)
    np.testing.assert_allclose(found, local_level(y, 1.0, 3.0, step, noise), rtol=1e-10, atol=1e-10)
    levels = np.where(np.isnan(y), np.nan, found[:, 0])
    np.testing.assert_allclose(invert_level_filter(levels, 1.0, 3.0, step, noise), y, rtol=0, atol=1e-9)


def test_a_constant_level_is_a_constant_series() -> None:
    np.testing.assert_array_equal(invert_level_filter(np.full(9, 4.0), 4.0, 0.5, 0.1, 2.0), np.full(9, 4.0))
