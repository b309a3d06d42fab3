"""Sentinels: cheap marginal watches on the features that a pruner took away.

Law: a sentinel looks at one feature at a time and never enters a score. It speaks when a value lies where the
fitted column, its tails continued, would hardly ever put one.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from sklearn.utils.validation import check_is_fitted

from detectors.parameters import check_value, real
from detectors.tables import dense

__all__ = ["MarginalSentinel", "SentinelWatch"]

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

_TAIL = 0.05  # share of rows on each side from which the tail is continued
_BLOCK = 1024  # columns looked at together: bounds the memory


class MarginalSentinel:
    """Bounds of every watched feature, from quantiles that a few outliers cannot move.

    Beyond the 95 % point a tail is continued exponentially: with m the median excess over that point, a fresh row
    lies beyond ``q95 + m * log2(0.05 / level)`` with probability `level`. A tail without excesses (binary, constant
    or rounded columns) ends at the most extreme value seen.

    Parameters
    ----------
    level : float in (0, 0.05)
        Probability of a false flag per row, feature and side.

    Attributes
    ----------
    lower_, upper_ : ndarray of shape (n_features,)
        A value outside is flagged, in the units of the column; infinite for features that are not watched.

    References
    ----------
    .. [1] Pickands: Statistical inference using extreme order statistics. Annals of Statistics 3(1), 1975 (the
       exponential law as limit of excesses).

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> sentinel = MarginalSentinel().fit(rng.normal(size=(1000, 2)), np.array([True, False]))
    >>> sentinel.flags(np.array([[9.0, 9.0], [0.0, 0.0]])).tolist()
    [[True, False], [False, False]]
    """

    def __init__(self, level: float = 1e-4) -> None:
        self.level = level

    def fit(self, X: Any, watched: Mask) -> MarginalSentinel:
        """Learn the bounds of the `watched` (n_features,) columns of a checked table (n_rows, n_features)."""
        n_features = X.shape[1]
        self.lower_ = np.full(n_features, -np.inf)
        self.upper_ = np.full(n_features, np.inf)
        for columns in _blocks(np.flatnonzero(watched)):
            values = _dense(X, columns)
            self.upper_[columns] = self._bound(values)
            self.lower_[columns] = -self._bound(-values)
        return self

    def _bound(self, values: Floats) -> Floats:
        """Upper bounds (n_columns,) of `values` (n_rows, n_columns)."""
        n_rows, n_columns = values.shape
        ordered = np.sort(values, axis=0)  # NaN last
        present = n_rows - np.isnan(ordered).sum(axis=0)
        last = np.maximum(present - 1, 0)
        column = np.arange(n_columns)
        begin = np.minimum(np.floor((1.0 - _TAIL) * last).astype(np.intp), last)
        start = ordered[begin, column]
        distinct = 1 + (ordered[1:] > ordered[:-1]).sum(axis=0)
        beyond = last - begin  # rows of the tail; ties with its start count as no excess
        excess = ordered[begin + (beyond + 1) // 2, column] - start
        spread = start - ordered[last // 2, column]
        discrete = distinct <= 0.02 * present + 2
        continued = start + excess * math.log2(_TAIL / self.level)
        ends = discrete | ~(excess > 0) | ~(spread > 0)
        bounds = np.where(ends, ordered[last, column], continued)
        return np.where(present > 0, bounds, np.inf)

    def flags(self, X: Any) -> Mask:
        """Tell (n_rows, n_features) which values of a checked table lie outside; a missing value does not."""
        flags = np.zeros(X.shape, dtype=bool)
        watched = np.isfinite(self.lower_) | np.isfinite(self.upper_)
        for columns in _blocks(np.flatnonzero(watched)):
            values = _dense(X, columns)
            flags[:, columns] = (values < self.lower_[columns]) | (values > self.upper_[columns])
        return flags

    def alarms(self, X: Any, level: float) -> Mask:
        """Tell (n_features,) which features raise more flags in `X` (n_rows, n_features) than chance allows.

        Parameters
        ----------
        X : ndarray or CSR matrix of shape (n_rows, n_features)
        level : float in (0, 1)
            Probability of any false alarm over all features (Bonferroni).

        Returns
        -------
        ndarray of bool of shape (n_features,)
        """
        check_value("level", level, real(0.0, 1.0, open_low=True, open_high=True), owner="sentinel_alarms")
        count = self.flags(X).sum(axis=0)
        p_value = stats.binom.sf(count - 1, X.shape[0], 2.0 * self.level)
        n_watched = max(int((np.isfinite(self.lower_) | np.isfinite(self.upper_)).sum()), 1)
        return np.asarray((count > 0) & (p_value < level / n_watched))


def _blocks(columns: NDArray[np.intp]) -> list[NDArray[np.intp]]:
    """Column numbers (n_columns,) in pieces."""
    return [columns[start : start + _BLOCK] for start in range(0, len(columns), _BLOCK)]


def _dense(X: Any, columns: NDArray[np.intp]) -> Floats:
    """Columns (n_rows, n_columns) of a dense or sparse table as an array."""
    return dense(X[:, columns])


class SentinelWatch:
    """The methods by which a fitted selector watches the features that it removed."""

    sentinel_: MarginalSentinel | None

    def _read(self, X: Any, *, reset: bool) -> Any:
        """Check a table at the door of the selector."""
        raise NotImplementedError

    def _names(self) -> NDArray[Any]:
        """Names (n_features,) of the features."""
        raise NotImplementedError

    def sentinel_flags(self, X: Any) -> Mask:
        """Tell where a removed feature leaves the range that its fitted column allows.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_rows, n_features)

        Returns
        -------
        ndarray of bool of shape (n_rows, n_features); always False for features that stay.
        """
        check_is_fitted(self, "support_")
        return self._sentinel_flags(self._read(X, reset=False))

    def sentinel_alarms(self, X: Any, *, level: float = 0.01) -> list[Any]:
        """Name the removed features that leave their range in `X` more often than chance allows.

        Such a feature has changed: `refresh` on recent rows tells whether it should come back.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_rows, n_features)
        level : float in (0, 1)
            Probability of any false alarm.

        Returns
        -------
        list of str
        """
        check_is_fitted(self, "support_")
        table = self._read(X, reset=False)
        if self.sentinel_ is None:
            return []
        return list(self._names()[self.sentinel_.alarms(table, level)])

    def _sentinel_flags(self, table: Any) -> Mask:
        """Flags (n_rows, n_features) of a checked table."""
        if self.sentinel_ is None:
            return np.zeros(table.shape, dtype=bool)
        return self.sentinel_.flags(table)
