"""PrunedAutoencoder: smaller networks that rank alike, the linear twin, files, exports, other networks."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from detectors import PrunedAutoencoder
from detectors.exceptions import GuardError, InvalidParameterError, InvalidTableError, StoredModelError
from detectors.rank_correlation import rank_correlation
from detectors.storage.archive import read_model, write_model


def bent(n_rows: int = 1500, seed: int = 0) -> np.ndarray:
    """A curve in five dimensions: no plane of its dimension holds it."""
    rng = np.random.default_rng(seed)
    angle = rng.uniform(0, 2 * np.pi, size=n_rows)
    clean = np.column_stack([np.cos(angle), np.sin(angle), np.cos(2 * angle), np.sin(2 * angle), np.cos(3 * angle)])
    return clean + 0.05 * rng.normal(size=clean.shape)


def flat(n_rows: int = 800, seed: int = 0) -> np.ndarray:
    """A plane in six dimensions and noise."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n_rows, 2)) @ rng.normal(size=(2, 6)) + 0.3 * rng.normal(size=(n_rows, 6))


@pytest.fixture(scope="module")
def pair() -> tuple[PrunedAutoencoder, PrunedAutoencoder]:
    X = bent()
    whole = PrunedAutoencoder((64, 3, 64), prune=False, random_state=0).fit(X)
    return whole, PrunedAutoencoder((64, 3, 64), random_state=0).fit(X)


def test_pruned_is_smaller_and_ranks_alike(pair) -> None:
    whole, pruned = pair
    assert not pruned.model_report_.figures["linear_suffices"]
    assert pruned.n_parameters_ < 0.6 * whole.n_parameters_
    assert pruned.n_parameters_ == sum(w.size + b.size for w, b, _ in pruned.to_layers())
    new = bent(seed=9)
    assert rank_correlation(pruned.score_samples(new), whole.score_samples(new)) > 0.98
    inside = np.zeros((1, 5))
    for model in pair:
        assert model.score_samples(inside)[0] < np.quantile(model.score_samples(new), 0.05)


def test_the_report_prices_every_unit(pair) -> None:
    frame = pair[1].model_report_.to_frame()
    assert set(frame["kind"]) == {"input", "neuron"}
    assert (frame["kind"] == "neuron").sum() == 64 + 3 + 64
    removed = frame[~frame["kept"]]
    assert len(removed) > 20
    assert (removed["statistic"] >= 0).all()
    assert (removed["statistic"] <= removed["threshold"]).all()
    assert pair[0].model_report_.to_frame()["kept"].all()


def test_linear_suffices_on_a_plane() -> None:
    X = flat()
    pruned = PrunedAutoencoder((32, 2, 32), random_state=0, prune_features=False).fit(X)
    whole = PrunedAutoencoder((32, 2, 32), random_state=0, prune_features=False, prune=False).fit(X)
    assert pruned.model_report_.guards[0].startswith("linear suffices")
    assert [name for _, _, name in pruned.to_layers()] == ["identity", "identity"]
    new = 3.0 * flat(seed=1)
    assert rank_correlation(pruned.score_samples(new), whole.score_samples(new)) > 0.99
    # the twin is principal components: the residual of a projection
    z = np.clip((X - X.mean(axis=0)) / X.std(axis=0), -5, 5)
    axes = pruned.to_layers()[0][0]
    np.testing.assert_allclose(-((z - z @ axes @ axes.T) ** 2).mean(axis=1), pruned.score_samples(X), atol=1e-6)


@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_activations_reach_a_lower_loss_than_the_twin(activation: str) -> None:
    model = PrunedAutoencoder((64, 3, 64), activation=activation, random_state=0).fit(bent())
    figures = model.model_report_.figures
    assert figures["loss"] < 0.8 * figures["loss_of_twin"]


def test_weight_decay_and_growth() -> None:
    X = bent(800)
    strong = PrunedAutoencoder((64, 3, 64), alpha=10.0, random_state=0, prune=False).fit(X)
    weak = PrunedAutoencoder((64, 3, 64), alpha=0.0, random_state=0, prune=False).fit(X)
    assert strong.model_report_.figures["loss"] > weak.model_report_.figures["loss"]
    grown = PrunedAutoencoder("grow", fidelity=0.5, max_iter=20, random_state=0).fit(X)
    assert grown.model_report_.figures["width_agreement"] > 0.5
    assert grown.model_report_.figures["parameters_before"] < 5000


def test_connections() -> None:
    X = bent(800)
    plain = PrunedAutoencoder((32, 3, 32), random_state=0, fidelity=0.9).fit(X)
    cut = PrunedAutoencoder((32, 3, 32), random_state=0, fidelity=0.9, prune_connections=True).fit(X)
    zeros = sum(int((w == 0).sum()) for w, _, _ in cut.to_layers())
    assert zeros > sum(int((w == 0).sum()) for w, _, _ in plain.to_layers())
    assert "connection" in set(cut.model_report_.to_frame()["kind"])
    assert cut.model_report_.figures["fidelity_held_out"] >= 0.9


@pytest.mark.parametrize("n_rows", [2, 5, 19, 21])
def test_few_rows_and_one_feature(n_rows: int) -> None:
    X = bent(n_rows)
    scores = PrunedAutoencoder((6, 2, 6), random_state=0, prune_features=False).fit(X).score_samples(X)
    assert np.isfinite(scores).all()
    one = PrunedAutoencoder(random_state=0).fit(X[:, :1])
    assert one.score_samples([[9.0]])[0] < one.score_samples(X[:, :1]).min()


def test_saved_files_hold_the_same_bits_and_run_no_code(pair, tmp_path) -> None:
    X = bent(seed=3)
    path = tmp_path / "net"
    pair[1].save(path)
    loaded = PrunedAutoencoder.load(path)
    np.testing.assert_array_equal(loaded.score_samples(X), pair[1].score_samples(X))
    np.testing.assert_array_equal(loaded.predict(X), pair[1].predict(X))
    assert b"pickle" not in path.read_bytes()
    manifest, arrays = read_model(path, "PrunedAutoencoder")
    for name, wrong in (
        ("inputs", np.array([99], dtype=np.int32)), ("unit", np.zeros(5)), ("weights1", np.zeros((2, 2))),
    ):  # fmt: skip
        write_model(path, "PrunedAutoencoder", manifest, arrays | {name: wrong})
        with pytest.raises(StoredModelError, match="lacks what it needs"):
            PrunedAutoencoder.load(path)
    for forged in ({"activations": ["exec"] * 4}, {"clip": -1.0}):
        write_model(path, "PrunedAutoencoder", manifest | forged, arrays)
        with pytest.raises(StoredModelError, match="lacks what it needs"):
            PrunedAutoencoder.load(path)


def test_explanations_are_the_parts_of_the_score(pair) -> None:
    odd = bent(3)
    odd[0, 2] = 30.0
    shares = pair[1].explain(odd)
    assert shares.iloc[0].idxmax() == "x2"
    np.testing.assert_allclose(shares.sum(axis=1), 1.0)


def test_huge_values_are_finite_or_refused(pair) -> None:
    assert np.isfinite(pair[1].score_samples(np.full((2, 5), 1e200))).all()
    with pytest.raises(InvalidTableError, match="1e\\+150"):
        PrunedAutoencoder((4, 2, 4)).fit(np.full((30, 5), 1e160) * bent(30))


# ---------------------------------------------------------------------------------------------- other networks


def test_from_layers_scores_like_the_network_that_was_given(pair) -> None:
    X = bent()
    whole = pair[0]
    z = (X - whole.model_.centre) / whole.model_.unit
    taken = PrunedAutoencoder.from_layers(whole.to_layers(), z, prune=False)
    expected = -((z - whole.model_.network.outputs(z)) ** 2).mean(axis=1)
    np.testing.assert_allclose(taken.score_samples(z), expected, rtol=1e-4, atol=1e-6)
    scaled = PrunedAutoencoder.from_layers(whole.to_layers(), X, centre=whole.model_.centre, unit=whole.model_.unit)
    assert scaled.n_parameters_ < whole.n_parameters_
    assert rank_correlation(scaled.score_samples(X), taken.score_samples(z)) > 0.98


def test_from_layers_refuses_what_does_not_fit(pair) -> None:
    layers = pair[0].to_layers()
    with pytest.raises(InvalidParameterError, match="read and give 4 values"):
        PrunedAutoencoder.from_layers(layers, bent()[:, :4])
    with pytest.raises(InvalidParameterError, match="unit positive"):
        PrunedAutoencoder.from_layers(layers, bent(), unit=np.zeros(5))


def test_transfer_starts_from_the_source(pair) -> None:
    X = 2.0 * bent(seed=5) + 1.0
    sibling = pair[1].transfer(X)
    figures = sibling.model_report_.figures
    assert figures["loss"] <= figures["loss_before"]
    assert sibling.n_parameters_ <= pair[1].n_parameters_
    assert figures["parameters_of_source"] == pair[1].n_parameters_
    np.testing.assert_allclose(sibling.model_.centre, X.mean(axis=0))
    with pytest.raises(InvalidParameterError, match="features of the source"):
        pair[1].transfer(X[:, :3])


def test_distill_is_guarded(pair) -> None:
    student = pair[0].distill(bent())
    assert student.n_parameters_ < 0.6 * pair[0].n_parameters_
    assert student.model_report_.figures["fidelity_held_out"] >= 0.995
    with pytest.raises(GuardError, match=r"more width than 0\.03"):
        pair[0].distill(bent(), width=0.03)


# ------------------------------------------------------------------------------------------------------- ONNX


def test_onnx_equals_numpy_and_int8_ranks_alike(pair, tmp_path) -> None:
    onnxruntime = pytest.importorskip("onnxruntime", reason="the extra `onnx` is not installed")
    X = np.vstack([bent(seed=4), 4.0 * bent(300, seed=6)])
    model = pair[1]
    expected = model.score_samples(X)

    def run(stored: bytes) -> list[np.ndarray]:
        return onnxruntime.InferenceSession(stored, providers=["CPUExecutionProvider"]).run(None, {"X": X})

    scores, labels = run(model.to_onnx())
    np.testing.assert_allclose(scores, expected, rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(labels, model.predict(X))
    small = model.to_onnx(tmp_path / "int8.onnx", int8=True)
    assert (tmp_path / "int8.onnx").read_bytes() == small
    assert rank_correlation(run(small)[0], expected) >= 0.995
    assert len(small) < 0.6 * len(model.to_onnx())
    model.save(tmp_path / "net")
    loaded = PrunedAutoencoder.load(tmp_path / "net")
    with pytest.raises(InvalidParameterError, match="calibration must be given"):
        loaded.to_onnx(int8=True)
    assert rank_correlation(run(loaded.to_onnx(int8=True, calibration=bent(400)))[0], expected) >= 0.995


def test_int8_without_the_extra(pair, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ImportError, match="tsprune\\[onnx\\]"):
        pair[1].to_onnx(int8=True)


def test_int8_that_changes_the_ranks_is_refused(pair) -> None:
    pytest.importorskip("onnxruntime", reason="the extra `onnx` is not installed")
    from detectors.networks.quantization import export_int8

    with pytest.raises(GuardError, match="int8=False"):
        export_int8(pair[1], pair[1]._calibration_tables(None), 1.1)
