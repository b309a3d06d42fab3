"""Tables that hold the kept features alone: people prune in order to stop collecting.

Invariant: such a table is read only where it can mean nothing else: a frame by its names, an array by its width.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from detectors.tables import dense

__all__ = ["kept_columns", "whole_table"]

Mask = NDArray[np.bool_]


def kept_columns(X: Any, support: Mask, names: NDArray[Any] | None) -> Any | None:
    """The kept features of `X`, in their order, if it lacks pruned ones; None if it is to be read as a whole table.

    Parameters
    ----------
    X : array-like, frame or sparse matrix of shape (n_rows, n_columns)
    support : ndarray of bool of shape (n_features,)
    names : ndarray of str of shape (n_features,) or None
        Names of the fitted features, if they had any.

    Returns
    -------
    table of shape (n_rows, n_kept) or None
    """
    if support.all():
        return None
    if hasattr(X, "columns"):
        if names is None:
            return X if len(X.columns) == int(support.sum()) else None
        given = list(X.columns)
        wanted = [str(name) for name in names[support]]
        return X[wanted] if sorted(map(str, given)) == sorted(wanted) else None
    shape = np.shape(X)
    return X if len(shape) == 2 and shape[1] == int(support.sum()) else None


def whole_table(kept: Any, support: Mask) -> NDArray[np.float64]:
    """Table (n_rows, n_features) of kept columns (n_rows, n_kept); the others are missing."""
    rows = dense(kept)
    table = np.full((rows.shape[0], len(support)), np.nan)
    table[:, support] = rows
    return table
