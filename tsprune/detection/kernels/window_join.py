"""Nearest windows of one series in another: every pair of windows once, along the diagonals of the matrix of pairs."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from detectors.kernels.compilation import njit

__all__ = ["Moments", "nearest_windows", "window_moments"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Single = np.float32
Singles = NDArray[np.float32]
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


@njit(cache=True, fastmath={"nsz", "arcp", "contract", "afn", "reassoc"})
def covariance(a: Floats, b: Floats, mean_a: float, mean_b: float) -> float:
    """Sum of products of two windows (width,) less their means."""
    total = 0.0
    for k in range(a.size):
        total += (a[k] - mean_a) * (b[k] - mean_b)
    return total


@njit(cache=True)
def advance(running: Singles, gap: Singles, step: Singles, step_a: Single, gap_a: Single) -> None:
    """Move running covariances (n,) on by one window of `a`."""
    for j in range(running.size):
        running[j] += step_a * gap[j] + gap_a * step[j]


@njit(cache=True)
def lower(
    running: Singles,
    energy: Singles,
    factor: Singles,
    energy_a: Single,
    factor_a: Single,
    i: np.int32,
    best: Singles,
    where: NDArray[np.int32],
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
    parts: Integers,
    shift: int,
    exclusion: int,
    distance: Singles,
    index: NDArray[np.int32],
) -> None:
    """Lower `distance` and `index` to the nearest usable window of each part of `a`, for two normalisations.

    A window is divided by ``sqrt(variance + floor)``: floor 0 is z-normalisation, a floor far above the variances is
    the plain distance of centred windows. The distance is the mean squared difference of the windows so divided, to
    about 1e-5: the covariances run in single precision, over at most a tile.

    Parameters
    ----------
    a, b : ndarray of shape (n_timepoints_a,), (n_timepoints_b,)
        Of magnitude 1.
    width : int
    moments_a, moments_b : tuple of ndarray
        From `window_moments`.
    floors : ndarray of shape (2,)
        Variances that are added.
    usable : ndarray of bool of shape (n_a,)
        Windows of `a` that may be found.
    parts : ndarray of int of shape (n_parts, 2)
        First window and the one after the last, increasing; other windows of `a` are not compared with.
    shift : int
        Place of the first window of `b` less that of the first of `a`.
    exclusion : int
        Windows of `a` less than this many places away are passed over; 0 passes over none.
    distance, index : ndarray of shape (n_parts, 2, n_b)
        Lowered in place.
    """
    mean_a, variance_a, step_a, gap_a = moments_a
    mean_b, variance_b, step_b, gap_b = moments_b
    n_a, n_b = mean_a.size, mean_b.size
    factor_a, factor_b = np.empty((2, n_a), np.float32), np.empty((2, n_b), np.float32)
    energy_a, energy_b = np.empty((2, n_a), np.float32), np.empty((2, n_b), np.float32)
    for k in range(2):
        for i in range(n_a):
            factor_a[k, i] = 1.0 / np.sqrt(variance_a[i] + floors[k])
            energy_a[k, i] = variance_a[i] / (variance_a[i] + floors[k])
        for j in range(n_b):
            factor_b[k, j] = -2.0 / width / np.sqrt(variance_b[j] + floors[k])
            energy_b[k, j] = variance_b[j] / (variance_b[j] + floors[k])
    step, gap = step_b.astype(np.float32), gap_b.astype(np.float32)
    for start in range(0, n_b, _TILE):
        stop = min(start + _TILE, n_b)
        running = np.zeros(n_a + stop - start, np.float32)
        for p in range(parts.shape[0]):
            begins = p == 0 or parts[p, 0] != parts[p - 1, 1]
            for i in range(parts[p, 0], parts[p, 1]):
                base = n_a - 1 - i - start
                window = a[i : i + width]
                fresh = stop if begins and i == parts[p, 0] else start + 1
                for j in range(start, fresh):
                    running[base + j] = covariance(window, b[j : j + width], mean_a[i], mean_b[j])
                if fresh < stop:
                    r = running[base + fresh : base + stop]
                    advance(r, gap[fresh:stop], step[fresh:stop], np.float32(step_a[i]), np.float32(gap_a[i]))
                if not usable[i]:
                    continue
                low = max(start, min(stop, i - shift - exclusion + 1)) if exclusion > 0 else stop
                high = max(start, min(stop, i - shift + exclusion)) if exclusion > 0 else stop
                for first, last in ((start, low), (high, stop)):
                    if first < last:
                        r = running[base + first : base + last]
                        for k in range(2):
                            lower(
                                r, energy_b[k, first:last], factor_b[k, first:last], energy_a[k, i], factor_a[k, i],
                                np.int32(i), distance[p, k, first:last], index[p, k, first:last],
                            )  # fmt: skip
