"""clean_many and detect_many: long frames in and out."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

from tsprune import SeriesCleaner, SeriesDetector, clean_many, detect_many
from tsprune.exceptions import InvalidParameterError, InvalidSeriesError


def long_frame() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    parts = []
    for name in ("b", "a", "c"):
        y = 5 + np.sin(np.arange(240) * 2 * np.pi / 12) + rng.normal(0, 0.1, 240)
        y[100] += 9.0 if name == "a" else 0.0
        y[30] = np.nan if name == "b" else y[30]
        stamps = pd.date_range("2024-01-01", periods=240, freq="h")
        parts.append(pd.DataFrame({"unique_id": name, "ds": stamps, "y": y, "site": "x"}))
    return pd.concat(parts, ignore_index=True)


def test_clean_many_keeps_rows_and_sums_up() -> None:
    frame = long_frame()
    mixed = frame.sample(frac=1.0, random_state=0)
    out, summary = clean_many(mixed, SeriesCleaner(period=12))
    pd.testing.assert_index_equal(out.index, mixed.index)
    assert list(out.columns) == ["unique_id", "ds", "y", "site", "changed"]
    assert sorted(out.index[out["changed"]]) == [30, 340]
    assert out["y"].notna().all()
    facts = summary.set_index("unique_id")
    assert facts["n_missing"].to_dict() == {"a": 0, "b": 1, "c": 0}
    assert facts["n_changed"].to_dict() == {"a": 1, "b": 1, "c": 0}
    assert facts["periods"].tolist() == ["12"] * 3
    assert facts["error"].isna().all()
    straight = clean_many(frame, period=12).frame
    np.testing.assert_array_equal(straight["y"], out["y"].sort_index())


def test_a_series_that_fails_does_not_stop_the_others() -> None:
    frame = long_frame()
    frame.loc[frame["unique_id"] == "c", "y"] = np.nan
    out, summary = clean_many(frame, SeriesCleaner(period=12))
    facts = summary.set_index("unique_id")
    assert "finite" in facts.loc["c", "error"]
    assert facts.loc["c", "n_changed"] == 0
    assert out.loc[frame["unique_id"] == "c", "y"].isna().all()
    scored = detect_many(frame[frame["unique_id"] != "b"], SeriesDetector(random_state=0)).frame
    assert scored.loc[scored["unique_id"] == "c", "score"].isna().all()
    assert not scored.loc[scored["unique_id"] == "c", "anomaly"].any()


def test_rows_without_an_id_are_told_not_dropped() -> None:
    frame = long_frame()
    frame.loc[10:19, "unique_id"] = None
    for given in (frame, pl.from_pandas(frame)):
        out, summary = clean_many(given, SeriesCleaner(period=12))
        assert len(out) == len(frame)
        np.testing.assert_array_equal(out["y"].to_numpy()[10:20], frame["y"].to_numpy()[10:20])
        told = pd.DataFrame({name: list(summary[name]) for name in summary.columns})
        assert told["n_timepoints"].sum() == len(frame)
        lost = told[told["unique_id"].isna()]
        assert lost["n_timepoints"].tolist() == [10]
        assert "must name the series" in lost["error"].iloc[0]
        assert told.loc[told["unique_id"].notna(), "error"].isna().all()


def test_the_other_columns_come_back_as_they_were() -> None:
    frame = long_frame().assign(site=pd.Categorical(["x"] * 720), big=pd.array([2**60 + 1] * 719 + [None], "Int64"))
    frame["ds"] = frame["ds"].dt.tz_localize("Europe/Berlin", ambiguous="NaT", nonexistent="shift_forward")
    out = clean_many(frame, SeriesCleaner(period=12)).frame
    others = ["unique_id", "ds", "site", "big"]
    pd.testing.assert_frame_equal(out[others], frame[others])
    polar = pl.from_pandas(frame)
    assert clean_many(polar, SeriesCleaner(period=12)).frame[others].equals(polar[others])


def test_columns_that_the_result_needs_for_itself() -> None:
    frame = long_frame().rename(columns={"y": "score"})
    with pytest.raises(InvalidSeriesError, match="rename yours"):
        detect_many(frame, value_column="score")


def test_times_of_several_kinds_are_told() -> None:
    frame = long_frame().astype({"ds": object})
    frame.loc[3, "ds"] = "soon"
    summary = clean_many(frame, SeriesCleaner(period=12)).summary
    assert "got 'soon' at row 3" in summary["error"].iloc[0]
    assert summary["error"].iloc[1:].isna().all()


def test_text_among_the_values_of_a_polars_frame() -> None:
    polar = pl.from_pandas(long_frame()).with_columns(pl.col("y").cast(pl.String))
    polar = polar.with_columns(pl.when(pl.col("unique_id") == "a").then(pl.lit("x")).otherwise(pl.col("y")).alias("y"))
    out, summary = clean_many(polar, SeriesCleaner(period=12))
    assert summary["error"].is_null().to_list() == [True, False, True]
    assert set(out.filter(pl.col("unique_id") == "a")["y"]) == {"x"}
    assert out.filter(pl.col("unique_id") == "c")["y"].cast(float).is_finite().all()


def test_polars_and_own_names() -> None:
    frame = long_frame().rename(columns={"unique_id": "site_id", "ds": "when", "y": "load"})
    polar = pl.from_pandas(frame)
    names = {"id_column": "site_id", "time_column": "when", "value_column": "load"}
    out, summary = clean_many(polar, SeriesCleaner(period=12), **names)
    assert isinstance(out, pl.DataFrame)
    assert isinstance(summary, pl.DataFrame)
    expected = clean_many(frame, SeriesCleaner(period=12), **names).frame
    np.testing.assert_array_equal(out["load"].to_numpy(), expected["load"])
    assert out["when"].to_list() == polar["when"].to_list()


class Lazy:
    """Gives futures, as Dask's client does."""

    def map(self, function: Any, jobs: Any) -> list[Future[Any]]:
        futures = []
        for job in jobs:
            future: Future[Any] = Future()
            future.set_result(function(job))
            futures.append(future)
        return futures


def test_engines_give_the_same() -> None:
    frame = long_frame()
    expected = clean_many(frame, period=12)
    with ThreadPoolExecutor(2) as pool:
        for engine in (pool, Lazy()):
            result = clean_many(frame, period=12, engine=engine)
            pd.testing.assert_frame_equal(result.frame, expected.frame)
            pd.testing.assert_frame_equal(result.changes, expected.changes)
            own = "seconds"
            pd.testing.assert_frame_equal(result.summary.drop(columns=own), expected.summary.drop(columns=own))


def test_dask_engine() -> None:
    pytest.importorskip("dask", reason="the extra `dask` is not installed in every environment that is tested")
    frame = long_frame()
    result = clean_many(frame, period=12, engine="dask")
    pd.testing.assert_frame_equal(result.frame, clean_many(frame, period=12).frame)


def test_detect_many() -> None:
    out, summary = detect_many(long_frame(), period=12)
    assert list(out.columns[-2:]) == ["score", "anomaly"]
    mine = out[out["unique_id"] == "a"]
    assert abs(int(np.argmin(mine["score"])) - 100) < 20
    assert summary["n_anomalies"].sum() == out["anomaly"].sum()
    assert summary["n_timepoints"].tolist() == [240] * 3


def test_wrong_use() -> None:
    frame = long_frame()
    with pytest.raises(InvalidSeriesError, match="column 'ds'"):
        clean_many(frame.drop(columns="ds"))
    with pytest.raises(InvalidSeriesError, match="eager"):
        clean_many([1, 2])
    with pytest.raises(InvalidParameterError, match="cleaner"):
        clean_many(frame, SeriesCleaner)
    with pytest.raises(InvalidParameterError, match="detector"):
        detect_many(frame, object())
    with pytest.raises(InvalidParameterError, match="engine"):
        clean_many(frame, period=12, engine="rays")
    with pytest.raises(InvalidParameterError, match="engine"):
        clean_many(frame, period=12, engine=3)
    empty = clean_many(frame.iloc[:0])
    assert len(empty.frame) == 0
    assert len(empty.summary) == 0


@pytest.mark.parametrize("notation", ["%Y-%m-%d", "%d.%m.%Y", "%m/%d/%Y", "%d %b %Y", "%Y%m%d"])
@pytest.mark.parametrize("kind", ["pandas", "polars"])
def test_times_as_text_are_read_not_sorted_as_text(notation: str, kind: str) -> None:
    days = pd.date_range("2024-01-01", periods=400, freq="D")
    rng = np.random.default_rng(0)
    y = np.where(days.day_of_week < 5, 50.0, 20.0) + rng.normal(0, 1, 400)
    y[200] = 120
    keep = np.r_[0:150, 153:400]
    frame = pd.DataFrame({"unique_id": "a", "ds": days.strftime(notation), "y": y}).iloc[keep].reset_index(drop=True)
    given: Any = frame if kind == "pandas" else pl.from_pandas(frame)
    cleaned = clean_many(given)
    summary = cleaned.summary if kind == "pandas" else cleaned.summary.to_pandas()
    assert summary["periods"][0] == "7"
    rows = cleaned.frame if kind == "pandas" else cleaned.frame.to_pandas()
    assert rows["ds"].tolist() == frame["ds"].tolist()
    assert np.flatnonzero(rows["changed"].to_numpy()).tolist() == [197]


def test_a_cell_that_is_no_time_spoils_its_own_series_only() -> None:
    days = pd.date_range("2024-01-01", periods=60, freq="D").strftime("%Y-%m-%d").tolist()
    frame = pd.DataFrame({"unique_id": ["a"] * 60 + ["b"] * 60 + ["c"] * 60, "ds": days * 3, "y": np.arange(180.0) % 7})
    frame.loc[5, "ds"] = "soon"
    frame.loc[65, "ds"] = days[4]
    errors = clean_many(frame).summary["error"].tolist()
    assert "'soon'" in errors[0]
    assert "a duplicate of" in errors[1]
    assert errors[2] is None or pd.isna(errors[2])


def test_day_and_month_that_can_be_read_in_two_ways_are_refused_until_said() -> None:
    stamps = [f"{d:02d}/{m:02d}/2024" for m in range(1, 13) for d in (1, 4, 9)]
    frame = pd.DataFrame({"unique_id": "a", "ds": stamps, "y": np.arange(36.0)})
    assert "unambiguous" in clean_many(frame).summary["error"][0]
    assert pd.isna(clean_many(frame, day_first=True).summary["error"][0])


@pytest.mark.parametrize("kind", ["pandas", "polars"])
def test_times_keep_their_zone(kind: str) -> None:
    class Zones(SeriesCleaner):
        def fit_transform(self, X: Any, *rest: Any, **named: Any) -> Any:
            assert str(X.index.tz) == "Europe/Berlin"
            return super().fit_transform(X, *rest, **named)

    hours = pd.date_range("2024-03-25", periods=300, freq="h", tz="Europe/Berlin")
    frame = pd.DataFrame({"unique_id": "a", "ds": hours, "y": 5.0 + np.sin(np.arange(300) * np.pi / 12)})
    given: Any = frame if kind == "pandas" else pl.from_pandas(frame)
    summary = clean_many(given, Zones(24)).summary
    errors = summary["error"].tolist() if kind == "pandas" else summary["error"].to_list()
    assert errors == [None]
