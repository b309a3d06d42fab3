"""The engine against the naive STL, R and statsmodels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from reference.naive_stl import loess, stl

from tsprune import decompose
from tsprune.decomposition.cycle_subseries import smooth_cycle_subseries
from tsprune.decomposition.loess import LoessPlan, loess_plan, transform_size
from tsprune.decomposition.stl import STLSetting, fit_stl, fit_trend

GOLDEN = Path(__file__).parents[2] / "reference" / "golden" / "stl"
LOOPS = {"inner_iter": 2, "outer_iter": 0}
CASES = {
    "monthly_plain": (12, {"seasonal_window": 11, **LOOPS}),
    "monthly_linear": (
        12,
        {"seasonal_window": 7, "seasonal_degree": 1, "trend_window": 23, "trend_degree": 0, "low_pass_window": 15}
        | {"low_pass_degree": 0, **LOOPS},
    ),
    "monthly_robust": (12, {"seasonal_window": 11, "robust": True, "inner_iter": 1, "outer_iter": 15}),
    "monthly_periodic": (12, {"seasonal_window": "periodic", **LOOPS}),
    "daily_robust": (
        7,
        {"seasonal_window": 35, "seasonal_degree": 1, "robust": True, "inner_iter": 2, "outer_iter": 6},
    ),
    "daily_wide": (7, {"seasonal_window": 9, "trend_window": 301, "low_pass_window": 171, **LOOPS}),
    "short_plain": (24, {"seasonal_window": 7, **LOOPS}),
}


def series(n: int, period: int, seed: int = 0, outliers: float = 0.03) -> np.ndarray:
    rng, t = np.random.default_rng(seed), np.arange(n)
    y = np.cumsum(rng.normal(0, 0.05, n)) + np.sin(2 * np.pi * t / period) + rng.normal(0, 0.3, n)
    return np.where(rng.random(n) < outliers, y + 5.0, y)


@pytest.mark.parametrize("case", CASES)
def test_components_are_those_of_r(case: str) -> None:
    period, parameters = CASES[case]
    y = pd.read_csv(GOLDEN / "series.csv")[case.split("_")[0]].dropna().to_numpy()
    expected = pd.read_csv(GOLDEN / f"{case}.csv")
    found = decompose(y, period, **parameters)
    assert_allclose(found.trend, expected["trend"], atol=1e-9)
    assert_allclose(found.seasonal[:, 0], expected["seasonal"], atol=1e-9)
    assert_allclose(found.weights, expected["weights"], atol=1e-8)
    assert_allclose(found.trend + found.seasonal[:, 0] + found.remainder, y, atol=1e-12)


@pytest.mark.parametrize(
    ("n", "setting"),
    [
        (60, STLSetting(7, 5, 13, 7, 0, 1, 1, 2, 0)),
        (61, STLSetting(7, 5, 13, 9, 1, 0, 0, 1, 3)),
        (24, STLSetting(12, 11, 19, 13, 0, 1, 1, 2, 2)),
        (31, STLSetting(2, 7, 5, 3, 1, 1, 1, 3, 1)),
        (40, STLSetting(5, 101, 201, 99, 0, 1, 1, 1, 2)),
    ],
)
def test_components_are_those_of_the_naive_procedure(n: int, setting: STLSetting) -> None:
    y = series(n, setting.period)
    degrees = (setting.seasonal_degree, setting.trend_degree, setting.low_pass_degree)
    trend, seasonal, weights = stl(
        y, setting.period, setting.seasonal_window, setting.trend_window, setting.low_pass_window, degrees,
        setting.inner_iter, setting.outer_iter,
    )  # fmt: skip
    found = fit_stl(y, None, setting)
    assert_allclose(found.trend, trend, atol=1e-9)
    assert_allclose(found.seasonal, seasonal, atol=1e-9)
    assert_allclose(found.weights, weights, atol=1e-8)


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=25, deadline=None)
def test_engines_agree_whatever_the_parameters(seed: int) -> None:
    rng = np.random.default_rng(seed)
    period = int(rng.integers(2, 30))
    odd = 2 * rng.integers(1, 40, 3) + 1
    parameters = {
        "seasonal_window": int(odd[0]) + 2, "trend_window": period + period % 2 + int(odd[1]),
        "low_pass_window": period + period % 2 + int(odd[2]), "inner_iter": int(rng.integers(1, 4)),
        "seasonal_degree": int(rng.integers(2)), "trend_degree": int(rng.integers(2)),
        "low_pass_degree": int(rng.integers(2)), "robust": True, "outer_iter": int(rng.integers(1, 5)),
    }  # fmt: skip
    # at least five cycles: two cycles and a line leave residuals of rounding, and weights made of it
    y = series(int(rng.integers(5 * period + 1, 12 * period + 2)) | 1, period, seed)
    ours, theirs = (decompose(y, period, engine=engine, **parameters) for engine in ("tsprune", "statsmodels"))
    assert_allclose(ours.trend, theirs.trend, atol=1e-6)
    assert_allclose(ours.seasonal, theirs.seasonal, atol=1e-6)


@pytest.mark.parametrize("degree", [0, 1])
@pytest.mark.parametrize(("n", "window"), [(50, 7), (50, 49), (50, 51), (50, 301), (400, 129), (400, 301), (1, 7)])
def test_smooth_is_loess_with_and_without_weights(n: int, window: int, degree: int) -> None:
    rng = np.random.default_rng(n + window)
    x, weights = 3 + rng.normal(size=n), rng.random(n)
    plan, out = loess_plan(n, window, degree), np.empty(n)
    plan.smooth(x, out)
    assert_allclose(out, loess(x, window, degree), atol=1e-9)
    plan.smooth_weighted(weights, weights * x, 0.0, out)
    assert_allclose(out, loess(x, window, degree, weights), atol=1e-8)


def test_ways_to_smooth_agree_at_the_windows_where_they_change_over() -> None:
    x = np.random.default_rng(0).normal(size=3000)
    weights = np.random.default_rng(1).random(3000)
    for window in (63, 65, 127, 129, 253, 255, 257, 999, 1501):
        kernel = loess_plan(window, window, 0)
        single, plain, weighted = np.empty(window), np.empty(3000), np.empty(3000)
        plan = LoessPlan(3000, window, 1)
        plan.smooth(x, plain)
        plan.smooth_weighted(np.ones(3000), x, 0.0, weighted)
        assert_allclose(plain, weighted, atol=1e-9)
        # the fit in the middle of the middle window, from a plan that knows only that window
        first = 1500 - window // 2
        kernel.smooth_weighted(weights[:window] * 0 + 1, x[first : first + window], 0.0, single)
        assert_allclose(single[window // 2], plain[1500], atol=1e-9)


def test_a_transform_holds_the_window_and_long_series_take_long_ones() -> None:
    assert transform_size(100, 2001) >= 2002
    assert transform_size(10, 33) == 1024
    assert transform_size(10**6, 2503) > 2 * 2503


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("degree", [0, 1])
def test_long_subseries_are_smoothed_like_short_ones(
    weighted: bool, degree: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(5)
    x = rng.normal(size=203)
    weights = rng.random(203) if weighted else None
    out = np.empty((2, 203 + 4 * 2))
    for row, long in enumerate((10**9, 5)):
        monkeypatch.setattr("tsprune.decomposition.cycle_subseries.LONG", long)
        for window in (31, 9, 1001):
            smooth_cycle_subseries(x, weights, False, 4, window, degree, out[row])
    assert_allclose(out[0], out[1], atol=1e-9)


def test_a_periodic_season_of_a_long_series_takes_little_memory() -> None:
    y = np.tile([1.0, -1.0], 4000) + np.random.default_rng(0).normal(0, 0.1, 8000)
    found = decompose(y, 2, seasonal_window="periodic")
    assert_allclose(found.seasonal[:, 0], np.tile(found.seasonal[:2, 0], 4000), atol=1e-12)
    assert_allclose(np.abs(found.seasonal), 1.0, atol=0.01)


def test_the_robustness_loop_stops_when_the_weights_stand_still() -> None:
    y = series(600, 24)
    full = STLSetting(24, 11, 43, 25, 0, 1, 1, 1, 15)
    early = STLSetting(24, 11, 43, 25, 0, 1, 1, 1, 15, tolerance=0.01)
    assert_allclose(fit_stl(y, None, early).trend, fit_stl(y, None, full).trend, atol=0.05)
    assert not np.array_equal(fit_stl(y, None, early).trend, fit_stl(y, None, full).trend)


def test_one_outlier_in_a_series_without_noise_leaves_no_trace() -> None:
    t = np.arange(240)
    clean = 0.01 * t + np.sin(2 * np.pi * t / 24)
    y = clean.copy()
    y[100] += 50.0
    for found in (decompose(y, 24, robust=True, shifts=False), decompose(y, (24,), robust=True)):
        assert found.weights[100] == 0.0
        assert_allclose(found.remainder[100], 50.0, atol=1e-6)
        assert_allclose(found.trend, 0.01 * t, atol=1e-6)


def test_trend_alone_is_loess() -> None:
    y = series(80, 9)
    setting = STLSetting(1, 1, 15, 1, 0, 1, 1, 1, 0)
    assert_allclose(fit_trend(y, None, setting).trend, loess(y, 15, 1), atol=1e-10)
    assert fit_trend(y, None, setting).seasonal.shape == (80, 0)
