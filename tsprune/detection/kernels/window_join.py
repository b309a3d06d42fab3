"""Nearest windows of one series in another: every pair of windows once, along the diagonals of the matrix of pairs."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = ["Moments", "nearest_windows", "window_moments"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Moments = tuple[Floats, Floats, Floats, Floats]

_TILE = 1024  # windows whose running covariances stay in the nearest cache


@njit(cache=True)
def window_moments(values: Floats, width: int) -> Moments:
    """Mean, variance and the two difference terms of every window.

    Parameters
    ----------
    values : ndarray of shape (n_timepoints,)
        Finite; centred values keep the running sums exact.
    width : int >= 2

    Returns
    -------
    mean, variance, step, gap : ndarray of shape (n_timepoints - width + 1,)
        The covariance of the windows i of a and j of b follows from that of i - 1 and j - 1 by adding
        ``step_a[i] * gap_b[j] + step_b[j] * gap_a[i]`` (Zimmerman et al., SoCC 2019, equation 3; here as sums, not
        means).
    """
    n = values.size - width + 1
    mean = np.empty(n)
    variance = np.empty(n)
    step = np.zeros(n)
    gap = np.zeros(n)
    for i in range(n):
        total = 0.0
        for k in range(width):
            total += values[i + k]
        mean[i] = total / width
        square = 0.0
        for k in range(width):
            square += (values[i + k] - mean[i]) ** 2
        variance[i] = square / width
        if i > 0:
            step[i] = (values[i + width - 1] - values[i - 1]) / 2.0
            gap[i] = (values[i + width - 1] - mean[i]) + (values[i - 1] - mean[i - 1])
    return mean, variance, step, gap


@njit(cache=True)
def advance(running: Floats, gap: Floats, step: Floats, step_a: float, gap_a: float) -> None:
    """Move running covariances (n,) on by one window of `a`."""
    for j in range(running.size):
        running[j] += step_a * gap[j] + gap_a * step[j]


@njit(cache=True)
def lower(
    running: Floats,
    energy: Floats,
    factor: Floats,
    energy_a: float,
    factor_a: float,
    i: int,
    best: Floats,
    where: Integers,
) -> None:
    """Lower `best` (n,) and `where` to window `i` of `a` where it is nearer."""
    for j in range(running.size):
        d = energy_a + energy[j] + running[j] * factor_a * factor[j]
        nearer = d < best[j]
        best[j] = d if nearer else best[j]
        where[j] = i if nearer else where[j]


@njit(cache=True)
def nearest_windows(
    a: Floats,
    b: Floats,
    width: int,
    moments_a: Moments,
    moments_b: Moments,
    floors: Floats,
    usable: NDArray[np.bool_],
    shift: int,
    exclusion: int,
    distance: Floats,
    index: Integers,
) -> None:
    """Lower `distance` (2, n_b) and `index` to the nearest usable window of `a`, for two normalisations.

    A window is divided by ``sqrt(variance + floor)``: floor 0 is z-normalisation, a floor far above the variances is
    the plain distance of centred windows. The distance is the mean squared difference of the windows so divided.

    Parameters
    ----------
    a, b : ndarray of shape (n_timepoints_a,), (n_timepoints_b,)
    width : int
    moments_a, moments_b : tuple of ndarray
        From `window_moments`.
    floors : ndarray of shape (2,)
        Variances that are added.
    usable : ndarray of bool of shape (n_a,)
        Windows of `a` that may be found.
    shift : int
        Place of the first window of `b` less that of the first of `a`.
    exclusion : int
        Windows of `a` less than this many places away are passed over; 0 passes over none.
    distance, index : ndarray of shape (2, n_b)
        Lowered in place.
    """
    mean_a, variance_a, step_a, gap_a = moments_a
    mean_b, variance_b, step_b, gap_b = moments_b
    n_a, n_b = mean_a.size, mean_b.size
    first_a = 1.0 / np.sqrt(variance_a + floors[0])
    first_b = 1.0 / np.sqrt(variance_b + floors[0])
    second_a = 1.0 / np.sqrt(variance_a + floors[1])
    second_b = 1.0 / np.sqrt(variance_b + floors[1])
    energy_a = variance_a * first_a * first_a
    energy_b = variance_b * first_b * first_b
    other_a = variance_a * second_a * second_a
    other_b = variance_b * second_b * second_b
    first_b *= -2.0 / width
    second_b *= -2.0 / width
    best, where = distance[0], index[0]
    best2, where2 = distance[1], index[1]
    for start in range(0, n_b, _TILE):
        stop = min(start + _TILE, n_b)
        running = np.zeros(n_a + stop - start)
        for i in range(n_a):
            low = max(start, min(stop, i - shift - exclusion + 1)) if exclusion > 0 else stop
            high = max(start, min(stop, i - shift + exclusion)) if exclusion > 0 else stop
            base = n_a - 1 - i - start
            if i == 0:
                for j in range(start, stop):
                    total = 0.0
                    for k in range(width):
                        total += (a[k] - mean_a[0]) * (b[j + k] - mean_b[j])
                    running[base + j] = total
            else:
                total = 0.0
                for k in range(width):
                    total += (a[i + k] - mean_a[i]) * (b[start + k] - mean_b[start])
                running[base + start] = total
                advance(
                    running[base + start + 1 : base + stop],
                    gap_b[start + 1 : stop],
                    step_b[start + 1 : stop],
                    step_a[i],
                    gap_a[i],
                )
            if not usable[i]:
                continue
            for first, last in ((start, low), (high, stop)):
                if first < last:
                    r = running[base + first : base + last]
                    lower(
                        r,
                        energy_b[first:last],
                        first_b[first:last],
                        energy_a[i],
                        first_a[i],
                        i,
                        best[first:last],
                        where[first:last],
                    )
                    lower(
                        r,
                        other_b[first:last],
                        second_b[first:last],
                        other_a[i],
                        second_a[i],
                        i,
                        best2[first:last],
                        where2[first:last],
                    )
