"""Thresholds from the ordinary tail: maxima of blocks of rows, those that are suspected left out.

Values here measure abnormality: HIGHER = more abnormal (detectors turn the sign at their boundary). The rows of an
episode depend on each other, the maxima of blocks hardly; a block counts once however long its episode is. The
maxima of ordinary blocks follow a Gumbel distribution; its line is fitted to the lower three quarters of them, rows
that are passed by next to no ordinary block are left out with their neighbours, and so on until none is new: several
incidents do not hide each other.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tsprune.exceptions import InvalidParameterError, InvalidSeriesError

__all__ = ["OrdinaryTail"]

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

_LOWER = 0.75  # share of the block maxima, from below, that the line is fitted to
_PLOTTING = 0.35  # plotting positions (i - 0.35) / n (Hosking, Wallis, Wood 1985)
_SUSPECT = 0.01  # expected ordinary blocks of the whole sample beyond the level from which rows are suspected
_ROUNDS = 30
_FEWEST_BLOCKS = 4
_SAME = 1e-12  # of the largest value; maxima that differ less are equal
_BLOCKS = 40  # that many blocks are wanted; of 8 rows at least and 64 at most
_SHORTEST, _LONGEST = 8, 64


@dataclass(frozen=True)
class OrdinaryTail:
    """Gumbel distribution of the largest abnormality in a block of ordinary rows.

    Attributes
    ----------
    location, scale : float
        Of the largest abnormality in `block` rows.
    block : float
        Rows of a block.
    suspected : ndarray of bool of shape (n_rows,)
        Rows of the sample that were left out.

    References
    ----------
    Coles: "An Introduction to Statistical Modeling of Extreme Values", 2001, chapter 3 (block maxima).
    Hosking, Wallis, Wood: "Estimation of the Generalized Extreme-Value Distribution by the Method of
    Probability-Weighted Moments", Technometrics 27(3), 1985 (plotting positions).

    Examples
    --------
    >>> import numpy as np
    >>> sample = np.random.default_rng(0).exponential(size=10_000)
    >>> sample[5000:5100] += 100.0
    >>> tail = OrdinaryTail.fit(sample)
    >>> bool(abs(tail.level(0.1, 10_000) - np.log(1e5)) < 1.5), int(tail.suspected[5000:5100].sum())
    (True, 100)
    """

    location: float
    scale: float
    block: float
    suspected: Mask

    @classmethod
    def fit(cls, abnormality: Floats, *, reach: int = 0, block: int | None = None) -> OrdinaryTail:
        """Fit the tail.

        Parameters
        ----------
        abnormality : ndarray of shape (n_rows,)
            In order of time; NaN is left out.
        reach : int, default=0
            Rows on either side that an abnormal row raises, too.
        block : int, optional
            Rows of a block; default a fortieth of the sample, from 8 to 64.

        Raises
        ------
        InvalidSeriesError
            If there is no value, or one that is infinite.
        """
        values = np.asarray(abnormality, dtype=np.float64)
        known = ~np.isnan(values)
        if values.ndim != 1 or not known.any() or np.isinf(values).any():
            raise InvalidSeriesError(
                f"a tail needs a one-dimensional sample of finite values, got shape {values.shape} with "
                f"{int(np.isinf(values).sum())} infinite and {int(known.sum())} present values; leave those out."
            )
        n = values.size
        rows = min(max(n // _BLOCKS, _SHORTEST), _LONGEST) if block is None else block
        n_blocks = max(n // rows, min(_FEWEST_BLOCKS, n))
        number = np.arange(n) * n_blocks // n
        location, scale = _fit_line(_maxima(values, known, number, n_blocks))
        ordinary = known
        for _ in range(_ROUNDS):
            level = location + scale * math.log(n_blocks / _SUSPECT)
            worse = np.flatnonzero(ordinary & (values > level))
            fewer = ordinary.copy()
            for row in worse.tolist():
                fewer[max(0, row - reach) : row + reach + 1] = False
            maxima = _maxima(values, fewer, number, n_blocks)
            if not worse.size or maxima.size < max(_FEWEST_BLOCKS, n_blocks // 4):
                break
            ordinary = fewer
            location, scale = _fit_line(maxima)
        return cls(location, scale, n / n_blocks, known & ~ordinary)

    def expected_episodes(self, abnormality: Floats, n_rows: float) -> Floats:
        """Return how many blocks of `n_rows` ordinary rows pass each abnormality (n_values,)."""
        z = self._standard(np.asarray(abnormality, dtype=np.float64))
        return np.asarray(n_rows / self.block * -np.expm1(-np.exp(-z)))

    def p_value(self, abnormality: Floats, n_rows: float) -> Floats:
        """Return the probability (n_values,) that any of `n_rows` ordinary rows is at least as abnormal, in (0, 1]."""
        z = self._standard(np.asarray(abnormality, dtype=np.float64))
        p = -np.expm1(-n_rows / self.block * np.exp(-z))
        return np.asarray(np.maximum(p, np.finfo(np.float64).tiny))

    def level(self, episodes: float, n_rows: float) -> float:
        """Return the abnormality that `episodes` episodes in `n_rows` ordinary rows are expected to pass.

        Raises
        ------
        InvalidParameterError
            If `episodes` is not positive.
        """
        if not episodes > 0.0:
            raise InvalidParameterError(f"episodes must be positive, got {episodes}.")
        share = min(episodes * self.block / n_rows, 1.0 - 1e-9)
        return self.location - self.scale * math.log(-math.log1p(-share))

    def _standard(self, values: Floats) -> Floats:
        """Values in units of the tail; held where exponentials stay finite."""
        if self.scale <= 0.0:
            return np.where(values > self.location, 700.0, -6.0)
        return np.clip((values - self.location) / self.scale, -6.0, 700.0)


def _maxima(values: Floats, ordinary: Mask, number: NDArray[np.int64], n_blocks: int) -> Floats:
    """Largest ordinary value of every block that has at least half of its rows, sorted."""
    largest = np.full(n_blocks, -np.inf)
    np.maximum.at(largest, number[ordinary], values[ordinary])
    count = np.bincount(number[ordinary], minlength=n_blocks)
    enough = (count > 0) & (2 * count >= np.bincount(number, minlength=n_blocks))
    if not enough.any():
        enough = count > 0
    return np.sort(largest[enough])


def _fit_line(maxima: Floats) -> tuple[float, float]:
    """Location and scale of the Gumbel distribution whose lower quantiles the sorted maxima (n,) follow."""
    n = maxima.size
    few = min(n, max(_FEWEST_BLOCKS, math.ceil(_LOWER * n)))
    reduced = -np.log(-np.log((np.arange(1, few + 1) - _PLOTTING) / n))
    spread = float(((reduced - reduced.mean()) ** 2).sum())
    lower = maxima[:few]
    if lower[-1] - lower[0] <= _SAME * max(abs(lower[0]), abs(lower[-1])):
        return float(lower.mean()), 0.0
    scale = float(((reduced - reduced.mean()) * lower).sum()) / spread if spread > 0.0 else 0.0
    return float(lower.mean() - scale * reduced.mean()), scale
