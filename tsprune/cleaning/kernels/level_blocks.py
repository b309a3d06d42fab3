"""Temporary levels in an autoregressive series: pairs of opposite steps, and where exactly the ends of one are."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from detectors.kernels.compilation import njit
from tsprune.cleaning.kernels.patches import patch_fit

__all__ = ["level_pairs", "refine_level"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@njit(cache=True)
def running_sum(x: Floats) -> Floats:
    """Return the sums of the first 0, 1, ... members of `x` (n,), (n + 1,)."""
    total = np.zeros(x.shape[0] + 1)
    for t in range(x.shape[0]):
        total[t + 1] = total[t] + x[t]
    return total


@njit(cache=True)
def level_pairs(
    e: Floats,
    v: Floats,
    sums: Floats,
    edges: Integers,
    z_edge: Floats,
    shortest: int,
    longest: int,
    least: float,
) -> tuple[Integers, Floats]:
    """Return the pairs (n_pairs, 2) of `edges` that may be the ends of a temporary level, and the z (n_pairs,) of each.

    `e`, `v` (n_timepoints,) are the innovations and 1 / variance of each, `sums` (order,) the running sums of phi. The
    steps `z_edge` (n_timepoints,) at both ends must have opposite signs, the size must be `least`, and the level must
    explain at least as much as it leaves unexplained of two free steps.
    """
    ve_sum, v_sum = running_sum(v * e), running_sum(v)
    most = edges.shape[0] * (edges.shape[0] - 1) // 2
    pairs, found = np.zeros((most, 2), np.int64), np.zeros(most)
    count = 0
    for i in range(edges.shape[0]):
        start = edges[i]
        for j in range(i + 1, edges.shape[0]):
            stop = edges[j]
            if stop - start < shortest or stop - start > longest or z_edge[start] * z_edge[stop] >= 0.0:
                continue
            xe, xx, free = patch_fit(e, v, ve_sum, v_sum, sums, start, stop, 1.0)
            if xx > 0.0 and abs(xe) >= least * xx and free <= 2.0 * xe * xe / xx:
                pairs[count, 0], pairs[count, 1], found[count] = start, stop, xe / np.sqrt(xx)
                count += 1
    return pairs[:count], found[:count]


@njit(cache=True)
def refine_level(
    e: Floats, v: Floats, sums: Floats, start: int, stop: int, reach: int
) -> tuple[int, int, float, float, float]:
    """Return start, stop, size, z, and what two free steps explain, of the strongest level near `start`, `stop`.

    Both ends may move by `reach` rows; arguments as in `level_pairs`. z = 0 where there is none.
    """
    n = e.shape[0]
    ve_sum, v_sum = running_sum(v * e), running_sum(v)
    best = (start, stop, 0.0, 0.0, 0.0)
    for first in range(max(1, start - reach), start + reach + 1):
        for last in range(max(first + 1, stop - reach), min(n - 1, stop + reach) + 1):
            xe, xx, free = patch_fit(e, v, ve_sum, v_sum, sums, first, last, 1.0)
            if xx > 0.0 and abs(xe) / np.sqrt(xx) > abs(best[3]):
                best = (first, last, xe / xx, xe / np.sqrt(xx), free)
    return best
