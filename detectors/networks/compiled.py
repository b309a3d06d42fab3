"""A network ready to score: the standardisation before it, its layers laid out for the kernel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detectors.networks.kernels.dense import reconstruction_errors
from detectors.networks.layers import ACTIVATIONS, Layer, Network

__all__ = ["CLIP", "Reconstruction", "grown", "reading"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

CLIP = 5.0  # standard deviations: what lies further out does not drive the network, and counts by its logarithm


def grown(z: Floats, clip: float) -> Floats:
    """Targets of standardised values: as they are up to `clip`, beyond it growing with their logarithm."""
    size = np.abs(z)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        far = clip * (1.0 + np.log(size / clip))
    return np.where(size > clip, np.copysign(far, z), z)


@dataclass(frozen=True)
class Reconstruction:
    """A network whose outputs stand for its features.

    Parameters
    ----------
    network : Network
        Reads the features `inputs`, gives all of them; weights are single precision, held as doubles.
    inputs : ndarray of int of shape (n_inputs,)
    centre, unit : ndarray of shape (n_features,)
    clip : float
    """

    network: Network
    inputs: Integers
    centre: Floats
    unit: Floats
    clip: float

    def __post_init__(self) -> None:
        layers = self.network.layers
        state = (
            np.array(self.network.widths, dtype=np.int64),
            np.array([ACTIVATIONS.index(layer.activation) for layer in layers], dtype=np.int64),
            np.concatenate([np.asarray(layer.weights, dtype=np.float64).ravel() for layer in layers]),
            np.concatenate([np.asarray(layer.bias, dtype=np.float64) for layer in layers]),
        )
        object.__setattr__(self, "_state", (self.centre, self.unit, float(self.clip), self.inputs, *state))

    @property
    def n_parameters(self) -> int:
        """Weights and biases."""
        return self.network.n_parameters

    def errors(self, rows: Floats, columns: Integers, parts: Floats | None = None) -> Floats:
        """Mean squared errors (n_rows,) of the `columns` of a table; fills `parts` (n_rows, n_features) if given."""
        found = np.empty(len(rows))
        room = np.empty((0, len(self.centre))) if parts is None else parts
        reconstruction_errors(rows, columns, *self._state, found, room)  # type: ignore[attr-defined,call-arg]
        return found

    def standard(self, rows: Floats) -> Floats:
        """Standardised and cut values (n_rows, n_features), as the network is trained on."""
        return np.clip((rows - self.centre) / self.unit, -self.clip, self.clip)

    def with_network(self, network: Network, inputs: Integers) -> Reconstruction:
        """The same standardisation before another network."""
        return Reconstruction(network.stored(), inputs, self.centre, self.unit, self.clip)


def reading(network: Network, inputs: Integers) -> tuple[Network, Integers]:
    """Leave out inputs whose weights are all zero: the matrix gets smaller, the outputs stay."""
    first = network.layers[0]
    read = first.weights.any(axis=1)
    if read.all() or not read.any():
        return network, inputs
    return network.with_layer(0, Layer(first.weights[read], first.bias, first.activation)), inputs[read]
