"""Engines: the outlier detectors of other libraries behind one sign and one seed.

Law: scores leave here with scikit-learn's sign, lower = more abnormal. A PyOD detector is recognised by what it has
(`decision_scores_`), never imported.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_random_state
from sklearn.utils.validation import _num_samples

from detectors.exceptions import InvalidParameterError
from detectors.parameters import Rule

__all__ = ["ENGINE", "FITTED", "checked_weights", "engine_offset", "engine_scores", "is_pyod", "seeded"]

Floats = NDArray[np.float64]

ENGINE = Rule(
    "an outlier detector (an instance with fit and score_samples or decision_function; scikit-learn's "
    "LocalOutlierFactor with novelty=True)",
    lambda value: (
        not isinstance(value, type)
        and hasattr(value, "fit")
        and (hasattr(value, "score_samples") or hasattr(value, "decision_function"))
    ),
)
FITTED = Rule(
    "a fitted outlier detector (an instance with score_samples or decision_function; scikit-learn's "
    "LocalOutlierFactor with novelty=True)",
    lambda value: (
        not isinstance(value, type) and (hasattr(value, "score_samples") or hasattr(value, "decision_function"))
    ),
)


def seeded(estimator: Any, random_state: Any) -> Any:
    """Give `random_state` to a fresh clone whose own one is None; returns the clone."""
    if random_state is None or "random_state" not in estimator.get_params(deep=False):
        return estimator
    if estimator.get_params(deep=False)["random_state"] is None:
        if isinstance(random_state, np.random.RandomState):
            random_state = int(check_random_state(random_state).randint(np.iinfo(np.int32).max))
        estimator.set_params(random_state=random_state)
    return estimator


def is_pyod(engine: Any) -> bool:
    """True for a fitted detector with PyOD's sign: higher = more abnormal."""
    return hasattr(engine, "decision_scores_")


def engine_scores(engine: Any, X: Any) -> Floats:
    """Scores (n_rows,) of a fitted engine with scikit-learn's sign."""
    if is_pyod(engine):
        return -np.asarray(engine.decision_function(X), dtype=np.float64).ravel()
    method = getattr(engine, "score_samples", None) or engine.decision_function
    return np.asarray(method(X), dtype=np.float64).ravel()


def engine_offset(engine: Any) -> float | None:
    """The engine's own threshold of `engine_scores`; None if it has none."""
    if is_pyod(engine):
        threshold = getattr(engine, "threshold_", None)
        return None if threshold is None else -float(np.asarray(threshold))
    if getattr(engine, "score_samples", None) is None:
        return 0.0  # scores come from decision_function, whose threshold is 0
    offset = getattr(engine, "offset_", None)
    if offset is None:  # a pipeline scores by its last step, a search by its best estimator
        steps = getattr(engine, "steps", None)
        inner = steps[-1][1] if steps else getattr(engine, "best_estimator_", None)
        return None if inner is None else engine_offset(inner)
    return None if offset is None else float(np.asarray(offset).ravel()[0])


def checked_weights(sample_weight: Any, X: Any) -> Floats:
    """Weights (n_rows,) of the rows of `X`, finite and non-negative."""
    weights = np.asarray(sample_weight, dtype=np.float64)
    n_rows = _num_samples(X)
    if weights.shape != (n_rows,) or not np.isfinite(weights).all() or (weights < 0).any() or not weights.any():
        raise InvalidParameterError(
            f"sample_weight must hold {n_rows} finite non-negative numbers that are not all zero (weights of zero "
            f"leave no row), got an array of shape {weights.shape}."
        )
    if weights.max() > np.finfo(np.float64).max / (2 * n_rows):  # libsvm writes past its arrays if the sum is none
        raise InvalidParameterError(
            f"the sum of sample_weight must be finite, got weights up to {weights.max():.3g} for {n_rows} rows; divide "
            "them by their largest."
        )
    return weights
