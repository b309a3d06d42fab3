"""Energy of an embedded row: its squared Mahalanobis distance from the training rows.

Every direction of the features counts by how rarely training went there, so a broken relation between scales or
between series shows even where each of them stays in its range.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["WindowEnergy"]

Floats = NDArray[np.float64]

_RIDGE = 0.01  # of the mean variance: directions that training hardly moved in stay finite
_BLOCKS = 4  # contiguous blocks for the out-of-sample energies of the training rows


class WindowEnergy:
    """Mahalanobis energy with a ridge.

    Attributes
    ----------
    center_ : ndarray of shape (n_features,)
    precision_ : ndarray of shape (n_features, n_features)
        Inverse of the training covariance plus the ridge.

    References
    ----------
    Shyu, Chen, Sarinnapakorn, Chang: "A Novel Anomaly Detection Scheme Based on Principal Component Classifier",
    ICDM Foundations Workshop 2003, equation 4 (sum of squared scores over eigenvalues).

    Examples
    --------
    >>> import numpy as np
    >>> rows = np.random.default_rng(0).normal(size=(2000, 3))
    >>> energy = WindowEnergy().fit(rows)
    >>> bool(abs(energy.of(rows).mean() - 3) < 0.1)
    True
    """

    def fit(self, rows: Floats) -> WindowEnergy:
        """Learn centre and precision from training rows (n_rows, n_features)."""
        n, width = rows.shape
        self.center_ = rows.mean(axis=0)
        moved = rows - self.center_
        covariance = moved.T @ moved / max(n - 1, 1)
        variance = float(np.trace(covariance)) / width
        ridge = _RIDGE * variance if variance > 0.0 else 1.0
        covariance[np.diag_indices(width)] += ridge
        inverse = np.linalg.inv(covariance)
        self.precision_ = (inverse + inverse.T) / 2.0
        return self

    def of(self, rows: Floats) -> Floats:
        """Return the energy (n_rows,) of rows (n_rows, n_features)."""
        moved = rows - self.center_
        return np.maximum(np.einsum("ij,ij->i", moved @ self.precision_, moved), 0.0)

    def held_out(self, rows: Floats) -> Floats:
        """Return the energies (n_rows,) of training rows, each block judged by the others.

        Energies of rows the covariance was fitted to are too small when features are many and rows are few.
        """
        if rows.shape[0] < 2 * _BLOCKS:
            return self.of(rows)
        energies = np.empty(rows.shape[0])
        for block in np.array_split(np.arange(rows.shape[0]), _BLOCKS):
            others = np.delete(rows, block, axis=0)
            energies[block] = WindowEnergy().fit(others).of(rows[block])
        return energies

    def shares(self, rows: Floats, owner: NDArray[np.intp]) -> Floats:
        """Return the parts (n_rows, n_owners) of the energy that the features of each owner carry, not negative."""
        moved = rows - self.center_
        parts = moved * (moved @ self.precision_)
        totals = np.zeros((rows.shape[0], int(owner.max()) + 1))
        for feature, column in enumerate(owner):
            totals[:, column] += parts[:, feature]
        return np.maximum(totals, 0.0)
