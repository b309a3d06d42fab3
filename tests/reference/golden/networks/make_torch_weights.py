"""Make the networks of other frameworks that the adapters are tested against. Three steps, in two environments.

    TORCH/bin/python make_torch_weights.py train     torch, pyod, keras: trains, writes dense.npz, convolution.npz,
                                                     pyod.npz, keras.npz (Keras runs on torch here, no TensorFlow)
    PROJECT/bin/python make_torch_weights.py prune   this project: prunes them, writes pruned_dense.npz, ...
    TORCH/bin/python make_torch_weights.py back      torch: loads the pruned layers, adds torch's outputs to the files

A file holds `architecture` (JSON: kind and settings of every module), the arrays of `state_dict()` under their names,
`inputs` (rows to score), `fitted` (rows to prune on), torch's `outputs` for `inputs`, and the versions. `pyod.npz` has
the scores of `decision_function` and the standardisation besides, `keras.npz` what `get_weights()` gives, in its order.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

FOLDER = Path(__file__).parent
N_FITTED, N_INPUTS = 1200, 200
Architecture = list[tuple[str, dict[str, int]]]
DENSE: Architecture = [
    ("Linear", {"in_features": 6, "out_features": 96}),
    ("BatchNorm1d", {"num_features": 96}),
    ("ReLU", {}),
    ("Linear", {"in_features": 96, "out_features": 3}),
    ("Linear", {"in_features": 3, "out_features": 96}),
    ("ReLU", {}),
    ("BatchNorm1d", {"num_features": 96}),
    ("Linear", {"in_features": 96, "out_features": 6}),
]
CONVOLUTION: Architecture = [  # rows are windows of 2 series x 8 times, flattened
    ("Unflatten", {}),
    ("Conv1d", {"in_channels": 2, "out_channels": 6, "kernel_size": 3, "padding": 1}),
    ("BatchNorm1d", {"num_features": 6}),
    ("ReLU", {}),
    ("Conv1d", {"in_channels": 6, "out_channels": 4, "kernel_size": 3, "stride": 2, "padding": 2, "dilation": 2}),
    ("ReLU", {}),
    ("Flatten", {}),
    ("Linear", {"in_features": 16, "out_features": 16}),
]


def dense_rows(n: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """Six columns on a closed curve, with noise."""
    phase = rng.uniform(0, 2 * np.pi, n)
    columns = [np.cos(phase), np.sin(phase), np.cos(2 * phase), np.sin(2 * phase), np.cos(phase + 1), np.sin(3 * phase)]
    return (np.column_stack(columns) + 0.05 * rng.normal(size=(n, 6))).astype(np.float32)


def window_rows(n: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """Windows of two waves, (2 series, 8 times) flattened."""
    phase = rng.uniform(0, 2 * np.pi, n)[:, None] + 0.7 * np.arange(8)
    return (np.hstack([np.sin(phase), np.cos(2 * phase)]) + 0.05 * rng.normal(size=(n, 16))).astype(np.float32)


def train() -> None:
    """Train both networks in torch and write them."""
    import torch
    from torch import nn

    torch.set_num_threads(1)
    for name, architecture, rows in (("dense", DENSE, dense_rows), ("convolution", CONVOLUTION, window_rows)):
        torch.manual_seed(0)
        rng = np.random.default_rng(0)
        fitted, inputs = rows(N_FITTED, rng), rows(N_INPUTS, rng)
        inputs[::10] += 2.0 * rng.normal(size=inputs[::10].shape).astype(np.float32)  # some rows are unusual
        parts = [nn.Unflatten(1, (2, 8)) if kind == "Unflatten" else getattr(nn, kind)(**s) for kind, s in architecture]
        model = nn.Sequential(*parts)
        optimiser = torch.optim.Adam(model.parameters(), lr=3e-3)
        table = torch.tensor(fitted)
        for _ in range(600):
            optimiser.zero_grad()
            loss = ((model(table) - table) ** 2).mean()
            loss.backward()
            optimiser.step()
        model.eval()
        with torch.no_grad():
            outputs = model(torch.tensor(inputs)).numpy()
        state = {key: tensor.numpy() for key, tensor in model.state_dict().items()}
        _write(name, state, architecture, fitted=fitted, inputs=inputs, outputs=outputs, torch=torch.__version__)
        print(f"{name}: loss {float(loss.detach()):.4f}, {sum(p.numel() for p in model.parameters())} parameters")


def train_pyod() -> None:
    """Fit a PyOD `AutoEncoder` and write it."""
    import pyod
    import torch
    from pyod.models.auto_encoder import AutoEncoder

    rng = np.random.default_rng(1)
    fitted, inputs = dense_rows(N_FITTED, rng), dense_rows(N_INPUTS, rng)
    detector = AutoEncoder(hidden_neuron_list=[16, 3], epoch_num=20, verbose=0, random_state=0).fit(fitted)
    detector.model.eval()
    leaves = [
        [m for m in part.modules() if not list(m.children())]
        for part in (detector.model.encoder, detector.model.decoder)
    ]
    state = {k: t.numpy() for k, t in torch.nn.Sequential(*leaves[0], *leaves[1]).state_dict().items()}
    standard = ((inputs - detector.X_mean) / detector.X_std).astype(np.float32)
    with torch.no_grad():
        outputs = detector.model(torch.tensor(standard)).numpy()
    _write(
        "pyod", state, [(type(m).__name__, {}) for m in leaves[0] + leaves[1]], n_encoder=len(leaves[0]), fitted=fitted,
        inputs=inputs, standard=standard, outputs=outputs, scores=detector.decision_function(inputs),
        centre=detector.X_mean, unit=detector.X_std, torch=torch.__version__, pyod=pyod.__version__,
    )  # fmt: skip
    print(f"pyod {pyod.__version__}: {[type(m).__name__ for m in leaves[0] + leaves[1]]}")


def train_keras() -> None:
    """Fit a Keras autoencoder, on torch, and write its weights."""
    os.environ["KERAS_BACKEND"] = "torch"
    import keras

    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(2)
    fitted, inputs = dense_rows(N_FITTED, rng), dense_rows(N_INPUTS, rng)
    names = ("relu", "relu", "relu", "linear")
    parts = [keras.layers.Dense(n, activation=name) for n, name in zip((32, 3, 32, 6), names, strict=True)]
    model = keras.Sequential([keras.Input((6,)), *parts])
    model.compile("adam", "mse")
    model.fit(fitted, fitted, epochs=10, verbose=0)
    weights = {f"weights{place:02d}": array for place, array in enumerate(model.get_weights())}
    outputs = model.predict(inputs, verbose=0)
    _write("keras", weights, names, inputs=inputs, outputs=outputs, keras=keras.__version__)
    print(f"keras {keras.__version__}: {[a.shape for a in weights.values()]}")


def prune() -> None:
    """Prune both networks with this project and write what `to_layers` gives."""
    sys.path.insert(0, str(FOLDER.parents[2]))
    from reference.stored_torch import stored_sequential

    from detectors import PrunedAutoencoder

    for name in ("dense", "convolution"):
        stored = dict(np.load(FOLDER / f"{name}.npz"))
        pruned = PrunedAutoencoder.from_layers(
            stored_sequential(stored), stored["fitted"].astype(float), fidelity=0.98, random_state=0
        )
        architecture: Architecture = []
        state: dict[str, Any] = {}
        for weights, bias, activation in pruned.to_layers():
            state[f"{len(architecture)}.weight"] = weights.T.astype(np.float32)
            state[f"{len(architecture)}.bias"] = bias.astype(np.float32)
            architecture.append(("Linear", {"in_features": weights.shape[0], "out_features": weights.shape[1]}))
            if activation != "identity":
                architecture.append(("ReLU", {}))
        read = pruned.model_.inputs
        _write(
            f"pruned_{name}", state, architecture, columns=read, inputs=stored["inputs"][:, read],
            scores=pruned.score_samples(stored["inputs"].astype(float)),
        )  # fmt: skip
        print(f"{name}: {pruned.model_report_.figures}, {pruned.model_report_.guards}, {pruned.model_.network.widths}")


def back() -> None:
    """Load the pruned layers into torch, and add what torch gives."""
    import torch
    from torch import nn

    for name in ("dense", "convolution"):
        stored = dict(np.load(FOLDER / f"pruned_{name}.npz"))
        architecture = json.loads(str(stored.pop("architecture")))
        model = nn.Sequential(*[getattr(nn, kind)(**settings) for kind, settings in architecture])
        state = {key: stored.pop(key) for key in list(stored) if key[0].isdigit()}
        model.load_state_dict({key: torch.tensor(array) for key, array in state.items()})
        model.eval()
        with torch.no_grad():
            stored["outputs"] = model(torch.tensor(stored["inputs"])).numpy()
        _write(f"pruned_{name}", state, architecture, **{**stored, "torch": torch.__version__})
        whole = np.load(FOLDER / f"{name}.npz")["inputs"]
        scores = -((stored["outputs"] - whole) ** 2).mean(axis=1)
        print(f"{name}: largest relative difference of scores {np.abs(scores / stored['scores'] - 1).max():.1e}")


def _write(name: str, state: dict[str, Any], architecture: Any, **parts: Any) -> None:
    np.savez_compressed(FOLDER / f"{name}.npz", architecture=np.array(json.dumps(architecture)), **state, **parts)


if __name__ == "__main__":
    for step in {"train": (train, train_pyod, train_keras), "prune": (prune,), "back": (back,)}[sys.argv[1]]:
        step()
