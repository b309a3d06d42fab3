"""Reduced sets, by themselves."""

from __future__ import annotations

import numpy as np
import pytest

from detectors.one_class_svm.support_vectors import Expansion, reduce_vectors
from detectors.rank_correlation import rank_correlation


def made(kernel, n_vectors=150, seed=0):
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(n_vectors, 3))
    return Expansion(vectors, np.ones(n_vectors), 0.0, kernel, 0.3, 0.2, 2), rng.normal(size=(300, 3))


@pytest.mark.parametrize("kernel", ["rbf", "poly", "sigmoid"])
def test_reduced_sets_are_faithful(kernel):
    expansion, X = made(kernel)
    small, report = reduce_vectors(expansion, X, fidelity=0.99, tolerance=1e-6, random_state=np.random.RandomState(0))
    assert len(small.weights) < 75
    assert report.figures["fidelity_held_out"] >= 0.99
    new = np.random.default_rng(1).normal(size=(200, 3))
    assert rank_correlation(small.scores(new), expansion.scores(new)) > 0.98
    assert (small.vectors.astype(np.float32) == small.vectors).all()


def test_a_linear_kernel_needs_one_vector():
    expansion, X = made("linear")
    one, report = reduce_vectors(expansion, X, fidelity=1.0, tolerance=0.0, random_state=np.random.RandomState(0))
    assert len(one.weights) == 1
    np.testing.assert_allclose(one.scores(X), expansion.scores(X), atol=1e-10)
    assert len(report.removed) == 150


def test_constant_scores_need_no_ranking():
    rng = np.random.default_rng(0)
    expansion = Expansion(rng.normal(size=(50, 2)), np.zeros(50), 1.0, "rbf", 0.5, 0.0, 3)
    X = rng.normal(size=(100, 2))
    small, _ = reduce_vectors(expansion, X, fidelity=0.9, tolerance=1e-9, random_state=np.random.RandomState(0))
    np.testing.assert_allclose(small.scores(X), 1.0, atol=1e-9)
