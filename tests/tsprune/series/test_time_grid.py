"""The grid under a series: units of the calendar, jitter, the clock on the wall."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tsprune.exceptions import TimeIndexError
from tsprune.series.lattice import find_lattice
from tsprune.series.time_grid import TimeGrid, on_grid
from tsprune.series.validation import read_series

FREQUENCIES = ["MS", "ME", "BMS", "BME", "QS", "QE-NOV", "YS", "YE-MAR", "2MS", "WOM-3FRI", "B", "W-WED", "D", "h",
               "15min", "s", "ms", "us", "ns"]  # fmt: skip


def series(index: pd.Index) -> object:
    return read_series(pd.Series(np.zeros(len(index)), index=index))


@pytest.mark.parametrize("freq", FREQUENCIES)
def test_every_frequency_counts_its_own_steps(freq: str) -> None:
    index = pd.date_range("2001-02-07", periods=90, freq=freq)
    keep = np.delete(np.arange(90), [20, 21, 22, 57])
    grid = TimeGrid.of(series(index[:60]))
    np.testing.assert_array_equal(grid.positions(series(index)), np.arange(90))
    np.testing.assert_array_equal(TimeGrid.of(series(index[keep])).positions(series(index[keep])), keep)
    if not freq.startswith(("B", "WOM")) or freq == "B":
        assert grid.times(np.arange(90)).equals(index.as_unit("ns")) or (grid.times(np.arange(90)) == index).all()


def test_units_have_names() -> None:
    assert TimeGrid.of(series(pd.date_range("2020", periods=9, freq="QS"))).describe_step() == "3 months"
    assert TimeGrid.of(series(pd.bdate_range("2020", periods=30))).describe_step() == "1 business day"
    assert TimeGrid.of(series(pd.bdate_range("2020", periods=30)), 7).describe_step() == "1 days 00:00:00"
    assert TimeGrid.of(series(pd.Index([5, 7, 9]))).describe_step() == "2"
    week = pd.date_range("2024-01-07", periods=60, freq=pd.offsets.CustomBusinessDay(weekmask="Sun Mon Tue Wed Thu"))
    assert TimeGrid.of(series(week)).week == "1111001"
    assert TimeGrid.of(series(pd.DatetimeIndex(list(week)))).week == "1111001"
    grid = TimeGrid.of(series(pd.bdate_range("2020", periods=30)))
    with pytest.raises(TimeIndexError, match="business day"):
        grid.positions(series(pd.date_range("2020-03-01", periods=9)))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([1, 7, 60, 300, 900, 3600]), st.floats(0.0, 0.32), st.integers(30, 3000))
def test_jitter_below_a_third_of_a_step_is_placed(seed: int, step: int, share: float, n: int) -> None:
    rng = np.random.default_rng(seed)
    where = np.flatnonzero(rng.random(n) > 0.1)
    offset = np.rint(rng.uniform(-share, share, where.size) * step * 1e9)
    ticks = (1_700_000_000 + where * step) * 10**9 + offset.astype(np.int64)
    start, found = find_lattice(ticks, has_clock=True)
    placed = np.floor((ticks - start) / found + 0.5).astype(np.int64)
    np.testing.assert_array_equal(placed - placed[0], where - where[0])


def test_clocks_on_the_wall_skip_and_repeat_hours() -> None:
    index = pd.date_range("2024-03-30", periods=24 * 220, freq="h", tz="Europe/Berlin")
    grid = TimeGrid.of(series(index))
    positions = grid.positions(series(index))
    hour = (index.tz_localize(None) - index[0].tz_localize(None)) // pd.Timedelta(hours=1)
    np.testing.assert_array_equal(positions, hour)
    assert (np.diff(positions) == 2).sum() == 1
    assert (np.diff(positions) == 0).sum() == 1
    values = np.arange(len(index), dtype=float)[:, None]
    repeated = int(np.flatnonzero(np.diff(positions) == 0)[0])
    assert on_grid(values, positions, positions.max() + 1)[positions[repeated], 0] == repeated  # the first counts
    assert TimeGrid.of(series(index), 5).clock == "elapsed"
    days = pd.date_range("2024-03-01", periods=300, tz="America/New_York")
    np.testing.assert_array_equal(TimeGrid.of(series(days)).positions(series(days)), np.arange(300))
    six = pd.date_range("2024-03-01", periods=900, freq="6h", tz="UTC").tz_convert("Europe/Berlin")
    np.testing.assert_array_equal(TimeGrid.of(series(six)).positions(series(six)), np.arange(900))


def test_four_weeks_are_no_month() -> None:
    index = pd.date_range("2020-01-01", periods=13, freq="28D")
    assert TimeGrid.of(series(index)).months == 0
    assert TimeGrid.of(series(pd.date_range("2023-07-01", periods=3, freq="MS"))).months == 1
