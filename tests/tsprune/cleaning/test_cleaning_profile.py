"""Long seasons for long gaps: used where a longer cycle is there, and nowhere else."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm

from tsprune import SeriesCleaner
from tsprune.cleaning.kernels.repetition import repetitions
from tsprune.cleaning.long_season import _long_season, long_profile


def years(seed: int, amplitude: float, phi: float = 0.5, n: int = 1800) -> np.ndarray:
    rng = np.random.default_rng(seed)
    noise = rng.normal(0, 0.3, n)
    for t in range(1, n):
        noise[t] += phi * noise[t - 1]
    t = np.arange(n)
    year = np.sin(2 * np.pi * t / 365) + 0.5 * np.cos(4 * np.pi * t / 365)
    return 10 + amplitude * year + np.sin(2 * np.pi * t / 7) + noise


def test_a_gap_of_months_takes_its_shape_from_the_other_years() -> None:
    y = years(0, 3.0)
    x = y.copy()
    x[800:950] = np.nan
    out = SeriesCleaner(7).fit_transform(x)
    assert np.abs(out - y)[800:950].mean() < 0.6  # straight across it: 2.3 on average
    np.testing.assert_array_equal(np.delete(out, np.arange(800, 950)), np.delete(x, np.arange(800, 950)))


def test_half_a_year_of_co2_without_a_period_told() -> None:
    y = sm.datasets.co2.load_pandas().data["co2"].interpolate().to_numpy()
    x = y.copy()
    x[1000:1026] = np.nan
    with_season = np.abs(SeriesCleaner(None).fit_transform(x) - y)[1000:1026].mean()
    straight = np.abs(np.interp(np.arange(1000, 1026), [999, 1026], [y[999], y[1026]]) - y[1000:1026]).mean()
    assert with_season < 0.5 * straight


@pytest.mark.parametrize("phi", [0.0, 0.5, 0.95, 1.0])
def test_no_long_season_is_used_where_there_is_none(phi: float) -> None:
    coefficients = np.array([1.0, -phi])
    for seed in range(8):
        a = np.random.default_rng(seed).normal(size=1500)
        for t in range(1, a.size):
            a[t] += phi * a[t - 1]
        rows = np.zeros(a.size, bool)
        rows[600:680] = True
        assert not long_profile(a, coefficients, np.ones(a.size), rows, (7,)).any()


def test_short_gaps_and_short_series_ask_for_no_long_season() -> None:
    rows = np.zeros(400, bool)
    rows[100:105] = True
    a = np.sin(2 * np.pi * np.arange(400) / 60)
    assert not long_profile(a, np.array([1.0, -0.9]), np.ones(400), rows, (7,)).any()
    assert _long_season(a[:60], np.ones(60, bool), 28) == 0
    assert repetitions(np.zeros(400), np.ones(400, bool), np.array([60]), 24).tolist() == [0.0]


@pytest.mark.parametrize("length", [50, 97, 140])
def test_the_length_of_the_long_season_is_found_not_its_multiple(length: int) -> None:
    rng = np.random.default_rng(length)
    t = np.arange(1000)
    a = 2.0 * np.sin(2 * np.pi * t / length) + np.cos(4 * np.pi * t / length + 1.0)
    found = _long_season(a + rng.normal(0, 0.2, t.size), np.ones(t.size, bool), 28)
    assert abs(found - length) <= 1


def test_almost_everything_hidden_leaves_no_trials() -> None:
    t = np.arange(900)
    a = np.sin(2 * np.pi * t / 150) + np.random.default_rng(1).normal(0, 0.1, t.size)
    rows = np.zeros(t.size, bool)
    rows[100:420] = True
    out = long_profile(a, np.array([1.0, -0.9]), np.ones(t.size), rows, ())
    assert np.isfinite(out).all()
