"""Networks of other frameworks as plain layers, recognised by what they have; nothing is imported for it.

Invariant: the layers give what the framework's model gives in evaluation, to single precision. What cannot be said
with dense layers is refused by name.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detectors.exceptions import InvalidParameterError
from detectors.networks.layers import Layer, Network

__all__ = ["foreign_layers"]

Floats = NDArray[np.float64]

_TORCH = {"ReLU": "relu", "Tanh": "tanh", "Sigmoid": "logistic", "Identity": "identity"}
_KERAS = {"relu": "relu", "tanh": "tanh", "sigmoid": "logistic", "linear": "identity"}
_BLOCK = "LinearBlock"  # of PyOD: it registers the norm behind the activation, but runs it before
_BLOCK_ORDER = ("linear", "bn", "activation", "dropout")
_SKIPPED = {"Dropout", "Flatten", "Unflatten", "InputLayer", "Identity"}  # nothing in evaluation of single rows


def foreign_layers(model: Any) -> list[Layer]:
    """Read a network of another framework.

    Parameters
    ----------
    model : object
        A `torch.nn.Sequential` of Linear, Conv1d, BatchNorm1d and activations, nested or not; a fitted PyOD
        `AutoEncoder`; a Keras model of Dense layers; the list that Keras' `get_weights()` gives (hidden layers are
        then taken for relu, the last for linear); scikit-learn's fitted `MLPRegressor`; or layers as
        `Network.of` reads them.

    Returns
    -------
    list of Layer

    Raises
    ------
    InvalidParameterError
        If the model holds a part that dense layers cannot stand for.
    """
    if hasattr(model, "coefs_") and hasattr(model, "intercepts_"):
        last = len(model.coefs_) - 1
        names = [model.activation if i < last else model.out_activation_ for i in range(last + 1)]
        return [Layer.of(part, i) for i, part in enumerate(zip(model.coefs_, model.intercepts_, names, strict=True))]
    if hasattr(model, "decision_scores_"):  # PyOD keeps its torch module in `model` (older versions: `model_`)
        inner = getattr(model, "model", None) or getattr(model, "model_", None)
        if inner is None:
            raise InvalidParameterError(f"a fitted network was expected, got {type(model).__name__} without `model`.")
        parts = [getattr(inner, name) for name in ("encoder", "decoder") if hasattr(inner, name)]
        return _torch_layers(parts or [inner])
    if hasattr(model, "get_weights") and hasattr(model, "layers"):
        return _keras_layers(model.layers)
    if hasattr(model, "state_dict"):
        return _torch_layers([model])
    if isinstance(model, Sequence) and model and all(hasattr(part, "shape") for part in model):
        return _weight_list(model)
    return list(Network.of(model).layers)


def _weight_list(weights: Sequence[Any]) -> list[Layer]:
    """Layers from weights and biases in turns, as Keras' `get_weights()` gives them."""
    if len(weights) % 2:
        raise InvalidParameterError(f"get_weights() must give weights and biases in turns, got {len(weights)} arrays.")
    n = len(weights) // 2
    names = ["relu"] * (n - 1) + ["identity"]
    return [Layer.of((weights[2 * i], weights[2 * i + 1], names[i]), i) for i in range(n)]


def _keras_layers(layers: Iterable[Any]) -> list[Layer]:
    """Dense layers of a Keras model."""
    found: list[Layer] = []
    for layer in layers:
        kind = type(layer).__name__
        if kind in _SKIPPED:
            continue
        if kind != "Dense":
            raise InvalidParameterError(f"layers of a Keras model must be Dense, got {kind}; pass arrays instead.")
        name = getattr(layer.activation, "__name__", "linear")
        if name not in _KERAS:
            raise InvalidParameterError(f"the activation must be one of {sorted(_KERAS)}, got {name!r}.")
        parts = layer.get_weights()
        bias = parts[1] if len(parts) == 2 else np.zeros(parts[0].shape[1])
        found.append(Layer.of((parts[0], bias, _KERAS[name]), len(found)))
    return found


def _array(tensor: Any) -> Floats:
    """A torch tensor (or an array) as doubles."""
    for name in ("detach", "cpu", "numpy"):
        tensor = getattr(tensor, name)() if hasattr(tensor, name) else tensor
    return np.asarray(tensor, dtype=np.float64)


def _torch_leaves(modules: Iterable[Any]) -> list[Any]:
    """Modules without children, in the order in which they run; only some containers tell it."""
    leaves: list[Any] = []
    for module in modules:
        kind, children = type(module).__name__, list(module.children()) if hasattr(module, "children") else []
        if kind == _BLOCK:
            children = [getattr(module, name) for name in _BLOCK_ORDER if hasattr(module, name)]
        elif children and "Sequential" not in [base.__name__ for base in type(module).__mro__]:
            raise InvalidParameterError(
                f"modules with parts must be torch.nn.Sequential, got {kind}: the order in which it runs its parts "
                "cannot be read; pass torch.nn.Sequential(*parts) in that order."
            )
        leaves += _torch_leaves(children) if children else [module]
    return leaves


def _torch_layers(modules: Iterable[Any]) -> list[Layer]:
    """Dense layers of torch modules one after another."""
    found: list[Layer] = []
    n_channels: int | None = None  # rows hold (channels, times) flattened while convolutions follow each other
    normed = False  # the last layer is a BatchNorm behind an activation, which the next layer takes in
    for module in _torch_leaves(modules):
        kind = type(module).__name__
        if kind == "Linear":
            weights = _array(module.weight).T
            _append(found, Layer(weights, _bias(module, weights.shape[1])), normed)
            n_channels, normed = None, False
        elif kind == "Conv1d":
            _append(found, _convolution(module, found), normed)
            normed = False
            n_channels = int(_array(module.weight).shape[0])
        elif kind.startswith("BatchNorm"):
            scale = 1.0 / np.sqrt(_array(module.running_var) + float(module.eps))
            if getattr(module, "weight", None) is not None:
                scale = scale * _array(module.weight)
            shift = -_array(module.running_mean) * scale
            if getattr(module, "bias", None) is not None:
                shift = shift + _array(module.bias)
            if n_channels is not None and found:
                times = found[-1].weights.shape[1] // n_channels
                scale, shift = np.repeat(scale, times), np.repeat(shift, times)
            if found and found[-1].activation == "identity":
                before = found.pop()
                found.append(Layer(before.weights * scale, before.bias * scale + shift))
            else:
                found.append(Layer(np.diag(scale), shift))
                normed = True
        elif kind in _TORCH:
            if _TORCH[kind] == "identity":
                continue
            if not found or found[-1].activation != "identity":
                raise InvalidParameterError(f"an activation must follow a Linear or Conv1d layer, got {kind} first.")
            found[-1] = Layer(found[-1].weights, found[-1].bias, _TORCH[kind])
            normed = False
        elif kind not in _SKIPPED:
            raise InvalidParameterError(
                f"modules must be Linear, Conv1d, BatchNorm1d or one of {sorted(_TORCH)}, got {kind}; pass the "
                "weights as arrays."
            )
    if not found:
        raise InvalidParameterError("a torch module with at least one Linear layer was expected, got none.")
    return list(Network.of(found).layers)


def _append(found: list[Layer], layer: Layer, normed: bool) -> None:
    """Append a layer; a norm before it becomes part of it, which needs fewer parameters and is exact up to rounding."""
    if normed:
        norm = found.pop()
        layer = Layer(norm.weights @ layer.weights, norm.bias @ layer.weights + layer.bias)
    found.append(layer)


def _bias(module: Any, n_units: int) -> Floats:
    """The bias of a module, zeros if it has none."""
    return np.zeros(n_units) if getattr(module, "bias", None) is None else _array(module.bias)


def _convolution(module: Any, before: list[Layer]) -> Layer:
    """A convolution over rows of flattened (channels, times) as a dense layer; the length follows from what is before.

    The first layer takes its length from the attribute ``n_times`` of the module, which the caller sets.
    """
    kernel = _array(module.weight)  # (n_out, n_in, width)
    n_out, n_in, width = kernel.shape
    if int(getattr(module, "groups", 1)) != 1 or isinstance(module.padding, str):
        raise InvalidParameterError("a Conv1d must have groups=1 and a padding in numbers; pass arrays instead.")
    stride, pad, dilation = (int(np.ravel(getattr(module, n))[0]) for n in ("stride", "padding", "dilation"))
    times = before[-1].weights.shape[1] // n_in if before else int(getattr(module, "n_times", 0))
    if times < 1:
        raise InvalidParameterError("the first Conv1d needs its length: set `module.n_times` to the rows of a window.")
    length = (times + 2 * pad - dilation * (width - 1) - 1) // stride + 1
    weights = np.zeros((n_in, times, n_out, length))
    for position in range(length):
        for tap in range(width):
            at = position * stride + tap * dilation - pad
            if 0 <= at < times:
                weights[:, at, :, position] = kernel[:, :, tap].T
    return Layer(weights.reshape(n_in * times, n_out * length), np.repeat(_bias(module, n_out), length))
