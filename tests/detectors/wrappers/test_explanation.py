"""Shares of abnormality: totals, axioms of the Shapley value that the first and last terms keep, degenerate rows."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import sparse

from detectors.wrappers.explanation import occlusion_shares, shares

FLOATS = st.floats(-1e300, 1e300) | st.just(np.nan)


@settings(deadline=None, max_examples=40)
@given(arrays(np.float64, (3, 4), elements=FLOATS))
def test_shares_are_non_negative_and_sum_to_one_or_nothing(contributions: np.ndarray) -> None:
    parts = shares(contributions)
    assert (parts >= 0).all()
    total = parts.sum(axis=1)
    anything = (np.nan_to_num(contributions, nan=0.0) > 0).any(axis=1)
    np.testing.assert_allclose(total, anything.astype(float), atol=1e-12)


def additive(X: np.ndarray) -> np.ndarray:
    X = X.toarray() if sparse.issparse(X) else X
    return -(X**2) @ np.array([1.0, 2.0, 0.0])


def test_additive_scores_are_shared_exactly() -> None:
    X = np.array([[1.0, 1.0, 5.0], [2.0, 0.0, 0.0]])
    expected = [[1.0, 2.0, 0.0], [4.0, 0.0, 0.0]]
    np.testing.assert_allclose(occlusion_shares(additive, X, np.zeros(3)), expected)
    np.testing.assert_allclose(occlusion_shares(additive, sparse.csr_array(X), np.zeros(3)), expected)


def test_one_of_two_equal_signs_is_not_forgotten() -> None:
    both_high = np.array([[5.0, 5.0]])
    parts = occlusion_shares(lambda X: -np.maximum(X[:, 0], X[:, 1]), both_high, np.zeros(2))
    assert parts[0, 0] == parts[0, 1] > 0  # taking one out changes nothing, putting one in alone does


def test_rows_that_no_feature_explains_fall_back_to_distances() -> None:
    flat = occlusion_shares(lambda X: np.zeros(len(X)), np.array([[3.0, -1.0], [0.0, 0.0]]), np.zeros(2))
    assert flat.tolist() == [[3.0, 1.0], [0.0, 0.0]]
