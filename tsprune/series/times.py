"""Times of a series: stamps as nanoseconds since the epoch in UTC, or integers; strictly increasing.

Naive stamps count as UTC. Times of several zones, missing, duplicated or unsorted ones are errors that say where.
"""

from __future__ import annotations

from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tsprune.exceptions import TimeIndexError

__all__ = ["read_time"]

Integers = NDArray[np.int64]


def read_time(time: Any, n_timepoints: int, *, where: str = "time") -> tuple[Integers, bool]:
    """Return times as int64 (n_timepoints,) and whether they are stamps.

    Raises
    ------
    TimeIndexError
        If times are missing, unsorted, duplicated, of mixed zones, or neither stamps nor integers.
    """
    if isinstance(time, nw.Series) or hasattr(time, "to_list"):
        time = time.to_list() if not isinstance(time, pd.Index | pd.Series) else time
    if isinstance(time, pd.PeriodIndex):
        time = time.to_timestamp()
    if isinstance(time, pd.Series):
        time = pd.Index(time)
    if not isinstance(time, pd.Index):
        try:
            time = pd.Index(time)
        except (TypeError, ValueError) as error:
            raise TimeIndexError(
                f"{where} must hold stamps or integers, got {type(time).__name__}: {error}."
            ) from error
    if len(time) != n_timepoints:
        raise TimeIndexError(f"{where} must have one entry per row ({n_timepoints}), got {len(time)}.")
    if time.dtype == object or isinstance(time.dtype, pd.StringDtype):
        try:
            time = pd.DatetimeIndex(pd.to_datetime(time, format="ISO8601"))
        except (TypeError, ValueError) as error:
            raise TimeIndexError(
                f"{where} must hold stamps of one time zone or integers, got {list(time[:2])}: {error}; "
                "write ISO 8601, or convert with pandas.to_datetime(..., utc=True)."
            ) from error
    if time.hasnans:
        row = int(np.flatnonzero(np.asarray(time.isna()))[0])
        raise TimeIndexError(
            f"{where} must not be missing, got a missing stamp at row {row}; drop that row or date it."
        )
    if isinstance(time, pd.DatetimeIndex):
        naive = time.tz_convert("UTC").tz_localize(None) if time.tz is not None else time
        try:
            stamps, is_stamped = naive.as_unit("ns").asi8, True
        except pd.errors.OutOfBoundsDatetime:
            raise TimeIndexError(
                f"{where} must lie in the years 1678 to 2261, got {naive.min()} to {naive.max()}; shift the stamps, or "
                "pass integers."
            ) from None
    elif pd.api.types.is_integer_dtype(time.dtype):
        stamps, is_stamped = time.to_numpy(dtype=np.int64), False
    else:
        raise TimeIndexError(
            f"{where} must hold stamps or integers, got dtype {time.dtype}; pass dates or row numbers."
        )
    wrong = np.flatnonzero(np.diff(stamps) <= 0)
    if wrong.size:
        row = int(wrong[0]) + 1
        what = "a duplicate of" if stamps[row] == stamps[row - 1] else "earlier than"
        remedy = "drop or average the duplicates" if stamps[row] == stamps[row - 1] else "sort by time first"
        raise TimeIndexError(
            f"{where} must be strictly increasing, got row {row} ({time[row]}) {what} row {row - 1} ({time[row - 1]}); "
            f"{remedy}."
        )
    return np.asarray(stamps, dtype=np.int64), is_stamped
