"""Forest kernels against the forest by the book."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from reference.naive_forest import mean_path_length as naive_length
from reference.naive_forest import path_length, score
from sklearn.ensemble import IsolationForest

from detectors.isolation_forest.flat_forest import FlatForest, mean_path_length
from detectors.isolation_forest.kernels.forest import collapse_costs, preorder_links
from detectors.isolation_forest.kernels.packed_forest import (
    pack_forest,
    packed_depths,
    packed_scores,
    packed_scores_parallel,
)
from detectors.kernels.finite import all_finite, no_infinity


@pytest.fixture(scope="module")
def grown():
    rng = np.random.default_rng(3)
    X = rng.normal(size=(40, 3))
    model = IsolationForest(n_estimators=6, max_samples=16, random_state=0).fit(X)
    names = ("children_left", "children_right", "feature", "threshold", "n_node_samples")
    trees = [{name: getattr(t.tree_, name) for name in names} for t in model.estimators_]
    return X, model, FlatForest.from_sklearn(model), trees


def test_scores_are_those_of_the_book(grown):
    X, _, forest, trees = grown
    narrow = X.astype(np.float32)
    expected = [score(trees, row, 16) for row in narrow]
    np.testing.assert_allclose(forest.scores(X), expected, rtol=1e-12)


def test_scores_are_those_of_scikit_learn(grown):
    X, model, forest, _ = grown
    new = np.random.default_rng(4).normal(size=(150, 3)) * 3.0
    for rows in (X, new, new[:1], new[:5]):
        np.testing.assert_allclose(forest.scores(rows), model.score_samples(rows), rtol=0, atol=1e-12)


def scored(kernel, rows, words):
    out = np.empty(len(rows))
    assert kernel(rows, words, out) is not False
    return out


def packed(forest, **changes):
    names = ("feature", "threshold", "child", "missing_left", "value", "roots", "normaliser")
    return pack_forest(**({name: getattr(forest, name) for name in names} | changes))


def test_a_score_does_not_depend_on_the_rows_around_it_nor_on_threads(grown):
    _, _, forest, _ = grown
    rows = np.random.default_rng(5).normal(size=(300, 3))
    together = forest.scores(rows)
    one_by_one = np.concatenate([scored(packed_scores, rows[i : i + 1], forest.packed) for i in range(len(rows))])
    np.testing.assert_array_equal(together, one_by_one)
    np.testing.assert_array_equal(together, scored(packed_scores_parallel, rows, forest.packed))


@pytest.mark.parametrize("size", [4, 32])
def test_every_way_of_walking_a_forest_gives_the_same_bits(size):
    """Small trees are evaluated node by node, large ones descended; blocks, rests of blocks and single rows."""
    rng = np.random.default_rng(size)
    X = rng.normal(size=(150, 3))
    forest = FlatForest.from_sklearn(IsolationForest(n_estimators=5, max_samples=size, random_state=0).fit(X))
    narrow = replace(forest, value=np.round(forest.value))  # float32 holds these: no table
    for one in (forest, narrow):
        expected = one.value[one.leaves(X)].sum(axis=0)
        np.testing.assert_allclose(scored(packed_depths, X, packed(one)), expected, rtol=1e-14)
        singles = [scored(packed_depths, X[i : i + 1], packed(one))[0] for i in range(len(X))]
        np.testing.assert_array_equal(scored(packed_depths, X, packed(one)), singles)
    assert packed(forest).dtype == np.uint32


def test_words_that_do_not_fit_into_32_bits_say_the_same():
    """Columns beyond the millions need wider words; here the table is as wide, but almost empty."""
    n_columns = 1 << 17
    chain = 1 << 13  # a tree so lopsided that right children lie far away: 14 bits for the way, 18 for the column
    child = np.arange(2 * (2 * chain + 1), dtype=np.uint32) // 2
    for level in range(chain):  # the left child is the next inner node, the right one a leaf at the end
        child[2 * level : 2 * level + 2] = level + 1, 2 * chain - level
    feature = np.where(np.arange(2 * chain + 1) < chain, n_columns - 1, 0).astype(np.uint32)
    threshold = np.where(feature > 0, -np.arange(2 * chain + 1), 0).astype(np.float32)
    value = np.arange(2 * chain + 1, dtype=float)
    words = pack_forest(feature, threshold, child, np.zeros(2 * chain + 1, np.uint8), value, np.zeros(1, np.int64), 1.0)
    assert words.dtype == np.uint64
    rows = np.zeros((6, n_columns))
    rows[:, -1] = [1.0, 0.0, -0.5, -1.0, -100.0, np.nan]
    levels = [0, 1, 1, 2, 101, 0]  # decisions for "left" before the first for "right"
    expected = [2.0 * chain - level for level in levels]
    assert scored(packed_depths, rows, words).tolist() == expected
    assert scored(packed_depths, rows[:5], words).tolist() == expected[:5]
    assert scored(packed_depths, rows[:2], words).tolist() == expected[:2]


def test_infinity_is_refused(grown):
    _, _, forest, _ = grown
    rows = np.zeros((3, 3))
    rows[2, 1] = -np.inf
    assert not packed_scores(rows, forest.packed, np.empty(3))
    assert not packed_depths(rows, forest.packed, np.empty(3))


def test_missing_values_go_where_the_tree_was_grown_to_send_them():
    rng = np.random.default_rng(6)
    X = rng.normal(size=(60, 3))
    X[rng.uniform(size=X.shape) < 0.2] = np.nan
    model = IsolationForest(n_estimators=10, random_state=0).fit(X)
    forest = FlatForest.from_sklearn(model)
    np.testing.assert_allclose(forest.scores(X), model.score_samples(X), rtol=0, atol=1e-12)
    tree = model.estimators_[0].tree_
    names = ("children_left", "children_right", "feature", "threshold", "n_node_samples")
    arrays = {name: getattr(tree, name) for name in names}
    missing = tree.missing_go_to_left
    expected = [path_length(arrays, row.astype(np.float32), missing) for row in X]
    np.testing.assert_allclose(forest.value[forest.leaves(X)[0]], expected, rtol=1e-12)


@pytest.mark.parametrize("n_rows", [0, 1, 2, 3, 4, 10, 256])
def test_mean_path_length(n_rows):
    assert mean_path_length(np.array([n_rows]))[0] == pytest.approx(naive_length(n_rows), rel=1e-14)


def test_collapse_costs_by_hand():
    # node 0 -> (1, 4); node 1 -> (2, 3): leaves 2, 3, 4
    child = np.array([1, 4, 2, 3, 2, 2, 3, 3, 4, 4], dtype=np.uint32)
    value = np.array([0.0, 0.0, 2.0, 4.0, 10.0])
    counts = np.array([0.0, 0.0, 1.0, 3.0, 4.0])
    price, mean = collapse_costs(child, value, counts)
    assert mean.tolist() == [(2 + 12 + 40) / 8, 3.5, 2.0, 4.0, 10.0]
    assert price.tolist() == [2.0 * (3.5 - 10.0) ** 2, 0.75 * 4.0, 0.0, 0.0, 0.0]
    unused, plain = collapse_costs(child, value, np.zeros(5))
    assert not unused.any()
    assert plain[0] == 0.5 * (3.0 + 10.0)


def test_links_follow_from_the_leaves(grown):
    _, _, forest, _ = grown
    child, roots, heights = preorder_links(forest.is_leaf)
    np.testing.assert_array_equal(child, forest.child)
    np.testing.assert_array_equal(roots, forest.roots)
    np.testing.assert_array_equal(heights, forest.heights)
    assert len(preorder_links(forest.is_leaf[:-1])[1]) == 0  # cut off inside a tree


def test_finiteness():
    X = np.zeros((3, 2))
    assert all_finite(X)
    assert no_infinity(X)
    X[1, 1] = np.nan
    assert not all_finite(X)
    assert no_infinity(X)
    X[2, 0] = -np.inf
    assert not no_infinity(X)
