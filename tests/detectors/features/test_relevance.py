"""Statistics of dependence: against the twins, under the null, and where many weak partners add up."""

from __future__ import annotations

import math
import os

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.naive_dependence import excess_kurtosis, functions, joint_statistic, pair_moments, permuted_statistics
from scipy import stats

from detectors.features.joint_relevance import _through_members, _through_rows, joint_log_p
from detectors.features.relevance import association_log_p, discoveries, pair_evidence, rank_basis

SEEDS = range(200) if os.environ.get("TSPRUNE_SLOW") else range(12)


def mixed_table(n_rows: int = 60, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_rows, 6))
    X[:, 1] = (X[:, 1] > 1.2).astype(float)
    X[:, 2] = np.exp(2 * X[:, 2])
    X[:, 3] = np.round(X[:, 3])
    return X


def test_basis_is_that_of_the_twin() -> None:
    X = mixed_table()
    basis = rank_basis(X)
    for j in range(X.shape[1]):
        for made, active, kurtosis, expected in zip(
            basis.functions[:, j], basis.active[:, j], basis.kurtosis[:, j], functions(X[:, j]), strict=True
        ):
            assert active == (expected is not None)
            if expected is not None:
                np.testing.assert_allclose(made, expected, atol=1e-6)
                assert kurtosis == pytest.approx(excess_kurtosis(expected), abs=1e-6)


def test_missing_values_get_the_mean_and_a_function_of_their_own() -> None:
    X = mixed_table()
    X[::7, 0] = np.nan
    X[::7, 4] = X[::7, 4] + 5.0  # that column 0 is missing depends on column 4
    basis = rank_basis(X)
    assert len(basis.functions) == 3
    assert (basis.functions[:2, 0, ::7] == basis.functions[:2, 0, 0:1]).all()
    assert basis.active[2].tolist() == [True, False, False, False, False, False]
    assert pair_evidence(basis).partner[0] == 4
    assert pair_evidence(basis).log_p[0] < math.log(0.01)


@settings(deadline=None, max_examples=15)
@given(st.integers(0, 1000), st.floats(0.1, 50), st.floats(-1e3, 1e3))
def test_evidence_does_not_see_scale_shift_and_order(seed: int, scale: float, shift: float) -> None:
    X = mixed_table(40, seed)
    order = np.random.default_rng(seed).permutation(len(X))
    one = pair_evidence(rank_basis(X)).log_p
    np.testing.assert_allclose(pair_evidence(rank_basis(X * scale + shift)).log_p, one, rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(pair_evidence(rank_basis(X[order])).log_p, one, rtol=1e-3, atol=1e-3)


def test_null_moments_are_those_of_permutations() -> None:
    X = mixed_table(50)
    rng = np.random.default_rng(1)
    for i, j in ((0, 4), (0, 2), (3, 5), (1, 3)):
        _, mean, variance = pair_moments(X[:, i], X[:, j])
        null = permuted_statistics(X[:, i], X[:, j], 300, rng)
        assert null.mean() == pytest.approx(mean, rel=0.2)
        assert null.var() == pytest.approx(variance, rel=0.6)


def test_p_values_are_honest_for_independent_columns() -> None:
    below = 0
    tests = 0
    for seed in SEEDS:
        X = np.hstack([mixed_table(200, seed), mixed_table(200, seed + 5000)])
        log_p = pair_evidence(rank_basis(X)).log_p
        below += int((log_p < math.log(0.05)).sum())
        tests += len(log_p)
    # the p-values of partners come in pairs: 2 standard errors of a binomial with half as many trials
    assert below / tests < 0.05 + 2 * math.sqrt(0.05 * 0.95 / (tests / 2))


@pytest.mark.parametrize("share", [0.003, 0.01, 0.03, 0.1, 0.97])
def test_p_values_are_honest_for_rare_words(share: float) -> None:
    """Independent flags meet by chance in a skewed number of rows; two moments alone find dozens of such pairs."""
    X = (np.random.default_rng(0).uniform(size=(1000, 200)) < share).astype(float)
    log_p = pair_evidence(rank_basis(X)).log_p
    assert not discoveries(log_p, 0.015).any()
    scores = np.random.default_rng(1).exponential(size=1000)
    assert not discoveries(association_log_p(rank_basis(X), scores), 0.01).any()


def tables_with_discoveries(n_tables: int, n_rows: int, n_features: int) -> int:
    """How many tables of independent columns, continuous ones and counts in turn, show some dependence."""
    found = 0
    for seed in range(n_tables):
        rng = np.random.default_rng(seed)
        X = rng.normal(size=(n_rows, n_features)) if seed % 2 else rng.poisson(1.0, (n_rows, n_features)) * 1.0
        found += bool(discoveries(pair_evidence(rank_basis(X)).log_p, 0.015).any())
    return found


def test_wide_tables_of_noise_show_nothing() -> None:
    """Thousands of pairs of some hundred rows: the extremes of two columns meet more often than a normal law says."""
    assert tables_with_discoveries(12, 150, 200) <= 1  # of 0.18 expected; symmetric tails found some in every third


@pytest.mark.slow
def test_many_wide_tables_of_noise_show_next_to_nothing() -> None:
    assert tables_with_discoveries(40, 200, 300) <= 3


def test_words_of_one_template_are_found() -> None:
    rng = np.random.default_rng(0)
    X = (rng.uniform(size=(1000, 100)) < 0.01).astype(float)
    X[::100, :4] = rng.uniform(size=(10, 4)) < 0.8  # four words of a line that comes ten times
    X[1::100, :4] = 0.0
    assert (pair_evidence(rank_basis(X)).log_p[:4] < math.log(1e-6)).all()


def test_partners_that_are_left_out_change_no_other_pair() -> None:
    X = mixed_table(80)
    basis = rank_basis(X)
    for j in range(6):
        alone = np.arange(6) == j
        one = pair_evidence(basis, alone)
        assert one.partner[j] == -1
        assert set(np.delete(one.partner, j)) == {j}
        two = pair_evidence(rank_basis(X[:, [j, (j + 1) % 6]]))
        assert one.log_p[(j + 1) % 6] == pytest.approx(two.log_p[1], rel=1e-4, abs=1e-6)


def test_gamma_tail_of_one_pair_is_that_of_permutations() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.exponential(size=80), rng.normal(size=80)
    y[x > 1.5] += 0.8
    basis = rank_basis(np.column_stack([x, y]))
    total, _, _ = pair_moments(x, y)
    null = permuted_statistics(x, y, 600, rng)
    share = (1 + (null >= total).sum()) / 601
    assert math.exp(pair_evidence(basis).log_p[0]) == pytest.approx(share, abs=0.02)


def test_joint_evidence_adds_up_weak_partners() -> None:
    rng = np.random.default_rng(5)
    factor = rng.normal(size=(250, 1))
    X = np.hstack([0.28 * factor + rng.normal(size=(250, 30)), rng.normal(size=(250, 10))])
    basis = rank_basis(X)
    group = np.arange(40) < 30
    joint = joint_log_p(basis, group)
    single = pair_evidence(basis, group).log_p
    assert np.median(joint[:30]) < np.median(single[:30]) - 2
    assert (joint[30:] > math.log(0.001)).all()


def test_joint_evidence_is_the_same_through_rows_and_through_members() -> None:
    X = mixed_table(60, 3)
    basis = rank_basis(np.hstack([X + 0.2 * np.random.default_rng(k).normal(size=X.shape) for k in range(6)]))
    group = np.arange(36) % 5 > 0
    member = basis.active & group
    ways = [look(basis, member, member.sum(axis=0)) for look in (_through_rows, _through_members)]
    for one, other in zip(*ways, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-4)


def test_joint_statistic_is_the_sum_of_pairs() -> None:
    X = mixed_table(50, 2)
    X[:, 5] = X[:, 0] + 0.5 * X[:, 5]
    basis = rank_basis(X)
    alone = np.zeros(6, dtype=bool)
    alone[0] = True
    pair = pair_evidence(basis, alone)
    # with one partner the joint test is the pair test, up to the finer variance of the joint one
    np.testing.assert_allclose(joint_log_p(basis, alone)[1:], pair.log_p[1:], rtol=0.15, atol=0.15)
    assert joint_log_p(basis, alone)[0] == 0.0
    assert joint_statistic(X, 5, [0]) == pytest.approx(pair_moments(X[:, 5], X[:, 0])[0])


def test_partners_outside_the_group_do_not_count() -> None:
    X = mixed_table(100)
    X[:, 5] = X[:, 0]
    basis = rank_basis(X)
    group = np.array([False, True, True, True, True, False])
    found = pair_evidence(basis, group)
    assert found.partner[0] != 5
    assert found.log_p[0] > math.log(0.01)


def test_edges_are_pairs_below_the_level() -> None:
    X = mixed_table(100)
    X[:, 5] = X[:, 0] + 0.1 * X[:, 5]
    found = pair_evidence(rank_basis(X), edge_log_p=math.log(1e-6))
    assert sorted(map(tuple, found.edges.tolist())) == [(0, 5), (5, 0)]
    assert (found.edge_log_p <= math.log(1e-6)).all()
    assert len(pair_evidence(rank_basis(X)).edges) == 0


def test_overwhelming_evidence_stays_comparable() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=4000)
    weaker = x + 0.3 * rng.normal(size=4000)
    one = pair_evidence(rank_basis(np.column_stack([x, x]))).log_p[0]
    two = pair_evidence(rank_basis(np.column_stack([x, weaker]))).log_p[0]
    assert one < two < -500


def test_association_with_a_score() -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 4))
    log_p = association_log_p(rank_basis(X), X[:, 2] ** 2 + rng.normal(size=300))
    assert log_p.argmin() == 2
    assert np.delete(log_p, 2).min() > math.log(1e-3)


@settings(deadline=None, max_examples=30)
@given(st.lists(st.floats(1e-9, 1.0), min_size=1, max_size=20), st.floats(0.01, 0.3))
def test_discoveries_are_those_of_scipy(p_values: list[float], level: float) -> None:
    adjusted = stats.false_discovery_control(p_values)
    mask = discoveries(np.log(p_values), level)
    unsure = np.abs(adjusted - level) < 1e-12
    assert ((adjusted <= level) == mask)[~unsure].all()


def test_no_tests_no_discoveries() -> None:
    assert discoveries(np.zeros(0), 0.1).tolist() == []
