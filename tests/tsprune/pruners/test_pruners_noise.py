"""NoisePruner: noise goes where it can be told from signal, and comes back exactly."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tsprune import NoisePruner
from tsprune.exceptions import InvalidParameterError, InvalidSeriesError, TimeIndexError


def noisy_walk(n: int = 500, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    walk = np.cumsum(rng.normal(size=n))
    return walk + rng.normal(0, 3, n), walk


def wave(n: int = 300, seed: int = 0) -> np.ndarray:
    return 2 * np.sin(2 * np.pi * np.arange(n) / 12) + np.random.default_rng(seed).normal(0, 0.5, n)


def test_noise_goes_and_comes_back() -> None:
    y, walk = noisy_walk()
    y[40:44] = np.nan
    pruner = NoisePruner().fit(y)
    assert pruner.methods_ == ["kalman"]
    pruned = pruner.transform(y)
    known = ~np.isnan(y)
    assert np.mean((pruned - walk)[known] ** 2) < 0.4 * np.mean((y - walk)[known] ** 2)
    np.testing.assert_array_equal(np.isnan(pruned), np.isnan(y))
    np.testing.assert_allclose(pruner.inverse_transform(pruned), y, atol=1e-12)
    np.testing.assert_allclose(pruner.noise_[known, 0], (y - pruned)[known], atol=1e-12)
    assert pruner.report_.removed == ["noise"]


def test_beside_a_season_white_noise_is_noise() -> None:
    y = wave()
    pruner = NoisePruner().fit(y)
    assert pruner.methods_ == ["season"]
    assert pruner.periods_ == [(12,)]
    truth = 2 * np.sin(2 * np.pi * np.arange(300) / 12)
    assert np.std(pruner.transform(y) - truth) < 0.25
    assert NoisePruner(period=12).fit(y).methods_ == ["season"]
    assert NoisePruner(period=None).fit(y).methods_ != ["season"]
    assert NoisePruner(period=[12, 25]).fit(y).periods_ == [(12,)]


def test_a_season_is_never_taken_for_noise() -> None:
    """A clean season beside a random walk: nothing to remove."""
    y = 3 * np.sin(2 * np.pi * np.arange(400) / 7) + np.cumsum(np.random.default_rng(1).normal(size=400))
    pruner = NoisePruner().fit(y)
    assert pruner.report_.removed == []
    assert "cannot be told from signal" in pruner.report_.guards[0]
    clean = np.tile([0.0, 5.0, 1.0], 60)
    np.testing.assert_array_equal(NoisePruner().fit_transform(clean), clean)


@pytest.mark.parametrize("y", [np.random.default_rng(2).normal(size=200), np.full(100, 2.0), np.arange(20.0)])
def test_what_has_no_evidence_stays(y: np.ndarray) -> None:
    pruner = NoisePruner().fit(y)
    np.testing.assert_array_equal(pruner.transform(y), y)
    np.testing.assert_array_equal(pruner.transform(y[::-1]), y[::-1])
    assert pruner.report_.guards


def test_methods_and_guard() -> None:
    y, _ = noisy_walk(200)
    for method in ("kalman", "wavelet"):
        pruner = NoisePruner(method, guard=None, wavelet="db2").fit(y)
        assert pruner.methods_ == [method]
        assert np.std(pruner.noise_) > 0.5
    with pytest.raises(InvalidSeriesError, match="at least 50 values"):
        NoisePruner(guard=None).fit(y[:30])
    with pytest.raises(InvalidSeriesError, match="1 sample"):
        NoisePruner(guard=None).fit(y[:1])
    for wrong in ("bior1.3", "nonsense", "mexh"):
        with pytest.raises(InvalidParameterError, match="orthogonal wavelet"):
            NoisePruner(wavelet=wrong).fit(y)


class TestLaterRows:
    def test_they_are_filtered_causally_and_the_inverse_is_exact(self) -> None:
        y, walk = noisy_walk(600)
        pruner = NoisePruner().fit(y[:400])
        time = np.arange(400, 600)
        later = pruner.transform(y[400:], time=time)
        assert np.mean((later - walk[400:]) ** 2) < 0.7 * np.mean((y - walk)[400:] ** 2)
        np.testing.assert_allclose(pruner.inverse_transform(later, time=time), y[400:], atol=1e-10)
        holes = y[400:].copy()
        holes[50:60] = np.nan
        filtered = pruner.transform(holes, time=time)
        np.testing.assert_array_equal(np.isnan(filtered), np.isnan(holes))
        np.testing.assert_allclose(pruner.inverse_transform(filtered, time=time), holes, atol=1e-10)

    def test_a_constant_forecast_comes_back_constant(self) -> None:
        y, _ = noisy_walk()
        pruner = NoisePruner().fit(y)
        time = np.arange(500, 520)
        level = pruner.transform(np.full(20, np.nan), time=time)
        assert np.isnan(level).all()
        last = pruner._columns[0].state[0]
        np.testing.assert_allclose(pruner.inverse_transform(np.full(20, last), time=time), last)

    def test_rows_of_the_span_and_later_ones_in_one_call(self) -> None:
        y = wave(360)
        pruner = NoisePruner().fit(y[:300])
        time = np.arange(290, 360)
        pruned = pruner.transform(y[290:], time=time)
        np.testing.assert_array_equal(pruned[:10], pruner.transform(y[:300])[290:])
        np.testing.assert_allclose(pruner.inverse_transform(pruned, time=time), y[290:], atol=1e-9)
        truth = 2 * np.sin(2 * np.pi * time / 12)
        assert np.std(pruned - truth) < 0.25

    def test_partial_fit_is_the_filter_of_one_call(self) -> None:
        y, _ = noisy_walk(600)
        pruner = NoisePruner().fit(y[:400])
        once = pruner.transform(y[400:], time=np.arange(400, 600))
        for start in range(400, 600, 40):
            pruner.partial_fit(y[start : start + 40])
        np.testing.assert_allclose(pruner.transform(y)[400:], once, rtol=0, atol=1e-12)
        assert pruner.noise_.shape == (600, 1)

    def test_rows_of_the_span_with_other_values_are_an_error(self) -> None:
        index = pd.date_range("2024-01-01", periods=500, freq="h")
        y = pd.Series(noisy_walk()[0], index=index)
        pruner = NoisePruner().fit(y)
        with pytest.raises(TimeIndexError, match="must hold the fitted values"):
            pruner.transform(y + 1.0)
        cleaned = pruner.transform(y) + 1.0
        pd.testing.assert_series_equal(pruner.inverse_transform(cleaned), y + 1.0)


def test_columns_are_judged_one_by_one() -> None:
    y, _ = noisy_walk(300)
    frame = pd.DataFrame({"walk": y, "white": np.random.default_rng(7).normal(size=300)})
    pruner = NoisePruner().fit(frame)
    assert pruner.methods_ == ["kalman", "none"]
    assert pruner.report_.removed == ["walk.noise"]
    out = pruner.transform(frame)
    pd.testing.assert_series_equal(out["white"], frame["white"])
    pruner.partial_fit(frame)
    assert (pruner.noise_[:, 1] == 0).all()
