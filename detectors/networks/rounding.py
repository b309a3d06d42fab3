"""Rounding of weights to 8 bits so that what a layer gives changes least.

Invariant: what rounding one weight does is made up for by those not rounded yet, in this layer and in the next.

References
----------
Frantar, Alistarh: Optimal brain compression: a framework for accurate post-training quantization and pruning.
NeurIPS 2022, section 5.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from detectors.networks.layers import Layer, Network
from detectors.networks.units import covariance, solved_again

__all__ = ["rounded"]

Floats = NDArray[np.float64]

_STEPS = 127  # of 8 bits, to either side
_RIDGE = 1e-6


def rounded(network: Network, rows: Floats, per_unit: bool, n_fine: int = 0) -> tuple[Network, list[Floats]]:
    """Round all weights to multiples of a scale.

    Parameters
    ----------
    network : Network
    rows : ndarray of shape (n_rows, n_inputs)
    per_unit : bool
        One scale for every unit instead of one for a layer.
    n_fine : int, default=0
        Last layers whose weights are sums of two 8-bit numbers, the second 254 times finer.

    Returns
    -------
    network : Network
    scales : list of ndarray of shape (1,) or (n_units,)
        Weights are whole multiples of them, at most 127 in magnitude (32385 in a fine layer).
    """
    outputs = network.activations(rows)
    layers, scales = [], []
    inputs = rows
    for place, layer in enumerate(network.layers):
        targets = outputs[place] @ layer.weights + layer.bias
        solved = solved_again(layer, inputs, targets, _RIDGE) if place else layer
        size = np.abs(solved.weights).max(axis=0)
        steps = _STEPS if place < len(network.layers) - n_fine else _STEPS * (2 * _STEPS + 1)
        scale = (size if per_unit else np.full(1, size.max())) / steps
        scale = np.where(scale > 0, scale, 1.0).astype(np.float32).astype(np.float64)
        weights = _rounded_weights(solved.weights, inputs, scale, steps)
        shift = (targets - inputs @ weights).mean(axis=0)
        layers.append(Layer(weights, shift if place or solved.bias.any() else solved.bias, layer.activation))
        scales.append(scale)
        inputs = Network((layers[-1],)).outputs(inputs)
    return Network(tuple(layers)), scales


def _rounded_weights(weights: Floats, inputs: Floats, scale: Floats, steps: int) -> Floats:
    """Round the weights (n_inputs, n_units) one input after another, those left making up for it."""
    inverse = np.linalg.inv(covariance(inputs - inputs.mean(axis=0), _RIDGE))
    weights = weights.copy()
    for i in range(len(weights)):
        whole = np.clip(np.rint(weights[i] / scale), -steps, steps) * scale
        share = inverse[i + 1 :, i] / inverse[i, i]
        weights[i + 1 :] -= np.outer(share, weights[i] - whole)
        weights[i] = whole
        inverse[i + 1 :, i + 1 :] -= np.outer(share, inverse[i, i + 1 :])
    return weights
