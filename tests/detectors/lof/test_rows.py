"""RowPruner: suspects go, the limit holds, containers stay."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy.stats import spearmanr
from sklearn.neighbors import LocalOutlierFactor
from sklearn.utils.estimator_checks import parametrize_with_checks

from detectors import FeaturePruner, PrunedIsolationForest, PrunedLOF, RowPruner
from detectors.exceptions import InvalidParameterError, InvalidTableError
from detectors.lof.row_decision import stored_precision
from detectors.lof.suspect_groups import rank_twin


@parametrize_with_checks([RowPruner(max_rows=10)])  # the contract suite checks the defaults
def test_estimator_checks(estimator, check):
    check(estimator)


def planted(n_anomalies, seed=0):
    rng = np.random.default_rng(seed)
    return np.vstack([rng.normal(size=(600 - n_anomalies, 3)), rng.normal(6.0, 0.1, size=(n_anomalies, 3))])


@pytest.mark.parametrize("n_anomalies", [12, 30, 40])
@pytest.mark.parametrize("seed", [0, 1])
def test_planted_clusters_go(n_anomalies, seed):
    pruner = RowPruner().fit(planted(n_anomalies, seed))
    assert not pruner.support_rows_[-n_anomalies:].any()
    assert pruner.support_rows_.mean() > 0.75
    assert pruner.report_.figures["rows_after"] == pruner.support_rows_.sum()


PLAIN = {
    "uniform": lambda rng, n, d: rng.uniform(size=(n, d)),
    "normal": lambda rng, n, d: rng.normal(size=(n, d)),
    "heavy tails": lambda rng, n, d: rng.normal(size=(n, d)) / np.sqrt(rng.chisquare(5, size=(n, 1)) / 5),
    "equal groups": lambda rng, n, d: 6.0 * np.eye(8, d)[rng.integers(0, min(8, d), n)] + rng.normal(size=(n, d)),
    "a tenth apart": lambda rng, n, d: np.where(rng.uniform(size=(n, 1)) < 0.1, 6.0, 0.0) + rng.normal(size=(n, d)),
    "two scales": lambda rng, n, d: np.where(
        np.arange(n)[:, None] < 0.3 * n, 4.0 + 1.5 * rng.normal(size=(n, d)), 0.5 * rng.normal(size=(n, d))
    ),
}


@pytest.mark.parametrize("n_features", [2, 5, 12])
@pytest.mark.parametrize("name", PLAIN)
def test_plain_tables_lose_next_to_nothing_and_are_not_labelled(name, n_features):
    X = PLAIN[name](np.random.default_rng(n_features), 2000, n_features)
    model = PrunedLOF(prune_features=False, random_state=0).fit(X)
    assert model.support_rows_.mean() > 0.99
    plain = LocalOutlierFactor(novelty=True).fit(X).negative_outlier_factor_
    assert (model.negative_outlier_factor_ < model.offset_).mean() <= (plain < -1.5).mean() + 0.01


def test_an_ordinary_group_of_a_tenth_of_the_rows_stays_whole():
    pruner = RowPruner().fit(planted(60))
    assert pruner.support_rows_[-60:].all()


@pytest.mark.parametrize("n_features", [2, 6])
def test_copies_are_neither_removed_nor_labelled(n_features):
    rows = np.random.default_rng(n_features).normal(size=(20, n_features))
    model = PrunedLOF(prune_features=False, random_state=0).fit(np.repeat(rows, 200, axis=0))
    assert (model.predict(np.repeat(rows, 200, axis=0)) == 1).all()
    assert (model.negative_outlier_factor_ >= model.offset_).all()


def test_rows_that_hide_each_other_at_the_fringe_go():
    """A third of the rows scatter beside a dense core, each among others of its kind: all of them look usual."""
    rng = np.random.default_rng(0)
    X = np.vstack([0.3 * rng.normal(size=(500, 6)), rng.uniform(-0.4, 1.6, size=(250, 6))])
    pruner = RowPruner(random_state=0).fit(X)
    gone = ~pruner.support_rows_
    assert gone[500:].mean() > 0.4
    assert gone[:500].mean() < 0.02


def test_twins_keep_columns_and_rank_correlations():
    rng = np.random.default_rng(0)
    X = np.exp(rng.normal(size=(800, 1)) + 0.5 * rng.normal(size=(800, 3)))
    twin = rank_twin(X, np.random.default_rng(1))
    np.testing.assert_array_equal(np.sort(twin, axis=0), np.sort(X, axis=0))
    np.testing.assert_allclose(spearmanr(twin).statistic, spearmanr(X).statistic, atol=0.06)


def test_the_limit_holds_except_for_certain_rows():
    X = planted(30)
    pruner = RowPruner(max_share=0.0).fit(X)
    gone = ~pruner.support_rows_
    assert gone[-30:].all()
    assert (pruner.suspicion_[gone] > 3.0).all()
    assert (pruner.report_.to_frame()["kind"] == "suspect without evidence").any()


def test_suspects_beyond_the_limit_are_kept_and_counted():
    rng = np.random.default_rng(0)
    X = np.vstack([0.3 * rng.normal(size=(500, 6)), rng.uniform(-0.4, 1.6, size=(250, 6))])
    pruner = RowPruner(max_share=0.0, random_state=0).fit(X)
    held = pruner.report_.to_frame()["kind"] == "suspect kept by the limit"
    assert held.any()
    assert (pruner.suspicion_[held.to_numpy()] <= 3.0).all()
    assert any("no more than the limit" in sentence for sentence in pruner.report_.guards)


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
