"""Checks of scikit-learn that pass class labels 0 and 1, which label-aware estimators of tables refuse."""

from __future__ import annotations

import inspect
from typing import Any

from sklearn.utils import estimator_checks, get_tags

TWO_READINGS = (
    "the check passes y of only 0 and 1; here y says which rows are anomalies (-1, +1, 0), and 1 could mean either, so "
    "it is refused"
)
_EVERYWHERE = (
    "check_pipeline_consistency", "check_estimators_pickle", "check_fit_idempotent", "check_fit_check_is_fitted",
    "check_n_features_in",
)  # fmt: skip
_TRANSFORMERS = (
    "check_transformer_data_not_an_array", "check_transformer_general", "check_transformer_preserve_dtypes",
)  # fmt: skip


def refused_labels(estimator: Any) -> dict[str, str]:
    """Names of the checks and the reason."""
    names = [*_EVERYWHERE, *(_TRANSFORMERS if hasattr(estimator, "transform") else ())]
    if "high=2" in inspect.getsource(estimator_checks.check_n_features_in_after_fitting):  # older ones draw two classes
        names.append("check_n_features_in_after_fitting")
    if not get_tags(estimator).input_tags.allow_nan:
        names.append("check_estimators_nan_inf")
    return dict.fromkeys(names, TWO_READINGS)
