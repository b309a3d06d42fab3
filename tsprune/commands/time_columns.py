"""The column of times in a file: where it is, and its cells as timestamps or integers."""

from __future__ import annotations

import numpy as np
import pandas as pd

from tsprune.commands.cells import InputFileError, is_missing
from tsprune.exceptions import PruningError, TimeIndexError
from tsprune.series.text_times import parse_times

__all__ = ["find_time_column", "is_row_counter", "read_times"]

_TIME_NAMES = (
    "time", "ds", "date", "datetime", "timestamp", "t", "ts", "day", "week", "month", "when", "date_time", "start",
    "period",
)  # fmt: skip
_WORDS_TOO = {"day", "start", "period", "t", "week", "month"}  # names of times that also name words and numbers
_COUNTER_NAMES = {"", "index", "id", "row", "rows", "nr", "no", "n", "#", "key", "unnamed"}
_DIGITS_OF_DATES = {6: "%Y%m", 8: "%Y%m%d", 10: "%Y%m%d%H", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S"}
# dates with separators or names of months, ISO weeks and quarters
_LOOKS_LIKE_A_DATE = (
    r"^\s*\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}(?!\d)|\d{1,2}[ -][A-Za-z]{3,9}[ -,]+\d{2,4}|^[A-Za-z]{3,9}\.? \d{1,2},? \d{4}"
    r"|^\s*\d{4}-\d{2}(?:$|[T ])|^\s*\d{4}[- ]?[WQ]\d"
)


def find_time_column(table: pd.DataFrame, file: str, *, day_first: bool | None = None) -> str | None:
    """Return the column of times of a table (n_rows, n_columns), or None if it has none.

    Columns that are named like a time come first, then those of text or a type that holds times, from left to right.

    Raises
    ------
    InputFileError
        A column is named like a time, or its cells look like dates, but they cannot be read.
    """
    named = [c for c in table.columns if str(c).lower() in _TIME_NAMES]
    for name in [*named, *(c for c in table.columns if c not in named)]:
        column = table[name]
        dtype = column.dtype
        if pd.api.types.is_datetime64_any_dtype(dtype) or isinstance(dtype, pd.PeriodDtype):
            return str(name)
        if pd.api.types.is_timedelta64_dtype(dtype):
            if name in named:
                return str(name)
            continue
        if _is_integral(column):
            if (name in named and table.shape[1] > 1) or _are_calendar_digits(column):
                return str(name)
            continue
        if pd.api.types.is_numeric_dtype(dtype) or _is_number_text(column):
            if name in named and str(name).lower() != "t":
                _refuse(column, file)
            continue
        cells = column[~is_missing(column)].astype(str)
        looks = len(cells) > 0 and cells.iloc[:200].str.contains(_LOOKS_LIKE_A_DATE).mean() > 0.5
        if not (looks or (name in named and str(name).lower() not in _WORDS_TOO)):
            continue
        try:
            parse_times(cells, where=f"column {str(name)!r} of {file}", day_first=day_first)
        except TimeIndexError as error:
            _refuse(column, file, error)
        return str(name)
    return None


def is_row_counter(column: pd.Series) -> bool:
    """Return whether a column of whole numbers without a telling name only counts the rows."""
    name = str(column.name).lower()
    if not (name in _COUNTER_NAMES or name.startswith("unnamed: ")) or not _is_integral(column):
        return False
    numbers = pd.to_numeric(column, errors="coerce").to_numpy(dtype=np.float64)
    return bool(
        len(numbers) > 1
        and (np.diff(numbers) > 0).all()
        and (name.startswith("unnamed") or (np.diff(numbers) == 1).all())
    )


def read_times(
    column: pd.Series, file: str, *, day_first: bool | None = None, time_zone: str | None = None
) -> pd.Index:
    """Return a column as an index of timestamps or integers, in the order of the rows.

    Raises
    ------
    InputFileError
        A cell is no time, is ambiguous, or the zone is unknown.
    """
    label = f"time column {str(column.name)!r} of {file}"
    missing = is_missing(column)
    if missing.any():
        row = int(np.flatnonzero(missing)[0])
        raise InputFileError(f"{label} must have a time in every row, got none at row {row}; drop that row or date it.")
    integral = _is_integral(column)
    if integral and not _are_calendar_digits(column) and not _is_epoch(column):
        if _turns_the_year(column, of=(52, 53)):
            raise InputFileError(
                f"{label} must hold times or row numbers, got {column.iloc[0]}, which looks like a year and a week; "
                "write weeks as 2024-W05."
            )
        numbered: pd.Index = pd.Index(column.astype(np.int64), name=str(column.name))
        return numbered
    if isinstance(column.dtype, pd.PeriodDtype) or pd.api.types.is_timedelta64_dtype(column.dtype):
        typed: pd.Index = pd.Index(column, name=str(column.name))
        return typed
    try:
        if pd.api.types.is_datetime64_any_dtype(column.dtype):
            column = column.dt.tz_localize(None) if time_zone is None and column.dt.tz is None else column
            index = pd.DatetimeIndex(column)
            if time_zone is not None:
                index = parse_times(index.astype(str), zone=time_zone, where=label)
        else:
            index = parse_times(column, where=label, day_first=day_first, zone=time_zone)
    except TimeIndexError as error:
        raise InputFileError(_in_options(error)) from error
    except (KeyError, ValueError) as error:  # zones that the database does not know
        if isinstance(error, PruningError):
            raise
        raise InputFileError(f"--time-zone must name a zone such as Europe/Berlin, got {time_zone!r}.") from error
    named: pd.Index = index.rename(str(column.name))
    return named


def _in_options(error: TimeIndexError) -> str:
    """The message of an error with options of the command line in the place of parameters."""
    return str(error).replace("`day_first=` where the call has it", "--day-first or --month-first")


def _is_epoch(column: pd.Series) -> bool:
    """Whether whole numbers under a name of times are seconds or parts of seconds since 1970, from 1990 on."""
    named = str(column.name).lower() in {"time", "timestamp", "ts", "date", "datetime", "ds", "epoch"}
    smallest = float(pd.to_numeric(column).min())
    return named and smallest >= 631_152_000


def _is_integral(column: pd.Series) -> bool:
    """Whether a column holds whole numbers only, as a type or as text."""
    if pd.api.types.is_integer_dtype(column.dtype):
        return True
    if pd.api.types.is_numeric_dtype(column.dtype) or pd.api.types.is_datetime64_any_dtype(column.dtype):
        return False
    return bool(column.astype(str).str.fullmatch(r"\s*-?\d{1,19}\s*").all())


def _is_number_text(column: pd.Series) -> bool:
    """Whether a column of text holds numbers."""
    cells = column[~is_missing(column)].astype(str)
    return bool(len(cells)) and bool(pd.to_numeric(cells.iloc[:200], errors="coerce").notna().all())


def _are_calendar_digits(column: pd.Series) -> bool:
    """Whether whole numbers are dates written as digits, such as 20240131 or 2024013123, in an order of time."""
    text = column.astype(str).str.strip()
    lengths = text.str.len()
    if lengths.nunique() != 1 or int(lengths.iloc[0]) not in _DIGITS_OF_DATES:
        return False
    if int(lengths.iloc[0]) == 6 and not _turns_the_year(column):
        return False
    read = pd.to_datetime(text, format=_DIGITS_OF_DATES[int(lengths.iloc[0])], errors="coerce")
    plausible = read.notna().all() and read.min().year >= 1800 and read.max().year <= 2200
    return bool(plausible and len(read) > 1 and (read.is_monotonic_increasing or read.is_monotonic_decreasing))


def _turns_the_year(column: pd.Series, of: tuple[int, ...] = (12,)) -> bool:
    """Whether numbers of six digits under a name of times jump to the first of the next year, as from 202312 to 202401.

    `of` are the lasts of a year: months or weeks. Without such a jump the numbers may count anything.
    """
    numbers = np.sort(pd.to_numeric(column).to_numpy(dtype=np.int64))
    if str(column.name).lower() not in _TIME_NAMES or numbers[0] < 180_001 or numbers[-1] > 220_053:
        return False
    year, part = numbers // 100, numbers % 100
    turns = (np.diff(year) == 1) & np.isin(part[:-1], of) & (part[1:] == 1)
    return bool(turns.any() and part.min() >= 1 and part.max() <= max(of))


def _refuse(column: pd.Series, file: str, error: TimeIndexError | None = None) -> None:
    """Raise for a column that looks like times that cannot be read."""
    reason = _in_options(error) if error is not None else f"{column.head(2).tolist()} are not whole."
    raise InputFileError(
        f"column {str(column.name)!r} of {file} looks like times that cannot be read: {reason} Name another column "
        "with --time, or carry this one along with --ignore."
    )
