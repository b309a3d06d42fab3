"""Slow, obvious twins of the kernels that find excursions. Imports nothing it judges."""

from __future__ import annotations

from typing import Any

import numpy as np


def bridge_roughness(x: Any, reach: int) -> Any:
    out = np.full(len(x), np.nan)
    for t in range(reach, len(x) - reach):
        out[t] = abs(x[t] - (x[t - reach] + x[t + reach]) / 2)
    return out


def _windows(x: Any, half_window: int) -> list[Any]:
    windows = [x[max(0, t - half_window) : t + half_window + 1] for t in range(len(x))]
    return [window[~np.isnan(window)] for window in windows]


def running_mean(x: Any, half_window: int, fewest: int) -> Any:
    return np.array([w.mean() if w.size >= max(1, fewest) else np.nan for w in _windows(x, half_window)])


def running_quantile(x: Any, half_window: int, share: float) -> Any:
    return np.array([np.quantile(w, share) if w.size else np.nan for w in _windows(x, half_window)])


def reach_above(x: Any, peak: int, floor: float) -> tuple[int, int]:
    below = [t for t in range(len(x)) if not x[t] > floor]
    start = max([t + 1 for t in below if t < peak], default=0)
    stop = min([t for t in below if t > peak], default=len(x))
    return start, stop
