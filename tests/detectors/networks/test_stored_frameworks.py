"""The adapters against networks that torch, PyOD and Keras trained (`golden/networks/make_torch_weights.py`)."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from numpy.testing import assert_allclose
from reference.stored_torch import stored_sequential

from detectors import PrunedAutoencoder
from detectors.exceptions import InvalidParameterError
from detectors.networks.adapters import foreign_layers
from detectors.networks.layers import Network

GOLDEN = Path(__file__).parents[2] / "reference" / "golden" / "networks"
SINGLE = {"rtol": 1e-5, "atol": 1e-5}  # torch computes in single precision


def stored(name: str) -> dict[str, np.ndarray]:
    with np.load(GOLDEN / f"{name}.npz") as arrays:
        return dict(arrays)


@pytest.mark.parametrize("name", ["dense", "convolution"])
def test_torch_networks_give_what_torch_gave(name: str) -> None:
    arrays = stored(name)
    network = Network.of(foreign_layers(stored_sequential(arrays)))
    assert_allclose(network.outputs(arrays["inputs"].astype(float)), arrays["outputs"], **SINGLE)
    n_layers = sum(kind in {"Linear", "Conv1d"} for kind, _ in json.loads(str(arrays["architecture"])))
    assert len(network.layers) == n_layers, "norms must become part of the layers beside them"


@pytest.mark.parametrize("name", ["dense", "convolution"])
def test_pruned_layers_score_in_torch_as_here(name: str) -> None:
    whole, pruned = stored(name), stored(f"pruned_{name}")
    network = Network.of(foreign_layers(stored_sequential(pruned)))
    assert network.n_parameters < Network.of(foreign_layers(stored_sequential(whole))).n_parameters
    assert_allclose(network.outputs(pruned["inputs"].astype(float)), pruned["outputs"], **SINGLE)
    in_torch = -np.square(pruned["outputs"] - whole["inputs"]).mean(axis=1)
    assert_allclose(pruned["scores"], in_torch, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", ["dense", "convolution"])
def test_what_to_layers_gives_is_what_scores(name: str) -> None:
    arrays = stored(name)
    X = arrays["fitted"].astype(float)
    model = PrunedAutoencoder.from_layers(stored_sequential(arrays), X, fidelity=0.98, random_state=0)
    rows = arrays["inputs"].astype(float)
    given = Network.of(model.to_layers()).outputs(rows[:, model.model_.inputs])
    assert_allclose(model.score_samples(rows), -np.square(given - rows).mean(axis=1), rtol=1e-4, atol=1e-6)
    n_whole = Network.of(foreign_layers(stored_sequential(arrays))).n_parameters
    assert model.n_parameters_ <= n_whole
    assert model.model_report_.figures["parameters_before"] == n_whole


def stand_in(kind: str, children: list[object], **parts: object) -> object:
    return type(kind, (), {"children": lambda _: iter(children), **parts})()


def blocks(leaves: list[object]) -> list[object]:
    """Leaves in the order PyOD registers them, grouped as its `LinearBlock` does; a last linear layer is alone."""
    starts = [i for i, leaf in enumerate(leaves) if type(leaf).__name__ == "Linear"]
    names = {"Linear": "linear", "ReLU": "activation", "BatchNorm1d": "bn", "Dropout": "dropout"}
    found = []
    for start, stop in zip(starts, [*starts[1:], len(leaves)], strict=True):
        own = leaves[start:stop]
        named = {names[type(leaf).__name__]: leaf for leaf in own}
        found.append(own[0] if len(own) == 1 else stand_in("LinearBlock", own, **named))
    return found


def test_containers_that_hide_their_order_are_refused() -> None:
    inner = stand_in("MyNetwork", [stand_in("Linear", [])], state_dict=dict)
    with pytest.raises(InvalidParameterError, match="got MyNetwork: the order"):
        foreign_layers(inner)


def test_a_fitted_pyod_autoencoder_scores_as_pyod() -> None:
    arrays = stored("pyod")
    parts, n_encoder = list(stored_sequential(arrays).children()), int(arrays["n_encoder"])
    halves = [stand_in("Sequential", blocks(half), state_dict=dict) for half in (parts[:n_encoder], parts[n_encoder:])]
    fitted = SimpleNamespace(decision_scores_=0, model=SimpleNamespace(encoder=halves[0], decoder=halves[1]))
    assert_allclose(
        Network.of(foreign_layers(fitted)).outputs(arrays["standard"].astype(float)), arrays["outputs"], **SINGLE
    )
    model = PrunedAutoencoder.from_layers(
        fitted, arrays["fitted"].astype(float), centre=arrays["centre"], unit=arrays["unit"], prune=False
    )
    distances = np.sqrt(-6.0 * model.score_samples(arrays["inputs"].astype(float)))  # PyOD: length of the residual
    assert_allclose(distances, arrays["scores"], rtol=1e-5)


def test_weights_of_a_keras_model_give_what_keras_gave() -> None:
    arrays = stored("keras")
    weights = [arrays[name] for name in sorted(arrays) if name.startswith("weights")]
    network = Network.of(foreign_layers(weights))
    assert_allclose(network.outputs(arrays["inputs"].astype(float)), arrays["outputs"], **SINGLE)
