"""Neighbour kernels against definitions in loops."""

from __future__ import annotations

import numpy as np
import pytest
from reference.naive_lof import factors, neighbours

from detectors.lof.kernels.local_outlier_factor import lof_scores_parallel
from detectors.lof.kernels.neighbors import kth_distances, nearest
from detectors.lof.references import Metric, ReferenceSet

METRICS = [("euclidean", 2.0), ("manhattan", 1.0), ("chebyshev", np.inf), ("minkowski", 3.0)]


def made(n_rows, n_features, seed=0):
    return np.random.default_rng(seed).normal(size=(n_rows, n_features))


@pytest.mark.parametrize(("name", "p"), METRICS)
@pytest.mark.parametrize("n_features", [1, 4, 6])
def test_nearest(name, p, n_features):
    X, new = made(25, n_features), made(7, n_features, 1)
    metric = Metric.named(name, p)
    nobody = np.full(7, -1)
    distances, numbers = nearest(new, np.ascontiguousarray(X.T), nobody, 5, metric.number, metric.p)
    for i, row in enumerate(new):
        expected = neighbours(row, X, 5, p)
        assert numbers[i].tolist() == [j for _, j in expected]
        np.testing.assert_allclose(distances[i], [d for d, _ in expected], rtol=1e-12)
    own = kth_distances(X, np.ascontiguousarray(X.T), np.arange(25), 4, metric.number, metric.p)
    np.testing.assert_allclose(own, [neighbours(r, X, 4, p, skip=i)[-1][0] for i, r in enumerate(X)], rtol=1e-12)


@pytest.mark.parametrize(("name", "p"), METRICS)
def test_factors(name, p):
    X, new = made(30, 5), made(12, 5, 1) * 2.0
    reference, own = ReferenceSet.of(X, 6, Metric.named(name, p))
    expected = factors(new, X, 6, p, reference.floor)
    np.testing.assert_allclose(reference.scores(new), expected, rtol=1e-12)
    np.testing.assert_allclose(lof_scores_parallel(new, *reference.arguments), expected, rtol=1e-12)
    assert len(own) == 30


@pytest.mark.parametrize("scale", [1.0, 1e-6, 1e6])
@pytest.mark.parametrize("shift", [0.0, 1e4])
def test_the_sieve_changes_no_bit(scale, shift):
    """Enough references and rows that the matrix product is used; row by row it is not."""
    X = made(120, 6) * scale + shift
    X[60:75] = X[0]  # repeated rows tie
    new = np.vstack([made(20, 6, 1) * scale * 1.5 + shift, X[:5]])
    reference, _ = ReferenceSet.of(X, 5, Metric.named("euclidean"))
    one_by_one = np.concatenate([reference.scores(new[i : i + 1]) for i in range(len(new))])
    np.testing.assert_array_equal(reference.scores(new), one_by_one)
    np.testing.assert_array_equal(lof_scores_parallel(new, *reference.arguments), one_by_one)


def test_rows_too_far_for_float32_are_scored_all_the_same():
    X = made(120, 3)
    reference, _ = ReferenceSet.of(X, 5, Metric.named("euclidean"))
    new = np.vstack([made(10, 3, 2), np.full((1, 3), 1e30)])
    scores = reference.scores(new)
    assert scores[-1] < -1e29
    np.testing.assert_allclose(scores, factors(new, X, 5, 2.0, reference.floor), rtol=1e-9)
    huge, _ = ReferenceSet.of(X * 1e20, 5, Metric.named("euclidean"))
    np.testing.assert_allclose(huge.scores(new[:10] * 1e20), scores[:10], rtol=1e-9)
