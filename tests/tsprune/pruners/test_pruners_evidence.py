"""Evidence of trends and seasons: quiet on noise, awake on what moves."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import lfilter

from tsprune.pruners.evidence import _cramer_von_mises, season_evidence, trend_evidence


def autoregression(phi: float, n: int, rng: np.random.Generator) -> np.ndarray:
    return lfilter([1.0], [1.0, -phi], rng.normal(size=n + 300))[300:]


@pytest.mark.parametrize(("statistic", "tail"), [(0.347, 0.10), (0.463, 0.05), (0.574, 0.025), (0.739, 0.01)])
def test_the_distribution_is_that_of_the_tables(statistic: float, tail: float) -> None:
    """Kwiatkowski et al. (1992), table 1."""
    assert _cramer_von_mises(statistic) == pytest.approx(tail, abs=0.001)
    assert _cramer_von_mises(0.01) == 1.0


@pytest.mark.parametrize("phi", [-0.5, 0.0, 0.5, 0.9])
def test_stationary_noise_has_no_trend(phi: float) -> None:
    rng = np.random.default_rng(0)
    p_values = np.array([trend_evidence(autoregression(phi, 500, rng)).p_value for _ in range(200)])
    assert (p_values < 0.01).mean() <= 0.03
    assert (p_values < 0.05).mean() <= 0.09


@pytest.mark.parametrize(
    "movement",
    [
        lambda t: 2.0 * t,
        lambda t: -20.0 * t,
        lambda t: 2.0 * (t > 0.5),
        lambda t: 3.0 * np.sin(2 * np.pi * t),
        lambda t: 1e4 * t**3,
    ],
)
def test_a_moving_level_is_a_trend(movement: object) -> None:
    t = np.linspace(0, 1, 300)
    y = movement(t) + np.random.default_rng(1).normal(size=300)
    assert trend_evidence(y).p_value < 0.01
    y[::7] = np.nan
    assert trend_evidence(y).p_value < 0.01


def test_noiseless_lines_and_random_walks_are_trends() -> None:
    assert trend_evidence(np.linspace(0, 1, 50)).p_value == 0.0
    walks = np.cumsum(np.random.default_rng(2).normal(size=(2000, 20)), axis=0)
    assert np.mean([trend_evidence(walk).p_value < 0.01 for walk in walks.T]) >= 0.8


@pytest.mark.parametrize("y", [np.arange(8.0), np.full(50, 7.0), np.full(50, np.nan), np.full(50, 1e9) + 1e-3])
def test_too_short_or_constant_is_no_evidence(y: np.ndarray) -> None:
    assert trend_evidence(y).p_value == 1.0


def test_outliers_make_no_trend_and_hide_none() -> None:
    noise = np.random.default_rng(3).normal(size=300)
    spiked = noise.copy()
    spiked[[10, 11, 12]] = 1e6
    assert trend_evidence(spiked).p_value > 0.01
    ramp = noise + np.linspace(0, 4, 300)
    ramp[150] = -1e6
    assert trend_evidence(ramp).p_value < 0.01
    mostly = np.zeros(100)
    mostly[:5] = 1.0  # more than half of the values are the same: no spread to measure outliers by
    assert 0.0 <= trend_evidence(mostly).p_value <= 1.0


@pytest.mark.parametrize(("scale", "shift"), [(1e-6, 0.0), (1e6, 0.0), (-1.0, 5.0)])
def test_evidence_does_not_change_with_units(scale: float, shift: float) -> None:
    y = np.random.default_rng(4).normal(size=100) + np.linspace(0, 1, 100)
    assert trend_evidence(scale * y + shift).p_value == pytest.approx(trend_evidence(y).p_value, rel=1e-6)


def test_season_evidence() -> None:
    t = np.arange(200)
    y = np.sin(2 * np.pi * t / 7) + np.random.default_rng(5).normal(0, 0.3, 200)
    found = season_evidence(y, 7, 0.01)
    assert found.p_value < 1e-6
    assert found.statistic > 0.7
    assert season_evidence(y, 11, 0.01).p_value == 1.0
