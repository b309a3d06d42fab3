"""Tree pruning: what goes, what must not."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.ensemble import IsolationForest

from detectors.isolation_forest.flat_forest import FlatForest
from detectors.isolation_forest.tree_pruning import prune_forest
from detectors.rank_correlation import rank_correlation


@pytest.fixture(scope="module")
def grown():
    X = np.random.default_rng(0).normal(size=(200, 3))
    return X, FlatForest.from_sklearn(IsolationForest(n_estimators=40, random_state=0).fit(X))


def test_collapse_by_hand():
    # two trees of three nodes; the second collapses into its root and leaves a constant behind
    forest = FlatForest(
        np.zeros(6, np.uint32),
        np.zeros(6, np.float32),
        np.array([1, 2, 1, 1, 2, 2, 4, 5, 4, 4, 5, 5], np.uint32),
        np.zeros(6, np.uint8),
        np.array([0.0, 1.0, 2.0, 0.0, 5.0, 7.0]),
        np.array([0, 3]),
        np.array([1, 1]),
        2.0,
    )
    ends = forest.is_leaf.copy()
    ends[3] = True
    small = forest.collapsed(ends, np.where(np.arange(6) == 3, 6.0, forest.value))
    assert small.n_nodes == 3
    rows = np.array([[-1.0], [1.0]])
    np.testing.assert_allclose(small.scores(rows), -(2.0 ** -(np.array([7.0, 8.0]) / 2.0)))


def test_fidelity_is_kept_or_nothing_goes(grown):
    X, forest = grown
    rng = np.random.RandomState(0)
    sizes = []
    for fidelity in (0.9, 0.99, 0.999):
        small, report = prune_forest(forest, X, fidelity=fidelity, random_state=rng)
        assert report.figures["fidelity_held_out"] >= fidelity
        assert rank_correlation(small.scores(X), forest.scores(X)) >= fidelity
        sizes.append(small.n_nodes)
        back = FlatForest.from_compact(small.compact(), small.normaliser)
        np.testing.assert_array_equal(back.scores(X), small.scores(X))
        np.testing.assert_array_equal(small.leaves(X) < small.n_nodes, True)
    assert sizes == sorted(sizes)


def test_too_few_rows_to_judge(grown):
    X, forest = grown
    same, report = prune_forest(forest, X[:8], fidelity=0.9, random_state=np.random.RandomState(0))
    assert same is forest
    assert "fewer than 10 rows" in report.guards[0]


def test_a_stump_cannot_shrink():
    X = np.repeat([[0.0], [1.0]], 20, axis=0)
    forest = FlatForest.from_sklearn(IsolationForest(n_estimators=1, max_samples=2, random_state=0).fit(X))
    same, report = prune_forest(forest, X, fidelity=0.5, random_state=np.random.RandomState(0))
    assert same is forest
    assert report.guards
    assert not report.removed


def test_compact_arrays_that_describe_no_forest(grown):
    _, forest = grown
    arrays = forest.compact()
    assert arrays["feature"].dtype == np.uint8
    arrays["n_nodes"] = arrays["n_nodes"] - 1
    with pytest.raises(ValueError, match="no forest"):
        FlatForest.from_compact(arrays, 1.0)


def test_rank_correlation():
    a = np.array([1.0, 2.0, 3.0, 4.0])
    assert rank_correlation(a, a**3) == pytest.approx(1.0)
    assert rank_correlation(a, -a) == pytest.approx(-1.0)
    assert rank_correlation(a, np.ones(4)) == 0.0
    assert rank_correlation(np.ones(4), np.ones(4)) == 1.0
