"""How well a series repeats itself after many candidate lengths of a long cycle."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from detectors.kernels.compilation import njit
from detectors.kernels.median import median

__all__ = ["repetitions"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Mask = NDArray[np.bool_]


@njit(cache=True)
def _running_sum(x: Floats, total: Floats) -> None:
    """Write the sums of the first 0, 1, ..., n values into `total` (n + 1,)."""
    total[0] = 0.0
    for t in range(x.shape[0]):
        total[t + 1] = total[t] + x[t]


@njit(cache=True)
def _mean_of_sums(total: Floats, width: int, out: Floats) -> None:
    """Write `embedding.moving_mean` of a series without gaps, given its running sums (n + 1,), into `out` (n,)."""
    n = out.shape[0]
    for t in range(n):
        low = t - width // 2
        high = min(low + width, n)
        low = max(low, 0)
        out[t] = (total[high] - total[low]) / (high - low)


@njit(cache=True)
def repetitions(even: Floats, good: Mask, lengths: Integers, parts: int) -> Floats:
    """Correlation of a series, less its moving mean over a cycle, with itself a cycle ago.

    Parameters
    ----------
    even : ndarray of shape (n_timepoints,)
        Without gaps.
    good : Boolean ndarray of shape (n_timepoints,)
        Rows that have a say; at least one.
    lengths : ndarray of int of shape (n_lengths,)
        Rows of a cycle.
    parts : int
        The rest is clipped at four times its median size and smoothed over this part of a cycle, at least 3 rows.

    Returns
    -------
    ndarray of shape (n_lengths,); 0 where fewer than a fifth of the rows have a partner.
    """
    n = even.shape[0]
    total, sums, rest, smooth = np.empty(n + 1), np.empty(n + 1), np.empty(n), np.empty(n)
    sizes = np.empty(good.sum())
    found = np.zeros(lengths.shape[0])
    _running_sum(even, total)
    for i in range(lengths.shape[0]):
        length = lengths[i]
        _mean_of_sums(total, length, rest)
        k = 0
        for t in range(n):
            if good[t]:
                rest[t] = even[t] - rest[t]
                sizes[k] = abs(rest[t])
                k += 1
            else:
                rest[t] = 0.0
        reach = 4.0 * median(sizes)
        for t in range(n):
            rest[t] = min(max(rest[t], -reach), reach)
        _running_sum(rest, sums)
        _mean_of_sums(sums, max(3, length // parts) | 1, smooth)
        count, now, ago, both = 0, 0.0, 0.0, 0.0
        for t in range(length, n):
            if good[t] and good[t - length]:
                x, y = smooth[t], smooth[t - length]
                count += 1
                now += x * x
                ago += y * y
                both += x * y
        scale = np.sqrt(now * ago)
        if count > 0.2 * n and scale > 0.0:
            found[i] = both / scale
    return found
