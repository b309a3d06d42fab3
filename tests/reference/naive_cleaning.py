"""Slow, obvious twins of the cleaner's kernels, by dense linear algebra. Imports nothing it judges."""

from __future__ import annotations

from typing import Any

import numpy as np


def whitening(phi: Any, n: int) -> Any:
    """Matrix (n, n) that turns a series into innovations; rows before the first are mirrored."""
    matrix = np.zeros((n, n))
    for t in range(n):
        for k, weight in enumerate(phi):
            matrix[t, abs(t - k)] += weight
    return matrix


def innovations(a: Any, phi: Any) -> Any:
    return whitening(phi, len(a)) @ np.asarray(a, float)


def patch_z(a: Any, phi: Any, v: Any, start: int, stop: int) -> tuple[float, float]:
    """z and size of a patch on rows start .. stop - 1, by least squares on its whitened indicator."""
    n, order = len(a), len(phi)
    indicator = np.zeros(n)
    indicator[start:stop] = 1.0
    x = np.zeros(n)
    for t in range(start, n):
        for k in range(min(order, t + 1)):
            x[t] += phi[k] * indicator[t - k]
    x[stop + order - 1 :] = 0.0
    e = innovations(a, phi)
    xx = float(np.sum(v * x * x))
    return float(np.sum(v * x * e) / np.sqrt(xx)), float(np.sum(v * x * e) / xx)


def gap(a: Any, phi: Any, v: Any, rows: Any) -> tuple[Any, Any]:
    """Values of `rows` that make sum v e^2 least, and the diagonal of the inverse of the normal matrix."""
    matrix = whitening(phi, len(a))
    known = np.asarray(a, float).copy()
    known[rows] = 0.0
    part = matrix[:, rows]
    normal = part.T @ (v[:, None] * part)
    right = -part.T @ (v * (matrix @ known))
    return np.linalg.solve(normal, right), np.diag(np.linalg.inv(normal))


def running_median(x: Any, half_window: int) -> Any:
    out = np.full(len(x), np.nan)
    for t in range(len(x)):
        window = x[max(0, t - half_window) : t + half_window + 1]
        window = window[~np.isnan(window)]
        if window.size:
            out[t] = np.median(window)
    return out


def running_mad(x: Any, half_window: int) -> Any:
    out = np.full(len(x), np.nan)
    for t in range(len(x)):
        window = x[max(0, t - half_window) : t + half_window + 1]
        window = window[~np.isnan(window)]
        if window.size:
            out[t] = 1.4826 * np.median(np.abs(window - np.median(window)))
    return out


def phase_medians(x: Any, period: int) -> Any:
    out = np.zeros(period)
    for phase in range(period):
        values = x[phase::period]
        values = values[~np.isnan(values)]
        if values.size:
            out[phase] = np.median(values)
    return out


def left_out_errors(x: Any, period: int) -> Any:
    out = np.full(len(x), np.nan)
    for t in range(len(x)):
        others = [x[s] for s in range(t % period, len(x), period) if s != t and not np.isnan(x[s])]
        if others and not np.isnan(x[t]):
            out[t] = abs(x[t] - np.median(others))
    return out


def local_line(x: Any, w: Any, t: int, half_window: int) -> float:
    """Weighted least-squares line around row t, tricube weights, at t."""
    rows = np.arange(max(0, t - half_window), min(len(x), t + half_window + 1))
    d = (rows - t) / (half_window + 1.0)
    weights = w[rows] * (1 - np.abs(d) ** 3) ** 3
    design = np.column_stack([np.ones(rows.size), d])
    normal = design.T @ (weights[:, None] * design)
    return float(np.linalg.solve(normal, design.T @ (weights * x[rows]))[0])


def cycle_mean(x: Any, w: Any, t: int, period: int, half_cycles: int) -> float:
    """Tricube mean over the same phase of the neighbouring cycles."""
    total = mean = 0.0
    for k in range(-half_cycles, half_cycles + 1):
        row = t + k * period
        if 0 <= row < len(x):
            weight = w[row] * (1 - (abs(k) / (half_cycles + 1.0)) ** 3) ** 3
            total, mean = total + weight, mean + weight * x[row]
    return mean / total
