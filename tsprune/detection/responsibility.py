"""Responsibility: which series (or features) carry an abnormal episode.

The unit of a feature is its spread over training and the rows to explain together, so that a series that has
drifted for good does not outshout the one that jumps now. The largest deviation around a row speaks for its whole
episode; how long that is nobody knows, so the geometric mean over windows of doubling length decides.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter1d

__all__ = ["Responsibility", "episode_widths"]

Floats = NDArray[np.float64]

_SAMPLE = 4096  # training rows kept for the units
_TAIL = 0.05  # the spread is that of the middle 90 %
_FLOOR = 0.05  # of the standard deviation, for features whose middle 90 % stand still

_TINY = 1e-6  # squared units; less is no deviation
_SHORTEST, _DOUBLINGS = 32, 6  # rows: from half the default window to a thousand rows
_SHARE = 20  # a window is at most a twentieth of training


def episode_widths(n_timepoints: int) -> tuple[int, ...]:
    """Return odd window lengths, doubling from 33 rows to 1025, at most a twentieth of `n_timepoints`.

    Examples
    --------
    >>> episode_widths(3000)
    (33, 65, 129, 151)
    """
    most = max(1, n_timepoints // _SHARE)
    return tuple(sorted({min(_SHORTEST << k, most) // 2 * 2 + 1 for k in range(_DOUBLINGS)}))


class Responsibility:
    """Squared deviations of features, summed by owner, spread over episodes.

    Parameters
    ----------
    owner : ndarray of int of shape (n_features,)
        Whom each feature belongs to.
    widths : sequence of int
        Lengths an episode may have, in rows.

    Examples
    --------
    >>> import numpy as np
    >>> train = np.random.default_rng(0).normal(size=(500, 2))
    >>> parts = Responsibility(np.array([0, 1]), (3,)).fit(train).of(np.array([[0.0, 0.1], [0.2, 9.0]]))
    >>> parts.argmax(axis=1)
    array([1, 1])
    """

    def __init__(self, owner: NDArray[np.intp], widths: Sequence[int]) -> None:
        self.owner = owner
        self.widths = tuple(widths)

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
        parts = deviation @ belongs
        logs = [np.log(maximum_filter1d(parts, width, axis=0, mode="nearest") + _TINY) for width in self.widths]
        return np.asarray(np.maximum(np.exp(np.mean(logs, axis=0)) - _TINY, 0.0))
