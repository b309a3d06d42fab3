"""Steps of STL on a uniform grid: cycle-subseries smoothing, low-pass averages, robustness weights.

Cleveland, Cleveland, McRae, Terpenning (1990), "STL: a seasonal-trend decomposition procedure based on LOESS",
Journal of Official Statistics 6(1), 3-73, section 3. Point i of a series of period p belongs to phase i % p and cycle
i // p; the cycle-subseries of a phase holds its values in the order of the cycles.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from detectors.kernels.compilation import njit
from tsprune.decomposition.kernels.convolution import correlate, moving_average
from tsprune.decomposition.kernels.loess import FARTHEST, finish_fits, smooth_inside

__all__ = ["low_pass_averages", "smooth_cycles", "smooth_cycles_weighted", "split_season", "update_weights"]

Floats = NDArray[np.float64]


@njit(cache=True, fastmath={"contract"})
def smooth_cycles(x: Floats, period: int, kernel: Floats, long_head: Floats, short_head: Floats, out: Floats) -> None:
    """Smooth every cycle-subseries of `x` (n,) and extend it by one cycle at both ends: `out` (n + 2 period,).

    `kernel` (window,): the fit inside, empty if no window fits inside. `long_head`, `short_head` (n_rows, size): fits
    at cycles -1, 0, ... of subseries with n // period + 1 and n // period cycles; the last cycles mirror them.
    """
    n = x.shape[0]
    n_long = n % period
    half = (kernel.shape[0] - 1) // 2
    if kernel.shape[0] > 0 and n > 2 * half * period:
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
    rows: Floats,
    long_head: Floats,
    short_head: Floats,
    degree: int,
    share: float,
    out: Floats,
) -> None:
    """Smooth every cycle-subseries with weights per point; NaN where the weights do not suffice.

    As `smooth_cycles`, with raw tricube weights times offset ** 0, 1, 2 in `rows` (3, window), raw ones in `long_head`
    and `short_head`, and `weights`, `weighted` (n,) as in `loess.smooth_inside`. `share`: the least share of a full
    window's weight that is trusted, 0 for any.
    """
    n = weights.shape[0]
    n_long = n % period
    half = (rows.shape[1] - 1) // 2
    farthest = np.inf if share == 0.0 else FARTHEST
    if rows.shape[1] > 0 and n > 2 * half * period:
        target = out[(half + 1) * period : n - half * period + period]
        smooth_inside(weights, weighted, rows, period, degree, share * rows[0].sum(), farthest, target)
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
            part = sums[:, : last - first]
            part[:] = 0.0
            s0, s1, s2, t0, t1 = part[0], part[1], part[2], part[3], part[4]
            for k in range(taps.shape[0]):
                w, u = taps[k], float(k - position)
                wu, wuu = w * u, w * u * u
                source_cycle = k if cycle <= mirrored else n_cycles - 1 - k
                v = weights[source_cycle * period + first : source_cycle * period + last]
                z = weighted[source_cycle * period + first : source_cycle * period + last]
                for i in range(v.shape[0]):
                    s0[i] += w * v[i]
                    t0[i] += w * z[i]
                if degree > 0:
                    for i in range(v.shape[0]):
                        s1[i] += wu * v[i]
                        s2[i] += wuu * v[i]
                    for i in range(v.shape[0]):
                        t1[i] += wu * z[i]
            target = out[(cycle + 1) * period + first : (cycle + 1) * period + last]
            finish_fits(s0, s1, s2, t0, t1, degree, taps.shape[0] - 1.0, share * taps.sum(), farthest, target)


@njit(cache=True)
def low_pass_averages(cycles: Floats, period: int, once: Floats, twice: Floats, out: Floats) -> None:
    """Write the moving averages of length period, period and 3 of `cycles` (n + 2 period,) to `out` (n,).

    `once` (n + period + 1,) and `twice` (n + 2,) are room for the steps between.
    """
    moving_average(cycles, period, once)
    moving_average(once, period, twice)
    for i in range(out.shape[0]):
        out[i] = (twice[i] + twice[i + 1] + twice[i + 2]) * (1.0 / 3.0)


@njit(cache=True)
def split_season(cycles: Floats, low: Floats, values: Floats, seasonal: Floats, rest: Floats) -> None:
    """Write the season, `cycles` without `low`, to `seasonal`, and `values` without the season to `rest`, all (n,)."""
    for i in range(seasonal.shape[0]):
        season = cycles[i] - low[i]
        seasonal[i] = season
        rest[i] = values[i] - season


@njit(cache=True)
def update_weights(residuals: Floats, scale: float, weights: Floats) -> tuple[float, float]:
    """Replace `weights` (n,) by Tukey's bisquare of absolute `residuals` (n,) at `scale`; 0 where those are NaN.

    Returns the mean and the largest change.
    """
    inner, outer = 0.001 * scale, 0.999 * scale
    total, largest = 0.0, 0.0
    for i in range(residuals.shape[0]):
        r = residuals[i]
        u = r / scale
        v = 1.0 - u * u
        w = v * v if r <= outer else 0.0
        w = 1.0 if r <= inner else w
        change = abs(w - weights[i])
        total += change
        largest = max(largest, change)
        weights[i] = w
    return total / residuals.shape[0], largest
