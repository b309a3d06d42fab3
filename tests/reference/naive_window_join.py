"""Naive twin of the window join: every pair of windows is cut out, centred, divided and compared."""

from __future__ import annotations

import numpy as np


def normalised_windows(values, width, floor):
    """Windows (n_windows, width) less their mean, divided by sqrt(variance + floor)."""
    windows = np.array([values[i : i + width] for i in range(values.size - width + 1)])
    centred = windows - windows.mean(axis=1, keepdims=True)
    return centred / np.sqrt(centred.var(axis=1, keepdims=True) + floor)


def naive_nearest(a, b, width, floor, usable, shift, exclusion):
    """Mean squared distance and place of the nearest usable window of `a` for every window of `b`."""
    first, second = normalised_windows(a, width, floor), normalised_windows(b, width, floor)
    distance, index = np.full(len(second), np.inf), np.full(len(second), -1)
    for j, window in enumerate(second):
        for i, other in enumerate(first):
            if not usable[i] or (exclusion and abs(i - (j + shift)) < exclusion):
                continue
            d = np.mean((window - other) ** 2)
            if d < distance[j]:
                distance[j], index[j] = d, i
    return distance, index
