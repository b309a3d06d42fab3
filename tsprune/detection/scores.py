"""Spread the score of a point over its episode: the mean of centred moving means of several widths.

The raw score keeps its peaks; the wide means lift the points around them above those of quiet stretches, so that a
ranking by the smoothed score keeps an episode together.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tsprune.kernels.moving_mean import moving_mean

__all__ = ["smooth_scores", "smoothing_widths"]

Floats = NDArray[np.float64]

_WIDTHS = (1, 8, 32, 128)  # rows: octave pairs from a single point to a long episode
_SHARE = 10  # a width is at most a tenth of the fitted series


def smoothing_widths(n_timepoints: int, window: int | None = None) -> tuple[int, ...]:
    """Return the widths, in rows, for a fitted series of `n_timepoints` rows.

    Parameters
    ----------
    n_timepoints : int
    window : int, optional
        Widest; default 128 rows.
    """
    most = max(1, n_timepoints // _SHARE)
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
