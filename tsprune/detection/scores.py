"""Scores of a chain: parts of different makes on one scale, spread over the episode they belong to.

Values here measure abnormality: HIGHER = more abnormal. A `ScoreUnit` puts abnormalities of different makes on one
scale. Smoothing is the mean of centred moving means of several widths: the raw score keeps its peaks; the wide means
lift the points around them above those of quiet stretches, so that a ranking by the smoothed score keeps an episode
together.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tsprune.kernels.moving_mean import moving_mean

__all__ = ["ScoreUnit", "smooth_scores", "smoothing_widths"]

Floats = NDArray[np.float64]

_WIDTHS = (1, 8, 32, 128)  # rows: octave pairs from a single point to a long episode
_SHARE_OF_SERIES = 10  # a width is at most a tenth of the fitted series
_UNIT_SHARE = 0.9  # quantile one unit above the median
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
        middle, high = np.quantile(abnormality, [0.5, _UNIT_SHARE])
        distance = max(float(high - middle), _LEAST * float(abnormality.std()))
        return cls(float(middle), distance if distance > 0.0 else 1.0)

    def of(self, abnormality: Floats) -> Floats:
        """Return abnormalities (n_rows,) as distances from the training median, in units."""
        return (abnormality - self.middle) / self.distance


def smoothing_widths(n_timepoints: int, window: int | None = None) -> tuple[int, ...]:
    """Return the widths, in rows, for a fitted series of `n_timepoints` rows.

    Parameters
    ----------
    n_timepoints : int
    window : int, optional
        Widest; default 128 rows.
    """
    most = max(1, n_timepoints // _SHARE_OF_SERIES)
    widths = _WIDTHS if window is None else tuple(sorted({1, max(1, window // 16), max(1, window // 4), window}))
    return tuple(sorted({min(width, most) for width in widths}))


def smooth_scores(abnormality: Floats, widths: tuple[int, ...]) -> Floats:
    """Return the mean of the moving means of `abnormality` (n_timepoints,) over `widths`.

    Examples
    --------
    >>> import numpy as np
    >>> smooth_scores(np.array([0.0, 0.0, 6.0, 0.0, 0.0]), (1, 3))
    array([0., 1., 4., 1., 0.])
    """
    parts = [abnormality if width == 1 else moving_mean(abnormality, width) for width in widths]
    return np.asarray(np.mean(parts, axis=0), dtype=np.float64)
