"""Running median and median absolute deviation with missing values (Hampel, JASA 69 (1974) 383-393)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from detectors.kernels.compilation import njit

__all__ = ["running_mad", "running_median"]

Floats = NDArray[np.float64]


@njit(cache=True)
def _middle(window: Floats, count: int) -> float:
    """Median of the first `count` members of `window`, which is sorted in place."""
    for i in range(1, count):
        value = window[i]
        j = i - 1
        while j >= 0 and window[j] > value:
            window[j + 1] = window[j]
            j -= 1
        window[j + 1] = value
    half = count // 2
    middle: float = window[half] if count % 2 else 0.5 * (window[half - 1] + window[half])
    return middle


@njit(cache=True)
def _place(window: Floats, count: int, value: float) -> int:
    """First place in the sorted `window` whose member is not below `value`."""
    low, high = 0, count
    while low < high:
        middle = (low + high) // 2
        if window[middle] < value:
            low = middle + 1
        else:
            high = middle
    return low


@njit(cache=True)
def _ranks(window: Floats, old: float, new: float) -> tuple[int, int]:
    """Return how many members of the sorted `window` are below `old`, and how many are below `new`."""
    below_old, below_new = 0, 0
    for j in range(window.shape[0]):  # a plain count: several at a time, and no branch to guess
        below_old += window[j] < old
        below_new += window[j] < new
    return below_old, below_new


@njit(cache=True)
def running_median(x: Floats, half_window: int) -> Floats:
    """Return the median of the finite values in ``t - half_window .. t + half_window`` (n_timepoints,); NaN if none.

    The window is cut at both ends.
    """
    n = x.shape[0]
    out = np.full(n, np.nan)
    window = np.empty(2 * half_window + 2)
    count = 0
    for t in range(-half_window, n):
        new, old = t + half_window, t - half_window - 1
        leaves = old >= 0 and not np.isnan(x[old])
        enters = new < n and not np.isnan(x[new])
        if leaves and enters:  # only what lies between the two places moves
            first, place = _ranks(window[:count], x[old], x[new])
            if place > first:
                for j in range(first, place - 1):
                    window[j] = window[j + 1]
                window[place - 1] = x[new]
            else:
                for j in range(first, place, -1):
                    window[j] = window[j - 1]
                window[place] = x[new]
        elif leaves:
            count -= 1
            for j in range(_place(window, count + 1, x[old]), count):
                window[j] = window[j + 1]
        elif enters:
            place = _place(window, count, x[new])
            for j in range(count, place, -1):
                window[j] = window[j - 1]
            window[place] = x[new]
            count += 1
        if t >= 0 and count:
            half = count // 2
            out[t] = window[half] if count % 2 else 0.5 * (window[half - 1] + window[half])
    return out


@njit(cache=True)
def running_mad(x: Floats, half_window: int) -> Floats:
    """Return 1.4826 times the median absolute deviation from the window's own median (n_timepoints,); NaN if empty."""
    n = x.shape[0]
    centre = running_median(x, half_window)
    out = np.full(n, np.nan)
    window = np.empty(2 * half_window + 1)
    for t in range(n):
        count = 0
        for row in range(max(0, t - half_window), min(n, t + half_window + 1)):
            if not np.isnan(x[row]):
                window[count] = abs(x[row] - centre[t])
                count += 1
        if count:
            out[t] = 1.4826 * _middle(window, count)
    return out
