"""MSTL: several seasonal components by repeated STL.

Without robustness weights this is the procedure of Bandara, Hyndman, Bergmeir (2021), arXiv:2107.13462, section 3:
STL extracts the seasons one after the other, shortest period first, each from the series without the others, and a
second sweep refines them. With robustness weights the weights are shared: they come from the remainder of the whole
model, so that a season not yet removed never counts as an outlier of another.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tsprune.stl import STLFit, STLSetting, fit_stl, inner_pass, robustness_weights

__all__ = ["MSTLFit", "fit_mstl"]

Floats = NDArray[np.float64]
Booleans = NDArray[np.bool_]
Fit = Callable[[Floats, Booleans | None, STLSetting], STLFit]

# Bandara et al. (2021), Algorithm 1, line 5: two sweeps
N_SWEEPS = 2


@dataclass
class MSTLFit:
    """Trend (n_timepoints,), seasonal (n_timepoints, n_periods) in the order of the settings, weights."""

    trend: Floats
    seasonal: Floats
    weights: Floats


def fit_mstl(
    values: Floats, missing: Booleans | None, settings: Sequence[STLSetting], *, fit: Fit = fit_stl
) -> MSTLFit:
    """Decompose `values` (n_timepoints,) with one setting per period, shortest period first."""
    if len(settings) == 1:
        only = fit(values, missing, settings[0])
        return MSTLFit(only.trend, only.seasonal[:, None], only.weights)
    if settings[0].outer_iter > 0 and fit is fit_stl:
        return fit_jointly(values, missing, settings)
    seasonal = np.zeros((len(settings), values.shape[0]))
    rest = values.copy()
    weights = np.ones(values.shape[0])
    trend = np.zeros(values.shape[0])
    for _ in range(N_SWEEPS):
        for k, setting in enumerate(settings):
            found = fit(rest + seasonal[k], missing, setting)
            rest += seasonal[k] - found.seasonal
            seasonal[k], trend, weights = found.seasonal, found.trend, found.weights
    return MSTLFit(trend, seasonal.T, weights)


def fit_jointly(values: Floats, missing: Booleans | None, settings: Sequence[STLSetting]) -> MSTLFit:
    """Decompose with robustness weights from the remainder of all components together."""
    n = values.shape[0]
    start = fit_mstl(values, missing, [replace(setting, outer_iter=0) for setting in settings])
    filled = values if missing is None else np.where(missing, 0.0, values)
    seasonal, trend, weights = np.ascontiguousarray(start.seasonal.T), start.trend, np.ones(n)
    first = settings[0]
    for _ in range(first.outer_iter):
        updated = robustness_weights(values - trend - seasonal.sum(axis=0), missing)
        change = float(np.abs(updated - weights).mean())
        weights = updated
        for _ in range(first.inner_iter):
            for k, setting in enumerate(settings):
                others = seasonal.sum(axis=0) - seasonal[k]
                seasonal[k], trend = inner_pass(filled - others, weights, missing is not None, trend, setting)
        if first.tolerance is not None and change <= first.tolerance:
            break
    return MSTLFit(trend, seasonal.T, weights)
