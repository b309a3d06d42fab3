"""PrunedPredictor: gradients, causality, filters that go, the twin on lags, files and graphs."""

from __future__ import annotations

import numpy as np
import pytest
from reference.naive_networks import naive_predictions

from detectors import PrunedPredictor
from detectors.exceptions import StoredModelError
from detectors.networks.convolution import ConvolutionNet, gradients, lagged
from detectors.networks.filters import filter_prices, lag_regression, pruned_filters
from detectors.storage.archive import read_model, write_model


def logistic_map(n: int = 2000, seed: int = 0) -> np.ndarray:
    """A chaotic series: its next value is a parabola of the last one, which no line predicts."""
    rng = np.random.default_rng(seed)
    x = np.empty(n)
    x[0] = 0.3
    for t in range(1, n):
        x[t] = 3.9 * x[t - 1] * (1 - x[t - 1])
    return np.column_stack([x, np.roll(x, 1)]) + 0.01 * rng.normal(size=(n, 2))


def waves(n: int = 1000, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.sin(np.arange(n)[:, None] / [4.0, 7.0]) + 0.1 * rng.normal(size=(n, 2))


def net(seed: int = 0, taps: int = 3) -> ConvolutionNet:
    return ConvolutionNet.random(2, (4, 3), taps, np.random.RandomState(seed))


def test_predictions_are_those_of_the_naive_twin() -> None:
    rows = np.random.default_rng(0).normal(size=(15, 2))
    model = net()
    np.testing.assert_allclose(model.predictions(rows), naive_predictions(model, rows.tolist()), rtol=1e-10)


@pytest.mark.parametrize("own_targets", [False, True])
def test_gradients_are_finite_differences(own_targets: bool) -> None:
    rng = np.random.default_rng(1)
    rows = rng.normal(size=(30, 2))
    targets = rng.normal(size=(30, 2)) if own_targets else None
    model = net()
    _, slopes = gradients(model, rows, 8, 0.01, targets)
    for place, (weights, found) in enumerate(zip(model.weights, slopes, strict=True)):
        for at in np.ndindex(weights.shape):
            both = []
            for sign in (1e-6, -1e-6):
                moved = [w.copy() for w in model.weights]
                moved[place][at] += sign
                both.append(gradients(ConvolutionNet.of(moved, model.taps), rows, 8, 0.01, targets)[0])
            assert found[at] == pytest.approx((both[0] - both[1]) / 2e-6, abs=1e-7)


def test_no_later_row_is_looked_at() -> None:
    X = logistic_map(600)
    model = PrunedPredictor(8, taps=2, max_iter=4, random_state=0, prune_features=False).fit(X)
    changed = X.copy()
    changed[400:] = 99.0
    np.testing.assert_allclose(model.score_samples(changed)[:400], model.score_samples(X)[:400], rtol=1e-9)


def test_a_dead_filter_costs_nothing() -> None:
    model = net(taps=2)
    n = model.first.shape[1]
    model.second[[1, n + 1]] = 0.0
    model.head[2] = 0.0
    rows = np.random.default_rng(2).normal(size=(300, 2))
    first, second = filter_prices(model, rows)
    assert first.argmin() == 1
    assert second.argmin() == 2
    assert first[1] == second[2] == 0.0
    smaller = model.without(1, 1).without(2, 2)
    assert smaller.n_parameters < model.n_parameters
    np.testing.assert_allclose(smaller.predictions(rows), model.predictions(rows), rtol=1e-10)


def test_filters_go_as_far_as_the_guard_allows() -> None:
    rows = np.random.default_rng(2).normal(size=(400, 2))
    model = net(taps=2)
    rng = np.random.RandomState(0)
    small, records, reached = pruned_filters(model, rows, lambda _: 1.0, 0.9, rng)
    assert (small.first.shape[1], small.second.shape[1]) == (1, 1)
    assert [r.kind for r in records] == ["filter"] * 7
    assert sum(not r.kept for r in records) == 5
    assert reached == 1.0
    same, records, _ = pruned_filters(model, rows, lambda _: 0.0, 0.9, rng)
    assert same is model
    assert all(r.kept for r in records)


def test_bent_dynamics_need_the_network_and_waves_do_not() -> None:
    X = logistic_map()
    model = PrunedPredictor(16, taps=2, random_state=0).fit(X)
    figures = model.model_report_.figures
    assert figures["loss"] < 0.3 * figures["loss_of_twin"]
    assert not figures["linear_suffices"]
    odd = X.copy()
    odd[1500, 0] = 1.0 - odd[1500, 0]
    assert model.score_samples(odd)[1500] < model.score_samples(X)[1500]
    lags = PrunedPredictor(8, taps=3, random_state=0, max_iter=10, prune_features=False).fit(waves())
    assert lags.net_ is None
    assert lags.model_report_.guards == (
        "linear suffices: held-out rows show no gain of the network over regression on lags",
    )
    assert PrunedPredictor(8, taps=3, random_state=0, max_iter=2, prune=False).fit(waves()).net_ is not None


def test_lagged_rows_and_regression_on_them() -> None:
    rows = np.arange(6.0).reshape(3, 2)
    assert lagged(rows, 2, 2).tolist() == [[0, 1, 0, 0], [2, 3, 0, 0], [4, 5, 0, 1]]
    x = np.zeros((500, 1))
    rng = np.random.default_rng(0)
    for t in range(1, 500):
        x[t] = 0.8 * x[t - 1] + rng.normal()
    weights, _, n_lags = lag_regression(x, 16)
    assert n_lags <= 2
    assert weights[0, 0] == pytest.approx(0.8, abs=0.08)


@pytest.mark.parametrize("kind", ["network", "lags"])
def test_files_and_graphs(kind: str, tmp_path) -> None:
    X = logistic_map(800) if kind == "network" else waves(800)
    model = PrunedPredictor(8, taps=2, max_iter=15, random_state=0, prune=kind == "lags", prune_features=False).fit(X)
    assert (model.net_ is None) == (kind == "lags")
    path = tmp_path / "net"
    model.save(path)
    loaded = PrunedPredictor.load(path)
    np.testing.assert_array_equal(loaded.score_samples(X), model.score_samples(X))
    assert loaded.n_parameters_ == model.n_parameters_
    manifest, arrays = read_model(path, "PrunedPredictor")
    name = "weights" if kind == "lags" else "part2"
    write_model(path, "PrunedPredictor", manifest, arrays | {name: np.zeros((3, 2))})
    with pytest.raises(StoredModelError, match="lacks what it needs"):
        PrunedPredictor.load(path)
    onnxruntime = pytest.importorskip("onnxruntime", reason="the extra `onnx` is not installed")
    session = onnxruntime.InferenceSession(model.to_onnx(), providers=["CPUExecutionProvider"])
    scores, labels = session.run(None, {"X": X})
    np.testing.assert_allclose(scores, model.score_samples(X), rtol=1e-5, atol=1e-8)
    np.testing.assert_array_equal(labels, model.predict(X))


def test_a_handful_of_rows() -> None:
    for n in (2, 5, 19, 20):
        X = waves(n)
        assert np.isfinite(PrunedPredictor(4, taps=2, max_iter=2, random_state=0).fit(X).score_samples(X)).all()
