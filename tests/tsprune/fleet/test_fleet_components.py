"""decompose_many and prune_many."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

from tsprune import NoisePruner, decompose, decompose_many, prune_many
from tsprune.exceptions import InvalidParameterError, InvalidSeriesError


def long_frame() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    t = np.arange(144)
    parts = []
    for k, name in enumerate(("b", "a", "lost")):
        y = 0.2 * k * t + 3 * np.sin(2 * np.pi * t / 12) + rng.normal(0, 0.1, t.size)
        stamps = pd.date_range("2024-01-01", periods=t.size, freq="h")
        parts.append(pd.DataFrame({"unique_id": name, "ds": stamps, "y": np.nan if name == "lost" else y, "site": k}))
    return pd.concat(parts, ignore_index=True).sample(frac=1.0, random_state=1)


@pytest.mark.parametrize("kind", ["pandas", "polars"])
def test_components_are_those_of_each_series_and_add_up(kind: str) -> None:
    frame = long_frame()
    result = decompose_many(frame if kind == "pandas" else pl.from_pandas(frame), period=12)
    out = result.frame if kind == "pandas" else result.frame.to_pandas().set_axis(frame.index)
    np.testing.assert_allclose(out["trend"] + out["seasonal"] + out["remainder"], out["y"], atol=1e-12)
    mine = out[out["unique_id"] == "a"].set_index("ds").sort_index()
    alone = decompose(mine["y"], 12)
    np.testing.assert_array_equal(mine["trend"], alone.trend)
    np.testing.assert_array_equal(mine["seasonal"], alone.seasonal[:, 0])
    summary = (result.summary if kind == "pandas" else result.summary.to_pandas()).set_index("unique_id")
    assert summary.loc["a", "periods"] == "12"
    assert summary.loc["a", "seasonal_strength"] == alone.strength()["seasonal_12"]
    assert isinstance(summary.loc["lost", "error"], str)
    assert out.loc[out["unique_id"] == "lost", "trend"].isna().all()


def test_components_with_processes_and_a_checkpoint(tmp_path: Any) -> None:
    frame = long_frame()
    expected = decompose_many(frame)
    for options in ({"n_jobs": 2}, {"checkpoint": tmp_path}, {"checkpoint": tmp_path}):
        result = decompose_many(frame, **options)
        pd.testing.assert_frame_equal(result.frame, expected.frame, check_exact=True)


@pytest.mark.parametrize("kind", ["pandas", "polars"])
@pytest.mark.parametrize("n_jobs", [1, 2])
def test_pruned_rows_and_forecasts_come_back(kind: str, n_jobs: int) -> None:
    frame = long_frame()
    given: Any = frame if kind == "pandas" else pl.from_pandas(frame)
    result = prune_many(given, period=12, n_jobs=n_jobs)
    assert sorted(result.pruners or ()) == ["a", "b"]
    kept = frame["unique_id"].to_numpy() != "lost"
    pruned = result.frame if kind == "pandas" else result.frame.to_pandas().set_axis(frame.index)
    assert pruned.loc[frame["unique_id"] == "a", "y"].std() < 0.5
    rows: Any = pruned[kept] if kind == "pandas" else pl.from_pandas(pruned[kept])
    back = result.inverse_transform(rows.drop(columns="site") if kind == "pandas" else rows.drop("site"))
    assert type(back) is type(given)
    np.testing.assert_allclose(back["y"].to_numpy(), frame.loc[kept, "y"], atol=1e-9)

    ahead = pd.date_range("2024-01-07", periods=12, freq="h")
    forecast = pd.DataFrame({"unique_id": "a", "ds": ahead, "model": 0.0, "low": -1.0})
    got = result.inverse_transform(forecast if kind == "pandas" else pl.from_pandas(forecast))
    truth = 0.2 * np.arange(144, 156) + 3 * np.sin(2 * np.pi * np.arange(144, 156) / 12)
    assert np.abs(got["model"].to_numpy() - truth).max() < 1.5
    np.testing.assert_allclose(got["model"].to_numpy() - got["low"].to_numpy(), 1.0)


def test_another_pruner() -> None:
    result = prune_many(long_frame(), NoisePruner())
    assert set(result.pruners or ()) == {"a", "b"}
    assert all(isinstance(pruner, NoisePruner) for pruner in (result.pruners or {}).values())
    assert result.summary["removed"].notna().all()


def test_what_cannot_be_put_back() -> None:
    result = prune_many(long_frame(), period=12)
    row = pd.DataFrame({"unique_id": ["lost"], "ds": pd.to_datetime(["2024-01-07"]), "y": [0.0]})
    with pytest.raises(InvalidSeriesError, match="series 'lost' must be one that was pruned"):
        result.inverse_transform(row)
    with pytest.raises(InvalidSeriesError, match="column 'ds'"):
        result.inverse_transform(row.drop(columns="ds"))
    with pytest.raises(InvalidSeriesError, match="column of numbers"):
        result.inverse_transform(row.drop(columns="y"))
    with pytest.raises(InvalidParameterError, match="pruner"):
        prune_many(long_frame(), NoisePruner)
