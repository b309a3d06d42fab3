"""Rows of a stream: frames and moments become the arrays that the kernel takes, or are refused."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tsprune.exceptions import InvalidRecordError, InvalidSeriesError, TimeIndexError
from tsprune.series.validation import read_time

__all__ = [
    "check_values", "describe", "metric_names", "not_later", "read_mapping", "read_moment", "read_rows",
    "unknown_names",
]  # fmt: skip


def read_rows(frame: pd.DataFrame, names: Sequence[str], where: str) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return times and values of a frame, absent metrics as NaN.

    Parameters
    ----------
    frame : DataFrame of shape (n_rows, n_columns)
        Numbers, strictly increasing `DatetimeIndex`; without a zone it is UTC.
    names : sequence of str
        The metrics, in order.
    where : str
        What the messages call the frame.

    Returns
    -------
    times : ndarray of shape (n_rows,)
        Nanoseconds since the epoch.
    values : ndarray of shape (n_rows, n_metrics)

    Raises
    ------
    TimeIndexError, InvalidSeriesError
    """
    if not isinstance(frame.index, pd.DatetimeIndex):
        raise TimeIndexError(f"{where} must have a DatetimeIndex, got {type(frame.index).__name__}; set one.")
    times, _ = read_time(frame.index, len(frame), where=f"the index of {where}")
    values = np.full((len(frame), len(names)), np.nan)
    labels = metric_names(frame.columns, where)
    for k, name in enumerate(names):
        if name not in labels:
            continue
        column = frame.iloc[:, labels.index(name)]
        if not _holds_numbers(column.dtype):
            raise InvalidSeriesError(
                f"column {name!r} of {where} must hold numbers, got dtype {column.dtype}; convert it."
            )
        values[:, k] = column.to_numpy(dtype=np.float64, na_value=np.nan)
    infinite = np.isinf(values)
    if infinite.any():
        row, k = (int(i) for i in np.argwhere(infinite)[0])
        raise InvalidSeriesError(
            f"{where} must be finite or NaN, got {values[row, k]} at {frame.index[row]}, column {names[k]!r}; "
            "replace it by NaN."
        )
    return np.ascontiguousarray(times), values


def metric_names(names: Iterable[Any], where: str) -> tuple[str, ...]:
    """Return names of any kind as text.

    Raises
    ------
    InvalidSeriesError
        If two are the same.
    """
    found = tuple(str(name) for name in names)
    if len(set(found)) < len(found):
        double = next(name for k, name in enumerate(found) if name in found[:k])
        raise InvalidSeriesError(f"metrics of {where} must have different names, got {double!r} twice; rename one.")
    return found


def _holds_numbers(dtype: Any) -> bool:
    """True for real numbers and Booleans of numpy, pandas and Arrow."""
    kinds = pd.api.types
    return (kinds.is_numeric_dtype(dtype) or kinds.is_bool_dtype(dtype)) and not kinds.is_complex_dtype(dtype)


def read_moment(time: Any) -> int:
    """Return anything that makes a Timestamp as nanoseconds since the epoch.

    Raises
    ------
    InvalidRecordError
        With kind ``time``.
    """
    try:
        stamp = time if isinstance(time, pd.Timestamp) else pd.Timestamp(time)
    except (TypeError, ValueError, OverflowError) as error:
        raise InvalidRecordError(f"time must be a Timestamp, got {time!r}: {error}.", "time") from None
    if pd.isna(stamp):
        raise InvalidRecordError("time must not be missing, got NaT.", "time")
    try:
        return int(stamp.value)
    except OverflowError:
        raise InvalidRecordError(f"time must lie in the years 1678 to 2261, got {stamp}.", "time") from None


def read_mapping(values: Any) -> Mapping[str, Any]:
    """Return the values of a row by name; names of any kind become text, Booleans numbers, as in a frame.

    Raises
    ------
    InvalidRecordError
        With kind ``shape``.
    """
    if not hasattr(values, "items"):
        raise InvalidRecordError(
            f"values must be a mapping of metric to number, got {describe(values)}; pass a dict or a Series.", "shape"
        )
    found = {str(k): float(v) if isinstance(v, bool | np.bool_) else v for k, v in values.items()}
    if len(found) < len(values):
        raise InvalidRecordError(f"metrics must have different names, got {list(values.keys())!r:.200}.", "shape")
    return found


def describe(value: object) -> str:
    """Return type and shape for a message."""
    shape = getattr(value, "shape", None)
    return type(value).__name__ + (f" of shape {shape}" if shape is not None else "")


def unknown_names(names: Iterable[str], known: Sequence[str], new_metrics: str) -> list[str]:
    """Return the names that are not known.

    Raises
    ------
    InvalidRecordError
        If there are any and `new_metrics` is ``"refuse"``.
    """
    unknown = [name for name in names if name not in known]
    if unknown and new_metrics == "refuse":
        raise InvalidRecordError(
            f"metrics must be among those primed, got {unknown[0]!r}; known: {list(known)[:8]}. "
            "Prime with it, or pass new_metrics='adopt'.",
            "shape",
        )
    return unknown


def not_later(stamp: int, last: int) -> InvalidRecordError:
    """Return the error for a row at `stamp` after one at `last`, both in nanoseconds since the epoch."""
    return InvalidRecordError(
        f"time must be later than the last row's {pd.Timestamp(last)}, got {pd.Timestamp(stamp)}; "
        "skip the row, or sort before.",
        "duplicate" if stamp == last else "late",
    )


def check_values(values: Mapping[Any, Any]) -> dict[str, float]:
    """Return the values as floats; None becomes NaN.

    Raises
    ------
    InvalidRecordError
        With kind ``value`` (text, Boolean, list, object) or ``infinite``.
    """
    found: dict[str, float] = {}
    for name, value in values.items():
        if value is None:
            found[name] = math.nan
        elif isinstance(value, float):
            found[name] = value
        elif isinstance(value, int) and not isinstance(value, bool):
            try:
                found[name] = float(value)
            except OverflowError:
                found[name] = math.inf
        else:
            number = None if isinstance(value, str | bool | list | dict) else _as_float(value)
            if number is None:
                raise InvalidRecordError(
                    f"a value must be a number or missing, got {value!r:.40} ({type(value).__name__}) for {name!r}.",
                    "value",
                )
            found[name] = number
    for name, number in found.items():
        if math.isinf(number):
            raise InvalidRecordError(
                f"a value must be finite or missing, got {values[name]!r:.40} for {name!r}.", "infinite"
            )
    return found


def _as_float(value: Any) -> float | None:
    """Return a number of another library (numpy, pandas) as a float; None if it is no number, NaN if missing."""
    if type(value).__name__ in ("NAType", "NaTType"):
        return math.nan
    if type(value).__name__ in ("bool_", "bool", "str_", "bytes"):
        return None
    try:
        return float(value)
    except (TypeError, ValueError):
        return None
