"""The layout of a table in memory changes no bit of what is learnt from it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.ensemble import IsolationForest

from detectors import FeaturePruner, PrunedDetector, PrunedIsolationForest, PrunedLOF, PrunedOneClassSVM, RowPruner

DETECTORS = [
    PrunedDetector(IsolationForest(n_estimators=10, random_state=0)),
    PrunedIsolationForest(n_estimators=20, random_state=0),
    PrunedLOF(),
    PrunedOneClassSVM(),
]


@pytest.fixture
def table() -> np.ndarray:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 6)) * rng.uniform(0.1, 10.0, 6)
    X[:, 1] = X[:, 0] + 0.1 * rng.normal(size=300)
    X[:15] += 4.0
    return X


def layouts(X: np.ndarray) -> list[Any]:
    frozen = X.copy()
    frozen.setflags(write=False)
    return [np.asfortranarray(X), frozen, np.repeat(X, 2, axis=0)[::2], X[::-1][::-1], pd.DataFrame(X).to_numpy()]


@pytest.mark.parametrize("detector", DETECTORS, ids=lambda d: type(d).__name__)
def test_scores_of_detectors(detector: Any, table: np.ndarray) -> None:
    expected = clone(detector).fit(table).score_samples(table)
    for same in layouts(table):
        fitted = clone(detector).fit(same)
        assert (fitted.score_samples(table) == expected).all()
        assert (fitted.score_samples(same) == expected).all()


def test_evidence_of_pruners(table: np.ndarray) -> None:
    expected = FeaturePruner(random_state=0).fit(table).report_.to_frame()
    suspicion = RowPruner(random_state=0).fit(table).suspicion_
    for same in layouts(table):
        pd.testing.assert_frame_equal(FeaturePruner(random_state=0).fit(same).report_.to_frame(), expected, rtol=0)
        assert (RowPruner(random_state=0).fit(same).suspicion_ == suspicion).all()


def test_sparse_places_of_64_bits(table: np.ndarray) -> None:
    """Long products of tables have them, and scikit-learn's trees refuse them."""
    rows = sparse.csr_array(np.where(np.abs(table) > 2.0, table, 0.0))
    wide = sparse.csr_array((rows.data, rows.indices.astype(np.int64), rows.indptr.astype(np.int64)), shape=rows.shape)
    for detector in DETECTORS[:2]:
        expected = clone(detector).fit(rows).score_samples(rows)
        assert (clone(detector).fit(wide).score_samples(wide) == expected).all()
    assert wide.indices.dtype == np.int64
