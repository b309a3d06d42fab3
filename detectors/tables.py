"""Tables that may be sparse: the few questions the other modules ask of both kinds."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from detectors.exceptions import InvalidTableError

__all__ = ["check_magnitude", "constant_columns", "dense", "is_sparse", "quartiles", "reach", "readable", "usual_row"]

Floats = NDArray[np.float64]

_TIMES = ("date", "time", "duration", "period", "interval")  # beginnings of the names of pandas' and polars' dtypes
_SHORT = int(np.iinfo(np.int32).max)


def is_sparse(X: Any) -> bool:
    """True for SciPy's sparse matrices and arrays."""
    return bool(sparse.issparse(X))


def readable(X: Any) -> Any:
    """Return the table as scikit-learn's door reads it right: missing values as NaN, times refused.

    Raises
    ------
    InvalidTableError
        For a lazy frame, of which numpy would make an array of one object; for times, of which it would make
        numbers; for a frame without columns and an array of records, which its messages do not explain.
    """
    if is_sparse(X):
        return _with_short_indices(X)
    if isinstance(X, np.ndarray):
        return _readable_array(X)
    if type(X).__name__ == "LazyFrame":
        raise InvalidTableError(f"X must be eager, got a {type(X).__module__}.LazyFrame; call `.collect()` first.")
    if not hasattr(X, "columns") or not hasattr(X, "dtypes"):
        return X
    names, dtypes = list(X.columns), list(X.dtypes)
    if not names:
        raise InvalidTableError(f"X must have at least one column, got a frame of shape {X.shape}; name its features.")
    for name, dtype in zip(names, dtypes, strict=True):
        if str(dtype).lower().startswith(_TIMES):
            raise InvalidTableError(
                f"columns of X must hold numbers, got {dtype} in column {name!r}; drop it, or make numbers of it that "
                "mean something (hour, weekday, seconds since)."
            )
    if any(str(dtype) == "object" for dtype in dtypes) and hasattr(X, "isna"):
        return X.where(~X.isna(), np.nan)  # pandas.NA is no number that scikit-learn knows
    return X


def _readable_array(X: NDArray[Any]) -> NDArray[Any]:
    """An array (n_rows, n_features) whose masked and missing values are NaN."""
    if X.dtype.names is not None:
        raise InvalidTableError(
            f"X must have two dimensions, rows and features, got an array of records with fields "
            f"{list(X.dtype.names)[:8]}; `pandas.DataFrame(X)` makes columns of them."
        )
    if X.dtype.kind in "mM":
        raise InvalidTableError(
            f"X must hold numbers, got {X.dtype}; make numbers of the times that mean something (seconds since)."
        )
    if isinstance(X, np.ma.MaskedArray):
        if X.dtype.kind not in "biuf":
            return np.asarray(X.filled())
        X = np.where(np.ma.getmaskarray(X), np.nan, X.data)
    if X.dtype == object:
        missing = pd.isna(X)
        return np.where(missing, np.nan, X) if missing.any() else X
    return X


def _with_short_indices(X: Any) -> Any:
    """A sparse table whose indices have 32 bits, as scikit-learn's trees need them, if they fit."""
    wide = any(getattr(getattr(X, name, None), "dtype", None) == np.int64 for name in ("indices", "row"))
    if not wide or max(X.shape) > _SHORT or X.nnz > _SHORT:
        return X
    table = X.tocsr(copy=True)
    table.indices, table.indptr = table.indices.astype(np.int32), table.indptr.astype(np.int32)
    return table


def dense(X: Any) -> Floats:
    """The same table (n_rows, n_features) as an array."""
    return np.asarray(X.toarray() if is_sparse(X) else X, dtype=np.float64)


def check_magnitude(X: Any, most: float, reason: str) -> None:
    """Raise if a value of a checked table is larger in size than `most`, which `reason` explains."""
    found = float(np.fmax.reduce(np.abs(X.data if is_sparse(X) else X), axis=None, initial=0.0))
    if found > most:
        raise InvalidTableError(
            f"values to train on must be at most {most:.3g} in size, {reason}, got {found:.3g}; scale the column, or "
            "mend what is no measurement."
        )


def constant_columns(X: Any) -> NDArray[np.bool_]:
    """Mask (n_features,) of the columns of a checked table that never vary; to be missing at times is to vary."""
    if is_sparse(X):
        low, high = X.min(axis=0).toarray().ravel(), X.max(axis=0).toarray().ravel()
        return np.asarray(~(high > low))
    low, high = np.fmin.reduce(X, axis=0), np.fmax.reduce(X, axis=0)
    missing = np.isnan(X)
    return np.asarray(~(high > low) & (~missing.any(axis=0) | missing.all(axis=0)))


def usual_row(X: Any) -> Floats:
    """Median (n_features,) of every column, missing values left out; 0 for sparse tables, whose usual value it is."""
    if is_sparse(X):
        return np.zeros(X.shape[1])
    if not np.isnan(X).any():
        return np.asarray(np.median(X, axis=0), dtype=np.float64)
    ordered = np.sort(X, axis=0)  # NaN last
    present = (~np.isnan(ordered)).sum(axis=0)
    column = np.arange(X.shape[1])
    low, high = ordered[np.maximum(present - 1, 0) // 2, column], ordered[present // 2 * (present > 1), column]
    return np.where(present > 0, 0.5 * (low + high), 0.0)


def quartiles(X: Floats) -> Floats:
    """Lower quartile, median and upper quartile (3, n_features) of the values of every column that are there.

    numpy looks at column after column as soon as one may be missing; it need not where none is.
    """
    of = np.nanquantile if np.isnan(X).any() else np.quantile
    return np.asarray(of(X, [0.25, 0.5, 0.75], axis=0))


def reach(X: Floats) -> Floats:
    """Largest size (n_features,) of every column, 1 where that is 0 or nothing is there: a safe unit for sums."""
    size = np.fmax.reduce(np.abs(X), axis=0, initial=0.0)
    return np.where(size > 0, size, 1.0)
