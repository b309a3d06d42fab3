"""Pruning of connections: small weights become zero, layer by layer, as far as the ranks of held-out rows allow.

Invariant: a network without connections ranks as the whole one does, to the fidelity asked for. Zeros make files
smaller; a layer is worth a sparse product only below a measured density.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from detectors.networks.layers import Layer, Network
from detectors.networks.shrinking import Judge
from detectors.networks.units import solved_again
from detectors.report import PruningRecord

__all__ = ["prune_connections"]

Floats = NDArray[np.float64]

_SHARES = (0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1)  # of the connections of a layer, the largest first


def prune_connections(
    network: Network, rows: Floats, judge: Judge, fidelity: float
) -> tuple[Network, list[PruningRecord], int]:
    """Cut the connections of every layer that carry least, and fit its biases again.

    A connection carries the size of its weight times the spread of what comes through it.

    Parameters
    ----------
    network : Network
    rows : ndarray of shape (n_rows, n_inputs)
    judge : Judge
    fidelity : float

    Returns
    -------
    network : Network
    records : list of PruningRecord
        One per layer, of kind "connection"; the statistic is the share cut.
    n_cut : int
        Connections that are zero now and were not before.
    """
    records, cut = [], 0
    for place, layer in enumerate(network.layers):
        inputs = network.activations(rows)[place]
        carried = np.abs(layer.weights) * inputs.std(axis=0)[:, None]
        alive = int((layer.weights != 0).sum())
        share = 0.0
        for wanted in _SHARES:
            n_cut = int(wanted * alive)
            if n_cut == 0:
                continue
            order = np.argsort(np.where(layer.weights != 0, carried, np.inf), axis=None, kind="stable")[:n_cut]
            candidate = network.with_layer(place, _without(layer, order, inputs)).stored()
            if judge.fidelity(candidate) >= fidelity:
                network, share, cut = candidate, wanted, cut + n_cut
                break
        reason = "small weights of the layer are zero" if share else "every share that was tried changes the ranks"
        records.append(PruningRecord(f"layer {place} connections", "connection", share == 0, reason, share, math.nan))
    return network, records, cut


def _without(layer: Layer, order: NDArray[np.intp], inputs: Floats) -> Layer:
    """A layer without some weights; those left of every unit are solved again on the inputs that they read."""
    weights = layer.weights.copy()
    weights.ravel()[order] = 0.0
    bias = layer.bias.copy()
    targets = inputs @ layer.weights + layer.bias
    for unit in range(weights.shape[1]):
        read = np.flatnonzero(weights[:, unit])
        if len(read) == 0:
            bias[unit] = targets[:, unit].mean()
            continue
        one = Layer(weights[read, unit : unit + 1], bias[unit : unit + 1], layer.activation)
        solved = solved_again(one, inputs[:, read], targets[:, unit : unit + 1])
        weights[read, unit], bias[unit] = solved.weights[:, 0], solved.bias[0]
    return Layer(weights, bias, layer.activation)
