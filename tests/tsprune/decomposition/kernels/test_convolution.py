"""Direct and transformed correlation, running means, against numpy's own."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from tsprune.decomposition.kernels import fast_convolution as fast
from tsprune.decomposition.kernels.convolution import BLOCK, correlate, moving_average


@pytest.mark.parametrize("n_taps", [1, 2, 7, 8, 9, 16, 21])
@pytest.mark.parametrize("stride", [1, 3])
@pytest.mark.parametrize("n_out", [1, 50, BLOCK + 3])
def test_correlate_is_the_sum_of_products(n_taps: int, stride: int, n_out: int) -> None:
    rng = np.random.default_rng(n_taps)
    x, taps = rng.normal(size=n_out + (n_taps - 1) * stride), rng.normal(size=n_taps)
    out = np.full(n_out, np.nan)
    correlate(x, taps, stride, out)
    expected = sum(taps[k] * x[k * stride : k * stride + n_out] for k in range(n_taps))
    assert_allclose(out, expected, atol=1e-12)


@pytest.mark.parametrize("window", [1, 2, 7, 24, 200])
@pytest.mark.parametrize("n", [200, 1000, 9000])
def test_moving_average_is_the_mean_of_every_window(window: int, n: int) -> None:
    x = 1e3 + np.random.default_rng(n).normal(size=n)
    out = np.full(n - window + 1, np.nan)
    moving_average(x, window, out)
    assert_allclose(out, np.lib.stride_tricks.sliding_window_view(x, window).mean(axis=1), rtol=1e-13)


@pytest.mark.parametrize("size", [64, 128, 256, 512])
def test_transform_is_the_discrete_fourier_transform_and_back(size: int) -> None:
    rng = np.random.default_rng(size)
    rows, columns, turns = fast.turn_tables(size)
    n_rows, n_columns = rows.shape[1], columns.shape[1]
    assert n_rows * n_columns == size
    z = rng.normal(size=size) + 1j * rng.normal(size=size)
    table = z.reshape(n_rows, n_columns)
    buffer, out = np.hstack([table.real, table.imag]), np.empty((n_columns, 2 * n_rows))
    fast.forward(buffer, rows, columns, turns, out)
    found = out[:, :n_rows] + 1j * out[:, n_rows:]
    # row: second digit, column: first digit of the frequency, both digit-reversed
    place = fast.digit_reversed(n_rows)[None, :] + n_rows * fast.digit_reversed(n_columns)[:, None]
    assert_allclose(found, np.fft.fft(z)[place], atol=1e-11)
    back = np.empty_like(buffer)
    fast.backward(out, rows, columns, turns, back)
    assert_allclose((back[:, :n_columns] + 1j * back[:, n_columns:]) / size, table, atol=1e-12)


@pytest.mark.parametrize(("n", "window", "size"), [(30, 5, 64), (300, 41, 64), (777, 100, 128), (90, 90, 256)])
def test_segments_correlate_like_the_direct_sum(n: int, window: int, size: int) -> None:
    rng = np.random.default_rng(n)
    x, taps = rng.normal(size=n), rng.normal(size=window)
    tables = fast.turn_tables(size)
    out = np.full(n - window + 1, np.nan)
    fast.correlate_segments(x, window, fast.spectrum_of(taps, *tables), *tables, out)
    assert_allclose(out, np.correlate(x, taps, "valid"), atol=1e-11)
