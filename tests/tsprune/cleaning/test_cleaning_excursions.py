"""Erratic stretches and level excursions of long records, and records that have none."""

from __future__ import annotations

import numpy as np
import pytest

from tsprune import SeriesCleaner
from tsprune.cleaning.excursions import Excursion, find_erratic_stretches, find_level_excursions

PERIOD = 24
N = 100 * PERIOD


def record(seed: int = 0, phi: float = 0.9, scale: float = 0.1, n: int = N) -> np.ndarray:
    """A calm record: a daily season of amplitude 3 around 10, and an autoregression."""
    noise = np.random.default_rng(seed).normal(0.0, scale, n)
    for t in range(1, n):
        noise[t] += phi * noise[t - 1]
    return 10.0 + 3.0 * np.sin(2.0 * np.pi * np.arange(n) / PERIOD) + noise


def erratic(seed: int, length: int, scale: float = 4.0) -> np.ndarray:
    return np.random.default_rng(1000 + seed).normal(0.0, scale, length)


def stretches(y: np.ndarray, period: int = PERIOD) -> list[Excursion]:
    return find_erratic_stretches(y, np.zeros(y.size, bool), (period,))[0]


def said(y: np.ndarray) -> list[str]:
    return find_erratic_stretches(y, np.zeros(y.size, bool), (PERIOD,))[1]


def levels(y: np.ndarray, period: int = PERIOD) -> list[Excursion]:
    season = 3.0 * np.sin(2.0 * np.pi * np.arange(y.size) / PERIOD)
    return find_level_excursions(y, np.zeros(y.size, bool), season, period)


# ------------------------------------------------------------------------------------------------ erratic stretches


@pytest.mark.parametrize("seed", range(4))
def test_an_erratic_stretch_is_found_flagged_and_filled(seed: int) -> None:
    y = record(seed)
    sound = y.copy()
    y[1000:1120] += erratic(seed, 120)
    (found,) = stretches(y)
    assert abs(found.start - 1000) <= PERIOD // 2
    assert abs(found.stop - 1120) <= PERIOD // 2
    assert found.statistic > found.threshold >= 5.0

    cleaner = SeriesCleaner(PERIOD)
    out = cleaner.fit_transform(y)
    assert cleaner.mask_[1006:1114].all()
    assert cleaner.mask_[:994].mean() < 0.01
    assert cleaner.mask_[1126:].mean() < 0.01
    error = np.abs(out - sound)[1006:1114].mean()
    assert error < 0.2 * np.abs(y - sound)[1006:1114].mean()
    rows = cleaner.changes_[cleaner.changes_["reason"] == "erratic stretch"]
    assert len(rows) > 60  # a point that is also a spike is listed as a spike
    near = rows["std"][(rows["time"] > 1050) & (rows["time"] < 1070)].mean()
    assert near > 1.5 * rows["std"].iloc[0]
    assert "erratic stretch" in {one.kind for one in cleaner.report_.records}


def test_the_error_of_the_fill_is_what_its_standard_error_says() -> None:
    misses = []
    for seed in range(8):
        y = record(seed)
        sound = y.copy()
        y[1000:1100] += erratic(seed, 100)
        cleaner = SeriesCleaner(PERIOD)
        out = cleaner.fit_transform(y)
        rows = cleaner.changes_[cleaner.changes_["reason"] == "erratic stretch"]
        rows = rows[rows["std"] > 0]
        at = rows["time"].to_numpy(int)
        misses.append(((out - sound)[at] / rows["std"].to_numpy()) ** 2)
    assert 0.4 < np.concatenate(misses).mean() ** 0.5 < 2.0


def test_several_stretches_are_found_in_order() -> None:
    y = record(5)
    for start in (400, 1000, 1700):
        y[start : start + 80] += erratic(start, 80)
    found = stretches(y)
    assert [round(one.start / 100) for one in found] == [4, 10, 17]


@pytest.mark.parametrize("change", [lambda y: 7.0 * y, lambda y: -y, lambda y: y + 500.0])
def test_units_do_not_matter(change: object) -> None:
    y = record(6) - 10.0  # not positive: no logarithm in question
    y[1000:1120] += erratic(6, 120)
    changed = stretches(change(y))  # type: ignore[operator]  # parametrize hands over a function, typed object
    assert [(one.start, one.stop) for one in changed] == [(one.start, one.stop) for one in stretches(y)]


def calm_records() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(7)
    t = np.arange(N)
    season = np.sin(2.0 * np.pi * t / PERIOD)
    log_volatility = np.zeros(N // PERIOD)
    for day in range(1, log_volatility.size):
        log_volatility[day] = 0.7 * log_volatility[day - 1] + rng.normal(0.0, 0.25)
    volatile = np.exp(np.repeat(log_volatility, PERIOD))
    step = record(8)
    step[1200:] += 25.0
    spikes = record(9)
    spikes[rng.choice(N, 40, replace=False)] += 30.0
    pair = record(10)
    pair[1000:1002] += 60.0
    floor = np.maximum(0.0, 4.0 * np.sin(2.0 * np.pi * t / N) + 1.5 * season + record(11) - 10.0)
    return {
        "white noise": rng.normal(size=N),
        "random walk": np.cumsum(rng.normal(size=N)),
        "heavy tails": 10.0 + 3.0 * season + rng.standard_t(3, N),
        "amplitude that changes": 10.0 + (3.0 + 2.0 * np.sin(2.0 * np.pi * t / N)) * season + rng.normal(0.0, 0.2, N),
        "volatility that changes": 10.0 + 2.0 * season + volatile * rng.normal(0.0, 0.3, N),
        "counts": rng.poisson(np.exp(2.0 + season)).astype(float),
        "proportional": np.exp(1.0 + 0.5 * season + 2.0 * np.sin(6.0 * np.pi * t / N) + rng.normal(0.0, 0.1, N)),
        "a step": step,
        "spikes": spikes,
        "two rows": pair,
        "at rest on a bound": floor,
        "one value": np.full(N, 3.0),
        "a ramp": 0.1 * t,
    }


@pytest.mark.parametrize("name", list(calm_records()))
def test_calm_records_have_no_excursions(name: str) -> None:
    y = calm_records()[name]
    assert stretches(y) == []
    assert find_level_excursions(y, np.zeros(N, bool), np.zeros(N), PERIOD) == []


def test_the_rhythm_of_the_week_is_no_fault() -> None:
    rng = np.random.default_rng(28)
    t, day = np.arange(70 * 96), 96
    weekend = (t // day) % 7 >= 5
    y = np.where(weekend, 0.1, 1.0) * rng.normal(size=t.size) + np.sin(2.0 * np.pi * t / day)
    assert (
        stretches(-y, day) == []
    )  # weekends are a third of the record: calm is never less than half of what is typical
    y = np.where(weekend, 1.0, 0.1) * rng.normal(size=t.size) + np.sin(2.0 * np.pi * t / day)
    assert len(stretches(y, day)) > 6  # the day alone does not know
    assert find_erratic_stretches(y, np.zeros(y.size, bool), (day, 7 * day)) == ([], [])
    y[3500:3600] += erratic(28, 100, 10.0)
    (found,) = find_erratic_stretches(y, np.zeros(y.size, bool), (day, 7 * day))[0]
    assert abs(found.start - 3500) <= 12
    assert abs(found.stop - 3600) <= 12


def test_a_record_that_becomes_rough_for_good_is_left_alone_and_that_is_said() -> None:
    rng = np.random.default_rng(12)
    y = record(12) + np.where(np.arange(N) >= N // 2, 4.0, 0.2) * rng.normal(size=N)
    assert stretches(y) == []
    assert said(y) == ["erratic stretches left alone, too long for a fault or not seen to end: 1"]


def test_a_stretch_at_the_end_counts_only_where_as_long_ones_were_seen_to_end() -> None:
    y = record(13)
    y[-90:] += erratic(13, 90)
    assert stretches(y) == []
    assert len(said(y)) == 1
    y[1000:1060] += erratic(14, 60)
    found = stretches(y)
    assert [one.stop for one in found][-1] == N or N - found[-1].stop < PERIOD // 4
    assert len(found) == 2


def test_a_record_that_is_mostly_erratic_is_left_as_it_is() -> None:
    y = record(15, n=N)
    for start in range(60, N - 200, 240):
        y[start : start + 170] += erratic(start, 170)
    assert stretches(y) == []


@pytest.mark.parametrize(("n", "period"), [(59 * 24, 24), (N, 23), (N, 2)])
def test_short_records_and_coarse_cycles_have_none(n: int, period: int) -> None:
    y = record(16, n=n)
    y[600:700] += erratic(16, 100)
    assert stretches(y, period) == []
    assert levels(y, period) == []


def test_a_record_with_too_few_values_has_none() -> None:
    y = record(17)
    y[1000:1100] += erratic(17, 100)
    assert len(stretches(y)) == 1
    gone = y.copy()
    gone[200:900], gone[1200:2200] = np.nan, np.nan
    assert stretches(gone) == []
    thin = np.where(np.arange(N) % 5 == 1, y, np.nan)  # no row has both neighbours in most cycles
    assert stretches(thin) == []


def test_gaps_and_bad_rows_have_no_say() -> None:
    y = record(18)
    y[1000:1100] += erratic(18, 100)
    y[300:340], y[1700:1900] = np.nan, np.nan
    bad = np.zeros(N, bool)
    bad[600:640] = True
    y[bad] = erratic(19, 40, 1000.0)
    found, _ = find_erratic_stretches(y, bad, (PERIOD,))
    assert [round(one.start / 50) for one in found] == [20]


def test_proportional_noise_is_judged_on_the_log_scale() -> None:
    rng = np.random.default_rng(20)
    t = np.arange(N)
    level = np.exp(2.0 * np.sin(6.0 * np.pi * t / N))
    y = level * np.exp(rng.normal(0.0, 0.05, N))
    assert stretches(y) == []
    y[1000:1100] *= np.exp(rng.normal(0.0, 1.0, 100))
    (found,) = stretches(y)
    assert abs(found.start - 1000) <= PERIOD // 2
    assert abs(found.stop - 1100) <= PERIOD // 2


# ------------------------------------------------------------------------------------------------- level excursions


@pytest.mark.parametrize("size", [8.0, -8.0])
@pytest.mark.parametrize("length", [40, 100, 200])
def test_a_level_apart_that_is_back_at_once_is_found(size: float, length: int) -> None:
    y = record(21)
    y[1000 : 1000 + length] += size
    (found,) = levels(y)
    assert abs(found.start - 1000) <= 3
    assert abs(found.stop - 1000 - length) <= 3
    assert found.statistic > found.threshold == 15.0


def test_a_level_apart_is_found_in_a_record_too_short_for_the_longest_spans() -> None:
    y = record(21, n=70 * PERIOD)
    y[1000:1100] += 8.0
    (found,) = levels(y)
    assert abs(found.start - 1000) <= 3


def test_what_goes_back_by_and_by_is_the_series_own() -> None:
    y = record(22)
    y[1000:1200] += 8.0 * np.exp(-np.arange(200) / 40.0)
    assert levels(y) == []


def test_steps_that_stay_levels_that_are_common_and_ends_are_left_alone() -> None:
    stays, common, end, long = record(23), record(24), record(25), record(26)
    stays[1000:] += 8.0
    for start in range(50, N - 100, 150):
        common[start : start + 60] += 8.0
    end[-60:] += 8.0
    long[600:1300] += 8.0
    for y in (stays, common, end, long):
        assert levels(y) == []


def test_a_wild_level_on_the_log_scale_is_filled_by_the_cleaner() -> None:
    rng = np.random.default_rng(27)
    level = np.exp(0.4 * np.sin(2.0 * np.pi * np.arange(N) / N))
    y = 3.0 * level * np.exp(rng.normal(0.0, 0.05, N))
    sound = y.copy()
    y[1000:1200] *= 30.0 * np.exp(0.5 * np.sin(np.arange(200) / 15.0))
    cleaner = SeriesCleaner(PERIOD)
    out = cleaner.fit_transform(y)
    assert cleaner.mask_[1003:1197].all()
    assert np.abs(out - sound)[1000:1200].max() < 2.0
    assert "level excursion" in set(cleaner.changes_["reason"])


@pytest.mark.parametrize("level_shift", ["keep", "report"])
def test_level_excursions_are_only_told_where_levels_are_not_to_be_repaired(level_shift: str) -> None:
    rng = np.random.default_rng(27)
    y = 3.0 * np.exp(rng.normal(0.0, 0.05, N))
    y[1000:1200] *= 30.0 * np.exp(0.5 * np.sin(np.arange(200) / 15.0))
    cleaner = SeriesCleaner(PERIOD, level_shift=level_shift).fit(y)
    (told,) = [one for one in cleaner.report_.records if one.kind == "level excursion"]
    assert told.kept
    assert "only told" in told.reason
    assert "level excursion" not in set(cleaner.changes_["reason"])
