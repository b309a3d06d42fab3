"""Denoisers, and the evidence that chooses between them and keeping everything."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import lfilter

from tsprune.pruners.denoising import (
    LocalLevel,
    choose_denoiser,
    is_white,
    kalman_smooth,
    wavelet_shrink,
)

OPTIONS = {"methods": ("kalman", "wavelet"), "alpha": 0.01, "wavelet": "sym8"}


def autoregression(coefficients: list[float], n: int, seed: int) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(size=n + 200)
    return lfilter([1.0], [1.0, *(-c for c in coefficients)], noise)[200:]


UNTELLABLE = {
    "white": lambda n, s: np.random.default_rng(s).normal(size=n),
    "walk": lambda n, s: np.cumsum(np.random.default_rng(s).normal(size=n)),
    "ar1": lambda n, s: autoregression([0.7], n, s),
    "ar2": lambda n, s: autoregression([0.5, 0.3], n, s),
    "ar2_cycle": lambda n, s: autoregression([1.5, -0.75], n, s),
    "moving_average": lambda n, s: lfilter([1, 0.5], [1], np.random.default_rng(s).normal(size=n)),
    "steps": lambda n, s: np.repeat(np.random.default_rng(s).normal(size=n // 10), 10),
    "clean_wave": lambda n, s: np.sin(np.arange(n) * 6 * np.pi / n + s),
}


@pytest.mark.parametrize("kind", sorted(UNTELLABLE))
@pytest.mark.parametrize("seed", [0, 1])
def test_what_cannot_be_told_from_noise_stays(kind: str, seed: int) -> None:
    y = UNTELLABLE[kind](300, seed)
    found = choose_denoiser(y, **OPTIONS)
    assert found.method == "none"
    np.testing.assert_array_equal(found.signal, y)
    assert found.p_value >= 0.01


@pytest.mark.parametrize("missing", [False, True])
def test_noise_on_a_moving_level_goes(missing: bool) -> None:
    rng = np.random.default_rng(3)
    walk = np.cumsum(rng.normal(size=600))
    y = walk + rng.normal(0, 3, 600)
    if missing:
        y[rng.random(600) < 0.03] = np.nan
    found = choose_denoiser(y, **OPTIONS)
    assert found.method == "kalman"
    assert np.isfinite(found.signal).all()
    assert np.nanmean((found.signal - walk) ** 2) < 0.4 * np.nanmean((y - walk) ** 2)
    assert 4.0 < found.level.noise < 16.0
    assert 0.2 < found.gain < 0.6


def test_noise_on_a_smooth_curve_goes_by_either() -> None:
    rng = np.random.default_rng(4)
    curve = np.sin(np.arange(600) * 6 * np.pi / 600)
    y = curve + rng.normal(0, 0.1, 600)
    found = choose_denoiser(y, **OPTIONS)
    assert found.method in ("wavelet", "kalman")
    assert np.mean((found.signal - curve) ** 2) < 0.3 * 0.01
    for method in ("wavelet", "kalman"):
        assert choose_denoiser(y, **{**OPTIONS, "methods": (method,), "alpha": None}).method == method


def test_without_guard_the_better_denoiser_works_in_any_case() -> None:
    y = np.random.default_rng(0).normal(size=200)
    found = choose_denoiser(y, **{**OPTIONS, "alpha": None})
    assert found.method in ("wavelet", "kalman")
    assert np.std(found.signal) < 0.5
    holes = np.where(np.arange(200) % 2 == 0, y, np.nan)  # no value with two known neighbours
    assert choose_denoiser(holes, **{**OPTIONS, "alpha": None}).method == "kalman"


def test_evidence_comes_from_the_last_values_and_a_flat_end_has_none() -> None:
    y = np.concatenate([np.random.default_rng(0).normal(size=100), np.zeros(4096)])
    found = choose_denoiser(y, **OPTIONS)
    assert found.method == "none"
    assert found.p_value == 1.0


def test_wavelet_shrinkage_keeps_what_it_must() -> None:
    line = np.linspace(0, 1, 200)
    np.testing.assert_allclose(wavelet_shrink(line, "sym8")[40:160], line[40:160], atol=1e-6)
    short = np.array([1.0, 2.0, np.nan, 4.0, 5.0])
    np.testing.assert_allclose(wavelet_shrink(short, "sym8"), [1, 2, 3, 4, 5])
    spiky = np.zeros(256)
    spiky[100] = 100.0
    noisy = spiky + np.random.default_rng(0).normal(size=256)
    assert wavelet_shrink(noisy, "haar")[100] > 60.0  # a spike of 100 deviations is no noise


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_denoisers_scale_and_shift_with_the_series(scale: float) -> None:
    rng = np.random.default_rng(5)
    y = np.cumsum(rng.normal(size=150)) + rng.normal(0, 2, 150)
    level = LocalLevel(1.0, 4.0)
    np.testing.assert_allclose(
        kalman_smooth(scale * y + 7 * scale, LocalLevel(scale**2, 4 * scale**2)),
        scale * kalman_smooth(y, level) + 7 * scale,
        rtol=1e-5,
        atol=1e-6 * scale,
    )
    np.testing.assert_allclose(
        wavelet_shrink(scale * y + 7 * scale, "db4"), scale * wavelet_shrink(y, "db4") + 7 * scale, rtol=1e-6
    )
    np.testing.assert_allclose(kalman_smooth(y[::-1].copy(), level), kalman_smooth(y, level)[::-1], atol=1e-3)


def test_is_white() -> None:
    assert is_white(np.random.default_rng(0).normal(size=300))
    assert not is_white(autoregression([0.5], 300, 0))
