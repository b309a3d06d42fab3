"""Every estimator of series on every kind of index: months, quarters, business days, weeks, zones, integers."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

from contract.subjects import SERIES_CLEANERS, SERIES_DETECTORS, SERIES_PRUNERS, build
from tsprune import decompose, find_periods

PRUNERS = sorted(SERIES_PRUNERS)
TRANSFORMERS = sorted(SERIES_PRUNERS | SERIES_CLEANERS)
ALL = sorted(SERIES_PRUNERS | SERIES_CLEANERS | SERIES_DETECTORS)

# Casablanca sets its clock back for Ramadan (2024-03-10) and forward after it (2024-04-14): both changes in 55 days
INDEXES: dict[str, tuple[pd.Index, int]] = {
    "hourly": (pd.date_range("2024-01-01", periods=480, freq="h"), 24),
    "monthly": (pd.date_range("1990-01-01", periods=240, freq="MS"), 12),
    "month ends": (pd.date_range("1990-01-31", periods=240, freq="ME"), 12),
    "last working days": (pd.date_range("1990-01-31", periods=240, freq="BME"), 12),
    "quarterly": (pd.date_range("1980-02-01", periods=160, freq="QE-NOV"), 4),
    "business days": (pd.bdate_range("2022-01-03", periods=400), 5),
    "weekly": (pd.date_range("2010-01-01", periods=420, freq="W-WED"), 52),
    "zoned": (pd.date_range("2024-03-01", periods=1320, freq="h", tz="Africa/Casablanca"), 24),
    "zoned quarter hours": (pd.date_range("2024-03-01", periods=5000, freq="15min", tz="Africa/Casablanca"), 96),
    "zoned days": (pd.date_range("2024-01-01", periods=300, freq="D", tz="Europe/Berlin"), 7),
    "integers": (pd.Index(np.arange(100, 2500, 5)), 24),
}
KINDS = sorted(INDEXES)


def phases(index: pd.Index, period: int) -> np.ndarray:
    """Phase of every row in its season: by the clock on the wall where there is a zone."""
    if isinstance(index, pd.DatetimeIndex) and period in (24, 96):
        return np.asarray((index.hour * 60 + index.minute) * period // 1440)
    return np.arange(len(index)) % period


def season(index: pd.Index, period: int) -> np.ndarray:
    phase = 2 * np.pi * phases(index, period) / period
    return 10 * np.sin(phase) + 4 * np.cos(2 * phase)


def given(kind: str) -> tuple[pd.Series, int, np.ndarray]:
    """A season of deviation 7.6 and noise of 0.3, the period, and the season."""
    index, period = INDEXES[kind]
    wave = season(index, period)
    noise = np.random.default_rng(KINDS.index(kind)).normal(0, 0.3, len(index))
    return pd.Series(50 + wave + noise, index=index, name="sales"), period, wave


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", TRANSFORMERS)
def test_index_zone_name_and_container_stay(name: str, kind: str) -> None:
    y, _, _ = given(kind)
    model = build(name).fit(y)
    out = model.transform(y)
    pd.testing.assert_index_equal(out.index, y.index)
    assert out.name == "sales"
    frame = model.transform(y) if name == "NoisePruner" else build(name).fit(y.to_frame()).transform(y.to_frame())
    assert type(frame) is (pd.Series if name == "NoisePruner" else pd.DataFrame)
    pd.testing.assert_index_equal(frame.index, y.index)
    times = pl.DataFrame(
        {"when": y.index.to_numpy() if kind == "integers" else pl.Series(y.index), "sales": y.to_numpy()}
    )
    timed = build(name, time_column="when").fit_transform(times)
    assert timed["when"].equals(times["when"])
    np.testing.assert_array_equal(timed["sales"].to_numpy(), out.to_numpy())


@pytest.mark.parametrize("kind", KINDS)
def test_the_season_is_found_and_removed(kind: str) -> None:
    y, period, wave = given(kind)
    assert find_periods(y).lengths[:1] == (period,)
    assert build("SeriesDetector").fit(y).periods_ == (period,)
    pruner = build("SeasonalPruner", period=period).fit(y)
    assert np.std(pruner.seasonal_[:, 0] - wave) < 0.35
    assert np.std(decompose(y, period).remainder) < 0.35
    assert len(build("SeriesCleaner", period=period).fit(y).changes_) <= 2  # of 160 to 5000 rows: noise, no calendar


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", PRUNERS)
def test_pruners_continue_their_components(name: str, kind: str) -> None:
    y, _, _ = given(kind)
    cut = int(0.7 * len(y))
    model = build(name).fit(y[:cut])
    later = model.transform(y[cut:])
    np.testing.assert_allclose(model.inverse_transform(later), y[cut:], atol=1e-9)
    outs = []
    for cuts in ([cut, len(y)], [cut, cut + 1, cut + 2, cut + 40, len(y)]):
        grown = build(name).fit(y[:cut])
        for start, stop in itertools.pairwise(cuts):
            grown.partial_fit(y[start:stop])
        outs.append(grown.transform(y))
    pd.testing.assert_series_equal(outs[0], outs[1])
    np.testing.assert_allclose(grown.inverse_transform(outs[0]), y, atol=1e-9)


@pytest.mark.parametrize("kind", KINDS)
def test_a_season_goes_on_after_the_span(kind: str) -> None:
    y, period, wave = given(kind)
    cut = int(0.7 * len(y))
    model = build("SeasonalPruner", period=period).fit(y[:cut])
    later = model.transform(y[cut:])
    assert np.std(later) < 0.6
    np.testing.assert_allclose(model.inverse_transform(later * 0.0), wave[cut:], atol=1.5)


@pytest.mark.parametrize("kind", KINDS)
def test_a_causal_cleaner_decides_the_same_in_parts(kind: str) -> None:
    y, period, _ = given(kind)
    cut = len(y) // 2
    gap, spike = cut + len(y) // 5, cut + len(y) // 4
    y.iloc[gap] = np.nan
    y.iloc[spike] += 20.0
    frame = y.to_frame()
    whole = build("SeriesCleaner", period=period, causal=True).fit(frame)
    for cuts in ([cut, len(y)], [cut, cut + 1, gap, gap + 1, len(y)]):
        parts = build("SeriesCleaner", period=period, causal=True).fit(frame[:cut])
        for start, stop in itertools.pairwise(cuts):
            parts.partial_fit(frame[start:stop])
        pd.testing.assert_frame_equal(parts.changes_, whole.changes_)
        np.testing.assert_array_equal(parts.mask_, whole.mask_)
        pd.testing.assert_frame_equal(parts.transform(frame), whole.transform(frame))
        assert parts.report_.to_frame().equals(whole.report_.to_frame())
    assert list(whole.changes_["time"]) == [y.index[gap], y.index[spike]]
    assert set(whole.changes_["column"]) == {"sales"}


@pytest.mark.parametrize("kind", KINDS)
def test_a_detector_scores_later_rows_by_their_season(kind: str) -> None:
    y, period, _ = given(kind)
    cut = int(0.7 * len(y))
    y.iloc[cut + 30] += 25.0
    model = build("SeriesDetector", period=period).fit(y[:cut])
    scores = model.score_samples(y[cut:])
    assert abs(int(np.argmin(scores)) - 30) <= 12
    np.testing.assert_array_equal(model.score_samples(y[:cut]), model.score_samples(y[:cut].to_numpy()))
    pd.testing.assert_index_equal(model.explain(y[cut:]).index, y.index[cut:])


@pytest.mark.parametrize("kind", ["zoned", "zoned quarter hours"])
def test_hours_that_clocks_skip_and_repeat_are_no_faults(kind: str) -> None:
    y, period, _ = given(kind)
    for model in (build("SeriesCleaner", period=period), build("SeriesCleaner")):
        model.fit(y)
        assert len(model.changes_) == 0
        pd.testing.assert_series_equal(model.transform(y), y)
    hour = (y.index.strftime("%m-%d") == "03-10").nonzero()[0][:: max(1, period // 24)]
    repeated = y.copy()
    repeated.iloc[hour[3]] = np.nan  # the hour that comes twice
    out = build("SeriesCleaner", period=period).fit_transform(repeated)
    assert abs(out.iloc[hour[3]] - y.iloc[hour[3]]) < 2.0
    labels = build("SeriesDetector", period=period).fit_predict(y)
    assert (labels < 0).mean() < 0.02


def test_short_seasons_follow_elapsed_time() -> None:
    index, _ = INDEXES["zoned"]
    wave = 10 * np.sin(2 * np.pi * np.arange(len(index)) / 5)
    y = pd.Series(wave + np.random.default_rng(0).normal(0, 0.3, len(index)), index)
    assert np.std(decompose(y, 5).remainder) < 0.35
    assert len(build("SeriesCleaner", period=5).fit(y).changes_) == 0


@pytest.mark.parametrize("name", ALL)
def test_jitter_is_placed_and_what_cannot_be_is_refused(name: str) -> None:
    y, period, _ = given("zoned quarter hours")
    rng = np.random.default_rng(0)
    index = pd.date_range("2024-01-01", periods=1500, freq="15min")
    exact = pd.Series(y.to_numpy()[:1500], index)
    late = exact.set_axis(index + pd.to_timedelta(rng.uniform(-300, 300, 1500).round(3), unit="s"))
    late = late.drop(late.index[700:720])
    model = build(name, period=period).fit(late)
    np.testing.assert_array_equal(model._rows, np.delete(np.arange(1500), np.arange(700, 720)))
    if name == "SeriesDetector":
        return
    wild = exact.set_axis(pd.DatetimeIndex(np.sort(index[0].value + rng.integers(0, 1500 * 900 * 10**9, 1500))))
    with pytest.raises(ValueError, match=r"resample"):
        build(name, period=period).fit(wild)


def test_business_days_count_rows_and_multiples_of_seven_count_days() -> None:
    y, _, _ = given("business days")
    assert np.std(decompose(y, 5).remainder) < 0.35
    assert np.std(decompose(y, 7).remainder) < 0.35
    holiday = y.drop(y.index[[100, 101, 230]])
    assert np.std(decompose(holiday, 5).remainder) < 0.35
    assert build("SeriesCleaner").fit(holiday).periods_ == [(5,)]


def times_as(kind: str, index: pd.DatetimeIndex) -> Any:
    """The same days in the forms that people keep them in."""
    return {
        "text": lambda: index.strftime("%Y-%m-%d"),
        "day first": lambda: index.strftime("%d.%m.%Y"),
        "month first": lambda: index.strftime("%m/%d/%Y"),
        "names": lambda: index.strftime("%d %b %Y"),
        "digits": lambda: pd.Index(index.strftime("%Y%m%d").astype(int)),
        "dates": lambda: pd.Index([t.date() for t in index], dtype=object),
        "durations": lambda: index - index[0],
        "Arrow dates": lambda: pd.Index([t.date() for t in index], dtype="date32[pyarrow]"),
        "Arrow timestamps": lambda: pd.Index(index, dtype="timestamp[ns][pyarrow]"),
        "Arrow text": lambda: pd.Index(index.strftime("%Y-%m-%d"), dtype="string[pyarrow]"),
        "periods": lambda: index.to_period("D"),
        "period objects": lambda: pd.Index(list(index.to_period("D")), dtype=object),
        "categories": lambda: pd.CategoricalIndex(index.strftime("%Y-%m-%d")),
    }[kind]()


TIMES = ["text", "day first", "month first", "names", "digits", "dates", "durations", "Arrow dates", "Arrow timestamps",
         "Arrow text", "periods", "period objects", "categories"]  # fmt: skip


@pytest.mark.parametrize("kind", TIMES)
@pytest.mark.parametrize("name", ALL)
def test_kinds_of_times_are_read_and_never_counted(name: str, kind: str) -> None:
    index = pd.date_range("2024-01-01", periods=400)
    y = pd.Series(np.where(index.day_of_week < 5, 50.0, 20.0) + np.random.default_rng(0).normal(0, 1, 400), index)
    keep = np.r_[0:150, 153:260, 265:400]
    same = y.set_axis(times_as(kind, index), axis=0)
    expected, model = build(name).fit(y.iloc[keep]), build(name).fit(same.iloc[keep])
    np.testing.assert_array_equal(model._rows, expected._rows)
    call = "score_samples" if name in SERIES_DETECTORS else "transform"
    out = np.asarray(getattr(model, call)(same.iloc[keep]))
    np.testing.assert_array_equal(out, np.asarray(getattr(expected, call)(y.iloc[keep])))
    with pytest.raises(ValueError, match="increasing"):
        build(name).fit(same.iloc[np.random.default_rng(1).permutation(400)])
    with pytest.raises(ValueError, match="duplicate"):
        build(name).fit(same.iloc[np.r_[0:6, 5, 7:400]])


@pytest.mark.parametrize("name", ALL)
def test_what_is_no_time_is_refused(name: str) -> None:
    y = pd.Series(np.random.default_rng(0).normal(size=60))
    for index, says in (
        ([f"row {k}" for k in range(60)], "one notation"),
        (np.arange(60) / 7.0, "timestamps or integers"),
        (pd.date_range("2024-02-01", periods=12).strftime("%d/%m/%Y").tolist() * 5, "dayfirst"),
    ):
        with pytest.raises(ValueError, match=says):
            build(name).fit(y.set_axis(index))


@pytest.mark.parametrize("freq", ["ME", "MS", "QE", "W", "YE", "D", "h"])
def test_periods_mean_the_steps_inside_them(freq: str) -> None:
    index = pd.date_range("2010-01-01", periods=64, freq=freq)
    y = pd.Series(10 * np.sin(2 * np.pi * np.arange(64) / 5) + np.random.default_rng(0).normal(0, 0.1, 64), index)
    stamped = build("SeasonalPruner", period=5).fit(y[:60])
    zeros = pd.Series(0.0, index[60:])
    expected = stamped.inverse_transform(zeros)
    spans = stamped.inverse_transform(zeros.set_axis(index[60:].to_period()))
    np.testing.assert_array_equal(spans, expected)
    by_periods = build("SeasonalPruner", period=5).fit(y[:60].to_period())
    np.testing.assert_array_equal(by_periods.inverse_transform(zeros), expected)
