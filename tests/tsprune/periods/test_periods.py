"""find_periods: finds what is there, says "none" where nothing is, in every container."""

import os

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.exceptions import InvalidParameterError
from tsprune import find_periods
from tsprune.exceptions import InvalidSeriesError, TimeIndexError
from tsprune.periods.periods import Period

MANY = int(os.environ.get("TSPRUNE_SLOW", "0") or 0)


def seasonal(period, n, noise, rng, kind="free"):
    """A repeated cycle of deviation 1 in noise, (n,)."""
    phase = np.arange(period) / period
    cycle = {
        "sine": np.sin(2 * np.pi * phase),
        "pulse": np.where(phase < 0.3, 1.0, -1.0),
        "ramp": phase,
        "free": rng.normal(0, 1, period),
    }[kind]
    cycle = (cycle - cycle.mean()) / cycle.std()
    return cycle[np.arange(n) % period] + rng.normal(0, noise, n)


def noise_alone(kind, n, rng):
    """A series without any period, (n,)."""
    steps = rng.normal(0, 1, n)
    if kind == "white":
        return steps
    if kind == "heavy":
        return rng.standard_t(3, n)
    if kind == "walk":
        return np.cumsum(steps)
    if kind == "walk_in_noise":
        return np.cumsum(0.2 * steps) + rng.normal(0, 1, n)
    y = steps.copy()
    for t in range(1, n):
        y[t] += 0.8 * y[t - 1]
    return y


@pytest.mark.parametrize("kind", ["sine", "pulse", "ramp", "free"])
@pytest.mark.parametrize("trouble", ["none", "trend", "walk", "outliers", "gaps"])
def test_the_period_is_found(kind, trouble):
    rng = np.random.default_rng([len(kind), len(trouble)])
    period, n = 40, 400
    y = seasonal(period, n, 0.5, rng, kind)
    if trouble == "trend":
        y += np.linspace(0, 30, n)
    elif trouble == "walk":
        y += np.cumsum(rng.normal(0, 0.15, n))
    elif trouble == "outliers":
        y[rng.random(n) < 0.02] += 8.0
    elif trouble == "gaps":
        y[rng.random(n) < 0.1] = np.nan
        y[120:150] = np.nan
    found = find_periods(y)
    assert abs(found[0].period - period) <= 1
    assert found[0].p_value < 0.01
    assert 0.0 < found[0].strength <= 1.0


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["white", "heavy", "ar1", "walk", "walk_in_noise"])
def test_noise_has_no_period(kind):
    n_series = 200 if MANY else 25
    claimed = sum(bool(find_periods(noise_alone(kind, 600, np.random.default_rng([7, k])))) for k in range(n_series))
    assert claimed <= 0.04 * n_series + 1


@pytest.mark.slow
def test_most_periods_of_the_stated_range_are_found():
    right = []
    for k in range(256 if MANY else 32):
        rng = np.random.default_rng([11, k])
        period = int(np.exp(rng.uniform(np.log(5), np.log(200))))
        n = max(int(period * rng.uniform(5, 12)), 200)
        y = seasonal(period, n, (0.3, 1.0)[k % 2], rng, ("sine", "pulse", "ramp", "free")[k // 2 % 4])
        y += np.cumsum(rng.normal(0, 0.15, n)) * (k // 8 % 2)
        found = find_periods(y)
        right.append(bool(found) and abs(found[0].period - period) <= max(1, 0.02 * period))
    assert np.mean(right) >= 0.9


def test_a_day_and_a_week_are_found_in_this_order():
    rng = np.random.default_rng(1)
    t = np.arange(24 * 7 * 8)
    y = np.sin(2 * np.pi * t / 24) + 0.8 * (t // 24 % 7 >= 5) + rng.normal(0, 0.4, t.size)
    found = find_periods(y)
    assert found.lengths == (24, 168)
    assert find_periods(y, max_periods=1).lengths == (24,)


def test_a_seldom_larger_cycle_goes_first_where_it_carries_the_power():
    rng = np.random.default_rng(2)
    assert find_periods(seasonal(60, 900, 0.3, rng, "ramp"))[0].period == 60


def test_known_series():
    from statsmodels.datasets import co2, sunspots

    monthly = co2.load_pandas().data["co2"].resample("MS").mean()
    assert find_periods(monthly)[0].period == 12
    assert find_periods(sunspots.load_pandas().data["SUNACTIVITY"].to_numpy())[0].period in (10, 11)


def test_result_answers_like_a_tuple_of_integers():
    found = find_periods(seasonal(12, 200, 0.3, np.random.default_rng(3)))
    first = found[0]
    assert isinstance(found, tuple)
    assert int(first) == first.period == list(range(100))[first] == found.lengths[0] == 12
    assert Period(12, 0.0, 1.0) == Period(12, 0.0, 1.0)


def test_containers_and_left_out_times():
    rng = np.random.default_rng(4)
    y = seasonal(24, 480, 0.4, rng)
    stamps = pd.date_range("2024-01-01", periods=y.size, freq="h")
    kept = np.flatnonzero(rng.random(y.size) > 0.15)
    expected = np.full(y.size, np.nan)
    expected[kept] = y[kept]
    same = find_periods(expected)
    assert same[0].period == 24
    frame = pl.DataFrame({"ds": stamps[kept], "y": y[kept]})
    assert find_periods(pd.Series(y[kept], index=stamps[kept])) == same
    assert find_periods(y[kept], time=stamps[kept]) == same
    assert find_periods(frame, time_column="ds") == same


@pytest.mark.parametrize(
    "y",
    [
        np.ones(100),
        np.arange(100.0),
        np.arange(5.0),
        [1.0, np.nan, 2.0],
        np.r_[np.full(50, np.nan), 1.0, 2.0, np.full(50, np.nan)],
        np.r_[np.zeros(50), np.ones(50)],
        np.r_[np.zeros(60), 1.0, np.zeros(60)],
    ],
)
def test_series_without_evidence_have_none(y):
    assert find_periods(y) == ()


def test_a_noise_free_cycle_is_found():
    assert find_periods(np.tile([0.0, 1.0, 0.0, 3.0, 2.0], 20))[0].period == 5
    assert find_periods(np.tile([0.0, 1.0], 40))[0].period == 2
    assert find_periods(np.sin(2 * np.pi * np.arange(300) / 20))[0].period == 20


def test_a_short_pulse_in_every_cycle_is_no_outlier():
    rng = np.random.default_rng(6)
    pulses = 5.0 * (np.arange(3000) % 60 == 0)
    assert find_periods(pulses + rng.normal(0, 0.5, 3000)).lengths == (60,)
    assert find_periods(pulses)[0].period == 60


def test_long_periods_are_told_to_the_sample():
    t = np.arange(60_000)
    y = np.sin(2 * np.pi * t / 1440) + np.cos(4 * np.pi * t / 1440) + np.random.default_rng(7).normal(0, 0.5, t.size)
    assert find_periods(y).lengths == (1440,)


def test_candidates_keep_their_bounds():
    y = seasonal(30, 600, 0.3, np.random.default_rng(5), "sine")
    assert find_periods(y)[0].period == 30
    assert all(p.period <= 20 for p in find_periods(y, max_period=20))
    assert all(p.period >= 35 for p in find_periods(y, min_period=35))
    assert find_periods(y, min_cycles=25) == ()


@given(st.integers(0, 100), st.sampled_from([0.001, 1.0, 1000.0]), st.floats(-1000, 1000))
@settings(deadline=None, max_examples=15)
def test_units_do_not_matter(seed, scale, level):
    y = seasonal(17, 250, 0.6, np.random.default_rng(seed))
    assert find_periods(scale * y + level).lengths == find_periods(y).lengths


@given(st.lists(st.floats(-1e6, 1e6) | st.just(float("nan")), min_size=1, max_size=60))
@settings(deadline=None, max_examples=60)
def test_any_short_series_has_an_answer(values):
    y = np.array(values)
    if np.isfinite(y).any():
        assert all(2 <= p.period <= len(y) // 3 and 0.0 <= p.p_value <= 0.01 for p in find_periods(y))


@pytest.mark.parametrize(
    "parameters",
    [{"alpha": 0.0}, {"alpha": 1.0}, {"max_periods": 0}, {"min_period": 1}, {"max_period": 1}, {"min_cycles": 1}],
)
def test_parameters_are_checked(parameters):
    with pytest.raises(InvalidParameterError, match=next(iter(parameters))):
        find_periods(np.zeros(50), **parameters)


def test_one_series_at_a_time():
    with pytest.raises(InvalidSeriesError, match="one series"):
        find_periods(np.zeros((50, 2)))
    with pytest.raises(InvalidSeriesError, match="finite"):
        find_periods([1.0, np.inf] * 20)


def test_times_without_a_grid_are_refused():
    with pytest.raises(TimeIndexError, match="resample"):
        find_periods(np.zeros(20), time=np.r_[0:10, 10_000 * 2 ** np.arange(10)])
    assert find_periods([1.0], time=[5]) == ()


def test_a_fraction_that_cannot_be_told_from_a_whole_period_is_the_whole_one():
    rng = np.random.default_rng(8)
    t = np.arange(400)
    assert find_periods(np.sin(2 * np.pi * t / 24.2) + rng.normal(0, 0.4, t.size)).lengths == (24,)
    longer = np.arange(9000)
    assert find_periods(np.sin(2 * np.pi * longer / 7.5) + rng.normal(0, 0.4, longer.size)).lengths == (15,)


@pytest.mark.parametrize("scale", [1e-300, 1e155, 1e300, 1.7e308])
def test_sizes_whose_squares_are_no_numbers_change_nothing(scale):
    t = np.arange(240)
    y = np.sin(2 * np.pi * t / 12) + np.random.default_rng(0).normal(0, 0.1, t.size)
    y /= np.abs(y).max()
    found, expected = find_periods(scale * y), find_periods(y)
    assert found.lengths == expected.lengths == (12,)
    assert found[0].strength == pytest.approx(expected[0].strength)


@pytest.mark.parametrize(("n", "period", "noise"), [(782, 365.25 / 7, 8.0), (1095, 365.0, 4.0), (2200, 365.25, 6.0)])
def test_years_are_found_once_and_not_twice(n, period, noise):
    t = np.arange(n)
    for seed in range(6):
        y = 10 * np.sin(2 * np.pi * t / period + seed) + np.random.default_rng(seed).normal(0, noise, n)
        found = find_periods(y)
        assert len(found) == 1
        assert abs(found[0].period - period) <= 2


@pytest.mark.parametrize(("freq", "n", "season"), [("D", 1095, 365), ("W", 782, 52), ("min", 4 * 1440, 1440),
                                                   ("20s", 13_500, 4320), ("MS", 120, 12)])  # fmt: skip
def test_the_calendar_wins_over_its_neighbours(freq, n, season):
    index = pd.date_range("2020-01-01", periods=n, freq=freq)
    exact = {"D": 365.2425, "W": 365.2425 / 7}.get(freq, season)
    for seed in range(3):
        y = 10 * np.sin(2 * np.pi * np.arange(n) / exact + seed) + np.random.default_rng(seed).normal(0, 6, n)
        assert find_periods(pd.Series(y, index)).lengths == (season,)


@pytest.mark.parametrize(("days", "peaks"), [(15, 2), (21, 2), (35, 2), (21, 1), (35, 1)])
def test_day_and_week_are_found_with_two_peaks_a_day(days, peaks):
    index = pd.date_range("2024-02-05", periods=24 * days, freq="h")
    hour, work = index.hour.to_numpy(), index.day_of_week < 5
    morning = 20 * np.exp(-(((hour - np.where(work, 8, 10)) / 1.5) ** 2)) if peaks == 2 else 20.0 * work
    y = 30 + morning + 25 * np.exp(-(((hour - 19) / 2) ** 2))
    found = find_periods(pd.Series(y + np.random.default_rng(0).normal(0, 1, y.size), index))
    assert found.lengths[:2] == (24, 168)
