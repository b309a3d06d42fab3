"""Pruning of units: neurons and input columns, cheapest first, the next layer solved again.

Invariant: a price is the rise of the held-out loss when a unit is removed and the next layer is solved again on the
units that remain; removing a unit makes the matrices smaller. What remains of a unit in the others moves into their
weights, so a copy costs nothing.

Notes
-----
With `H` the centred outputs of a layer, `P` the inverse of their covariance and `w_j` the weights that leave unit j,
removing j and solving again changes the inputs of the next layer by `e_j w_j`, where `e_j` is what the other units
cannot say of unit j; its variance is `1 / P_jj` (optimal brain surgeon with a block of weights as the unit). What
that does to the loss is `w_j' M w_j / P_jj`, `M` the mean outer product of the gradients behind that layer.
The loss is the distance to the outputs of the whole network: to first order the rise of the reconstruction error,
as the residuals of a trained network do not correlate with its units.

References
----------
Hassibi, Stork: Second order derivatives for network pruning: optimal brain surgeon. NeurIPS 1992.
He, Zhang, Sun: Channel pruning for accelerating very deep neural networks. ICCV 2017, section 3.1.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from detectors.networks.layers import Layer, Network, slope

__all__ = ["Removal", "Sieve", "covariance", "solved_again", "unit_prices"]

Floats = NDArray[np.float64]
Integers = NDArray[np.intp]

_RIDGE = 1e-4  # of the mean variance of the units
_SHARE = 0.1  # of the units go before all prices are measured again
_PROBES = 4  # random directions of the outputs, per row


@dataclass(frozen=True)
class Removal:
    """One unit that went: the layer that it fed, its number in the whole network, and its price."""

    place: int
    unit: int
    price: float


def solved_again(layer: Layer, inputs: Floats, targets: Floats, ridge: float = _RIDGE) -> Layer:
    """Solve a layer again, by ridge regression towards its present weights.

    Parameters
    ----------
    layer : Layer
    inputs : ndarray of shape (n_rows, n_inputs)
    targets : ndarray of shape (n_rows, n_units)
        What the layer should give before its activation.

    Returns
    -------
    Layer
        The same one, bit by bit, if it already gives `targets` to rounding.
    """
    off = targets - (inputs @ layer.weights + layer.bias)
    if np.abs(off).max(initial=0.0) <= 1e-12 * max(1.0, np.abs(targets).max(initial=0.0)):
        return layer
    centre, shift = inputs.mean(axis=0), off.mean(axis=0)
    centred = inputs - centre
    change = np.linalg.solve(covariance(centred, ridge), centred.T @ (off - shift) / len(inputs))
    return Layer(layer.weights + change, layer.bias + shift - centre @ change, layer.activation)


def unit_prices(inverse: Floats, weights: Floats, sensitivity: Floats) -> Floats:
    """Prices (n_units,) of the units whose outgoing `weights` are (n_units, n_next).

    Parameters
    ----------
    inverse : ndarray of shape (n_units, n_units)
        Of the covariance of their outputs.
    sensitivity : ndarray of shape (n_next, n_next)
        The matrix M of the notes.
    """
    through = np.einsum("ij,jk,ik->i", weights, sensitivity, weights, optimize=True)
    return np.asarray(np.maximum(through, 0.0) / np.diag(inverse))


def covariance(centred: Floats, ridge: float) -> Floats:
    """Covariance (n_units, n_units) of centred outputs with a ridge."""
    cov = np.asarray(centred.T @ centred / len(centred))
    level = float(np.trace(cov)) / len(cov)
    cov[np.diag_indices_from(cov)] += ridge * level + 1e-12
    return cov


@dataclass
class Sieve:
    """A network on its way to a smaller one.

    Parameters
    ----------
    network : Network
        The whole one.
    rows : ndarray of shape (n_rows, n_inputs)
        Solve the layers again.
    held : ndarray of shape (n_held, n_inputs)
        Tell what a removal costs.
    """

    network: Network
    rows: Floats
    held: Floats
    rng: np.random.RandomState
    removed: list[Removal] = field(default_factory=list)
    now: Network = field(init=False)
    kept: list[Integers] = field(init=False)

    def __post_init__(self) -> None:
        self.now = self.network
        self.kept = [np.arange(n) for n in self.network.widths[:-1]]
        outputs = self.network.activations(self.rows)
        layers = self.network.layers
        self._targets = [outputs[i] @ layers[i].weights + layers[i].bias for i in range(len(layers))]

    def inputs(self) -> Network:
        """The present network with all inputs of the whole one; those removed have weights of zero."""
        first = self.now.layers[0]
        weights = np.zeros((self.network.widths[0], first.weights.shape[1]))
        weights[self.kept[0]] = first.weights
        return self.now.with_layer(0, Layer(weights, first.bias, first.activation))

    def n_units(self) -> int:
        """Neurons that are left."""
        return sum(len(kept) for kept in self.kept[1:])

    def round(self) -> bool:
        """Remove the cheapest tenth of the neurons (and inputs on the way), then solve again; False at the end."""
        outputs = self.now.activations(self.rows[:, self.kept[0]])
        matrices = self._sensitivities()
        inverses, weights = [], []
        for place, layer in enumerate(self.now.layers):
            centred = outputs[place] - outputs[place].mean(axis=0)
            inverses.append(np.asarray(np.linalg.inv(covariance(centred, _RIDGE)), dtype=np.float64))
            weights.append(layer.weights.copy())
        left = [list(range(len(kept))) for kept in self.kept]
        wanted = max(1, round(_SHARE * self.n_units()))
        gone = 0
        while gone < wanted:
            cheapest = None
            for place in range(len(left)):
                if len(left[place]) < 2:
                    continue
                prices = unit_prices(inverses[place], weights[place], matrices[place])
                freed = weights[place].shape[1] + (len(left[place - 1]) + 1 if place else 0)
                unit = int(np.argmin(prices))
                if cheapest is None or prices[unit] / freed < cheapest[0]:
                    cheapest = (float(prices[unit]) / freed, place, unit, float(prices[unit]))
            if cheapest is None:
                break
            _, place, unit, price = cheapest
            inverse = inverses[place]
            share = inverse[:, unit] / inverse[unit, unit]
            weights[place] = np.delete(weights[place] - np.outer(share, weights[place][unit]), unit, axis=0)
            inverse = inverse - np.outer(share, inverse[unit])
            inverses[place] = np.delete(np.delete(inverse, unit, axis=0), unit, axis=1)
            number = int(self.kept[place][left[place].pop(unit)])
            self.removed.append(Removal(place, number, price))
            if place:
                weights[place - 1], matrices[place - 1] = _without(weights[place - 1], matrices[place - 1], unit)
                gone += 1
        if gone == 0:
            return False
        self.take([self.kept[place][left[place]] for place in range(len(left))])
        return True

    def take(self, kept: list[Integers]) -> None:
        """Go on with these units of the whole network, every layer solved again on what feeds it."""
        places = [np.searchsorted(old, new) for old, new in zip(self.kept, kept, strict=True)]
        outs = [*places[1:], np.arange(self.network.widths[-1])]
        whole_outs = [*kept[1:], np.arange(self.network.widths[-1])]
        self.kept = kept
        inputs = self.rows[:, kept[0]]
        layers = []
        for place, layer in enumerate(self.now.layers):
            smaller = Layer(
                layer.weights[np.ix_(places[place], outs[place])], layer.bias[outs[place]], layer.activation
            )
            solved = solved_again(smaller, inputs, self._targets[place][:, whole_outs[place]])
            layers.append(solved)
            inputs = Network((solved,)).outputs(inputs)
        self.now = Network(tuple(layers))

    def _sensitivities(self) -> list[Floats]:
        """Mean outer products (n_units, n_units) of random gradients before the activation of every layer."""
        outputs = self.now.activations(self.held[:, self.kept[0]])
        layers = self.now.layers
        found: list[Floats] = [np.zeros((0, 0))] * len(layers)
        found[-1] = np.eye(layers[-1].weights.shape[1])
        for _ in range(_PROBES):
            gradient = self.rng.choice([-1.0, 1.0], size=outputs[-1].shape)
            for place in range(len(layers) - 1, 0, -1):
                gradient = (gradient @ layers[place].weights.T) * slope(outputs[place], layers[place - 1].activation)
                outer = gradient.T @ gradient / (len(gradient) * _PROBES)
                found[place - 1] = outer if found[place - 1].size == 0 else found[place - 1] + outer
        return found


def _without(weights: Floats, sensitivity: Floats, unit: int) -> tuple[Floats, Floats]:
    """Weights into a layer and its sensitivity, without one of its units."""
    return np.delete(weights, unit, axis=1), np.delete(np.delete(sensitivity, unit, axis=0), unit, axis=1)
