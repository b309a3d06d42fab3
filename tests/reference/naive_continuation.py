"""Naive twins of the continuation kernels: dictionaries and formulas as written, one row at a time."""

from __future__ import annotations

import math


def smooth(y, start, level, slope, seasons, gains, limit, patience):
    """Additive exponential smoothing with damped slope; `seasons`: list of lists, one value per phase each."""
    a, b, g, damping = gains
    run, rows = [], []
    for t, value in enumerate(y, start):
        ahead = level + damping * slope
        season = sum(cycle[t % len(cycle)] for cycle in seasons)
        if math.isnan(value):
            level, slope = ahead, damping * slope
            rows.append((level, season, math.nan, slope))
            continue
        error = value - ahead - season
        if abs(error) <= limit:
            run = []
        elif run and (run[-1] > 0) == (error > 0):
            run.append(error)
        else:
            run = [error]
        if len(run) >= patience:
            level, slope, run = ahead + error, damping * slope, []
        else:
            taken = math.copysign(min(abs(error), limit), error)
            level, slope = ahead + a * taken, damping * slope + b * taken
            for cycle in seasons:
                cycle[t % len(cycle)] += g * taken / len(seasons)
            season = sum(cycle[t % len(cycle)] for cycle in seasons)
        rows.append((level, season, error, slope))
    return rows


def local_level(y, level, variance, step, noise):
    """Levels and variances after each row, by the update of a normal mean: precisions add up."""
    rows = []
    for value in y:
        variance = variance + step
        if not math.isnan(value):
            precision = 1.0 / variance + 1.0 / noise
            level = (level / variance + value / noise) / precision
            variance = 1.0 / precision
        rows.append((level, variance))
    return rows
