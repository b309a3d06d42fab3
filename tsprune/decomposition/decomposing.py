"""`decompose`: a series into trend, seasonal components and remainder.

Law: ``observed == trend + seasonal.sum(axis=1) + remainder`` to rounding, in the units of the series. A missing
value has weight 0: its remainder is NaN, trend and seasonal have a value everywhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from detectors.parameters import Rule, boolean, check_value, choice, either, integer, nothing, sequence_of
from tsprune.decomposition.decomposition import Decomposition
from tsprune.decomposition.level_shifts import LevelShift, Step
from tsprune.decomposition.settings import stl_settings, trend_setting
from tsprune.decomposition.shift_fit import fit_components, fit_with_steps
from tsprune.decomposition.statsmodels_engine import fit_stl_statsmodels
from tsprune.decomposition.stl import fit_stl
from tsprune.exceptions import InvalidParameterError, InvalidSeriesError
from tsprune.periods.periods import periods_on_grid
from tsprune.series.series_input import Floats, Integers, SeriesInput
from tsprune.series.time_grid import TimeGrid, on_grid, refuse_sparse
from tsprune.series.validation import read_series

__all__ = ["decompose"]

_window = integer(3)
_RULES: dict[str, Rule] = {
    "period": either(choice("auto"), nothing(), integer(1), sequence_of(integer(2), min_length=0)),
    "robust": boolean(),
    "seasonal_window": either(nothing(), choice("periodic"), _window, sequence_of(_window)),
    "trend_window": either(nothing(), _window),
    "low_pass_window": either(nothing(), _window, sequence_of(_window)),
    "seasonal_degree": integer(0, 1),
    "trend_degree": integer(0, 1),
    "low_pass_degree": integer(0, 1),
    "inner_iter": either(nothing(), integer(1)),
    "outer_iter": either(nothing(), integer(0)),
    "shifts": either(choice("auto"), boolean()),
    "engine": choice("tsprune", "statsmodels"),
}


def decompose(
    y: Any,
    period: int | Sequence[int] | Literal["auto"] | None = "auto",
    *,
    robust: bool = False,
    seasonal_window: int | Sequence[int] | Literal["periodic"] | None = None,
    trend_window: int | None = None,
    low_pass_window: int | Sequence[int] | None = None,
    seasonal_degree: int = 0,
    trend_degree: int = 1,
    low_pass_degree: int = 1,
    inner_iter: int | None = None,
    outer_iter: int | None = None,
    shifts: bool | Literal["auto"] = "auto",
    engine: Literal["tsprune", "statsmodels"] = "tsprune",
    time: Any = None,
    time_column: str | None = None,
) -> Decomposition:
    """Decompose a series into trend, seasonal components and remainder.

    STL, evaluated exactly at every point, for one period; MSTL for several; a LOESS trend for none. Missing values
    have weight 0: nothing is imputed, and trend and seasonal have a value everywhere. Level shifts are taken out
    before the series is smoothed and put back into the trend as steps.

    Parameters
    ----------
    y : array-like, pandas or polars Series or one-column DataFrame of shape (n_timepoints,)
        The series; NaN is a missing value. Stamps that leave out rows are gaps: nothing moves to another phase.
    period : int, sequence of int, "auto" or None, default="auto"
        Season lengths, in samples, each at most n_timepoints // 2. "auto" asks `find_periods`; None, 1 or an empty
        sequence: no season.
    robust : bool, default=False
        Whether outliers lose weight (outer loop). With several periods the weights come from the remainder of the
        whole model. Unless `outer_iter` is given, gross outliers lose theirs before the first pass.
    seasonal_window : odd int >= 3, sequence of int, "periodic" or None, default=None
        LOESS window of the cycle-subseries, in cycles; one for all periods or one each. None: 11 for the shortest
        period, 15 for the next, 19, ... "periodic": the season never changes.
    trend_window : odd int >= 3 or None, default=None
        LOESS window of the trend, in samples. None: 1.5 period / (1 - 1.5 / seasonal_window), made odd; a tenth of
        the series, at least 7, without season.
    low_pass_window : odd int >= 3, sequence of int or None, default=None
        LOESS window of the low-pass filter, in samples. None: the next odd number >= period (> period with the engine
        statsmodels, which insists).
    seasonal_degree, trend_degree, low_pass_degree : {0, 1}, default=0, 1, 1
        Degree of the local polynomials.
    inner_iter : int >= 1 or None, default=None
        Passes of the inner loop. None: 2, or 1 if robust.
    outer_iter : int >= 0 or None, default=None
        Passes of the outer loop, all of which are run. None: 0, or if robust until the weights stand still (mean
        change <= 0.01 and largest <= 0.25), at most 15.
    shifts : bool or "auto", default="auto"
        Whether to look for level shifts. "auto": if robust, and the loops are not prescribed.
    engine : {"tsprune", "statsmodels"}, default="tsprune"
        Who computes STL; statsmodels takes no missing values and one season at least.
    time : array-like of shape (n_timepoints,), optional
        Stamps or integers; overrides the index.
    time_column : str, optional
        Column of a frame that holds the times.

    Returns
    -------
    Decomposition
        ``observed == trend + seasonal.sum(axis=1) + remainder`` to rounding.

    Raises
    ------
    InvalidParameterError
        A parameter that breaks its rule.
    InvalidSeriesError
        A series that cannot be used, or is shorter than two periods.
    TimeIndexError
        Times that are on no regular grid.

    Notes
    -----
    Time is O(n_timepoints) per pass and does not grow with the trend and low-pass windows, which are correlations by
    Fourier transforms of segments where they are wide; it grows with the seasonal window, in cycles. Memory is about 12
    arrays of n_timepoints doubles, 20 if robust or incomplete, and O(window) tables kept for the windows used last.
    The result does not depend on the number of threads.

    The slope of a local line counts only if its points spread by more than 0.001 of their window. R and statsmodels
    compare with 0.001 of the whole series, which above some 10 000 points makes their ends constant.

    References
    ----------
    Cleveland, Cleveland, McRae, Terpenning (1990), "STL: a seasonal-trend decomposition procedure based on LOESS",
    Journal of Official Statistics 6(1), 3-73; sections 3.2-3.4 for the loops and the trend window.
    Bandara, Hyndman, Bergmeir (2021), "MSTL: a seasonal-trend decomposition algorithm for time series with multiple
    seasonal patterns", arXiv:2107.13462, section 3.

    Examples
    --------
    >>> import numpy as np
    >>> from tsprune import decompose
    >>> t = np.arange(480)
    >>> noise = np.random.default_rng(0).normal(0, 0.3, 480)
    >>> y = 5 + 0.01 * t + 2 * np.sin(2 * np.pi * t / 24) + 6.0 * (t >= 250) + noise
    >>> parts = decompose(y, 24, robust=True)
    >>> [(shift.position, round(shift.size, 1)) for shift in parts.shifts]
    [(250, 6.0)]
    >>> round(parts.strength()["seasonal_24"], 2)
    0.97
    """
    given = locals()
    for name, rule in _RULES.items():
        check_value(name, given[name], rule, owner="decompose")
    series = read_series(y, time=time, time_column=time_column, min_timepoints=2)
    values = np.ascontiguousarray(series.column())
    grid = TimeGrid.of(series, period)
    rows = grid.positions(series)
    refuse_sparse(rows, series.n_timepoints)
    gridded = np.ascontiguousarray(on_grid(values[:, None], rows, int(rows.max()) + 1)[:, 0])
    missing = np.isnan(gridded)
    gaps = missing if missing.any() else None
    periods = _periods(gridded, period, grid.steps_per_day)
    n = gridded.shape[0]
    if periods:
        settings = stl_settings(
            n, periods, robust=robust, windows=(seasonal_window, trend_window, low_pass_window),
            degrees=(seasonal_degree, trend_degree, low_pass_degree), loops=(inner_iter, outer_iter),
            longer_low_pass=engine == "statsmodels",
        )  # fmt: skip
    elif engine == "statsmodels":
        raise InvalidParameterError(f"engine='statsmodels' needs a period, got {period!r}; use engine='tsprune'.")
    else:
        settings = [trend_setting(n, robust=robust, window=trend_window, degree=trend_degree, outer_iter=outer_iter)]
    fit = fit_stl_statsmodels if engine == "statsmodels" else fit_stl
    steps: list[Step] = []
    if shifts is True or (shifts == "auto" and robust and inner_iter is None and outer_iter is None):
        found, steps = fit_with_steps(gridded, gaps, settings, fit)
    else:
        found = fit_components(gridded, gaps, settings, fit)
    trend, seasonal, weights = found.trend, found.seasonal, found.weights
    if seasonal_window == "periodic":
        seasonal = np.column_stack([_cycle_means(c, s.period) for c, s in zip(seasonal.T, settings, strict=True)])
    if list(periods) != sorted(periods):
        seasonal = seasonal[:, [sorted(periods).index(p) for p in periods]]
    trend, seasonal, weights = trend[rows], seasonal[rows], weights[rows]
    remainder = values - trend
    for column in seasonal.T:
        remainder -= column
    return Decomposition(
        values, trend, seasonal, remainder, periods, weights, _dated(steps, series, rows), series
    )  # fmt: skip


def _cycle_means(seasonal: Floats, period: int) -> Floats:
    """Return `seasonal` (n_timepoints,) with every phase replaced by its mean, as R's stl does for "periodic"."""
    if period == 1:
        return seasonal
    phase = np.arange(seasonal.shape[0]) % period
    means = np.bincount(phase, weights=seasonal) / np.bincount(phase)
    return np.asarray(means[phase])


def _dated(steps: Sequence[Step], series: SeriesInput, rows: Integers) -> tuple[LevelShift, ...]:
    """Return the steps with the rows they begin at, and the times of those."""
    if not steps:
        return ()
    times = series.time_index()
    at = [int(np.flatnonzero(rows >= step.position)[0]) for step in steps]
    return tuple(
        LevelShift(row, times[row], step.size, step.statistic, step.p_value)
        for row, step in zip(at, steps, strict=True)
    )


def _periods(values: Floats, period: int | Sequence[int] | str | None, steps_per_day: float) -> tuple[int, ...]:
    """Return the periods asked for, or those found; raise for what the series is too short for."""
    n = values.shape[0]
    if isinstance(period, str):
        return tuple(p for p in periods_on_grid(values, steps_per_day=steps_per_day).lengths if 2 * p <= n)
    if period is None:
        return ()
    asked = [period] if isinstance(period, int | np.integer) else list(period)
    periods = tuple(int(p) for p in asked if p != 1)
    for p in periods:
        if 2 * p > n:
            raise InvalidSeriesError(
                f"period must be at most n_timepoints // 2 = {n // 2}, got {p}; "
                "pass a longer series or a smaller period."
            )
    if len(set(periods)) < len(periods):
        raise InvalidParameterError(f"periods of decompose must differ, got {periods}; name each period once.")
    return periods
