"""What is known beside the table: labels of a few rows, and rows known to be normal.

Invariant: labels have the sign that `predict` has: -1 anomaly, +1 normal, 0 or NaN unknown.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detectors.exceptions import InvalidParameterError, InvalidTableError

__all__ = ["Knowledge", "read_knowledge"]

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

NO_LABELS = (
    "y holds values other than -1 (anomaly), +1 (normal), 0 and NaN (unknown): it was not read as labels of anomalies"
)


@dataclass(frozen=True)
class Knowledge:
    """Labels and reference of the rows of a table.

    Parameters
    ----------
    anomaly, normal : ndarray of bool of shape (n_rows,)
        Rows known to be anomalies, and rows known to be normal.
    rows : ndarray of shape (n_reference, n_features)
        Further rows that are known to be normal and that the detector is not fitted on.
    """

    anomaly: Mask
    normal: Mask
    rows: Floats

    @property
    def labelled(self) -> bool:
        """True if anomalies are known; else only normal rows are."""
        return bool(self.anomaly.any())

    def table(self, X: Floats) -> tuple[Floats, Mask, Mask]:
        """Rows of `X` (n_rows, n_features) and the further rows below them, and their masks."""
        more = len(self.rows)
        if not more:
            return X, self.anomaly, self.normal
        anomaly, normal = np.append(self.anomaly, np.zeros(more, bool)), np.append(self.normal, np.ones(more, bool))
        return np.vstack([X, self.rows]), anomaly, normal

    def arguments(self, X: Floats) -> dict[str, Any]:
        """The same knowledge of the rows of `X` (n_rows, n_features) as arguments of `fit`."""
        if self.labelled:
            y = np.where(self.anomaly, -1, np.where(self.normal, 1, 0))
            return {"y": y, "reference": self.rows if len(self.rows) else None}
        if not len(self.rows):
            return {"reference": self.normal}
        return {"reference": np.vstack([X[np.flatnonzero(self.normal)], self.rows])}


def read_knowledge(y: Any, reference: Any, n_rows: int, read_rows: Any) -> tuple[Knowledge | None, list[str]]:
    """Read what `fit` was given beside the table.

    Parameters
    ----------
    y : array-like of shape (n_rows,) or None
        -1 anomaly, +1 normal, 0 or NaN unknown.
    reference : None, mask of shape (n_rows,) or array-like of shape (n_reference, n_features)
        Rows known to be normal: which rows of the table, or other rows.
    n_rows : int
    read_rows : callable
        Checks a table of reference rows and returns it as float64 (n_reference, n_features).

    Returns
    -------
    knowledge : Knowledge or None
        None if nothing is known.
    sentences : list of str
        Why something that was given is not used.

    Raises
    ------
    InvalidParameterError
        If `y` holds only 0 and 1, which can mean two things, or is not one value for each row; if a mask does not fit.
    """
    sentences: list[str] = []
    anomaly, normal = np.zeros(n_rows, dtype=bool), np.zeros(n_rows, dtype=bool)
    rows = np.empty((0, 0))
    if y is not None:
        labels = _labels(y, n_rows)
        if labels is None:
            sentences.append(NO_LABELS)
        else:
            anomaly, normal = labels < 0, labels > 0
    if reference is not None:
        mask = _mask(reference, n_rows)
        if mask is None:
            rows = np.asarray(read_rows(reference), dtype=np.float64)
        else:
            normal = normal | mask
    both = anomaly & normal
    if both.any():
        raise InvalidParameterError(
            f"a row must not be an anomaly and normal at once, got row {int(np.flatnonzero(both)[0])} with y = -1 in "
            "the reference; take it out of one of them."
        )
    known = anomaly.any() or normal.any() or len(rows) > 0
    return (Knowledge(anomaly, normal, rows) if known else None), sentences


def _labels(y: Any, n_rows: int) -> Floats | None:
    """Labels (n_rows,) in {-1, 0, 1}; None if the values are no labels of anomalies."""
    values = np.asarray(y)
    if values.ndim == 2 and values.shape[1] == 1:
        values = values.ravel()
    if values.shape != (n_rows,):
        raise InvalidParameterError(
            f"y must have one value for each of {n_rows} rows, got an array of shape {values.shape}; give 0 to the "
            "rows that are unknown."
        )
    if values.dtype == bool:
        values = values.astype(np.int64)
    try:
        numbers = values.astype(np.float64)
    except (TypeError, ValueError):
        return None
    numbers = np.where(np.isnan(numbers), 0.0, numbers)
    found = set(np.unique(numbers).tolist())
    if found == {0.0, 1.0}:
        raise InvalidParameterError(
            "y must not hold only 0 and 1, which has two readings, got an array of both: if 1 is an anomaly (PyOD, "
            "ADBench), pass `np.where(y == 1, -1, 1)`; if 1 is normal and 0 unknown, pass the mask as "
            "`reference=(y == 1)`."
        )
    return numbers if found <= {-1.0, 0.0, 1.0} else None


def _mask(reference: Any, n_rows: int) -> Mask | None:
    """The mask (n_rows,) of reference rows; None if `reference` is a table."""
    if hasattr(reference, "columns") or hasattr(reference, "toarray"):
        return None
    values = np.asarray(reference)
    if values.ndim != 1:
        return None
    if values.dtype != bool or values.shape != (n_rows,):
        raise InvalidParameterError(
            f"reference must be a mask of {n_rows} Booleans or a table of rows with the features of X, got an array "
            f"of {values.dtype} of shape {values.shape}."
        )
    if not values.any():
        raise InvalidTableError("reference must mark at least one row, got a mask of False; leave it out instead.")
    return values
