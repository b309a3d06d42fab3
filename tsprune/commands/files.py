"""Files in and out of the command line: CSV and Parquet in; CSV, Parquet and JSON out.

A file that cannot be read as a table is an `InputFileError` that names the file, the rule and the remedy.
"""

from __future__ import annotations

import gzip
import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tsprune.exceptions import PruningError

__all__ = ["InputFileError", "dumps", "read_series_file", "read_table_file", "to_json_value", "write_table_file"]

_TIME_NAMES = ("time", "ds", "date", "datetime", "timestamp", "t")
_DATE = r"^\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}(?!\d)|\d{1,2}[ -][A-Za-z]{3,9}[ -,]+\d{2,4}|[A-Za-z]{3,9}\.? \d{1,2},? \d{4}"
_READABLE = (".csv", ".tsv", ".txt", ".gz", ".parquet", ".pq")
_WRITABLE = (".csv", ".parquet", ".pq", ".json")


class InputFileError(PruningError):
    """A file cannot be read or written as asked."""


def read_table_file(path: Path) -> pd.DataFrame:
    """Read a CSV or Parquet file.

    Parameters
    ----------
    path : Path
        ``.csv``, ``.tsv``, ``.txt`` (also gzipped) or ``.parquet``. Text is separated by what its first line shows:
        commas, else semicolons (then decimal commas are numbers, too), else tabs.

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
            frame = _read_csv(path)
    except ImportError as error:
        raise InputFileError("Parquet needs pyarrow: `pip install 'tsprune[parquet]'`.") from error
    except (ValueError, OSError, EOFError, zlib.error) as error:  # pandas' parser errors are ValueErrors
        raise InputFileError(f"{path.name} must hold a table, got: {str(error).splitlines()[0]}") from error
    if frame.empty:
        raise InputFileError(f"{path.name} must have at least one row and one column, got shape {frame.shape}.")
    return frame


def _read_csv(path: Path) -> pd.DataFrame:
    """Read a table of text; a row may not have more cells than there are names."""
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rt", encoding="utf-8-sig") as lines:
        names, rows = lines.readline(), lines.readlines(100_000)
    separator = next((mark for mark in (",", ";", "\t") if mark in names), ",")
    decimal = "," if separator == ";" and any("," in row for row in rows) else "."
    frame = pd.read_csv(path, sep=separator, decimal=decimal)
    if not isinstance(frame.index, pd.RangeIndex):  # pandas makes an index of what has no name: names would be shifted
        raise InputFileError(
            f"{path.name} must have a name for every cell of its rows, got {len(frame.columns)} names and "
            f"{len(frame.columns) + frame.index.nlevels} cells; name all, or drop the extra separator."
        )
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
    if time is None and str(frame.columns[0]) not in (columns or []):
        _refuse_unread_stamps(frame.iloc[:, 0], path.name)
    if time is not None:
        frame = frame.set_index(_stamps(frame[time], path.name))
    if columns:
        chosen: pd.DataFrame = frame[columns]
        return chosen
    values = frame.drop(columns=[time] if time else [])
    numeric = values.select_dtypes("number")
    for name in values.columns.difference(numeric.columns):
        _refuse_spoilt_numbers(values[name], path.name)
    if numeric.shape[1] == 0:
        raise InputFileError(f"{path.name} must have a column of numbers, got {dict(frame.dtypes.astype(str))}.")
    return numeric


def _refuse_spoilt_numbers(column: pd.Series, file: str) -> None:
    """Raise if a column of text is one of numbers but for some cells: it would be left out in silence."""
    cells = column.dropna().astype(str)
    spoilt = pd.to_numeric(cells, errors="coerce").isna().to_numpy()
    if 0 < spoilt.sum() < 0.5 * len(cells):
        row = int(np.flatnonzero(column.notna().to_numpy())[spoilt.argmax()])
        raise InputFileError(
            f"column {str(column.name)!r} of {file} must hold numbers, got {cells.iloc[spoilt.argmax()]!r} at row "
            f"{row}, {int(spoilt.sum())} such cells in all; leave them empty, or name the columns wanted with --column."
        )


def _refuse_unread_stamps(column: pd.Series, file: str) -> None:
    """Raise if a first column that was not taken for times looks like some: rows would be counted in silence."""
    if pd.api.types.is_numeric_dtype(column.dtype):
        looks = str(column.name).lower() in _TIME_NAMES[:-1] and pd.api.types.is_float_dtype(column.dtype)
    else:
        cells = column.dropna().astype(str).str.strip()
        looks = str(column.name).lower() in _TIME_NAMES or (len(cells) > 0 and cells.str.contains(_DATE).mean() > 0.5)
    if looks:
        raise InputFileError(
            f"the first column of {file}, {str(column.name)!r}, looks like times that cannot be read, got "
            f"{column.dropna().astype(str).tolist()[:2]}; write ISO 8601 stamps of one zone or integers, name another "
            "column with --time, or drop it to count rows."
        )


def _guess_time(frame: pd.DataFrame) -> str | None:
    """Return the first column if it holds stamps, or is named like a time; else None."""
    first = frame.columns[0]
    column = frame[first]
    if pd.api.types.is_datetime64_any_dtype(column.dtype):
        return str(first)
    if pd.api.types.is_numeric_dtype(column.dtype):
        named = str(first).lower() in _TIME_NAMES
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
    except (ValueError, TypeError, OverflowError) as error:
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
