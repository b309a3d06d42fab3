"""How a job on many series is run: cores, progress, errors, and what is told about every change."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import joblib
import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tsprune import SeriesCleaner, SeriesDetector, clean_many, detect_many
from tsprune.exceptions import InvalidParameterError, InvalidSeriesError
from tsprune.fleet import processes
from tsprune.fleet.blocks import cut_into_blocks

CLEANER = SeriesCleaner(period=12)
N_ROWS = 120


def long_frame(n_series: int = 6) -> pd.DataFrame:
    """Series with a spike each, the third of which fails, rows mixed."""
    rng = np.random.default_rng(0)
    parts = []
    for k in range(n_series):
        y = 5 + np.sin(np.arange(N_ROWS) * 2 * np.pi / 12) + rng.normal(0, 0.1, N_ROWS)
        y[50 + k] += 9.0
        y[90] = np.nan
        stamps = pd.date_range("2024-01-01", periods=N_ROWS, freq="h")
        parts.append(pd.DataFrame({"unique_id": f"s{k}", "ds": stamps, "y": np.nan if k == 2 else y, "site": k % 2}))
    return pd.concat(parts, ignore_index=True).sample(frac=1.0, random_state=0)


def assert_same(result: Any, expected: Any) -> None:
    pairs = [
        (result.frame, expected.frame),
        (result.summary.drop(columns="seconds"), expected.summary.drop(columns="seconds")),
    ]
    pairs += [(result.changes, expected.changes)] if expected.changes is not None else []
    pairs += [(result.episodes, expected.episodes)] if expected.episodes is not None else []
    for mine, theirs in pairs:
        pd.testing.assert_frame_equal(mine, theirs, check_exact=True)


def test_results_do_not_depend_on_the_number_of_processes() -> None:
    frame = long_frame()
    expected = clean_many(frame, CLEANER, n_jobs=1)
    assert expected.summary["error"].notna().sum() == 1
    assert_same(clean_many(frame, CLEANER, n_jobs=2), expected)
    with joblib.parallel_config("threading", n_jobs=2):
        assert_same(clean_many(frame, CLEANER), expected)
    assert_same(detect_many(frame, period=12, n_jobs=2), detect_many(frame, SeriesDetector(period=12, random_state=0)))


def test_number_of_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(joblib, "effective_n_jobs", lambda n: {None: 1, -1: 8}.get(n, n))
    assert processes.n_workers(None, 1000, 64) == 1
    assert processes.n_workers(None, 1_000_000, 64) == 8
    assert processes.n_workers(None, 1_000_000, 3) == 3
    assert processes.n_workers(-1, 1000, 64) == 8
    assert processes.n_workers(4, 1000, 1) == 1
    with joblib.parallel_config("threading", n_jobs=1):
        assert processes.n_workers(None, 1_000_000, 64) == 1


@pytest.mark.parametrize("n_jobs", [0, 1.5, True, "all"])
def test_a_number_of_jobs_that_is_none(n_jobs: Any) -> None:
    with pytest.raises(InvalidParameterError, match="n_jobs must be None or an integer"):
        clean_many(long_frame(2), CLEANER, n_jobs=n_jobs)


def test_jobs_and_an_engine_exclude_each_other() -> None:
    with pytest.raises(InvalidParameterError, match="the engine decides"):
        clean_many(long_frame(2), CLEANER, n_jobs=2, engine="dask")
    with pytest.raises(InvalidParameterError, match="progress must be"):
        clean_many(long_frame(2), CLEANER, progress=3)  # type: ignore[arg-type]
    with pytest.raises(InvalidParameterError, match="on_error must be"):
        clean_many(long_frame(2), CLEANER, on_error="ignore")


@given(st.lists(st.integers(1, 50_000), max_size=700), st.booleans())
def test_blocks_cover_every_series_once(sizes: list[int], single: bool) -> None:
    spans = cut_into_blocks(np.array(sizes, np.int64), single=single)
    assert [k for a, b in spans for k in range(a, b)] == list(range(len(sizes)))
    assert all(b == c for (_, b), (c, _) in pairwise(spans))
    assert all(b - a == 1 or sum(sizes[a:b]) <= 20_000 for a, b in spans)
    if not single and len(set(sizes)) == 1:
        assert len(spans) >= min(len(sizes), 16)


def test_every_change_is_listed_with_its_evidence() -> None:
    frame = long_frame()
    result = clean_many(frame, CLEANER)
    out, summary = result
    assert out is result.frame
    assert summary is result[1]
    changes = result.changes
    assert list(changes.columns) == ["unique_id", "ds", "old", "new", "reason", "statistic", "threshold"]
    assert changes["ds"].dtype == frame["ds"].dtype
    rows = changes.merge(frame, on=["unique_id", "ds"]).merge(
        out, on=["unique_id", "ds"], suffixes=("_given", "_cleaned")
    )
    assert len(rows) == len(changes) == int(out["changed"].sum())
    np.testing.assert_array_equal(rows["old"], rows["y_given"])
    np.testing.assert_array_equal(rows["new"], rows["y_cleaned"])
    spikes = changes[changes["reason"] == "spike"]
    assert (spikes["statistic"] > spikes["threshold"]).all()
    assert spikes.sort_values("unique_id")["ds"].dt.hour.tolist() == [(50 + k) % 24 for k in (0, 1, 3, 4, 5)]
    assert changes["unique_id"].tolist() == [name for name in summary["unique_id"] for _ in range(2) if name != "s2"]
    told = summary.set_index("unique_id")
    assert told.loc["s0", "changes"] == "gap: 1, spike: 1"
    assert told.loc["s2", "changes"] == ""
    assert (told["n_timepoints"] == N_ROWS).all()
    assert (told["seconds"] > 0).all()


def test_times_of_changes_stand_as_in_the_input() -> None:
    frame = long_frame(2)
    text = frame.assign(ds=frame["ds"].dt.strftime("%d.%m.%Y %H:%M"))
    listed = clean_many(text, CLEANER, day_first=True).changes
    assert listed["ds"].tolist() == clean_many(frame, CLEANER).changes["ds"].dt.strftime("%d.%m.%Y %H:%M").tolist()


def test_changes_of_polars_are_polars() -> None:
    frame = long_frame()
    changes = clean_many(pl.from_pandas(frame), CLEANER).changes
    assert isinstance(changes, pl.DataFrame)
    expected = clean_many(frame, CLEANER).changes
    assert changes["unique_id"].to_list() == expected["unique_id"].tolist()
    assert changes["ds"].to_list() == expected["ds"].dt.to_pydatetime().tolist()
    assert changes["new"].to_list() == expected["new"].tolist()


def test_every_episode_is_listed() -> None:
    rng = np.random.default_rng(0)
    parts = []
    for name in ("a", "b"):
        y = rng.normal(0, 0.1, 600)
        y[300:310] += 5.0 if name == "b" else 0.0
        parts.append(
            pd.DataFrame({"unique_id": name, "ds": pd.date_range("2024-01-01", periods=600, freq="h"), "y": y})
        )
    frame = pd.concat(parts)
    result = detect_many(frame, period=None)
    detector = SeriesDetector(period=None, random_state=0).fit(parts[1].set_index("ds")["y"])
    expected, mine = detector.episodes_, result.episodes[result.episodes["unique_id"] == "b"].reset_index(drop=True)
    assert len(mine) >= 1
    for column in ("start", "end", "peak", "n_rows", "p_value", "cause", "expected", "lower", "upper", "found"):
        assert mine[column].tolist() == expected[column].tolist(), column
    assert result.summary["n_episodes"].sum() == len(result.episodes)
    assert result.changes is None


def test_a_series_that_fails_may_end_the_job() -> None:
    for n_jobs in (1, 2):
        with pytest.raises(InvalidSeriesError, match=r"series s2: InvalidSeriesError: .*finite"):
            clean_many(long_frame(), CLEANER, on_error="raise", n_jobs=n_jobs)


def test_progress_is_called_to_the_end() -> None:
    seen: list[tuple[int, int]] = []
    clean_many(long_frame(), CLEANER, progress=lambda done, of: seen.append((done, of)))
    assert seen == [(k, 6) for k in range(1, 7)]


@pytest.mark.parametrize("kind", ["pandas", "polars"])
def test_ids_of_several_columns(kind: str) -> None:
    frame = long_frame(4)
    frame["place"] = frame["unique_id"].map({"s0": "x", "s1": "x", "s2": "y", "s3": "y"})
    two: Any = frame if kind == "pandas" else pl.from_pandas(frame)
    result = clean_many(two, CLEANER, id_column=["place", "site"])
    summary = result.summary if kind == "pandas" else result.summary.to_pandas()
    expected = clean_many(frame, CLEANER)
    np.testing.assert_array_equal(result.frame["y"].to_numpy(), expected.frame["y"])
    assert list(summary.columns[:3]) == ["place", "site", "n_timepoints"]
    assert len(summary) == 4
    assert summary["n_changed"].tolist() == expected.summary["n_changed"].tolist()
    assert list(result.changes.columns[:3]) == ["place", "site", "ds"]
    assert list(result.frame.columns) == [*frame.columns, "changed"]
    with pytest.raises(InvalidParameterError, match="at least one column"):
        clean_many(frame, CLEANER, id_column=[])


def test_no_rows() -> None:
    result = clean_many(long_frame().iloc[:0], CLEANER)
    assert len(result.frame) == len(result.summary) == len(result.changes) == 0
    assert "changes" in result.summary
