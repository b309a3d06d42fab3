"""Kernel of the fleet monitor: one value of each of many series in one pass, eight numbers a series.

Per series: level and scale by exponential smoothing whose steps are limited to three scales; the 98 % quantile of the
deviations by stochastic approximation (Robbins, Monro, 1951); the mean excess over it, which makes the tail
exponential; the state.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from detectors.kernels.compilation import njit

__all__ = ["FLEET_SIZE", "advance_fleet"]

Floats = NDArray[np.float64]

F_LEVEL, F_SCALE, F_SEEN, F_EDGE, F_EXCESS, F_STATE = 0, 1, 2, 3, 4, 5
FLEET_SIZE = 8
TAIL_SHARE = 0.02
_START_EDGE, _START_EXCESS = 2.5, 0.5  # about those of normal noise, in scales
_P_MIN = 1e-12


@njit(cache=True, error_model="numpy")
def advance_fleet(values: Floats, states: Floats, memory: float, fade: float, out: Floats) -> None:
    """Take `values` (n_series,) into `states` (n_series, FLEET_SIZE); fill `out` (n_series, 2): score and p-value."""
    for i in range(values.shape[0]):
        value = values[i]
        seen = states[i, F_SEEN]
        state = states[i, F_STATE] * fade
        p = 1.0
        if not math.isnan(value):
            if seen == 0.0:
                states[i, F_LEVEL] = value
                states[i, F_EDGE], states[i, F_EXCESS] = _START_EDGE, _START_EXCESS
            remainder = value - states[i, F_LEVEL]
            scale = states[i, F_SCALE]
            size = abs(remainder)
            if seen < 8.0:  # the scale is learnt first
                scale += (size - scale) / max(seen, 1.0)
                states[i, F_LEVEL] += remainder / (seen + 1.0)
            else:
                deviation = min(size / scale, 1e6) if scale > 0.0 else (1e6 if size > 0.0 else 0.0)
                edge, excess = states[i, F_EDGE], states[i, F_EXCESS]
                rate = max(1.0 / memory, 1.0 / (seen + 1.0))
                if deviation > edge:
                    p = max(TAIL_SHARE * math.exp(-(deviation - edge) / excess), _P_MIN)
                    # a tail is taught no more than ten of its own excesses at once
                    states[i, F_EXCESS] += min(rate / TAIL_SHARE, 0.2) * (min(deviation - edge, 10.0 * excess) - excess)
                    states[i, F_EDGE] += rate * edge / TAIL_SHARE * 0.5 * (1.0 - TAIL_SHARE)
                else:
                    p = 1.0 - (1.0 - TAIL_SHARE) * deviation / edge
                    states[i, F_EDGE] -= rate * edge * 0.5
                states[i, F_LEVEL] += 0.1 * min(max(remainder, -3.0 * scale), 3.0 * scale)
                scale += rate * (min(size, 3.0 * scale) - scale)
            states[i, F_SCALE] = scale
            states[i, F_SEEN] = seen + 1.0
        state = max(state, -math.log10(p))
        states[i, F_STATE] = state
        out[i, 0], out[i, 1] = -state, p
