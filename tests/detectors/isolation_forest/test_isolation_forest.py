"""PrunedIsolationForest: scikit-learn's scores without pruning, its ranking with it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from contract.refused_labels import refused_labels
from scipy import sparse
from sklearn.base import clone
from sklearn.ensemble import IsolationForest
from sklearn.utils.estimator_checks import parametrize_with_checks

from detectors import PrunedIsolationForest
from detectors.exceptions import InvalidParameterError
from detectors.rank_correlation import rank_correlation

RANDOM_DRAW = (
    "the weights of an isolation forest are probabilities of a random draw of rows: repeating a row changes the draw"
)
EXPECTED = {
    f"check_sample_weight_equivalence_on_{kind}_data": RANDOM_DRAW for kind in ("dense", "sparse")
}  # scikit-learn's own IsolationForest is exempt for the same reason


@parametrize_with_checks(
    [PrunedIsolationForest(10, prune_trees=True, reliability=0.9)],  # the contract suite checks the defaults
    expected_failed_checks=lambda estimator: EXPECTED | refused_labels(estimator),
)
def test_estimator_checks(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(0)
    return rng.normal(size=(300, 5)) * rng.uniform(0.5, 2.0, size=(300, 1))


@pytest.mark.parametrize(
    "options",
    [{}, {"max_samples": 64, "max_features": 0.6, "bootstrap": True}, {"max_samples": 0.5, "contamination": 0.1}],
)
def test_without_pruning_it_is_scikit_learns(table, options):
    plain = IsolationForest(n_estimators=30, random_state=1, **options).fit(table)
    ours = PrunedIsolationForest(30, random_state=1, prune_features=False, **options).fit(table)
    new = np.random.default_rng(1).normal(size=(50, 5)) * 2.0
    np.testing.assert_allclose(ours.score_samples(new), plain.score_samples(new), rtol=0, atol=1e-12)
    assert ours.offset_ == pytest.approx(plain.offset_, abs=1e-12)
    assert ours.n_nodes_ == sum(t.tree_.node_count for t in plain.estimators_)


@pytest.mark.parametrize("seed", [0, 1])
def test_pruned_trees_rank_rows_as_before(table, seed):
    whole, small = (
        PrunedIsolationForest(100, prune_features=False, prune_trees=p, random_state=seed).fit(table[:200])
        for p in (False, True)
    )
    assert small.n_nodes_ < 0.5 * whole.n_nodes_
    figures = small.model_report_.figures
    assert figures["nodes_before"] == whole.n_nodes_
    assert figures["nodes_after"] == small.n_nodes_
    assert figures["fidelity_held_out"] >= 0.995
    assert rank_correlation(small.score_samples(table[200:]), whole.score_samples(table[200:])) > 0.98
    assert len(small.model_report_) == 100


def test_the_fast_door_and_the_ordinary_one_agree(table):
    X = np.hstack([table, np.random.default_rng(2).uniform(size=(300, 4))])
    model = PrunedIsolationForest(20, random_state=0).fit(X)
    fast = model.score_samples(X)
    np.testing.assert_array_equal(fast, model.score_samples(X.tolist()))
    np.testing.assert_array_equal(fast, model.score_samples(np.asfortranarray(X)))
    np.testing.assert_array_equal(fast, np.concatenate([model.score_samples(X[i : i + 1]) for i in range(300)]))
    with pytest.raises(ValueError, match="infinity"):
        model.score_samples(np.where(X > 2.5, np.inf, X))
    with pytest.raises(ValueError, match="9 features"):
        model.score_samples(X[:, :3].copy())
    X[0, 0] = np.nan
    assert np.isfinite(model.score_samples(X)).all()


def test_names_are_checked(table):
    frame = pd.DataFrame(table, columns=list("abcde"))
    model = PrunedIsolationForest(10, random_state=0).fit(frame)
    with pytest.raises(ValueError, match="feature names"):
        model.score_samples(frame[list("edcba")])
    with pytest.warns(UserWarning, match="feature names"):
        model.score_samples(table)


def test_threads_change_no_bit(table):
    models = [PrunedIsolationForest(20, prune_features=False, random_state=0, n_jobs=n).fit(table) for n in (None, 2)]
    np.testing.assert_array_equal(*(m.score_samples(np.tile(table, (2, 1))) for m in models))


def test_sparse_rows(table):
    X = np.where(table > 0.5, table, 0.0)
    model, dense = (
        PrunedIsolationForest(20, prune_features=False, random_state=0, prune_trees=True).fit(Z)
        for Z in (sparse.csr_matrix(X), X)
    )
    np.testing.assert_array_equal(model.score_samples(sparse.csr_matrix(X)), model.score_samples(X))
    assert rank_correlation(model.score_samples(X), dense.score_samples(X)) > 0.5


def test_growth_stops_when_the_ranking_is_reliable(table):
    model = PrunedIsolationForest(500, prune_features=False, reliability=0.9, random_state=0).fit(table)
    figures = model.model_report_.figures
    assert 20 <= figures["trees_grown"] < 500
    assert figures["reliability"] >= 0.9
    assert model.n_trees_ == figures["trees_grown"]
    never = PrunedIsolationForest(25, prune_features=False, reliability=0.99999, random_state=0).fit(table)
    assert never.n_trees_ == 25
    one = PrunedIsolationForest(1, prune_features=False, reliability=0.9, random_state=0).fit(table)
    assert one.model_report_.figures["reliability"] == 0.0


@pytest.mark.parametrize("options", [{"prune_features": False}, {"prune_trees": True, "max_samples": 32}])
def test_warm_start_adds_trees_to_those_grown(table, options):
    once = PrunedIsolationForest(30, random_state=1, **options).fit(table)
    twice = PrunedIsolationForest(10, random_state=1, warm_start=True, **options).fit(table)
    first = twice.detector_.estimators_
    twice.set_params(n_estimators=30).fit(table)
    assert twice.detector_.estimators_[:10] == first[:10]
    np.testing.assert_array_equal(twice.score_samples(table), once.score_samples(table))
    with pytest.raises(ValueError, match="n_estimators=5"):
        twice.set_params(n_estimators=5).fit(table)


def test_warm_start_continues_towards_a_reliability(table):
    model = PrunedIsolationForest(300, prune_features=False, reliability=0.8, warm_start=True, random_state=0).fit(
        table
    )
    before = len(model.detector_.estimators_)
    model.set_params(reliability=0.97).fit(table)
    assert before < len(model.detector_.estimators_) < 300
    assert model.n_trees_ == len(model.detector_.estimators_)
    assert model.n_estimators == 300


def test_warm_start_does_not_mix_forests(table, tmp_path):
    model = PrunedIsolationForest(10, warm_start=True, random_state=0).fit(table)
    assert model.support_.all()
    constant = np.where(np.arange(5) == 2, 1.0, table)
    with pytest.raises(InvalidParameterError, match=r"\[0, 1, 2, 3, 4\] then, \[0, 1, 3, 4\] now"):
        model.fit(constant)
    model = PrunedIsolationForest(10, warm_start=True, random_state=0).fit(table)
    model.save(tmp_path / "forest")
    with pytest.raises(InvalidParameterError, match="loaded"):
        PrunedIsolationForest.load(tmp_path / "forest").fit(table)


@pytest.mark.parametrize(
    ("name", "value"),
    [("n_estimators", 0), ("max_samples", "all"), ("tree_fidelity", 0.0), ("prune_trees", 1), ("reliability", 1.0)],
)
def test_parameters(table, name, value):
    with pytest.raises(InvalidParameterError, match=name):
        clone(PrunedIsolationForest()).set_params(**{name: value}).fit(table)


def test_features_per_tree_are_bounded_by_those_kept(table):
    rng = np.random.default_rng(3)
    dependent = rng.standard_t(3, size=(300, 1)) + 0.3 * rng.normal(size=(300, 3))
    n_features = table.shape[1]
    X = np.hstack([dependent, rng.uniform(size=(300, n_features + 1))])
    model = PrunedIsolationForest(10, max_features=n_features + 4, random_state=0).fit(X)
    n_kept = int(model.support_.sum())
    assert n_kept < n_features + 4
    assert {len(used) for used in model.detector_.estimators_features_} == {n_kept}
    assert model.get_params()["max_features"] == n_features + 4
    with pytest.raises(InvalidParameterError, match=f"at most the number of features, {n_features}, got 100"):
        PrunedIsolationForest(5, max_features=100).fit(table)


def test_one_feature_per_tree_is_not_all_of_them(table):
    model = PrunedIsolationForest(10, max_features=1, random_state=0).fit(table)
    assert model.view_detector_ is None
    assert {len(used) for used in model.detector_.estimators_features_} == {1}


@pytest.mark.parametrize("max_samples", ["auto", 100, 0.5])
def test_too_few_rows_of_any_weight_are_told(table, max_samples):
    weights = (np.arange(len(table)) < 20).astype(float)
    model = PrunedIsolationForest(5, max_samples=max_samples, random_state=0)
    with pytest.raises(InvalidParameterError, match="got 20 positive ones; set a smaller max_samples"):
        model.fit(table, sample_weight=weights)
    for remedy in ({"max_samples": 20}, {"bootstrap": True}):
        fitted = model.set_params(**remedy).fit(table, sample_weight=weights)
        assert np.isfinite(fitted.score_samples(table)).all()
