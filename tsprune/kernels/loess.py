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
from numba import njit
from numpy.typing import NDArray

from tsprune.kernels.convolution import BLOCK, correlate

__all__ = ["SLOPE_SPREAD", "fill_along", "smooth", "smooth_weighted", "window_rows"]

Floats = NDArray[np.float64]

# stl.f, subroutine est: the slope counts only if the points spread by more than this share of their range
SLOPE_SPREAD = 0.001
# a local fit to incomplete data is trusted only this many standard deviations away from the points' centre
FARTHEST = 3.0


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


@njit(cache=True, fastmath={"contract", "reassoc"})
def dot(a: Floats, b: Floats) -> float:
    """Return the inner product of `a` and `b` (n,)."""
    total = 0.0
    for k in range(a.shape[0]):
        total += a[k] * b[k]
    return total


@njit(cache=True)
def smooth(x: Floats, window: int, kernel: Floats, head: Floats, out: Floats) -> None:
    """Smooth `x` (n,) where n >= window: `kernel` (window,) inside, rows `head` (half, window) at both ends."""
    n, half = x.shape[0], head.shape[0]
    correlate(x, kernel, 1, out[half : n - half])
    mirrored = x[n - window :][::-1].copy()
    for i in range(half):
        out[i] = dot(head[i], x[:window])
        out[n - 1 - i] = dot(head[i], mirrored)


@njit(cache=True)
def local_fit(
    s0: float, s1: float, s2: float, t0: float, t1: float, degree: int, reach: float, least: float, farthest: float
) -> float:
    """Return the local fit from moments about the point itself, NaN if there is not enough weight.

    s0, s1, s2 are the sums of weight x offset ** 0, 1, 2; t0 and t1 those of weight x value x offset ** 0, 1.
    """
    if s0 <= least:
        return np.nan
    mean, centre = t0 / s0, s1 / s0
    if degree == 0:
        return mean
    spread = s2 / s0 - centre * centre
    if spread <= 0.0 or np.sqrt(spread) <= SLOPE_SPREAD * reach:
        return mean if centre * centre <= farthest * max(spread, 1.0) else np.nan
    if centre * centre > farthest * spread:
        return np.nan
    return mean - centre * (t1 / s0 - centre * mean) / spread


@njit(cache=True, fastmath={"contract"})
def weighted_interior(
    weights: Floats,
    weighted: Floats,
    row: Floats,
    stride: int,
    degree: int,
    reach: float,
    least: float,
    farthest: float,
    out: Floats,
) -> None:
    """Local fits at points with a full window on both sides.

    ``out[i]`` (n_out,) is the fit at the middle of ``weights[i + k * stride]``, k < window. `row` (window,) holds raw
    tricube weights, `weights` and `weighted` those per point and their products with the values.
    """
    n_out, n_taps = out.shape[0], row.shape[0]
    half = (n_taps - 1) // 2
    sums = np.empty((5, BLOCK))
    for start in range(0, n_out, BLOCK):
        size = min(n_out - start, BLOCK)
        s0, s1, s2 = sums[0, :size], sums[1, :size], sums[2, :size]
        t0, t1 = sums[3, :size], sums[4, :size]
        s0[:] = 0.0
        s1[:] = 0.0
        s2[:] = 0.0
        t0[:] = 0.0
        t1[:] = 0.0
        if degree == 0:
            for k in range(n_taps):
                b, a = start + k * stride, row[k]
                v, z = weights[b : b + size], weighted[b : b + size]
                for i in range(size):
                    s0[i] += a * v[i]
                    t0[i] += a * z[i]
        else:
            # the window is symmetric: sums and differences of the two sides halve the products
            b = start + half * stride
            v, z = weights[b : b + size], weighted[b : b + size]
            for i in range(size):
                s0[i] = row[half] * v[i]
                t0[i] = row[half] * z[i]
            for k in range(half):
                u = float(half - k)
                a = row[k]
                au, auu = a * u, a * u * u
                b = start + k * stride
                c = start + (n_taps - 1 - k) * stride
                v, z = weights[b : b + size], weighted[b : b + size]
                v2, z2 = weights[c : c + size], weighted[c : c + size]
                for i in range(size):
                    even, odd = v2[i] + v[i], v2[i] - v[i]
                    s0[i] += a * even
                    s1[i] += au * odd
                    s2[i] += auu * even
                    t0[i] += a * (z2[i] + z[i])
                    t1[i] += au * (z2[i] - z[i])
        for i in range(size):
            out[start + i] = local_fit(s0[i], s1[i], s2[i], t0[i], t1[i], degree, reach, least, farthest)


@njit(cache=True, fastmath={"contract", "reassoc"})
def weighted_point(
    weights: Floats, weighted: Floats, row: Floats, first_offset: float, degree: int, reach: float, least: float,
    farthest: float,
) -> float:  # fmt: skip
    """Return the local fit of one row: `row` (window,) raw tricube weights, offsets first_offset, first_offset + 1, ..."""
    s0, s1, s2, t0, t1 = 0.0, 0.0, 0.0, 0.0, 0.0
    for k in range(row.shape[0]):
        u = first_offset + k
        a, b = row[k] * weights[k], row[k] * weighted[k]
        s0 += a
        s1 += a * u
        s2 += a * u * u
        t0 += b
        t1 += b * u
    return local_fit(s0, s1, s2, t0, t1, degree, reach, least, farthest)


@njit(cache=True)
def smooth_weighted(
    weights: Floats, weighted: Floats, window: int, row: Floats, head: Floats, degree: int, share: float, out: Floats
) -> None:
    """Smooth with weights per point; NaN where the weights in the window do not suffice.

    `weights` and `weighted` (n,): weight, and weight x value. `row` (window,): raw tricube weights inside. `head`
    (half, window), or (n, n) for n < window: raw weights at the start, mirrored for the end. `share`: the least share
    of the full window's weight that is trusted; 0 trusts any.
    """
    n = weights.shape[0]
    size, half = min(window, n), head.shape[0]
    reach = size - 1.0
    farthest = np.inf if share == 0.0 else FARTHEST * FARTHEST
    if n < window:
        for i in range(n):
            least = share * head[i].sum()
            out[i] = weighted_point(weights, weighted, head[i], float(-i), degree, reach, least, farthest)
        return
    weighted_interior(weights, weighted, row, 1, degree, reach, share * row.sum(), farthest, out[half : n - half])
    last_weights, last_weighted = weights[n - window :][::-1].copy(), weighted[n - window :][::-1].copy()
    for i in range(half):
        least = share * head[i].sum()
        out[i] = weighted_point(weights[:size], weighted[:size], head[i], float(-i), degree, reach, least, farthest)
        out[n - 1 - i] = weighted_point(last_weights, last_weighted, head[i], float(-i), degree, reach, least, farthest)


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
