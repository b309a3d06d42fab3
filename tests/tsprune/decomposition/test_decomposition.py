"""The public door: containers, times, gaps, parameters, relations."""

from __future__ import annotations

import sys

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from tsprune import Decomposition, decompose
from tsprune.exceptions import InvalidParameterError, InvalidSeriesError, TimeIndexError

PLAIN = {"robust": False}
ROBUST = {"robust": True, "inner_iter": 1, "outer_iter": 3}
LINEAR = {"seasonal_degree": 1, "seasonal_window": 7}
VARIANTS = [PLAIN, ROBUST, LINEAR]


def series(n: int = 240, period: int = 12, seed: int = 0) -> np.ndarray:
    rng, t = np.random.default_rng(seed), np.arange(n)
    return 0.02 * t + np.tile(rng.normal(size=period), n // period + 1)[:n] + rng.normal(0, 0.3, n)


def assert_same(a: Decomposition, b: Decomposition, atol: float = 1e-9) -> None:
    for name in ("trend", "seasonal", "remainder", "weights"):
        assert_allclose(getattr(a, name), getattr(b, name), atol=atol, err_msg=name)


@pytest.mark.parametrize("parameters", VARIANTS)
@given(seed=st.integers(0, 10**6), shift=st.floats(-1e4, 1e4), scale=st.floats(0.01, 100.0))
@settings(max_examples=8, deadline=None)
def test_shift_scale_and_reversal_pass_through(parameters: dict, seed: int, shift: float, scale: float) -> None:
    # whole cycles: reversal of a part of a cycle moves every point to another phase
    y = series(n=120, seed=seed)
    found = decompose(y, 12, **parameters)
    moved = decompose(scale * y + shift, 12, **parameters)
    size = 1e-7 * (abs(shift) + scale)
    assert_allclose(moved.trend, scale * found.trend + shift, atol=size)
    assert_allclose(moved.seasonal, scale * found.seasonal, atol=size)
    back = decompose(y[::-1], 12, **parameters)
    assert_allclose(back.trend[::-1], found.trend, atol=1e-7)
    assert_allclose(back.seasonal[::-1], found.seasonal, atol=1e-7)


@pytest.mark.parametrize("parameters", [*VARIANTS, {"robust": True}])
@pytest.mark.parametrize("period", [12, (5, 12), None])
def test_components_add_up_and_a_line_is_all_trend(parameters: dict, period: object) -> None:
    y = series()
    found = decompose(y, period, **parameters)
    assert_allclose(found.trend + found.seasonal.sum(axis=1) + found.remainder, y, atol=1e-12)
    line = 3.0 - 0.5 * np.arange(200.0)
    found = decompose(line, period, **parameters)
    if period is None or "seasonal_degree" in parameters:
        assert_allclose(found.trend, line, atol=1e-8)
        assert_allclose(found.seasonal, 0.0, atol=1e-8)
        assert found.shifts == ()


def test_a_season_that_repeats_and_a_line_are_told_apart() -> None:
    t = np.arange(241)
    season = np.tile(np.random.default_rng(0).normal(size=12), 21)[:241]
    season -= season[:12].mean()
    found = decompose(2.0 + 0.1 * t + season, 12, seasonal_degree=1, inner_iter=10)
    assert_allclose(found.seasonal[:, 0], season, atol=1e-8)
    assert_allclose(found.trend, 2.0 + 0.1 * t, atol=1e-8)


@given(st.lists(st.integers(0, 119), min_size=1, max_size=20, unique=True), st.floats(-1e6, 1e6))
@settings(max_examples=20, deadline=None)
def test_a_missing_value_is_a_weight_of_zero(rows: list[int], whatever: float) -> None:
    y = series(n=120)
    y[rows] = np.nan
    for period in (12, (5, 12), None):
        found = decompose(y, period)
        assert np.isfinite(found.trend).all()
        assert np.isfinite(found.seasonal).all()
        assert_array_equal(np.isnan(found.remainder), np.isnan(y))
        assert_array_equal(found.weights, np.where(np.isnan(y), 0.0, 1.0))
    # nothing that the engine puts in their place matters
    assert_allclose(decompose(y + 5.0, 12).trend, decompose(y, 12).trend + 5.0, atol=1e-8)


@pytest.mark.parametrize("size", [1e2, 1e5, 1e9])
@pytest.mark.parametrize("row", [0, 5, 100, 239])
@pytest.mark.parametrize("period", [12, (5, 12), None])
def test_one_outlier_of_any_size_does_less_than_a_missing_value(size: float, row: int, period: object) -> None:
    y = series()
    clean = decompose(y, period, robust=True)
    y[row] = size
    outlier = decompose(y, period, robust=True)
    y[row] = np.nan
    gap = decompose(y, period, robust=True)
    assert outlier.weights[row] == 0.0
    for other in (clean, gap):
        assert np.abs(outlier.trend - other.trend).mean() < 0.15


def test_long_gaps_and_phases_without_values_are_bridged() -> None:
    t = np.arange(480)
    truth = 0.01 * t + np.sin(2 * np.pi * t / 24)
    y = truth + np.random.default_rng(3).normal(0, 0.05, 480)
    y[100:220] = np.nan
    y[t % 24 == 7] = np.nan
    for parameters in (PLAIN, ROBUST, {"robust": True}, {"seasonal_degree": 1}):
        found = decompose(y, 24, **parameters)
        assert np.abs(found.trend + found.seasonal[:, 0] - truth).max() < 0.6
        assert np.abs(found.trend - 0.01 * t).mean() < 0.15


@pytest.mark.parametrize("n", [2, 3, 4, 5])
def test_the_shortest_series_work(n: int) -> None:
    y = np.arange(float(n)) ** 2
    for robust in (False, True):
        found = decompose(y, None, robust=robust)
        assert found.seasonal.shape == (n, 0)
        assert_allclose(found.trend + found.remainder, y)
    if n >= 4:
        found = decompose(y, 2, robust=True)
        assert_allclose(found.trend + found.seasonal[:, 0] + found.remainder, y)


def test_series_of_two_periods_work_and_shorter_ones_say_why() -> None:
    y = series(n=24)
    for parameters in (*VARIANTS, {"robust": True}):
        assert np.isfinite(decompose(y, 12, **parameters).trend).all()
    with pytest.raises(InvalidSeriesError, match=r"at most n_timepoints // 2 = 11, got 12; pass a longer"):
        decompose(y[:23], 12)


def test_constant_series_have_no_season_and_no_weights_below_one() -> None:
    found = decompose(np.full(100, 7.0), 12, robust=True)
    assert_allclose(found.trend, 7.0)
    assert_allclose(found.seasonal, 0.0, atol=1e-12)
    assert found.weights.min() > 0.99
    assert found.strength() == {"trend": 0.0, "seasonal_12": 0.0}


def test_rounding_has_no_strength() -> None:
    for value in (3.0, 1e9 / 3, 1e-9 / 3):
        assert decompose(np.full(300, value), 24).strength() == {"trend": 0.0, "seasonal_24": 0.0}


def test_strength_is_a_share_of_variance() -> None:
    strength = decompose(series(), 12).strength()
    assert list(strength) == ["trend", "seasonal_12"]
    assert 0.8 < strength["trend"] < 1.0
    assert 0.8 < strength["seasonal_12"] < 1.0
    noise = decompose(np.random.default_rng(0).normal(size=600), 12).strength()
    assert noise["seasonal_12"] < 0.5


def test_periods_are_found_if_none_are_given() -> None:
    t = np.arange(600)
    y = 3 * np.sin(2 * np.pi * t / 24) + np.random.default_rng(0).normal(size=600)
    assert decompose(y).periods == (24,)
    assert decompose(np.random.default_rng(1).normal(size=300)).periods == ()
    assert decompose(y, np.int64(24)).periods == (24,)
    assert decompose(y, np.array([24, 168])).periods == (24, 168)
    for none in (None, 1, ()):
        assert decompose(y, none).periods == ()


def test_every_container_gives_the_same() -> None:
    y = series()
    index = pd.date_range("2020-01-01", periods=240, freq="h")
    expected = decompose(y, 12)
    for container, keywords in (
        (y.tolist(), {}),
        (pd.Series(y, index=index), {}),
        (pd.DataFrame({"a": y}, index=index), {}),
        (pd.DataFrame({"when": index, "a": y}), {"time_column": "when"}),
        (pl.Series("a", y), {}),
        (pl.DataFrame({"when": index, "a": y}), {"time_column": "when"}),
        (y, {"time": index}),
    ):
        assert_same(decompose(container, 12, **keywords), expected, atol=0.0)
    frame = decompose(pd.Series(y, index=index), 12).to_frame()
    assert list(frame.columns) == ["observed", "trend", "seasonal_12", "remainder", "weight"]
    assert_array_equal(frame.index, index)
    assert_array_equal(expected.to_frame().index, np.arange(240))
    bare = Decomposition(y, y, np.empty((240, 0)), y * 0, (), y * 0 + 1)
    assert_array_equal(bare.time_index, np.arange(240))


def test_the_input_is_left_alone() -> None:
    y = series()
    y[5] = np.nan
    before = y.copy()
    decompose(y, 12, robust=True)
    assert_array_equal(y, before)


def test_rows_that_stamps_leave_out_are_gaps() -> None:
    y = series()
    index = pd.date_range("2020-01-01", periods=240, freq="h")
    keep = np.r_[0:100, 107:240]
    gappy = y.copy()
    gappy[100:107] = np.nan
    expected = decompose(gappy, 12, robust=True)
    found = decompose(pd.Series(y, index=index).iloc[keep], 12, robust=True)
    for name in ("trend", "seasonal", "remainder", "weights"):
        assert_allclose(getattr(found, name), getattr(expected, name)[keep], atol=1e-12)
    # a shift behind the gap is told by its row
    t = np.arange(600)
    z = pd.Series(series(600) + 9.0 * (t >= 400), index=pd.date_range("2020-01-01", periods=600, freq="h"))
    shift = decompose(z.drop(z.index[100:110]), 12, robust=True).shifts[0]
    assert shift.position == 390
    assert shift.time == z.index[400]


def test_months_are_a_grid() -> None:
    y = series()
    index = pd.date_range("1990-01-01", periods=240, freq="MS")
    assert_same(decompose(pd.Series(y, index=index), 12), decompose(y, 12), atol=0.0)


def test_times_off_any_grid_are_refused() -> None:
    y = series()
    times = np.arange(240) * 60
    times[77] += 30
    with pytest.raises(TimeIndexError, match=r"at most a third of a step off, got row 77"):
        decompose(y, 12, time=times)
    times = np.arange(240)
    times[200:] += 20_000
    with pytest.raises(TimeIndexError, match="split it at its long gaps"):
        decompose(y, 12, time=times)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"period": "monthly"}, "period of decompose must be 'auto'"),
        ({"period": 0}, "period of decompose"),
        ({"period": 12.0}, "period of decompose"),
        ({"period": (12, 12)}, "must differ"),
        ({"period": 12, "robust": 1}, "robust of decompose must be True or False"),
        ({"period": 12, "seasonal_window": 8}, "must be odd.*pass 9"),
        ({"period": 12, "seasonal_window": (7, 9)}, "one window per period"),
        ({"period": 12, "trend_window": 2}, "trend_window of decompose must be"),
        ({"period": 12, "trend_window": 20}, "trend_window of decompose must be odd"),
        ({"period": 12, "low_pass_window": 14}, "low_pass_window of decompose must be odd"),
        ({"period": 12, "trend_degree": 2}, "trend_degree"),
        ({"period": 12, "outer_iter": -1}, "outer_iter"),
        ({"period": 12, "shifts": "yes"}, "shifts of decompose"),
        ({"period": None, "trend_window": 12}, "must be odd"),
        ({"period": None, "engine": "statsmodels"}, "needs a period"),
        ({"period": 12, "engine": "statsmodels", "trend_window": 3}, "statsmodels.*refuses"),
    ],
)
def test_parameters_that_break_a_rule_say_so(parameters: dict, message: str) -> None:
    with pytest.raises(InvalidParameterError, match=message):
        decompose(series(), **parameters)


def test_series_that_cannot_be_used_say_so() -> None:
    with pytest.raises(InvalidSeriesError, match="takes no missing values, got NaN at row 3"):
        decompose(np.where(np.arange(240) == 3, np.nan, series()), 12, engine="statsmodels")
    with pytest.raises(InvalidSeriesError, match="at least 2 time points"):
        decompose([1.0], None)
    with pytest.raises(InvalidSeriesError, match="one series is needed"):
        decompose(np.ones((30, 2)), 12)


def test_statsmodels_is_an_engine_of_the_same_procedure() -> None:
    y = series()
    assert_same(decompose(y, 12, engine="statsmodels"), decompose(y, 12))
    assert_same(decompose(y, (5, 12), engine="statsmodels"), decompose(y, (5, 12), low_pass_window=(7, 13)))


def test_huge_and_tiny_units_do_not_matter() -> None:
    y = series()
    for robust in (False, True):
        expected = decompose(y, 12, robust=robust)
        for unit in (1e-200, 1e200):
            found = decompose(unit * y, 12, robust=robust)
            assert_allclose(found.trend / unit, expected.trend, rtol=1e-9)


def test_plot_has_a_panel_per_component() -> None:
    t = np.arange(400)
    figure = decompose(series(400) + 9.0 * (t >= 200), 12, robust=True).plot()
    assert [axis.get_ylabel() for axis in figure.axes] == ["observed", "trend", "seasonal_12", "remainder"]
    assert len(figure.axes[1].lines) == 2


def test_plot_says_what_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match=r"tsprune\[plots\]"):
        decompose(series(), 12).plot()
