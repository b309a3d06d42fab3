"""Running medians, along a series or along its cycles."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from detectors.kernels.compilation import njit

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
    n, p = x.shape[0], period
    median_of_seven(x, p, out)
    for part in range(2):
        first, last = (p, min(3 * p, n - p)) if part == 0 else (max(n - 3 * p, p), n - p)
        for i in range(first, last):
            half = min(i // p, (n - 1 - i) // p)
            if half == 1:
                out[i] = middle_of(x[i - p], x[i], x[i + p])
            elif half == 2:
                a, b, c, d = x[i - 2 * p], x[i - p], x[i + p], x[i + 2 * p]
                out[i] = middle_of(x[i], max(min(a, b), min(c, d)), min(max(a, b), max(c, d)))
    for part in range(2):
        step, start = (p, 0) if part == 0 else (-p, n - p)
        for i in range(start, start + p):
            # of a subseries of three, the median next to the end is also the one after
            far = i + 2 * step if 0 <= i + 3 * step < n else i + step
            out[i] = middle_of(x[i], out[i + step], 3.0 * out[i + step] - 2.0 * out[far])
