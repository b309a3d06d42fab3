"""A supervised head is put on where it earns it, restored bit by bit, and never by noise."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import ExtraTreesClassifier, IsolationForest
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GridSearchCV

from detectors import FeaturePruner, PrunedDetector, PrunedIsolationForest, PrunedLOF, PrunedOneClassSVM
from detectors.exceptions import InvalidParameterError, StoredModelError
from detectors.wrappers.head import KnownHead, _flattened, _small_mean_p, _with_score, head_on_labels


def hidden(seed: int = 0, n_rows: int = 500) -> tuple[np.ndarray, np.ndarray]:
    """Anomalies that no unsupervised detector sees: they lie inside, where two columns have opposite signs."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_rows, 1)) + 0.7 * rng.normal(size=(n_rows, 5))
    abnormal = rng.permutation(n_rows) < 60
    X[abnormal] = 0.4 * rng.normal(size=(60, 5)) + 0.7 * np.array([1.0, -1.0, 1.0, 0.0, 0.0])
    return X, abnormal


def told(abnormal: np.ndarray, n_anomalies: int = 12) -> np.ndarray:
    y = np.zeros(len(abnormal), dtype=int)
    y[np.flatnonzero(abnormal)[:n_anomalies]] = -1
    y[np.flatnonzero(~abnormal)[: 4 * n_anomalies]] = 1
    return y


DETECTORS = {
    "wrapped": PrunedDetector(IsolationForest(random_state=0), random_state=0),
    "forest": PrunedIsolationForest(30, random_state=0),
    "lof": PrunedLOF(random_state=0),
    "machine": PrunedOneClassSVM(random_state=0),
}


@pytest.mark.parametrize("name", DETECTORS)
def test_labels_earn_a_head(name):
    X, abnormal = hidden()
    new, truth = hidden(1)
    plain = roc_auc_score(truth, -DETECTORS[name].fit(X).score_samples(new))
    model = DETECTORS[name].fit(X, told(abnormal))
    assert model.head_ is not None
    assert model.report_.figures["head_used"] == 1.0
    assert model.report_.figures["head_average_precision"] > model.report_.figures["detector_average_precision"]
    scores = model.score_samples(new)
    assert roc_auc_score(truth, -scores) > max(plain + 0.1, 0.85)
    assert scores.min() >= -1.0
    assert scores.max() <= 0.0
    np.testing.assert_array_equal(model.predict(new) == -1, scores < model.offset_)
    assert (model.predict(new)[truth] == -1).mean() > 0.5
    shares = model.explain(new[:4])
    np.testing.assert_allclose(shares.sum(axis=1), 1.0)
    assert DETECTORS[name].fit(X).head_ is None


@pytest.mark.parametrize("name", ["forest", "lof", "machine"])
def test_a_head_is_in_the_file_and_not_in_the_graph(name, tmp_path):
    X, abnormal = hidden()
    model = DETECTORS[name].fit(X, told(abnormal))
    model.save(tmp_path / "model")
    loaded = type(model).load(tmp_path / "model")
    np.testing.assert_array_equal(loaded.score_samples(X), model.score_samples(X))
    assert loaded.offset_ == model.offset_
    with pytest.raises(InvalidParameterError, match="without a supervised head"):
        model.to_onnx()


def test_a_reference_earns_a_head_and_noise_does_not():
    X, abnormal = hidden(2, 800)
    rng = np.random.default_rng(0)
    normal = rng.permutation(np.flatnonzero(~abnormal))[:300]
    mask = np.zeros(len(X), dtype=bool)
    mask[normal] = True
    model = PrunedDetector(IsolationForest(random_state=0), random_state=0).fit(X, reference=mask)
    new, truth = hidden(3)
    plain = PrunedDetector(IsolationForest(random_state=0), random_state=0).fit(X)
    assert model.head_ is not None
    assert roc_auc_score(truth, -model.score_samples(new)) > roc_auc_score(truth, -plain.score_samples(new)) + 0.1
    assert (model.predict(X[mask]) == -1).mean() < 0.1
    other = PrunedDetector(IsolationForest(random_state=0), random_state=0).fit(X[~mask], reference=X[mask])
    assert other.head_ is not None
    used = 0
    for seed in range(15):
        rng = np.random.default_rng(seed)
        y = np.zeros(len(X), dtype=int)
        y[rng.choice(len(X), 15, replace=False)] = np.repeat([-1, 1], [3, 12])
        used += DETECTORS["forest"].fit(X, y).head_ is not None
        used += DETECTORS["forest"].fit(X, reference=rng.permutation(len(X)) < 200).head_ is not None
    assert used <= 4  # 30 trials at level 0.02: more has probability 0.0003


def test_two_labels_are_too_few():
    X, abnormal = hidden()
    model = DETECTORS["forest"].fit(X, told(abnormal, 2))
    assert model.head_ is None
    assert model.report_.figures["head_used"] == 0.0


def test_many_anomalies_among_the_unknown_do_not_hide_the_evidence():
    rng = np.random.default_rng(4)
    abnormal = np.arange(250) < 100  # 40 % anomalies: they fill the ranking of the unknown rows
    X = rng.normal(size=(250, 5)) + 2.5 * abnormal[:, None] * np.array([1.0, 1.0, 0.0, 0.0, 0.0])
    y = told(abnormal, 10)
    detector = -np.abs(X).sum(axis=1)
    head, trial = head_on_labels(X, detector, y == -1, y == 1, 0)
    assert head is not None
    assert trial.p_value <= 0.02


def test_anomalies_alone_are_compared_with_the_unknown():
    X, abnormal = hidden()
    y = np.where(told(abnormal) == -1, -1, 0)
    model = DETECTORS["forest"].fit(X, y)
    assert model.head_ is not None
    assert roc_auc_score(abnormal, -model.score_samples(X)) > 0.8


def test_the_flat_trees_are_those_of_scikit_learn():
    X, abnormal = hidden()
    detector = -np.abs(X).sum(axis=1)
    model = ExtraTreesClassifier(20, random_state=0, class_weight="balanced").fit(_with_score(X, detector), abnormal)
    head = _flattened(model, detector, 1.0, -0.5)
    np.testing.assert_allclose(
        -head.scores(X, detector), model.predict_proba(_with_score(X, detector))[:, 1], atol=1e-12
    )
    again = KnownHead.from_state(head.state(), X.shape[1])
    assert again is not None
    np.testing.assert_array_equal(again.scores(X, detector), head.scores(X, detector))
    assert KnownHead.from_state({}, 5) is None


@pytest.mark.parametrize("damage", ["left", "roots", "feature"])
def test_a_damaged_head_is_no_head(damage):
    X, abnormal = hidden()
    detector = -np.abs(X).sum(axis=1)
    head, _ = head_on_labels(X, detector, abnormal, ~abnormal, 0)
    assert head is not None
    state = head.state()
    state[f"head_{damage}"] = state[f"head_{damage}"] + (10**6 if damage != "left" else -1)
    with pytest.raises(ValueError, match=r"head|column"):
        KnownHead.from_state(state, X.shape[1])


def test_sums_of_uniform_numbers():
    rng = np.random.default_rng(0)
    for k in (3, 8, 20):
        draws = rng.uniform(size=(40_000, k)).sum(axis=1)
        for total in (0.2 * k, 0.35 * k, 0.5 * k):
            assert _small_mean_p(np.full(k, total / k)) == pytest.approx((draws <= total).mean(), abs=0.01)


def test_a_search_over_parameters_takes_labels():
    X, abnormal = hidden()
    y = told(abnormal, 40)
    search = GridSearchCV(
        PrunedIsolationForest(20, random_state=0), {"prune_features": [True, False]}, scoring="roc_auc", cv=3
    )
    labelled = y != 0
    search.fit(X[labelled], y[labelled])
    assert search.best_score_ > 0.7


KEPT = {"n_rows": 300}


def wide(n_rows: int = 300) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    factor = rng.exponential(size=(n_rows, 1)) * rng.normal(size=(n_rows, 1))
    X = np.hstack([factor + 0.3 * rng.normal(size=(n_rows, 4)), rng.uniform(size=(n_rows, 3))])
    return pd.DataFrame(X, columns=list("abcdefg"))


@pytest.mark.parametrize("name", DETECTORS)
@pytest.mark.parametrize("labelled", [False, True])
def test_the_kept_columns_are_enough(name, labelled):
    frame = wide()
    y = None
    if labelled:
        y = np.zeros(len(frame), dtype=int)
        y[frame["a"].abs().nlargest(10).index] = -1
        y[frame["a"].abs().nsmallest(100).index] = 1
    model = DETECTORS[name].fit(frame, y)
    assert model.support_.tolist() == [True] * 4 + [False] * 3
    expected = model.score_samples(frame)
    np.testing.assert_array_equal(model.score_samples(frame[list("abcd")]), expected)
    np.testing.assert_array_equal(model.predict(frame[list("dbca")]), model.predict(frame))
    pd.testing.assert_frame_equal(model.explain(frame[list("abcd")].head(3)), model.explain(frame.head(3)))
    assert not model.sentinel_flags(frame[list("abcd")]).any()
    with pytest.raises(ValueError, match="feature names"):
        model.score_samples(frame[list("abc")])
    with pytest.raises(ValueError, match="feature names"):
        model.score_samples(frame[list("abcdef")])
    array = DETECTORS[name].fit(frame.to_numpy(), y)
    np.testing.assert_array_equal(array.score_samples(frame.to_numpy()[:, :4]), expected)
    with pytest.raises(ValueError, match="features"):
        array.score_samples(frame.to_numpy()[:, :5])


def test_a_graph_of_the_kept_columns():
    runtime = pytest.importorskip("onnxruntime")
    frame = wide()
    model = DETECTORS["forest"].fit(frame)
    session = runtime.InferenceSession(model.to_onnx(kept_only=True), providers=["CPUExecutionProvider"])
    rows = np.ascontiguousarray(frame[list("abcd")].to_numpy())
    scores, labels = session.run(None, {"X": rows})
    np.testing.assert_allclose(scores, model.score_samples(frame), atol=1e-5)
    assert (labels == model.predict(frame)).mean() > 0.99


def test_a_file_with_a_damaged_head(tmp_path, monkeypatch):
    X, abnormal = hidden()
    model = DETECTORS["forest"].fit(X, told(abnormal))
    state = model.head_.state()
    monkeypatch.setattr(KnownHead, "state", lambda _head: {**state, "head_roots": state["head_roots"] - 1})
    model.save(tmp_path / "model")
    with pytest.raises(StoredModelError, match="head"):
        PrunedIsolationForest.load(tmp_path / "model")


def test_a_pruner_that_takes_no_knowledge_is_left_alone():
    X, abnormal = hidden()
    model = PrunedDetector(IsolationForest(random_state=0), pruner=FeaturePruner(prune_blocks=False), random_state=0)
    assert model.fit(X, told(abnormal)).support_.all()
