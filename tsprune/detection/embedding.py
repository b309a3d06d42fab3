"""Embedding: a series becomes a table, one row per time point, features of several scales.

Per series: its level, and for each scale s (rows) the local mean over s rows and the edge, the mean of the s rows
from here on less the mean of the s rows before. All features are linear in the series, centred on the row, and
scaled by what they were in training. Missing values are left out of every mean; where nothing is present the
feature takes its training mean, so that an absence is no evidence.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tsprune.detection.kernels.embedding import multiscale

__all__ = ["SeriesEmbedding", "embedding_scales"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

_WINDOW = 64  # rows, the widest scale by default
_RATIO = 4  # between scales
_SHARE = 10  # a scale is at most a tenth of the fitted series: fewer windows than that are no sample
_LIMIT = 1e6  # training deviations; farther away is no more abnormal, and squares stay finite
_FLAT = 1e-12  # of the largest magnitude: a deviation below that is rounding, the column is constant


def embedding_scales(window: int | None, n_timepoints: int) -> tuple[int, ...]:
    """Return the scales for `n_timepoints` fitted rows: `window` (default 64) and its quarters down to 4.

    Parameters
    ----------
    window : int >= 2 or None
        Widest scale, in rows.
    n_timepoints : int

    Examples
    --------
    >>> embedding_scales(None, 1000)
    (4, 16, 64)
    >>> embedding_scales(None, 200)
    (4, 16)
    """
    widest = min(_WINDOW if window is None else window, max(2, n_timepoints // _SHARE))
    scales, scale = [], _RATIO
    while scale <= widest:
        scales.append(scale)
        scale *= _RATIO
    if window is not None and widest == window and window not in scales:
        scales.append(window)
    return tuple(scales) or (2,)


class SeriesEmbedding:
    """Features of several scales of one series or several.

    Parameters
    ----------
    scales : sequence of int >= 2
        Widths, in rows, increasing.

    Attributes
    ----------
    center_, scale_ : ndarray of shape (n_features,)
        Training mean and deviation of every feature.
    owner_ : ndarray of int of shape (n_features,)
        The series each feature belongs to.
    constant_ : ndarray of bool of shape (n_series,)
        Series that never moved in training.
    feature_names_ : list of str

    Examples
    --------
    >>> import numpy as np
    >>> values = np.random.default_rng(0).normal(size=(500, 2))
    >>> embedding = SeriesEmbedding((4, 16)).fit(values, ["a", "b"])
    >>> embedding.transform(values).shape, embedding.feature_names_[:3]
    ((500, 10), ['a level', 'a mean 4', 'a edge 4'])
    """

    def __init__(self, scales: Sequence[int]) -> None:
        self.scales = tuple(scales)

    @property
    def reach(self) -> int:
        """Rows on either side that a feature looks at."""
        return max(self.scales)

    def nested_groups(self) -> list[NDArray[np.intp]]:
        """Return the columns of the levels alone, of levels and the finest scale, and so on to all scales."""
        each = 1 + 2 * len(self.scales)
        place = np.arange(self.owner_.size) % each
        return [np.flatnonzero(place < 1 + 2 * k) for k in range(len(self.scales) + 1)]

    def fit(self, values: Floats, names: Sequence[str]) -> SeriesEmbedding:
        """Learn the scaling from training values (n_timepoints, n_series)."""
        self.fit_transform(values, names)
        return self

    def fit_transform(self, values: Floats, names: Sequence[str]) -> Floats:
        """Learn the scaling and return the features (n_timepoints, n_features)."""
        self._shift = np.nanmedian(values, axis=0)
        magnitude = np.nanmax(np.abs(values), axis=0)
        self.constant_ = np.nanmax(values, axis=0) - np.nanmin(values, axis=0) <= _FLAT * magnitude
        spread = np.nanstd(values, axis=0)
        self._reach = np.where(self.constant_, np.maximum(magnitude, 1.0), _LIMIT * spread)
        raw = self._raw(values)
        each = 1 + 2 * len(self.scales)
        kinds = ["level"] + [f"{kind} {s}" for s in self.scales for kind in ("mean", "edge")]
        self.feature_names_ = [f"{name} {kind}" for name in names for kind in kinds]
        self.owner_ = np.repeat(np.arange(values.shape[1]), each)
        present = ~np.isnan(raw)
        count = np.maximum(present.sum(axis=0), 1)
        self.center_ = np.where(present, raw, 0.0).sum(axis=0) / count
        deviation = np.sqrt((np.where(present, raw - self.center_, 0.0) ** 2).sum(axis=0) / count)
        flat = (deviation <= _FLAT * magnitude[self.owner_]) | self.constant_[self.owner_]
        self.scale_ = np.where(flat, 1.0, deviation)
        self._flat = flat
        self._resolution = np.maximum(_FLAT * magnitude, np.finfo(np.float64).tiny)[self.owner_]
        self._novelty = float(np.sqrt(2.0 * np.log(values.shape[0] + 1.0)))
        return self._scaled(raw)

    def transform(self, values: Floats) -> Floats:
        """Return the features (n_timepoints, n_features) in training deviations."""
        return self._scaled(self._raw(values))

    def _raw(self, values: Floats) -> Floats:
        """Features (n_timepoints, n_features) in the units of the series.

        The kernel works on running sums: values are centred and cut to what counts, or one of 1e20 would drown the
        rows after it.
        """
        centred = np.clip(values - self._shift, -self._reach, self._reach)
        raw = multiscale(np.ascontiguousarray(centred), np.asarray(self.scales, dtype=np.int64))
        return self._whole_windows(np.asarray(raw))

    def _whole_windows(self, raw: Floats) -> Floats:
        """Features (n_timepoints, n_features) of the nearest row whose window is whole.

        A window cut at an end of the rows holds less of the noise and another part of a season: its mean would stand
        out by that alone.
        """
        n, each = raw.shape[0], 1 + 2 * len(self.scales)
        for k, scale in enumerate(self.scales):
            before, after = scale // 2, scale - scale // 2
            if n >= scale:
                raw[:before, 1 + 2 * k :: each] = raw[before, 1 + 2 * k :: each]
                raw[n - after + 1 :, 1 + 2 * k :: each] = raw[n - after, 1 + 2 * k :: each]
            if n >= 2 * scale:
                raw[:scale, 2 + 2 * k :: each] = raw[scale, 2 + 2 * k :: each]
                raw[n - scale + 1 :, 2 + 2 * k :: each] = raw[n - scale, 2 + 2 * k :: each]
        return raw

    def _scaled(self, raw: Floats) -> Floats:
        """Scale features; one that never moved in training counts as a fixed surprise once it moves.

        The surprise is the deviation that is the largest to be expected in as many Gaussian rows as training had,
        sqrt(2 log n): how far a series moves that never moved tells nothing without a unit to measure it in.
        """
        moved = raw - self.center_
        scaled: Floats = np.clip(moved / self.scale_, -_LIMIT, _LIMIT)
        if self._flat.any():
            novel = np.sign(moved) * self._novelty * (np.abs(moved) > self._resolution)
            scaled[:, self._flat] = novel[:, self._flat]
        scaled[np.isnan(scaled)] = 0.0
        return scaled
