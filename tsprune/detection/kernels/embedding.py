"""Multi-scale features of series in one pass: levels, local means and edges, missing values left out."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from detectors.kernels.compilation import njit
from tsprune.kernels.moving_mean import prefix_sums, window_mean

__all__ = ["multiscale"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@njit(cache=True)
def multiscale(values: Floats, scales: Integers) -> Floats:
    """Features of every row at every scale.

    Parameters
    ----------
    values : ndarray of shape (n_timepoints, n_series)
        NaN is missing.
    scales : ndarray of int of shape (n_scales,)
        Widths >= 2, in rows.

    Returns
    -------
    ndarray of shape (n_timepoints, n_series * (1 + 2 * n_scales))
        Per series: the value; then per scale s the mean of the rows [t - s // 2, t - s // 2 + s) and the edge, the
        mean of [t, t + s) less the mean of [t - s, t). Windows are cut at the ends; NaN where nothing is present.
    """
    n, width = values.shape
    each = 1 + 2 * scales.size
    out = np.empty((n, width * each))
    for j in range(width):
        column = np.ascontiguousarray(values[:, j])
        total, count = prefix_sums(column)
        first = j * each
        for t in range(n):
            out[t, first] = column[t]
            for k in range(scales.size):
                s = scales[k]
                low = t - s // 2
                out[t, first + 1 + 2 * k] = window_mean(total, count, low, low + s)
                out[t, first + 2 + 2 * k] = window_mean(total, count, t, t + s) - window_mean(total, count, t - s, t)
    return out
