"""Jumps between one-sided local lines: the statistic behind level shifts."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from detectors.kernels.compilation import njit

__all__ = ["best_break", "jumps", "largest"]

Floats = NDArray[np.float64]


@njit(cache=True)
def line_end(s0: float, s1: float, s2: float, t0: float, t1: float) -> float:
    """Return the value at 0 of the least-squares line with the given moments; NaN for less than three points."""
    spread = s0 * s2 - s1 * s1
    if s0 < 3.0 or spread <= 0.0:
        return np.nan
    return (s2 * t0 - s1 * t1) / spread


@njit(cache=True)
def jumps(x: Floats, window: int, least: int, out: Floats, error: Floats) -> None:
    """Write the jump of `x` (n,) just before every point i to `out` (n,).

    The jump is the line through the `window` points from i on, minus the line through the `window` points before i,
    both at i - 1/2. NaN where a side has less than `least` known points. `error` (n,): the standard error of the jump
    under white noise, in units of that of full windows; greater where points are missing.
    """
    n = x.shape[0]
    out[:] = np.nan
    error[:] = 1.0
    # variance of the end of a line through points at 1/2, 3/2, ..., both sides
    full = 2.0 * (4.0 * window * window - 1.0) / (window * (window * window - 1.0))
    # moments about the moving middle i - 1/2, left (l) and right (r)
    l0, l1, l2, p0, p1 = 0.0, 0.0, 0.0, 0.0, 0.0
    r0, r1, r2, q0, q1 = 0.0, 0.0, 0.0, 0.0, 0.0
    for i in range(window, n - window + 1):
        if (i - window) % window == 0:
            # afresh every window, so that rounding does not build up
            l0, l1, l2, p0, p1 = 0.0, 0.0, 0.0, 0.0, 0.0
            r0, r1, r2, q0, q1 = 0.0, 0.0, 0.0, 0.0, 0.0
            for k in range(window):
                u = k + 0.5
                left, right = x[i - 1 - k], x[i + k]
                if not np.isnan(left):
                    l0 += 1.0
                    l1 -= u
                    l2 += u * u
                    p0 += left
                    p1 -= u * left
                if not np.isnan(right):
                    r0 += 1.0
                    r1 += u
                    r2 += u * u
                    q0 += right
                    q1 += u * right
        else:
            # shift the middle by one: u becomes u - 1
            l2, l1, p1 = l2 - 2.0 * l1 + l0, l1 - l0, p1 - p0
            r2, r1, q1 = r2 - 2.0 * r1 + r0, r1 - r0, q1 - q0
            gone, moved, come = x[i - 1 - window], x[i - 1], x[i + window - 1]
            if not np.isnan(gone):
                u = -window - 0.5
                l0 -= 1.0
                l1 -= u
                l2 -= u * u
                p0 -= gone
                p1 -= u * gone
            if not np.isnan(moved):
                l0 += 1.0
                l1 -= 0.5
                l2 += 0.25
                p0 += moved
                p1 -= 0.5 * moved
                r0 -= 1.0
                r1 += 0.5
                r2 -= 0.25
                q0 -= moved
                q1 += 0.5 * moved
            if not np.isnan(come):
                u = window - 0.5
                r0 += 1.0
                r1 += u
                r2 += u * u
                q0 += come
                q1 += u * come
        if l0 >= least and r0 >= least:
            out[i] = line_end(r0, r1, r2, q0, q1) - line_end(l0, l1, l2, p0, p1)
            if l0 + r0 < 2.0 * window:
                variance = l2 / (l0 * l2 - l1 * l1) + r2 / (r0 * r2 - r1 * r1)
                error[i] = np.sqrt(variance / full)


@njit(cache=True)
def best_break(x: Floats, first: int, last: int, least: int) -> int:
    """Return the point i in (first, last) at which two lines, before i and from i on, fit x[first:last] best.

    Best is the least sum of squares; each side has at least `least` known points. Returns -1 if there is no such i.
    """
    size = last - first
    moments = np.zeros((6, size + 1))
    origin = 0.5 * size
    level, known = 0.0, 0
    for k in range(size):
        if not np.isnan(x[first + k]):
            level += x[first + k]
            known += 1
    level = level / known if known > 0 else 0.0
    for k in range(size):
        moments[:, k + 1] = moments[:, k]
        if np.isnan(x[first + k]):
            continue
        u, value = k - origin, x[first + k] - level
        moments[0, k + 1] += 1.0
        moments[1, k + 1] += u
        moments[2, k + 1] += u * u
        moments[3, k + 1] += value
        moments[4, k + 1] += u * value
        moments[5, k + 1] += value * value
    best, where = np.inf, -1
    for k in range(1, size):
        if moments[0, k] < least or moments[0, size] - moments[0, k] < least or np.isnan(x[first + k]):
            continue
        total = 0.0
        for side in range(2):
            m = moments[:, k] if side == 0 else moments[:, size] - moments[:, k]
            spread = m[0] * m[2] - m[1] * m[1]
            squares = m[5] - m[3] * m[3] / m[0]
            if spread > 0.0:
                squares -= (m[0] * m[4] - m[1] * m[3]) ** 2 / (m[0] * spread)
            total += max(squares, 0.0)
        if total < best:
            best, where = total, first + k
    return where


@njit(cache=True)
def largest(x: Floats, error: Floats, candidate: NDArray[np.bool_]) -> int:
    """Return where the absolute value of `x` / `error` (n,) is largest among candidates, -1 if all are NaN."""
    best, where = -1.0, -1
    for i in range(x.shape[0]):
        size = abs(x[i]) / error[i]
        if size > best and candidate[i]:
            best, where = size, i
    return where
