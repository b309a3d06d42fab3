"""Tables of sparse counts: what is told of their columns, and that pruning leaves the top of the ranking alone."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse
from sklearn.ensemble import IsolationForest

from detectors import FeaturePruner, PrunedIsolationForest, PrunedOneClassSVM
from detectors.features.sparse_counts import (
    column_roles,
    copied_share,
    is_sparse_counts,
    state_surprise,
    thinned_copies,
    top_agreement,
)


def documents(seed: int = 0, n: int = 1500) -> tuple[np.ndarray, list[str]]:
    """Log counts (n, n_words) of templates of several words; one template ends in one of 30 random values."""
    rng = np.random.default_rng(seed)
    rates = {"open": (2.0, 3), "write": (4.0, 4), "move": (0.8, 2), "failed": (0.01, 5), "retry": (0.015, 4)}
    columns, names = [], []
    for name, (rate, n_words) in rates.items():
        count = rng.poisson(rate, n)
        for word in range(n_words):
            columns.append(count)
            names.append(f"{name}{word}")
        if name == "move":
            values = np.array([rng.multinomial(k, np.full(30, 1 / 30)) for k in count])
            columns.extend(values.T)
            names.extend(f"folder{v}" for v in range(30))
    return np.log1p(np.column_stack(columns)), names


def test_counts_are_told_from_measurements() -> None:
    rng = np.random.default_rng(1)
    counts = rng.poisson(0.3, size=(200, 12))
    assert is_sparse_counts(counts)
    assert is_sparse_counts(sparse.csr_matrix(np.log1p(counts)))
    assert not is_sparse_counts(rng.poisson(3.0, size=(200, 12)))  # most cells are filled
    assert not is_sparse_counts(counts * rng.normal(size=counts.shape))  # negative, and no value repeats
    assert not is_sparse_counts(counts * rng.uniform(size=counts.shape))  # no value repeats
    assert not is_sparse_counts(np.where(counts > 2, np.nan, counts))
    assert not is_sparse_counts(np.zeros((4, 3)))


def test_random_values_of_one_place_are_interchangeable_and_rare_templates_are_not() -> None:
    X, names = documents()
    roles = column_roles(X, 0.015, np.random.default_rng(0))
    values = np.array([name.startswith("folder") for name in names])
    assert (roles.place >= 0)[values].mean() > 0.9
    assert not (roles.place >= 0)[~values].any()
    assert {names[i] for i in roles.place[roles.place >= 0]} <= {"move0", "move1"}
    assert roles.weight[names.index("failed0")] == 5
    assert roles.weight.sum() == int((roles.place < 0).sum())


def test_a_value_that_comes_with_another_word_stays() -> None:
    X, names = documents()
    value, word = names.index("folder3"), names.index("retry0")
    X[:, word : word + 4] = np.where(X[:, [value]] > 0, np.log(2.0), X[:, word : word + 4] * 0.0)
    roles = column_roles(X, 0.015, np.random.default_rng(0))
    assert roles.place[value] < 0
    assert (roles.place >= 0).sum() > 20


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("container", [np.asarray, sparse.csr_matrix])
def test_pruning_halves_the_words_and_keeps_the_share_of_every_template(seed: int, container: object) -> None:
    X, names = documents(seed)
    pruner = FeaturePruner(random_state=0).fit(container(X))  # type: ignore[operator]
    kept = [name for name, stays in zip(names, pruner.support_, strict=True) if stays]
    assert np.mean(pruner.support_) <= 0.5
    assert sum(name.startswith("failed") for name in kept) >= 3
    assert sum(name.startswith("retry") for name in kept) >= 2
    kinds = set(pruner.report_.to_frame().query("not kept")["kind"])
    assert kinds == {"interchangeable", "template copy"}
    assert pruner.report_.figures["top_agreement"] >= 0.95


def test_copies_come_back_where_the_top_of_the_ranking_would_change() -> None:
    rng = np.random.default_rng(0)
    n = 2000
    rare = rng.random(n) < 0.02  # a template of 24 words against 24 single words that are as rare
    alone = rng.random((n, 25)) < 0.02
    base = rng.random((n, 12)) < 0.3
    base[:, 1::2] = base[:, ::2]
    X = np.hstack([np.repeat(rare[:, None], 24, axis=1), alone, base]).astype(float)
    pruner = FeaturePruner(random_state=0).fit(X)
    agreement = pruner.report_.figures["top_agreement"]
    spoke = any(sentence.startswith("guard top") for sentence in pruner.report_.guards)
    assert spoke == (agreement < 0.95)
    if spoke:
        assert pruner.support_.all()


def test_independent_rare_columns_stay() -> None:
    X, _ = documents()
    rng = np.random.default_rng(5)
    X = np.hstack([X, np.log1p((rng.random((len(X), 3)) < 0.01).astype(float))])
    frame = FeaturePruner(random_state=0).fit(X).report_.to_frame()
    assert frame["kept"].to_numpy()[-3:].all()
    assert set(frame["kind"].to_numpy()[-3:]) <= {"rare", "relevant", "untested"}


def test_no_copy_goes_if_they_are_not_asked_for() -> None:
    X, _ = documents()
    report = FeaturePruner(prune_duplicates=False, random_state=0).fit(X).report_
    assert "template copy" not in set(report.to_frame()["kind"])


def test_the_weighted_view_is_silent_on_counts_of_templates() -> None:
    X, _ = documents()
    forest = PrunedIsolationForest(n_estimators=20, random_state=0).fit(X)
    assert forest.view_detector_ is None
    plain = IsolationForest(n_estimators=20, random_state=0).fit(X[:, forest.support_])
    np.testing.assert_allclose(forest.score_samples(X), plain.score_samples(X[:, forest.support_]), rtol=1e-12)
    assert PrunedOneClassSVM().fit(X[:300]).view_ is None
    singles = np.random.default_rng(0).poisson(0.3, size=(500, 8)).astype(float)
    singles[:, 4:] += singles[:, :4]  # words that depend on each other, but stand for no template
    assert copied_share(singles) == 0.0
    assert copied_share(X) > 0.25
    assert PrunedIsolationForest(n_estimators=5, random_state=0).fit(singles).view_detector_ is not None
    assert PrunedIsolationForest(n_estimators=5, random_state=0).fit(X - X.mean(axis=0)).view_detector_ is not None


def test_surprise_and_top_agreement() -> None:
    X = np.array([[1, 0], [1, 0], [1, 1], [0, 0]], dtype=float)
    rare, gone = -np.log(0.25), -np.log(0.25)
    np.testing.assert_allclose(state_surprise(X, np.ones(2)), [0.0, 0.0, rare, gone])
    scores = np.random.default_rng(0).normal(size=500)
    assert top_agreement(scores, 3.0 * scores + 1.0) == 1.0
    assert top_agreement(scores, -scores) < 0.1


def test_half_of_every_group_goes() -> None:
    X, names = documents()
    roles = column_roles(X, 0.015, np.random.default_rng(0))
    gone = thinned_copies(roles, np.ones(len(names), dtype=bool))
    for name, stays in (("failed", 3), ("write", 2), ("retry", 2)):
        assert sum(n.startswith(name) and not g for n, g in zip(names, gone, strict=True)) == stays
