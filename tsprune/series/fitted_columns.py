"""Columns of a fitted series estimator: learnt in `fit`, compared ever after, the way scikit-learn words it."""

from __future__ import annotations

from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
from sklearn.utils.validation import validate_data

from tsprune.exceptions import InvalidSeriesError
from tsprune.series.validation import SeriesInput

__all__ = ["check_columns", "refuse_times_as_values"]


def check_columns(estimator: Any, series: SeriesInput, X: Any, *, reset: bool) -> None:
    """Learn number and names of the columns (reset), or raise unless they are the fitted ones, in their order.

    Parameters
    ----------
    estimator : estimator
        Gets `n_features_in_`, and `feature_names_in_` where columns have names.
    series : SeriesInput
        What `read_series` made of `X`.
    X : array, Series or DataFrame of shape (n_timepoints,) or (n_timepoints, n_series)
    reset : bool

    Raises
    ------
    InvalidSeriesError
        Other columns than the fitted ones.
    """
    if not reset and series.n_dims == 1 and estimator.n_features_in_ != 1:
        raise InvalidSeriesError(
            f"X has 1 feature, but {type(estimator).__name__} is expecting {estimator.n_features_in_} features as "
            f"input. Reshape your data to (n_timepoints, {estimator.n_features_in_})."
        )
    if not reset and series.n_dims == 1:
        return  # one series, whatever its name
    table = series.values
    if series.has_named_columns:
        when = series._time_column
        table = X if when is None else nw.from_native(X).drop(when).to_native()
    try:
        validate_data(estimator, table, reset=reset, skip_check_array=True)
    except ValueError as error:
        raise InvalidSeriesError(f"{error} Pass the columns that were fitted, in their order.") from error


def refuse_times_as_values(estimator: Any, series: SeriesInput, y: Any) -> None:
    """Raise for ``fit(times, values)``: X and y that are both one-dimensional.

    Raises
    ------
    InvalidSeriesError
    """
    if series.n_dims == 1 and y is not None and np.ndim(y) == 1:
        raise InvalidSeriesError(
            f"y is not used by {type(estimator).__name__}, got X and y that are both one-dimensional; "
            "if X are times, call fit(values, time=times), else fit(X)."
        )
