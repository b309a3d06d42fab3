"""MSTL: several seasonal components by repeated STL.

Without robustness weights this is the procedure of Bandara, Hyndman, Bergmeir (2021), arXiv:2107.13462, section 3:
STL extracts the seasons one after the other, shortest period first, each from the series without the others, and a
second sweep refines them. With robustness weights the weights are shared: they come from the remainder of the whole
model, so that a season not yet removed never counts as an outlier of another.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tsprune.decomposition.stl import Robustness, STLFit, STLPass, STLSetting, fit_stl, prepared

__all__ = ["Fit", "MSTLFit", "fit_mstl"]

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
    if fit is fit_stl:
        return fit_jointly(values, missing, settings)
    seasonal = np.zeros((len(settings), values.shape[0]))
    rest = values.copy()
    for _ in range(N_SWEEPS):
        for k, setting in enumerate(settings):
            rest += seasonal[k]
            found = fit(rest, missing, setting)
            seasonal[k] = found.seasonal
            rest -= seasonal[k]
    return MSTLFit(found.trend, seasonal.T, found.weights)


def fit_jointly(values: Floats, missing: Booleans | None, settings: Sequence[STLSetting]) -> MSTLFit:
    """Decompose with robustness weights from the remainder of all components together."""
    n, first = values.shape[0], settings[0]
    rest, weights = prepared(values, missing)
    rest = rest.copy()
    incomplete = missing is not None
    seasonal = np.zeros((len(settings), n))
    trend = np.empty(n)
    passes = [STLPass(n, setting) for setting in settings]
    robustness = Robustness(values, missing, first)
    gross = robustness.first_weights(rest, first.period)
    weights = weights if gross is None else gross
    for sweep in range(N_SWEEPS):
        for k, inner in enumerate(passes):
            rest += seasonal[k]
            trend[:] = 0.0
            for iteration in range(first.inner_iter):
                # the trend between two seasons is not used: every STL starts from none
                last = iteration == first.inner_iter - 1
                needed = not last or (sweep == N_SWEEPS - 1 and k == len(settings) - 1)
                inner.run(rest, weights, incomplete, trend, seasonal[k], smooth=needed)
            rest -= seasonal[k]
    while robustness.goes_on:
        weights = robustness.update(weights, trend, *seasonal)
        for _ in range(first.inner_iter):
            for k, inner in enumerate(passes):
                rest += seasonal[k]
                inner.run(rest, weights, incomplete, trend, seasonal[k], smooth=k == len(settings) - 1)
                rest -= seasonal[k]
    return MSTLFit(trend, seasonal.T, np.ones(n) if weights is None else weights)
