"""Weighted smoothing over time and over cycles: the two steps of a robust seasonal adjustment with missing values."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = ["left_out_errors", "phase_medians", "smooth_cycles", "smooth_trend"]

Floats = NDArray[np.float64]


@njit(cache=True)
def smooth_trend(x: Floats, w: Floats, half_window: int) -> Floats:
    """Return the local line through `x` at every row (n_timepoints,), tricube weights times `w`.

    The window grows until it holds a tenth of its full weight, so that gaps are bridged.
    """
    n = x.shape[0]
    out = np.empty(n)
    for t in range(n):
        reach = half_window
        while True:
            s0, s1, s2, r0, r1, full = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
            for row in range(max(0, t - reach), min(n, t + reach + 1)):
                d = (row - t) / (reach + 1.0)
                u = 1.0 - abs(d) ** 3
                k = u * u * u
                full += k
                k *= w[row]
                s0 += k
                s1 += k * d
                s2 += k * d * d
                r0 += k * x[row]
                r1 += k * d * x[row]
            if s0 > 0.1 * full or reach >= n:
                break
            reach *= 2
        if s0 <= 0.0:
            out[t] = 0.0
            continue
        spread = s0 * s2 - s1 * s1
        out[t] = (s2 * r0 - s1 * r1) / spread if spread > 1e-6 * s0 * s0 else r0 / s0
    return out


@njit(cache=True)
def smooth_cycles(x: Floats, w: Floats, period: int, half_cycles: int) -> Floats:
    """Return the mean of every phase over the neighbouring cycles (n_timepoints,), tricube weights times `w`.

    A phase without weight in reach takes all cycles, then 0.
    """
    n = x.shape[0]
    out = np.zeros(n)
    for t in range(n):
        reach = half_cycles
        while True:
            total, mean, full = 0.0, 0.0, 0.0
            row = t - min(reach, t // period) * period
            while row < n and row <= t + reach * period:
                u = 1.0 - (abs(row - t) / (period * (reach + 1.0))) ** 3
                k = u * u * u
                full += k
                total += k * w[row]
                mean += k * w[row] * x[row]
                row += period
            if total > 0.1 * full or reach * period >= n:
                break
            reach *= 2
        if total > 0.0:
            out[t] = mean / total
    return out


@njit(cache=True)
def phase_medians(x: Floats, period: int) -> Floats:
    """Return the median of the finite values of every phase (period,); 0 where a phase has none."""
    n = x.shape[0]
    out = np.zeros(period)
    for phase in range(min(period, n)):
        values = x[phase::period]
        values = values[~np.isnan(values)]
        if values.size:
            out[phase] = np.median(values)
    return out


@njit(cache=True)
def left_out_errors(x: Floats, period: int) -> Floats:
    """Return |value - median of its phase in the other cycles| (n_timepoints,); NaN without such a value."""
    n = x.shape[0]
    out = np.full(n, np.nan)
    for phase in range(min(period, n)):
        rows = np.arange(phase, n, period)
        rows = rows[~np.isnan(x[rows])]
        size = rows.size
        if size < 2:
            continue
        order = np.argsort(x[rows])
        values = x[rows][order]
        for place in range(size):
            # the median of the others: drop this place from the sorted values
            low, high = (size - 2) // 2, (size - 1) // 2
            low, high = low + (low >= place), high + (high >= place)
            out[rows[order[place]]] = abs(values[place] - 0.5 * (values[low] + values[high]))
    return out
