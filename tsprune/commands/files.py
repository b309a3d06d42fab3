"""Files in and out of the command line: CSV and Parquet in; CSV, Parquet and JSON out.

Text is read as text: every cell keeps its bytes until a command asks for numbers or times. A file that cannot be read
as a table is an `InputFileError` that names the file, the rule and the remedy.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tsprune.commands.cells import InputFileError

__all__ = ["check_not_input", "dumps", "read_table_file", "to_json_value", "write_table_file"]

_READABLE = (".csv", ".tsv", ".txt", ".gz", ".parquet", ".pq")
_WRITABLE = (".csv", ".parquet", ".pq", ".json")
_ENCODINGS = ("utf-8-sig", "cp1252", "latin-1")  # the last one reads anything
_SEPARATORS = (",", ";", "\t", "|")


def read_table_file(path: Path, *, header: bool = True) -> pd.DataFrame:
    """Read a CSV or Parquet file.

    Parameters
    ----------
    path : Path
        ``.csv``, ``.tsv``, ``.txt`` (also gzipped) or ``.parquet``. The separator of a text is what stands most often
        in its first line (comma, semicolon, tab, bar); lines in front that begin with ``#`` are comments.
    header : bool, default=True
        Whether the first line holds names; without, columns are called ``column_1``, ``column_2``, ...

    Returns
    -------
    DataFrame of shape (n_rows, n_columns)
        Cells of a text file are text, as they stand in the file; those of Parquet have their types. ``attrs["names"]``
        has the names of the file where pandas had to change them.

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
            if not isinstance(frame.index, pd.RangeIndex):  # pandas stores the times of a series as its index
                frame = frame.reset_index(names=str(frame.index.name or "time"))
        else:
            frame = _read_text(path, header=header)
    except ImportError as error:
        raise InputFileError("Parquet needs pyarrow: `pip install 'tsprune[parquet]'`.") from error
    except (ValueError, OSError, EOFError, zlib.error, csv.Error) as error:  # pandas' parser errors are ValueErrors
        if isinstance(error, InputFileError):
            raise
        raise InputFileError(f"{path.name} must hold a table, got: {str(error).splitlines()[0]}") from error
    if frame.empty:
        raise InputFileError(f"{path.name} must have at least one row and one column, got shape {frame.shape}.")
    return frame


def _read_text(path: Path, *, header: bool) -> pd.DataFrame:
    """Read a table of text; a row may not have more cells than there are names."""
    stored = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    text = ""
    for encoding in _ENCODINGS:
        try:
            text = stored.decode(encoding)
            break
        except UnicodeDecodeError:
            continue
    if "\x00" in text:
        raise InputFileError(f"{path.name} must hold a table of text, got NUL bytes; convert it first.")
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    while text.startswith("#"):
        text = text.partition("\n")[2]
    first = text.partition("\n")[0]
    separator = max(_SEPARATORS, key=first.count) if any(mark in first for mark in _SEPARATORS) else ","
    names = next(csv.reader([first], delimiter=separator), [])
    frame = pd.read_csv(
        io.StringIO(text), sep=separator, dtype=str, keep_default_na=False, header=0 if header else None,
        skipinitialspace=True,
    )  # fmt: skip
    if not isinstance(frame.index, pd.RangeIndex):  # pandas makes an index of what has no name: names would be shifted
        raise InputFileError(
            f"{path.name} must have a name for every cell of its rows, got {len(names)} names and "
            f"{len(frame.columns) + frame.index.nlevels} cells; name all, or drop the extra separator."
        )
    if header:
        _refuse_data_as_names(names, path.name)
    else:
        frame.columns = pd.Index([f"column_{k + 1}" for k in range(frame.shape[1])])
    # pandas calls columns without a name "Unnamed: 0" and numbers those that share one: they are written as they came
    frame.attrs["names"] = dict(zip(map(str, frame.columns), names, strict=True)) if header else {}
    frame.attrs["likely_decimal"] = "," if separator == ";" else None
    return frame


def _refuse_data_as_names(names: list[str], file: str) -> None:
    """Raise if the first line holds numbers or dates: the first row would be lost as names."""
    numbers = pd.to_numeric(pd.Series(names, dtype=str), errors="coerce").notna()
    if len(names) > 1 and numbers.iloc[1:].all():
        raise InputFileError(
            f"the first line of {file} must name its columns, got {', '.join(names[:3])!r}, which looks like data; "
            "pass --no-header, or add a line of names."
        )


def check_not_input(path: Path, output: Path | None, overwrite: bool) -> None:
    """Raise if a result would replace the input unasked."""
    if output is not None and not overwrite and output.exists() and output.resolve() == path.resolve():
        raise InputFileError(
            f"--output must be another file than INPUT, got {str(output)!r} for both; pass --overwrite to replace it."
        )


def write_table_file(frame: pd.DataFrame, path: Path, *, with_index: bool = True, header: bool = True) -> None:
    """Write a table where the ending says: CSV, Parquet, or JSON records.

    Parameters
    ----------
    frame : DataFrame
    path : Path
    with_index : bool, default=True
        Whether the index is written as the first column; one without a name is called ``time``.
    header : bool, default=True
        Whether a CSV file begins with the names.

    Raises
    ------
    InputFileError
        Unknown ending.
    """
    if path.suffix not in _WRITABLE:
        raise InputFileError(f"--output must end in {', '.join(_WRITABLE)}, got {path.name!r}.")
    if with_index:
        frame = frame.reset_index(names=str(frame.index.name or "time"))
    given = frame.attrs.get("names", {})
    if path.suffix == ".csv":
        frame = frame.set_axis([given.get(str(name), name) for name in frame.columns], axis=1)
        frame.to_csv(path, index=False, header=header)
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
