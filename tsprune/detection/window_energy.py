"""Energy of an embedded row: its Mahalanobis distance from the training rows, for nested sets of features.

Every direction of the features counts by how rarely training went there, so a broken relation between scales or
between series shows even where each of them stays in its range. Nested sets (levels only, levels and the finest
scale, ...) keep a short anomaly from drowning in wide windows and a long one from hiding in short ones.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["WindowEnergy"]

Floats = NDArray[np.float64]

_RIDGE = 0.1  # of the mean variance: directions that training hardly moved in stay finite
_TAIL = 0.01  # of the rows, on either side
_FAR = 10.0  # times the range without these tails
_BLOCKS = 10  # contiguous blocks for the out-of-sample energies of the training rows


class WindowEnergy:
    """Mahalanobis energy with a ridge, for each of several sets of features.

    Parameters
    ----------
    groups : sequence of ndarray of int
        Columns of each set.

    Attributes
    ----------
    center_ : ndarray of shape (n_features,)
    precisions_ : list of ndarray
        Per set the inverse of the training covariance plus the ridge.
    held_out_ : ndarray of shape (n_rows, n_groups)
        Energies of the training rows, each of ten contiguous blocks judged by the others: energies of rows that
        the covariance was fitted to are too small when features are many and rows are few.

    References
    ----------
    Shyu, Chen, Sarinnapakorn, Chang: "A Novel Anomaly Detection Scheme Based on Principal Component Classifier",
    ICDM Foundations Workshop 2003, equation 4 (sum of squared scores over eigenvalues).

    Examples
    --------
    >>> import numpy as np
    >>> rows = np.random.default_rng(0).normal(size=(2000, 3))
    >>> energy = WindowEnergy([np.arange(3)]).fit(rows)
    >>> bool(abs((energy.of(rows) ** 2).mean() - 3 / 1.1) < 0.1)
    True
    """

    def __init__(self, groups: Sequence[NDArray[np.intp]]) -> None:
        self.groups = tuple(groups)

    def fit(self, rows: Floats) -> WindowEnergy:
        """Learn centre and precisions from training rows (n_rows, n_features)."""
        blocks = [b for b in np.array_split(_bounded(rows), _BLOCKS) if b.shape[0]]
        counts = [b.shape[0] for b in blocks]
        sums = [b.sum(axis=0) for b in blocks]
        products = [b.T @ b for b in blocks]
        n, total, product = sum(counts), np.sum(sums, axis=0), np.sum(products, axis=0)
        self.center_, self.precisions_ = self._learn(n, total, product)
        self._others = []
        for count, part, square in zip(counts, sums, products, strict=True):
            alone = n - count < 2
            learnt = (n, total, product) if alone else (n - count, total - part, product - square)
            self._others.append(self._learn(*learnt))
        self.block_ends_ = np.cumsum(counts)
        self.held_out_ = self.of(rows, np.arange(n))
        return self

    def of(self, rows: Floats, fitted: NDArray[np.int64] | None = None) -> Floats:
        """Return the energy, a distance, of rows (n_rows, n_features) for every set (n_rows, n_groups).

        Parameters
        ----------
        rows : ndarray of shape (n_rows, n_features)
        fitted : ndarray of int of shape (n_rows,), optional
            Which fitted row each one is, -1 for none: fitted rows are judged by the other blocks.
        """
        if fitted is None:
            return self._energies(rows, self.center_, self.precisions_)
        out = np.empty((rows.shape[0], len(self.groups)))
        block = np.where(fitted < 0, -1, np.searchsorted(self.block_ends_, fitted, side="right"))
        for k in np.unique(block):
            center, precisions = (self.center_, self.precisions_) if k < 0 else self._others[k]
            out[block == k] = self._energies(rows[block == k], center, precisions)
        return out

    def _learn(self, n: int, total: Floats, product: Floats) -> tuple[Floats, list[Floats]]:
        """Centre (n_features,) and precisions from counts, sums and products of rows."""
        center = total / n
        covariance = (product - n * np.outer(center, center)) / max(n - 1, 1)
        return center, [_precision(covariance[np.ix_(g, g)]) for g in self.groups]

    def _energies(self, rows: Floats, center: Floats, precisions: list[Floats]) -> Floats:
        """Energies (n_rows, n_groups)."""
        moved = rows - center
        out = np.empty((rows.shape[0], len(self.groups)))
        for k, (group, precision) in enumerate(zip(self.groups, precisions, strict=True)):
            part = moved[:, group]
            out[:, k] = np.sqrt(np.maximum(np.einsum("ij,ij->i", part @ precision, part), 0.0))
        return out


def _bounded(rows: Floats) -> Floats:
    """Rows (n_rows, n_features), those absurdly far out pulled in, for learning only.

    One value of 200 deviations would widen the covariance of nine blocks of ten, and the ordinary rows of its own
    block, judged by the others, would look abnormal beside all the rest.
    """
    low, high = np.quantile(rows, [_TAIL, 1.0 - _TAIL], axis=0)
    room = _FAR * (high - low) / 2.0
    room[room <= 0.0] = np.inf
    return np.clip(rows, low - room, high + room)


def _precision(covariance: Floats) -> Floats:
    """Inverse of a covariance (k, k) plus the ridge."""
    width = covariance.shape[0]
    variance = float(np.trace(covariance)) / width
    ridged = covariance + np.eye(width) * (_RIDGE * variance if variance > 0.0 else 1.0)
    inverse = np.linalg.inv(ridged)
    return np.asarray((inverse + inverse.T) / 2.0)
