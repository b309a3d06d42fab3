"""Duplicated and late stamps: put in order and merged before cleaning, spread over the rows again after it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tsprune.exceptions import TimeIndexError
from tsprune.times import read_time

__all__ = ["settle_stamps"]

Integers = NDArray[np.int64]


def settle_stamps(X: Any, policy: str, time: Any = None) -> tuple[Any, Integers | None, list[tuple[int, str]]]:
    """Return `X` with stamps in order and unique, the settled row of every given row, and what was wrong where.

    Only pandas objects with an index of stamps that no `time` overrides are settled; anything else, and what is in
    order, comes back as it is, with None and no findings. Late rows are sorted in; rows of one stamp are merged by
    `policy` (``"mean"``, ``"first"`` or ``"last"`` in the order given).

    Raises
    ------
    TimeIndexError
        If a stamp is missing; with ``policy="error"`` also if stamps are late or double.
    """
    is_stamped = isinstance(X, pd.Series | pd.DataFrame) and isinstance(X.index, pd.DatetimeIndex)
    if time is not None or not is_stamped:
        return X, None, []
    index = X.index
    if policy == "error":
        try:
            read_time(index, len(index), where="the index of X")
        except TimeIndexError as error:
            raise TimeIndexError(
                f"{error} Or say duplicates='mean', 'first' or 'last': late rows are sorted in, double ones merged."
            ) from None
        return X, None, []
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
    grouped = X.groupby(level=0, sort=True)
    merged = getattr(grouped, policy)()
    return merged, merged.index.get_indexer(index).astype(np.int64), sorted(found)
