"""Steps of STL on a uniform grid: cycle-subseries smoothing, low-pass averages, robustness weights.

Cleveland, Cleveland, McRae, Terpenning (1990), "STL: a seasonal-trend decomposition procedure based on LOESS",
Journal of Official Statistics 6(1), 3-73, section 3. Point i of a series of period p belongs to phase i % p and cycle
i // p; the cycle-subseries of a phase holds its values in the order of the cycles.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from tsprune.kernels.convolution import correlate, moving_average
from tsprune.kernels.loess import FARTHEST, local_fit, weighted_interior

__all__ = ["bisquare_weights", "low_pass_averages", "smooth_cycles", "smooth_cycles_weighted"]

Floats = NDArray[np.float64]


@njit(cache=True, fastmath={"contract"})
def smooth_cycles(x: Floats, period: int, kernel: Floats, long_head: Floats, short_head: Floats, out: Floats) -> None:
    """Smooth every cycle-subseries of `x` (n,) and extend it by one cycle at both ends: `out` (n + 2 period,).

    `kernel` (window,): the fit inside. `long_head`, `short_head` (n_rows, size): fits at cycles -1, 0, ... of
    subseries with n // period + 1 and n // period cycles; the last cycles mirror them.
    """
    n = x.shape[0]
    n_long = n % period
    half = (kernel.shape[0] - 1) // 2
    if n > 2 * half * period:
        correlate(x, kernel, period, out[(half + 1) * period : n - half * period + period])
    for which in range(2):
        head, n_cycles = (long_head, n // period + 1) if which == 0 else (short_head, n // period)
        first, last = (0, n_long) if which == 0 else (n_long, period)
        if first == last:
            continue
        for cycle in range(-1, n_cycles + 1):
            mirrored = n_cycles - 1 - cycle
            if min(cycle, mirrored) + 1 >= head.shape[0]:
                continue
            at_start = cycle <= mirrored
            row = head[min(cycle, mirrored) + 1]
            size = row.shape[0]
            target = out[(cycle + 1) * period + first : (cycle + 1) * period + last]
            target[:] = 0.0
            for k in range(size):
                w = row[k]
                source_cycle = k if at_start else n_cycles - 1 - k
                source = x[source_cycle * period + first : source_cycle * period + last]
                for i in range(source.shape[0]):
                    target[i] += w * source[i]


@njit(cache=True, fastmath={"contract"})
def smooth_cycles_weighted(
    weights: Floats,
    weighted: Floats,
    period: int,
    row: Floats,
    long_head: Floats,
    short_head: Floats,
    degree: int,
    share: float,
    out: Floats,
) -> None:
    """Smooth every cycle-subseries with weights per point; NaN where the weights do not suffice.

    As `smooth_cycles`, with raw tricube weights in `row` (window,), `long_head` and `short_head`, and `weights`,
    `weighted` (n,) as in `loess.smooth_weighted`.
    """
    n = weights.shape[0]
    n_long = n % period
    half = (row.shape[0] - 1) // 2
    farthest = np.inf if share == 0.0 else FARTHEST * FARTHEST
    if n > 2 * half * period:
        target = out[(half + 1) * period : n - half * period + period]
        weighted_interior(
            weights, weighted, row, period, degree, row.shape[0] - 1.0, share * row.sum(), farthest, target
        )
    sums = np.empty((5, period))
    for which in range(2):
        head, n_cycles = (long_head, n // period + 1) if which == 0 else (short_head, n // period)
        first, last = (0, n_long) if which == 0 else (n_long, period)
        if first == last:
            continue
        for cycle in range(-1, n_cycles + 1):
            mirrored = n_cycles - 1 - cycle
            position = min(cycle, mirrored)
            if position + 1 >= head.shape[0]:
                continue
            taps = head[position + 1]
            sums[:] = 0.0
            for k in range(taps.shape[0]):
                w, u = taps[k], float(k - position)
                source_cycle = k if cycle <= mirrored else n_cycles - 1 - k
                v = weights[source_cycle * period + first : source_cycle * period + last]
                z = weighted[source_cycle * period + first : source_cycle * period + last]
                for i in range(v.shape[0]):
                    sums[0, i] += w * v[i]
                    sums[1, i] += w * u * v[i]
                    sums[2, i] += w * u * u * v[i]
                    sums[3, i] += w * z[i]
                    sums[4, i] += w * u * z[i]
            least, reach = share * taps.sum(), taps.shape[0] - 1.0
            for i in range(last - first):
                out[(cycle + 1) * period + first + i] = local_fit(
                    sums[0, i], sums[1, i], sums[2, i], sums[3, i], sums[4, i], degree, reach, least, farthest
                )


@njit(cache=True)
def low_pass_averages(cycles: Floats, period: int, out: Floats) -> None:
    """Write the moving averages of length period, period and 3 of `cycles` (n + 2 period,) to `out` (n,)."""
    n = out.shape[0]
    once = np.empty(n + period + 1)
    twice = np.empty(n + 2)
    moving_average(cycles, period, once)
    moving_average(once, period, twice)
    for i in range(n):
        out[i] = (twice[i] + twice[i + 1] + twice[i + 2]) * (1.0 / 3.0)


@njit(cache=True)
def bisquare_weights(residuals: Floats, scale: float, out: Floats) -> None:
    """Write Tukey's bisquare weights of `residuals` (n,) at 6 median absolute residuals, `scale`, to `out` (n,).

    Missing residuals (NaN) get weight 0.
    """
    inner, outer = 0.001 * scale, 0.999 * scale
    for i in range(residuals.shape[0]):
        r = abs(residuals[i])
        if r <= inner:
            out[i] = 1.0
        elif r <= outer:
            u = r / scale
            out[i] = (1.0 - u * u) ** 2
        else:
            out[i] = 0.0
