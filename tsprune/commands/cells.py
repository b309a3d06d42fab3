"""Cells of text that are numbers: thousands separators, decimal commas, signs for a missing value.

Invariant: a column is read in one notation, decided over all of its cells; a cell that could be two numbers is an
error that shows it, never a guess.
"""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tsprune.exceptions import PruningError

__all__ = ["InputFileError", "is_missing", "read_numbers", "truth_values"]

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

# what programs and people write for a missing value (pandas' list, R, spreadsheets, `-` and `?`)
_MISSING = {
    "", "-", "--", ".", "?", "#n/a", "#na", "<na>", "n/a", "na", "nan", "-nan", "nat", "nil", "null", "none", "missing",
    "\\n",
}  # fmt: skip
_TRUE, _FALSE = {"true", "yes"}, {"false", "no"}
_PLAIN = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
_POINT_THOUSANDS = r"[+-]?\d{1,3}(?:\.\d{3})+(?:,\d+)?"  # 1.234,5
_COMMA_THOUSANDS = r"[+-]?\d{1,3}(?:,\d{3})+(?:\.\d+)?"  # 1,234.5
_SPACE_THOUSANDS = r"[+-]?\d{1,3}(?:[ '\u00a0\u2009\u202f]\d{3})+"  # 1 234
_DECIMAL_COMMA = r"[+-]?\d*,\d+(?:[eE][+-]?\d+)?"  # 1,5
_GROUPS = re.compile(r"[ '\u00a0\u2009\u202f]")


class InputFileError(PruningError):
    """A file cannot be read or written as asked."""


def is_missing(cells: pd.Series) -> Mask:
    """Return which cells of text (n_rows,) stand for a missing value."""
    return np.asarray(cells.isna() | cells.astype(str).str.strip().str.lower().isin(_MISSING), dtype=bool)


def read_numbers(
    cells: pd.Series, file: str, *, decimal: str | None = None, likely: str | None = None
) -> Floats | None:
    """Read a column of text as numbers.

    Parameters
    ----------
    cells : Series of str of shape (n_rows,)
    file : str
        What messages call the file.
    decimal : ".", "," or None, default=None
        The decimal mark; None decides over all cells.
    likely : "," or None, default=None
        The decimal mark where the cells can be read in two ways, as in a file whose separator is a semicolon.

    Returns
    -------
    ndarray of shape (n_rows,) or None
        NaN where a value is missing; None if the column holds no numbers.

    Raises
    ------
    InputFileError
        Most cells are numbers, but not all, or the cells can be read in two ways.
    """
    missing = is_missing(cells)
    text = cells.astype(str).str.strip().where(~missing, "")
    numbers = pd.to_numeric(text.where(~missing), errors="coerce").to_numpy(np.float64, na_value=np.nan, copy=True)
    present = text[~missing]
    if present.empty:
        return None
    if decimal != "," and not (np.isnan(numbers) & ~missing).any():
        numbers[~missing] = present.to_numpy(dtype=object).astype(np.float64)  # correctly rounded, as Python reads them
        return numbers
    shapes = {
        ",": present.str.fullmatch(f"{_DECIMAL_COMMA}|{_POINT_THOUSANDS}|{_SPACE_THOUSANDS}(?:,\\d+)?|[+-]?\\d+"),
        ".": present.str.fullmatch(f"{_PLAIN}|{_COMMA_THOUSANDS}|{_SPACE_THOUSANDS}(?:\\.\\d+)?"),
    }
    fits = {mark: float(shape.mean()) for mark, shape in shapes.items() if decimal in (None, mark)}
    best = max(fits, key=lambda mark: fits[mark])
    if fits[best] < 0.5:
        return None
    if min(fits.values()) == 1.0 and len(fits) == 2:
        comma = present[present.str.contains(",", regex=False)]
        if comma.empty or likely is not None:
            best = likely or best
        elif not comma.str.count(",").gt(1).any():
            raise InputFileError(
                f"column {str(cells.name)!r} of {file} can be read in two ways, got {comma.iloc[0]!r}; say which with "
                "--decimal ',' or --decimal '.'."
            )
        else:
            best = "."
    if fits[best] < 1.0:
        row = int(np.flatnonzero(~missing)[int(np.argmin(shapes[best].to_numpy()))])
        n_bad = int((~shapes[best]).sum())
        raise InputFileError(
            f"column {str(cells.name)!r} of {file} must hold numbers, got {cells.iloc[row]!r} at row {row}, "
            f"{n_bad} such cell{'s' if n_bad > 1 else ''} in all; leave it empty, drop a footer, strip units, or leave "
            "the column out with --ignore."
        )
    grouping = "." if best == "," else ","
    plain = present.str.replace(_GROUPS, "", regex=True).str.replace(grouping, "", regex=False)
    read = np.full(len(cells), np.nan)
    read[~missing] = plain.str.replace(best, ".", regex=False).astype(float).to_numpy()
    return read


def truth_values(cells: pd.Series) -> Floats | None:
    """Return a column of true and false (n_rows,) as 1 and 0, NaN where missing; None if it is another kind."""
    missing = is_missing(cells)
    text = cells.astype(str).str.strip().str.lower()
    true, false = text.isin(_TRUE).to_numpy(), text.isin(_FALSE).to_numpy()
    if missing.all() or not (true | false | missing).all():
        return None
    return np.where(missing, np.nan, true.astype(np.float64))
