"""Decomposition of a series with level shifts: components of what is left when the steps are taken out.

The seasons are removed to find the steps, and the steps to find the seasons; the two take turns until the steps stand
still. The steps go back into the trend, which is therefore smooth between them and not smeared across them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tsprune.decomposition.level_shifts import SHORTEST_WINDOW, Step, find_steps, steps_of
from tsprune.decomposition.mstl import Fit, MSTLFit, fit_mstl
from tsprune.decomposition.stl import STLSetting, fit_stl, fit_trend

__all__ = ["fit_components", "fit_with_steps"]

Floats = NDArray[np.float64]
Booleans = NDArray[np.bool_]

N_ROUNDS = 4


def fit_components(
    values: Floats, missing: Booleans | None, settings: Sequence[STLSetting], fit: Fit = fit_stl
) -> MSTLFit:
    """Decompose `values` (n_timepoints,) with one setting per period; a setting of period 1 has no season."""
    if settings[0].period == 1:
        only = fit_trend(values, missing, settings[0])
        return MSTLFit(only.trend, only.seasonal, only.weights)
    return fit_mstl(values, missing, settings, fit=fit)


def fit_with_steps(
    values: Floats, missing: Booleans | None, settings: Sequence[STLSetting], fit: Fit = fit_stl
) -> tuple[MSTLFit, list[Step]]:
    """Decompose `values` (n_timepoints,), NaN where missing, and find its level shifts; the trend carries them."""
    shortest, longest = settings[0], settings[-1]
    window = max(SHORTEST_WINDOW, longest.trend_window // 6)
    if shortest.period > 1:
        window = max(SHORTEST_WINDOW, min(2 * shortest.period, max(2 * SHORTEST_WINDOW, window)))
    lasting = 2 * longest.period + window // 2 if longest.period > 1 else 3 * window
    periods = [setting.period for setting in settings if setting.period > 1]
    found = fit_components(values, missing, settings, fit)
    steps: list[Step] = []
    for _ in range(N_ROUNDS):
        before = steps
        steps = find_steps(values - found.seasonal.sum(axis=1), window, lasting, periods)
        if not steps and not before:
            return found, []
        total = steps_of(steps, values.shape[0])
        found = fit_components(values - total, missing, settings, fit)
        found.trend = found.trend + total
        if [step.position for step in steps] == [step.position for step in before]:
            break
    return found, steps
