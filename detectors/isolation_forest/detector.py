"""PrunedIsolationForest: an isolation forest on the features that help, its trees pruned, its score compiled.

Law: without pruning the scores are scikit-learn's to 1e-12; with it they rank held-out rows as before, to a stated
fidelity. Lower = more abnormal, -0.5 is the usual threshold.
"""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Integral
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import IsolationForest
from sklearn.utils import check_random_state

from detectors.exceptions import InvalidParameterError
from detectors.features.weighted_view import FeatureView
from detectors.isolation_forest.flat_forest import FlatForest
from detectors.isolation_forest.kernels.packed_forest import packed_scores
from detectors.isolation_forest.tree_pruning import grow_until_stable, prune_forest
from detectors.kernels.finite import no_infinity
from detectors.parameters import Rules, boolean, choice, either, integer, nothing, random_state, real
from detectors.report import PruningReport
from detectors.tables import check_magnitude, is_sparse
from detectors.wrappers.compiled import ROWS_WORTH_THREADS, CompiledDetector
from detectors.wrappers.pruned_detector import CONTAMINATION

if TYPE_CHECKING:
    from detectors.storage.onnx_graph import OnnxGraph

__all__ = ["PrunedIsolationForest"]

Floats = NDArray[np.float64]

_VIEW_SHARE = 2 / 3  # what a path on the view counts beside one of scikit-learn's: most of the gain, less of the harm
_SPARSE_ROWS = 1024  # sparse rows that are made dense at a time


class PrunedIsolationForest(CompiledDetector):
    """Isolation forest with pruned features, pruned trees and a compiled score.

    Parameters
    ----------
    n_estimators : int >= 1
        Trees to grow; at most as many with `reliability`. While features are weighted, as many again on the view.
    max_samples : "auto", int or float in (0, 1]
        Rows per tree; "auto" = min(256, n_rows).
    contamination : "auto" or float in (0, 0.5]
        Share of outliers among the fitted rows; "auto" puts the threshold at -0.5.
    max_features : int or float in (0, 1]
        Features per tree; all that are kept, if they are fewer.
    bootstrap : bool
        Draw rows with replacement.
    n_jobs : int or None
        Threads for fitting and scoring; None = 1, -1 = all. Scores do not depend on it.
    random_state : None, int or RandomState
        With an integer the forest is the one scikit-learn grows with it.
    verbose : int >= 0
        Passed to scikit-learn's fit.
    warm_start : bool
        True: another `fit` on the same features keeps the trees grown so far (those of `detector_`, before pruning)
        and adds trees up to `n_estimators`; then all of them are pruned. A table whose feature pruning keeps other
        features, and a forest that was loaded and has no trees to continue, are errors.
    prune_features : bool
        Leave out features that a `FeaturePruner` finds irrelevant.
    weight_features : bool
        Put a second forest beside scikit-learn's, which draws features by what they agree on and thresholds on a
        logarithmic scale (`FeatureView`); only while `prune_features` is True, `max_features` 1.0 and the table
        dense and not one of sparse counts of templates. Its path lengths count two thirds; it costs as much time and
        memory again. False leaves scikit-learn's forest alone.
    prune_trees : bool
        Collapse subtrees and refit leaf values, as far as `tree_fidelity` allows.
    tree_fidelity : float in (0, 1]
        Least Spearman correlation with the whole forest, on rows that the pruned one was not fitted to.
    reliability : None or float in (0, 1)
        Stop adding trees as soon as the ranking of the rows has this reliability (correlation of two halves of the
        forest, stepped up); None grows all `n_estimators`.

    Attributes
    ----------
    forest_ : FlatForest
        The pruned forest as flat arrays, on the kept features.
    n_nodes_, n_trees_ : int
        Size of `forest_`.
    model_report_ : PruningReport
        Every tree with what happened to it; `figures` hold nodes before and after and the fidelity reached.
    detector_ : IsolationForest
        scikit-learn's forest on the kept features, before trees were pruned; not there after `load`.
    view_detector_ : IsolationForest or None
        The forest beside it, on ``FeatureView.offered``, None if features are not weighted; not there after `load`.
    support_, report_, offset_
        As in `PrunedDetector`.

    Raises
    ------
    InvalidParameterError
        In `fit`, if a parameter breaks its rule.

    References
    ----------
    .. [1] Liu, Ting, Zhou: Isolation forest. ICDM 2008, section 4 and equations 1, 2.
    .. [2] Breiman, Friedman, Olshen, Stone: Classification and regression trees. 1984, section 3.3.

    Examples
    --------
    >>> import numpy as np
    >>> from detectors import PrunedIsolationForest
    >>> X = np.vstack([np.random.default_rng(0).normal(size=(500, 4)), np.full((1, 4), 6.0)])
    >>> model = PrunedIsolationForest(prune_trees=True, prune_features=False, random_state=0).fit(X)
    >>> int(model.score_samples(X).argmin()), model.predict(X[-1:]).tolist()
    (500, [-1])
    >>> bool(model.n_nodes_ < model.model_report_.figures["nodes_before"])
    True
    """

    _view: FeatureView | None
    _parameters: ClassVar[Rules] = {
        "n_estimators": integer(1),
        "max_samples": either(choice("auto"), integer(1), real(0.0, 1.0, open_low=True)),
        "contamination": CONTAMINATION,
        "max_features": either(integer(1), real(0.0, 1.0, open_low=True)),
        "bootstrap": boolean(),
        "n_jobs": either(nothing(), integer()),
        "random_state": random_state(),
        "verbose": either(integer(0), boolean()),
        "warm_start": boolean(),
        "prune_features": boolean(),
        "weight_features": boolean(),
        "prune_trees": boolean(),
        "tree_fidelity": real(0.0, 1.0, open_low=True),
        "reliability": either(nothing(), real(0.0, 1.0, open_low=True, open_high=True)),
    }

    def __init__(
        self,
        n_estimators: int = 100,
        *,
        max_samples: Any = "auto",
        contamination: Any = "auto",
        max_features: Any = 1.0,
        bootstrap: bool = False,
        n_jobs: int | None = None,
        random_state: Any = None,
        verbose: int = 0,
        warm_start: bool = False,
        prune_features: bool = True,
        weight_features: bool = True,
        prune_trees: bool = False,
        tree_fidelity: float = 0.995,
        reliability: float | None = None,
    ) -> None:
        self.n_estimators = n_estimators
        self.max_samples = max_samples
        self.contamination = contamination
        self.max_features = max_features
        self.bootstrap = bootstrap
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose
        self.warm_start = warm_start
        self.prune_features = prune_features
        self.weight_features = weight_features
        self.prune_trees = prune_trees
        self.tree_fidelity = tree_fidelity
        self.reliability = reliability

    def _make_engine(self) -> Any:
        return self._engine(self.random_state)

    def _check_draws(self, n_features: int, weights: Floats | None, n_rows: int) -> None:
        """Raise if a tree cannot have the features and rows that it is to be grown on."""
        most = self.max_features
        if isinstance(most, Integral) and int(most) > n_features:
            raise InvalidParameterError(
                f"max_features must be at most the number of features, {n_features}, got {most}; a share such as 0.5 "
                "goes with any table."
            )
        if weights is None or self.bootstrap:
            return
        drawn = min(256, n_rows) if self.max_samples == "auto" else self.max_samples
        drawn = min(int(drawn), n_rows) if isinstance(drawn, Integral) else int(drawn * n_rows)
        if np.count_nonzero(weights) < drawn:
            raise InvalidParameterError(
                f"sample_weight must be positive for as many rows as a tree draws, {drawn}, got "
                f"{np.count_nonzero(weights)} positive ones; set a smaller max_samples, or bootstrap=True."
            )

    def _engine(self, random_state: Any) -> IsolationForest:
        """scikit-learn's forest with the parameters of this one, drawing no more features than are kept."""
        support = getattr(self, "support_", None)
        most = self.max_features
        if support is not None and isinstance(most, Integral):
            most = max(1, min(int(most), int(support.sum())))
        return IsolationForest(
            n_estimators=self.n_estimators,
            max_samples=self.max_samples,
            max_features=most,
            bootstrap=self.bootstrap,
            n_jobs=self.n_jobs,
            random_state=random_state,
            verbose=self.verbose,
            warm_start=self.warm_start,
        )

    def _fit_engine(self, X: Any, sample_weight: Floats | None) -> None:
        """Grow, flatten and prune the forest."""
        check_magnitude(X, float(np.finfo(np.float32).max), "as trees are grown in single precision")
        self._check_draws(len(self.support_), sample_weight, X.shape[0])
        before, view_before = self._continued() if self.warm_start else (None, None)
        if before is None:
            whole = self.max_features == 1.0 and not isinstance(self.max_features, Integral)  # 1 is one feature
            weighted = self.prune_features and self.weight_features and whole and not is_sparse(X)
            self._view = FeatureView.of_measurements(X) if weighted else None
            self._grown_on = self.support_.copy()
        self.detector_, history = self._grown(before, self.random_state, X, sample_weight)
        self.view_detector_ = None
        forest = FlatForest.from_sklearn(self.detector_)
        n_grown = self.detector_.n_estimators
        if self._view is not None:
            seed = check_random_state(self.random_state).randint(np.iinfo(np.int32).max)
            self.view_detector_, more = self._grown(view_before, seed, self._view.offered(X), sample_weight)
            history = [min(pair) for pair in zip(history[-1:], more[-1:], strict=True)]
            n_grown += self.view_detector_.n_estimators
            other = FlatForest.from_sklearn(self.view_detector_)
            split = self._view.thresholds(other.feature.astype(np.intp), other.threshold.astype(float))
            forest = _side_by_side(forest, other.restated(*split), _VIEW_SHARE)
        report = PruningReport([], "trees", figures={"nodes_before": forest.n_nodes, "nodes_after": forest.n_nodes})
        if self.prune_trees:
            rows = X.toarray() if is_sparse(X) else X
            rng = check_random_state(self.random_state)
            forest, report = prune_forest(forest, rows, fidelity=self.tree_fidelity, random_state=rng)
        if history:
            figures = {
                "trees_grown": n_grown,
                "trees_allowed": self.n_estimators * (1 if self.view_detector_ is None else 2),
                "reliability": history[-1],
            }
            report = PruningReport(report.records, report.subject, report.guards, {**report.figures, **figures})
        self.model_report_ = report
        self._install(forest)

    def _grown(
        self, before: IsolationForest | None, random_state: Any, X: Any, sample_weight: Floats | None
    ) -> tuple[IsolationForest, list[float]]:
        """A forest on `X` (n_rows, n_columns), the one `before` continued if there is one, and its reliabilities."""
        engine = self._engine(random_state)
        if before is not None:
            engine = before.set_params(**engine.get_params())
        if self.reliability is None:
            return engine.fit(X, sample_weight=sample_weight), []
        return engine, grow_until_stable(engine, X, reliability=self.reliability, sample_weight=sample_weight)

    def _continued(self) -> tuple[IsolationForest | None, IsolationForest | None]:
        """The forests of the last fit, which `warm_start` continues; None before the first one."""
        if not hasattr(self, "offset_"):
            return None, None
        if not hasattr(self, "detector_"):
            raise InvalidParameterError(
                "warm_start must be False for a forest that was loaded: its file holds no trees to continue; fit a "
                "new forest."
            )
        if not np.array_equal(self._grown_on, self.support_):
            raise InvalidParameterError(
                f"warm_start must be False where other features are kept than before: features "
                f"{np.flatnonzero(self._grown_on).tolist()} then, {np.flatnonzero(self.support_).tolist()} now; fit "
                "a new forest, or set prune_features=False."
            )
        return self.detector_, self.view_detector_

    def _install(self, forest: FlatForest) -> None:
        """Take over a forest on the kept features."""
        self.forest_ = forest
        self.n_nodes_ = forest.n_nodes
        self.n_trees_ = len(forest.roots)
        self._table_forest = forest if self.support_.all() else forest.on_columns(np.flatnonzero(self.support_))
        self._words = self._table_forest.packed

    def _usable(self, X: Floats) -> bool:
        return bool(no_infinity(X))

    def _score_fast(self, X: Floats) -> Floats | None:
        if self.n_jobs is not None and len(X) >= ROWS_WORTH_THREADS:
            return super()._score_fast(X)
        scores = np.empty(len(X))  # made here: an array that a kernel returns costs a single row more than its score
        return scores if packed_scores(X, self._words, scores) else None

    def _score_table(self, X: Floats) -> Floats:
        with self._threads(len(X)) as parallel:
            return self._table_forest.scores(X, parallel=parallel)

    def _score_kept(self, X: Any) -> Floats:
        """Scores (n_rows,) of the kept columns, sparse ones in blocks."""
        if is_sparse(X):
            starts = range(0, X.shape[0], _SPARSE_ROWS)
            return np.concatenate([self._score_kept(X[i : i + _SPARSE_ROWS].toarray()) for i in starts])
        with self._threads(len(X)) as parallel:
            return self.forest_.scores(np.ascontiguousarray(X), parallel=parallel)

    def _engine_offset(self) -> float | None:
        return -0.5

    def _state(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        return {"normaliser": self.forest_.normaliser}, self.forest_.compact()

    def _onnx_scores(self, graph: OnnxGraph, rows: str) -> str:
        from detectors.isolation_forest.onnx_graph import forest_scores

        return forest_scores(graph, self.forest_, rows)

    def _restore(self, manifest: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> None:
        if arrays["feature"].max(initial=0) >= self.support_.sum():  # the kernel would read behind the row
            raise ValueError(f"a tree looks at column {arrays['feature'].max()} of {self.support_.sum()}")
        self._install(FlatForest.from_compact(arrays, float(manifest["normaliser"])))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags


def _side_by_side(one: FlatForest, other: FlatForest, share: float) -> FlatForest:
    """The trees of both forests as one; paths of the other count `share` times as much."""
    shift = one.n_nodes
    return FlatForest(
        feature=np.concatenate([one.feature, other.feature]),
        threshold=np.concatenate([one.threshold, other.threshold]),
        child=np.concatenate([one.child, (other.child + shift).astype(np.uint32)]),
        missing_left=np.concatenate([one.missing_left, other.missing_left]),
        value=np.concatenate([one.value, share * other.value]),
        roots=np.concatenate([one.roots, other.roots + shift]),
        heights=np.concatenate([one.heights, other.heights]),
        normaliser=one.normaliser + share * other.normaliser,
    )
