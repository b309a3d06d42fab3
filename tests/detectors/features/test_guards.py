"""The guard gives back, and says so."""

from __future__ import annotations

import numpy as np
import pytest

from detectors import FeaturePruner
from detectors.exceptions import InvalidParameterError
from detectors.features.guards import OverPruningGuard, row_abnormality
from detectors.features.relevance import rank_basis


def related(n_rows: int = 300, seed: int = 0) -> np.ndarray:
    """Columns 0-2 share a factor, 3 shares only its extremes, 4-6 are noise."""
    rng = np.random.default_rng(seed)
    factor = rng.standard_t(3, size=(n_rows, 1))
    X = np.hstack([factor + 0.3 * rng.normal(size=(n_rows, 3)), rng.normal(size=(n_rows, 4))])
    X[:, 3] += 2.5 * (np.abs(factor[:, 0]) > 2.0)
    return X


def nobody(rows: np.ndarray) -> np.ndarray:
    raise AssertionError("not asked for")


def test_ranking_rule_returns_what_varies_with_abnormality() -> None:
    X = related()
    proposed = np.arange(7) < 3
    verdict = OverPruningGuard().review(rank_basis(X), proposed, np.zeros(7), nobody, np.random.default_rng(0))
    assert verdict.support.tolist() == [True] * 4 + [False] * 3
    assert verdict.returned.tolist() == [False] * 3 + [True] + [False] * 3
    assert len(verdict.sentences) == 1
    assert "ranking: 1 removed" in verdict.sentences[0]
    assert 0 < verdict.agreement <= 1


def test_limit_returns_the_best_evidence_first() -> None:
    X = np.random.default_rng(0).normal(size=(200, 6))
    log_p = np.array([-50.0, -1.0, -3.0, -2.0, 0.0, 0.0])
    guard = OverPruningGuard(max_removed=0.5, level=1e-6)
    verdict = guard.review(rank_basis(X), np.arange(6) == 0, log_p, nobody, np.random.default_rng(0))
    assert verdict.support.tolist() == [True, False, True, True, False, False]
    assert "limit: at most 50%" in verdict.sentences[0]


def test_stability_rule_counts_votes_of_half_samples() -> None:
    X = np.random.default_rng(0).normal(size=(200, 4))
    sizes = []

    def judge(rows: np.ndarray) -> np.ndarray:
        sizes.append(len(rows))
        return np.array([True, True, len(sizes) == 1, False])

    guard = OverPruningGuard(n_subsamples=3, level=1e-6)
    verdict = guard.review(rank_basis(X), np.arange(4) == 0, np.zeros(4), judge, np.random.default_rng(0))
    assert sizes == [100, 100, 100]
    assert verdict.support.tolist() == [True, True, False, False]
    assert "stability: 1 removed" in verdict.sentences[0]


def test_a_silent_guard_changes_nothing() -> None:
    X = np.random.default_rng(0).normal(size=(200, 4))
    proposed = np.array([True, True, False, False])
    verdict = OverPruningGuard().review(rank_basis(X), proposed, np.zeros(4), nobody, np.random.default_rng(0))
    assert verdict.support.tolist() == proposed.tolist()
    assert verdict.sentences == ()


def test_guard_in_the_pruner_with_half_samples_and_off() -> None:
    X = related()
    watched = FeaturePruner(guard=OverPruningGuard(n_subsamples=3), random_state=0).fit(X)
    free = FeaturePruner(guard=None, random_state=0).fit(X)
    assert (watched.support_ >= free.support_).all()
    assert not any("guard" in sentence for sentence in free.report_.guards)
    assert "agreement_with_unpruned" in watched.report_.figures
    assert "agreement_with_unpruned" not in free.report_.figures


def test_what_came_back_says_so_in_the_report() -> None:
    X = np.random.default_rng(0).normal(size=(300, 8))
    X[:, 1] += X[:, 0]
    pruner = FeaturePruner(guard=OverPruningGuard(max_removed=0.5), random_state=0).fit(X)
    back = [r for r in pruner.report_.records if r.kept and r.kind != "relevant"]
    assert len(back) == 2
    assert all(r.reason.endswith("kept by a guard") for r in back)
    assert len(pruner.report_.guards) == 1


def test_parameters_are_checked() -> None:
    X = related()
    with pytest.raises(InvalidParameterError, match=r"max_removed of OverPruningGuard must be .*got 0"):
        FeaturePruner(guard=OverPruningGuard(max_removed=0)).fit(X)


def test_abnormality_without_spread_functions_uses_levels() -> None:
    X = (np.random.default_rng(0).normal(size=(100, 3)) > 1.3).astype(float)
    score = row_abnormality(rank_basis(X), np.ones(3, dtype=bool))
    assert score[X.sum(axis=1).argmax()] == score.max()
