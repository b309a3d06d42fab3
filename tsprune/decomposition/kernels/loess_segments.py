"""Weighted LOESS with wide windows by Fourier transforms of segments.

The weights are the real, the weighted values the imaginary part of one complex transform; a local line takes three
kernels, tricube times offset ** 0, 1, 2, and so three transforms back.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from detectors.kernels.compilation import njit
from tsprune.decomposition.kernels.fast_convolution import backward, forward, load, multiply
from tsprune.decomposition.kernels.loess import finish_fits

__all__ = ["smooth_segments"]

Floats = NDArray[np.float64]


@njit(cache=True)
def smooth_segments(
    weights: Floats, weighted: Floats, window: int, spectra: Floats, rows: Floats, columns: Floats, turns: Floats,
    degree: int, least: float, farthest: float, out: Floats,
) -> None:  # fmt: skip
    """Write the local fits at points with a full window to `out` (n - window + 1,).

    `weights`, `weighted` (n,): weight, and weight x value. `spectra` (3, columns, 2 rows): of the tricube times
    offset ** 0, 1, 2. `rows`, `columns`, `turns`: `fast_convolution.turn_tables`. `least`, `farthest`: `finish_fits`.
    """
    n_rows, n_columns = rows.shape[1], columns.shape[1]
    buffer, flipped = np.empty((n_rows, 2 * n_columns)), np.empty((n_columns, 2 * n_rows))
    product = np.empty_like(flipped)
    n_kernels = 3 if degree > 0 else 1
    sums = np.empty((3, n_rows, 2 * n_columns))
    n_valid = n_rows * n_columns - window + 1
    for start in range(0, out.shape[0], n_valid):
        load(weights, start, 0, buffer)
        load(weighted, start, 1, buffer)
        forward(buffer, rows, columns, turns, flipped)
        for k in range(n_kernels):
            product[:] = flipped
            multiply(product, spectra[k], 1.0)
            backward(product, rows, columns, turns, sums[k])
        stop = min(out.shape[0], start + n_valid)
        for i in range(n_rows):
            first = start + i * n_columns
            size = min(stop - first, n_columns)
            if size <= 0:
                break
            end = n_columns + size
            finish_fits(
                sums[0, i, :size], sums[1, i, :size], sums[2, i, :size], sums[0, i, n_columns:end],
                sums[1, i, n_columns:end], degree, window - 1.0, least, farthest, out[first : first + size],
            )  # fmt: skip
