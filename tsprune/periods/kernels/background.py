"""The noise a period has to rise above: an AR(1) level (up to a random walk) seen through white noise.

``y[t] = level[t] + noise[t]``, ``level[t] = phi * level[t - 1] + step[t]``. White noise, AR(1) series and random walks
are its corners, so a period finder that is calibrated under this model is quiet on all of them.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from detectors.kernels.compilation import njit

__all__ = ["PHI_GRID", "RATIO_GRID", "fit_background", "innovations"]

Floats = NDArray[np.float64]

PHI_GRID = np.array([0.0, 0.3, 0.5, 0.7, 0.8, 0.87, 0.92, 0.95, 0.97, 0.985, 0.995, 1.0])
RATIO_GRID = np.array([0.0, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1e3, 3e3, 1e4, 1e5])
_LINEAR_UP_TO = 4.0  # ordinates above it are rare in noise (2 %): there the loss grows like a logarithm only
_LOG_WEIGHT = 2.0
_TRIM = 3.0
_TRIMMED_MEAN = 1.0 - _TRIM * math.exp(-_TRIM) / (1.0 - math.exp(-_TRIM))  # of a unit exponential below _TRIM
_EULER_GAMMA = 0.5772156649015329


@njit(cache=True)
def fit_background(power: Floats, four_sin2: Floats, weight: Floats, phis: Floats, ratios: Floats) -> Floats:
    """Fit the spectrum of the level-plus-noise model to periodogram ordinates.

    power, four_sin2 (``4 sin(pi f)^2``), weight: (n_ordinates,). Robust Whittle likelihood over the grid of `phis` and
    `ratios` (noise over level at the Nyquist frequency), scale by a trimmed mean, so that lines do not count.
    Returns (4,): phi, step variance, noise variance, loss.
    """
    n = power.size
    best = np.array([0.0, 0.0, 0.0, np.inf])
    log_power = np.log(power)
    total_weight = weight.sum()
    shape = np.empty(n)
    for phi in phis:
        top = (1.0 + phi) ** 2
        for ratio in ratios:
            log_scale = 0.0
            for k in range(n):
                shape[k] = top / ((1.0 - phi) ** 2 + phi * four_sin2[k]) + ratio
                log_scale += weight[k] * (log_power[k] - math.log(shape[k]))
            scale = math.exp(log_scale / total_weight + _EULER_GAMMA)
            for _ in range(6):
                kept = 0.0
                mass = 0.0
                for k in range(n):
                    w = power[k] / shape[k]
                    if w < _TRIM * scale:
                        kept += weight[k] * w
                        mass += weight[k]
                if mass <= 0.0 or kept <= 0.0:
                    break
                scale = kept / mass / _TRIMMED_MEAN
            loss = 0.0
            for k in range(n):
                w = power[k] / (shape[k] * scale)
                if w > _LINEAR_UP_TO:
                    w = _LINEAR_UP_TO + _LOG_WEIGHT * math.log(w / _LINEAR_UP_TO)
                loss += weight[k] * (math.log(shape[k] * scale) + w)
            if loss < best[3]:
                best[0], best[1], best[2], best[3] = phi, scale * top, scale * ratio, loss
            if phi == 0.0:  # level and noise are both white: one ratio is enough
                break
    return best


@njit(cache=True)
def innovations(y: Floats, phi: float, step: float, noise: float) -> Floats:
    """Return the one-step prediction errors (n,) of the level-plus-noise model, in their standard deviations.

    Kalman filter of Harvey (1989), section 3.2; a missing value (NaN) has error 0. Under the model the errors are
    white with variance 1 exactly, whatever the ends of the series: no leakage.
    """
    n = y.size
    errors = np.zeros(n)
    level = 0.0
    started = phi < 1.0
    variance = step / (1.0 - phi * phi) if started else 0.0
    for t in range(n):
        if not np.isnan(y[t]):
            if started:
                spread = variance + noise
                gap = y[t] - level
                errors[t] = gap / math.sqrt(spread)
                gain = variance / spread
                level += gain * gap
                variance *= 1.0 - gain
            else:  # a random walk has no mean: its first value starts it
                level = y[t]
                variance = noise
                started = True
        level *= phi
        variance = phi * phi * variance + step
    return errors
