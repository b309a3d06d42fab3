"""Files in and out of the command line: CSV and Parquet in; CSV, Parquet and JSON out.

A file that cannot be read as a table is an `InputFileError` that names the file, the rule and the remedy.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tsprune.exceptions import PruningError

__all__ = ["InputFileError", "dumps", "read_series_file", "read_table_file", "to_json_value", "write_table_file"]

_READABLE = (".csv", ".tsv", ".txt", ".gz", ".parquet", ".pq")
_WRITABLE = (".csv", ".parquet", ".pq", ".json")


class InputFileError(PruningError):
    """A file cannot be read or written as asked."""


def read_table_file(path: Path) -> pd.DataFrame:
    """Read a CSV or Parquet file.

    Parameters
    ----------
    path : Path
        ``.csv``, ``.tsv``, ``.txt`` (also gzipped) or ``.parquet``.

    Returns
    -------
    DataFrame of shape (n_rows, n_columns)

    Raises
    ------
    InputFileError
        No such file, unknown ending, no rows, or no table.
    """
    if not path.is_file():
        raise InputFileError(f"INPUT must be a file that can be read, got {str(path)!r}; check the path.")
    if path.suffix not in _READABLE:
        raise InputFileError(f"INPUT must end in {', '.join(_READABLE)}, got {path.name!r}; convert it first.")
    try:
        if path.suffix in (".parquet", ".pq"):
            frame = pd.read_parquet(path)
        else:
            frame = pd.read_csv(path, sep="\t" if ".tsv" in path.suffixes else ",")
    except ImportError as error:
        raise InputFileError("Parquet needs pyarrow: `pip install 'tsprune[parquet]'`.") from error
    except (ValueError, OSError, UnicodeDecodeError) as error:  # pandas' parser errors are ValueErrors
        raise InputFileError(f"{path.name} must hold a table, got: {str(error).splitlines()[0]}") from error
    if frame.empty:
        raise InputFileError(f"{path.name} must have at least one row and one column, got shape {frame.shape}.")
    return frame


def read_series_file(path: Path, time: str | None, columns: list[str] | None) -> pd.DataFrame:
    """Read a file of series: an index of times if there is a time column, numbers in the others.

    Parameters
    ----------
    path : Path
    time : str, optional
        The time column; without it the first column is taken if it holds stamps as text, or its name says so.
    columns : list of str, optional
        Columns of values; default all numeric ones.

    Returns
    -------
    DataFrame of shape (n_timepoints, n_series)

    Raises
    ------
    InputFileError
        A column is missing, or there is no column of numbers.
    """
    frame = read_table_file(path)
    wanted = [*([time] if time else []), *(columns or [])]
    unknown = [name for name in wanted if name not in frame.columns]
    if unknown:
        raise InputFileError(
            f"column {unknown[0]!r} must be in {path.name}, got columns {list(map(str, frame.columns))[:12]}."
        )
    time = time or _guess_time(frame)
    if time is not None:
        frame = frame.set_index(_stamps(frame[time], path.name))
    if columns:
        chosen: pd.DataFrame = frame[columns]
        return chosen
    numeric = frame.drop(columns=[time] if time else []).select_dtypes("number")
    if numeric.shape[1] == 0:
        raise InputFileError(f"{path.name} must have a column of numbers, got {dict(frame.dtypes.astype(str))}.")
    return numeric


def _guess_time(frame: pd.DataFrame) -> str | None:
    """Return the first column if it holds stamps, or is named like a time; else None."""
    first = frame.columns[0]
    column = frame[first]
    if pd.api.types.is_datetime64_any_dtype(column.dtype):
        return str(first)
    if pd.api.types.is_numeric_dtype(column.dtype):
        named = str(first).lower() in ("time", "ds", "date", "datetime", "timestamp", "t")
        return str(first) if named and frame.shape[1] > 1 and pd.api.types.is_integer_dtype(column.dtype) else None
    try:
        pd.to_datetime(column.head(20), format="ISO8601")
    except (ValueError, TypeError):
        return None
    return str(first)


def _stamps(column: pd.Series, name: str) -> pd.Index:
    """Return a column as an index of stamps or integers, named like the column (``time`` for a nameless one)."""
    if str(column.name).startswith("Unnamed: "):  # what pandas calls a column without a heading
        column = column.rename("time")
    if pd.api.types.is_numeric_dtype(column.dtype):
        index: pd.Index = pd.Index(column, name=column.name)
        return index
    try:
        return pd.DatetimeIndex(pd.to_datetime(column, format="ISO8601"), name=column.name)
    except (ValueError, TypeError) as error:
        raise InputFileError(
            f"time column {column.name!r} of {name} must hold ISO 8601 stamps of one zone, got: {error}"
        ) from error


def write_table_file(frame: pd.DataFrame, path: Path, *, with_index: bool = True) -> None:
    """Write a table where the ending says: CSV, Parquet, or JSON records.

    Parameters
    ----------
    frame : DataFrame
    path : Path
    with_index : bool, default=True
        Whether the index is written as the first column; one without a name is called ``time``.

    Raises
    ------
    InputFileError
        Unknown ending.
    """
    if path.suffix not in _WRITABLE:
        raise InputFileError(f"--output must end in {', '.join(_WRITABLE)}, got {path.name!r}.")
    if with_index:
        frame = frame.reset_index(names=str(frame.index.name or "time"))
    if path.suffix == ".csv":
        frame.to_csv(path, index=False)
    elif path.suffix == ".json":
        frame.to_json(path, orient="records", date_format="iso", double_precision=15, indent=1)
    else:
        frame.to_parquet(path, index=False)


def to_json_value(value: Any) -> Any:
    """Return a value that `json.dumps` takes without NaN: numpy and pandas scalars become plain ones."""
    if isinstance(value, dict):
        return {str(k): to_json_value(v) for k, v in value.items()}
    if isinstance(value, list | tuple | np.ndarray | pd.Index):
        return [to_json_value(v) for v in value]
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or value is pd.NaT or (isinstance(value, float) and not np.isfinite(value)):
        return None
    return value if isinstance(value, str | int | float | bool) else str(value)


def dumps(summary: dict[str, Any]) -> str:
    """Return one line of JSON."""
    return json.dumps(to_json_value(summary), allow_nan=False)
