"""Weighted smoothing over time and over cycles: the two steps of a robust seasonal adjustment with missing values."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from detectors.kernels.compilation import njit
from detectors.kernels.median import median
from tsprune.cleaning.kernels.autoregression import median_of_seen
from tsprune.cleaning.kernels.running_median import running_median

__all__ = ["left_out_errors", "mean_of_cycle", "phase_medians", "robust_weights", "smooth_cycles", "smooth_trend"]

Floats = NDArray[np.float64]

_RUN = 32


@njit(cache=True)
def _line_at(x: Floats, w: Floats, t: int, half_window: int) -> float:
    """Return the local line through `x` at row `t`; the window grows until it holds a tenth of its full weight."""
    n, reach = x.shape[0], half_window
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
        return 0.0
    spread = s0 * s2 - s1 * s1
    return (s2 * r0 - s1 * r1) / spread if spread > 1e-6 * s0 * s0 else r0 / s0


@njit(cache=True)
def smooth_trend(x: Floats, w: Floats, half_window: int) -> Floats:
    """Return the local line through `x` at every row (n_timepoints,), tricube weights times `w`.

    The window grows until it holds a tenth of its full weight, so that gaps are bridged.
    """
    n = x.shape[0]
    s0, s1, s2, r0, r1, full = np.zeros(n), np.zeros(n), np.zeros(n), np.zeros(n), np.zeros(n), np.zeros(n)
    # one offset after the other, over all rows: neighbours need not wait for each other
    for offset in range(-min(half_window, n - 1), min(half_window, n - 1) + 1):
        d = offset / (half_window + 1.0)
        u = 1.0 - abs(d) ** 3
        kernel = u * u * u
        first, last = max(0, -offset), min(n, n - offset)
        size = last - first
        values, weights = x[first + offset : last + offset], w[first + offset : last + offset]
        p0, p1, p2 = s0[first:last], s1[first:last], s2[first:last]
        q0, q1, whole = r0[first:last], r1[first:last], full[first:last]
        for t in range(size):
            k = kernel * weights[t]
            whole[t] += kernel
            p0[t] += k
            p1[t] += k * d
            p2[t] += k * d * d
            q0[t] += k * values[t]
            q1[t] += k * d * values[t]
    out = np.empty(n)
    for t in range(n):
        if not s0[t] > 0.1 * full[t]:
            out[t] = _line_at(x, w, t, half_window)
            continue
        spread = s0[t] * s2[t] - s1[t] * s1[t]
        out[t] = (s2[t] * r0[t] - s1[t] * r1[t]) / spread if spread > 1e-6 * s0[t] * s0[t] else r0[t] / s0[t]
    return out


@njit(cache=True)
def _phase_at(x: Floats, w: Floats, t: int, period: int, half_cycles: int) -> float:
    """Return the mean of the phase of row `t`; the reach grows until it holds a tenth of its full weight."""
    n, reach = x.shape[0], half_cycles
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
    return mean / total if total > 0.0 else 0.0


@njit(cache=True)
def smooth_cycles(x: Floats, w: Floats, period: int, half_cycles: int) -> Floats:
    """Return the mean of every phase over the neighbouring cycles (n_timepoints,), tricube weights times `w`.

    A phase without weight in reach takes all cycles, then 0.
    """
    n = x.shape[0]
    total, mean, full = np.zeros(n), np.zeros(n), np.zeros(n)
    reach = min(half_cycles, (n - 1) // period)
    for cycle in range(-reach, reach + 1):
        u = 1.0 - (abs(cycle) / (half_cycles + 1.0)) ** 3
        kernel = u * u * u
        first, last = max(0, -cycle * period), min(n, n - cycle * period)
        values = x[first + cycle * period : last + cycle * period]
        weights = w[first + cycle * period : last + cycle * period]
        part, weighted, whole = total[first:last], mean[first:last], full[first:last]
        for t in range(last - first):
            k = kernel * weights[t]
            whole[t] += kernel
            part[t] += k
            weighted[t] += k * values[t]
    out = np.empty(n)
    for t in range(n):
        out[t] = mean[t] / total[t] if total[t] > 0.1 * full[t] else _phase_at(x, w, t, period, half_cycles)
    return out


@njit(cache=True)
def mean_of_cycle(x: Floats, period: int) -> Floats:
    """Return the centred moving mean over one period (n_timepoints,); the first and last cycles repeat at the edges."""
    n = x.shape[0]
    before, after = (period - 1) // 2, period - 1 - (period - 1) // 2
    total = 0.0
    for t in range(-before, after + 1):
        total += x[t if t >= 0 else t + period]
    out = np.empty(n)
    for t in range(n):
        out[t] = total / period
        new, old = t + after + 1, t - before
        total += x[new if new < n else new - period] - x[old if old >= 0 else old + period]
    return out


@njit(cache=True)
def robust_weights(remainder: Floats, trusted: NDArray[np.bool_], half_window: int, width: float) -> Floats:
    """Return bisquare weights (n_timepoints,) of the remainder, 0 where it is not trusted.

    They are 0 from `width` times the local typical size on: the median size in `half_window` rows to both sides, but at
    least a fifth of that of all.
    """
    n = remainder.shape[0]
    size = np.abs(remainder)
    for t in range(n):
        if not trusted[t]:
            size[t] = np.nan
    typical = median_of_seen(size)
    local = running_median(size, half_window)
    weights = np.zeros(n)
    for t in range(n):
        if not trusted[t]:
            continue
        usual = typical if np.isnan(local[t]) else local[t]
        away = size[t] / (width * max(usual, 0.2 * typical + 1e-300))
        if away < 1.0:
            weights[t] = (1.0 - away * away) ** 2
    return weights


@njit(cache=True)
def phase_medians(x: Floats, period: int) -> Floats:
    """Return the median of the finite values of every phase (period,); 0 where a phase has none."""
    n = x.shape[0]
    out = np.zeros(period)
    for phase in range(min(period, n)):
        values = x[phase::period]
        values = values[~np.isnan(values)]
        if values.size:
            out[phase] = median(values)
    return out


@njit(cache=True)
def _sorted(values: Floats) -> tuple[NDArray[np.int64], Floats]:
    """Return the order of some values (n_values,) and the values in it: runs by insertion, then merged."""
    size = values.size
    order, values = np.arange(size), values.copy()
    for k in range(1, size):
        first, value, j = k - k % _RUN, values[k], k
        while j > first and values[j - 1] > value:
            values[j], order[j] = values[j - 1], order[j - 1]
            j -= 1
        values[j], order[j] = value, k
    other_order, other = np.empty_like(order), np.empty_like(values)
    run = _RUN
    while run < size:
        for first in range(0, size, 2 * run):
            middle, last = min(first + run, size), min(first + 2 * run, size)
            i, j = first, middle
            for k in range(first, last):
                if j >= last or (i < middle and values[i] <= values[j]):
                    other[k], other_order[k] = values[i], order[i]
                    i += 1
                else:
                    other[k], other_order[k] = values[j], order[j]
                    j += 1
        values, other, order, other_order = other, values, other_order, order
        run *= 2
    return order, values


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
        order, values = _sorted(x[rows])
        for place in range(size):
            # the median of the others: drop this place from the sorted values
            low, high = (size - 2) // 2, (size - 1) // 2
            low, high = low + (low >= place), high + (high >= place)
            out[rows[order[place]]] = abs(values[place] - 0.5 * (values[low] + values[high]))
    return out
