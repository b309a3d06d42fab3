"""Every public name is under contract, and every estimator keeps scikit-learn's checks."""

from __future__ import annotations

import warnings
from typing import Any

import pytest
from sklearn.exceptions import SkipTestWarning
from sklearn.utils.estimator_checks import check_estimator

from contract.refused_labels import refused_labels
from contract.subjects import (
    ALL_NAMES,
    ESTIMATORS,
    GROUPS,
    PUBLIC,
    SERIES_PRUNERS,
    TABLE_DETECTORS,
    TABLE_SELECTORS,
    build,
)

_ORDER = (
    "the order of the rows is the information of a series: the component of a row depends on its place in time, "
    "which a row without times has only relative to the fitted ones"
)
_OTHER_ROWS = (
    "rows without times whose values are not the fitted ones have no place in time: to transform them is an error"
)
_TIMED = {
    "check_methods_sample_order_invariance": _ORDER,
    "check_methods_subset_invariance": _ORDER,
    "check_fit_idempotent": _OTHER_ROWS,
}
_QUIET = (
    "the automatic threshold is passed with probability 0.001, so that 300 rows without anomalies have no outlier, "
    "and the check asks for both labels"
)
_WEIGHTS = (
    "a random subsample of the rows, or of rows with repeats, is another draw than one of the weighted rows; "
    "the wrapped scikit-learn class fails in the same way"
)
_WEIGHTED = {
    "check_sample_weight_equivalence_on_dense_data": _WEIGHTS,
    "check_sample_weight_equivalence_on_sparse_data": _WEIGHTS,
}
_SOLVER = (
    "weights and repeated rows are one problem to the solver in exact arithmetic only: its working sets differ, and "
    "scores differ by its tolerance"
)

EXPECTED: dict[str, dict[str, str]] = {
    "PrunedDetector": _WEIGHTED,
    "PrunedIsolationForest": _WEIGHTED,
    "PrunedPredictor": {
        "check_methods_sample_order_invariance": _ORDER,
        "check_methods_subset_invariance": _ORDER,
    },
    "PrunedOneClassSVM": {"check_sample_weight_equivalence_on_dense_data": _SOLVER},
    "SeriesCleaner": _TIMED,
    "SeriesDetector": {**_TIMED, "check_outliers_train": _QUIET, "check_outliers_fit_predict": _QUIET},
}


def test_every_public_name_is_under_contract() -> None:
    grouped = [name for group in GROUPS for name in group]
    assert len(grouped) == len(set(grouped))
    assert set(ALL_NAMES) == set(grouped)
    assert set(PUBLIC) == set(ALL_NAMES)


def failures(estimator: Any) -> dict[str, str]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SkipTestWarning)
        results = check_estimator(estimator, on_fail=None, on_skip=None)
    skipped = {r["check_name"] for r in results if r["status"] == "skipped"}
    assert skipped <= {"check_array_api_input"}  # needs an environment variable set before scipy is imported
    return {r["check_name"]: repr(r["exception"])[:300] for r in results if r["status"] == "failed"}


@pytest.mark.filterwarnings("ignore")  # the checks feed degenerate tables on purpose
@pytest.mark.parametrize("name", sorted(set(ESTIMATORS)))
def test_scikit_learn_checks(name: str) -> None:
    """Exactly the declared checks fail. Series pruners with their guard are the identity on noise: none fails."""
    failed = failures(build(name, **({"random_state": None} if name == "PrunedOneClassSVM" else {})))
    expected = EXPECTED.get(name, {}).keys()
    if name in TABLE_DETECTORS | TABLE_SELECTORS | {"PrunedPredictor"}:
        expected = expected | refused_labels(build(name)).keys()
    assert failed.keys() == expected, failed


@pytest.mark.filterwarnings("ignore")  # as above
@pytest.mark.parametrize(
    ("name", "parameters"),
    [("ComponentPruner", {"period": 5}), ("SeasonalPruner", {"period": 5}), ("TrendPruner", {})],
)
def test_scikit_learn_checks_of_pruners_that_remove_without_evidence(name: str, parameters: dict[str, Any]) -> None:
    """Here the order of the rows matters, and just the checks that shuffle, split and replace rows fail."""
    assert name in SERIES_PRUNERS
    failed = failures(ESTIMATORS[name](guard=None, **parameters))
    assert failed.keys() == _TIMED.keys(), failed


def test_expected_failures_have_reasons() -> None:
    for name, reasons in EXPECTED.items():
        assert name in TABLE_DETECTORS | {"PrunedPredictor", "SeriesCleaner", "SeriesDetector"}
        assert all(len(reason.split()) > 8 for reason in reasons.values())
