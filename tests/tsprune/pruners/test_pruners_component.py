"""Trend, season and component pruners: what goes, what stays, what comes back, and when."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import config_context
from sklearn.compose import TransformedTargetRegressor
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from tsprune import ComponentPruner, NoisePruner, SeasonalPruner, TrendPruner
from tsprune.exceptions import InvalidParameterError, InvalidSeriesError, TimeIndexError


def wave(n: int = 240, slope: float = 0.05, seed: int = 0) -> np.ndarray:
    t = np.arange(n)
    return slope * t + 2 * np.sin(2 * np.pi * t / 12) + np.random.default_rng(seed).normal(0, 0.3, n)


def hours(n: int, start: str = "2024-01-01") -> pd.DatetimeIndex:
    return pd.date_range(start, periods=n, freq="h")


def test_components_are_found_and_removed() -> None:
    y = wave()
    t = np.arange(240)
    pruner = ComponentPruner().fit(y)
    assert pruner.periods_ == [(12,)]
    assert pruner.report_.removed == ["trend", "seasonal_12"]
    np.testing.assert_allclose(pruner.trend_[:, 0], 0.05 * t, atol=0.6)
    np.testing.assert_allclose(pruner.seasonal_[:, 0], 2 * np.sin(2 * np.pi * t / 12), atol=0.6)
    np.testing.assert_allclose(pruner.transform(y), y - pruner.trend_[:, 0] - pruner.seasonal_[:, 0], atol=1e-12)
    assert np.std(pruner.transform(y)) < 0.35
    trend, season = TrendPruner().fit(y), SeasonalPruner().fit(y)
    np.testing.assert_allclose(trend.transform(y), y - pruner.trend_[:, 0], atol=1e-12)
    np.testing.assert_allclose(season.transform(y), y - pruner.seasonal_[:, 0], atol=1e-12)
    assert (trend.seasonal_ == 0).all()
    assert (season.trend_ == 0).all()


def test_forecasts_get_trend_and_season_back() -> None:
    y = wave(300)
    pruner = ComponentPruner().fit(y[:240])
    time = np.arange(240, 300)
    forecast = pruner.inverse_transform(np.zeros(60), time=time)
    truth = 0.05 * time + 2 * np.sin(2 * np.pi * time / 12)
    assert np.sqrt(np.mean((forecast - truth) ** 2)) < 0.8
    shuffled_calls = [pruner.inverse_transform(np.zeros(1), time=[k])[0] for k in time]
    np.testing.assert_array_equal(forecast, shuffled_calls)


def test_a_level_without_slope_is_continued_flat() -> None:
    y = np.random.default_rng(0).normal(size=300) + 5.0 * (np.arange(300) > 150)
    pruner = TrendPruner().fit(y)
    ahead = pruner.inverse_transform(np.zeros(200), time=np.arange(300, 500))
    assert np.ptp(ahead) == 0.0
    assert 4.0 < ahead[0] < 6.0


@pytest.mark.parametrize("phi", [0.0, 0.8])
def test_noise_stays_and_the_guard_says_so(phi: float) -> None:
    rng = np.random.default_rng(1)
    y = np.zeros(300)
    for k in range(1, 300):
        y[k] = phi * y[k - 1] + rng.normal()
    pruner = ComponentPruner().fit(y)
    assert pruner.report_.removed == []
    assert any("trend kept" in sentence for sentence in pruner.report_.guards)
    assert any("seasonal kept" in sentence for sentence in pruner.report_.guards)
    np.testing.assert_array_equal(pruner.transform(y), y)
    other = rng.normal(size=50)
    np.testing.assert_array_equal(pruner.transform(other), other)  # nothing is removed at any time
    np.testing.assert_array_equal(pruner.inverse_transform(other), other)


def test_guard_none_removes_what_is_asked() -> None:
    y = np.random.default_rng(2).normal(size=120)
    pruner = ComponentPruner(period=[6, 10], guard=None).fit(y)
    assert pruner.report_.removed == ["trend", "seasonal_6", "seasonal_10"]
    assert pruner.report_.to_frame()["reason"].str.contains("guard off").all()
    assert ComponentPruner(period=[6, 10]).fit(y).report_.removed == []
    with pytest.raises(InvalidSeriesError, match="1 sample"):
        TrendPruner(guard=None).fit(np.ones((1, 1)))


def test_several_periods_are_tested_one_after_the_other() -> None:
    t = np.arange(600)
    y = np.sin(2 * np.pi * t / 7) + np.sin(2 * np.pi * t / 30) + np.random.default_rng(3).normal(0, 0.3, 600)
    pruner = SeasonalPruner(period=[30, 7, 11], seasonal_window=[9, 7, 5]).fit(y)
    frame = pruner.report_.to_frame().set_index("item")
    assert not frame.loc["seasonal_7", "kept"]
    assert not frame.loc["seasonal_30", "kept"]
    assert frame.loc["seasonal_11", "kept"]
    assert np.std(pruner.transform(y)) < 0.45
    with pytest.raises(InvalidParameterError, match="one window per period"):
        SeasonalPruner(period=[7, 30], seasonal_window=[9]).fit(y)
    periodic = SeasonalPruner(period=7, seasonal_window="periodic").fit(y)
    np.testing.assert_allclose(periodic.seasonal_[:7], periodic.seasonal_[7:14], atol=1e-9)


def test_no_period_and_too_long_a_period() -> None:
    y = wave()
    assert SeasonalPruner(period=None).fit(y).report_.removed == []
    assert ComponentPruner(period=None).fit(y).periods_ == [()]
    for pruner in (SeasonalPruner(121), NoisePruner(period=121)):
        with pytest.raises(InvalidSeriesError, match=r"at most n_timepoints // 2 = 120, got 121"):
            pruner.fit(y)


def test_columns_are_judged_one_by_one() -> None:
    rng = np.random.default_rng(4)
    frame = pd.DataFrame({"load": wave(), "noise": rng.normal(size=240), "flat": 1.0}, index=hours(240))
    frame["few"] = np.where(np.arange(240) < 5, 1.0 * np.arange(240), np.nan)
    pruner = ComponentPruner().fit(frame)
    assert pruner.report_.removed == ["load.trend", "load.seasonal_12"]
    reasons = pruner.report_.to_frame().set_index("item")["reason"]
    assert reasons["flat.trend"] == "it is constant"
    assert reasons["few.seasonal"] == "5 values are too few to tell"
    out = pruner.transform(frame)
    pd.testing.assert_frame_equal(out[["noise", "flat", "few"]], frame[["noise", "flat", "few"]])
    later = frame.set_index(frame.index + pd.Timedelta(hours=240))
    pd.testing.assert_frame_equal(pruner.inverse_transform(pruner.transform(later)), later)
    pruner.partial_fit(later)
    assert pruner.trend_.shape == (480, 4)


def test_robust_and_windows_reach_the_decomposition() -> None:
    y = wave()
    y[100] += 40.0
    plain, robust = TrendPruner().fit(y), TrendPruner(robust=True).fit(y)
    t = np.arange(240)
    assert np.abs(robust.trend_[:, 0] - 0.05 * t).max() < np.abs(plain.trend_[:, 0] - 0.05 * t).max()
    assert not np.allclose(TrendPruner(trend_window=15).fit(y).trend_, plain.trend_)


class TestTimes:
    def test_stamps_may_have_gaps_and_come_in_any_block(self) -> None:
        y = pd.Series(wave(), index=hours(240), name="load")
        holes = y.drop(y.index[100:130])
        pruner = ComponentPruner().fit(holes)
        assert pruner.periods_ == [(12,)]
        inside = pruner.transform(y)  # rows of the gap have components too
        assert np.abs(inside[100:130]).max() < 1.5
        part = pruner.transform(y[50:60])
        pd.testing.assert_series_equal(part, inside[50:60])

    def test_earlier_rows_are_an_error(self) -> None:
        y = pd.Series(wave(), index=hours(240))
        pruner = ComponentPruner().fit(y[50:])
        with pytest.raises(TimeIndexError, match=r"2024-01-01 00:00:00, 50 steps of 0 days 01:00:00 before it"):
            pruner.transform(y)

    def test_rows_without_times_count_from_the_first_fitted_row(self) -> None:
        y = wave()
        pruner = ComponentPruner().fit(pd.Series(y, index=hours(240)))
        np.testing.assert_allclose(pruner.transform(y)[:5], pruner.transform(y[:5]))
        np.testing.assert_allclose(pruner.transform(y.astype(np.float32)), pruner.transform(y), atol=1e-4)
        longer = np.concatenate([y, wave(30, seed=9)])
        assert pruner.transform(longer).shape == (270,)
        with pytest.raises(TimeIndexError, match=r"at row 0, column 'y'; pass `time=`"):
            pruner.transform(y[12:])
        with pytest.raises(TimeIndexError, match="pruned values there"):
            pruner.inverse_transform(np.zeros(24))

    def test_rows_without_times_step_over_the_gaps_of_the_fitted_ones(self) -> None:
        y = pd.Series(wave(), index=hours(240))
        holes = y.drop(y.index[100:130])
        pruner = ComponentPruner().fit(holes)
        np.testing.assert_array_equal(pruner.transform(holes.to_numpy()), pruner.transform(holes).to_numpy())

    def test_times_of_another_kind_are_an_error(self) -> None:
        pruner = ComponentPruner().fit(wave())
        with pytest.raises(TimeIndexError, match="kind that was fitted"):
            pruner.transform(wave(), time=hours(240))

    def test_wild_times_are_an_error(self) -> None:
        time = np.concatenate([np.arange(239), [10**9]])
        with pytest.raises(TimeIndexError, match="resample"):
            ComponentPruner().fit(wave(), time=time)

    def test_partial_fit_wants_later_rows_and_fits_first(self) -> None:
        y = pd.Series(wave(), index=hours(240))
        pruner = ComponentPruner().partial_fit(y[:200])
        assert pruner.trend_.shape == (200, 1)
        with pytest.raises(TimeIndexError, match="10 steps of 0 days 01:00:00 too early"):
            pruner.partial_fit(y[190:])
        pruner.partial_fit(y[205:])  # five rows are missing
        assert pruner.trend_.shape == (235, 1)
        np.testing.assert_allclose(pruner.inverse_transform(pruner.transform(y)), y, atol=1e-12)
        with pytest.raises(InvalidSeriesError, match="features"):
            pruner.inverse_transform(np.ones((240, 2)))

    def test_partial_fit_follows_a_new_level(self) -> None:
        y = wave(400, slope=0.0)
        y[300:] += 30.0
        pruner = ComponentPruner(period=12, guard=None).fit(y[:280])
        pruner.partial_fit(y[280:])
        assert np.abs(pruner.transform(y)[320:]).mean() < 1.0

    def test_time_column(self) -> None:
        frame = pl.DataFrame({"load": wave(), "when": hours(240), "b": wave(seed=5)})
        pruner = ComponentPruner(time_column="when").fit(frame)
        assert pruner.n_features_in_ == 2
        assert list(pruner.get_feature_names_out()) == ["load", "when", "b"]
        out = pruner.transform(frame)
        assert out.columns == frame.columns
        assert (out["when"] == frame["when"]).all()
        np.testing.assert_allclose(pruner.inverse_transform(out)["b"].to_numpy(), frame["b"].to_numpy(), atol=1e-12)
        asked = ComponentPruner(time_column="when").set_output(transform="pandas").fit(frame).transform(frame)
        assert list(asked.columns) == ["load", "when", "b"]
        with pytest.raises(TimeIndexError, match="time_column"):
            ComponentPruner(time_column="day").fit(frame)
        shorter = pruner.inverse_transform(np.zeros((3, 2)), time=pd.date_range("2024-01-11", periods=3, freq="h"))
        assert shorter.shape == (3, 2)

    def test_months_are_a_grid(self) -> None:
        y = pd.Series(wave(), index=pd.date_range("2000-01-01", periods=240, freq="MS"))
        pruner = ComponentPruner().fit(y[:200])
        np.testing.assert_allclose(pruner.inverse_transform(pruner.transform(y)), y, atol=1e-12)


def test_metadata_routing_hands_time_through_a_pipeline() -> None:
    y = wave(280).reshape(-1, 1)
    with config_context(enable_metadata_routing=True):
        pruner = ComponentPruner().set_fit_request(time=True).set_transform_request(time=True)
        pruner.set_inverse_transform_request(time=True)
        chain = make_pipeline(pruner, StandardScaler()).fit(y[:240], time=np.arange(240))
        later = chain.transform(y[240:], time=np.arange(240, 280))
        back = chain.inverse_transform(later, time=np.arange(240, 280))
    np.testing.assert_allclose(back, y[240:], atol=1e-10)


def test_in_front_of_a_regressor() -> None:
    t = np.arange(240.0).reshape(-1, 1)
    model = TransformedTargetRegressor(LinearRegression(), transformer=TrendPruner(), check_inverse=False)
    model.fit(t, wave())
    with pytest.raises(TimeIndexError, match="pass `time=`"):
        model.predict(t[:24] + 240)  # no times: an error, not a wrong phase


def test_x_and_y_both_one_dimensional_is_the_mistake_it_looks_like() -> None:
    with pytest.raises(InvalidSeriesError, match=r"fit\(values, time=times\)"):
        ComponentPruner().fit(np.arange(240), wave())


def test_dtypes_of_frames_stay() -> None:
    frame = pd.DataFrame({"a": wave().astype(np.float32), "b": wave(seed=1), "c": np.arange(240)}, index=hours(240))
    out = ComponentPruner().fit_transform(frame)
    assert out.dtypes.astype(str).tolist() == ["float32", "float64", "float64"]
    series = pd.Series(wave(), index=hours(240), dtype="Float32")
    assert str(ComponentPruner().fit_transform(series).dtype) == "Float32"
    assert ComponentPruner().fit_transform(pl.Series("a", wave(), dtype=pl.Float32)).dtype == pl.Float32
    polar = pl.DataFrame({"a": wave(), "b": wave(seed=1)}, schema={"a": pl.Float32, "b": pl.Float64})
    assert ComponentPruner().fit_transform(polar).schema == polar.schema
    integers = pd.Series((10 * wave()).astype(int), index=hours(240))
    assert ComponentPruner().fit_transform(integers).dtype == np.float64


@settings(deadline=None, max_examples=15)
@given(st.integers(0, 10**6), st.floats(0.01, 100), st.floats(-1e3, 1e3))
def test_pruning_scales_with_the_units_and_the_inverse_is_exact(seed: int, scale: float, shift: float) -> None:
    y = wave(120, seed=seed)
    pruned = ComponentPruner(period=12, guard=None).fit_transform(y)
    other = ComponentPruner(period=12, guard=None).fit(scale * y + shift)
    np.testing.assert_allclose(other.transform(scale * y + shift), scale * pruned, atol=1e-7 * (scale + abs(shift)))
    time = np.arange(150)
    longer = wave(150, seed=seed + 1)
    back = other.inverse_transform(other.transform(longer, time=time), time=time)
    np.testing.assert_allclose(back, longer, atol=1e-9 * (1 + scale + abs(shift)))


@pytest.mark.parametrize("scale", [1e-200, 1e200])
@pytest.mark.parametrize("pruner", [ComponentPruner(), NoisePruner()])
def test_extreme_units_do_not_overflow(pruner: ComponentPruner | NoisePruner, scale: float) -> None:
    y = scale * wave()
    pruned = pruner.fit_transform(y)
    assert pruner.report_.removed
    np.testing.assert_allclose(pruner.inverse_transform(pruned), y, rtol=1e-9, atol=1e-9 * scale)
    with pytest.raises(TimeIndexError, match="pass `time=`"):
        pruner.transform(y[30:])


def test_nulls_of_polars_stay_nulls() -> None:
    y = [None if k in (5, 6) else v for k, v in enumerate(wave().tolist())]
    out = ComponentPruner().fit_transform(pl.Series("a", y))
    assert out.is_null().to_list() == [v is None for v in y]
    frame = pl.DataFrame({"a": y, "b": wave(seed=1)})
    pruner = ComponentPruner().fit(frame)
    back = pruner.inverse_transform(pruner.transform(frame))
    assert back["a"].is_null().to_list() == [v is None for v in y]
    np.testing.assert_allclose(back["b"].to_numpy(), frame["b"].to_numpy(), atol=1e-12)


@pytest.mark.parametrize("kind", [pd.Series, pl.Series])
def test_a_series_becomes_a_frame_of_polars_where_asked(kind):
    y = np.sin(np.arange(120) * np.pi / 6) + 0.01 * np.arange(120)
    given = pd.Series(y, name="y") if kind is pd.Series else pl.Series("y", y)
    found = ComponentPruner().set_output(transform="polars").fit_transform(given)
    assert isinstance(found, pl.DataFrame)
    assert np.array_equal(found.to_numpy()[:, 0], ComponentPruner().fit_transform(y))


@pytest.mark.parametrize("kind", ["signs", "alternating", "step", "spike"])
@pytest.mark.parametrize(
    "pruner",
    [
        TrendPruner(guard=None),
        SeasonalPruner(4, guard=None),
        ComponentPruner(period=4, guard=None),
        NoisePruner(guard=None),
    ],
    ids=lambda pruner: type(pruner).__name__,
)
def test_the_largest_numbers_work_or_are_refused(pruner: ComponentPruner | NoisePruner, kind: str) -> None:
    t = np.arange(200)
    y = {
        "signs": np.random.default_rng(0).choice([-1.0, 1.0], t.size),
        "alternating": np.where(t % 2, 1.0, -1.0),
        "step": np.where(t < 100, -1.0, 1.0),
        "spike": np.where(t == 100, 1.0, 1e-305),
    }[kind]
    pruned = pruner.fit_transform(1e305 * y)
    assert np.isfinite(pruned).all()
    np.testing.assert_allclose(pruner.inverse_transform(pruned), 1e305 * y, rtol=1e-9, atol=1e290)
    with pytest.raises(InvalidSeriesError, match=r"at most 1e\+305 in size, got .* at row"):
        pruner.fit(1.79e308 * y)
