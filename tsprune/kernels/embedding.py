"""Multi-scale features of series in one pass: levels, local means and edges, missing values left out."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = ["moving_mean", "multiscale"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@njit(cache=True)
def _prefix(column: Floats) -> tuple[Floats, Integers]:
    """Sums and counts (n + 1,) of the finite values before each row."""
    n = column.size
    total = np.zeros(n + 1)
    count = np.zeros(n + 1, dtype=np.int64)
    for t in range(n):
        value = column[t]
        present = not np.isnan(value)
        total[t + 1] = total[t] + (value if present else 0.0)
        count[t + 1] = count[t] + (1 if present else 0)
    return total, count


@njit(cache=True)
def _mean(total: Floats, count: Integers, start: int, stop: int) -> float:
    """Mean of the present values of rows [start, stop), cut to the series; NaN without any."""
    low = max(start, 0)
    high = min(stop, total.size - 1)
    if high <= low or count[high] == count[low]:
        return np.nan
    return float((total[high] - total[low]) / (count[high] - count[low]))


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
        total, count = _prefix(column)
        first = j * each
        for t in range(n):
            out[t, first] = column[t]
            for k in range(scales.size):
                s = scales[k]
                low = t - s // 2
                out[t, first + 1 + 2 * k] = _mean(total, count, low, low + s)
                out[t, first + 2 + 2 * k] = _mean(total, count, t, t + s) - _mean(total, count, t - s, t)
    return out


@njit(cache=True)
def moving_mean(column: Floats, width: int) -> Floats:
    """Centred moving mean (n_timepoints,) over `width` rows, cut at the ends; NaN where nothing is present."""
    n = column.size
    total, count = _prefix(column)
    out = np.empty(n)
    for t in range(n):
        low = t - width // 2
        out[t] = _mean(total, count, low, low + width)
    return out
