"""LOESS kernels against the naive local fit."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose
from reference.naive_stl import loess, loess_at

from tsprune.decomposition.kernels import fast_convolution as fast
from tsprune.decomposition.kernels import loess as kernels
from tsprune.decomposition.kernels.loess_edges import apply_edges, edge_coefficients, fit_coefficients
from tsprune.decomposition.kernels.loess_segments import smooth_segments


def raw_rows(window: int) -> np.ndarray:
    row = kernels.window_rows(window, window, -1, window // 2, window // 2 + 1)[0]
    offset = np.arange(window) - window // 2
    return np.stack([row, row * offset, row * offset**2])


def weights_of(n: int, rng: np.random.Generator) -> np.ndarray:
    return np.where(rng.random(n) < 0.2, 0.0, rng.random(n))


@pytest.mark.parametrize("degree", [0, 1])
@pytest.mark.parametrize(("length", "window"), [(9, 9), (15, 7), (5, 11), (2, 7), (1, 3), (12, 1001)])
def test_rows_are_local_fits_also_one_step_outside(length: int, window: int, degree: int) -> None:
    x = np.random.default_rng(length).normal(size=length)
    rows = kernels.window_rows(length, window, degree, -1, length + 1)
    for place, row in zip(range(-1, length + 1), rows, strict=True):
        half, size = (window - 1) // 2, min(window, length)
        left = min(max(place - half, 0), length - size)
        expected = loess_at(place, x, window, degree, np.ones(length))
        assert_allclose(row @ x[left : left + size], expected, atol=1e-12)


@pytest.mark.parametrize("degree", [0, 1])
@pytest.mark.parametrize(("size", "window"), [(9, 9), (31, 31), (20, 41), (7, 201), (2, 9), (1, 5)])
@pytest.mark.parametrize("first", [-1, 0])
def test_moments_give_the_fits_at_the_start(size: int, window: int, degree: int, first: int) -> None:
    x = 5 + np.random.default_rng(size).normal(size=size)
    last = (size + 1) // 2
    coefficients = edge_coefficients(size, window, first, last)
    out = np.empty(last - first)
    apply_edges(x, fit_coefficients(coefficients, size, first, degree, kernels.SLOPE_SPREAD), first, out)
    assert_allclose(out, kernels.window_rows(size, window, degree, first, last) @ x, atol=1e-10)


def test_moments_give_the_raw_sums() -> None:
    rng = np.random.default_rng(0)
    size, x = 25, rng.normal(size=25)
    raw = kernels.window_rows(size, size, -1, 0, 12)
    coefficients = edge_coefficients(size, size, 0, 12)
    offsets = np.arange(size)[None, :] - np.arange(12)[:, None]
    out = np.empty(12)
    for k in range(3):
        apply_edges(x, coefficients[k], 0, out)
        assert_allclose(out, (raw * offsets**k) @ x, atol=1e-10)


@pytest.mark.parametrize("degree", [0, 1])
def test_weighted_fits_inside_and_at_the_ends(degree: int) -> None:
    rng = np.random.default_rng(3)
    n, window = 60, 13
    x, weights = rng.normal(size=n), weights_of(60, rng)
    expected = loess(x, window, degree, weights)
    out = np.empty(n - window + 1)
    kernels.smooth_inside(weights, weights * x, raw_rows(window), 1, degree, 0.0, np.inf, out)
    assert_allclose(out, expected[6:-6], atol=1e-11)
    tables = fast.turn_tables(64)
    spectra = np.stack([fast.spectrum_of(row, *tables) for row in raw_rows(window)])
    smooth_segments(weights, weights * x, window, spectra, *tables, degree, 1e-9, np.inf, out)
    assert_allclose(out, expected[6:-6], atol=1e-10)
    sums, ends = np.empty((5, 6)), np.empty(6)
    head = kernels.window_rows(window, window, -1, 0, 6)
    kernels.edge_sums(weights[:window], (weights * x)[:window], head, 0, sums)
    kernels.finish_fits(*sums, degree, window - 1.0, 0.0, np.inf, ends)
    assert_allclose(ends, expected[:6], atol=1e-11)


@pytest.mark.parametrize("degree", [0, 1])
def test_without_weight_there_is_no_fit(degree: int) -> None:
    weights = np.ones(30)
    weights[5:18] = 0.0
    out = np.empty(30 - 6)
    kernels.smooth_inside(weights, weights, raw_rows(7), 1, degree, 0.0, np.inf, out)
    assert np.isnan(out[5:12]).all()
    assert_allclose(out[[0, 1, 14, 20]], 1.0)


def test_a_line_is_not_trusted_far_from_its_points() -> None:
    weights = np.ones(60)
    weights[20:60] = 0.0
    x = np.arange(60.0)
    out = np.empty(60 - 20)
    kernels.smooth_inside(weights, weights * x, raw_rows(21), 1, 1, 0.0, kernels.FARTHEST, out)
    trusted = np.isfinite(out)
    assert_allclose(out[trusted], np.arange(10.0, 50.0)[trusted], atol=1e-9)
    assert trusted[:12].all()
    assert not trusted[20:].any()


@pytest.mark.parametrize("stride", [1, 3])
def test_gaps_are_filled_by_lines_along_the_stride(stride: int) -> None:
    x = np.arange(30.0)
    gappy = x.copy()
    gappy[[0, 1, 2, 9, 12, 13, 14, 27, 28, 29]] = np.nan
    assert kernels.fill_along(gappy, stride) == 0
    assert_allclose(gappy[9:15], x[9:15])
    assert_allclose(gappy[:3], [3.0, 3.0, 3.0] if stride == 1 else [3.0, 4.0, 5.0])


def test_a_phase_without_values_stays_empty() -> None:
    x = np.arange(10.0)
    x[1::3] = np.nan
    assert kernels.fill_along(x, 3) == 3
    assert np.isnan(x[1::3]).all()
