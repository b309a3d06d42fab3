"""PrunedLOF: scikit-learn's factors without pruning, unmasked anomalies with it."""

from __future__ import annotations

import numpy as np
import pytest
from contract.refused_labels import refused_labels
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.naive_lof import factors
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import LocalOutlierFactor
from sklearn.utils.estimator_checks import parametrize_with_checks

from detectors import PrunedLOF, RowPruner
from detectors.exceptions import InvalidParameterError, StoredModelError


@parametrize_with_checks(
    [PrunedLOF(5, prune_rows=False)],  # the contract suite checks the defaults
    expected_failed_checks=refused_labels,
)
def test_estimator_checks(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def masked():
    """Usual rows and 30 anomalies that lie together: more than the 20 neighbours see through."""
    rng = np.random.default_rng(0)
    X = np.vstack([rng.normal(size=(570, 4)), rng.normal(4.0, 0.2, size=(30, 4))])
    return X, np.arange(600) >= 570


@pytest.mark.parametrize("n_features", [3, 20])
@pytest.mark.parametrize(
    "options", [{}, {"p": 1}, {"metric": "chebyshev"}, {"p": 3, "n_neighbors": 7}, {"algorithm": "kd_tree"}]
)
def test_without_pruning_it_is_scikit_learns(n_features, options):
    rng = np.random.default_rng(1)
    X, new = rng.normal(size=(150, n_features)), rng.normal(size=(40, n_features)) * 2.0
    plain = LocalOutlierFactor(novelty=True, **options).fit(X)
    ours = PrunedLOF(prune_features=False, prune_rows=False, **options).fit(X)
    np.testing.assert_allclose(ours.score_samples(new), plain.score_samples(new), rtol=1e-12)
    np.testing.assert_array_equal(ours.negative_outlier_factor_, plain.negative_outlier_factor_)
    assert ours.offset_ == plain.offset_
    assert ours.support_rows_.all()
    assert ours.n_neighbors_ == plain.n_neighbors_


def test_clustered_anomalies_stop_masking_each_other(masked):
    X, y = masked
    whole, pruned = (PrunedLOF(prune_features=False, prune_rows=p).fit(X) for p in (False, True))
    assert roc_auc_score(y, -whole.negative_outlier_factor_) < 0.9
    assert roc_auc_score(y, -pruned.negative_outlier_factor_) > 0.99
    assert not pruned.support_rows_[y].any()
    assert pruned.n_samples_fit_ == pruned.support_rows_.sum()
    assert len(pruned.model_report_) == 600


def test_pruned_scores_follow_the_definition(masked):
    X, _ = masked
    model = PrunedLOF(8, prune_features=False).fit(X)
    reference = model.reference_
    expected = factors(X[:20], reference.rows.T, 8, 2.0, reference.floor)
    np.testing.assert_allclose(model.score_samples(X[:20]), expected, rtol=1e-10)
    gone = ~model.support_rows_
    assert gone.any()
    np.testing.assert_array_equal(model.negative_outlier_factor_[gone], model.score_samples(X[gone].copy()))


def test_repeated_rows_are_not_infinitely_dense():
    rng = np.random.default_rng(2)
    X = np.vstack([np.repeat(rng.normal(size=(5, 3)), 40, axis=0), rng.normal(size=(100, 3))])
    assert np.isfinite(PrunedLOF(10, prune_features=False).fit(X).negative_outlier_factor_).all()
    assert PrunedLOF(10, prune_features=False).fit(X).negative_outlier_factor_.min() > -1e3
    constant = PrunedLOF(5, prune_features=False).fit(np.ones((30, 2)))
    np.testing.assert_allclose(constant.score_samples(np.ones((3, 2))), -1.0)


def test_threads_change_no_bit(masked):
    X, _ = masked
    models = [PrunedLOF(prune_features=False, n_jobs=n).fit(X) for n in (None, 2)]
    np.testing.assert_array_equal(*(m.score_samples(X) for m in models))


def test_large_tables_are_condensed():
    X = np.random.default_rng(3).normal(size=(2300, 2))
    model = PrunedLOF(prune_features=False, max_reference_rows=200, random_state=0).fit(X)
    assert model.n_samples_fit_ == 200
    assert "condensed" in model.model_report_.summary()
    again = PrunedLOF(prune_features=False, max_reference_rows=200, random_state=0).fit(X)
    np.testing.assert_array_equal(model.score_samples(X), again.score_samples(X))


def test_contamination_is_the_share_that_predict_reports(masked):
    X, _ = masked
    model = PrunedLOF(contamination=0.05, prune_features=False)
    assert (model.fit_predict(X) == -1).sum() == 30


def test_more_neighbours_than_rows():
    X = np.random.default_rng(4).normal(size=(12, 2))
    assert PrunedLOF(50, prune_features=False).fit(X).n_neighbors_ == 11


@settings(max_examples=15, deadline=None)
@given(st.floats(-50.0, 50.0), st.floats(0.1, 10.0), st.integers(0, 100))
def test_shift_and_scale_change_nothing(shift, scale, seed):
    X = np.random.default_rng(seed).normal(size=(60, 3))
    one = PrunedLOF(5, prune_features=False).fit(X)
    other = PrunedLOF(5, prune_features=False).fit(X * scale + shift)
    np.testing.assert_allclose(one.negative_outlier_factor_, other.negative_outlier_factor_, rtol=1e-4)


@pytest.mark.parametrize(
    ("name", "value"), [("n_neighbors", 0), ("metric", "nonsense"), ("p", 0.5), ("metric_params", 3), ("prune_rows", 2)]
)
def test_parameters(masked, name, value):
    with pytest.raises(InvalidParameterError, match=name):
        PrunedLOF().set_params(**{name: value}).fit(masked[0])


def _largest_gap(one, other):
    return float(np.abs(one - other).max())


FOREIGN = [
    {"metric": "cosine"},
    {"metric": "canberra"},
    {"metric": _largest_gap},
    {"metric": "seuclidean", "metric_params": {"V": [1.0, 2.0, 3.0]}},
    {"metric": "minkowski", "metric_params": {"w": np.array([1.0, 2.0, 3.0])}},
]


@pytest.mark.parametrize("options", FOREIGN)
def test_other_distances_are_scikit_learns_too(options):
    rng = np.random.default_rng(2)
    X, new = rng.normal(size=(80, 3)), rng.normal(size=(20, 3)) * 2.0
    plain = LocalOutlierFactor(5, novelty=True, **options).fit(X)
    ours = PrunedLOF(5, prune_features=False, prune_rows=False, **options).fit(X)
    np.testing.assert_allclose(ours.score_samples(new), plain.score_samples(new), rtol=1e-12)
    np.testing.assert_allclose(ours.negative_outlier_factor_, plain.negative_outlier_factor_, rtol=1e-12)


@pytest.mark.parametrize("prune_rows", [True, False])
def test_a_distance_by_name_and_as_a_function_prune_alike(masked, prune_rows, tmp_path):
    X = masked[0][315:585]
    named, function = (
        PrunedLOF(8, metric=m, prune_features=False, prune_rows=prune_rows, random_state=0).fit(X)
        for m in ("chebyshev", _largest_gap)
    )
    np.testing.assert_array_equal(named.support_rows_, function.support_rows_)
    assert named.support_rows_.all() != prune_rows
    np.testing.assert_allclose(named.negative_outlier_factor_, function.negative_outlier_factor_, rtol=1e-9)
    np.testing.assert_allclose(named.score_samples(X + 0.01), function.score_samples(X + 0.01), rtol=1e-6)
    with pytest.raises(StoredModelError, match="metric"):
        function.save(tmp_path / "function")
    cosine = PrunedLOF(8, metric="cosine", prune_features=False, prune_rows=prune_rows, random_state=0).fit(X)
    cosine.save(tmp_path / "cosine")
    np.testing.assert_array_equal(PrunedLOF.load(tmp_path / "cosine").score_samples(X), cosine.score_samples(X))


def test_rows_suspected_under_a_distance_that_only_scikit_learn_knows():
    """Directions: lengths mean nothing, a bundle of 20 other directions is suspected."""
    rng = np.random.default_rng(3)
    usual = np.array([1.0, 0.0, 0.0]) + 0.3 * rng.normal(size=(280, 3))
    other = np.array([0.0, 0.0, 1.0]) + 0.02 * rng.normal(size=(20, 3))
    X = np.vstack([usual, other]) * rng.uniform(1.0, 100.0, size=(300, 1))
    pruner = RowPruner(metric="cosine", random_state=0).fit(X)
    assert not pruner.support_rows_[280:].any()
    assert pruner.support_rows_[:280].mean() > 0.8
    assert not np.array_equal(RowPruner(random_state=0).fit(X).support_rows_, pruner.support_rows_)


@pytest.mark.parametrize("metric", ["precomputed", "nonsense", 3])
def test_what_is_no_distance_of_rows(metric):
    with pytest.raises(InvalidParameterError, match="a distance that scikit-learn's neighbours know by name"):
        PrunedLOF(metric=metric).fit(np.eye(30))


def test_code_written_for_scikit_learn_works_with_its_novelty(masked):
    X, _ = masked
    new = X[::7] + 0.1
    for contamination in ("auto", 0.1):
        plain = LocalOutlierFactor(contamination=contamination)
        ours = PrunedLOF(prune_features=False, prune_rows=False, contamination=contamination, novelty=False)
        np.testing.assert_array_equal(ours.fit_predict(X), plain.fit_predict(X))
        assert ours.offset_ == plain.offset_
        plain = LocalOutlierFactor(contamination=contamination, novelty=True).fit(X)
        np.testing.assert_allclose(ours.score_samples(new), plain.score_samples(new), rtol=1e-12)
        np.testing.assert_array_equal(ours.predict(new), plain.predict(new))
    as_new = PrunedLOF(prune_features=False, prune_rows=False, contamination=0.1)
    np.testing.assert_array_equal(as_new.fit_predict(X), as_new.predict(X))
