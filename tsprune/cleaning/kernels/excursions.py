"""Running statistics of roughness: how far rows stand off the line between their neighbours."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from detectors.kernels.compilation import njit

__all__ = ["bridge_roughness", "reach_above", "running_mean", "running_quantile"]

Floats = NDArray[np.float64]


@njit(cache=True)
def bridge_roughness(x: Floats, reach: int) -> Floats:
    """Return the distance of every row from the mean of the rows `reach` before and after (n_timepoints,).

    NaN where one of the three is missing.
    """
    n = x.shape[0]
    out = np.full(n, np.nan)
    for t in range(reach, n - reach):
        out[t] = abs(x[t] - 0.5 * (x[t - reach] + x[t + reach]))
    return out


@njit(cache=True)
def running_mean(x: Floats, half_window: int, fewest: int) -> Floats:
    """Return the mean of the finite values in ``t - half_window .. t + half_window`` (n_timepoints,).

    The window is cut at both ends; NaN where it holds fewer than `fewest` finite values.
    """
    n = x.shape[0]
    total, count = np.zeros(n + 1), np.zeros(n + 1)
    for t in range(n):
        known = not np.isnan(x[t])
        total[t + 1] = total[t] + (x[t] if known else 0.0)
        count[t + 1] = count[t] + (1.0 if known else 0.0)
    out = np.full(n, np.nan)
    for t in range(n):
        low, high = max(0, t - half_window), min(n, t + half_window + 1)
        seen = count[high] - count[low]
        if seen >= max(fewest, 1):
            out[t] = max(0.0, total[high] - total[low]) / seen
    return out


@njit(cache=True)
def running_quantile(x: Floats, half_window: int, share: float) -> Floats:
    """Return the `share` quantile of the finite values in ``t - half_window .. t + half_window`` (n_timepoints,).

    Interpolated linearly; the window is cut at both ends; NaN if it holds none.
    """
    n = x.shape[0]
    out = np.full(n, np.nan)
    window = np.empty(2 * half_window + 2)
    count = 0
    for t in range(-half_window, n):
        new, old = t + half_window, t - half_window - 1
        if old >= 0 and not np.isnan(x[old]):
            place = np.searchsorted(window[:count], x[old])
            for j in range(place, count - 1):
                window[j] = window[j + 1]
            count -= 1
        if new < n and not np.isnan(x[new]):
            place = np.searchsorted(window[:count], x[new])
            for j in range(count, place, -1):
                window[j] = window[j - 1]
            window[place] = x[new]
            count += 1
        if t >= 0 and count:
            at = share * (count - 1)
            low = int(at)
            high = min(low + 1, count - 1)
            out[t] = window[low] + (at - low) * (window[high] - window[low])
    return out


@njit(cache=True)
def reach_above(x: Floats, peak: int, floor: float) -> tuple[int, int]:
    """Return the first row, and the row after the last, of the run of values above `floor` that holds row `peak`."""
    n = x.shape[0]
    start, stop = peak, peak + 1
    while start > 0 and x[start - 1] > floor:
        start -= 1
    while stop < n and x[stop] > floor:
        stop += 1
    return start, stop
