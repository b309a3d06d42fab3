"""Questions asked of dense and sparse tables alike."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import sparse

from detectors import PrunedIsolationForest, PrunedLOF, PrunedOneClassSVM
from detectors.exceptions import InvalidTableError
from detectors.tables import constant_columns, dense, is_sparse, reach, usual_row


@settings(deadline=None, max_examples=40)
@given(arrays(np.float64, (6, 3), elements=st.sampled_from([0.0, 1.0, 2.5, np.nan])))
def test_usual_row_is_the_median_of_what_is_there(X: np.ndarray) -> None:
    expected = [np.median(c[~np.isnan(c)]) if (~np.isnan(c)).any() else 0.0 for c in X.T]
    np.testing.assert_allclose(usual_row(X), expected)


def test_constant_columns() -> None:
    X = np.column_stack([np.ones(5), np.arange(5.0), np.full(5, np.nan), [1, 1, np.nan, 1, 1], np.zeros(5)])
    assert constant_columns(X).tolist() == [True, False, True, False, True]
    whole = np.nan_to_num(X)
    assert constant_columns(sparse.csr_array(whole)).tolist() == constant_columns(whole).tolist()


def test_sparse_tables() -> None:
    X = sparse.csr_array(np.eye(3))
    assert is_sparse(X)
    assert not is_sparse(np.eye(3))
    assert np.array_equal(dense(X), np.eye(3))
    assert usual_row(X).tolist() == [0.0, 0.0, 0.0]


def test_reach_is_the_largest_size() -> None:
    X = np.array([[1.0, -3.0, 0.0, np.nan], [np.nan, 2.0, 0.0, np.nan]])
    assert reach(X).tolist() == [1.0, 3.0, 1.0, 1.0]


@pytest.mark.parametrize(
    ("detector", "most"),
    [
        (PrunedIsolationForest(n_estimators=20, random_state=0), 1e38),  # beyond, trees saw infinities: wrong scores
        (PrunedLOF(n_neighbors=5), 1e150),  # beyond, no distance was finite: a crash of the whole process
        (PrunedLOF(n_neighbors=5, metric="minkowski", p=4), 1e75),
        (PrunedOneClassSVM(), 1e300),
    ],
)
def test_huge_values_are_scored_as_small_ones_or_refused(detector: Any, most: float) -> None:
    X = np.random.default_rng(0).uniform(-1, 1, (200, 3))
    X[0] = 1.5
    usual = detector.fit(X).score_samples(X)
    np.testing.assert_allclose(detector.fit(X * (most / 2)).score_samples(X * (most / 2)), usual, rtol=1e-3)
    if most < 1e300:
        with pytest.raises(InvalidTableError, match="must be at most"):
            detector.fit(X * most * 1e5)
