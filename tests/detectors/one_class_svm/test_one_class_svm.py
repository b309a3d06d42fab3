"""PrunedOneClassSVM: scikit-learn's scores without pruning, its ranking with few vectors."""

from __future__ import annotations

import numpy as np
import pytest
from contract.refused_labels import refused_labels
from sklearn.exceptions import ConvergenceWarning
from sklearn.svm import OneClassSVM
from sklearn.utils.estimator_checks import parametrize_with_checks

from detectors import PrunedIsolationForest, PrunedOneClassSVM
from detectors.exceptions import InvalidParameterError
from detectors.rank_correlation import rank_correlation

EXPECTED = {
    "check_sample_weight_equivalence_on_dense_data": (
        "libsvm stops within a tolerance of the optimum, at another point if rows are repeated than if they weigh more"
    )
}  # scikit-learn's own OneClassSVM is exempt for the same reason


@parametrize_with_checks(
    [PrunedOneClassSVM(prune_support_vectors=True)],  # the contract suite checks the defaults
    expected_failed_checks=lambda estimator: EXPECTED | refused_labels(estimator),
)
def test_estimator_checks(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(0)
    return rng.normal(size=(400, 4)) * rng.uniform(0.5, 2.0, size=(400, 1))


@pytest.mark.parametrize("kernel", ["rbf", "linear", "poly", "sigmoid"])
@pytest.mark.parametrize("gamma", ["scale", "auto", 0.2])
def test_without_pruning_it_is_scikit_learns(table, kernel, gamma):
    options = {"kernel": kernel, "gamma": gamma, "nu": 0.2, "coef0": 0.1, "degree": 2}
    plain = OneClassSVM(**options).fit(table)
    ours = PrunedOneClassSVM(**options, prune_features=False).fit(table)
    new = np.random.default_rng(1).normal(size=(60, 4)) * 2.0
    expected = plain.score_samples(new)
    np.testing.assert_allclose(ours.score_samples(new), expected, rtol=0, atol=1e-12 * max(1.0, abs(expected).max()))
    assert ours.offset_ == pytest.approx(plain.offset_[0])
    np.testing.assert_array_equal(ours.dual_coef_, plain.dual_coef_)


@pytest.mark.parametrize("kernel", ["rbf", "linear", "poly"])
def test_reduced_sets_rank_rows_as_before(table, kernel):
    whole, small = (
        PrunedOneClassSVM(kernel, prune_features=False, prune_support_vectors=p, random_state=0).fit(table[:300])
        for p in (False, True)
    )
    assert len(small.support_vectors_) < 0.5 * len(whole.support_vectors_)
    assert rank_correlation(small.score_samples(table[300:]), whole.score_samples(table[300:])) > 0.99
    assert small.model_report_.figures["vectors_after"] == len(small.support_vectors_)


def test_without_a_faithful_set_all_vectors_stay(table):
    few = PrunedOneClassSVM(prune_support_vectors=True, prune_features=False, random_state=0).fit(table[:20])
    assert few.model_report_.guards
    strict = PrunedOneClassSVM(prune_support_vectors=True, vector_fidelity=1.0, prune_features=False, random_state=0)
    assert strict.fit(table[:60]).model_report_.figures["vectors_before"] >= len(strict.support_vectors_)


def test_a_constant_table():
    model = PrunedOneClassSVM(prune_support_vectors=True, prune_features=False).fit(np.ones((60, 2)))
    assert np.isfinite(model.score_samples(np.zeros((2, 2)))).all()


def test_large_tables_are_fitted_by_subsamples_that_agree():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(3000, 2))
    whole = PrunedOneClassSVM(prune_features=False, random_state=0).fit(X)
    some = PrunedOneClassSVM(prune_features=False, max_fit_rows=1500, random_state=0).fit(X)
    figures = some.model_report_.figures
    assert figures["rows_given"] == 3000
    assert figures["rows_fitted"] <= 1500
    assert figures["reliability"] > 0.98
    assert rank_correlation(some.score_samples(X), whole.score_samples(X)) > 0.98
    assert (some.predict(X) == -1).mean() == pytest.approx(0.5, abs=0.02)
    weighted = PrunedOneClassSVM(prune_features=False, max_fit_rows=1000, random_state=0, gamma=0.3)
    assert np.isfinite(weighted.fit(X, sample_weight=np.ones(3000)).score_samples(X[:5])).all()


def test_threads_change_no_bit(table):
    models = [PrunedOneClassSVM(prune_features=False, n_jobs=n).fit(table) for n in (None, 2)]
    np.testing.assert_array_equal(*(m.score_samples(table) for m in models))


@pytest.mark.parametrize(
    ("name", "value"), [("kernel", "precomputed"), ("nu", 0.0), ("gamma", -1.0), ("max_fit_rows", 10), ("max_iter", -2)]
)
def test_parameters(table, name, value):
    with pytest.raises(InvalidParameterError, match=name):
        PrunedOneClassSVM().set_params(**{name: value}).fit(table)


@pytest.mark.parametrize("make", [PrunedOneClassSVM, PrunedIsolationForest])
def test_weights_whose_sum_is_no_number_are_refused(make):
    """libsvm wrote beyond its arrays and killed the process."""
    X = np.random.default_rng(0).normal(size=(50, 2))
    with pytest.raises(InvalidParameterError, match="sum of sample_weight must be finite"):
        make().fit(X, sample_weight=np.full(50, 1e308))


def test_weights_never_run_over_where_nu_is_one():
    """What rounding left of the sum was written beyond libsvm's arrays, one time in two."""
    rng = np.random.default_rng(0)
    X, weights = rng.normal(size=(200, 2)), rng.exponential(size=200)
    model = PrunedOneClassSVM(nu=1.0, prune_features=False, prune_support_vectors=False).fit(X, sample_weight=weights)
    nu, left = model.detector_.nu, 0.0
    for weight in weights:
        left += weight * nu
    for weight in weights[:-1]:
        left -= min(weight, left)
    assert left <= weights[-1]
    assert 1.0 - 1e-12 < nu < 1.0
    assert np.allclose(model.detector_.dual_coef_, weights[model.detector_.support_], rtol=1e-9)


@pytest.mark.parametrize("size", [1e14, 1e300])
def test_weights_that_the_solver_would_never_finish_with_are_refused(size):
    """libsvm compares sums of weights with `tol`: where their rounding is larger, it ran on for ever."""
    X = np.random.default_rng(0).normal(size=(60, 3))
    with pytest.raises(InvalidParameterError, match="divide the weights by their largest"):
        PrunedOneClassSVM().fit(X, sample_weight=np.full(60, size))
    one = PrunedOneClassSVM().fit(X, sample_weight=np.full(60, size) / size)
    assert np.isfinite(one.score_samples(X)).all()


def test_a_solver_that_does_not_get_there_is_stopped(monkeypatch):
    """scikit-learn's machine runs on for ever: nine rounded squares of 1e8 are not told apart at `tol`."""
    monkeypatch.setattr("detectors.one_class_svm.detector._MOST_ITERATIONS", 20_000)
    X = 1e8 * np.random.default_rng(0).normal(size=(60, 3))
    model = PrunedOneClassSVM("linear", prune_features=False)
    with pytest.warns(ConvergenceWarning, match="Solver terminated early"):
        model.fit(X)
    assert model.max_iter == model.detector_.max_iter == -1
    assert np.isfinite(model.score_samples(X)).all()


def test_nu_one_without_weights_has_a_threshold():
    X = np.random.default_rng(0).normal(size=(60, 3))
    model = PrunedOneClassSVM(nu=1.0).fit(X)
    assert np.isfinite(model.offset_)
    assert (model.predict(X) == -1).mean() > 0.9
