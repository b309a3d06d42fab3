"""Duplicated and late stamps: put in order and merged before cleaning, spread over the rows again after it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tsprune.exceptions import TimeIndexError
from tsprune.series.validation import SeriesInput, read_series

__all__ = ["read_settled", "refuse_sparse_grid", "settle_stamps"]

Integers = NDArray[np.int64]

_LONGEST_GRID = 50  # positions of the grid per row; beyond that the times are not those of a regular series


def read_settled(X: Any, time: Any, policy: str) -> tuple[Any, SeriesInput, Integers | None, list[tuple[int, str]]]:
    """Return `X` settled, the series read from it, the settled row of every given row, and what was wrong where.

    Raises
    ------
    InvalidSeriesError
        If `X` is no series.
    TimeIndexError
        If the times cannot be used; where stamps are late or double it tells what `duplicates` would do.
    """
    settled, spread, stamps = settle_stamps(X, policy) if time is None else (X, None, [])
    try:
        return settled, read_series(settled, time=time, name="X"), spread, stamps
    except TimeIndexError as error:
        if "strictly increasing" not in str(error):
            raise
        stamped = time is None and isinstance(getattr(X, "index", None), pd.DatetimeIndex)
        where = "" if stamped else ", for stamps in the index of a pandas Series or DataFrame,"
        remedy = f'SeriesCleaner(duplicates="mean"), "first" or "last"{where} sorts late rows in and merges doubles.'
        raise TimeIndexError(f"{str(error).removesuffix('.')}; or let the cleaner do it: {remedy}") from error


def refuse_sparse_grid(rows: Integers) -> None:
    """Raise if the positions `rows` (n_timepoints,) reach much farther than there are rows."""
    extent = int(rows[-1]) + 1
    if extent > _LONGEST_GRID * max(rows.size, 20):
        raise TimeIndexError(
            f"times must stand on a regular grid with gaps, got {rows.size} rows over {extent} steps; "
            "resample the series first, or pass row numbers in `time=`."
        )


def settle_stamps(X: Any, policy: str) -> tuple[Any, Integers | None, list[tuple[int, str]]]:
    """Return `X` with stamps in order and unique, the settled row of every given row, and what was wrong where.

    Only pandas objects with an index of stamps are settled; anything else, and what is in order, comes back as it is,
    with None and no findings. Late rows are sorted in; rows of one stamp are merged by `policy` (``"mean"``,
    ``"first"`` or ``"last"`` in the order given).

    Raises
    ------
    TimeIndexError
        If a stamp is missing.
    """
    if policy == "error" or not isinstance(X, pd.Series | pd.DataFrame) or not isinstance(X.index, pd.DatetimeIndex):
        return X, None, []
    index = X.index
    if index.hasnans:
        row = int(np.flatnonzero(np.asarray(index.isna()))[0])
        raise TimeIndexError(f"the index of X must not hold missing stamps, got one at row {row}; drop that row.")
    if index.is_monotonic_increasing and index.is_unique:
        return X, None, []
    newest = index.to_series().cummax().to_numpy()
    late = np.flatnonzero(index.to_numpy() < newest)
    double = np.flatnonzero(index.duplicated(keep="first"))
    found = [(int(row), "late stamp") for row in late if row not in set(double.tolist())]
    found += [(int(row), "duplicate stamp") for row in double]
    read_series(X.reset_index(drop=True), name="X")  # text has no mean: the door says what is no number, and where
    grouped = X.sort_index(kind="stable").groupby(level=0, sort=True)  # pandas 2 cannot group falling stamps
    merged = getattr(grouped, policy)()
    return merged, merged.index.get_indexer(index).astype(np.int64), sorted(found)
