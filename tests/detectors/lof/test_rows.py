"""RowPruner: suspects go, the limit holds, containers stay."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from detectors import FeaturePruner, PrunedIsolationForest, RowPruner
from detectors.exceptions import InvalidParameterError, InvalidTableError
from detectors.lof.row_decision import stored_precision


@parametrize_with_checks([RowPruner(max_rows=10)])  # the contract suite checks the defaults
def test_estimator_checks(estimator, check):
    check(estimator)


def planted(n_anomalies, seed=0):
    rng = np.random.default_rng(seed)
    return np.vstack([rng.normal(size=(600 - n_anomalies, 3)), rng.normal(6.0, 0.1, size=(n_anomalies, 3))])


@pytest.mark.parametrize("n_anomalies", [5, 30, 59])
@pytest.mark.parametrize("seed", [0, 1])
def test_planted_clusters_go(n_anomalies, seed):
    pruner = RowPruner().fit(planted(n_anomalies, seed))
    assert not pruner.support_rows_[-n_anomalies:].any()
    assert pruner.support_rows_.mean() > 0.75
    assert pruner.report_.figures["rows_after"] == pruner.support_rows_.sum()


def test_the_limit_holds_except_for_certain_rows():
    X = planted(30)
    pruner = RowPruner(max_share=0.0).fit(X)
    gone = ~pruner.support_rows_
    assert gone[-30:].all()
    assert (pruner.suspicion_[gone] > 3.0).all()
    assert pruner.report_.guards
    assert (pruner.report_.to_frame()["kind"] == "suspect kept by the limit").any()


def test_condensing():
    X = planted(30)
    pruner = RowPruner(max_rows=100, random_state=0)
    assert len(pruner.fit_resample(X)) == 100
    assert (pruner.report_.to_frame()["kind"] == "condensed").sum() > 300


def test_few_rows_stay():
    pruner = RowPruner().fit(np.arange(30.0).reshape(15, 2))
    assert pruner.support_rows_.all()
    assert "fewer than 20" in pruner.report_.guards[0]


def test_large_tables_are_compared_with_a_sample():
    rng = np.random.default_rng(0)
    X = np.vstack([rng.normal(size=(2400, 2)), rng.normal(7.0, 0.1, size=(100, 2))])
    one, two = (RowPruner(random_state=0).fit(X) for _ in range(2))
    assert not one.support_rows_[-100:].any()
    np.testing.assert_array_equal(one.support_rows_, two.support_rows_)


@pytest.mark.parametrize("container", [pd.DataFrame, pl.DataFrame])
def test_containers(container):
    X = planted(30)
    frame = container({name: X[:, i] for i, name in enumerate("abc")})
    kept, y = RowPruner().fit_resample(frame, np.arange(600))
    assert type(kept) is type(frame)
    assert list(kept.columns) == list("abc")
    assert len(kept) == len(y) < 600
    np.testing.assert_array_equal(np.asarray(kept["a"]), X[y, 0])


def test_parameters():
    with pytest.raises(InvalidParameterError, match="max_share"):
        RowPruner(max_share=1.0).fit(planted(5))


def test_stored_precision():
    X = np.random.default_rng(0).normal(size=(50, 2))
    rounded = stored_precision(X)
    assert (rounded.astype(np.float32) == rounded).all()
    assert abs(rounded - X).max() < 1e-6
    far = X + 1e9  # float32 would lose the spread
    np.testing.assert_array_equal(stored_precision(far), far)
    np.testing.assert_array_equal(stored_precision(X * 1e300), X * 1e300)


@pytest.mark.parametrize("make", [RowPruner, FeaturePruner, PrunedIsolationForest])
def test_a_lazy_frame_is_refused_by_name(make):
    with pytest.raises(InvalidTableError, match=r"got a polars.*LazyFrame; call `.collect\(\)`"):
        make().fit(pl.DataFrame({"a": [1.0, 2.0, 3.0]}).lazy())


def test_distances_that_are_no_numbers_are_refused():
    X = np.random.default_rng(0).normal(size=(100, 3)) * 1e300
    with pytest.raises(InvalidTableError, match="so that distances are finite"):
        RowPruner().fit_resample(X)


@pytest.mark.parametrize("n_labels", [10, 99, 101])
def test_labels_of_other_rows_are_refused(n_labels):
    X = np.random.default_rng(0).normal(size=(100, 3))
    with pytest.raises(InvalidTableError, match=f"one value per row of X, 100, got {n_labels}"):
        RowPruner().fit_resample(X, np.zeros(n_labels))
