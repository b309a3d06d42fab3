"""LOESS on a uniform grid: tricube kernels, their rows at the ends, and weighted local fits.

On a uniform grid the local regression at an interior point is one fixed kernel, the same everywhere; only the first
and the last half window have rows of their own. With weights per point (robustness, missing values) the local fit is
a ratio of correlations of the weights and the weighted values with the moments of the tricube kernel.

Conventions are those of R's `stl` (Cleveland et al. 1990, netlib `stl.f`, subroutine `est`): the window holds the
`window` nearest points; weights within 0.001 of the half width are 1 and beyond 0.999 are 0; for series shorter
than the window the half width grows by half of the difference; the slope is used only where the points spread wide
enough.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from detectors.kernels.compilation import njit
from tsprune.decomposition.kernels.convolution import BLOCK, correlate

__all__ = ["FARTHEST", "SLOPE_SPREAD", "edge_sums", "fill_along", "finish_fits", "smooth_inside", "window_rows"]

Floats = NDArray[np.float64]

# stl.f, subroutine est: the slope counts only if the points spread by more than this share of their range
SLOPE_SPREAD = 0.001
# a local line through incomplete data is trusted up to this many deviations from the centre of the points (squared)
FARTHEST = 9.0


@njit(cache=True)
def tricube_row(left: int, x0: float, half_width: float, row: Floats) -> None:
    """Write the tricube weights of the points left, left + 1, ... around `x0` to `row` (window,)."""
    for k in range(row.shape[0]):
        distance = abs(left + k - x0)
        if distance > 0.999 * half_width:
            row[k] = 0.0
        elif distance <= 0.001 * half_width:
            row[k] = 1.0
        else:
            u = distance / half_width
            v = 1.0 - u * u * u
            row[k] = v * v * v


@njit(cache=True)
def regress_row(left: int, x0: float, degree: int, reach: float, row: Floats) -> None:
    """Turn weights `row` (window,) into the coefficients of the local fit at `x0`; they sum to 1."""
    total = 0.0
    for k in range(row.shape[0]):
        total += row[k]
    if total <= 0.0:
        return
    centre = 0.0
    for k in range(row.shape[0]):
        row[k] /= total
        centre += row[k] * (left + k - x0)
    if degree == 0:
        return
    spread = 0.0
    for k in range(row.shape[0]):
        spread += row[k] * (left + k - x0 - centre) ** 2
    if np.sqrt(spread) > SLOPE_SPREAD * reach:
        for k in range(row.shape[0]):
            row[k] *= 1.0 - centre / spread * (left + k - x0 - centre)


@njit(cache=True)
def window_rows(length: int, window: int, degree: int, first: int, last: int) -> Floats:
    """Return the rows (last - first, min(window, length)) of the local fits at first, ..., last - 1.

    `degree` -1 leaves the raw tricube weights. The points are 0, ..., length - 1; -1 and length are one step outside.
    """
    size = min(window, length)
    half = (window - 1) // 2
    rows = np.empty((last - first, size))
    for x0 in range(first, last):
        left = min(max(x0 - half, 0), length - size)
        half_width = float(max(x0 - left, left + size - 1 - x0) + max(0, (window - length) // 2))
        tricube_row(left, x0, half_width, rows[x0 - first])
        if degree >= 0:
            regress_row(left, x0, degree, size - 1.0, rows[x0 - first])
    return rows


@njit(cache=True, error_model="numpy")
def finish_fits(
    s0: Floats, s1: Floats, s2: Floats, t0: Floats, t1: Floats,
    degree: int, reach: float, least: float, farthest: float, out: Floats,
) -> None:  # fmt: skip
    """Write the local fits to `out` (n_out,), NaN where there is not enough weight.

    s0, s1, s2: sums of weight x offset ** 0, 1, 2; t0, t1: of weight x value x offset ** 0, 1; offsets count from the
    point of the fit. Degree 0 reads s0 and t0 only. `least`: weight that must be exceeded. `farthest`: squared
    distance from the centre of the points, in squared deviations of theirs, beyond which a line is not trusted.
    """
    if degree == 0:
        for i in range(out.shape[0]):
            enough = s0[i] > least
            out[i] = t0[i] / (s0[i] if enough else 1.0) if enough else np.nan
        return
    narrow = (SLOPE_SPREAD * reach) ** 2
    for i in range(out.shape[0]):
        enough = s0[i] > least
        scale = 1.0 / (s0[i] if enough else 1.0)
        mean, centre = t0[i] * scale, s1[i] * scale
        spread = s2[i] * scale - centre * centre
        sloped = spread > narrow
        slope = (t1[i] * scale - centre * mean) / (spread if sloped else 1.0)
        value = mean - centre * slope if sloped else mean
        near = centre * centre <= farthest * max(spread, 1.0)
        out[i] = value if enough and near else np.nan


@njit(cache=True)
def smooth_inside(
    weights: Floats, weighted: Floats, rows: Floats, stride: int, degree: int, least: float, farthest: float,
    out: Floats,
) -> None:  # fmt: skip
    """Local fits at points with a full window on both sides, by direct sums.

    ``out[i]`` (n_out,) is the fit at the middle of ``weights[i + k * stride]``, k < window. `rows` (3, window): raw
    tricube weights times offset ** 0, 1, 2. `weights` and `weighted`: those per point, and times the values.
    """
    n_out, window = out.shape[0], rows.shape[1]
    sums = np.empty((5, BLOCK))
    for start in range(0, n_out, BLOCK):
        size = min(n_out - start, BLOCK)
        s0, s1, s2, t0, t1 = sums[0, :size], sums[1, :size], sums[2, :size], sums[3, :size], sums[4, :size]
        v, z = weights[start:], weighted[start:]
        correlate(v, rows[0], stride, s0)
        correlate(z, rows[0], stride, t0)
        if degree > 0:
            correlate(v, rows[1], stride, s1)
            correlate(v, rows[2], stride, s2)
            correlate(z, rows[1], stride, t1)
        finish_fits(s0, s1, s2, t0, t1, degree, window - 1.0, least, farthest, out[start : start + size])


@njit(cache=True, fastmath={"contract"})
def edge_sums(weights: Floats, weighted: Floats, head: Floats, first: int, sums: Floats) -> None:
    """Write the five sums of `finish_fits` at points first, first + 1, ... to `sums` (5, n_rows).

    `head` (n_rows, size): raw tricube weights of the rows; `weights`, `weighted` (size,).
    """
    for i in range(head.shape[0]):
        s0, s1, s2, t0, t1 = 0.0, 0.0, 0.0, 0.0, 0.0
        for k in range(head.shape[1]):
            u = float(k - first - i)
            a, b = head[i, k] * weights[k], head[i, k] * weighted[k]
            s0 += a
            s1 += a * u
            s2 += a * u * u
            t0 += b
            t1 += b * u
        sums[0, i], sums[1, i], sums[2, i], sums[3, i], sums[4, i] = s0, s1, s2, t0, t1


@njit(cache=True)
def fill_along(x: Floats, stride: int) -> int:
    """Replace NaN in `x` (n,) by straight lines between neighbours at distance `stride`, constants at the ends.

    Returns the number of NaN that remain, because all points of a cycle-subseries are NaN.
    """
    n, remaining = x.shape[0], 0
    for phase in range(min(stride, n)):
        before = -1
        for i in range(phase, n, stride):
            if np.isnan(x[i]):
                continue
            if before < 0:
                for k in range(phase, i, stride):
                    x[k] = x[i]
            elif i - before > stride:
                slope = (x[i] - x[before]) / (i - before)
                for k in range(before + stride, i, stride):
                    x[k] = x[before] + slope * (k - before)
            before = i
        if before < 0:
            remaining += (n - 1 - phase) // stride + 1
        else:
            for k in range(before + stride, n, stride):
                x[k] = x[before]
    return remaining
