"""Kernels of the dependence tests against their naive twins."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.naive_dependence import midranks, pair_moments, poisson_residual
from scipy import stats
from scipy.special import gammaln

from detectors.features.kernels.dependence import column_midranks, gather_pairs, normal_scale, normal_scales
from detectors.features.relevance import rank_basis

VALUES = st.sampled_from([0.0, 1.0, 2.0, -3.5, 7.25, math.nan])


@settings(deadline=None, max_examples=40)
@given(st.lists(VALUES, min_size=1, max_size=12))
def test_midranks_are_those_of_counting(column: list[float]) -> None:
    X = np.array([column])
    np.testing.assert_allclose(column_midranks(X, np.argsort(X, axis=1))[0], midranks(column), rtol=0, atol=1e-15)


def small_table() -> np.ndarray:
    rng = np.random.default_rng(3)
    X = rng.normal(size=(40, 5))
    X[:, 1] = X[:, 0] ** 2 + 0.1 * X[:, 1]
    X[:, 2] = X[:, 2] > 0.5
    X[:, 3] = np.round(X[:, 3])
    X[:, 4] = X[:, 4] > 1.2
    return X


@pytest.mark.parametrize("first", [0, 2])
def test_pairs_are_those_of_the_twin(first: int) -> None:
    X = small_table()
    basis = rank_basis(X)
    n_functions, n_features, n_rows = basis.functions.shape
    block = basis.functions[:, first : first + 2].reshape(-1, n_rows)
    products = (block @ basis.functions.reshape(-1, n_rows).T).reshape(n_functions, 2, n_functions, n_features)
    best, partner, edges, weights = gather_pairs(
        products, basis.kurtosis, basis.skewness, basis.active, basis.active, np.arange(n_features), first, n_rows, 0.5
    )
    for b in range(2):
        values = {}
        for j in range(n_features):
            if j == first + b:
                continue
            total, mean, variance = pair_moments(X[:, first + b], X[:, j])
            shape, x = mean**2 / variance, total * mean / variance
            far = x - (shape - 1.0) * math.log(max(x, 1.0)) + gammaln(shape)
            values[j] = far if x > 1.0 + shape else 0.0
        assert partner[b] == max(values, key=lambda j: values[j])
        assert best[b] == pytest.approx(max(values.values()), rel=1e-4)
        listed = {int(e[1]): w for e, w in zip(edges, weights, strict=True) if e[0] == first + b}
        assert set(listed) == {j for j, v in values.items() if v >= 0.5}
        for j, weight in listed.items():
            assert weight == pytest.approx(values[j], rel=1e-4)


def test_a_feature_without_functions_has_no_partner() -> None:
    products = np.zeros((1, 2, 1, 2), dtype=np.float32)
    active = np.array([[True, False]])
    columns = np.arange(2)
    best, partner, edges, weights = gather_pairs(
        products, np.zeros((1, 2)), np.zeros((1, 2)), active, active, columns, 0, 10, 1.0
    )
    assert partner.tolist() == [-1, -1]
    assert np.isneginf(best).all()
    assert len(edges) == len(weights) == 0


@settings(deadline=None, max_examples=60)
@given(st.floats(-5, 30), st.floats(-6, 6))
def test_normal_scale_is_the_residual_of_a_count(z: float, skewness: float) -> None:
    skewness = skewness if abs(skewness) > 1e-3 else 0.0
    expected = poisson_residual(z, skewness)
    assert normal_scale(z, skewness) == pytest.approx(expected, rel=1e-6, abs=1e-5)
    assert normal_scales(np.array([z, 0.0]), np.array([skewness, 1.0])).tolist() == [normal_scale(z, skewness), 0.0]


def test_normal_scale_gives_a_count_its_tail() -> None:
    for mean in (0.02, 0.2, 1.8, 20.0):
        for count in range(max(1, int(mean + 2 * math.sqrt(mean))), int(mean + 6 * math.sqrt(mean)) + 3):
            z = normal_scale((count - mean) / math.sqrt(mean), mean**-0.5)
            exact = stats.poisson.sf(count - 1, mean)
            assert 0.3 < stats.norm.sf(z) * 2 / exact < 3.0
