"""What a transformer gives back: the container it was given, or the one that was asked for."""

from __future__ import annotations

from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.utils._set_output import _get_output_config

from tsprune.series.validation import SeriesInput

__all__ = ["for_output", "give_back"]

Floats = NDArray[np.float64]


def for_output(transformer: Any, result: Any) -> Any:
    """Return what `transform` found as scikit-learn's `set_output` can take it.

    Its adapter for polars takes a pandas frame, but no pandas series.
    """
    if isinstance(result, pd.Series) and _get_output_config("transform", transformer)["dense"] == "polars":
        return result.to_frame()
    return result


def give_back(series: SeriesInput, values: Floats, X: Any) -> Any:
    """Return `values` (m, k) in the container of `X`, with its column order, float types, and nulls of polars."""
    if series.kind == "numpy":
        dtype = getattr(np.asarray(X), "dtype", values.dtype)
        return series.restore(values.astype(dtype if dtype.kind == "f" else np.float64))
    result = series.restore(values)
    if series.kind == "pandas_series":
        return result.astype(X.dtype) if pd.api.types.is_float_dtype(X.dtype) else result
    if series.kind == "pandas_frame":
        kinds = {name: X[name].dtype for name in X.columns if pd.api.types.is_float_dtype(X[name].dtype)}
        return result[list(X.columns)].astype(kinds)
    if series.kind == "polars_series":
        kind = nw.from_native(X, series_only=True).dtype
        column, given = nw.from_native(result, series_only=True), nw.from_native(X, series_only=True)
        column = column.cast(kind) if kind.is_float() else column
        holes = given.is_null()
        return (column.zip_with(~holes, given.cast(column.dtype)) if holes.any() else column).to_native()
    frame, given = nw.from_native(result).select(list(X.columns)), nw.from_native(X)
    columns = []
    for name, kind in given.schema.items():
        column = frame[name].cast(kind) if kind.is_float() else frame[name]
        holes = given[name].is_null()
        columns.append(column.zip_with(~holes, given[name].cast(column.dtype)) if holes.any() else column)
    return frame.with_columns(columns).to_native()
