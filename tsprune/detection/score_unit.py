"""ScoreUnit: abnormalities of different makes on one scale, by what they were in training."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["ScoreUnit"]

Floats = NDArray[np.float64]

_SHARE = 0.9  # quantile one unit above the median
_LEAST = 0.05  # of the standard deviation


@dataclass(frozen=True)
class ScoreUnit:
    """Median of training abnormalities and the distance to their 90 % quantile.

    Most rows of a series that hardly ever moves have one score; there a share of the standard deviation stands in.

    Examples
    --------
    >>> import numpy as np
    >>> unit = ScoreUnit.fit(np.arange(101.0))
    >>> unit.of(np.array([50.0, 90.0, 130.0]))
    array([0., 1., 2.])
    """

    middle: float
    distance: float

    @classmethod
    def fit(cls, abnormality: Floats) -> ScoreUnit:
        """Learn from training abnormalities (n_rows,)."""
        middle, high = np.quantile(abnormality, [0.5, _SHARE])
        distance = max(float(high - middle), _LEAST * float(abnormality.std()))
        return cls(float(middle), distance if distance > 0.0 else 1.0)

    def of(self, abnormality: Floats) -> Floats:
        """Return abnormalities (n_rows,) as distances from the training median, in units."""
        return (abnormality - self.middle) / self.distance
