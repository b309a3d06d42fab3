"""What the local outlier factor compares rows with: a distance, and reference rows with their densities.

Law: distances of Minkowski's family are compiled; every other one is scikit-learn's, and means the same, more slowly.
Lower score = more abnormal.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.neighbors import VALID_METRICS, NearestNeighbors

from detectors.blas import one_blas_thread
from detectors.lof.kernels.local_outlier_factor import FEWEST_ROWS, lof_scores, lof_scores_parallel, sieve
from detectors.lof.kernels.neighbors import (
    CHEBYSHEV,
    EUCLIDEAN,
    MANHATTAN,
    MINKOWSKI,
    kth_distances,
    nearest,
    reach_means,
)
from detectors.parameters import Rule, either, nothing

__all__ = [
    "MEASURE", "MEASURE_PARAMETERS", "METRIC_NAMES", "ForeignMetric", "ForeignReferences", "Metric", "ReferenceSet",
    "metric_of",
]  # fmt: skip

Floats = NDArray[np.float64]

METRIC_NAMES = ("minkowski", "euclidean", "l2", "manhattan", "cityblock", "l1", "chebyshev")

_NAMED = {name for names in VALID_METRICS.values() for name in names} - {"precomputed"} | set(METRIC_NAMES)

MEASURE = Rule(
    "a distance that scikit-learn's neighbours know by name, or a function of two rows (a table of distances has no "
    "rows to prune: wrap LocalOutlierFactor in a PrunedDetector without pruner for that)",
    lambda value: value in _NAMED if isinstance(value, str) else callable(value),
)
MEASURE_PARAMETERS = either(nothing(), Rule("a mapping of arguments", lambda value: isinstance(value, Mapping)))


@dataclass(frozen=True)
class Metric:
    """A distance of Minkowski's family, as the kernels take it."""

    number: int
    p: float

    @classmethod
    def named(cls, name: str, p: float = 2.0) -> Metric:
        """Metric of a scikit-learn name (one of `METRIC_NAMES`) and its exponent `p`."""
        p = {"euclidean": 2.0, "l2": 2.0, "manhattan": 1.0, "cityblock": 1.0, "l1": 1.0, "chebyshev": np.inf}.get(
            name, float(p)
        )
        number = {2.0: EUCLIDEAN, 1.0: MANHATTAN, np.inf: CHEBYSHEV}.get(p, MINKOWSKI)
        return cls(number, p if number == MINKOWSKI else 2.0)

    def kth_distances(self, X: Floats, references: Floats, own: NDArray[np.int64], k: int) -> Floats:
        """Distance (n_rows,) of rows `X` to their k-th nearest of `references`; `own` does not count."""
        found: Floats = kth_distances(X, np.ascontiguousarray(references.T), own, k, self.number, self.p)
        return found

    def among(self, X: Floats, k: int) -> tuple[Floats, NDArray[np.int64]]:
        """Distances and numbers (n_rows, k) of the nearest other rows of `X`."""
        distances, numbers = nearest(X, np.ascontiguousarray(X.T), np.arange(len(X)), k, self.number, self.p)
        return distances, numbers

    def nearest_of(self, X: Floats, references: Floats) -> NDArray[np.int64]:
        """Number (n_rows,) of the nearest of `references` (n_references, n_features) to every row of `X`."""
        none = np.full(len(X), -1, dtype=np.int64)
        numbers = nearest(X, np.ascontiguousarray(references.T), none, 1, self.number, self.p)[1]
        return np.asarray(numbers[:, 0])

    def references(self, X: Floats, k: int) -> tuple[ReferenceSet, Floats]:
        """`ReferenceSet.of` with this distance."""
        return ReferenceSet.of(X, k, self)


@dataclass(frozen=True)
class ReferenceSet:
    """Reference rows with what the local outlier factor knows about them.

    Parameters
    ----------
    rows : ndarray of shape (n_features, n_references)
        Transposed.
    kth : ndarray of shape (n_references,)
        Distance to the k-th neighbour.
    spread : ndarray of shape (n_references,)
        Mean reachability distance, plus `floor`.
    k : int
    floor : float
        Added to every mean reachability distance.
    metric : Metric
    """

    rows: Floats
    kth: Floats
    spread: Floats
    k: int
    floor: float
    metric: Metric
    _sieve: Any = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_sieve", sieve(self.rows, self.kth, self.spread))

    @classmethod
    def of(cls, X: Floats, k: int, metric: Metric) -> tuple[ReferenceSet, Floats]:
        """References `X` (n_references, n_features), and the factors (n_references,) they have among themselves.

        The floor is the median distance to the k-th neighbour: densities far above the usual one, such as those
        of repeated rows, count as usual.
        """
        rows = np.ascontiguousarray(X.T)
        k = min(k, len(X) - 1)
        distances, numbers = nearest(X, rows, np.arange(len(X)), k, metric.number, metric.p)
        kth = distances[:, -1].copy()
        floor = _floor(X, kth)
        spread = reach_means(distances, numbers, kth) + floor
        own = -spread * (1.0 / spread[numbers]).mean(axis=1)
        return cls(rows, kth, spread, k, floor, metric), own

    @property
    def arguments(self) -> tuple[Any, ...]:
        """Arguments of `lof_scores` behind the rows."""
        return self.rows, self.kth, self.spread, self.k, self.floor, self.metric.number, self.metric.p, self._sieve

    def scores(self, X: Floats, *, parallel: bool = False) -> Floats:
        """Negative factors (n_rows,) of new rows (n_rows, n_features)."""
        kernel = lof_scores_parallel if parallel else lof_scores
        if len(X) < FEWEST_ROWS:  # no matrix products
            return np.asarray(kernel(X, *self.arguments))
        with one_blas_thread():
            return np.asarray(kernel(X, *self.arguments))


@dataclass(frozen=True)
class ForeignMetric:
    """A distance that scikit-learn computes: its name or a function of two rows, and its arguments."""

    measure: Any
    p: float
    parameters: Mapping[str, Any] | None

    def neighbours(self, X: Floats, k: int) -> NearestNeighbors:
        """scikit-learn's search among the rows `X` (n_references, n_features)."""
        return NearestNeighbors(n_neighbors=k, metric=self.measure, p=self.p, metric_params=self.parameters).fit(X)

    def kth_distances(self, X: Floats, references: Floats, own: NDArray[np.int64], k: int) -> Floats:
        """Distance (n_rows,) of rows `X` to their k-th nearest of `references`; `own` does not count."""
        distances, numbers = self.neighbours(references, k).kneighbors(X, min(k + 1, len(references)))
        past = np.cumsum(numbers == own[:, None], axis=1)[:, k - 1] > 0  # the row itself stands before the k-th
        return np.asarray(np.where(past, distances[:, -1], distances[:, k - 1]))

    def among(self, X: Floats, k: int) -> tuple[Floats, NDArray[np.int64]]:
        """Distances and numbers (n_rows, k) of the nearest other rows of `X`."""
        distances, numbers = self.neighbours(X, k).kneighbors()
        return distances, numbers

    def nearest_of(self, X: Floats, references: Floats) -> NDArray[np.int64]:
        """Number (n_rows,) of the nearest of `references` (n_references, n_features) to every row of `X`."""
        return np.asarray(self.neighbours(references, 1).kneighbors(X)[1][:, 0], dtype=np.int64)

    def references(self, X: Floats, k: int) -> tuple[ForeignReferences, Floats]:
        """References `X` (n_references, n_features), and the factors (n_references,) they have among themselves."""
        k = min(k, len(X) - 1)
        engine = self.neighbours(X, k)
        distances, numbers = engine.kneighbors()
        kth = distances[:, -1].copy()
        floor = _floor(X, kth)
        spread = np.maximum(distances, kth[numbers]).mean(axis=1) + floor
        own = -spread * (1.0 / spread[numbers]).mean(axis=1)
        return ForeignReferences(np.ascontiguousarray(X.T), kth, spread, k, floor, self, engine), own


@dataclass(frozen=True)
class ForeignReferences:
    """As `ReferenceSet`, with scikit-learn's search `engine`."""

    rows: Floats
    kth: Floats
    spread: Floats
    k: int
    floor: float
    metric: ForeignMetric
    engine: Any

    def scores(self, X: Floats, *, parallel: bool = False) -> Floats:
        """Negative factors (n_rows,) of new rows (n_rows, n_features); scikit-learn decides about threads."""
        del parallel
        distances, numbers = self.engine.kneighbors(X, self.k)
        reach = np.maximum(distances, self.kth[numbers]).mean(axis=1) + self.floor
        return np.asarray(-reach * (1.0 / self.spread[numbers]).mean(axis=1))


def metric_of(measure: Any, p: float, parameters: Mapping[str, Any] | None) -> Metric | ForeignMetric:
    """The distance that `metric`, `p` and `metric_params` mean, compiled if it can be."""
    if isinstance(measure, str) and measure in METRIC_NAMES and not parameters:
        return Metric.named(measure, p)
    return ForeignMetric(measure, float(p), parameters)


def _floor(X: Floats, kth: Floats) -> float:
    """Median positive distance to the k-th neighbour; the extent of the table if every row has k copies."""
    positive = kth[kth > 0]
    if len(positive):
        return float(np.median(positive))
    return max(float(np.sqrt(((X - X.mean(axis=0)) ** 2).sum(axis=1).mean())), 1e-10)
