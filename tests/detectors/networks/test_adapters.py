"""Networks of other frameworks, by duck typing; against the frameworks themselves where they are installed."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from sklearn.neural_network import MLPRegressor

from detectors.exceptions import InvalidParameterError
from detectors.networks.adapters import foreign_layers
from detectors.networks.layers import Layer, Network


def module(kind: str, **parts: object) -> object:
    """An object whose class has the name of a torch module, with arrays for tensors."""
    return type(kind, (), {"children": lambda _: iter(()), **parts})()


def sequential(*modules: object) -> object:
    return type("Sequential", (), {"children": lambda _: iter(modules), "state_dict": lambda _: {}})()


def linear(rng: np.random.Generator, n_in: int, n_out: int) -> object:
    return module("Linear", weight=rng.normal(size=(n_out, n_in)), bias=rng.normal(size=n_out))


def test_linear_batch_norm_and_activations() -> None:
    rng = np.random.default_rng(0)
    one, two = linear(rng, 3, 4), linear(rng, 4, 3)
    norm = module(
        "BatchNorm1d", running_mean=rng.normal(size=4), running_var=rng.uniform(1, 2, 4), eps=1e-5,
        weight=rng.normal(size=4), bias=rng.normal(size=4),
    )  # fmt: skip
    model = sequential(sequential(one, norm, module("ReLU")), module("Dropout"), two)
    X = rng.normal(size=(10, 3))
    hidden = X @ one.weight.T + one.bias
    hidden = (hidden - norm.running_mean) / np.sqrt(norm.running_var + 1e-5) * norm.weight + norm.bias
    expected = np.maximum(hidden, 0) @ two.weight.T + two.bias
    network = Network.of(foreign_layers(model))
    assert len(network.layers) == 2
    np.testing.assert_allclose(network.outputs(X), expected, rtol=1e-12)


def test_batch_norm_behind_an_activation_is_a_layer_of_its_own() -> None:
    rng = np.random.default_rng(1)
    one = linear(rng, 2, 2)
    norm = module("BatchNorm1d", running_mean=np.array([1.0, 2.0]), running_var=np.array([4.0, 9.0]), eps=0.0)
    X = rng.normal(size=(5, 2))
    expected = (np.tanh(X @ one.weight.T + one.bias) - norm.running_mean) / np.array([2.0, 3.0])
    found = Network.of(foreign_layers(sequential(one, module("Tanh"), norm)))
    np.testing.assert_allclose(found.outputs(X), expected)


@pytest.mark.parametrize(("stride", "padding", "dilation"), [(1, 0, 1), (2, 1, 1), (1, 2, 2)])
def test_convolutions_are_dense_layers_of_windows(stride: int, padding: int, dilation: int) -> None:
    rng = np.random.default_rng(2)
    kernel, bias = rng.normal(size=(3, 2, 3)), rng.normal(size=3)
    conv = module(
        "Conv1d", weight=kernel, bias=bias, stride=(stride,), padding=(padding,), dilation=(dilation,), groups=1,
        n_times=9,
    )  # fmt: skip
    X = rng.normal(size=(4, 2, 9))
    padded = np.pad(X, ((0, 0), (0, 0), (padding, padding)))
    length = (9 + 2 * padding - dilation * 2 - 1) // stride + 1
    expected = np.empty((4, 3, length))
    for t in range(length):
        taps = padded[:, :, [t * stride + k * dilation for k in range(3)]]
        expected[:, :, t] = np.einsum("nik,oik->no", taps, kernel) + bias
    found = Network.of(foreign_layers(sequential(conv))).outputs(X.reshape(4, 18))
    np.testing.assert_allclose(found, expected.reshape(4, -1), rtol=1e-12)


def test_keras_models_and_weight_lists() -> None:
    rng = np.random.default_rng(3)
    weights = [rng.normal(size=(3, 2)), rng.normal(size=2), rng.normal(size=(2, 3)), rng.normal(size=3)]
    X = rng.normal(size=(6, 3))
    expected = np.maximum(X @ weights[0] + weights[1], 0) @ weights[2] + weights[3]
    np.testing.assert_allclose(Network.of(foreign_layers(weights)).outputs(X), expected)

    def relu() -> None: ...

    def linear() -> None: ...

    dense = [
        type("Dense", (), {"activation": staticmethod(a), "get_weights": lambda _, k=k: weights[2 * k : 2 * k + 2]})()
        for k, a in enumerate((relu, linear))
    ]
    model = SimpleNamespace(layers=[type("InputLayer", (), {})(), *dense], get_weights=lambda: weights)
    np.testing.assert_allclose(Network.of(foreign_layers(model)).outputs(X), expected)


def test_pyod_autoencoders_and_perceptrons() -> None:
    rng = np.random.default_rng(4)
    one, two = linear(rng, 3, 2), linear(rng, 2, 3)
    inner = type("Net", (), {"encoder": sequential(one, module("ReLU")), "decoder": sequential(two)})()
    pyod = SimpleNamespace(decision_scores_=np.zeros(3), model=inner)
    assert [la.activation for la in foreign_layers(pyod)] == ["relu", "identity"]
    X = rng.normal(size=(50, 3))
    fitted = MLPRegressor(hidden_layer_sizes=(4,), max_iter=300, tol=1.0).fit(X, X)
    np.testing.assert_allclose(Network.of(foreign_layers(fitted)).outputs(X), fitted.predict(X), rtol=1e-9)
    assert foreign_layers([Layer(np.eye(3), np.zeros(3))])[0].activation == "identity"


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (sequential(module("LSTM")), "got LSTM"),
        (sequential(module("ReLU")), "must follow a Linear"),
        (sequential(module("Dropout")), "at least one Linear"),
        ([np.ones((2, 2))], "in turns, got 1"),
        (SimpleNamespace(decision_scores_=1), "without `model`"),
        (SimpleNamespace(get_weights=list, layers=[object()]), "must be Dense, got object"),
        (
            sequential(module("Conv1d", weight=np.ones((1, 1, 2)), stride=1, padding=0, dilation=1, groups=1)),
            "n_times",
        ),
        (sequential(module("Conv1d", weight=np.ones((1, 1, 2)), groups=2, padding=0)), "groups=1"),
    ],
)
def test_what_dense_layers_cannot_say_is_refused(model: object, message: str) -> None:
    with pytest.raises(InvalidParameterError, match=message):
        foreign_layers(model)


def test_torch_gives_the_same_outputs() -> None:
    torch = pytest.importorskip("torch", reason="torch is no dependency; installed by hand where this test is wanted")
    torch.manual_seed(0)
    nn = torch.nn
    model = nn.Sequential(
        nn.Conv1d(2, 4, 3, padding=1), nn.BatchNorm1d(4), nn.ReLU(), nn.Flatten(), nn.Linear(32, 6), nn.Tanh(),
        nn.Linear(6, 16),
    )  # fmt: skip
    X = torch.randn(200, 2, 8)
    model(X)  # moves the running means
    model.eval()
    model[0].n_times = 8
    with torch.no_grad():
        expected = model(X).numpy()
    found = Network.of(foreign_layers(model)).outputs(X.numpy().reshape(200, 16).astype(float))
    np.testing.assert_allclose(found, expected, atol=1e-5)
