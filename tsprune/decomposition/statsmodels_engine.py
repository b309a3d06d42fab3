"""STL as statsmodels computes it: the reference, selectable as an engine."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tsprune.decomposition.stl import STLFit, STLSetting
from tsprune.exceptions import InvalidParameterError, InvalidSeriesError

__all__ = ["fit_stl_statsmodels"]

Floats = NDArray[np.float64]


def fit_stl_statsmodels(values: Floats, missing: NDArray[np.bool_] | None, setting: STLSetting) -> STLFit:
    """Decompose `values` (n_timepoints,) with `statsmodels.tsa.seasonal.STL`; the loops run to their ends.

    Raises
    ------
    InvalidSeriesError
        If values are missing.
    InvalidParameterError
        If statsmodels does not accept the windows: it wants those of trend and low-pass longer than the period.
    """
    from statsmodels.tsa.seasonal import STL

    if missing is not None:
        raise InvalidSeriesError(
            "engine='statsmodels' takes no missing values, got NaN at row "
            f"{int(np.flatnonzero(missing)[0])}; use engine='tsprune' or fill them first."
        )
    try:
        model = STL(
            values, period=setting.period, seasonal=setting.seasonal_window, trend=setting.trend_window,
            low_pass=setting.low_pass_window, seasonal_deg=setting.seasonal_degree, trend_deg=setting.trend_degree,
            low_pass_deg=setting.low_pass_degree, robust=setting.outer_iter > 0,
        )  # fmt: skip
    except ValueError as error:
        raise InvalidParameterError(
            f"engine='statsmodels' refuses these parameters: {error}; use engine='tsprune' or other windows."
        ) from error
    fit = model.fit(inner_iter=setting.inner_iter, outer_iter=setting.outer_iter)
    return STLFit(np.asarray(fit.trend), np.asarray(fit.seasonal), np.asarray(fit.weights))
