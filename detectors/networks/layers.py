"""Networks as plain arrays: dense layers one after another, and what running them gives.

Invariant: a `Network` is its layers and nothing else; removing a unit makes two matrices smaller. Rows are axis 0, so
a layer maps `rows @ weights + bias` and then its activation.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from detectors.exceptions import InvalidParameterError

__all__ = ["ACTIVATIONS", "Layer", "Network", "activated", "slope"]

Floats = NDArray[np.float64]

ACTIVATIONS = ("identity", "relu", "tanh", "logistic")  # scikit-learn's names; their places are the kernel's codes
_MOST_UNITS = 1 << 20


@dataclass(frozen=True)
class Layer:
    """One dense layer.

    Parameters
    ----------
    weights : ndarray of shape (n_inputs, n_units)
    bias : ndarray of shape (n_units,)
    activation : {"identity", "relu", "tanh", "logistic"}
    """

    weights: NDArray[Any]
    bias: NDArray[Any]
    activation: str = "identity"

    @classmethod
    def of(cls, given: Any, place: int = 0) -> Layer:
        """Read a layer given as (weights, bias, activation), (weights, bias) or a `Layer`, with checks.

        Raises
        ------
        InvalidParameterError
            If shapes do not fit, values are not finite, or the activation has an unknown name.
        """
        parts = (given.weights, given.bias, given.activation) if isinstance(given, Layer) else tuple(given)
        if len(parts) not in (2, 3):
            raise InvalidParameterError(
                f"a layer must be (weights, bias) or (weights, bias, activation), got {len(parts)} parts for layer "
                f"{place}."
            )
        try:
            weights, bias = (np.asarray(part, dtype=np.float64) for part in parts[:2])
        except (TypeError, ValueError) as error:
            raise InvalidParameterError(f"weights and bias of layer {place} must be numbers: {error}.") from error
        activation = parts[2] if len(parts) == 3 else "identity"
        if weights.ndim != 2 or bias.shape != weights.shape[1:] or 0 in weights.shape:
            raise InvalidParameterError(
                f"layer {place} must have weights (n_inputs, n_units) and a bias (n_units,), got {weights.shape} and "
                f"{bias.shape}; torch and Keras differ: torch.nn.Linear stores (n_units, n_inputs), transpose it."
            )
        if activation not in ACTIVATIONS:
            raise InvalidParameterError(
                f"the activation of layer {place} must be one of {', '.join(ACTIVATIONS)}, got {activation!r}."
            )
        if not (np.isfinite(weights).all() and np.isfinite(bias).all()):
            raise InvalidParameterError(f"weights and bias of layer {place} must be finite; train the network again.")
        return cls(weights, bias, str(activation))

    @property
    def n_parameters(self) -> int:
        """Weights and biases."""
        return int(self.weights.size + self.bias.size)


@dataclass(frozen=True)
class Network:
    """Dense layers in their order.

    Examples
    --------
    >>> net = Network.of([(np.array([[1.0, -1.0]]), np.zeros(2), "relu"), (np.array([[1.0], [-1.0]]), np.zeros(1))])
    >>> net.outputs(np.array([[2.0], [-3.0]])).ravel().tolist(), net.n_parameters
    ([2.0, -3.0], 7)
    """

    layers: tuple[Layer, ...]

    @classmethod
    def of(cls, layers: Iterable[Any]) -> Network:
        """Read layers, see `Layer.of`, and check that each fits the one before it."""
        read = tuple(Layer.of(layer, place) for place, layer in enumerate(layers))
        if not read:
            raise InvalidParameterError("a network must have at least one layer, got none.")
        for place in range(1, len(read)):
            before, here = read[place - 1].weights.shape[1], read[place].weights.shape[0]
            if before != here:
                raise InvalidParameterError(
                    f"layer {place} must have {before} inputs, the units before it, got {here}."
                )
        return cls(read)

    @property
    def n_parameters(self) -> int:
        """Weights and biases of all layers."""
        return sum(layer.n_parameters for layer in self.layers)

    @property
    def widths(self) -> tuple[int, ...]:
        """Inputs of the first layer, then the units of every layer."""
        return (self.layers[0].weights.shape[0], *(layer.weights.shape[1] for layer in self.layers))

    def activations(self, rows: NDArray[Any]) -> list[NDArray[Any]]:
        """Rows (n_rows, n_inputs) followed by the outputs (n_rows, n_units) of every layer."""
        found = [rows]
        for layer in self.layers:
            found.append(activated(found[-1] @ layer.weights + layer.bias, layer.activation))
        return found

    def outputs(self, rows: NDArray[Any]) -> NDArray[Any]:
        """Outputs (n_rows, n_outputs) of the last layer for `rows` (n_rows, n_inputs)."""
        for layer in self.layers:
            rows = activated(rows @ layer.weights + layer.bias, layer.activation)
        return rows

    def astype(self, dtype: Any) -> Network:
        """The same network in another precision."""
        return Network(
            tuple(Layer(la.weights.astype(dtype), la.bias.astype(dtype), la.activation) for la in self.layers)
        )

    def stored(self) -> Network:
        """The network a file holds: weights rounded to single precision, kept as doubles."""
        return self.astype(np.float32).astype(np.float64)

    def with_layer(self, place: int, layer: Layer) -> Network:
        """The same network with another layer at `place`."""
        layers = list(self.layers)
        layers[place] = layer
        return Network(tuple(layers))

    def without_units(self, place: int, kept: NDArray[Any]) -> Network:
        """The network in which only the units `kept` of layer `place` are left: two smaller matrices."""
        here, after = self.layers[place], self.layers[place + 1]
        smaller = self.with_layer(place, Layer(here.weights[:, kept], here.bias[kept], here.activation))
        return smaller.with_layer(place + 1, Layer(after.weights[kept], after.bias, after.activation))


def activated(rows: NDArray[Any], activation: str) -> NDArray[Any]:
    """Apply an activation by its name."""
    if activation == "relu":
        return np.asarray(np.maximum(rows, 0.0, dtype=rows.dtype))
    if activation == "tanh":
        return np.asarray(np.tanh(rows))
    if activation == "logistic":
        return np.asarray(expit(rows))
    return rows


def slope(outputs: NDArray[Any], activation: str) -> NDArray[Any]:
    """Derivative of an activation, from its outputs."""
    if activation == "relu":
        return np.asarray((outputs > 0).astype(outputs.dtype))
    if activation == "tanh":
        return np.asarray(1.0 - outputs * outputs)
    if activation == "logistic":
        return np.asarray(outputs * (1.0 - outputs))
    return np.asarray(np.ones_like(outputs))


def check_widths(widths: Sequence[int]) -> None:
    """Raise if a hidden layer would not fit into memory."""
    if max(widths) > _MOST_UNITS:
        raise InvalidParameterError(f"a hidden layer must have at most {_MOST_UNITS} units, got {max(widths)}.")
