"""PrunedLOF: local outlier factor on the features that help, against the rows that do not mislead, compiled.

Law: without pruning the scores are scikit-learn's to 1e-12; pruned rows leave the reference set and are scored as
new rows. Lower = more abnormal, about -1 inside; the threshold is -1.3, or -1.5 without `prune_rows`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.neighbors import LocalOutlierFactor
from sklearn.utils import check_random_state

from detectors.lof.kernels.neighbors import CHEBYSHEV, EUCLIDEAN, MANHATTAN, MINKOWSKI
from detectors.lof.references import (
    MEASURE,
    MEASURE_PARAMETERS,
    ForeignMetric,
    ForeignReferences,
    Metric,
    ReferenceSet,
    metric_of,
)
from detectors.lof.row_decision import decide_rows, stored_precision
from detectors.parameters import Rules, boolean, choice, either, integer, nothing, random_state, real
from detectors.report import PruningReport
from detectors.storage.archive import plain_parameter
from detectors.tables import check_magnitude
from detectors.wrappers.compiled import CompiledDetector
from detectors.wrappers.pruned_detector import CONTAMINATION

if TYPE_CHECKING:
    from detectors.storage.onnx_graph import OnnxGraph

__all__ = ["PrunedLOF"]

_FLOORED_OFFSET = -1.3  # (1.5 r + f) / (r + f) for r = 1.5 f: outliers lie where distances exceed the usual one, f

Floats = NDArray[np.float64]


class PrunedLOF(CompiledDetector):
    """Local outlier factor with pruned features, pruned reference rows and a compiled score.

    Parameters
    ----------
    n_neighbors : int >= 1
        Neighbours; at most one fewer than reference rows are used.
    algorithm : {"auto", "ball_tree", "kd_tree", "brute"}
        How scikit-learn searches in `fit`; scoring is compiled brute force.
    leaf_size : int >= 1
    metric : str or callable
        A distance that scikit-learn's neighbours know by name, or a function of two rows. Minkowski's family
        ("minkowski", "euclidean", "l2", "manhattan", "cityblock", "l1", "chebyshev") is compiled; any other takes
        scikit-learn's time, and cannot be exported. A table of distances ("precomputed") has no rows and features to
        prune: for it wrap scikit-learn's class in a `PrunedDetector` with ``pruner=None``.
    p : float >= 1
        Exponent of "minkowski".
    metric_params : None or dict
        Further arguments of the distance; with any, it is scikit-learn's.
    contamination : "auto" or float in (0, 0.5]
        Share of the fitted rows that are called outliers, by `predict` or, without `novelty`, by `fit_predict`;
        "auto" puts the threshold at -1.5, with `prune_rows` at -1.3: where a row is 1.5 times less dense than its
        neighbours, the floor of the densities leaves 1.3.
    novelty : bool
        What `fit_predict` (and a share as `contamination`) takes the fitted rows for: True, new rows, so that it
        equals ``fit(X).predict(X)``; False, what they are, by `negative_outlier_factor_`, as scikit-learn's class
        does. New rows can be scored either way: code written for scikit-learn works with the value it already gives.
    n_jobs : int or None
        Threads for fitting and scoring; None = 1, -1 = all. Scores do not depend on it.
    random_state : None, int or RandomState
        For feature pruning, and for tables so large that rows are drawn.
    prune_features : bool
        Leave out features that a `FeaturePruner` finds irrelevant.
    prune_rows : bool
        Leave suspected anomalies out of the reference set, condense what exceeds `max_reference_rows`, and measure
        densities above a floor (the median distance to the k-th neighbour is added to every mean reachability
        distance), so that repeated rows do not count as infinitely dense.
    max_reference_rows : None or int >= 2
        Reference rows at most, with `prune_rows`.

    Attributes
    ----------
    support_rows_ : ndarray of bool of shape (n_rows,)
        True for reference rows; not there after `load`.
    n_samples_fit_ : int
        Number of reference rows.
    negative_outlier_factor_ : ndarray of shape (n_rows,)
        Scores of the fitted rows: a reference row is not its own neighbour, a pruned row is scored as new. Not
        there after `load`.
    n_neighbors_ : int
        Neighbours used.
    model_report_ : PruningReport
        Every row with kind and evidence.
    detector_ : LocalOutlierFactor
        scikit-learn's, fitted on the reference rows; not there after `load`.
    support_, report_, offset_
        As in `PrunedDetector`.

    Raises
    ------
    InvalidParameterError
        In `fit`, if a parameter breaks its rule.

    Notes
    -----
    `score_samples` and `predict` take rows as new ones, like scikit-learn's class with ``novelty=True``: a fitted
    row finds itself as its first neighbour. For the fitted rows themselves use `negative_outlier_factor_`.

    With more than 15 features scikit-learn may compute distances by an expanded square that loses digits where
    rows are nearly equal; there, and where neighbours tie exactly, its scores can differ from these by more than
    rounding.

    References
    ----------
    .. [1] Breunig, Kriegel, Ng, Sander: LOF: identifying density-based local outliers. SIGMOD 2000, definitions 5-7.
    .. [2] Zimek, Gaudet, Campello, Sander: Subsampling for efficient and effective unsupervised outlier detection
       ensembles. KDD 2013.

    Examples
    --------
    >>> import numpy as np
    >>> from detectors import PrunedLOF
    >>> rng = np.random.default_rng(0)
    >>> X = np.vstack([rng.normal(size=(570, 3)), rng.normal(5.0, 0.1, size=(30, 3))])
    >>> whole, pruned = (PrunedLOF(prune_rows=p, prune_features=False).fit(X) for p in (False, True))
    >>> [int((m.negative_outlier_factor_[570:] < np.quantile(m.negative_outlier_factor_[:570], 0.01)).sum())
    ...  for m in (whole, pruned)]  # anomalies found among 30 that lie together
    [0, 30]
    """

    _parameters: ClassVar[Rules] = {
        "n_neighbors": integer(1),
        "algorithm": choice("auto", "ball_tree", "kd_tree", "brute"),
        "leaf_size": integer(1),
        "metric": MEASURE,
        "p": real(1.0),
        "metric_params": MEASURE_PARAMETERS,
        "contamination": CONTAMINATION,
        "novelty": boolean(),
        "n_jobs": either(nothing(), integer()),
        "random_state": random_state(),
        "prune_features": boolean(),
        "prune_rows": boolean(),
        "max_reference_rows": either(nothing(), integer(2)),
    }

    def __init__(
        self,
        n_neighbors: int = 20,
        *,
        algorithm: str = "auto",
        leaf_size: int = 30,
        metric: Any = "minkowski",
        p: float = 2,
        metric_params: Any = None,
        contamination: Any = "auto",
        novelty: bool = True,
        n_jobs: int | None = None,
        random_state: Any = None,
        prune_features: bool = True,
        prune_rows: bool = True,
        max_reference_rows: int | None = 5000,
    ) -> None:
        self.n_neighbors = n_neighbors
        self.algorithm = algorithm
        self.leaf_size = leaf_size
        self.metric = metric
        self.p = p
        self.metric_params = metric_params
        self.contamination = contamination
        self.novelty = novelty
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.prune_features = prune_features
        self.prune_rows = prune_rows
        self.max_reference_rows = max_reference_rows

    def fit(self, X: Any, y: Any = None, *, reference: Any = None) -> Self:  # type: ignore[override]  # no weights
        """Prune features and rows of `X`, then measure the density of the rows that stay.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features)
        y : array-like of shape (n_rows,), optional
            What is known of the rows: -1 anomaly, +1 normal, 0 or NaN unknown.
        reference : mask of shape (n_rows,) or array-like of shape (n_reference, n_features), optional
            Rows known to be normal.

        Returns
        -------
        self

        Raises
        ------
        InvalidParameterError
            If a parameter breaks its rule.
        InvalidTableError
            If no feature can stay.
        """
        return super().fit(X, y, reference=reference)

    def fit_predict(  # type: ignore[override]  # as `fit`
        self, X: Any, y: Any = None, *, reference: Any = None
    ) -> NDArray[np.int64]:
        """Fit, then label the same rows: as new ones with `novelty`, by `negative_outlier_factor_` without.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features)
        y : array-like of shape (n_rows,), optional
            What is known of the rows: -1 anomaly, +1 normal, 0 or NaN unknown.
        reference : mask of shape (n_rows,) or array-like of shape (n_reference, n_features), optional
            Rows known to be normal.

        Returns
        -------
        ndarray of int of shape (n_rows,)
            -1 outlier, +1 inlier.
        """
        self.fit(X, y, reference=reference)
        if self.novelty or self.head_ is not None:
            return self.predict(X)
        return np.where(self.negative_outlier_factor_ < self.offset_, -1, 1)

    def _make_engine(self) -> Any:
        return LocalOutlierFactor(
            n_neighbors=self.n_neighbors,
            algorithm=self.algorithm,
            leaf_size=self.leaf_size,
            metric=self.metric,
            p=self.p,
            metric_params=self.metric_params,
            novelty=True,
            n_jobs=self.n_jobs,
        )

    def _fit_engine(self, X: Floats, sample_weight: Floats | None) -> None:
        """Choose the reference rows and measure their densities."""
        del sample_weight  # always None: `fit` takes none
        metric = metric_of(self.metric, self.p, self.metric_params)
        largest = (np.finfo(np.float64).max / X.shape[1]) ** (1.0 / max(metric.p, 2.0)) / 4.0
        check_magnitude(X, largest, "so that distances are finite")
        n_rows = len(X)
        keep = np.ones(n_rows, dtype=bool)
        report = PruningReport([], "training rows", (), {"rows_before": n_rows, "rows_after": n_rows})
        if self.prune_rows:
            decision = decide_rows(
                X,
                n_neighbors=int(self.n_neighbors),
                metric=metric,
                max_share=None,
                max_rows=self.max_reference_rows,
                random_state=check_random_state(self.random_state),
            )
            keep, report = decision.keep, decision.report()
        engine = self._make_engine()
        engine.set_params(n_neighbors=min(self.n_neighbors, max(1, int(keep.sum()) - 1)))
        engine.fit(X[keep])
        self.detector_ = engine
        self.support_rows_ = keep
        self.model_report_ = report
        self._derived = bool(self.prune_rows)
        if self._derived:
            reference, own = metric.references(stored_precision(X[keep]), int(engine.n_neighbors))
        else:
            spread = 1.0 / engine._lrd  # its public attributes do not tell the densities
            kth = np.array(engine._distances_fit_X_[:, -1], dtype=np.float64)
            k = int(engine.n_neighbors_)
            reference = _references(np.ascontiguousarray(X.T), kth, spread, k, 1e-10, metric)
            own = engine.negative_outlier_factor_
        self._install(reference)
        factors = np.empty(n_rows)
        factors[keep] = own
        if not keep.all():
            factors[~keep] = reference.scores(np.ascontiguousarray(X[~keep]))
        self.negative_outlier_factor_ = factors

    def _training_scores(self, X: Floats) -> Floats:
        return self._score_kept(X) if self.novelty else self.negative_outlier_factor_

    def _install(self, reference: ReferenceSet | ForeignReferences) -> None:
        """Take over reference rows on the kept features."""
        self.reference_ = reference
        self.n_neighbors_ = reference.k
        self.n_samples_fit_ = reference.rows.shape[1]
        self._columns = None if self.support_.all() else np.flatnonzero(self.support_)

    def _score_table(self, X: Floats) -> Floats:
        return self._score_kept(X if self._columns is None else X[:, self._columns])

    def _score_kept(self, X: Any) -> Floats:
        rows = np.ascontiguousarray(X)
        with self._threads(len(rows)) as parallel:
            return self.reference_.scores(rows, parallel=parallel)

    def _engine_offset(self) -> float | None:
        return _FLOORED_OFFSET if self._derived else -1.5

    def _state(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        r = self.reference_
        # what the references were made with, which `set_params` may have changed since
        manifest: dict[str, Any] = {"k": r.k, "floor": r.floor, "derived": self._derived, "p": r.metric.p}
        if isinstance(r.metric, Metric):
            manifest["metric"] = r.metric.number
        else:
            manifest["measure"] = plain_parameter("metric", r.metric.measure)
            manifest["measure_parameters"] = plain_parameter("metric_params", r.metric.parameters)
        narrow = r.rows.astype(np.float32)
        arrays = {"rows": narrow if (narrow == r.rows).all() else r.rows}
        if not self._derived:  # these are scikit-learn's; our own follow from the rows
            arrays |= {"kth": r.kth, "spread": r.spread}
        return manifest, arrays

    def _onnx_scores(self, graph: OnnxGraph, rows: str) -> str:
        from detectors.lof.onnx_graph import lof_scores

        return lof_scores(graph, self.reference_, rows)

    def _restore(self, manifest: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> None:
        rows, k = arrays["rows"].astype(np.float64), int(manifest["k"])
        metric = _stored_metric(manifest, self.metric, self.metric_params)
        if rows.ndim != 2 or len(rows) != int(self.support_.sum()) or not 0 < k < max(2, rows.shape[1]):
            raise ValueError(f"reference rows of shape {rows.shape} do not fit")
        self._derived = bool(manifest.get("derived", self.prune_rows))  # older files do not tell
        if self._derived:
            self._install(metric.references(np.ascontiguousarray(rows.T), k)[0])
            return
        kth, spread = arrays["kth"], arrays["spread"]
        if kth.shape != (rows.shape[1],) or spread.shape != kth.shape:
            raise ValueError(f"densities of {len(kth)} rows do not fit {rows.shape[1]} rows")
        self._install(_references(rows, kth, spread, k, float(manifest["floor"]), metric))


def _stored_metric(manifest: Mapping[str, Any], measure: Any, parameters: Any) -> Metric | ForeignMetric:
    """The distance of stored references; older files tell a foreign one by the constructor parameters alone."""
    if "metric" in manifest:
        number = manifest["metric"]
        if number not in (EUCLIDEAN, MANHATTAN, CHEBYSHEV, MINKOWSKI):
            raise ValueError(f"no distance has the number {number!r}")
        return Metric(int(number), float(manifest["p"]))
    measure, parameters = manifest.get("measure", measure), manifest.get("measure_parameters", parameters)
    metric = metric_of(measure, manifest.get("p", 2.0), parameters)
    if isinstance(metric, Metric) or not isinstance(measure, str):
        raise ValueError(f"the distance is called {measure!r}")
    return metric


def _references(
    rows: Floats, kth: Floats, spread: Floats, k: int, floor: float, metric: Metric | ForeignMetric
) -> ReferenceSet | ForeignReferences:
    """Reference rows (n_features, n_references) whose densities are known."""
    if isinstance(metric, Metric):
        return ReferenceSet(rows, kth, spread, k, floor, metric)
    engine = metric.neighbours(np.ascontiguousarray(rows.T), k)
    return ForeignReferences(rows, kth, spread, k, floor, metric, engine)
