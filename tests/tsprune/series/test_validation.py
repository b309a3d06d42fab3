"""The one door for series: what goes through, what comes back in the same container, what is refused and how."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

from tsprune.exceptions import InvalidSeriesError, PruningError, TimeIndexError
from tsprune.series.time_grid import TimeGrid
from tsprune.series.times import read_time
from tsprune.series.validation import read_series

STAMPS = pd.date_range("2024-01-01", periods=4, freq="h")
VALUES = [1.0, 2.0, np.nan, 4.0]
CONTAINERS: dict[str, Any] = {
    "array": np.array(VALUES),
    "array 2d": np.array(VALUES)[:, None] * [1.0, 2.0],
    "integer array": np.arange(4),
    "pandas series": pd.Series(VALUES, index=STAMPS, name="load"),
    "pandas frame": pd.DataFrame({"a": VALUES, "b": [1, 2, 3, 4]}, index=STAMPS),
    "polars series": pl.Series("load", VALUES),
    "polars frame": pl.DataFrame({"a": VALUES, "b": [1, 2, 3, 4]}),
}


@pytest.mark.parametrize("kind", CONTAINERS)
def test_values_come_back_in_the_container_they_came_in(kind: str) -> None:
    given = CONTAINERS[kind]
    series = read_series(given)
    back = series.restore(series.values)
    assert type(back) is type(given)
    assert back.shape == given.shape
    np.testing.assert_array_equal(np.asarray(back, dtype=float), np.asarray(given, dtype=float))
    if isinstance(given, pd.Series | pd.DataFrame):
        pd.testing.assert_index_equal(back.index, given.index)
    if isinstance(given, pd.Series | pl.Series):
        assert back.name == given.name
    if isinstance(given, pd.DataFrame | pl.DataFrame):
        assert list(back.columns) == list(given.columns)
        assert series.has_named_columns


@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame])
def test_a_time_column_is_read_and_put_back(make: Any) -> None:
    frame = make({"when": STAMPS.to_pydatetime().tolist(), "v": [1.0, 2.0, 3.0, 4.0]})
    series = read_series(frame, time_column="when")
    assert series.names == ("v",)
    assert series.is_stamped
    back = series.restore(series.values[:, 0] * 2)
    assert list(back.columns) == ["when", "v"]
    assert list(back["when"]) == list(frame["when"])
    assert list(back["v"]) == [2.0, 4.0, 6.0, 8.0]


def test_new_columns_get_the_names_given() -> None:
    series = read_series(CONTAINERS["pandas series"])
    frame = series.restore(np.ones((4, 2)), names=["trend", "season"])
    assert list(frame.columns) == ["trend", "season"]
    assert frame.index.equals(STAMPS)
    polars = read_series(CONTAINERS["polars series"]).restore(np.ones((4, 2)), names=["trend", "season"])
    assert polars.columns == ["trend", "season"]


def test_missing_values_of_every_kind_become_nan() -> None:
    for given in ([1, None, 3], pd.Series([1, None, 3], dtype="Int64"), pl.Series([1, None, 3]), [1, pd.NA, 3]):
        np.testing.assert_array_equal(read_series(given).column(), [1.0, np.nan, 3.0])


def test_time_zones_are_one_time_line() -> None:
    summer_time = pd.date_range("2024-10-27 01:00", periods=4, freq="h", tz="Europe/Berlin")  # 02:00 comes twice
    series = read_series(pd.Series(1.0, index=summer_time))
    assert series.time is not None
    assert set(np.diff(series.time)) == {3600 * 10**9}


def test_integer_index_is_time_unless_it_counts_rows() -> None:
    assert read_series(pd.Series([1.0, 2.0])).time is None
    series = read_series(pd.Series([1.0, 2.0], index=[5, 7]))
    assert series.time is not None
    assert series.time.tolist() == [5, 7]
    assert not series.is_stamped
    assert series.time_index().tolist() == [5, 7]


def test_time_index_of_every_source() -> None:
    assert isinstance(read_series(np.arange(3.0)).time_index(), pd.RangeIndex)
    with_array = read_series(np.arange(4.0), time=STAMPS.to_numpy())
    assert with_array.time_index().equals(STAMPS)
    periods = pd.period_range("2024-01", periods=3, freq="M")
    assert read_series(pd.Series([1.0, 2, 3], index=periods)).is_stamped
    assert read_series(np.arange(3.0), time=[3, 4, 9]).time_index().tolist() == [3, 4, 9]
    assert read_series(np.arange(4.0), time=pl.Series(list(STAMPS))).is_stamped
    assert read_series(np.arange(4.0), time=pd.Series(STAMPS)).is_stamped
    assert read_series(np.arange(2.0), time=["2024-01-01", "2024-01-02"]).is_stamped


BAD: list[tuple[Any, dict[str, Any], str]] = [
    (np.array([]), {}, "at least 1 time points, got 0"),
    ([], {}, "at least 1 time points, got 0"),
    ("text", {}, "got str"),
    (None, {}, "got NoneType"),
    (pl.LazyFrame({"a": [1]}), {}, "collect"),
    ([[1.0], [2.0, 3.0]], {}, "rectangular"),
    (["a", "b"], {}, "got 'a' (str) at row 0"),
    (np.array([1j]), {}, "complex"),
    (np.zeros((2, 2, 2)), {}, "shape (2, 2, 2)"),
    (np.zeros((2, 0)), {}, "at least one column"),
    (STAMPS.to_numpy(), {}, "datetime64"),
    (pd.DataFrame({"t": STAMPS, "v": 1.0}), {}, "time_column"),
    (pd.DataFrame(index=[0, 1]), {}, "at least one column"),
    (pd.DataFrame([[1, 2]], columns=["a", "a"]), {}, "'a' twice"),
    (pd.DataFrame({"a": ["x", "y"]}), {}, "got 'x' (str) at row 0, column 'a'"),
    ([1.0, np.inf], {}, "got inf at row 1, column 'y'"),
    ([np.nan, np.nan], {}, "at least one finite value"),
    ([1.0, np.nan], {"allow_missing": False}, "got NaN at row 1"),
    ([1.0, 2.0], {"min_timepoints": 5}, "at least 5 time points, got 2"),
    ([1.0, 2.0], {"time_column": "t"}, "needs a DataFrame"),
    (pd.DataFrame({"a": [1.0]}), {"time_column": "t"}, "must be a column of y, got 't'"),
    (pd.DataFrame({"a": [1.0]}), {"time_column": "a", "time": [1]}, "not both"),
    ([1.0, 2.0], {"time": [1]}, "one entry per row (2), got 1"),
    ([1.0, 2.0], {"time": [2, 1]}, "earlier than row 0"),
    ([1.0, 2.0], {"time": [1, 1]}, "a duplicate of row 0"),
    ([1.0, 2.0], {"time": [0.5, 1.5]}, "timestamps or integers"),
    ([1.0, 2.0], {"time": ["2024-01-01T00:00+01:00", "2024-01-01T05:00+03:00"]}, "one time zone"),
    ([1.0, 2.0], {"time": ["yesterday-ish", "x"]}, "must hold times in one notation, got 'yesterday-ish' at row 0"),
    ([1.0, 2.0], {"time": pd.DatetimeIndex(["2024-01-01", None])}, "missing timestamp at row 1"),
    ([1.0, 2.0], {"time": 5}, "must hold timestamps or integers"),
]


@pytest.mark.parametrize(("given", "options", "text"), BAD)
def test_bad_series_are_refused_with_the_rule_and_the_place(given: Any, options: dict[str, Any], text: str) -> None:
    with pytest.raises(PruningError, match=re.escape(text)):
        read_series(given, **options)


def test_one_column_where_one_is_needed() -> None:
    with pytest.raises(InvalidSeriesError, match="got 2 columns"):
        read_series(np.zeros((3, 2))).column()


def test_the_grid_finds_gaps() -> None:
    stamps = STAMPS.delete(2)
    series = read_series(pd.Series([1.0, 2.0, 4.0], index=stamps))
    grid = TimeGrid.of(series)
    assert grid.positions(series).tolist() == [0, 1, 3]
    assert grid.describe_step() == "0 days 01:00:00"
    later = read_series(pd.Series([1.0], index=[STAMPS[0] + pd.Timedelta(hours=10)]))
    assert grid.positions(later).tolist() == [10]
    plain = read_series([1.0, 2.0])
    assert TimeGrid.of(plain).positions(plain).tolist() == [0, 1]
    assert TimeGrid.of(plain).describe_step() == "1"


def test_the_grid_refuses_two_rows_in_one_place_and_other_kinds_of_time() -> None:
    series = read_series(pd.Series(range(4), index=STAMPS, dtype=float))
    grid = TimeGrid.of(series)
    close = read_series(pd.Series([1.0, 2.0], index=[STAMPS[0], STAMPS[0] + pd.Timedelta(minutes=3)]))
    with pytest.raises(TimeIndexError, match="one step of 0 days 01:00:00 apart"):
        grid.positions(close)
    with pytest.raises(TimeIndexError, match="kind that was fitted"):
        grid.positions(read_series([1.0, 2.0], time=[3, 4]))


def test_read_time_says_where() -> None:
    with pytest.raises(TimeIndexError, match="the stamps of x"):
        read_time([3, 2], 2, where="the stamps of x")


@pytest.mark.parametrize("freq", ["MS", "ME", "QS", "YE", "YS"])
@pytest.mark.parametrize("zone", [None, "Europe/Berlin", "America/New_York"])
def test_the_grid_counts_months_where_the_steps_are_months(freq: str, zone: str | None) -> None:
    stamps = pd.date_range("1950-01-01", periods=200, freq=freq, tz=zone)
    series = read_series(pd.Series(1.0, index=stamps))
    grid = TimeGrid.of(series)
    assert grid.months == {"MS": 1, "ME": 1, "QS": 3, "YE": 12, "YS": 12}[freq]
    assert grid.positions(series).tolist() == list(range(200))
    holed = read_series(pd.Series(1.0, index=stamps.delete([3, 4])))
    assert grid.positions(holed).tolist() == [0, 1, 2, *range(5, 200)]
    assert "month" in grid.describe_step()


def test_every_30_days_is_no_calendar() -> None:
    series = read_series(pd.Series(1.0, index=pd.date_range("2024-01-01", periods=60, freq="30D")))
    assert TimeGrid.of(series).months == 0
    assert TimeGrid.of(series).positions(series).tolist() == list(range(60))


def test_masked_values_are_missing() -> None:
    given = np.ma.masked_array([1, 2, 3], mask=[False, True, False])
    np.testing.assert_array_equal(read_series(given).values[:, 0], [1.0, np.nan, 3.0])
    np.testing.assert_array_equal(given, [1, 2, 3])
    with pytest.raises(InvalidSeriesError, match="numbers"):
        read_series(np.ma.masked_array(["a", "b"], mask=[False, True]))


def test_many_series_in_one_column_are_refused() -> None:
    long = pd.DataFrame({"unique_id": list("aabb"), "ds": [*STAMPS[:2], *STAMPS[:2]], "y": VALUES})
    for frame in (long, pl.from_pandas(long), long.set_index("ds")):
        with pytest.raises(InvalidSeriesError, match=r"long frame .* `clean_many` or `detect_many`"):
            read_series(frame, time=range(4))
    with pytest.raises(InvalidSeriesError, match=r"one level, the time, got \['unique_id', 'ds'\]"):
        read_series(long.set_index(["unique_id", "ds"]))
