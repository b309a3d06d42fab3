"""The embedding kernels against their naive twins."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.naive_embedding import naive_moving_mean, naive_multiscale

from tsprune.detection.kernels.embedding import multiscale
from tsprune.kernels.moving_mean import moving_mean


def _series(seed, n, width, missing):
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(n, width)).cumsum(axis=0)
    values[rng.random(values.shape) < missing] = np.nan
    return values


@settings(deadline=None, max_examples=15)
@given(st.integers(0, 9999), st.integers(1, 25), st.integers(1, 2), st.sampled_from([0.0, 0.3, 1.0]))
def test_multiscale_equals_its_twin(seed, n, width, missing):
    values = _series(seed, n, width, missing)
    scales = np.array([2, 3, 8], dtype=np.int64)
    np.testing.assert_allclose(multiscale(values, scales), naive_multiscale(values, scales), atol=1e-9)


@pytest.mark.parametrize("width", [1, 2, 3, 7, 50])
def test_moving_mean_equals_its_twin(width):
    column = _series(0, 20, 1, 0.2)[:, 0]
    np.testing.assert_allclose(moving_mean(column, width), naive_moving_mean(column, width), atol=1e-9)


def test_a_constant_has_no_edge():
    features = multiscale(np.full((10, 1), 3.0), np.array([4], dtype=np.int64))
    np.testing.assert_array_equal(features[1:, 2], 0.0)
    assert np.isnan(features[0, 2])  # nothing lies before the first row
    np.testing.assert_array_equal(features[:, :2], 3.0)
