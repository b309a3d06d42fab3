"""Slow, obvious twins of the embedding kernels."""

from __future__ import annotations

import numpy as np


def window_mean(column, start, stop):
    """Mean of the present values of column[start:stop], cut to the series; NaN without any."""
    inside = [column[i] for i in range(start, stop) if 0 <= i < len(column) and not np.isnan(column[i])]
    return float(np.mean(inside)) if inside else np.nan


def naive_moving_mean(column, width):
    """Centred moving mean (n_timepoints,)."""
    return np.array([window_mean(column, t - width // 2, t - width // 2 + width) for t in range(len(column))])


def naive_multiscale(values, scales):
    """Features (n_timepoints, n_series * (1 + 2 * n_scales)), straight from the definition."""
    columns = []
    for series in values.T:
        columns.append(series)
        for s in scales:
            columns.append(naive_moving_mean(series, s))
            after = [window_mean(series, t, t + s) for t in range(len(series))]
            before = [window_mean(series, t - s, t) for t in range(len(series))]
            columns.append(np.array(after) - np.array(before))
    return np.column_stack(columns)
