"""Responsibility: which series (or features) carry an abnormal episode.

The unit of a feature is its spread over training and the rows to explain together, so that a series that has
drifted for good does not outshout the one that jumps now; the largest deviation around a row speaks for its whole
episode.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter1d

__all__ = ["Responsibility"]

Floats = NDArray[np.float64]

_SAMPLE = 4096  # training rows kept for the units
_TAIL = 0.05  # the spread is that of the middle 90 %
_FLOOR = 0.05  # of the standard deviation, for features whose middle 90 % stand still


class Responsibility:
    """Squared deviations of features, summed by owner, spread over episodes.

    Parameters
    ----------
    owner : ndarray of int of shape (n_features,)
        Whom each feature belongs to.
    width : int
        Rows of an episode.

    Examples
    --------
    >>> import numpy as np
    >>> train = np.random.default_rng(0).normal(size=(500, 2))
    >>> parts = Responsibility(np.array([0, 1]), width=3).fit(train).of(np.array([[0.0, 0.1], [0.2, 9.0]]))
    >>> parts.argmax(axis=1)
    array([1, 1])
    """

    def __init__(self, owner: NDArray[np.intp], width: int) -> None:
        self.owner = owner
        self.width = width

    def fit(self, rows: Floats) -> Responsibility:
        """Keep a sample of training rows (n_rows, n_features)."""
        self._every = max(1, -(-rows.shape[0] // _SAMPLE))
        self._sample = rows[:: self._every].copy()
        return self

    def of(self, rows: Floats) -> Floats:
        """Return the responsibilities (n_rows, n_owners), not negative."""
        both = np.vstack((self._sample, rows[:: self._every]))
        low, middle, high = np.quantile(both, [_TAIL, 0.5, 1.0 - _TAIL], axis=0)
        unit = high - low + _FLOOR * both.std(axis=0)
        deviation = ((rows - middle) / np.where(unit > 0.0, unit, 1.0)) ** 2
        belongs = np.zeros((self.owner.size, int(self.owner.max()) + 1))
        belongs[np.arange(self.owner.size), self.owner] = 1.0
        return np.asarray(maximum_filter1d(deviation @ belongs, self.width, axis=0, mode="nearest"))
