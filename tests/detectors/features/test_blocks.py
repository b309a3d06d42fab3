"""Blocks of dependent features and the test of joint normality."""

from __future__ import annotations

import math
import os

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.naive_dependence import components
from scipy import stats

from detectors.features.blocks import _kurtosis_log_p, _skewness_log_p, dependence_blocks, normality_log_p

SEEDS = range(300) if os.environ.get("TSPRUNE_SLOW") else range(30)


@settings(deadline=None, max_examples=30)
@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), max_size=8))
def test_blocks_are_connected_components(pairs: list[tuple[int, int]]) -> None:
    labels = dependence_blocks(np.array(pairs, dtype=np.int64).reshape(-1, 2), 7)
    groups = {frozenset(np.flatnonzero(labels == label).tolist()) for label in np.unique(labels)}
    assert groups == {frozenset(g) for g in components(pairs, 7)}


@pytest.mark.parametrize("n", [20, 80, 1000])
def test_moments_tests_are_those_of_scipy(n: int) -> None:
    x = np.random.default_rng(n).gamma(8.0, size=(n, 4))
    z = (x - x.mean(axis=0)) / x.std(axis=0)
    np.testing.assert_allclose(_skewness_log_p((z**3).mean(axis=0), n), np.log(stats.skewtest(x).pvalue), rtol=1e-8)
    np.testing.assert_allclose(_kurtosis_log_p((z**4).mean(axis=0), n), np.log(stats.kurtosistest(x).pvalue), rtol=1e-8)


def test_normal_blocks_are_rejected_as_rarely_as_stated() -> None:
    rejected = 0
    for seed in SEEDS:
        rng = np.random.default_rng(seed)
        block = rng.normal(size=(150, 8)) @ rng.normal(size=(8, 8)) + 3.0
        rejected += normality_log_p(block) < math.log(0.05)
    assert rejected <= 0.05 * len(SEEDS) + 3 * math.sqrt(0.05 * 0.95 * len(SEEDS))


def contradictions() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(1)
    normal = rng.normal(size=(400, 5)) @ rng.normal(size=(5, 5))
    made = {name: normal.copy() for name in ("binary", "skewed", "heavy", "light", "outliers")}
    made["binary"][:, 2] = made["binary"][:, 2] > 0
    made["skewed"][:, 2] = np.exp(made["skewed"][:, 2] / 2)
    made["heavy"][:, 2] = rng.standard_t(3, size=400)
    made["light"][:, 2] = rng.uniform(size=400)
    made["outliers"][:8] *= 6.0
    radius = rng.chisquare(3, size=(400, 1))
    made["elliptical"] = normal / np.sqrt(radius / 3)
    return made


@pytest.mark.parametrize("name", list(contradictions()))
def test_what_is_not_normal_is_found_out(name: str) -> None:
    assert normality_log_p(contradictions()[name]) < math.log(1e-4)


def test_mardia_sees_what_no_single_column_shows() -> None:
    rng = np.random.default_rng(0)
    size = np.where(
        rng.uniform(size=(1000, 1)) < 0.5, 0.75, 1.2
    )  # every column is nearly normal, all rows together not
    assert normality_log_p(size * rng.normal(size=(1000, 40))) < math.log(1e-6)


def test_little_data_contradicts_nothing() -> None:
    assert normality_log_p(np.arange(30.0).reshape(15, 2)) == 0.0
    x = np.random.default_rng(0).normal(size=(60, 2))
    x[:45, 0] = np.nan
    assert normality_log_p(x) == 0.0


def test_shift_scale_and_rotation_of_columns_change_little() -> None:
    x = np.random.default_rng(0).normal(size=(200, 4)) ** 3
    assert normality_log_p(5 * x - 7) == pytest.approx(normality_log_p(x), rel=1e-6)
    assert normality_log_p(x[:, ::-1]) == pytest.approx(normality_log_p(x), rel=1e-6)


def test_copies_within_a_block_do_no_harm() -> None:
    x = np.random.default_rng(0).normal(size=(200, 3))
    assert normality_log_p(np.hstack([x, x])) > math.log(0.01)
