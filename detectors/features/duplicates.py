"""Columns that copy an earlier one up to shift, scale and sign.

Invariant: copies in a sample of rows count only if they are copies in the whole table.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from detectors.tables import dense, is_sparse, reach

__all__ = ["FEWEST_ROWS_OF_COPIES", "duplicate_columns", "true_copies"]

Floats = NDArray[np.float64]
Numbers = NDArray[np.int64]

FEWEST_ROWS_OF_COPIES = 3  # any two columns of two rows are copies up to shift and scale


def duplicate_columns(X: Floats) -> Numbers:
    """Find columns that copy an earlier one up to shift, scale and sign.

    Parameters
    ----------
    X : ndarray of shape (n_rows, n_features)
        NaN must be missing in the same rows.

    Returns
    -------
    ndarray of int of shape (n_features,)
        The first column of the same information; -1 for originals and columns that do not vary.

    Examples
    --------
    >>> x = np.random.default_rng(0).normal(size=(50, 2))
    >>> duplicate_columns(np.column_stack([x, 3.0 - 2.0 * x[:, 0]])).tolist()
    [-1, -1, 0]
    """
    missing = np.isnan(X)
    X = X / reach(X)
    present = np.maximum((~missing).sum(axis=0), 1)
    filled = np.where(missing, 0.0, X)
    centred = np.where(missing, 0.0, filled - filled.sum(axis=0) / present)
    size = np.sqrt(np.einsum("ij,ij->j", centred, centred))
    varies = size > 1e-12 * np.maximum(np.abs(filled).max(axis=0, initial=0.0), 1e-300)
    scaled = np.divide(centred, size, out=np.zeros_like(centred), where=varies)
    probe = np.random.default_rng(0).normal(size=len(X))
    mark = np.abs(probe @ scaled) + probe[::-1] @ missing
    order = np.argsort(mark, kind="stable")
    original = np.full(X.shape[1], -1, dtype=np.int64)
    for place in range(1, len(order)):
        j = order[place]
        for earlier in order[max(0, place - 8) : place][::-1]:
            if mark[j] - mark[earlier] > 1e-9 or not (varies[j] and varies[earlier]):
                break
            same = abs(abs(float(scaled[:, j] @ scaled[:, earlier])) - 1.0) < 1e-12
            if same and (missing[:, j] == missing[:, earlier]).all():
                root = original[earlier] if original[earlier] >= 0 else earlier
                original[j] = root
                break
    return _first_of_each(original)


def true_copies(original: Numbers, whole: Any) -> Numbers:
    """The copies (n_features,) found in a sample that are copies in the whole table (n_rows, n_features) as well."""
    checked = original.copy()
    whole = whole.tocsc() if is_sparse(whole) else whole
    for copy in np.flatnonzero(original >= 0):
        if duplicate_columns(dense(whole[:, [original[copy], copy]])).tolist() != [-1, 0]:
            checked[copy] = -1
    return checked


def _first_of_each(original: Numbers) -> Numbers:
    """The same groups (n_features,) with the lowest number as the original of each."""
    result = np.full(len(original), -1, dtype=np.int64)
    for root in np.unique(original[original >= 0]):
        members = np.append(np.flatnonzero(original == root), root)
        result[members] = members.min()
        result[members.min()] = -1
    return result
