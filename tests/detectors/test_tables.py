"""Questions asked of dense and sparse tables alike."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import sparse

from detectors import FeaturePruner, PrunedIsolationForest, PrunedLOF, PrunedOneClassSVM, RowPruner
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


def test_masked_and_missing_values_are_missing_whatever_holds_them() -> None:
    X = np.random.default_rng(0).integers(0, 9, size=(120, 4)).astype(float)
    gone = X == 3
    expected = PrunedIsolationForest(10, random_state=0).fit(np.where(gone, np.nan, X))
    spoilt = np.where(gone, 1e6, X)  # what a mask covers is anything
    for table in (
        np.ma.masked_array(spoilt, mask=gone),
        np.ma.masked_array(spoilt.astype(np.int64), mask=gone),
        np.where(gone, None, X.astype(object)),
        np.where(gone, pd.NA, X.astype(object)),
    ):
        fitted = PrunedIsolationForest(10, random_state=0).fit(table)
        np.testing.assert_array_equal(fitted.score_samples(table), expected.score_samples(np.where(gone, np.nan, X)))
    frame = pd.DataFrame(X).astype(object).where(~gone, pd.NA)
    assert FeaturePruner().fit(frame.rename(columns=str)).n_features_in_ == 4
    with pytest.raises(ValueError, match="contains NaN"):
        RowPruner().fit(np.ma.masked_array(spoilt, mask=gone))


@pytest.mark.parametrize("make", [PrunedIsolationForest, FeaturePruner, RowPruner, PrunedLOF])
@pytest.mark.parametrize("kind", ["datetime64[ns]", "timedelta64[s]", "Period", "polars", "arrow", "array"])
def test_times_are_no_numbers(make: type, kind: str) -> None:
    stamps = pd.date_range("2024-01-01", periods=60)
    frame = pd.DataFrame({"size": np.arange(60.0), "when": stamps})
    table: Any = {
        "datetime64[ns]": frame,
        "timedelta64[s]": frame.assign(when=stamps - stamps[0]),
        "Period": frame.assign(when=stamps.to_period("D")),
        "polars": pl.from_pandas(frame),
        "arrow": frame.astype({"when": "timestamp[us][pyarrow]"}),
        "array": np.column_stack([stamps.to_numpy(), stamps.to_numpy()]),
    }[kind]
    with pytest.raises(InvalidTableError, match="must hold numbers" if kind == "array" else "in column 'when'"):
        make().fit(table)


def test_tables_without_two_dimensions_of_their_own() -> None:
    records = np.zeros(30, dtype=[("a", float), ("b", float)])
    with pytest.raises(InvalidTableError, match="records with fields \\['a', 'b'\\]"):
        FeaturePruner().fit(records)
    with pytest.raises(InvalidTableError, match="at least one column"):
        FeaturePruner().fit(pd.DataFrame(index=range(30)))


def test_sparse_tables_with_long_indices() -> None:
    X = np.random.default_rng(0).poisson(0.3, size=(100, 6)).astype(float)
    long = sparse.csr_array(X)
    long.indices, long.indptr = long.indices.astype(np.int64), long.indptr.astype(np.int64)
    coordinates = sparse.coo_array(X)
    coordinates.coords = tuple(axis.astype(np.int64) for axis in coordinates.coords)
    expected = PrunedIsolationForest(10, random_state=0).fit(sparse.csr_array(X)).score_samples(X)
    for table in (long, coordinates, sparse.csc_array(long)):
        fitted = PrunedIsolationForest(10, random_state=0).fit(table)
        np.testing.assert_array_equal(fitted.score_samples(table), expected)
    assert long.indices.dtype == np.int64
