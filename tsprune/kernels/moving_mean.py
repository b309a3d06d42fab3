"""Means over windows of a series, missing values left out."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from detectors.kernels.compilation import njit

__all__ = ["moving_mean", "prefix_sums", "window_mean"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@njit(cache=True)
def prefix_sums(column: Floats) -> tuple[Floats, Integers]:
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
def window_mean(total: Floats, count: Integers, start: int, stop: int) -> float:
    """Mean of the present values of rows [start, stop), cut to the series; NaN without any."""
    low = max(start, 0)
    high = min(stop, total.size - 1)
    if high <= low or count[high] == count[low]:
        return np.nan
    return float((total[high] - total[low]) / (count[high] - count[low]))


@njit(cache=True)
def moving_mean(column: Floats, width: int) -> Floats:
    """Centred moving mean (n_timepoints,) over `width` rows, cut at the ends; NaN where nothing is present."""
    n = column.size
    total, count = prefix_sums(column)
    out = np.empty(n)
    for t in range(n):
        low = t - width // 2
        out[t] = window_mean(total, count, low, low + width)
    return out
