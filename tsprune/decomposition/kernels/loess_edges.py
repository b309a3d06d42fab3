"""Local fits near the ends of a series by moments: O(window) for all of them together.

Near an end the window stands still while the point moves through it, so every fit weighs the same points, with the
tricube of another centre and width. The tricube is one polynomial of degree 9 to the left of its centre and another to
the right. Its sums over the window are therefore combinations of the moments of the points in the whole window and of
those before the centre; the coefficients depend on the window alone.

The 0.001 and 0.999 of R's tricube (see `loess`) are left out here: below windows of 1000 points they change nothing,
above they change a fit by less than 1e-10 of the range of the values.
"""

from __future__ import annotations

from math import comb

import numpy as np
from numpy.typing import NDArray

from detectors.kernels.compilation import njit

__all__ = ["N_MOMENTS", "apply_edges", "edge_coefficients", "fit_coefficients"]

Floats = NDArray[np.float64]

# tricube (degree 9) times squared offset
N_MOMENTS = 12
# (1 - u^3)^3 for u >= 0, and what it has to lose for u < 0, by powers of u
TRICUBE = {0: 1.0, 3: -3.0, 6: 3.0, 9: -1.0}
LEFT_EXCESS = {3: -6.0, 9: -2.0}


def edge_coefficients(size: int, window: int, first: int, last: int) -> Floats:
    """Return the coefficients (3, 2, N_MOMENTS, last - first) of sum_j tricube_ij (j - i)^k x_j for k = 0, 1, 2.

    Points are 0, ..., size - 1, centres first, ..., last - 1 lie in the first half; `window` >= size. Axis 1: moments
    of the whole window, and of the points before the centre. Moments are those of 2 j / (size - 1) - 1.
    """
    centres = np.arange(first, last, dtype=np.float64)
    widths = size - 1.0 - centres + (window - size) // 2
    scale = max(0.5 * (size - 1), 0.5)
    place = (centres - 0.5 * (size - 1)) / scale
    out = np.zeros((3, 2, N_MOMENTS, last - first))
    for k in range(3):
        for which, powers in enumerate((TRICUBE, {power: -value for power, value in LEFT_EXCESS.items()})):
            for power, value in powers.items():
                # (j - i)^(power + k) / width^power, expanded in powers of the scaled offset of j
                factor = value * scale ** (power + k) / widths**power
                for q in range(power + k + 1):
                    out[k, which, q] += factor * comb(power + k, q) * (-place) ** (power + k - q)
    return out


def fit_coefficients(coefficients: Floats, size: int, first: int, degree: int, spread_share: float) -> Floats:
    """Return the coefficients (2, N_MOMENTS, n_rows) of the local fits themselves, for points of equal weight.

    `spread_share`: the slope counts if the points spread by more than this share of size - 1.
    """
    ones = np.ones(size)
    sums = np.empty((3, coefficients.shape[3]))
    for k in range(3):
        apply_edges(ones, coefficients[k], first, sums[k])
    s0, s1, s2 = sums
    if degree == 0:
        return np.asarray(coefficients[0] / s0)
    centre = s1 / s0
    spread = s2 / s0 - centre**2
    slope = np.where(spread > (spread_share * (size - 1.0)) ** 2, centre / np.maximum(spread, 1e-300), 0.0)
    return np.asarray((coefficients[0] * (1.0 + slope * centre) - coefficients[1] * slope) / s0)


@njit(cache=True, fastmath={"contract"})
def apply_edges(x: Floats, coefficients: Floats, first: int, out: Floats) -> None:
    """Write the sums over the points `x` (size,) with `coefficients` (2, N_MOMENTS, n_rows) to `out` (n_rows,).

    `first` is the first centre, as in `edge_coefficients`: 0, or -1 for one step outside.
    """
    size, n_rows = x.shape[0], out.shape[0]
    middle = 0.5 * (size - 1)
    per_step = 1.0 / max(middle, 0.5)
    for row in range(n_rows):
        out[row] = 0.0
    # six powers at a time, so that their running sums do not wait for each other
    for q in range(0, N_MOMENTS, 6):
        t0, t1, t2, t3, t4, t5 = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
        a0, a1, a2 = coefficients[1, q], coefficients[1, q + 1], coefficients[1, q + 2]
        a3, a4, a5 = coefficients[1, q + 3], coefficients[1, q + 4], coefficients[1, q + 5]
        # before a centre at -1 there is no point: its row takes no part in this loop
        for j in range(first + n_rows):
            row = j - first
            out[row] += (a0[row] * t0 + a1[row] * t1 + a2[row] * t2) + (a3[row] * t3 + a4[row] * t4 + a5[row] * t5)
            u = (j - middle) * per_step
            cube = u * u * u
            v = x[j] * (1.0 if q == 0 else cube * cube)
            w = v * cube
            t0, t3 = t0 + v, t3 + w
            v, w = v * u, w * u
            t1, t4 = t1 + v, t4 + w
            t2, t5 = t2 + v * u, t5 + w * u
        for j in range(first + n_rows, size):
            u = (j - middle) * per_step
            cube = u * u * u
            v = x[j] * (1.0 if q == 0 else cube * cube)
            w = v * cube
            t0, t3 = t0 + v, t3 + w
            v, w = v * u, w * u
            t1, t4 = t1 + v, t4 + w
            t2, t5 = t2 + v * u, t5 + w * u
        b0, b1, b2 = coefficients[0, q], coefficients[0, q + 1], coefficients[0, q + 2]
        b3, b4, b5 = coefficients[0, q + 3], coefficients[0, q + 4], coefficients[0, q + 5]
        for row in range(n_rows):
            out[row] += (b0[row] * t0 + b1[row] * t1 + b2[row] * t2) + (b3[row] * t3 + b4[row] * t4 + b5[row] * t5)
