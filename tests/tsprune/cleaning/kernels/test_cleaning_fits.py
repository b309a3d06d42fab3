"""What the cleaner's model is fitted with, against plain numpy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import naive_cleaning as naive

from tsprune.cleaning.kernels.autoregression import median_of_seen, robust_autoregression
from tsprune.cleaning.kernels.gaps import fill_gaps
from tsprune.cleaning.kernels.seasonal_smoothing import left_out_errors, mean_of_cycle, robust_weights

SEEDS = st.integers(0, 10_000)
PHI = np.array([1.0, -0.7, -0.2, 0.05])


def plain_autoregression(a: np.ndarray, order: int, n_iterations: int) -> np.ndarray:
    """Iterated least squares by singular values, the textbook way."""
    design = np.column_stack([*(a[order - k : a.size - k] for k in range(1, order + 1)), np.ones(a.size - order)])
    weights = np.ones(a.size - order)
    for _ in range(n_iterations):
        root = np.sqrt(weights)
        coefficients = np.linalg.lstsq(design * root[:, None], a[order:] * root, rcond=None)[0]
        errors = a[order:] - design @ coefficients
        away = np.abs(errors) / (4.685 * 1.4826 * np.median(np.abs(errors)))
        weights = np.where(away < 1.0, (1.0 - np.minimum(away, 1.0) ** 2) ** 2, 0.0)
    return coefficients


@settings(deadline=None, max_examples=20)
@given(SEEDS, st.integers(1, 6), st.booleans())
def test_autoregression_is_iterated_least_squares(seed: int, order: int, is_walk: bool) -> None:
    rng = np.random.default_rng(seed)
    a = rng.standard_t(3.0, size=200)
    a = np.cumsum(a) / 10.0 if is_walk else a
    expected = plain_autoregression(a, order, 5)
    np.testing.assert_allclose(robust_autoregression(a, np.ones(a.size), order, 5), expected, rtol=1e-8, atol=1e-9)


def test_autoregression_of_a_smooth_series_keeps_its_digits() -> None:
    """Six lags of a line with a little noise are all but the same column: squaring their condition costs digits."""
    a = np.linspace(-1.0, 1.0, 400) + 1e-4 * np.random.default_rng(0).normal(size=400)
    np.testing.assert_allclose(
        robust_autoregression(a, np.ones(a.size), 6, 5), plain_autoregression(a, 6, 5), atol=1e-6
    )


@pytest.mark.parametrize("a", [np.zeros(50), np.ones(50), np.arange(50.0), np.tile([0.0, 1.0], 25)])
def test_lags_that_repeat_each_other_still_explain_the_series(a: np.ndarray) -> None:
    coefficients = robust_autoregression(a, np.ones(a.size), 4, 5)
    lags = np.column_stack([*(a[4 - k : a.size - k] for k in range(1, 5)), np.ones(a.size - 4)])
    np.testing.assert_allclose(lags @ coefficients, a[4:], atol=1e-6)


@settings(deadline=None, max_examples=20)
@given(st.lists(st.one_of(st.floats(-1e6, 1e6), st.just(np.nan)), max_size=30))
def test_median_of_what_is_there(values: list[float]) -> None:
    x = np.array(values, dtype=float)
    seen = x[~np.isnan(x)]
    assert median_of_seen(x) == pytest.approx(np.median(seen) if seen.size else np.nan, nan_ok=True)


@settings(deadline=None, max_examples=20)
@given(SEEDS, st.integers(2, 20), st.integers(20, 60))
def test_mean_of_a_cycle_is_that_of_the_rows_around(seed: int, period: int, n: int) -> None:
    x = np.random.default_rng(seed).normal(size=n)
    before, after = (period - 1) // 2, period - 1 - (period - 1) // 2
    padded = np.concatenate([x[period - before : period], x, x[n - period : n - period + after]])
    expected = np.convolve(padded, np.full(period, 1.0 / period), "valid")
    np.testing.assert_allclose(mean_of_cycle(x, period), expected, atol=1e-12)


@settings(deadline=None, max_examples=15)
@given(SEEDS, st.integers(1, 30))
def test_weights_are_bisquare_of_the_local_size(seed: int, half_window: int) -> None:
    rng = np.random.default_rng(seed)
    remainder, trusted = rng.standard_t(2.0, size=80), rng.random(80) < 0.8
    trusted[40:44] = False
    size = np.where(trusted, np.abs(remainder), np.nan)
    typical = np.nanmedian(size)
    for t, weight in enumerate(robust_weights(remainder, trusted, half_window, 6.0)):
        near = size[max(0, t - half_window) : t + half_window + 1]
        usual = np.nanmedian(near) if np.isfinite(near).any() else typical
        away = min(abs(remainder[t]) / (6.0 * max(usual, 0.2 * typical)), 1.0)
        assert weight == pytest.approx((1.0 - away**2) ** 2 if trusted[t] else 0.0, abs=1e-12)


@settings(deadline=None, max_examples=15)
@given(SEEDS)
def test_gaps_are_those_of_one_dense_solution(seed: int) -> None:
    """Short gaps, a long one, and one at each end: filled one by one as the whole system says."""
    rng = np.random.default_rng(seed)
    n = 220
    a, v = np.cumsum(rng.normal(size=n)), rng.uniform(0.5, 2.0, n)
    hidden = np.zeros(n, bool)
    hidden[[0, 20, 21, 23, n - 1]] = True
    hidden[60:125] = True
    hidden[rng.integers(130, 215, 4)] = True
    places = np.flatnonzero(hidden)
    values, spread = naive.gap(a, PHI, v, places)
    filled = np.where(hidden, 0.0, a)
    variance = fill_gaps(filled, PHI, v, places)
    np.testing.assert_allclose(filled[places], values, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(variance[places], spread, rtol=1e-5, atol=1e-8)
    np.testing.assert_array_equal(filled[~hidden], a[~hidden])
    assert not variance[~hidden].any()


def test_left_out_errors_of_many_and_of_few_cycles_are_the_same_judgement() -> None:
    x = np.round(np.random.default_rng(0).normal(size=400), 1)  # with ties
    for period in (4, 50):  # a hundred cycles and eight
        for t in (0, 3, 77, 399):
            mine = np.arange(t % period, 400, period)
            expected = abs(x[t] - np.median(x[mine[mine != t]]))
            assert left_out_errors(x, period)[t] == pytest.approx(expected)
