"""PrunedOneClassSVM: a one-class SVM on the features that help, with few vectors and a compiled score.

Law: without pruning, on at most `max_fit_rows` rows, the scores are scikit-learn's to 1e-12 of their scale; a reduced
set of vectors must rank held-out rows as the whole one, to a stated fidelity. Lower = more abnormal.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.svm import OneClassSVM
from sklearn.utils import check_random_state

from detectors.exceptions import InvalidParameterError
from detectors.features.weighted_view import FeatureView
from detectors.one_class_svm.support_vectors import Expansion, reduce_vectors
from detectors.parameters import Rules, boolean, choice, either, integer, nothing, random_state, real
from detectors.rank_correlation import rank_correlation
from detectors.report import PruningReport
from detectors.wrappers.compiled import CompiledDetector
from detectors.wrappers.pruned_detector import CONTAMINATION

if TYPE_CHECKING:
    from detectors.storage.onnx_graph import OnnxGraph

__all__ = ["PrunedOneClassSVM"]

Floats = NDArray[np.float64]

_MOST_ITERATIONS = 10_000_000  # libsvm's own limit
_FIRST_ROWS = 500  # rows of each half of the first pair of subsampled machines
_OFFSET_ROWS = 20000  # rows whose quantile gives the offset of a subsampled machine


class PrunedOneClassSVM(CompiledDetector):
    """One-class SVM with pruned features, a reduced set of support vectors and a compiled score.

    Parameters
    ----------
    kernel : {"rbf", "linear", "poly", "sigmoid"}
    degree : int >= 0
        Of the kernel "poly".
    gamma : "scale", "auto" or float >= 0
        "scale" = 1 / (n_kept * variance of the kept table), "auto" = 1 / n_kept.
    coef0 : float
        Of the kernels "poly" and "sigmoid".
    tol : float > 0
        Stopping tolerance of the fit.
    nu : float in (0, 1]
        Bound on the share of outliers and least share of support vectors.
    shrinking : bool
    cache_size : float > 0
        MB of kernel cache of the fit.
    verbose : bool
    max_iter : int >= -1
        Of the solver; -1 = libsvm's own limit, ten million or a hundred per row, which only a fit reaches that would
        not end: scikit-learn then warns.
    contamination : "auto" or float in (0, 0.5]
        Share of outliers among the fitted rows; "auto" leaves the threshold to `nu`.
    n_jobs : int or None
        Threads for scoring; None = 1, -1 = all. Scores do not depend on it.
    random_state : None, int or RandomState
        Draws rows for pruning and for subsampled fits.
    prune_features : bool
        Leave out features that a `FeaturePruner` finds irrelevant.
    weight_features : bool
        Fit on two scales of each feature, weighted by what features agree on (`FeatureView`); only while
        `prune_features` is True and the table is not one of sparse counts of templates. `gamma` then refers to that
        view. False fits scikit-learn's machine on the table.
    prune_support_vectors : bool
        Replace the support vectors by a reduced set, as far as `vector_fidelity` allows.
    vector_fidelity : float in (0, 1]
        Least Spearman correlation with the whole expansion on rows the reduced one was not fitted to.
    max_fit_rows : None or int >= 100
        A table with more rows is not fitted as a whole, which takes time in the square of the rows. Two machines are
        fitted to disjoint subsamples that double until both rank other rows alike (reliability of their mean at
        least 0.99), at most to `max_fit_rows` rows together; the mean of the two is the model. None = all rows.

    Attributes
    ----------
    view_ : FeatureView or None
        What the machine sees of the kept features; None if features are not weighted.
    support_vectors_ : ndarray of shape (n_vectors, n_kept), or (n_vectors, 2 * n_kept) with a view
        Vectors of the expansion; of a reduced set they need not be rows of the table.
    dual_coef_ : ndarray of shape (1, n_vectors)
        Their weights.
    n_iter_ : int
        Iterations of the solver; not there after `load`.
    model_report_ : PruningReport
        What happened to the support vectors, with figures.
    expansion_ : Expansion
        The compiled model on the kept features.
    detector_ : OneClassSVM
        The machine before its vectors were pruned (the first of two, if subsampled); not there after `load`.
    support_, report_, offset_
        As in `PrunedDetector`.

    Raises
    ------
    InvalidParameterError
        In `fit`, if a parameter breaks its rule.

    References
    ----------
    .. [1] Schölkopf, Platt, Shawe-Taylor, Smola, Williamson: Estimating the support of a high-dimensional
       distribution. Neural Computation 13(7), 2001, equation 3.10.
    .. [2] Burges: Simplified support vector decision rules. ICML 1996.

    Examples
    --------
    >>> import numpy as np
    >>> from detectors import PrunedOneClassSVM
    >>> X = np.random.default_rng(0).normal(size=(600, 4))
    >>> model = PrunedOneClassSVM(nu=0.5, prune_support_vectors=True, prune_features=False, random_state=0).fit(X)
    >>> model.model_report_.figures["vectors_before"] > 5 * len(model.support_vectors_)
    True
    >>> model.predict([[0.0, 0.0, 0.0, 0.0], [5.0, 5.0, 5.0, 5.0]]).tolist()
    [1, -1]
    """

    _parameters: ClassVar[Rules] = {
        "kernel": choice("rbf", "linear", "poly", "sigmoid"),
        "degree": integer(0),
        "gamma": either(choice("scale", "auto"), real(0.0)),
        "coef0": real(),
        "tol": real(0.0, open_low=True),
        "nu": real(0.0, 1.0, open_low=True),
        "shrinking": boolean(),
        "cache_size": real(0.0, open_low=True),
        "verbose": boolean(),
        "max_iter": integer(-1),
        "contamination": CONTAMINATION,
        "n_jobs": either(nothing(), integer()),
        "random_state": random_state(),
        "prune_features": boolean(),
        "weight_features": boolean(),
        "prune_support_vectors": boolean(),
        "vector_fidelity": real(0.0, 1.0, open_low=True),
        "max_fit_rows": either(nothing(), integer(100)),
    }

    def __init__(
        self,
        kernel: str = "rbf",
        *,
        degree: int = 3,
        gamma: Any = "scale",
        coef0: float = 0.0,
        tol: float = 1e-3,
        nu: float = 0.5,
        shrinking: bool = True,
        cache_size: float = 200,
        verbose: bool = False,
        max_iter: int = -1,
        contamination: Any = "auto",
        n_jobs: int | None = None,
        random_state: Any = None,
        prune_features: bool = True,
        weight_features: bool = True,
        prune_support_vectors: bool = False,
        vector_fidelity: float = 0.999,
        max_fit_rows: int | None = 10000,
    ) -> None:
        self.kernel = kernel
        self.degree = degree
        self.gamma = gamma
        self.coef0 = coef0
        self.tol = tol
        self.nu = nu
        self.shrinking = shrinking
        self.cache_size = cache_size
        self.verbose = verbose
        self.max_iter = max_iter
        self.contamination = contamination
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.prune_features = prune_features
        self.weight_features = weight_features
        self.prune_support_vectors = prune_support_vectors
        self.vector_fidelity = vector_fidelity
        self.max_fit_rows = max_fit_rows

    @property
    def support_vectors_(self) -> Floats:
        """Vectors (n_vectors, n_kept) of the expansion."""
        return self.expansion_.vectors

    @property
    def dual_coef_(self) -> Floats:
        """Weights (1, n_vectors) of the expansion."""
        return self.expansion_.weights[None, :]

    def _make_engine(self) -> Any:
        return OneClassSVM(
            kernel=self.kernel,
            degree=self.degree,
            gamma=self.gamma,
            coef0=self.coef0,
            tol=self.tol,
            nu=self.nu,
            shrinking=self.shrinking,
            cache_size=self.cache_size,
            verbose=self.verbose,
            max_iter=self.max_iter,
        )

    def _fit_engine(self, X: Floats, sample_weight: Floats | None) -> None:
        """Fit the machine and prune its vectors."""
        self.view_ = FeatureView.of_measurements(X) if self.prune_features and self.weight_features else None
        X = X if self.view_ is None else self.view_.transform(X)
        rng = check_random_state(self.random_state)
        figures: dict[str, Any] = {}
        if self.max_fit_rows is None or len(X) <= self.max_fit_rows:
            self.detector_ = _fitted(self._make_engine(), X, sample_weight)
            expansion = _expansion(self.detector_)
            self._own_offset_ = float(np.ravel(self.detector_.offset_)[0])
        else:
            expansion, figures = self._fit_subsamples(X, sample_weight, int(self.max_fit_rows), rng)
        self.n_iter_ = max(1, int(self.detector_.n_iter_))
        n_vectors = len(expansion.weights)
        report = PruningReport([], "support vectors", (), {"vectors_before": n_vectors, "vectors_after": n_vectors})
        if self.prune_support_vectors:
            expansion, report = reduce_vectors(
                expansion, X, fidelity=self.vector_fidelity, tolerance=float(self.tol), random_state=rng
            )
        self.model_report_ = PruningReport(report.records, report.subject, report.guards, {**report.figures, **figures})
        self._install(expansion)

    def _fit_subsamples(
        self, X: Floats, weights: Floats | None, most: int, rng: np.random.RandomState
    ) -> tuple[Expansion, dict[str, Any]]:
        """The mean of two machines on disjoint subsamples that rank other rows alike."""
        order = rng.permutation(len(X))
        judged = np.ascontiguousarray(X[order[most:][:2000]])
        size = min(_FIRST_ROWS, most // 2)
        engine = self._make_engine()
        if self.gamma == "scale":  # of the whole table, as in a fit to all of its rows
            variance = float(X.var())
            engine.set_params(gamma=1.0 / (X.shape[1] * variance) if variance > 0 else 1.0)
        while True:
            halves = []
            for rows in (order[:size], order[size : 2 * size]):
                machine = OneClassSVM(**engine.get_params())
                halves.append(_fitted(machine, X[rows], None if weights is None else weights[rows]))
            one, two = (_expansion(machine) for machine in halves)
            r = rank_correlation(one.scores(judged), two.scores(judged))
            reliability = 2.0 * r / (1.0 + r) if r > 0 else 0.0
            if reliability >= 0.99 or 2 * size >= most:
                break
            size = min(2 * size, most // 2)
        vectors = np.vstack([one.vectors, two.vectors])
        mean = one.replaced(vectors, 0.5 * np.concatenate([one.weights, two.weights]), 0.0)
        self.detector_ = halves[0]
        self._own_offset_ = float(np.quantile(mean.scores(np.ascontiguousarray(X[order[:_OFFSET_ROWS]])), self.nu))
        return mean, {"rows_fitted": 2 * size, "rows_given": len(X), "reliability": reliability}

    def _install(self, expansion: Expansion) -> None:
        """Take over an expansion on the kept features."""
        self.expansion_ = expansion
        self._columns = None if self.support_.all() else np.flatnonzero(self.support_)

    def _score_table(self, X: Floats) -> Floats:
        rows = X if self._columns is None else X[:, self._columns]
        return self._score_kept(rows)

    def _score_kept(self, X: Any) -> Floats:
        X = X if self.view_ is None else self.view_.transform(X)
        with self._threads(len(X)) as parallel:
            return self.expansion_.scores(np.ascontiguousarray(X), parallel=parallel)

    def _engine_offset(self) -> float | None:
        return self._own_offset_

    def _state(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        e = self.expansion_
        narrow = e.vectors.astype(np.float32)
        manifest = {
            "intercept": e.intercept, "kernel": e.kernel, "gamma": e.gamma, "coef0": e.coef0, "degree": e.degree
        }  # fmt: skip
        arrays = {"vectors": narrow if (narrow == e.vectors).all() else e.vectors, "weights": e.weights}
        if self.view_ is not None:
            arrays |= {f"view_{name}": array for name, array in vars(self.view_).items()}
        return manifest, arrays

    def _onnx_scores(self, graph: OnnxGraph, rows: str) -> str:
        from detectors.one_class_svm.onnx_graph import expansion_scores, viewed

        seen = rows if self.view_ is None else viewed(graph, self.view_, rows)
        return expansion_scores(graph, self.expansion_, seen)

    def _restore(self, manifest: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> None:
        vectors, weights = arrays["vectors"].astype(np.float64), arrays["weights"]
        view = {name[5:]: array for name, array in arrays.items() if name.startswith("view_")}
        self.view_ = FeatureView(**view) if view else None
        n_kept = int(self.support_.sum())
        if vectors.shape != (len(weights), 2 * n_kept if view else n_kept):
            raise ValueError(f"vectors of shape {vectors.shape} do not fit")
        if any(array.shape != (n_kept,) for array in view.values()):
            raise ValueError(f"a view of {[array.shape for array in view.values()]} does not fit")
        if manifest["kernel"] not in ("linear", "poly", "rbf", "sigmoid"):
            raise ValueError(f"no kernel is called {manifest['kernel']!r}")
        intercept, gamma, coef0 = (float(manifest[name]) for name in ("intercept", "gamma", "coef0"))
        degree = int(manifest["degree"])
        if not 0 <= degree <= np.iinfo(np.int32).max:
            raise ValueError(f"the degree is {degree}")
        self._install(Expansion(vectors, weights, intercept, manifest["kernel"], gamma, coef0, degree))


def _fitted(machine: OneClassSVM, X: Floats, weights: Floats | None) -> OneClassSVM:
    """Fit a machine on `X` (n_rows, n_features) with `weights` (n_rows,).

    libsvm hands out nu times the sum of the weights row by row until nothing is left; where `nu` is 1, what rounding
    leaves is written beyond its arrays, and without weights no row is left to tell the threshold. So nu stays below 1
    by the rounding of such a sum. scikit-learn lifts libsvm's own limit of the iterations; here it holds.
    """
    limited = machine.max_iter == -1
    if weights is not None:
        most = float(machine.tol) / float(np.finfo(np.float64).eps)
        if limited and weights.sum() > most:
            raise InvalidParameterError(
                f"the sum of sample_weight must be at most tol / 2.2e-16 = {most:.3g} while max_iter is -1, got "
                f"{weights.sum():.3g}: rounding exceeds the tolerance, and the solver would never stop; divide the "
                "weights by their largest."
            )
    machine.set_params(nu=min(machine.nu, 1.0 - 4 * len(X) * float(np.finfo(np.float64).eps)))
    if not limited:
        return machine.fit(X, sample_weight=weights)
    machine.set_params(max_iter=max(_MOST_ITERATIONS, 100 * len(X)))
    return machine.fit(X, sample_weight=weights).set_params(max_iter=-1)


def _expansion(machine: Any) -> Expansion:
    """The expansion of a fitted scikit-learn machine: `score_samples`, without the offset."""
    return Expansion(
        np.array(machine.support_vectors_, dtype=np.float64),
        np.array(machine.dual_coef_, dtype=np.float64).ravel(),
        0.0,
        machine.kernel,
        float(machine._gamma),  # the number behind "scale" and "auto" has no public name
        float(machine.coef0),
        int(machine.degree),
    )
