"""Tables of sparse counts, such as words in documents: which columns only repeat, and which only fill a place.

Invariant: a rare column is evidence and stays. A column goes only if it is one of many interchangeable values of one
place, or a copy whose group keeps its share of all columns: an outlier detector that draws columns weighs a group by
its size.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.stats import poisson
from sklearn.metrics import average_precision_score

from detectors.features.relevance import discoveries
from detectors.tables import is_sparse

__all__ = [
    "ColumnRoles", "column_roles", "copied_share", "is_sparse_counts", "state_surprise", "thinned_copies",
    "top_agreement",
]  # fmt: skip

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
Numbers = NDArray[np.int64]

_MOST_FILLED = 0.5  # share of the cells that are not 0
_MOST_VALUES = 0.1  # distinct values beside the number of cells that are not 0: counts repeat, measurements do not
_NEAR_COPY = 0.95  # correlation of two columns of one template
_COPY_SHARE = 0.5  # of every group of copies that stays
_MOST_ROWS = 20_000
_MOST_COLUMNS = 2000  # columns compared pair by pair: 32 MB a matrix
_FEWEST_ROWS = 5  # rows a column must be in before it may be called interchangeable
_FEWEST_SIBLINGS = 8
_LARGEST_PART = 0.25  # of the rows of a place that one of its values may take
_RATE_SPREAD = 4.0  # how much rarer or more frequent than its siblings an interchangeable value may be
_LEAST_COVERAGE = 0.5  # of the rows of a place that its interchangeable values fill: a rare place is evidence
_STRATA = 8
_TOP_SHARES = (0.01, 0.02, 0.03, 0.05)
LEAST_TOP_AGREEMENT = 0.95


@dataclass(frozen=True)
class ColumnRoles:
    """What every column of a table of sparse counts is beside the others.

    Parameters
    ----------
    original : ndarray of int of shape (n_columns,)
        First column of the group of near copies; a column that copies nothing is its own.
    place : ndarray of int of shape (n_columns,)
        The column whose place an interchangeable value fills; -1 for all others.
    siblings : ndarray of int of shape (n_columns,)
        Number of interchangeable values of that place; 0 for all others.
    """

    original: Numbers
    place: Numbers
    siblings: Numbers

    @property
    def weight(self) -> Numbers:
        """Columns (n_columns,) that each original stands for, 0 for copies; interchangeable values count for none."""
        counted = self.place < 0
        weight = np.bincount(self.original[counted], minlength=len(self.original)).astype(np.int64)
        return weight


def is_sparse_counts(X: Any) -> bool:
    """Whether a table holds counts, or a function of counts, that are mostly 0.

    Parameters
    ----------
    X : ndarray or sparse matrix of shape (n_rows, n_columns)

    Returns
    -------
    bool
        True if nothing is missing or negative, at least half of the cells are exactly 0, and the others take few
        distinct values.

    Examples
    --------
    >>> counts = np.random.default_rng(0).poisson(0.2, size=(100, 10))
    >>> is_sparse_counts(np.log1p(counts)), is_sparse_counts(counts - counts.mean(axis=0))
    (True, False)
    """
    n_cells = X.shape[0] * X.shape[1]
    if is_sparse(X):
        filled = X.data[X.data != 0]
    else:
        if np.count_nonzero(X) > _MOST_FILLED * n_cells:
            return False
        filled = X[X != 0]
    if len(filled) == 0 or len(filled) > _MOST_FILLED * n_cells or not (filled > 0).all():
        return False
    return len(np.unique(filled)) <= max(_MOST_VALUES * len(filled), 1)


def column_roles(X: Any, alpha: float, rng: np.random.Generator) -> ColumnRoles:
    """Find near copies and interchangeable values among the columns of a table of sparse counts.

    Columns are near copies if their correlation is 0.95 or more. Columns are interchangeable values if at least 8 of
    them come only in rows of one other column (their place, such as the word before a random number), each in at most
    a quarter of these rows, with similar rates, together in at least half of them, and if, given the value of that
    column, none of them comes with any further column more often than chance allows.

    Parameters
    ----------
    X : ndarray or sparse matrix of shape (n_rows, n_columns)
    alpha : float
        False discovery rate of "comes with another column": a discovery keeps the column.
    rng : numpy Generator
        Draws 20,000 rows of a longer table.

    Returns
    -------
    ColumnRoles
    """
    if X.shape[0] > _MOST_ROWS:
        X = X[np.sort(rng.choice(X.shape[0], _MOST_ROWS, replace=False))]
    table = sparse.csc_array(X)
    n_columns = table.shape[1]
    table.eliminate_zeros()
    df = np.diff(table.indptr)
    compared = np.sort(np.argsort(-df, kind="stable")[:_MOST_COLUMNS])
    part = sparse.csc_array(table[:, compared])
    original, place, siblings = np.arange(n_columns), np.full(n_columns, -1), np.zeros(n_columns, dtype=np.int64)
    original[compared] = compared[_near_copies(part)]
    inner, count = _interchangeable(part, alpha)
    place[compared] = np.where(inner >= 0, compared[inner], -1)
    siblings[compared] = count
    return ColumnRoles(original.astype(np.int64), place.astype(np.int64), siblings)


def _near_copies(table: Any) -> Numbers:
    """First column of its group (n_columns,) for every column of a CSC table (n_rows, n_columns)."""
    n_rows, n_columns = table.shape
    mean = np.asarray(table.sum(axis=0)).ravel() / n_rows
    covariance = (table.T @ table).toarray() / n_rows - np.outer(mean, mean)
    deviation = np.sqrt(np.maximum(np.diag(covariance), 0.0))
    varies = deviation > 1e-9 * np.maximum(mean, 1e-300)
    scale = np.where(varies, deviation, np.inf)
    near = covariance / np.outer(scale, scale) >= _NEAR_COPY
    original = np.arange(n_columns)
    for column in range(n_columns):
        if original[column] == column and varies[column]:
            followers = near[column, column + 1 :] & (original[column + 1 :] == np.arange(column + 1, n_columns))
            original[column + 1 :][followers] = column
    return original


def _interchangeable(table: Any, alpha: float) -> tuple[Numbers, Numbers]:
    """Place and number of siblings (n_columns,) of interchangeable values; -1 and 0 elsewhere."""
    n_columns = table.shape[1]
    place, siblings = np.full(n_columns, -1), np.zeros(n_columns, dtype=np.int64)
    present = sparse.csc_array((table != 0).astype(np.float64))
    together = (present.T @ present).toarray()
    df = np.diag(together).copy()
    inside = (together >= df[:, None]) & (df[:, None] >= _FEWEST_ROWS) & (df[:, None] <= _LARGEST_PART * df[None, :])
    popularity = inside.sum(axis=0)
    tightest = np.where(inside, df[None, :], np.inf).min(axis=1, initial=np.inf)
    fits = inside & (df[None, :] <= 1.05 * tightest[:, None])
    parent = np.where(fits.any(axis=1), np.where(fits, popularity[None, :], -1).argmax(axis=1), -1)
    for column in np.unique(parent[parent >= 0]):
        candidates = np.flatnonzero(parent == column)
        usual = np.median(df[candidates])
        candidates = candidates[(df[candidates] * _RATE_SPREAD >= usual) & (df[candidates] <= _RATE_SPREAD * usual)]
        if len(candidates) < _FEWEST_SIBLINGS:
            continue
        free = candidates[~discoveries(_company_log_p(table, present, int(column), candidates), alpha)]
        covered = np.count_nonzero(np.asarray(present[:, free].sum(axis=1)).ravel()) / df[column]
        if len(free) >= _FEWEST_SIBLINGS and covered >= _LEAST_COVERAGE:
            place[free] = column
            siblings[free] = len(free)
    return place, siblings


def _company_log_p(table: Any, present: Any, parent: int, columns: NDArray[np.intp]) -> Floats:
    """Log p (n_candidates,) of "comes with no other column more often than chance", given the value of `parent`.

    Within every stratum of the parent's value the expected number of common rows is that of independence; their sum
    is compared with a Poisson law, which is wider than the exact one. Each column also takes part as "above its
    median", and the smallest of all p-values is corrected for their number.
    """
    value = table[:, [parent]].toarray().ravel()
    code = np.minimum(np.unique(value, return_inverse=True)[1], _STRATA)
    high = _above_median(table)
    both = sparse.hstack([present, high], format="csc")
    chosen = present[:, columns]
    observed = (chosen.T @ both).toarray()
    expected = np.zeros_like(observed)
    for stratum in np.unique(code):
        rows = np.flatnonzero(code == stratum)
        ours, theirs = (np.asarray(part[rows].sum(axis=0)).ravel() for part in (chosen.tocsr(), both.tocsr()))
        expected += np.outer(ours, theirs) / len(rows)
    n_columns = table.shape[1]
    log_p = poisson.logsf(observed - 1, np.maximum(expected, 1e-12))
    own = np.arange(len(columns))
    log_p[own, columns] = 0.0
    log_p[own, n_columns + columns] = 0.0
    n_tests = max(int(np.count_nonzero(np.asarray(both.sum(axis=0)).ravel())), 1)
    return np.asarray(np.minimum(log_p.min(axis=1) + math.log(n_tests), 0.0))


def _above_median(table: Any) -> Any:
    """Cells (n_rows, n_columns) above the median of their column's values that are not 0, as a CSC table of ones."""
    high = table.copy()
    for column in range(table.shape[1]):
        cells = slice(table.indptr[column], table.indptr[column + 1])
        values = table.data[cells]
        high.data[cells] = values > np.median(values) if len(values) else values
    high.eliminate_zeros()
    return high


def copied_share(X: Any) -> float:
    """Share of the columns of a table of sparse counts (n_rows, n_columns) that another one nearly copies.

    Of more than 2000 columns the most frequent ones are compared, and about 20,000 of more rows, evenly spread.
    """
    table = sparse.csc_array(X[:: max(1, X.shape[0] // _MOST_ROWS)])
    table.eliminate_zeros()
    compared = np.sort(np.argsort(-np.diff(table.indptr), kind="stable")[:_MOST_COLUMNS])
    original = _near_copies(sparse.csc_array(table[:, compared]))
    size = np.bincount(original, minlength=len(original))
    return float(np.mean(size[original] > 1))


def thinned_copies(roles: ColumnRoles, candidates: Mask) -> Mask:
    """Copies (n_columns,) that may go: half of every group, so that groups keep their share.

    Parameters
    ----------
    roles : ColumnRoles
    candidates : ndarray of bool of shape (n_columns,)
        Columns that are still there.
    """
    gone = np.zeros(len(candidates), dtype=bool)
    for first in np.unique(roles.original[candidates]):
        members = np.flatnonzero(candidates & (roles.original == first))
        gone[members[math.ceil(_COPY_SHARE * len(members)) :]] = True
    return gone


def state_surprise(X: Any, weight: Floats) -> Floats:
    """How surprising the presence and absence of the columns is in every row.

    The sum over columns of minus the logarithm of the share of rows in the same state, for the rarer of the two
    states only.

    Parameters
    ----------
    X : ndarray or sparse matrix of shape (n_rows, n_columns)
    weight : ndarray of shape (n_columns,)

    Returns
    -------
    ndarray of shape (n_rows,)
    """
    present = sparse.csr_array(X != 0).astype(np.float64)
    n_rows = present.shape[0]
    share = np.asarray(present.sum(axis=0)).ravel() / n_rows
    there = np.where(share < 0.5, -np.log(np.maximum(share, 0.5 / n_rows)), 0.0) * weight
    gone = np.where(share >= 0.5, -np.log(np.maximum(1.0 - share, 0.5 / n_rows)), 0.0) * weight
    return np.asarray(present @ (there - gone) + gone.sum())


def top_agreement(before: Floats, after: Floats) -> float:
    """How well one ranking finds the most abnormal rows of another; a rank correlation is blind for these few.

    The mean, over the most abnormal 1, 2, 3 and 5% of the rows by `before` (n_rows,), of the average precision with
    which `after` (n_rows,) finds them. Larger values = more abnormal in both; rows with equal values stand together.

    Returns
    -------
    float
        1 if every top is found without a single row before it that does not belong to it.
    """
    found = []
    for share in _TOP_SHARES:
        n_top = max(1, round(share * len(before)))
        found.append(average_precision_score(before >= np.sort(before)[-n_top] - 1e-9, after))
    return float(np.mean(found))
