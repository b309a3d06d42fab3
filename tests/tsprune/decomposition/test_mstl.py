"""Several seasons: the published procedure without weights, one set of weights for all with them."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from tsprune import decompose
from tsprune.decomposition.mstl import fit_mstl
from tsprune.decomposition.statsmodels_engine import fit_stl_statsmodels
from tsprune.decomposition.stl import STLSetting


def series(n: int = 700) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    rng, t = np.random.default_rng(0), np.arange(n)
    trend, day = 0.01 * t, 2 * np.sin(2 * np.pi * t / 12)
    week = np.repeat(rng.normal(size=7), 12)[t % 84]
    return trend + day + week + rng.normal(0, 0.2, n), trend, day, week - week.mean()


@pytest.mark.parametrize("iterations", [1, 2, 3])
def test_without_weights_it_is_the_published_procedure(iterations: int) -> None:
    from statsmodels.tsa.seasonal import MSTL

    y = series()[0]
    windows = {"trend_deg": 1, "seasonal_deg": 0, "low_pass_deg": 1, "inner_iter": iterations, "outer_iter": 0}
    expected = MSTL(y, periods=(12, 84), windows=(11, 15), stl_kwargs=windows).fit()
    found = decompose(y, (12, 84), inner_iter=iterations, outer_iter=0)
    assert_allclose(found.seasonal, expected.seasonal, atol=1e-9)
    assert_allclose(found.trend, expected.trend, atol=1e-9)


def test_engines_share_the_order_of_the_steps() -> None:
    y = series()[0]
    settings = [STLSetting(12, 11, 21, 13, 0, 1, 1, 2, 0), STLSetting(84, 15, 141, 85, 0, 1, 1, 2, 0)]
    ours, theirs = fit_mstl(y, None, settings), fit_mstl(y, None, settings, fit=fit_stl_statsmodels)
    assert_allclose(ours.seasonal, theirs.seasonal, atol=1e-9)
    assert_allclose(ours.trend, theirs.trend, atol=1e-9)


@pytest.mark.parametrize("robust", [False, True])
def test_seasons_are_told_apart(robust: bool) -> None:
    y, trend, day, week = series()
    if robust:
        y = y + 8.0 * (np.random.default_rng(1).random(y.size) < 0.03)
    found = decompose(y, (12, 84), robust=robust)
    assert np.abs(found.seasonal[:, 0] - day).mean() < 0.12
    assert np.abs(found.seasonal[:, 1] - week).mean() < 0.2
    assert np.abs(found.trend - trend - np.mean(y - trend - day - week) * (not robust)).mean() < 0.3
    if robust:
        assert found.weights[np.abs(y - trend - day - week) > 6].max() < 0.1


def test_columns_follow_the_order_asked_for() -> None:
    y = series()[0]
    forth, back = decompose(y, (12, 84)), decompose(y, [84, 12])
    assert back.periods == (84, 12)
    assert_allclose(back.seasonal[:, ::-1], forth.seasonal)
    assert_allclose(back.trend, forth.trend)


def test_windows_are_given_for_all_periods_or_for_each() -> None:
    y = series()[0]
    one, each = decompose(y, (12, 84), seasonal_window=9), decompose(y, (12, 84), seasonal_window=(9, 9))
    assert_allclose(one.seasonal, each.seasonal)
    swapped = decompose(y, (84, 12), seasonal_window=(15, 11), low_pass_window=(85, 13))
    assert_allclose(swapped.trend, decompose(y, (12, 84)).trend)


def test_gaps_with_several_seasons() -> None:
    y, _trend, day, week = series()
    y[::9] = np.nan
    y[200:260] = np.nan
    for robust in (False, True):
        found = decompose(y, (12, 84), robust=robust)
        assert np.isfinite(found.trend).all()
        assert np.isfinite(found.seasonal).all()
        assert np.abs(found.seasonal.sum(axis=1) - day - week)[200:260].mean() < 0.4
