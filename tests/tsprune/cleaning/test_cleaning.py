"""SeriesCleaner: finds what is broken, repairs it, and leaves the rest alone."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import config_context
from sklearn.base import clone
from sklearn.pipeline import make_pipeline

from tsprune import PruningReport, SeriesCleaner
from tsprune.cleaning.flat_lines import flat_runs
from tsprune.exceptions import InvalidParameterError, InvalidSeriesError, NotNumericError, TimeIndexError

N = 600


def truth(seed: int = 0, n: int = N, noise: float = 0.2) -> np.ndarray:
    t = np.arange(n)
    return 20 + 0.01 * t + 3 * np.sin(2 * np.pi * t / 24) + np.random.default_rng(seed).normal(0, noise, n)


def test_nothing_is_changed_without_evidence() -> None:
    changed = sum(int(SeriesCleaner(24).fit(truth(seed)).mask_.sum()) for seed in range(10))
    assert changed <= 3  # of 6000 points


def test_spikes_are_found_and_repaired() -> None:
    y = truth()
    x, at = y.copy(), np.array([50, 51, 200, 333, 470])
    x[at] += [4.0, -5.0, 3.0, -3.0, 6.0]
    cleaner = SeriesCleaner(24)
    out = cleaner.fit_transform(x)
    np.testing.assert_array_equal(np.flatnonzero(cleaner.mask_), at)
    assert np.abs(out[at] - y[at]).max() < 1.0
    same = np.setdiff1d(np.arange(N), at)
    np.testing.assert_array_equal(out[same], x[same])
    table = cleaner.changes_
    assert list(table.columns) == ["time", "column", "old", "new", "std", "reason", "statistic", "threshold", "since"]
    assert (table["std"] > 0).all()
    assert (table["statistic"].abs() > table["threshold"]).all()
    np.testing.assert_array_equal(table["old"], x[at])
    np.testing.assert_array_equal(table["new"], out[at])


def test_a_burst_and_a_temporary_level_are_told_apart_and_moved_back() -> None:
    y = truth()
    x = y.copy()
    x[100:108] -= 4.0
    x[350:430] += 5.0
    cleaner = SeriesCleaner(24)
    out = cleaner.fit_transform(x)
    reasons = cleaner.changes_.set_index("time")["reason"]
    assert set(reasons.loc[100:107]) == {"burst"}
    assert (reasons == "level shift").sum() == 80
    assert np.abs(out - y).max() < 1.5
    assert cleaner.mask_[350:430].all()


def test_level_shift_keep_is_put_back_by_the_inverse_and_report_only_tells() -> None:
    x = truth()
    x[350:430] += 5.0
    kept = SeriesCleaner(24, level_shift="keep")
    out = kept.fit_transform(x)
    assert abs(np.mean(out[350:430] - x[350:430]) + 5.0) < 0.5
    np.testing.assert_allclose(kept.inverse_transform(out), x, atol=1e-9)
    np.testing.assert_array_equal(kept.inverse_transform(np.ones(5), time=np.arange(N, N + 5)), np.ones(5))
    told = SeriesCleaner(24, level_shift="report")
    np.testing.assert_array_equal(told.fit_transform(x), x)
    record = next(r for r in told.report_.records if r.kind == "level shift")
    assert record.kept
    assert "only told" in record.reason
    repaired = SeriesCleaner(24).fit(x)
    np.testing.assert_array_equal(repaired.inverse_transform(out), out)


def test_a_lasting_step_of_a_random_walk_is_left_alone() -> None:
    x = np.cumsum(np.random.default_rng(0).normal(size=400))
    x[200:] += 30.0
    cleaner = SeriesCleaner(period=None).fit(x)
    assert cleaner.mask_.sum() <= 2
    assert not cleaner.mask_[200:].any()


def test_a_step_at_the_end_is_left_alone_unless_such_steps_went_back() -> None:
    x = np.cumsum(np.random.default_rng(1).normal(size=400))
    y = x.copy()
    y[-1] += 15.0
    alone = SeriesCleaner(period=None).fit(y)
    assert not alone.mask_[-1]
    assert any("very end" in guard for guard in alone.report_.guards)
    y[np.arange(20, 380, 40)] += 15.0
    often = SeriesCleaner(period=None)
    assert abs(often.fit_transform(y)[-1] - x[-1]) < 5.0
    assert often.mask_[-1]


def test_gaps_are_filled_along_the_season_with_uncertainty() -> None:
    y = truth()
    x = y.copy()
    x[300:330] = np.nan
    x[:2] = np.nan
    cleaner = SeriesCleaner(24)
    out = cleaner.fit_transform(x)
    assert np.abs(out[300:330] - y[300:330]).max() < 1.0
    table = cleaner.changes_
    assert set(table["reason"]) == {"gap"}
    inside = table[table["time"].between(300, 329)]["std"].to_numpy()
    assert inside[15] >= inside[0] > 0  # surer at the edges
    z = (out[300:330] - y[300:330]) / inside
    assert np.abs(z).max() < 5
    assert not cleaner.mask_.any()


def test_positive_series_are_filled_on_their_own_scale() -> None:
    rng = np.random.default_rng(0)
    t = np.arange(480)
    y = np.exp(3 + np.sin(2 * np.pi * t / 24) + rng.normal(0, 0.1, 480))
    x = y.copy()
    x[100:124] = np.nan
    out = SeriesCleaner(24).fit_transform(x)
    assert (out[100:124] > 0).all()
    assert np.median(np.abs(np.log(out[100:124] / y[100:124]))) < 0.2


def test_flat_lines_are_found_but_not_those_of_rounding_or_of_tariffs() -> None:
    x = truth()
    x[100:130] = x[100]
    cleaner = SeriesCleaner(24).fit(x)
    assert cleaner.mask_[100:130].all()
    assert (cleaner.changes_["reason"] == "flat line").sum() == 30
    assert flat_runs(np.round(truth(noise=0.01), 0)) == []
    assert flat_runs(np.repeat([1.0, 2.0], 50)) == []
    assert flat_runs(np.arange(5.0)) == []
    holed = x.copy()
    holed[110] = np.nan
    assert [(run.start, run.stop) for run in flat_runs(holed)] == [(100, 130)]


def test_bounds() -> None:
    x = truth()
    x[40], x[41:43] = -999.0, 5000.0
    cleaner = SeriesCleaner(24, lower=0, upper=24.0)
    out = cleaner.fit_transform(x)
    reasons = cleaner.changes_.set_index("time")["reason"]
    assert reasons[40] == "below lower bound"
    assert reasons[41] == "above upper bound"
    assert out[40:43].min() >= 0
    assert out[40:43].max() <= 24
    with pytest.raises(InvalidParameterError, match="lower"):
        SeriesCleaner(lower=3, upper=3).fit(x)
    with pytest.raises(InvalidParameterError, match="level_shift"):
        SeriesCleaner(level_shift="mend").fit(x)


def test_abstention_is_told() -> None:
    demand = np.where(np.random.default_rng(0).random(200) < 0.2, 30.0, 0.0)
    pauses = SeriesCleaner(None).fit(demand)
    assert any("intermittent" in g for g in pauses.report_.guards)
    assert not pauses.mask_.any()
    short = SeriesCleaner(None).fit(np.array([1.0, 2, 900, 2, 1, np.nan, 2]))
    assert any("fewer than" in g for g in short.report_.guards)
    assert not short.mask_.any()
    nothing = SeriesCleaner(None, lower=10.0).fit(np.arange(5.0))
    assert any("impossible" in g for g in nothing.report_.guards)
    heavy = np.cumsum(np.random.default_rng(0).standard_t(1.2, 500))
    assert SeriesCleaner(None).fit(heavy).mask_.mean() <= 0.1
    constant = SeriesCleaner(None).fit_transform(np.r_[np.ones(30), np.nan, np.ones(5)])
    assert (constant == 1.0).all()


def test_too_many_outliers_are_a_distribution() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(0, 0.1, 400)
    x[rng.choice(400, 70, replace=False)] += rng.choice([-1, 1], 70) * rng.uniform(20, 40, 70)
    cleaner = SeriesCleaner(None).fit(x)
    assert cleaner.mask_.mean() <= 0.1
    assert any("exception" in guard for guard in cleaner.report_.guards)


def test_periods_are_found_and_a_longer_one_above_the_one_told() -> None:
    t = np.arange(24 * 7 * 5)
    y = 3 * np.sin(2 * np.pi * t / 24) + 4 * (t // 24 % 7 >= 5) * (t % 24 > 8)
    y = y + np.random.default_rng(0).normal(0, 0.2, t.size)
    assert SeriesCleaner(24).fit(y).periods_ == [(24, 168)]
    assert 24 in SeriesCleaner().fit(y).periods_[0]
    assert SeriesCleaner([24, 168]).fit(y).periods_ == [(24, 168)]
    assert SeriesCleaner(24).fit(truth()).periods_ == [(24,)]
    assert SeriesCleaner(None).fit(y).periods_ == [()]


@settings(deadline=None, max_examples=6)
@given(st.integers(-3, 3), st.floats(-1e3, 1e3), st.integers(0, 50))
def test_scale_and_shift_change_nothing_but_scale_and_shift(power: int, shift: float, seed: int) -> None:
    x = truth(seed, 240) - 20
    x[[60, 150]] += 5.0
    factor = 2.0**power
    first, second = SeriesCleaner(24), SeriesCleaner(24)
    a, b = first.fit_transform(x), second.fit_transform(factor * x + shift)
    np.testing.assert_array_equal(first.mask_, second.mask_)
    np.testing.assert_allclose(b, factor * a + shift, rtol=1e-6, atol=0.3 * factor)


def test_containers_columns_and_missing_stamps() -> None:
    x = truth()
    x[77] += 9.0
    index = pd.date_range("2024-01-01", periods=N, freq="h")
    frame = pd.DataFrame({"a": x, "b": truth(1)}, index=index).drop(index[[10, 11]])
    cleaner = SeriesCleaner(24)
    out = cleaner.fit_transform(frame)
    assert list(out.columns) == ["a", "b"]
    assert cleaner.mask_.shape == (N - 2, 2)
    assert cleaner.changes_["time"].tolist() == [index[77]]
    assert cleaner.changes_["column"].tolist() == ["a"]
    assert cleaner.report_.records[0].item.startswith("a: 2024-01-04")
    assert isinstance(cleaner.report_, PruningReport)
    polar = SeriesCleaner(24).fit_transform(pl.Series("a", x))
    assert isinstance(polar, pl.Series)
    with pytest.raises(TimeIndexError, match="regular grid"):
        SeriesCleaner().fit(np.arange(5.0), time=np.array([0, 1, 10, 11, 10**9]))


def test_duplicated_and_late_stamps() -> None:
    x = truth()
    index = pd.date_range("2024-01-01", periods=N, freq="h")
    good = pd.Series(x, index=index)
    messy = pd.concat([good.iloc[:100], good.iloc[101:200], good.iloc[[100, 150]], good.iloc[200:]])
    with pytest.raises(TimeIndexError, match=r"earlier than row .*duplicates=.mean"):
        SeriesCleaner(24).fit(messy)
    SeriesCleaner(24).fit(messy, time=np.arange(len(messy)))  # the index is overridden
    for policy in ("mean", "first", "last"):
        cleaner = SeriesCleaner(24, duplicates=policy)
        out = cleaner.fit_transform(messy)
        pd.testing.assert_index_equal(out.index, messy.index)
        np.testing.assert_allclose(out.to_numpy(), messy.to_numpy())
        assert cleaner.mask_.shape == (N + 1,)
        assert [r.kind for r in cleaner.report_.records[:2]] == ["late stamp", "duplicate stamp"]
    missing = pd.Series([1.0, 2.0], index=pd.DatetimeIndex(["2024-01-01", None]))
    with pytest.raises(TimeIndexError, match="missing"):
        SeriesCleaner(None, duplicates="mean").fit(missing)


def test_later_rows_are_judged_by_the_past() -> None:
    x = truth(0, 700)
    x[650] += 9.0
    cleaner = SeriesCleaner(24).fit(x[:600])
    later = cleaner.transform(x[600:], time=np.arange(600, 700))
    assert abs(later[50] - (x[650] - 9.0)) < 1.5
    np.testing.assert_array_equal(np.delete(later, 50), np.delete(x[600:], 50))
    np.testing.assert_array_equal(cleaner.transform(x)[600:], later)
    with pytest.raises(TimeIndexError, match="time"):
        cleaner.transform(x[600:])
    with pytest.raises(TimeIndexError, match="earlier"):
        cleaner.transform(x[:5], time=np.arange(-5, 0))
    with pytest.raises(InvalidSeriesError, match="features"):
        cleaner.transform(np.c_[x, x])
    timed = SeriesCleaner(24).fit(pd.Series(x[:600], index=np.arange(1000, 1600)))
    np.testing.assert_array_equal(timed.transform(x[:600]), cleaner.transform(x[:600]))
    with pytest.raises(TimeIndexError, match="count from the first fitted row"):
        timed.transform(x[100:600])


def test_causal_decisions_do_not_depend_on_how_points_arrive() -> None:
    x = truth(0, 500)
    x[[150, 300, 499]] += 6.0
    x[400:403] = np.nan
    whole = SeriesCleaner(24, causal=True)
    out = whole.fit_transform(x)
    assert whole.mask_[[150, 300, 499]].all()
    assert np.isfinite(out).all()
    for cuts in ([0, 120, 500], [0, *range(10, 500, 37), 500]):
        parts = SeriesCleaner(24, causal=True)
        for low, high in itertools.pairwise(cuts):
            parts.partial_fit(x[low:high])
        np.testing.assert_array_equal(parts.transform(x), out)
        np.testing.assert_array_equal(parts.mask_, whole.mask_)
        pd.testing.assert_frame_equal(parts.changes_, whole.changes_)
    short = SeriesCleaner(24, causal=True).fit(x[:320])
    np.testing.assert_array_equal(short.transform(x)[:320], out[:320])  # no row sees a later one
    np.testing.assert_array_equal(short.transform(x), out)
    with pytest.raises(TimeIndexError, match="after the fitted span"):
        short.partial_fit(x[:5], time=np.arange(5))
    assert not hasattr(SeriesCleaner(24), "partial_fit")


def test_causal_mode_believes_a_new_level_that_lasts_and_keeps_bounds() -> None:
    x = truth(2, 500)
    x[300:] += 8.0
    x[200] = -50.0
    cleaner = SeriesCleaner(24, causal=True, lower=0.0).fit(x)
    assert cleaner.mask_[300]
    assert cleaner.mask_[330:].sum() <= 1
    assert cleaner.changes_.set_index("time")["reason"][200] == "below lower bound"
    fresh = SeriesCleaner(None, causal=True).fit(np.r_[np.nan, np.ones(60), 5.0])
    assert any("believed" in g for g in SeriesCleaner(24, causal=True).fit(x[:60]).report_.guards)
    assert fresh.changes_["reason"].tolist() == ["gap"]
    found = SeriesCleaner(causal=True).fit(truth(0, 400))
    assert found.periods_ == [(24,)]
    stamped = pd.Series(x[:200], index=pd.date_range("2024-01-01", periods=200, freq="h"))
    again = SeriesCleaner(24, causal=True).fit(stamped[:150]).partial_fit(stamped[150:])
    assert again.mask_.shape == (200,)


def test_clone_keeps_parameters() -> None:
    cleaner = SeriesCleaner(12, level_shift="keep", lower=1.0, duplicates="last", causal=True)
    assert clone(cleaner).get_params() == cleaner.get_params()


@pytest.mark.parametrize("period", [12, None])
@pytest.mark.parametrize(("unit", "level"), [(1e12, 0.0), (1e-12, 0.0), (1.0, 1e6), (1.0, 1e9)])
def test_unit_and_level_change_nothing(period: int | None, unit: float, level: float) -> None:
    rng = np.random.default_rng(0)
    t = np.arange(400)
    y = 5 + 0.01 * t + np.sin(t * 2 * np.pi / 12) + rng.normal(0, 0.1, t.size)
    y[200] += 5.0
    y[300:304] = np.nan
    usual, other = SeriesCleaner(period).fit(y), SeriesCleaner(period).fit(unit * y + level)
    np.testing.assert_array_equal(other.mask_, usual.mask_)
    np.testing.assert_allclose((other.transform(unit * y + level) - level) / unit, usual.transform(y), atol=1e-5)


def test_values_whose_squares_are_no_numbers_are_refused() -> None:
    y = np.sin(np.arange(100.0))
    cleaner = SeriesCleaner(None).fit(y)
    y[50] = -np.finfo(float).max
    with pytest.raises(InvalidSeriesError, match=r"at most 1e\+100 in size, got -1.8e\+308 at row 50"):
        SeriesCleaner(None).fit(y)
    with pytest.raises(InvalidSeriesError, match="in size"):
        cleaner.transform(y)


@pytest.mark.parametrize("n", [60, 61, 140])
@pytest.mark.parametrize("period", [7, None])
@pytest.mark.parametrize("kind", ["ramp of a week", "line", "sine", "growth"])
def test_a_flawless_series_is_left_alone(kind: str, period: int | None, n: int) -> None:
    """Without noise every rounding error, and the mirrored rows before a trend, look like overwhelming evidence."""
    t = np.arange(n)
    sine = np.sin(2.0 * np.pi * t / 7)
    x = {"ramp of a week": t % 7 * 1.0, "line": t * 1.0, "sine": sine, "growth": np.exp(t / 50) * (1 + 0.2 * sine)}[
        kind
    ]
    cleaner = SeriesCleaner(period=period).fit(x)
    assert cleaner.changes_.empty


def test_a_spike_in_the_first_row_of_a_trend_is_found() -> None:
    x = np.arange(200) * 0.5 + np.random.default_rng(0).normal(0.0, 0.2, 200)
    x[0] += 15.0
    assert SeriesCleaner(period=None).fit(x).changes_["time"].tolist() == [0]


def test_times_go_through_fit_transform_and_a_routed_pipeline() -> None:
    y = np.sin(np.arange(120) * 2 * np.pi / 12)
    y[40] = np.nan
    stamps = pd.date_range("2024-01-01", periods=120, freq="D")
    cleaner = SeriesCleaner(period=12)
    expected = cleaner.fit_transform(pd.Series(y, index=stamps)).to_numpy()
    np.testing.assert_array_equal(cleaner.fit_transform(y, time=stamps), expected)
    with config_context(enable_metadata_routing=True):
        routed = SeriesCleaner(period=12).set_fit_request(time=True).set_transform_request(time=True)
        np.testing.assert_array_equal(make_pipeline(routed).fit_transform(y, time=stamps), expected)


@pytest.mark.parametrize("kind", ["pandas", "polars", "numbered", "stamps in the index"])
def test_long_frames_are_pointed_to_clean_many(kind: str) -> None:
    stamps = pd.date_range("2024-01-01", periods=30)
    long = pd.DataFrame({"unique_id": ["a"] * 30 + ["b"] * 30, "ds": [*stamps, *stamps], "y": np.arange(60.0)})
    X = {
        "pandas": long,
        "polars": pl.from_pandas(long),
        "numbered": long.assign(unique_id=np.repeat([0, 1], 30), ds=np.tile(np.arange(30), 2)),
        "stamps in the index": long.set_index("ds"),
    }[kind]
    with pytest.raises(InvalidSeriesError, match="clean_many"):
        SeriesCleaner().fit(X)


def test_a_column_of_stamps_is_told_what_the_cleaner_has_for_it() -> None:
    frame = pd.DataFrame({"when": pd.date_range("2024-01-01", periods=30), "y": np.arange(30.0)})
    with pytest.raises(InvalidSeriesError, match="make it the index"):
        SeriesCleaner().fit(frame)


def test_late_and_double_stamps_are_told_the_parameter_for_them() -> None:
    y = pd.Series(np.arange(30.0), index=pd.date_range("2024-01-01", periods=30))
    for disordered in (y.iloc[::-1], pd.concat([y[:10], y[9:]])):
        with pytest.raises(TimeIndexError, match=r'SeriesCleaner\(duplicates="mean"\)') as told:
            SeriesCleaner().fit(disordered)
        assert "index of a pandas Series" not in str(told.value)
        assert len(SeriesCleaner(duplicates="mean").fit_transform(disordered)) == len(disordered)
    with pytest.raises(TimeIndexError, match=r"duplicates=.*index of a pandas Series"):
        SeriesCleaner(duplicates="mean").fit(y.to_numpy(), time=[0, *range(29)])
    with pytest.raises(TimeIndexError, match="drop that row"):
        SeriesCleaner(duplicates="mean").fit(pd.Series([1.0, 2.0], index=pd.DatetimeIndex(["2024-01-01", None])))


def test_double_stamps_of_text_are_told_as_text() -> None:
    y = pd.Series(["high", "low"] * 2, index=pd.DatetimeIndex(["2024-01-01", "2024-01-01", "2024-01-02", "2024-01-03"]))
    with pytest.raises(NotNumericError, match="'high'"):
        SeriesCleaner(duplicates="mean").fit(y)
