"""The nature of a series: counts, and noise that grows with the level, have tails of their own to one side.

A normal z is no evidence there: a Poisson count of 4 where 0.3 is usual is no wonder, and a lognormal value is further
above its median than below. The same evidence is asked on the scale on which the noise is even.
"""

from __future__ import annotations

from enum import Enum
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from tsprune.cleaning.kernels.patches import innovations
from tsprune.cleaning.model import SeriesModel
from tsprune.cleaning.repair import is_multiplicative

__all__ = ["Nature", "is_beyond_nature", "nature_of", "resolution"]

Floats = NDArray[np.float64]

_COARSE = 0.05  # distinct values per row, at most, of a coarse sensor
_ANSCOMBE = 0.375  # Anscombe, Biometrika 35 (1948) 246-254: 2 sqrt(count + 3/8) has variance 1
_MAD = 1.4826
_LEAST_DISPERSION = 0.7  # of the Poisson deviation: quieter whole numbers are no counts


class Nature(Enum):
    """How the noise depends on the level."""

    EVEN = "even"
    COUNTS = "counts"
    MULTIPLICATIVE = "multiplicative"


class Off(Protocol):
    """Rows ``start .. stop - 1`` that are off by `size`, with evidence `statistic` beyond `threshold`."""

    @property
    def start(self) -> int: ...
    @property
    def stop(self) -> int: ...
    @property
    def size(self) -> float: ...
    @property
    def statistic(self) -> float: ...
    @property
    def threshold(self) -> float: ...


def resolution(x: Floats) -> float:
    """The smallest step between the values of `x` (n_timepoints,), NaN = missing; 0 where it is not coarse."""
    values = np.unique(x[~np.isnan(x)])
    coarse = 2 < values.size <= _COARSE * x.size
    return float(np.diff(values).min()) if coarse else 0.0


def nature_of(x: Floats, model: SeriesModel) -> Nature:
    """Return the nature of `x` (n_timepoints,), NaN = unknown, by its values and by what the model left."""
    good = ~np.isnan(x)
    if x[good].min() < 0.0:
        return Nature.EVEN
    e = innovations(model.adjusted, model.phi)[good]
    seen = x[good]
    level = np.maximum(seen - e, 1.0)
    if (seen == np.rint(seen)).all():
        spread = float(np.sqrt(model.phi @ model.phi)) * np.sqrt(level)
        if _MAD * np.median(np.abs(e) / spread) >= _LEAST_DISPERSION:
            return Nature.COUNTS
    return Nature.MULTIPLICATIVE if is_multiplicative(x, good, model) else Nature.EVEN


def is_beyond_nature(x: Floats, found: Off, nature: Nature) -> bool:
    """True where the evidence of `found` in `x` (n_timepoints,) holds on the scale on which the noise is even."""
    if nature is Nature.EVEN:
        return True
    rows = slice(found.start, found.stop)
    seen = x[rows][~np.isnan(x[rows])]
    usual = np.maximum(seen - found.size, 0.0)
    if nature is Nature.COUNTS:
        roots = 2.0 * (np.sqrt(seen + _ANSCOMBE) - np.sqrt(usual + _ANSCOMBE))
        return bool(abs(roots.sum()) >= found.threshold * np.sqrt(seen.size))
    level = float(usual.mean())
    if found.size <= 0.0 or level <= 0.0:
        return True
    share = found.size / level
    return bool(abs(found.statistic) * np.log1p(share) / share >= found.threshold)
