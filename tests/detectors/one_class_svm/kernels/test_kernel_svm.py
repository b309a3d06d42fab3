"""Kernel expansions against their terms."""

from __future__ import annotations

import math

import numpy as np
import pytest
from reference.naive_svm import expansion as naive

from detectors.one_class_svm.kernels.kernel_svm import _exponentials, expansion_scores_parallel
from detectors.one_class_svm.support_vectors import Expansion


@pytest.mark.parametrize("kernel", ["rbf", "linear", "poly", "sigmoid"])
@pytest.mark.parametrize("shape", [(1, 1), (3, 4), (9, 6)])
def test_expansion(kernel, shape):
    rng = np.random.default_rng(0)
    vectors, weights = rng.normal(size=shape), rng.normal(size=shape[0])
    rows = rng.normal(size=(20, shape[1]))
    model = Expansion(vectors, weights, 0.25, kernel, 0.7, 0.3, 3)
    expected = [naive(kernel, row, vectors, weights, 0.25, 0.7, 0.3, 3) for row in rows]
    np.testing.assert_allclose(model.scores(rows), expected, rtol=1e-11, atol=1e-13)
    np.testing.assert_array_equal(expansion_scores_parallel(rows, *model.arguments), model.scores(rows))
    np.testing.assert_array_equal(model.scores(rows[3:4])[0], model.scores(rows)[3])
    by_matrix = model.matrix(rows, vectors) @ weights + 0.25
    np.testing.assert_allclose(by_matrix, expected, rtol=1e-9, atol=1e-12)


def test_more_vectors_than_a_tile():
    rng = np.random.default_rng(1)
    vectors, weights = rng.normal(size=(530, 2)), rng.normal(size=530)
    model = Expansion(vectors, weights, 0.0, "rbf", 0.5, 0.0, 3)
    row = np.array([[0.1, -0.2]])
    assert model.scores(row)[0] == pytest.approx(naive("rbf", row[0], vectors, weights, 0.0, 0.5, 0.0, 3), rel=1e-11)


def test_exponentials():
    x = np.concatenate([[0.0, -1e-300, -708.0, -708.5, -1e6, -math.inf], -np.logspace(-8, 2.85, 60)])
    out = x.copy()
    _exponentials(out, len(out), np.empty(len(out), np.int64))
    expected = np.where(x < -708.0, 0.0, np.exp(x))
    np.testing.assert_allclose(out, expected, rtol=1e-15)
