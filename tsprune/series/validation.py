"""The one door for series: whatever container comes in, float64 arrays with time go on.

`read_series` accepts a one- or two-dimensional numpy array, a list of numbers, a pandas Series or DataFrame, a
polars Series or DataFrame (and whatever else narwhals reads eagerly). Axis 0 is time. It returns a `SeriesInput`,
which knows the values (n_timepoints, n_series), the times, the names, and how to give results back in the
same container (`restore`). Behind this door everybody trusts the input.

A pandas index holds the times where it is anything but the row numbers 0, 1, 2, ...; an index that holds no times is
an error, never a reason to count rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tsprune.exceptions import InvalidSeriesError, NotNumericError, TimeIndexError
from tsprune.series.series_input import Floats, Kind, SeriesInput
from tsprune.series.times import Timeline, read_time, read_timeline

__all__ = ["SeriesInput", "read_series", "read_time"]


def read_series(
    y: Any,
    *,
    time: Any = None,
    time_column: str | None = None,
    allow_missing: bool = True,
    allow_empty_columns: bool = False,
    min_timepoints: int = 1,
    name: str = "y",
) -> SeriesInput:
    """Validate a series or several.

    Parameters
    ----------
    y : array, list, pandas or polars Series or DataFrame of shape (n_timepoints,) or (n_timepoints, n_series)
    time : array-like of shape (n_timepoints,), optional
        Stamps or integers; overrides the index.
    time_column : str, optional
        Column of a frame that holds the times.
    allow_missing : bool, default=True
        Whether NaN may occur.
    allow_empty_columns : bool, default=False
        Whether a column may hold nothing but NaN (a gap in the rows to transform is one).
    min_timepoints : int, default=1
        Fewest rows.
    name : str, default="y"
        What the messages call the input.

    Returns
    -------
    SeriesInput

    Raises
    ------
    InvalidSeriesError
        Wrong type or shape, no rows, infinite values, text, no finite value in a column.
    TimeIndexError
        Times that cannot be used.
    """
    kind, native = _recognise(y, name)
    if isinstance(getattr(native, "index", None), pd.MultiIndex):
        raise InvalidSeriesError(
            f"the index of {name} must have one level, the time, got {list(native.index.names)}; pick one series, or "
            "reset the index and use clean_many or detect_many."
        )
    _check_time_column(native, kind, time, time_column, name)
    timeline: Timeline | None = None
    names: tuple[str, ...] = ("y",)
    if kind == "numpy":
        array = native
    else:
        array, names = _columns(native, kind, time_column, name)
    n_dims = 2 if kind in ("pandas_frame", "polars_frame") else array.ndim
    if array.ndim not in (1, 2):
        raise InvalidSeriesError(f"{name} must have 1 or 2 dimensions (time first), got shape {array.shape}.")
    values = _to_float(array, names, name)
    table = values if values.ndim == 2 else values[:, None]
    if kind == "numpy" and table.shape[1] > 1:
        names = tuple(f"y{k}" for k in range(table.shape[1]))
    if time_column is not None:
        column = native[time_column]
        timeline = read_timeline(column, table.shape[0], where=f"time column {time_column!r}")
    elif time is not None:
        timeline = read_timeline(time, table.shape[0])
    elif kind in ("pandas_series", "pandas_frame") and _index_is_time(native.index):
        timeline = read_timeline(native.index, table.shape[0], where=f"the index of {name}")
    _check_values(table, names, name, allow_missing, allow_empty_columns, min_timepoints)
    return SeriesInput(
        values=table,
        timeline=timeline,
        names=names,
        n_dims=n_dims,
        kind=kind,
        _original=native,
        _time_column=time_column,
    )


def _recognise(y: Any, name: str) -> tuple[Kind, Any]:
    """Return the kind of container and the native object (lists and lazy things become arrays or errors)."""
    if isinstance(y, np.ma.MaskedArray):
        return "numpy", np.where(np.ma.getmaskarray(y), np.nan, y.data) if y.dtype.kind in "biuf" else y.data
    if isinstance(y, np.ndarray):
        return "numpy", y
    if isinstance(y, pd.Series):
        return "pandas_series", y
    if isinstance(y, pd.DataFrame):
        return "pandas_frame", y
    if isinstance(y, list | tuple):
        try:
            return "numpy", np.asarray(y)
        except ValueError as error:
            raise InvalidSeriesError(f"{name} must be a rectangular list of numbers, got {error}.") from error
    try:
        wrapped = nw.from_native(y, allow_series=True)
    except TypeError:
        wrapped = None
    if isinstance(wrapped, nw.Series):
        return "polars_series", y
    if isinstance(wrapped, nw.DataFrame):
        return "polars_frame", y
    if isinstance(wrapped, nw.LazyFrame):
        raise InvalidSeriesError(
            f"{name} must be eager, got a lazy frame ({type(y).__name__}); call `.collect()` first."
        )
    if hasattr(y, "toarray"):
        raise InvalidSeriesError(f"{name} must be dense, got the sparse {type(y).__name__}; call `.toarray()` first.")
    if hasattr(y, "__array__"):
        return "numpy", np.asarray(y)
    raise InvalidSeriesError(
        f"{name} must be an array, a list, or a pandas or polars Series or DataFrame, got {type(y).__name__}."
    )


def _check_time_column(native: Any, kind: Kind, time: Any, time_column: str | None, name: str) -> None:
    """Raise unless the time column exists and is the only source of times."""
    if time_column is None:
        return
    if time is not None:
        raise TimeIndexError("pass either `time` or `time_column`, not both.")
    if kind not in ("pandas_frame", "polars_frame"):
        raise TimeIndexError(
            f"time_column={time_column!r} needs a DataFrame, got {type(native).__name__}; pass `time=`."
        )
    if time_column not in list(native.columns):
        raise TimeIndexError(
            f"time_column must be a column of {name}, got {time_column!r}; columns: {list(native.columns)[:8]}."
        )


def _index_is_time(index: pd.Index) -> bool:
    """True for all but the default row numbers 0, 1, 2, ..."""
    return not (isinstance(index, pd.RangeIndex) and index.start == 0 and index.step == 1)


def _columns(native: Any, kind: Kind, time_column: str | None, name: str) -> tuple[NDArray[Any], tuple[str, ...]]:
    """Return the values (n_timepoints,) or (n_timepoints, n_series) and the names, without the time column."""
    if kind in ("pandas_series", "polars_series"):
        label = native.name
        frame = nw.from_native(native, series_only=True)
        return _column_values(frame, str(label), name), (str(label) if label not in (None, "") else "y",)
    labels = [c for c in native.columns if c != time_column]
    if not labels:
        raise InvalidSeriesError(f"{name} must have at least one column of values, got columns {list(native.columns)}.")
    names = tuple(str(c) for c in labels)
    if "unique_id" in names and len(names) > 1:
        raise InvalidSeriesError(
            f"{name} must have one column per series, got a long frame with columns {list(names)[:8]}; call "
            "`clean_many` or `detect_many`, which take long frames, or pivot it: "
            "`X.pivot(index='ds', columns='unique_id', values='y')`."
        )
    if len(set(names)) < len(names):
        double = next(n for k, n in enumerate(names) if n in names[:k])
        raise InvalidSeriesError(f"columns of {name} must have different names, got {double!r} twice.")
    parts = []
    for label in labels:
        column = nw.from_native(native[label], series_only=True)
        parts.append(_to_float(_column_values(column, str(label), name), (str(label),), name))
    return np.column_stack(parts) if len(native) else np.empty((0, len(labels))), names


def _column_values(column: Any, label: str, name: str) -> NDArray[Any]:
    """Return one narwhals series as an array; missing values of any kind become NaN."""
    dtype = column.dtype
    if dtype.is_numeric() or dtype == nw.Boolean:
        return np.asarray(column.cast(nw.Float64).to_numpy(), dtype=np.float64)
    if dtype.is_temporal():
        raise InvalidSeriesError(
            f"column {label!r} of {name} holds {dtype}, not numbers; if it is the time, make it the index of a pandas "
            "frame, or pass it as `time=` (or its name as `time_column=`, where the call has that parameter)."
        )
    return np.asarray(column.to_numpy())


def _to_float(array: NDArray[Any], names: Sequence[str], name: str) -> Floats:
    """Return a float64 array; text and objects that are no numbers are an error that says where."""
    if array.dtype.kind in "fiub":
        return np.array(array, dtype=np.float64)
    if array.dtype.kind == "c":
        raise InvalidSeriesError(f"{name} must be real, got complex numbers. Complex data not supported.")
    if array.dtype.kind in "mM":
        raise InvalidSeriesError(f"{name} must hold numbers, got {array.dtype}; pass times as the index or `time=`.")
    flat = array.reshape(-1)
    width = max(1, array.size // max(1, array.shape[0]) if array.ndim else 1)
    out = np.empty(flat.size)
    for k, value in enumerate(flat.tolist()):
        if value is None or value is pd.NA or value is pd.NaT:
            out[k] = np.nan
        elif isinstance(value, bool | int | float | np.number):
            out[k] = float(value)
        else:
            column = names[k % width] if k % width < len(names) else k % width
            raise NotNumericError(
                f"{name} must hold numbers, got {value!r} ({type(value).__name__}) at row {k // width}, "
                f"column {column!r}; convert the column or drop it (an argument must be no string but a number)."
            )
    return out.reshape(array.shape)


def _check_values(
    table: Floats, names: Sequence[str], name: str, allow_missing: bool, allow_empty: bool, min_timepoints: int
) -> None:
    """Raise for too few rows, infinities, forbidden or total lack of values."""
    n, width = table.shape
    if width == 0:
        raise InvalidSeriesError(
            f"{name} must have at least one column, got 0 feature(s) (shape={table.shape}) "
            "while a minimum of 1 is required."
        )
    if n < max(1, min_timepoints):
        raise InvalidSeriesError(
            f"{name} must have at least {max(1, min_timepoints)} time points, got {n}; pass a longer series."
        )
    infinite = np.isinf(table)
    if infinite.any():
        row, column = (int(v) for v in np.argwhere(infinite)[0])
        raise InvalidSeriesError(
            f"{name} must be finite or NaN, got {table[row, column]} at row {row}, column {names[column]!r}; "
            "replace it by NaN if it stands for a missing value."
        )
    missing = np.isnan(table)
    if not missing.any() or (allow_missing and allow_empty):
        return
    if not allow_missing:
        row, column = (int(v) for v in np.argwhere(missing)[0])
        raise InvalidSeriesError(
            f"{name} must not have missing values here, got NaN at row {row}, column {names[column]!r}; "
            "clean it with `SeriesCleaner` first."
        )
    empty = np.flatnonzero(missing.all(axis=0))
    if empty.size:
        raise InvalidSeriesError(
            f"every column of {name} must have at least one finite value, got none in column "
            f"{names[int(empty[0])]!r}; drop it."
        )
