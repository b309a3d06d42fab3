"""Flawless series of everyday kinds: what belongs to the series stays as it is, at several frequencies."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tsprune import SeriesCleaner

FREQUENCIES = [("h", 24), ("30min", 48), ("15min", 96)]


def clock(freq: str, per_day: int, days: int) -> tuple[pd.DatetimeIndex, np.ndarray]:
    index = pd.date_range("2024-02-05", periods=per_day * days, freq=freq)
    return index, (index.hour + index.minute / 60).to_numpy(float)


def changed(y: pd.Series, period: object = "auto") -> float:
    return len(SeriesCleaner(period).fit(y).changes_) / len(y)


@pytest.mark.parametrize(("freq", "per_day"), FREQUENCIES)
@pytest.mark.parametrize("kind", ["solar", "shop", "lamp", "cap", "counter"])
def test_what_is_flat_by_nature_is_no_fault(kind: str, freq: str, per_day: int) -> None:
    index, hour = clock(freq, per_day, 40)
    rng, n = np.random.default_rng(1), len(index)
    open_ = (hour >= 8) & (hour < 20)
    sun = np.clip(np.sin(np.pi * (hour - 6) / 12), 0, None) * np.clip(rng.beta(5, 2, 40), 0.1, 1).repeat(per_day)
    y = {
        "solar": 1000 * sun * (sun > 1e-9) * (1 + 0.05 * rng.normal(size=n)),
        "shop": np.where(open_, rng.poisson(40, n), 0.0),
        "lamp": np.where((hour >= 18) & (hour < 23), 60 + rng.normal(0, 1, n), 0.0),
        "cap": np.minimum(100, 70 + 50 * np.sin(2 * np.pi * (hour - 9) / 24) + rng.normal(0, 5, n)),
        "counter": np.cumsum(np.where(open_, rng.poisson(4, n), 0.0)),
    }[kind]
    for period in ("auto", per_day):
        assert changed(pd.Series(y, index), period) <= 0.003


@pytest.mark.parametrize(("freq", "per_day"), FREQUENCIES)
def test_a_stuck_sensor_is_found_beside_flat_nights(freq: str, per_day: int) -> None:
    index, hour = clock(freq, per_day, 40)
    rng = np.random.default_rng(2)
    y = np.where((hour > 6) & (hour < 18), 500 * np.sin(np.pi * (hour - 6) / 12) + rng.normal(0, 20, len(index)), 0.0)
    noon = 20 * per_day + per_day // 2
    y[noon - per_day // 8 : noon + per_day // 8] = y[noon]
    cleaner = SeriesCleaner(per_day).fit(pd.Series(y, index))
    assert cleaner.mask_[noon - per_day // 8 : noon + per_day // 8].all()
    assert cleaner.mask_.sum() <= per_day // 4 + 3


@pytest.mark.parametrize("per_day", [24, 96])
@pytest.mark.parametrize("kind", ["phase", "level", "counts", "floor"])
def test_noise_that_differs_by_phase_and_level_is_no_fault(kind: str, per_day: int) -> None:
    shares = []
    for seed in range(4):
        rng = np.random.default_rng((seed, per_day))
        n = 28 * per_day
        hour = np.arange(n) / per_day * 24
        level = 120 * (np.clip(np.sin(2 * np.pi * (hour - 8) / 24), -0.6, None) + 0.7) + 8
        y = {
            "phase": 10 * np.sin(2 * np.pi * hour / 24)
            + np.exp(1.5 * np.sin(2 * np.pi * hour / 24)) * rng.normal(size=n),
            "level": level * np.exp(rng.normal(0, 0.1, n)),
            "counts": rng.poisson(level).astype(float),
            "floor": np.maximum(5.0, 80 * np.sin(2 * np.pi * (hour - 6) / 24) * np.exp(rng.normal(0, 0.1, n))),
        }[kind]
        shares.append(changed(pd.Series(y), per_day))
    assert np.mean(shares) <= 0.002
    assert max(shares) <= 0.006


@pytest.mark.parametrize("days", [14, 17, 21, 35])
@pytest.mark.parametrize(("freq", "per_day"), FREQUENCIES[:2])
@pytest.mark.parametrize("kind", ["office", "web", "household"])
def test_weekends_are_no_level_shifts(kind: str, freq: str, per_day: int, days: int) -> None:
    index, hour = clock(freq, per_day, days)
    works = np.asarray(index.day_of_week < 5)
    mean = {
        "office": np.where(works & (hour >= 8) & (hour < 18), 50.0, 5.0),
        "web": (60 + 40 * np.sin(2 * np.pi * (hour - 9) / 24)) * np.where(works, 1, 0.5),
        "household": 30
        + 20 * np.exp(-(((hour - np.where(works, 8, 10)) / 1.5) ** 2))
        + 25 * np.exp(-(((hour - 19) / 2) ** 2)),
    }[kind]
    y = pd.Series(mean + np.random.default_rng(0).normal(0, 1, len(index)), index)
    cleaner = SeriesCleaner(per_day).fit(y)
    assert 7 * per_day in cleaner.periods_[0]
    assert len(cleaner.changes_) <= 0.012 * len(y)
    assert "level shift" not in set(cleaner.changes_["reason"])


@pytest.mark.parametrize("kind", ["first of the month", "last working day", "christmas", "black friday"])
def test_what_the_calendar_repeats_is_the_series_own(kind: str) -> None:
    days = pd.date_range("2019-01-01", periods=1461)
    rng = np.random.default_rng(3)
    works = np.asarray(days.day_of_week < 5)
    last = pd.Series(days, days)[works].groupby(days[works].to_period("M")).max().to_numpy()
    event = {
        "first of the month": days.day == 1,
        "last working day": np.isin(days.to_numpy(), last),
        "christmas": (days.month == 12) & np.isin(days.day, [24, 25, 26]),
        "black friday": (days.month == 11) & (days.day_of_week == 4) & (days.day >= 23) & (days.day <= 29),
    }[kind]
    y = np.where(works, 100.0, 60.0) + 80 * event + rng.normal(0, 3, len(days))
    fault = 777
    y[fault] += 90.0
    cleaner = SeriesCleaner(7).fit(pd.Series(y, days))
    assert cleaner.mask_[np.asarray(event)].sum() <= 1
    assert cleaner.mask_[fault]
    assert cleaner.mask_.sum() <= 4


def test_weekly_christmas_stays() -> None:
    weeks = pd.date_range("2012-01-01", periods=418, freq="W")
    event = np.asarray((weeks.month == 12) & (weeks.day >= 15))
    y = 100 + 60.0 * event + np.random.default_rng(0).normal(0, 2, 418)
    assert not SeriesCleaner(52).fit(pd.Series(y, weeks)).mask_[event].any()


@pytest.mark.parametrize("per_day", [24, 48, 96])
@pytest.mark.parametrize("hidden", ["one hour", "every second row"])
def test_a_phase_that_was_never_seen_is_filled_from_its_neighbours(hidden: str, per_day: int) -> None:
    rng = np.random.default_rng(per_day)
    t = np.arange(30 * per_day)
    hour = t % per_day / per_day * 24
    mean = 20 + 10 * np.sin(2 * np.pi * hour / 24)
    y = mean + rng.normal(0, 0.5, t.size)
    missing = (hour >= 3) & (hour < 4) if hidden == "one hour" else t % 2 == 1
    x = np.where(missing, np.nan, y)
    line = np.interp(t, t[~missing], x[~missing])
    out = SeriesCleaner(per_day).fit_transform(x)
    assert np.abs(out - mean)[missing].mean() <= 1.15 * np.abs(line - mean)[missing].mean()


def test_two_large_spikes_close_to_each_other_do_not_flag_the_rows_between() -> None:
    rng = np.random.default_rng(6)
    y = 200 * (1 + 0.3 * np.sin(2 * np.pi * np.arange(600) / 7)) * np.exp(rng.normal(0, 0.05, 600))
    y[[281, 284]] *= 10
    assert np.flatnonzero(SeriesCleaner(7).fit(y).mask_).tolist() == [281, 284]


def schedule(kind: str, hour: np.ndarray, weekday: np.ndarray) -> np.ndarray:
    day = (hour >= 7) & (hour < 20)
    return {
        "tariff": np.where(day, 0.31, 0.22),
        "weekday tariff": np.where(day & (weekday < 5), 0.31, 0.22),
        "set point": np.where(day & (weekday < 5), 21.0, 16.0),
        "three shifts": np.select([(hour >= 6) & (hour < 14), (hour >= 14) & (hour < 22)], [100.0, 80.0], 40.0),
    }[kind]


@pytest.mark.parametrize(("freq", "per_day"), FREQUENCIES)
@pytest.mark.parametrize("days", [30, 70])
@pytest.mark.parametrize("kind", ["tariff", "weekday tariff", "set point", "three shifts"])
def test_schedules_without_noise_are_no_faults(kind: str, days: int, freq: str, per_day: int) -> None:
    index, hour = clock(freq, per_day, days)
    y = schedule(kind, hour, index.day_of_week.to_numpy())
    assert changed(pd.Series(y, index)) == 0.0


@pytest.mark.parametrize(("freq", "per_day"), FREQUENCIES)
def test_a_fault_in_a_schedule_without_noise_is_found(freq: str, per_day: int) -> None:
    index, hour = clock(freq, per_day, 40)
    y = schedule("weekday tariff", hour, index.day_of_week.to_numpy())
    row = 16 * per_day + per_day // 2
    y[row] = 0.9
    cleaner = SeriesCleaner().fit(pd.Series(y, index))
    assert np.flatnonzero(np.ravel(cleaner.mask_)).tolist() == [row]


@pytest.mark.parametrize(("freq", "per_day"), FREQUENCIES)
def test_a_coarse_sensor_may_step_by_its_resolution(freq: str, per_day: int) -> None:
    index, _ = clock(freq, per_day, 70)
    turn = 2 * np.pi * np.arange(len(index)) / per_day
    assert changed(pd.Series(np.round(10 + 5 * np.sin(turn) + np.sin(turn / 30)), index)) == 0.0
