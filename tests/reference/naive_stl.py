"""LOESS and STL word for word from Cleveland et al. (1990), one point at a time: O(n x window), no shared code.

Two conventions of R's `stl` are kept, as they change numbers: half widths of windows longer than the series, and the
0.001 / 0.999 limits of the tricube and of the bisquare. The range that the spread of the points is compared with is
that of the window, not of the series.
"""

from __future__ import annotations

import math

import numpy as np


def loess_at(place, values, window, degree, weights):
    """Local fit at `place` of values at 0, 1, ..., or NaN if all weights vanish."""
    n = len(values)
    order = sorted(range(n), key=lambda j: (abs(j - place), j))
    nearest = sorted(order[: min(window, n)])
    width = max(abs(j - place) for j in nearest)
    if window > n:
        width += (window - n) // 2
    parts = []
    for j in nearest:
        u = abs(j - place)
        if u <= 0.001 * width:
            tricube = 1.0
        elif u <= 0.999 * width:
            tricube = (1.0 - (u / width) ** 3) ** 3
        else:
            tricube = 0.0
        parts.append((j, tricube * weights[j]))
    total = math.fsum(w for _, w in parts)
    if total <= 0.0:
        return math.nan
    mean = math.fsum(w * values[j] for j, w in parts) / total
    if degree == 0:
        return mean
    centre = math.fsum(w * j for j, w in parts) / total
    spread = math.fsum(w * (j - centre) ** 2 for j, w in parts) / total
    if math.sqrt(spread) <= 0.001 * (len(nearest) - 1):
        return mean
    slope = math.fsum(w * (j - centre) * values[j] for j, w in parts) / total / spread
    return mean + slope * (place - centre)


def loess(values, window, degree, weights=None):
    """Local fits at every point."""
    weights = [1.0] * len(values) if weights is None else weights
    return np.array([loess_at(i, values, window, degree, weights) for i in range(len(values))])


def averages(values, window):
    """Moving averages."""
    return [math.fsum(values[i : i + window]) / window for i in range(len(values) - window + 1)]


def cycle_subseries(values, period, window, degree, weights):
    """Smoothed cycle-subseries, one cycle longer at both ends."""
    n = len(values)
    out = np.empty(n + 2 * period)
    for phase in range(period):
        part, part_weights = values[phase::period], weights[phase::period]
        inside = [loess_at(i, part, window, degree, part_weights) for i in range(len(part))]
        inside = [part[i] if math.isnan(v) else v for i, v in enumerate(inside)]
        before = loess_at(-1, part, window, degree, part_weights)
        after = loess_at(len(part), part, window, degree, part_weights)
        before = inside[0] if math.isnan(before) else before
        after = inside[-1] if math.isnan(after) else after
        out[phase::period] = [before, *inside, after]
    return out


def bisquare(residuals):
    """Robustness weights."""
    absolute = sorted(abs(r) for r in residuals)
    n = len(absolute)
    scale = 3.0 * (absolute[n // 2] + absolute[n - n // 2 - 1])
    out = []
    for r in residuals:
        u = abs(r)
        if u <= 0.001 * scale:
            out.append(1.0)
        elif u <= 0.999 * scale:
            out.append((1.0 - (u / scale) ** 2) ** 2)
        else:
            out.append(0.0)
    return out


def stl(values, period, seasonal, trend, low_pass, degrees=(0, 1, 1), inner=2, outer=0):
    """Trend, seasonal and weights."""
    values = np.asarray(values, dtype=float)
    n = len(values)
    fitted_trend, weights = np.zeros(n), [1.0] * n
    for passes in range(outer + 1):
        for _ in range(inner):
            cycles = cycle_subseries(values - fitted_trend, period, seasonal, degrees[0], weights)
            low = loess(averages(averages(averages(list(cycles), period), period), 3), low_pass, degrees[2])
            season = cycles[period : period + n] - low
            rest = values - season
            fitted_trend = loess(rest, trend, degrees[1], weights)
            fitted_trend = np.where(np.isnan(fitted_trend), rest, fitted_trend)
        if passes < outer:
            weights = bisquare(values - fitted_trend - season)
    return fitted_trend, season, np.array(weights)
