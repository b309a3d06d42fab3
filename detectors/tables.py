"""Tables that may be sparse: the few questions the other modules ask of both kinds."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from detectors.exceptions import InvalidTableError

__all__ = [
    "check_magnitude",
    "constant_columns",
    "dense",
    "is_sparse",
    "narrow_indices",
    "quartiles",
    "reach",
    "refuse_lazy",
    "usual_row",
]

Floats = NDArray[np.float64]


def is_sparse(X: Any) -> bool:
    """True for SciPy's sparse matrices and arrays."""
    return bool(sparse.issparse(X))


def refuse_lazy(X: Any) -> None:
    """Raise for a lazy frame, of which numpy would make an array of one object."""
    if type(X).__name__ == "LazyFrame":
        raise InvalidTableError(f"X must be eager, got a {type(X).__module__}.LazyFrame; call `.collect()` first.")


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


def narrow_indices(X: Any) -> Any:
    """A checked table whose sparse places are int32 where they fit: trees know no others."""
    most = np.iinfo(np.int32).max
    if not is_sparse(X) or X.indices.dtype == np.int32 or max(X.nnz, *X.shape) > most:
        return X
    parts = (X.data, X.indices.astype(np.int32), X.indptr.astype(np.int32))
    return type(X)(parts, shape=X.shape)


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
