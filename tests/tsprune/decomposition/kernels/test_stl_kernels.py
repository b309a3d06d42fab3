"""Steps of STL against the naive ones."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose
from reference.naive_stl import averages, bisquare, cycle_subseries

from tsprune.decomposition.kernels import stl as steps
from tsprune.decomposition.kernels.loess import window_rows


def heads_of(n: int, period: int, window: int, degree: int) -> list[np.ndarray]:
    lengths = (n // period + 1, n // period)
    return [window_rows(m, window, degree, -1, window // 2 if m >= window else (m + 1) // 2) for m in lengths]


@pytest.mark.parametrize("degree", [0, 1])
@pytest.mark.parametrize(("n", "period", "window"), [(50, 4, 5), (48, 4, 7), (31, 3, 5), (9, 4, 7), (20, 5, 31)])
def test_cycle_subseries_are_smoothed_and_extended(n: int, period: int, window: int, degree: int) -> None:
    rng = np.random.default_rng(n)
    x, weights = rng.normal(size=n), np.where(rng.random(n) < 0.15, 0.0, rng.random(n))
    weights[:: max(1, period - 1)] = 1.0
    out = np.full(n + 2 * period, np.nan)
    inside = n // period + 1 >= window
    kernel = window_rows(window, window, 0, window // 2, window // 2 + 1)[0] if inside else np.empty(0)
    steps.smooth_cycles(x, period, kernel, *heads_of(n, period, window, degree), out)
    assert_allclose(out, cycle_subseries(x, period, window, degree, np.ones(n)), atol=1e-11)

    raw = window_rows(window, window, -1, window // 2, window // 2 + 1)[0] if inside else np.empty(0)
    offset = np.arange(raw.shape[0]) - window // 2
    rows = np.stack([raw, raw * offset, raw * offset**2])
    steps.smooth_cycles_weighted(weights, weights * x, period, rows, *heads_of(n, period, window, -1), degree, 0.0, out)
    expected = cycle_subseries(x, period, window, degree, weights)
    known = np.isfinite(out)
    assert known.mean() > 0.8
    assert_allclose(out[known], expected[known], atol=1e-10)


def test_low_pass_averages_are_three_moving_averages() -> None:
    cycles = np.random.default_rng(0).normal(size=40 + 2 * 7)
    out = np.empty(40)
    steps.low_pass_averages(cycles, 7, np.empty(48), np.empty(42), out)
    assert_allclose(out, averages(averages(averages(list(cycles), 7), 7), 3), atol=1e-13)


def test_season_and_rest_add_up() -> None:
    rng = np.random.default_rng(1)
    cycles, low, values = rng.normal(size=(3, 20))
    seasonal, rest = np.empty(20), np.empty(20)
    steps.split_season(cycles, low, values, seasonal, rest)
    assert_allclose(seasonal, cycles - low)
    assert_allclose(rest + seasonal, values)


def test_weights_are_bisquare_and_changes_are_told() -> None:
    rng = np.random.default_rng(2)
    residuals = rng.standard_t(2, size=101)
    weights = np.ones(101)
    mean, largest = steps.update_weights(np.abs(residuals), 6.0 * np.median(np.abs(residuals)), weights)
    assert_allclose(weights, bisquare(residuals), atol=1e-12)
    assert_allclose([mean, largest], [np.mean(1.0 - weights), np.max(1.0 - weights)], atol=1e-12)
    residuals[0] = np.nan
    steps.update_weights(np.abs(residuals), 1.0, weights)
    assert weights[0] == 0.0
