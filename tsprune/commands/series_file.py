"""A file of series: which column holds the times, which hold values, and which are carried along untouched.

Invariant: every column of the file is worked on, or carried along with its bytes and named with the reason; rows come
out in the order in which they came in.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tsprune.commands.absent_times import absent_times, describe_absent
from tsprune.commands.cells import InputFileError, read_numbers, truth_values
from tsprune.commands.files import read_table_file
from tsprune.commands.time_columns import find_time_column, is_row_counter, read_times

__all__ = ["SeriesFile", "column_numbers", "read_series_file"]

_ID_NAMES = {
    "id",
    "unique_id",
    "series",
    "series_id",
    "item_id",
    "station",
    "site",
    "device",
    "host",
    "sensor",
    "name",
    "key",
}
_REMEDIES = {
    "clean": "tsprune fleet clean",
    "detect": "tsprune fleet detect",
}  # fmt: skip


@dataclass
class SeriesFile:
    """The columns of a file and what each is for.

    Attributes
    ----------
    table : DataFrame of shape (n_rows, n_columns)
        The file, cell by cell as it was read, in the order of its rows.
    frame : DataFrame of shape (n_timepoints, n_series)
        The values as floats, in order of time, under an index of times (or a range, where the file has none).
    time : str or None
        The column of times.
    order : ndarray of int of shape (n_timepoints,)
        Which row of `table` each row of `frame` is; -1 for a timestamp that was added.
    carried : dict of str to str
        Columns that are not worked on, with the reason.
    notes : list of str
        What was decided on the way, as sentences.
    n_absent : int
        Timestamps of the regular grid at which the file has no row.
    """

    table: pd.DataFrame
    frame: pd.DataFrame
    time: str | None
    order: NDArray[np.intp]
    carried: dict[str, str]
    notes: list[str] = field(default_factory=list)
    n_absent: int = 0

    def with_values(self, values: pd.DataFrame, *, as_text: bool = True) -> pd.DataFrame:
        """Return the file with new values in the columns worked on.

        Parameters
        ----------
        values : DataFrame of shape (n_timepoints, n_series)
            In the order of `frame`.
        as_text : bool, default=True
            Whether cells of a text file stay text, so that those that did not change are written as they were read;
            else times and values have types.

        Returns
        -------
        DataFrame
            Rows and columns as in the file; rows of added timestamps stand at their place in time.
        """
        base = self._base()
        for name in values.columns:
            new = values[name].to_numpy(dtype=np.float64)
            place = self._place()
            typed = not as_text or pd.api.types.is_numeric_dtype(self.table[name].dtype)
            if typed:
                column = np.empty(len(base))
                column[place] = new
                base[name] = column
                continue
            old = self.frame[name].to_numpy(dtype=np.float64)
            same = (new == old) | (np.isnan(new) & np.isnan(old))
            cells = base[name].to_numpy(dtype=object, copy=True)
            written = np.array(["" if np.isnan(x) else repr(float(x)) for x in new], dtype=object)
            cells[place[~same]] = written[~same]
            base[name] = cells
        if not as_text and self.time is not None:
            base[self.time] = self._times()
        return base

    def _times(self) -> pd.Index:
        """The times (n_rows,) in the order of the output."""
        times: pd.Index = self.frame.index.take(np.argsort(self._place(), kind="stable"))
        return times

    def with_columns(self, columns: dict[str, Any], *, as_text: bool = True) -> pd.DataFrame:
        """Return times and carried columns with new columns behind them, in the order of the file."""
        base = self._base()
        base = base.drop(columns=list(self.frame.columns))
        if not as_text and self.time is not None:
            base[self.time] = self._times()
        place = self._place()
        for name, new in columns.items():
            array = np.asarray(new)
            out = np.empty(len(base), dtype=array.dtype if len(array) == len(base) else object)
            out[place] = array
            base[name] = out
        return base

    def _base(self) -> pd.DataFrame:
        """The file's own rows, with empty rows for added timestamps, in the order of the output."""
        added = np.flatnonzero(self.order < 0)
        if not added.size:
            return self.table.copy()
        rows = self.table.reindex(np.where(self.order < 0, len(self.table) + 1, self.order)).reset_index(drop=True)
        text = [c for c in rows.columns if not pd.api.types.is_numeric_dtype(rows[c].dtype)]
        rows[text] = rows[text].astype(object).fillna("")
        stamps = self.frame.index
        typed = not isinstance(self.table[self.time].iloc[0], str)
        column = rows[self.time].astype(object)
        column.iloc[added] = [stamps[int(k)] if typed else str(stamps[int(k)]) for k in added]
        rows[self.time] = column.infer_objects() if typed else column
        return rows

    def _place(self) -> NDArray[np.intp]:
        """Row of the output (n_timepoints,) at which each row of `frame` stands."""
        return np.arange(self.order.size) if (self.order < 0).any() else self.order


def read_series_file(
    path: Path,
    time: str | None = None,
    columns: list[str] | None = None,
    *,
    ignore: list[str] | None = None,
    header: bool = True,
    duplicates: str = "error",
    time_zone: str | None = None,
    decimal: str | None = None,
    day_first: bool | None = None,
    fill_absent: bool = False,
    command: str = "clean",
) -> SeriesFile:
    """Read a file of series: an index of times if there is a time column, numbers in the others.

    Parameters
    ----------
    path : Path
    time : str, optional
        The time column; without it, the one that is named like one and can be read, else the first that holds times.
    columns : list of str, optional
        Columns of values; default all columns of numbers.
    ignore : list of str, optional
        Columns to carry along untouched.
    header : bool, default=True
        Whether the first line holds names.
    duplicates : "error", "mean", "first" or "last", default="error"
        How to handle several rows of one time. Only "error" leaves every row in the output.
    time_zone : str, optional
        Zone of stamps without one, such as ``Europe/Berlin``.
    decimal : "." or ",", optional
        Decimal mark; default decided over all cells of a column.
    day_first : bool, optional
        Whether ``03.04.2024`` is the 3rd of April; default decided over all cells.
    fill_absent : bool, default=False
        Whether rows are inserted for timestamps that are absent; their values are missing.
    command : str
        The command that reads, for the way out in messages.

    Returns
    -------
    SeriesFile

    Raises
    ------
    InputFileError
        A column is missing, there is no column of numbers, times cannot be read or repeat, or the file is long (several
        series one below the other).
    """
    table = read_table_file(path, header=header)
    for name in [*([time] if time else []), *(columns or []), *(ignore or [])]:
        if name not in table.columns:
            raise InputFileError(
                f"column {name!r} must be in {path.name}, got columns {list(map(str, table.columns))[:12]}."
            )
    beside = [c for c in table.columns if c not in (columns or []) and c not in (ignore or [])]
    time = time or find_time_column(table[beside], path.name, day_first=day_first)
    notes: list[str] = []
    carried: dict[str, str] = dict.fromkeys(ignore or [], "to be ignored")
    values = _values(table, time, columns, carried, path.name, decimal)
    if time is None:
        _refuse_long(table, None, None, carried, values, path.name, command)
        index: pd.Index = pd.RangeIndex(len(table))
        return SeriesFile(table, values.set_axis(index), None, np.arange(len(table)), carried, notes)
    index = read_times(table[time], path.name, day_first=day_first, time_zone=time_zone)
    if str(time).startswith("Unnamed: "):  # what pandas calls a column without a name
        index = index.rename("time")
    order = np.argsort(index.to_numpy(), kind="stable")
    _refuse_long(table, time, index, carried, values, path.name, command)
    if (np.diff(order) != 1).any():
        newest_first = (np.diff(order) == -1).all()
        notes.append(f"rows were sorted by {time!r}" + (", which came newest first" if newest_first else ""))
    frame = values.iloc[order].set_axis(index[order])
    if frame.index.has_duplicates:
        table, frame, order = _merged(table, frame, order, duplicates, path.name)
        notes.append(f"rows of one time were merged (--duplicates {duplicates})")
    absent = absent_times(frame.index)
    if len(absent):
        told = describe_absent(absent, frame.index)
        notes.append(f"{told}; rows were inserted" if fill_absent else f"{told}; --fill-absent inserts rows for them")
    if len(absent) and fill_absent:
        together = frame.index.union(absent)
        order = np.where(
            together.isin(frame.index), order[np.maximum(0, np.cumsum(together.isin(frame.index)) - 1)], -1
        )
        frame = frame.reindex(together)
    return SeriesFile(table, frame, str(time), order, carried, notes, len(absent))


def _values(
    table: pd.DataFrame, time: Any, columns: list[str] | None, carried: dict[str, str], file: str, decimal: str | None
) -> pd.DataFrame:
    """The columns worked on as floats (n_rows, n_series); the others go into `carried` with the reason."""
    found: dict[Any, Any] = {}
    for name in columns or table.columns:
        if name == time or name in carried:
            continue
        numbers, reason = column_numbers(table[name], file, decimal)
        if columns is None and numbers is not None:
            if is_row_counter(table[name]):
                numbers, reason = None, "a counter of rows"
            elif str(name).lower() in _ID_NAMES and _is_whole(numbers):
                numbers, reason = None, "a name"
        if numbers is None:
            if columns is not None:
                raise InputFileError(f"column {name!r} of {file} must hold numbers, got {reason}.")
            carried[str(name)] = reason
        else:
            found[name] = numbers
    for name in table.columns if columns is not None else ():
        if name != time and name not in found:
            carried.setdefault(str(name), "not among --column")
    if not found:
        kinds = {str(name): _shown(table[name], reason) for name, reason in carried.items()}
        raise InputFileError(f"{file} must have a column of numbers, got {kinds or list(map(str, table.columns))}.")
    return pd.DataFrame(found)


def _shown(column: pd.Series, reason: str) -> str:
    """The kind of a column for a message, with a cell of it where it is text."""
    return f"text such as {column.iloc[0]!r}" if reason == "text" else reason


def _is_whole(numbers: NDArray[np.float64]) -> bool:
    """Whether all numbers (n_rows,) are whole."""
    present = numbers[np.isfinite(numbers)]
    return bool((present == np.round(present)).all())


def column_numbers(column: pd.Series, file: str, decimal: str | None = None) -> tuple[NDArray[np.float64] | None, str]:
    """Return a column as floats (n_rows,), or None and the kind of thing it holds."""
    dtype = column.dtype
    if pd.api.types.is_bool_dtype(dtype):
        return None, "true and false"
    if pd.api.types.is_numeric_dtype(dtype):
        return column.to_numpy(dtype=np.float64, na_value=np.nan), ""
    if pd.api.types.is_datetime64_any_dtype(dtype) or isinstance(dtype, pd.PeriodDtype):
        return None, "times"
    if pd.api.types.is_timedelta64_dtype(dtype):
        return None, "durations"
    if column.map(lambda cell: type(cell).__name__ == "Decimal" or cell is None).all():
        return pd.to_numeric(column.astype(object).where(column.notna()), errors="coerce").to_numpy(np.float64), ""
    text = column.astype(object).where(column.notna(), "").astype(str)
    if truth_values(text) is not None:
        return None, "true and false"
    numbers = read_numbers(text, file, decimal=decimal, likely=column.attrs.get("likely_decimal"))
    return numbers, "" if numbers is not None else "text"


def _refuse_long(
    table: pd.DataFrame,
    time: Any,
    index: pd.Index | None,
    carried: dict[str, str],
    values: pd.DataFrame,
    file: str,
    command: str,
) -> None:
    """Raise if the rows belong to several series, one below the other: chained to one they would be nonsense."""
    for name, reason in carried.items():
        if reason not in ("text", "a name") or name not in table.columns:
            continue
        keys = table[name].astype(str)
        n_keys = keys.nunique()
        if not 1 < n_keys <= len(table) // 2:
            continue
        named = str(name).lower() in _ID_NAMES
        apart = (
            index is not None and index.has_duplicates and not pd.MultiIndex.from_arrays([keys, index]).has_duplicates
        )
        if apart or (named and index is None) or (named and (keys != keys.shift()).sum() == n_keys):
            raise InputFileError(
                f"{file} must hold one row a time, got {n_keys} series in column {name!r} "
                f"({', '.join(keys.unique()[:3])}, ...); use `{_REMEDIES.get(command, 'tsprune fleet clean')} {file} "
                f"--id-column {name} --time-column {time or 'TIME'} --value-column {values.columns[0]}`."
            )


def _merged(
    table: pd.DataFrame, frame: pd.DataFrame, order: NDArray[np.intp], duplicates: str, file: str
) -> tuple[pd.DataFrame, pd.DataFrame, NDArray[np.intp]]:
    """Rows of one time made one: the table, the frame and the order of what stays."""
    if duplicates == "error":
        again = frame.index.duplicated()
        stamp = frame.index[again][0]
        rows = sorted(int(r) for r in order[frame.index == stamp])
        raise InputFileError(
            f"times of {file} must differ, got {stamp} at rows {', '.join(map(str, rows[:4]))} ({int(again.sum())} "
            "repeated times in all); pass --duplicates mean, first or last."
        )
    stays = ~frame.index.duplicated(keep="last" if duplicates == "last" else "first")
    if duplicates == "mean":
        frame = frame.groupby(level=0).mean()
    else:
        frame = frame[stays]
    rows_kept = np.sort(order[stays])
    new_order = np.searchsorted(rows_kept, order[stays])
    kept = table.iloc[rows_kept].reset_index(drop=True)
    kept.attrs.update(table.attrs)
    if duplicates == "mean":
        for name in frame.columns:
            cells = kept[name].to_numpy(dtype=object, copy=True)
            means = frame[name].to_numpy()
            cells[new_order] = (
                means if pd.api.types.is_numeric_dtype(kept[name].dtype) else [repr(float(m)) for m in means]
            )
            kept[name] = cells
    return kept, frame, new_order
