"""Duplicated and late stamps: put in order and merged before cleaning, spread over the rows again after it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tsprune.exceptions import TimeIndexError
from tsprune.series.validation import read_series

__all__ = ["settle_stamps", "with_remedy"]

Integers = NDArray[np.int64]


def with_remedy(error: TimeIndexError, X: Any, time: Any) -> TimeIndexError:
    """Return the error that the times of `X` met, with what `duplicates` would do about late or double stamps."""
    if "strictly increasing" not in str(error):
        return error
    stamped = time is None and isinstance(getattr(X, "index", None), pd.DatetimeIndex)
    where = "" if stamped else ", for stamps in the index of a pandas Series or DataFrame,"
    remedy = f'SeriesCleaner(duplicates="mean"), "first" or "last"{where} sorts late rows in and merges doubles.'
    return TimeIndexError(f"{str(error).removesuffix('.')}; or let the cleaner do it: {remedy}")


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
