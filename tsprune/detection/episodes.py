"""Episodes: consecutive rows that are abnormal together, and which of them a batch speaks of.

Values here measure abnormality: HIGHER = more abnormal. An episode needs a peak beyond the ordinary tail; its rows are
those around the peak that are beyond it, too. Where a batch has more episodes than such a batch usually has
incidents, the peaks that stand out count, unless all of them do.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter1d

from tsprune.detection.thresholds import OrdinaryTail

__all__ = ["EpisodeRule", "fill_holes", "peaks", "runs"]

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

_JOIN = 16  # ordinary rows within an episode, at most
_HOLE = 8  # rows between abnormal ones that are flagged with them
_PEAK_REACH = 32  # rows on either side over which a peak is the largest
_APART = 2.0  # the weakest peak of a group, over the next one, that makes it a group of its own
_ALIKE = 1.0 / 3.0  # and over the group's median


@dataclass(frozen=True)
class EpisodeRule:
    """What makes an episode.

    Attributes
    ----------
    tail : OrdinaryTail
        Of the evidence of ordinary rows.
    base : float
        Evidence from which rows belong to an episode.
    limit_fixed, limit_root, limit_share : float
        Peaks a batch of n rows may have before only the worst count: fixed + root * sqrt(n) + share * n.

    Examples
    --------
    >>> import numpy as np
    >>> sample = np.random.default_rng(0).exponential(size=2000)
    >>> sample[700:705] = 40.0
    >>> tail = OrdinaryTail.fit(sample)
    >>> rule = EpisodeRule(tail, tail.level(0.3, 2000))
    >>> runs(rule.flags(sample))
    [(700, 705)]
    """

    tail: OrdinaryTail
    base: float
    limit_fixed: float = math.inf
    limit_root: float = 0.0
    limit_share: float = 0.0

    def flags(self, evidence: Floats) -> Mask:
        """Return which rows (n_rows,) belong to an episode."""
        flags = np.zeros(evidence.size, dtype=bool)
        above = evidence > self.base
        if not above.any():
            return flags
        bar = self._peak_bar(evidence)
        for start, stop in runs(fill_holes(above, _JOIN)):
            if evidence[start:stop].max() > bar:
                flags[start:stop] = above[start:stop]
        return fill_holes(flags, _HOLE)

    def _peak_bar(self, evidence: Floats) -> float:
        """The evidence that the peak of an episode must pass in this batch (n_rows,)."""
        n = evidence.size
        limit = self.limit_fixed + self.limit_root * math.sqrt(n) + self.limit_share * n
        heights = peaks(evidence)
        heights = heights[heights > self.base]
        if heights.size <= limit:
            return self.base
        few = max(1, int(limit))
        over = heights - self.tail.location
        following = np.append(over[1:], self.base - self.tail.location)
        for k in range(heights.size, few - 1, -1):
            group = over[:k]
            if group[-1] >= _APART * following[k - 1] and group[-1] >= _ALIKE * float(np.median(group)):
                few = k
                break
        return self.base if few == heights.size else float(heights[few - 1] + heights[few]) / 2.0


def peaks(evidence: Floats) -> Floats:
    """Return the heights of the peaks of `evidence` (n_rows,), the highest first; flat tops count once."""
    highest = np.flatnonzero(evidence == maximum_filter1d(evidence, 2 * _PEAK_REACH + 1, mode="nearest"))
    first = highest[np.diff(highest, prepend=-2 * _PEAK_REACH - 1) > _PEAK_REACH]
    return np.sort(evidence[first])[::-1]


def runs(flags: Mask) -> list[tuple[int, int]]:
    """Return the half-open runs of true rows of `flags` (n_rows,).

    Examples
    --------
    >>> runs(np.array([True, False, True, True]))
    [(0, 1), (2, 4)]
    """
    edges = np.flatnonzero(np.diff(np.concatenate(([False], flags, [False])).astype(np.int8)))
    return [(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def fill_holes(flags: Mask, longest: int) -> Mask:
    """Return `flags` (n_rows,) with the holes of at most `longest` rows between true ones filled."""
    rows = np.flatnonzero(flags)
    filled = flags.copy()
    for k in np.flatnonzero((np.diff(rows) > 1) & (np.diff(rows) <= longest + 1)).tolist():
        filled[rows[k] : rows[k + 1]] = True
    return filled
