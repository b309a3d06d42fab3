"""Reduced sets: a one-class SVM whose few vectors score as its many support vectors do.

Law: the reduced expansion must rank rows it was not fitted to as the full one does, to a stated fidelity; if no
reduced set does, all support vectors stay. Lower score = more abnormal.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from detectors.one_class_svm.kernels.kernel_svm import (
    LINEAR,
    POLY,
    RBF,
    SIGMOID,
    expansion_scores,
    expansion_scores_parallel,
)
from detectors.rank_correlation import rank_correlation
from detectors.report import PruningRecord, PruningReport

__all__ = ["Expansion", "reduce_vectors"]

Floats = NDArray[np.float64]

_KINDS = {"linear": LINEAR, "poly": POLY, "rbf": RBF, "sigmoid": SIGMOID}
_SHARES = (0.02, 0.03, 0.05, 0.07, 0.1, 0.14, 0.2, 0.3, 0.5)  # of the support vectors, tried in this order
_ROWS = 2000  # rows that a reduced set is fitted to
_CANDIDATES = 1000  # rows that it may start from
_FEWEST_POINTS = 600  # at which a reduced set is fitted
_RIDGE = 1e-8  # of the mean squared length of a kernel column
_STEPS = 60  # of the descent that moves the vectors


@dataclass(frozen=True)
class Expansion:
    """``intercept + sum_j weights[j] * K(vectors[j], x)``.

    Parameters
    ----------
    vectors : ndarray of shape (n_vectors, n_features)
    weights : ndarray of shape (n_vectors,)
    intercept : float
    kernel : {"linear", "poly", "rbf", "sigmoid"}
    gamma, coef0 : float
    degree : int
    """

    vectors: Floats
    weights: Floats
    intercept: float
    kernel: str
    gamma: float
    coef0: float
    degree: int
    _transposed: Floats = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_transposed", np.ascontiguousarray(self.vectors.T))

    @property
    def arguments(self) -> tuple[Any, ...]:
        """Arguments of `expansion_scores` behind the rows."""
        return (
            self._transposed, self.weights, self.intercept,
            _KINDS[self.kernel], self.gamma, self.coef0, self.degree,
        )  # fmt: skip

    def scores(self, X: Floats, *, parallel: bool = False) -> Floats:
        """Scores (n_rows,) of C-contiguous float64 rows (n_rows, n_features)."""
        scored = expansion_scores_parallel(X, *self.arguments) if parallel else expansion_scores(X, *self.arguments)
        return np.asarray(scored)

    def replaced(self, vectors: Floats, weights: Floats, intercept: float) -> Expansion:
        """An expansion of the same kernel."""
        return Expansion(vectors, weights, intercept, self.kernel, self.gamma, self.coef0, self.degree)

    def matrix(self, X: Floats, vectors: Floats) -> Floats:
        """Kernel matrix (n_rows, n_vectors)."""
        products = X @ vectors.T
        if self.kernel == "rbf":
            distances = (X**2).sum(axis=1)[:, None] + (vectors**2).sum(axis=1) - 2.0 * products
            return np.asarray(np.exp(-self.gamma * np.maximum(distances, 0.0)))
        if self.kernel == "poly":
            return np.asarray((self.gamma * products + self.coef0) ** self.degree)
        if self.kernel == "sigmoid":
            return np.asarray(np.tanh(self.gamma * products + self.coef0))
        return np.asarray(products)


def reduce_vectors(
    expansion: Expansion, X: Floats, *, fidelity: float, tolerance: float, random_state: np.random.RandomState
) -> tuple[Expansion, PruningReport]:
    """Find the smallest set of vectors whose expansion ranks held-out rows as the whole one.

    Rows are chosen one by one, each the one whose kernel column explains most of what is left of the scores
    (orthogonal least squares); with the Gaussian kernel the chosen vectors then move to where they fit the scores
    best, the weights always being those of a ridge regression. A set is accepted if, fitted to two thirds of the
    rows, it reaches the Spearman correlation `fidelity` on the last third, and again on all rows when fitted to all.

    Parameters
    ----------
    expansion : Expansion
    X : ndarray of shape (n_rows, n_features)
        Rows the machine was fitted on.
    fidelity : float in (0, 1]
    tolerance : float
        Stopping tolerance of the solver: scores are not known better than this, so held-out rows may differ by it.
        (All support vectors on the margin have the same score up to the tolerance.)
    random_state : RandomState

    Returns
    -------
    expansion : Expansion
        The one given, if no smaller set is faithful.
    report : PruningReport
        One record per support vector.

    References
    ----------
    .. [1] Burges: Simplified support vector decision rules. ICML 1996, section 3.
    .. [2] Schölkopf et al.: Input space versus feature space in kernel-based methods. IEEE Transactions on Neural
       Networks 10(5), 1999, section III.
    .. [3] Chen, Cowan, Grant: Orthogonal least squares learning algorithm for radial basis function networks. IEEE
       Transactions on Neural Networks 2(2), 1991.
    """
    n_vectors = len(expansion.weights)
    if expansion.kernel == "linear":
        merged = expansion.replaced(expansion.weights[None, :] @ expansion.vectors, np.ones(1), expansion.intercept)
        return merged, _report(n_vectors, 1, fidelity, 1.0, "a linear kernel needs one vector only, exactly")
    order = random_state.permutation(len(X))[:_ROWS]
    rows = np.ascontiguousarray(X[order])
    target = expansion.scores(rows)
    held = np.arange(len(rows)) >= 2 * len(rows) // 3
    if held.sum() >= 10:
        for share in _SHARES:
            size = max(1, int(np.ceil(share * n_vectors)))
            if size >= n_vectors:
                break
            trial = _fit(expansion, *_filled_up(expansion, rows[~held], random_state), size)
            close = trial.scores(rows[held])
            close = np.where(np.abs(close - target[held]) <= tolerance, target[held], close)
            reached = rank_correlation(close, target[held])
            if reached < fidelity:
                continue
            small = _fit(expansion, *_filled_up(expansion, rows, random_state), size)
            if rank_correlation(small.scores(rows), target) >= fidelity:
                return small, _report(n_vectors, len(small.weights), fidelity, reached)
    guard = f"no reduced set of at most {_SHARES[-1]:.0%} of the vectors ranks held-out rows with fidelity {fidelity:g}"
    return expansion, _report(n_vectors, n_vectors, fidelity, np.nan, guard=guard)


def _filled_up(expansion: Expansion, rows: Floats, rng: np.random.RandomState) -> tuple[Floats, Floats]:
    """Rows (n_points, n_features) and their scores (n_points,): few rows get points on lines between them.

    The scores to fit are a known function, so a small table need not do with its rows.
    """
    missing = _FEWEST_POINTS - len(rows)
    if missing > 0:
        one, two = rng.randint(len(rows), size=(2, missing))
        share = rng.uniform(size=(missing, 1))
        rows = np.vstack([rows, rows[one] + share * (rows[two] - rows[one])])
    return rows, expansion.scores(np.ascontiguousarray(rows))


def _fit(expansion: Expansion, rows: Floats, target: Floats, size: int) -> Expansion:
    """Expansion of `size` vectors fitted to `target` (n_rows,) at `rows` (n_rows, n_features)."""
    candidates = rows[:_CANDIDATES]
    chosen = _forward_selection(expansion.matrix(rows, candidates), target, size)
    vectors = candidates[chosen]
    if expansion.kernel == "rbf":
        vectors = _moved(expansion, rows, target, vectors)
    vectors = vectors.astype(np.float32).astype(np.float64)  # as precise as the file that holds them
    weights, intercept = _ridge(expansion.matrix(rows, vectors), target)
    return expansion.replaced(vectors, weights, intercept)


def _forward_selection(columns: Floats, target: Floats, size: int) -> list[int]:
    """Numbers of at most `size` columns of (n_rows, n_columns), by orthogonal least squares on `target`."""
    left = columns - columns.mean(axis=0)
    residual = target - target.mean()
    first = (left**2).sum(axis=0)
    length = first.copy()
    free = length > 0
    chosen: list[int] = []
    while len(chosen) < size and free.any():
        gain = np.where(free, (residual @ left) ** 2 / np.where(free, length, 1.0), -1.0)
        best = int(gain.argmax())
        direction = left[:, best] / np.sqrt(length[best])
        chosen.append(best)
        residual = residual - direction * (direction @ residual)
        left -= np.outer(direction, direction @ left)
        length = (left**2).sum(axis=0)
        free &= length > 1e-10 * first  # the others are combinations of the chosen ones
        free[best] = False
    return chosen or [0]  # columns that do not vary: any of them says what all say


def _ridge_of(gram: Floats) -> float:
    """Ridge for a Gram matrix (n, n); 1 if it is zero."""
    length = float(np.trace(gram)) / len(gram)
    return _RIDGE * length if length > 0 else 1.0


def _ridge(columns: Floats, target: Floats) -> tuple[Floats, float]:
    """Weights (n_columns,) and intercept of a ridge regression of `target` (n_rows,)."""
    mean = columns.mean(axis=0)
    centred = columns - mean
    gram = centred.T @ centred
    gram.flat[:: len(gram) + 1] += _ridge_of(gram)
    weights = np.linalg.solve(gram, centred.T @ (target - target.mean()))
    return weights, float(target.mean() - mean @ weights)


def _moved(expansion: Expansion, rows: Floats, target: Floats, vectors: Floats) -> Floats:
    """Vectors (n_vectors, n_features) moved downhill in the squared error of the ridge fit (Gaussian kernel)."""
    gamma, shape = expansion.gamma, vectors.shape
    centred = target - target.mean()
    scale = float(centred @ centred)
    if scale == 0.0:
        return vectors

    def error(flat: Floats) -> tuple[float, Floats]:
        at = flat.reshape(shape)
        kernel = expansion.matrix(rows, at)
        columns = kernel - kernel.mean(axis=0)
        gram = columns.T @ columns
        ridge = _ridge_of(gram)
        gram.flat[:: len(gram) + 1] += ridge
        weights = np.linalg.solve(gram, columns.T @ centred)
        off = columns @ weights - centred
        # the weights are optimal, so they contribute nothing to the first derivative
        slope = 2.0 * np.outer(off - off.mean(), weights) * kernel
        gradient = 2.0 * gamma * (slope.T @ rows - slope.sum(axis=0)[:, None] * at)
        return float(off @ off + ridge * weights @ weights) / scale, gradient.ravel() / scale

    found = minimize(error, vectors.ravel(), jac=True, method="L-BFGS-B", options={"maxiter": _STEPS})
    moved = found.x.reshape(shape)
    return moved if np.isfinite(moved).all() else vectors


def _report(
    n_before: int, n_after: int, fidelity: float, reached: float, reason: str = "", guard: str = ""
) -> PruningReport:
    """One record per support vector."""
    pruned = n_after < n_before
    why = (reason or "a reduced set with refitted weights stands for it") if pruned else "every vector is needed"
    records = [
        PruningRecord(
            i, "merged" if pruned else "support vector", not pruned, why if pruned else "every vector is needed"
        )
        for i in range(n_before)
    ]
    figures = {
        "vectors_before": n_before,
        "vectors_after": n_after,
        "fidelity_required": float(fidelity),
        "fidelity_held_out": float(reached),
    }
    return PruningReport(records, subject="support vectors", guards=[guard] if guard else [], figures=figures)
