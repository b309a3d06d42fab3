"""Questions asked of dense and sparse tables alike."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import sparse

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
