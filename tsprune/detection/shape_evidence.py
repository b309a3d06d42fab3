"""Shape evidence of one series: the cycle that is wrong while every value is right.

Views of several window lengths (`ShapeView`) are joined by the mean. A view counts only where faults of shape that are
planted into training - a stretch turned round, or another stretch in its place - stand out of the same stretches
unplanted. Where no structure repeats such a stretch is as good as any, and the evidence stays silent.

Values measure abnormality: HIGHER = more abnormal.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from detectors.report import PruningRecord
from tsprune.detection.shape_view import ShapeView
from tsprune.detection.window_lengths import window_lengths

__all__ = ["SeriesShapes"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

_PLANTS = 16  # stretches of training that faults are planted into
_NULL = 0.9  # quantile of the same stretches unplanted that a planted one has to pass
_ENDS = 16  # a sixteenth of a stretch gives the level of its end
_POWER = 0.5  # share of the planted faults that a view has to find
_HIGH = 0.99  # quantile of training one unit above the median
_LEAST = 0.05  # of the median


class SeriesShapes:
    """Distances of shape of one series, at several window lengths.

    Parameters
    ----------
    references : int
        Windows of training, at most, that a view compares with.
    seed : int, default=0
        Draws the places of the planted faults.

    Attributes
    ----------
    views_ : list of ShapeView
        Those that found the planted faults; empty where no structure repeats.
    powers_ : list of float
        Share of the planted faults that each found.
    records_ : list of PruningRecord
        Every decision.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> y = np.sin(np.arange(2400) * 2 * np.pi / 60) + 0.1 * rng.normal(size=2400)
    >>> shapes = SeriesShapes(10_000).fit(y[:1200], "y")
    >>> [view.width for view in shapes.views_]
    [15, 30, 32, 60]
    >>> test = y[1200:].copy()
    >>> test[600:660] = test[600:660][::-1]
    >>> bool(590 <= shapes.of(test, 1200).argmax() < 670)
    True
    >>> SeriesShapes(10_000).fit(rng.normal(size=1200), "noise").views_
    []
    """

    def __init__(self, references: int, *, seed: int = 0) -> None:
        self.references = references
        self.seed = seed

    def fit(self, values: Floats, name: str) -> SeriesShapes:
        """Learn training values (n_timepoints,) of the series `name`; NaN is missing."""
        self.views_: list[ShapeView] = []
        self.powers_: list[float] = []
        self.power_ = 0.0
        self.records_: list[PruningRecord] = []
        self._units: list[list[tuple[float, float]]] = []
        n = values.size
        self.held_out_ = np.zeros(n)
        known = np.isfinite(values)
        if known.sum() < 2 or np.ptp(values[known]) <= 0.0:
            return self
        whole = np.interp(np.arange(n), np.flatnonzero(known), values[known])
        lengths = window_lengths(whole)
        views = [ShapeView(width, self.references).fit(values) for width in lengths]
        spread = [[view.spread(d, n) for d in view.held_out_] for view in views]
        units = [[_unit(s) for s in pair] for pair in spread]
        own = np.array([_joined(pair, unit) for pair, unit in zip(spread, units, strict=True)])
        peaks = _peaks(views, units, whole, own, self.seed) if views else np.zeros((2, 0, 0))
        powers = [_power(peaks[:, k]) for k in range(len(views))]
        for view, power in zip(views, powers, strict=True):
            self.records_.append(
                PruningRecord(
                    f"{name} windows of {view.width}", "shape", True,
                    f"{power:.0%} of the faults planted into training stand out", power, _POWER,
                )
            )  # fmt: skip
        self.power_ = _power(peaks.mean(axis=1)) if views else 0.0
        if self.power_ >= _POWER:
            self.views_, self.powers_, self._units = views, powers, units
            self.held_out_ = own.mean(axis=0)
        return self

    def of(
        self, values: Floats, place: int, *, held_out: bool = False, hidden: NDArray[np.bool_] | None = None
    ) -> Floats:
        """Return the evidence (n_timepoints,) of `values`: 0 the typical row of training, 1 a rare one.

        Parameters
        ----------
        values : ndarray of shape (n_timepoints,)
        place : int
            Row of training that the first value is, or would be.
        held_out : bool, default=False
            Whether windows of training that overlap the judged ones are passed over.
        hidden : ndarray of bool of shape (n_timepoints,), optional
            Windows with one of these rows are not judged, short as the gap may be.
        """
        parts = []
        for view, units in zip(self.views_, self._units, strict=True):
            distances, _ = view.of(values, place, held_out=held_out, hidden=hidden)
            parts.append(_joined([view.spread(d, values.size) for d in distances], units))
        return np.mean(parts, axis=0) if parts else np.zeros(values.size)

    def nearest(self, values: Floats, place: int, row: int) -> tuple[int, int, int]:
        """Return the window that speaks most against a row of `values`, and the one of training that is most like it.

        Parameters
        ----------
        values, place : as in `of`
        row : int

        Returns
        -------
        width, start, nearest : int
            Length of the window, its first row in `values`, first row of the window of training.
        """
        best = (-np.inf, 0, 0, 0)
        for view, units in zip(self.views_, self._units, strict=True):
            distances, nearest = view.of(values, place, held_out=True)
            pair = [(d - middle) / unit for d, (middle, unit) in zip(distances, units, strict=True)]
            block = row // view.every_
            first = max(0, block - view.width // view.every_ + 1)
            if first >= distances.shape[1]:
                continue
            evidence = np.where(np.isnan(pair[0]), -np.inf, np.mean(pair, axis=0))[first : block + 1]
            k = int(np.argmax(evidence))
            if evidence[k] > best[0]:
                best = (float(evidence[k]), view.width, (first + k) * view.every_, int(nearest[first + k]))
        return best[1:]


def _unit(spread: Floats) -> tuple[float, float]:
    """Median of training and the distance to its 99 % quantile."""
    seen = spread[np.isfinite(spread)]
    if not seen.size:
        return 0.0, 1.0
    middle, high = np.quantile(seen, [0.5, _HIGH])
    distance = max(float(high - middle), _LEAST * float(middle))
    return float(middle), distance if distance > 0.0 else 1.0


def _joined(spread: list[Floats], units: list[tuple[float, float]]) -> Floats:
    """Mean (n,) of distances from the training median in units; 0 where nothing is known."""
    out = np.mean([(s - middle) / distance for s, (middle, distance) in zip(spread, units, strict=True)], axis=0)
    return np.where(np.isnan(out), 0.0, out)


def _places(n: int, longest: int, rng: np.random.Generator) -> list[tuple[int, int, int]]:
    """First row, length and source of each planted fault, one in each of equal parts of training."""
    room = n // max(1, min(_PLANTS, n // (2 * longest)))
    out = []
    for k in range(n // room):
        length = int(longest * rng.uniform(0.25, 0.75))
        start, source = k * room + int(rng.integers(room - length + 1)), int(rng.integers(n - length + 1))
        out.append((start, length, source if k % 2 else start))
    return out


def _planted(whole: Floats, start: int, length: int, source: int) -> Floats:
    """The stretch at `start` turned round, or the one at `source` in its stead; both ends keep their level."""
    here = whole[start : start + length]
    other = here[::-1] if source == start else whole[source : source + length]
    few = max(1, length // _ENDS)
    first, last = here[:few].mean() - other[:few].mean(), here[-few:].mean() - other[-few:].mean()
    return np.asarray(other + np.linspace(first, last, length))


def _peaks(
    views: list[ShapeView], units: list[list[tuple[float, float]]], whole: Floats, own: Floats, seed: int
) -> Floats:
    """Evidence (2, n_views, n_plants) at its peak over stretches of training, as they are and with planted faults.

    Parameters: `own` (n_views, n_timepoints) is the held-out evidence of training.
    """
    places = _places(whole.size, max(view.width for view in views), np.random.default_rng(seed))
    peaks = np.zeros((2, len(views), len(places)))
    for k, (start, length, source) in enumerate(places):
        inside = slice(start, start + length)
        peaks[0, :, k] = own[:, inside].max(axis=1)
        planted = _planted(whole, start, length, source)
        for j, (view, unit) in enumerate(zip(views, units, strict=True)):
            low, high = max(0, start - view.width), min(whole.size, start + length + view.width)
            part = whole[low:high].copy()
            part[start - low : start - low + length] = planted
            distances, _ = view.of(part, low, held_out=True)
            evidence = _joined([view.spread(d, part.size) for d in distances], unit)
            peaks[1, j, k] = evidence[start - low : start - low + length].max()
    return peaks


def _power(peaks: Floats) -> float:
    """Share of the planted faults (second row of (2, n_plants)) that pass the same stretches unplanted (first)."""
    return float(np.mean(peaks[1] > np.quantile(peaks[0], _NULL))) if peaks.size else 0.0
