"""One view of shapes: how far every window of one length is from the nearest windows of training.

Two distances are taken at once: of windows divided by their deviation (shape alone) and of centred windows (a cycle
that is too small, too large or flat counts, too). Both are divided by what the found windows of training are away
from the rest of training: where cycles differ anyway a distance says little. Long windows are compared on block
means, so that the cost of a window is bounded.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tsprune.detection.kernels.window_join import Moments, nearest_windows, window_moments

__all__ = ["ShapeView"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Bools = NDArray[np.bool_]

_SAMPLES = 48  # of a window; longer windows are compared on block means
_PARTS = 6  # contiguous parts of training, each gives its nearest window: neighbours that are no twins
_NEAREST = 3  # neighbours whose own distances say how much shapes differ there
_SOFT = 0.25  # of the median training distance, added to those
_FLAT = 0.01  # of the median variance of windows: noise of nearly flat windows is not blown up to a shape
_NEARLY = 1e-3  # of the mean variance, where most windows are flat
_CENTRED = 3.0  # times the largest variance: windows keep their size
_ABSENT = 0.1  # share of blocks that a window may lack
_BRIDGED = 1  # blocks: a longer gap hides the shape of a window
_RANGES = 3.0  # training ranges beyond training; farther away is no other shape
_TINY = 1e-12


class ShapeView:
    """Distances from the windows of training, for one length.

    Parameters
    ----------
    width : int >= 8
        Length of the windows, in rows.
    references : int
        At most that many windows of training are compared with; more are sampled in contiguous stretches.

    Attributes
    ----------
    every_ : int
        Rows in a block; windows are sequences of block means.

    held_out_ : ndarray of shape (2, n_windows)
        Relative distances of the windows of training from those that do not overlap them.

    References
    ----------
    Yeh et al.: "Matrix Profile I", ICDM 2016 (the join). Zimmerman et al.: "Matrix Profile XIV", SoCC 2019 (the
    recurrence). De Paepe et al.: "Eliminating noise in the matrix profile", ICPRAM 2019 (nearly flat windows; here a
    floor of the variance). Breunig et al.: "LOF", SIGMOD 2000 (distances relative to those of the neighbours).

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> y = np.sin(np.arange(2000) * 2 * np.pi / 50) + 0.05 * rng.normal(size=2000)
    >>> view = ShapeView(50, 10_000).fit(y[:1000])
    >>> test = y[1000:].copy()
    >>> test[400:450] = test[400:450][::-1]
    >>> distance, nearest = view.of(test, 1000)
    >>> bool(350 <= distance[0].argmax() < 450)
    True
    """

    def __init__(self, width: int, references: int) -> None:
        self.width = width
        self.references = references

    def fit(self, values: Floats) -> ShapeView:
        """Learn training values (n_timepoints,); NaN is missing."""
        blocks, usable = self._cut(values)
        moments = window_moments(blocks, self._length)
        self._train = (blocks, moments, usable)
        self._choose(moments[1])
        distances, nearest = self._join(blocks, moments, 0, held_out=True, good=usable)
        self._own = np.ascontiguousarray(distances[0])
        self._typical = [_typical(distance) for distance in self._own]
        self.held_out_ = self._relative(distances, nearest)
        return self

    def _cut(self, values: Floats) -> tuple[Floats, Bools]:
        """Choose blocks and bounds; return what `_blocks` returns for training."""
        self.every_ = max(1, self.width // _SAMPLES)
        self._length = max(4, self.width // self.every_)
        self._middle = float(np.nanmedian(values))
        low, high = float(np.nanmin(values)), float(np.nanmax(values))
        self._bounds = (low - _RANGES * (high - low), high + _RANGES * (high - low))
        self._scale = high - low
        return self._blocks(values)

    def _choose(self, variance: Floats) -> None:
        """Choose the windows of training to compare with, by their variances, and how flat ones are treated."""
        flat = max(_FLAT * float(np.median(variance)), _NEARLY * float(variance.mean()), _TINY)
        self._floors = np.array([flat, _CENTRED * float(variance.max()) + flat])
        n = variance.size
        n_parts = max(1, min(_PARTS, n // (2 * self._length)))
        most = max(self.references // n_parts, self._length)
        edges = np.linspace(0, n, n_parts + 1).astype(np.int64)
        first = edges[:-1] + np.maximum(0, np.diff(edges) - most) // 2
        self._parts = np.column_stack((first, np.minimum(edges[1:], first + most)))

    def _blocks(self, values: Floats) -> tuple[Floats, Bools]:
        """Block means (n_blocks,) without gaps, in training ranges, and which windows have enough values."""
        every, n = self.every_, max(values.size // self.every_, 1)
        with np.errstate(over="ignore"):
            inside = (np.clip(values, *self._bounds) - self._middle) / self._scale
        cut = inside[: n * every].reshape(n, -1)
        present = ~np.isnan(cut)
        count = present.sum(axis=1)
        total = np.where(present, cut, 0.0).sum(axis=1)
        known = 2 * count >= every
        means = total / np.maximum(count, 1)
        if not known.all():
            means = np.interp(np.arange(n), np.flatnonzero(known), means[known]) if known.any() else np.zeros(n)
        length = min(self._length, n)
        absent = np.convolve(~known, np.ones(length), "valid")
        return means, (absent <= _ABSENT * length) & ~_holds_gap(known, _BRIDGED, length)

    def _join(
        self, blocks: Floats, moments: Moments, place: int, *, held_out: bool, good: Bools
    ) -> tuple[Floats, Integers]:
        """Distances and places (n_nearest, 2, n_windows) of the nearest windows of the parts of training, sorted."""
        train, train_moments, usable = self._train
        n = moments[0].size
        distances = np.full((len(self._parts), 2, n), np.inf, dtype=np.float32)
        nearest = np.zeros((len(self._parts), 2, n), dtype=np.int32)
        nearest_windows(
            train, blocks, self._length, train_moments, moments, self._floors, usable, self._parts,
            place, self._length if held_out else 0, distances, nearest,
        )  # fmt: skip
        few = min(_NEAREST, len(self._parts))
        order = np.argsort(distances, axis=0, kind="stable")[:few]
        distances = np.sqrt(np.maximum(np.take_along_axis(distances, order, axis=0), 0.0))
        distances[:, :, ~good] = np.nan
        return distances.astype(np.float64), np.take_along_axis(nearest, order, axis=0).astype(np.int64)

    def of(
        self, values: Floats, place: int, *, held_out: bool = False, hidden: Bools | None = None
    ) -> tuple[Floats, Integers]:
        """Return relative distances and the nearest training windows of all windows of `values`.

        Parameters
        ----------
        values : ndarray of shape (n_timepoints,)
            NaN is missing.
        place : int
            Row of training that the first value is, or would be.
        held_out : bool, default=False
            Whether windows of training that overlap the judged ones are passed over.
        hidden : ndarray of bool of shape (n_timepoints,), optional
            Windows with one of these rows are not judged.

        Returns
        -------
        distance : ndarray of shape (2, n_windows)
            One window a block; NaN where too many values are missing. Empty if `values` are shorter than a window.
        nearest : ndarray of int of shape (n_windows,)
            First row of the window of training that is nearest by shape alone.
        """
        blocks, good = self._blocks(values)
        if values.size < self.width or blocks.size < self._length:
            return np.zeros((2, 0)), np.zeros(0, dtype=np.int64)
        if hidden is not None and hidden.any():
            cut = np.asarray(hidden[: blocks.size * self.every_].reshape(blocks.size, -1).any(axis=1))
            good &= ~_holds_gap(~cut, 0, self._length)
        moments = window_moments(blocks, self._length)
        distances, nearest = self._join(blocks, moments, place // self.every_, held_out=held_out, good=good)
        return self._relative(distances, nearest), nearest[0, 0] * self.every_

    def _relative(self, distances: Floats, nearest: Integers) -> Floats:
        """Distances (2, n_windows) in units of what the windows found are away from the rest of training."""
        out = np.empty(distances.shape[1:])
        for k in (0, 1):
            around = self._own[k][nearest[:, k]]
            seen = np.isfinite(distances[:, k]) & np.isfinite(around)
            base = np.where(seen, around, 0.0).sum(axis=0) / np.maximum(seen.sum(axis=0), 1)
            out[k] = distances[0, k] / (base + _SOFT * self._typical[k])
        out[~np.isfinite(out)] = np.nan
        return out

    def spread(self, distance: Floats, n_timepoints: int) -> Floats:
        """Return for every row the mean distance of the windows that cover it; NaN without one.

        Parameters
        ----------
        distance : ndarray of shape (n_windows,)
        n_timepoints : int

        Returns
        -------
        ndarray of shape (n_timepoints,)
        """
        out = np.full(n_timepoints, np.nan)
        if not distance.size:
            return out
        known = np.isfinite(distance)
        total = np.concatenate(([0.0], np.cumsum(np.where(known, distance, 0.0))))
        count = np.concatenate(([0], np.cumsum(known)))
        block = np.minimum(np.arange(n_timepoints) // self.every_, distance.size + self._length - 2)
        low = np.maximum(block - self._length + 1, 0)
        high = np.minimum(block + 1, distance.size)
        covering = count[high] - count[low]
        sums = total[high] - total[low]
        return np.where(covering > 0, sums / np.maximum(covering, 1), np.nan)


def _typical(own: Floats) -> float:
    """Median of the known distances (n_windows,)."""
    seen = own[np.isfinite(own)]
    return max(float(np.median(seen)) if seen.size else 0.0, _TINY)


def _holds_gap(known: Bools, longest: int, length: int) -> Bools:
    """Whether each window of `length` blocks holds a part of a gap of more than `longest` blocks; (n_windows,)."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], ~known, [False])).astype(np.int8))).reshape(-1, 2)
    inside = np.zeros(known.size + 1)
    for start, stop in edges[edges[:, 1] - edges[:, 0] > longest]:
        inside[start + 1 : stop + 1] = 1.0
    total = np.cumsum(inside)
    return np.asarray(total[length:] > total[:-length])
