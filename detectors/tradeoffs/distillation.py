"""Distillation: a small fast student that ranks rows as a slow detector does.

Law: the student is judged on rows it was not fitted to; one that does not reach the fidelity asked for is refused.
Lower score = more abnormal, for teacher and student.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, OutlierMixin
from sklearn.ensemble import ExtraTreesRegressor
from sklearn.exceptions import NotFittedError
from sklearn.utils import check_array, check_random_state
from sklearn.utils.validation import validate_data

from detectors.exceptions import GuardError, InvalidTableError, StoredModelError
from detectors.isolation_forest.flat_forest import FlatForest
from detectors.parameters import check_value, integer, real
from detectors.rank_correlation import rank_correlation
from detectors.storage.archive import CONTRADICTIONS, read_model, stored_columns, write_model
from detectors.tables import check_magnitude, readable
from detectors.wrappers.engines import FITTED, engine_offset, engine_scores, is_pyod

__all__ = ["DistilledDetector", "distill"]

Floats = NDArray[np.float64]

_HELD_OUT = 0.3  # share of the rows that judge the student
_MOST = float(np.finfo(np.float32).max)  # of values and scores


class DistilledDetector(OutlierMixin, BaseEstimator):
    """A forest of regression trees that stands for another detector; made by `distill`.

    Attributes
    ----------
    forest_ : FlatForest
        The trees; the leaf values of a row add up to its score.
    fidelity_ : float
        Spearman correlation with the teacher on rows the student had not seen.
    offset_ : float
        `decision_function` is `score_samples` minus this; it gives as many outliers as the teacher's labels had.
    n_features_in_ : int
    """

    forest_: FlatForest
    fidelity_: float
    offset_: float
    n_features_in_: int

    def score_samples(self, X: Any) -> Floats:
        """Score rows in the teacher's units; lower = more abnormal.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features)

        Returns
        -------
        ndarray of shape (n_rows,)
        """
        self._check_made()
        rows = validate_data(self, readable(X), reset=False, dtype=np.float64, order="C")
        return self.forest_.sums(rows)

    def decision_function(self, X: Any) -> Floats:
        """Score rows relative to `offset_`: below 0 is an outlier.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features)

        Returns
        -------
        ndarray of shape (n_rows,)
        """
        return self.score_samples(X) - self.offset_

    def predict(self, X: Any) -> NDArray[np.int64]:
        """Label rows: -1 outlier, +1 inlier.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features)

        Returns
        -------
        ndarray of int of shape (n_rows,)
        """
        return np.where(self.decision_function(X) < 0, -1, 1)

    def save(self, path: Any) -> None:
        """Write the student to one file that holds numbers only.

        Parameters
        ----------
        path : path-like
        """
        self._check_made()
        names = getattr(self, "feature_names_in_", None)
        manifest = {
            "fidelity": self.fidelity_,
            "offset": self.offset_,
            "n_features": int(self.n_features_in_),
            "names": None if names is None else [str(n) for n in names],
        }
        write_model(path, type(self).__name__, manifest, self.forest_.compact())

    @classmethod
    def load(cls, path: Any) -> Self:
        """Read a student that `save` wrote; runs no code from the file.

        Parameters
        ----------
        path : path-like

        Raises
        ------
        StoredModelError
            If the file is foreign, damaged, or of another class.
        """
        manifest, arrays = read_model(path, cls.__name__)
        student = cls()
        try:
            if arrays["feature"].max(initial=0) >= int(manifest["n_features"]):  # the kernel would read behind the row
                raise ValueError(f"a tree looks at column {arrays['feature'].max()}")
            student._install(FlatForest.from_compact(arrays, 1.0), manifest)
        except CONTRADICTIONS as error:
            raise StoredModelError(f"{path}: the stored {cls.__name__} lacks what it needs: {error!r}.") from error
        return student

    def _check_made(self) -> None:
        """Refuse to score without a forest."""
        if not hasattr(self, "forest_"):
            raise NotFittedError("a DistilledDetector has no `fit`: make one with `distill`, or `load` one.")

    def _install(self, forest: FlatForest, manifest: Mapping[str, Any]) -> None:
        """Set the fitted attributes."""
        self.forest_ = forest
        self.fidelity_ = float(manifest["fidelity"])
        self.offset_ = float(manifest["offset"])
        self.n_features_in_, names = stored_columns(manifest)
        if names is not None:
            self.feature_names_in_ = names


def distill(
    detector: Any,
    X: Any,
    *,
    n_estimators: int = 100,
    max_depth: int = 14,
    min_fidelity: float = 0.9,
    n_synthetic: int = 5000,
    random_state: Any = None,
) -> DistilledDetector:
    """Fit a small fast student to the scores of a fitted detector.

    The student is a forest of extremely randomised regression trees, fitted to the teacher's scores of 70 % of the
    rows and of points between and around them (the teacher can be asked anywhere), and judged on the other 30 %.

    Parameters
    ----------
    detector : fitted detector
        Of this package, scikit-learn or PyOD (its sign is turned); anything with `score_samples` or
        `decision_function`.
    X : array-like of shape (n_rows, n_features)
        Rows without NaN, at least 20, best those the detector was fitted on. Columns have to be those of the detector
        in their order; names are compared if both have them, and the student has those of `X`.
    n_estimators : int >= 1
        Trees of the student.
    max_depth : int >= 1
        Decisions on the way down a tree.
    min_fidelity : float in [-1, 1]
        Least Spearman correlation with the teacher on the rows that judge.
    n_synthetic : int >= 0
        Points that the teacher is asked about beside the rows.
    random_state : None, int or RandomState

    Returns
    -------
    DistilledDetector

    Raises
    ------
    GuardError
        If the student ranks the held-out rows less like the teacher than `min_fidelity`.
    InvalidTableError
        If there are fewer than 20 rows, or the detector cannot give every one a finite score.
    InvalidParameterError
        If a parameter breaks its rule.

    References
    ----------
    .. [1] Bucila, Caruana, Niculescu-Mizil: Model compression. KDD 2006, section 2 (points made up for the teacher).
    .. [2] Geurts, Ernst, Wehenkel: Extremely randomized trees. Machine Learning 63(1), 2006.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.neighbors import LocalOutlierFactor
    >>> from detectors import distill
    >>> X = np.random.default_rng(0).normal(size=(600, 3))
    >>> teacher = LocalOutlierFactor(100, novelty=True).fit(X)
    >>> student = distill(teacher, X, random_state=0)
    >>> student.fidelity_ > 0.9
    True
    """
    for name, value, rule in (
        ("n_estimators", n_estimators, integer(1)),
        ("max_depth", max_depth, integer(1)),
        ("min_fidelity", min_fidelity, real(-1.0, 1.0)),
        ("n_synthetic", n_synthetic, integer(0)),
    ):
        check_value(name, value, rule, owner="distill")
    check_value("detector", detector, FITTED, owner="distill")
    X = readable(X)
    student = DistilledDetector()
    rows = check_array(X, dtype=np.float64, order="C")
    if len(rows) < 20:
        raise InvalidTableError(f"distill needs at least 20 rows to fit and to judge a student, got {len(rows)}.")
    check_magnitude(rows, _MOST, "as trees are grown in single precision")
    validate_data(student, X, dtype=np.float64)  # remembers width and names
    names = getattr(student, "feature_names_in_", None)
    columns = _asked_names(detector, names)
    rng = check_random_state(random_state)
    order = rng.permutation(len(rows))
    n_held = int(np.ceil(_HELD_OUT * len(rows)))
    held, used = rows[order[:n_held]], rows[order[n_held:]]

    asked = np.vstack([used, _made_up(used, n_synthetic, rng)])
    scores = _told(detector, asked, columns)
    trees = ExtraTreesRegressor(
        n_estimators, max_depth=max_depth, min_samples_leaf=2, max_features=None, random_state=rng
    )
    trees.fit(asked, scores)
    forest = _flattened(trees)
    target = _told(detector, held, columns)
    fidelity = rank_correlation(forest.sums(held), target)
    if fidelity < min_fidelity:
        raise GuardError(
            f"the student must rank held-out rows with Spearman correlation {min_fidelity:g}, it reaches "
            f"{fidelity:.3f}; allow more trees, more depth or more synthetic points, or accept a lower min_fidelity."
        )
    share = _outlier_share(detector, _told(detector, rows, columns))
    own = forest.sums(rows)
    offset = float(np.quantile(own, share)) if share > 0 else float(np.nextafter(own.min(), -np.inf))
    stored = None if names is None else list(names)
    manifest = {"fidelity": fidelity, "offset": offset, "n_features": rows.shape[1], "names": stored}
    student._install(forest, manifest)
    return student


def _asked_names(detector: Any, names: NDArray[Any] | None) -> NDArray[Any] | None:
    """Names (n_features,) to ask the teacher with: those it was fitted with, none if it was fitted without."""
    own = getattr(detector, "feature_names_in_", None)
    if own is not None:
        return np.asarray(own) if names is None else names  # names that differ are for the teacher to refuse
    return None if is_pyod(detector) or hasattr(detector, "n_features_in_") else names


def _told(detector: Any, points: Floats, columns: NDArray[Any] | None) -> Floats:
    """Finite scores (n_points,) of the teacher, asked with the column names it knows."""
    width = len(points[0]) if columns is None else len(columns)
    if width != points.shape[1]:
        raise InvalidTableError(
            f"X must have the {width} features that the {type(detector).__name__} was fitted with, got "
            f"{points.shape[1]}; pass all of them, in their order."
        )
    asked = points if columns is None else pd.DataFrame(points, columns=columns)
    with warnings.catch_warnings():  # scikit-learn's local outlier factor drops the names that it asks for afterwards
        warnings.filterwarnings("ignore", "X does not have valid feature names", UserWarning)
        scores = engine_scores(detector, asked)
    if scores.shape != (len(points),) or not (np.abs(scores) <= _MOST).all():
        odd = f"{scores.size} scores" if scores.shape != (len(points),) else f"{scores[~(np.abs(scores) <= _MOST)][0]}"
        raise InvalidTableError(
            f"the teacher must give every row one finite score, at most {_MOST:.3g} in size, got {odd} for "
            f"{len(points)} rows from {type(detector).__name__}; mend the detector, or leave out what it cannot score."
        )
    return scores


def _made_up(rows: Floats, n_points: int, rng: np.random.RandomState) -> Floats:
    """Points (n_points, n_features): half on lines between rows, half rows with some values of other rows."""
    n_rows, n_features = rows.shape
    one, two = rng.randint(n_rows, size=(2, n_points))
    between = rows[one] + rng.uniform(size=(n_points, 1)) * (rows[two] - rows[one])
    mixed = np.where(rng.uniform(size=(n_points, n_features)) < 0.5, rows[one], rows[two])
    return np.asarray(np.where((np.arange(n_points) % 2 == 0)[:, None], between, mixed))


def _outlier_share(detector: Any, scores: Floats) -> float:
    """Share of rows that the teacher itself calls outliers; 0.1 if it has no threshold."""
    offset = engine_offset(detector)
    return 0.1 if offset is None else float((scores < offset).mean())


def _flattened(trees: Any) -> FlatForest:
    """Regression trees as a flat forest whose leaf values add up to the mean prediction."""
    parts: list[list[Any]] = [[], [], [], []]
    roots, heights, offset = [], [], 0
    for estimator in trees.estimators_:
        tree = estimator.tree_
        leaf = tree.children_left < 0
        children = np.column_stack([tree.children_left, tree.children_right])
        child = np.where(leaf[:, None], np.arange(tree.node_count)[:, None], children) + offset
        threshold = tree.threshold.astype(np.float32)
        above = threshold > tree.threshold
        threshold[above] = np.nextafter(threshold[above], np.float32(-np.inf))
        value = np.where(leaf, tree.value[:, 0, 0] / len(trees.estimators_), 0.0).astype(np.float32)
        arrays = (np.where(leaf, 0, tree.feature), np.where(leaf, np.float32(0), threshold), child, value)
        for part, array in zip(parts, arrays, strict=True):
            part.append(array)
        roots.append(offset)
        heights.append(tree.max_depth)
        offset += tree.node_count
    feature, thresholds, child_, values = (np.concatenate(part) for part in parts)
    return FlatForest(
        feature.astype(np.uint32),
        thresholds.astype(np.float32),
        child_.astype(np.uint32).ravel(),
        np.zeros(offset, dtype=np.uint8),
        values.astype(np.float64),
        np.array(roots, dtype=np.int64),
        np.array(heights, dtype=np.int64),
        1.0,
    )
