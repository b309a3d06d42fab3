"""Marginal sentinels: rare false flags, what lies outside is seen, robust against outliers in the fitted rows."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from detectors.features.sentinel import MarginalSentinel

ALL = np.ones(1, dtype=bool)


@pytest.mark.parametrize("law", ["normal", "uniform", "exponential"])
def test_false_flags_are_rare(law: str) -> None:
    rng = np.random.default_rng(0)
    draw = getattr(rng, law)
    sentinel = MarginalSentinel(1e-3).fit(draw(size=(2000, 1)), ALL)
    assert sentinel.flags(draw(size=(20000, 1))).mean() < 4e-3


def test_outliers_in_the_fitted_rows_do_not_hide_each_other() -> None:
    X = np.random.default_rng(0).normal(size=(1000, 1))
    X[:10] = 50.0
    sentinel = MarginalSentinel().fit(X, ALL)
    assert sentinel.flags(X)[:10].all()
    assert not sentinel.flags(X)[10:].any()


def test_discrete_and_constant_columns_end_at_what_was_seen() -> None:
    X = np.column_stack([np.arange(100) % 2, np.full(100, 3.0)]).astype(float)
    sentinel = MarginalSentinel().fit(X, np.ones(2, dtype=bool))
    assert not sentinel.flags(X).any()
    assert sentinel.flags(np.array([[2.0, 3.0], [0.0, 3.1], [-1.0, 2.9]])).tolist() == [
        [True, False], [False, True], [True, True],
    ]  # fmt: skip


def test_only_watched_features_and_only_present_values_are_flagged() -> None:
    X = np.random.default_rng(0).normal(size=(100, 2))
    X[:50, 0] = np.nan
    sentinel = MarginalSentinel().fit(X, np.array([True, False]))
    assert sentinel.flags(np.array([[99.0, 99.0], [np.nan, np.nan]])).tolist() == [[True, False], [False, False]]
    empty = MarginalSentinel().fit(np.full((5, 1), np.nan), ALL)
    assert not empty.flags(np.array([[1e9]])).any()


def test_sparse_and_dense_tables_agree() -> None:
    X = np.random.default_rng(0).poisson(0.1, size=(300, 4)).astype(float)
    watched = np.array([True, False, True, True])
    one = MarginalSentinel().fit(X, watched)
    two = MarginalSentinel().fit(sparse.csr_array(X), watched)
    new = 3.0 * X
    assert np.array_equal(one.flags(new), two.flags(sparse.csr_array(new)))


def test_alarms_name_the_changed_feature() -> None:
    rng = np.random.default_rng(0)
    sentinel = MarginalSentinel().fit(rng.normal(size=(500, 3)), np.array([True, True, False]))
    same, moved = rng.normal(size=(500, 3)), rng.normal(size=(500, 3))
    moved[:, 1:] += 4.0
    assert sentinel.alarms(same, 0.01).tolist() == [False, False, False]
    assert sentinel.alarms(moved, 0.01).tolist() == [False, True, False]
