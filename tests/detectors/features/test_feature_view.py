"""FeatureView: two scales, weights by agreement, thresholds back in raw units."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr
from sklearn.datasets import load_breast_cancer, load_iris, load_wine
from sklearn.ensemble import IsolationForest
from sklearn.metrics import roc_auc_score

from detectors import PrunedIsolationForest, PrunedOneClassSVM
from detectors.features.weighted_view import FeatureView, agreement


def scattered(n_rows: int = 500, seed: int = 0) -> np.ndarray:
    """Columns 0-2 are extreme in the same rows, column 3 in rows of its own."""
    rng = np.random.default_rng(seed)
    size = rng.exponential(size=(n_rows, 1))
    return np.hstack([size * rng.normal(size=(n_rows, 3)), rng.standard_t(3, size=(n_rows, 1))])


def naive_agreement(X: np.ndarray, middle: np.ndarray, spread: np.ndarray) -> list[float]:
    distance = np.log1p(np.abs((X - middle) / spread))
    distance = (distance - distance.mean(axis=0)) / distance.std(axis=0)
    result = []
    for j in range(X.shape[1]):
        rest = np.zeros(len(X))
        for k in range(X.shape[1]):
            if k != j:
                rest += (1 - spearmanr(X[:, j], X[:, k]).statistic ** 2) * distance[:, k]
        r = spearmanr(distance[:, j], rest).statistic
        result.append(r if r > 1.645 / np.sqrt(len(X) - 1) else 0.0)
    return result


def test_agreement_is_that_of_loops() -> None:
    X = scattered()
    X[:, 2] = np.round(X[:, 2])
    view = FeatureView.of(X)
    np.testing.assert_allclose(view.agreement, naive_agreement(X, view.middle, view.spread), atol=1e-12)
    assert (view.agreement[:3] > 0.4).all()
    assert view.agreement[3] < 0.15


def test_near_copies_prove_nothing() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(500, 1))
    X = np.hstack([x, x + 1e-3 * rng.normal(size=(500, 1)), rng.normal(size=(500, 1))])
    assert (FeatureView.of(X).agreement < 0.15).all()


@settings(deadline=None, max_examples=15)
@given(st.floats(0.01, 100), st.floats(-20, 20))
def test_view_does_not_see_shift_and_scale(scale: float, shift: float) -> None:
    X = scattered(200)
    moved = scale * X + shift
    np.testing.assert_allclose(
        FeatureView.of(moved).transform(moved), FeatureView.of(X).transform(X), rtol=1e-2, atol=1e-3
    )


def test_coordinates() -> None:
    X = scattered()
    view = FeatureView.of(X)
    both = view.transform(X)
    assert both.shape == (500, 8)
    np.testing.assert_allclose(both[:, 1] / view.weight[1], np.clip((X[:, 1] - X[:, 1].mean()) / X[:, 1].std(), -5, 5))
    z = (X[:, 2] - np.median(X[:, 2])) / view.spread[2]
    np.testing.assert_allclose(both[:, 6] / view.weight[2], np.sign(z) * np.log1p(np.abs(z)))
    assert view.weight.min() >= 0.2
    assert view.weight.max() <= 1.2


def test_thresholds_come_back_in_raw_units() -> None:
    X = scattered()
    view = FeatureView.of(X)
    offered = view.offered(X)
    draws = view.draws()
    assert 1 <= np.bincount(draws).min() <= np.bincount(draws).max() == 12
    columns = np.arange(offered.shape[1])
    cuts = np.quantile(offered, 0.3, axis=0, method="midpoint") + 1e-9
    feature, raw = view.thresholds(columns, cuts)
    assert feature.tolist() == draws.tolist()
    for column, (f, cut) in enumerate(zip(feature, raw, strict=True)):
        assert np.array_equal(X[:, f] <= cut, offered[:, column] <= cuts[column])


def test_few_values_missing_values_and_one_feature() -> None:
    X = np.column_stack([np.arange(60) % 2, np.zeros(60), np.arange(60.0)])
    X[5, 2] = np.nan
    view = FeatureView.of(X)
    assert np.isfinite(view.transform(np.delete(X, 5, axis=0))).all()
    assert view.agreement[1] == 0.0
    one = FeatureView.of(X[:, [0]])
    assert one.agreement.tolist() == [0.0]
    assert one.draws().tolist() == [0] * 12
    lost = FeatureView.of(np.column_stack([np.full(60, np.nan), np.arange(60.0)]))
    assert np.isfinite(lost.weight).all()


def test_forest_is_scikit_learns_and_one_on_the_view() -> None:
    X = load_breast_cancer().data
    model = PrunedIsolationForest(20, random_state=0).fit(X)
    kept = X[:, model.support_]
    plain = PrunedIsolationForest(20, random_state=0, weight_features=False).fit(X)
    by_hand = IsolationForest(n_estimators=20, random_state=0).fit(kept)
    np.testing.assert_allclose(plain.score_samples(X), by_hand.score_samples(kept), atol=1e-12)
    np.testing.assert_array_equal(model.detector_.score_samples(kept), by_hand.score_samples(kept))
    assert (plain.n_trees_, model.n_trees_, plain.view_detector_) == (20, 40, None)
    engine = model.view_detector_.score_samples(FeatureView.of(kept).offered(kept))
    mean_path = (3 * np.log2(-by_hand.score_samples(kept)) + 2 * np.log2(-engine)) / 5
    np.testing.assert_allclose(model.score_samples(X), -(2.0**mean_path), atol=2e-3)  # float32 thresholds, restated


def test_forest_beside_another_is_seeded_saved_and_reliable(tmp_path) -> None:
    X = scattered()
    once, again = (PrunedIsolationForest(20, random_state=3).fit(X) for _ in range(2))
    np.testing.assert_array_equal(once.score_samples(X), again.score_samples(X))
    once.save(tmp_path / "model")
    loaded = PrunedIsolationForest.load(tmp_path / "model")
    np.testing.assert_array_equal(loaded.score_samples(X), once.score_samples(X))
    assert loaded.n_trees_ == 40
    model = PrunedIsolationForest(200, reliability=0.9, random_state=0).fit(X)
    figures = model.model_report_.figures
    assert figures["reliability"] >= 0.9
    assert figures["trees_grown"] == model.n_trees_ < figures["trees_allowed"] == 400
    rng = np.random.RandomState(1)
    one, two = (PrunedIsolationForest(20, random_state=rng).fit(X) for _ in range(2))
    assert not np.array_equal(one.score_samples(X), two.score_samples(X))


def test_switched_off_views_leave_the_table_alone() -> None:
    X = scattered()
    assert PrunedOneClassSVM(weight_features=False).fit(X).view_ is None
    assert PrunedOneClassSVM(prune_features=False).fit(X).view_ is None
    assert PrunedOneClassSVM().fit(X).view_ is not None


def test_agreement_needs_significance() -> None:
    X = np.random.default_rng(0).normal(size=(40, 3))
    values = agreement(X, np.median(X, axis=0), np.ones(3))
    assert ((values == 0) | (values > 1.645 / np.sqrt(39))).all()


def test_weights_help_on_average_over_tables_with_planted_classes() -> None:
    """One class of a labelled table, thinned out, is the anomaly; a single table may lose, the mean gains."""
    rng = np.random.default_rng(0)
    gains = []
    cancer, iris, wine = load_breast_cancer(), load_iris(), load_wine()
    tables = [(cancer.data, cancer.target == 0, 40)]
    tables += [(iris.data, iris.target == c, 8) for c in range(3)]
    tables += [(wine.data, wine.target == c, 10) for c in range(3)]
    for X, odd, n_odd in tables:
        rows = np.r_[np.flatnonzero(~odd), rng.choice(np.flatnonzero(odd), n_odd, replace=False)]
        table = (X[rows] - X[rows].mean(axis=0)) / X[rows].std(axis=0)
        weighted, plain = PrunedOneClassSVM(), PrunedOneClassSVM(weight_features=False)
        with_view, without = (roc_auc_score(odd[rows], -m.fit(table).score_samples(table)) for m in (weighted, plain))
        gains.append(with_view - without)
    assert np.mean(gains) > 0.02
    assert min(gains) > -0.03


def test_a_very_wide_table_is_offered_with_coarser_weights() -> None:
    X = np.random.default_rng(0).normal(size=(30, 15000))
    draws = FeatureView.of(X).draws()
    assert len(draws) < 40000
    assert len(np.unique(draws)) == 15000
