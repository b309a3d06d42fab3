"""Running medians, along a series or along its cycles."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = ["median_of_seven", "medians_of_cycles"]

Floats = NDArray[np.float64]


@njit(cache=True)
def median_of_seven(x: Floats, stride: int, out: Floats) -> None:
    """Write the medians of x[i - 3 stride], ..., x[i + 3 stride] to `out` (n,), x[i] where they are not all there.

    The network of 13 comparisons is that of Paeth (1990), "Median finding on a 3x3 grid", Graphics Gems, p. 171, cut to
    seven values; without branches, all lanes of a vector run it at once. No value may be NaN.
    """
    n = x.shape[0]
    out[:] = x
    size = n - 6 * stride
    if size <= 0:
        return
    x0, x1, x2, x3 = x[:size], x[stride : stride + size], x[2 * stride :], x[3 * stride :]
    x4, x5, x6 = x[4 * stride :], x[5 * stride :], x[6 * stride :]
    middle = out[3 * stride : 3 * stride + size]
    for i in range(size):
        a, b, c, d, e, f, g = x0[i], x1[i], x2[i], x3[i], x4[i], x5[i], x6[i]
        a, f = (a, f) if a < f else (f, a)
        a, d = (a, d) if a < d else (d, a)
        b, g = (b, g) if b < g else (g, b)
        c, e = (c, e) if c < e else (e, c)
        b = b if a < b else a
        d, f = (d, f) if d < f else (f, d)
        c, g = (c, g) if c < g else (g, c)
        d = d if c < d else c
        d = d if d < g else g
        e = e if e < f else f
        b, e = (b, e) if b < e else (e, b)
        d = d if b < d else b
        middle[i] = d if d < e else e


@njit(cache=True)
def middle_of(a: float, b: float, c: float) -> float:
    """Return the median of three."""
    return max(min(a, b), min(max(a, b), c))


@njit(cache=True)
def medians_of_cycles(x: Floats, period: int, out: Floats) -> None:
    """Write the medians of seven neighbours in the cycle-subseries of `x` (n,), n >= 3 period, to `out` (n,).

    Next to the ends they are of five and of three; the last value of all is the median of itself, its neighbour's
    median, and the line through the two medians next to it (Tukey 1977, "Exploratory data analysis", chapter 7).
    """
    n = x.shape[0]
    median_of_seven(x, period, out)
    window = np.empty(5)
    for phase in range(period):
        n_cycles = (n - 1 - phase) // period + 1
        for cycle in range(n_cycles):
            half = min(cycle, n_cycles - 1 - cycle)
            if half == 0 or half > 2:
                continue
            for k in range(2 * half + 1):
                window[k] = x[phase + (cycle - half + k) * period]
            window[: 2 * half + 1].sort()
            out[phase + cycle * period] = window[half]
        last = n_cycles - 1
        for end, step in ((0, 1), (last, -1)):
            here, near, far = phase + end * period, phase + (end + step) * period, phase + (end + 2 * step) * period
            if n_cycles < 4:
                far = near
            out[here] = middle_of(x[here], out[near], 3.0 * out[near] - 2.0 * out[far])
