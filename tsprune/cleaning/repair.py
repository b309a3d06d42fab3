"""Repair: values for the rows that are missing or judged wrong, on the scale the series has."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tsprune.cleaning.imputation import interpolate_rows
from tsprune.cleaning.kernels.patches import innovations
from tsprune.cleaning.long_season import long_profile
from tsprune.cleaning.model import SeriesModel, fit_model, total_season

__all__ = ["is_multiplicative", "repair"]

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]


def repair(
    x: Floats,
    rows: Mask,
    model: SeriesModel | None,
    periods: tuple[int, ...],
    lower: float | None,
    upper: float | None,
) -> tuple[Floats, Floats]:
    """Return `x` (n_timepoints,) with `rows` replaced, and the standard errors (n_timepoints,), 0 elsewhere.

    Without a `model`, on straight lines. Series of positive values whose noise grows with the level are filled on the
    log scale; replaced values stay inside the bounds, and not below 0 where nothing else is.
    """
    if model is not None and is_multiplicative(x, ~rows, model):
        logs = np.log(np.where(rows, 1.0, x))
        filled, relative = _fill(logs, rows, fit_model(np.where(rows, np.nan, logs), rows, periods), periods)
        filled = np.exp(np.clip(filled, logs[~rows].min() - 1.0, logs[~rows].max() + 1.0))
        standard_error = filled * relative
    else:
        filled, standard_error = _fill(x, rows, model, periods)
    out = np.where(rows, filled, x)
    if lower is not None or upper is not None:
        out = np.where(rows, np.clip(out, lower, upper), out)
    elif x[~rows].min() >= 0.0:
        out = np.where(rows, np.maximum(out, 0.0), out)
    return out, standard_error


def _fill(x: Floats, rows: Mask, model: SeriesModel | None, periods: tuple[int, ...]) -> tuple[Floats, Floats]:
    """Values for `rows` and their standard errors (n_timepoints,), by the model or, without one, on straight lines."""
    if model is None:
        t = np.arange(x.size)
        return np.interp(t, t[~rows], x[~rows]), np.zeros(x.size)
    season = total_season(model.seasonal) + model.mean
    weights = 1.0 / model.scale**2
    a = np.where(rows, 0.0, x - season)
    season = season + (extra := long_profile(a, model.phi, weights, rows, periods))
    filled, standard_error = interpolate_rows(a - extra, model.phi, weights, rows)
    return filled + season, standard_error


def is_multiplicative(x: Floats, good: Mask, model: SeriesModel) -> bool:
    """True for positive values whose innovations grow with the level: log-log slope of spread on level above 1/2."""
    if x[good].min() <= 0.0:
        return False
    size = np.abs(innovations(model.adjusted, model.phi))[good]
    level = (x - innovations(model.adjusted, model.phi))[good]
    order = np.argsort(level)
    bins = [part for part in np.array_split(order, 10) if part.size >= 5]
    levels = np.array([np.median(level[part]) for part in bins])
    spreads = np.array([np.median(size[part]) for part in bins])
    fine = (levels > 0.0) & (spreads > 0.0)
    if fine.sum() < 5 or np.ptp(np.log(levels[fine])) < 0.5:
        return False
    return bool(np.polyfit(np.log(levels[fine]), np.log(spreads[fine]), 1)[0] > 0.5)
