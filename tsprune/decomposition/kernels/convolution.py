"""Correlation of a series with a fixed kernel, along the series or along its cycles.

`correlate` is direct: ``window`` products a point, blocked so that what it reads and writes stays in the cache.
The multiply-adds may be contracted, which rounds once instead of twice; nothing else is relaxed, so NaN and
infinities behave as in IEEE arithmetic.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from detectors.kernels.compilation import njit

__all__ = ["BLOCK", "correlate", "moving_average"]

Floats = NDArray[np.float64]

# outputs per block: 8 kB of doubles, a quarter of the smallest first-level cache in use
BLOCK = 1024


@njit(cache=True, fastmath={"contract"})
def correlate(x: Floats, taps: Floats, stride: int, out: Floats) -> None:
    """Write ``out[i] = sum_k taps[k] * x[i + k * stride]`` for every i of `out` (n_out,)."""
    n_out, n_taps = out.shape[0], taps.shape[0]
    singles = n_taps % 8
    for start in range(0, n_out, BLOCK):
        size = min(n_out - start, BLOCK)
        block = out[start : start + size]
        for i in range(size):
            block[i] = 0.0
        for k in range(singles):
            b = start + k * stride
            s0, w0 = x[b : b + size], taps[k]
            for i in range(size):
                block[i] += w0 * s0[i]
        for k in range(singles, n_taps, 8):
            b = start + k * stride
            s0, b = x[b : b + size], b + stride
            s1, b = x[b : b + size], b + stride
            s2, b = x[b : b + size], b + stride
            s3, b = x[b : b + size], b + stride
            s4, b = x[b : b + size], b + stride
            s5, b = x[b : b + size], b + stride
            s6, b = x[b : b + size], b + stride
            s7 = x[b : b + size]
            w0, w1, w2, w3 = taps[k], taps[k + 1], taps[k + 2], taps[k + 3]
            w4, w5, w6, w7 = taps[k + 4], taps[k + 5], taps[k + 6], taps[k + 7]
            for i in range(size):
                left = w0 * s0[i] + w1 * s1[i] + w2 * s2[i] + w3 * s3[i]
                block[i] += left + (w4 * s4[i] + w5 * s5[i] + w6 * s6[i] + w7 * s7[i])


@njit(cache=True)
def moving_average(x: Floats, window: int, out: Floats) -> None:
    """Write the means of `window` neighbours of `x` (n,) to `out` (n - window + 1,).

    Four running sums at a time, on four stretches, so that none waits for another; all start afresh after a few
    windows, so that rounding does not build up along the series.
    """
    n_out = x.shape[0] - window + 1
    stretch = max(1, min(2 * window + BLOCK, n_out // 4))
    scale = 1.0 / window
    start = 0
    while start + 4 * stretch <= n_out:
        size = stretch + window
        a, b = x[start : start + size], x[start + stretch : start + stretch + size]
        c, d = x[start + 2 * stretch : start + 2 * stretch + size], x[start + 3 * stretch :]
        p, q = out[start : start + stretch], out[start + stretch : start + 2 * stretch]
        r, s = out[start + 2 * stretch : start + 3 * stretch], out[start + 3 * stretch : start + 4 * stretch]
        ta, tb, tc, td = 0.0, 0.0, 0.0, 0.0
        for i in range(window):
            ta, tb, tc, td = ta + a[i], tb + b[i], tc + c[i], td + d[i]
        p[0], q[0], r[0], s[0] = ta * scale, tb * scale, tc * scale, td * scale
        for i in range(1, stretch):
            ta += a[i + window - 1] - a[i - 1]
            tb += b[i + window - 1] - b[i - 1]
            tc += c[i + window - 1] - c[i - 1]
            td += d[i + window - 1] - d[i - 1]
            p[i], q[i], r[i], s[i] = ta * scale, tb * scale, tc * scale, td * scale
        start += 4 * stretch
    while start < n_out:
        stop = min(n_out, start + stretch)
        total = 0.0
        for k in range(start, start + window):
            total += x[k]
        out[start] = total * scale
        for i in range(start + 1, stop):
            total += x[i + window - 1] - x[i - 1]
            out[i] = total * scale
        start = stop
