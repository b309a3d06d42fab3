"""Training: scikit-learn's multi-layer perceptron, epoch by epoch, from weights that are given.

Invariant: the weights kept are those of the best held-out loss, the first ones included; a training that never
beats its start changes nothing. Everything runs in single precision and with one BLAS thread.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.neural_network import MLPRegressor

from detectors.blas import one_blas_thread
from detectors.networks.layers import Layer, Network

__all__ = ["Trained", "one_at_a_time", "train"]

Singles = NDArray[np.float32]

_STEPS = 30  # of the optimiser an epoch of a small table has at least, by smaller batches
_SMALLEST, _LARGEST = 16, 256  # rows of a batch
_BETTER = 1e-4  # share of the loss that counts as progress
_SEEN = 4096  # held-out rows that judge an epoch


_training = threading.Lock()


@contextlib.contextmanager
def one_at_a_time() -> Iterator[None]:
    """Train with one BLAS thread, alone in this process: two fits beside each other would change its number."""
    with _training, one_blas_thread():
        yield


@dataclass(frozen=True)
class Trained:
    """A trained network, and the held-out loss before every epoch and after the last."""

    network: Network
    losses: tuple[float, ...]


def train(
    network: Network,
    rows: Singles,
    targets: Singles,
    held_rows: Singles,
    held_targets: Singles,
    *,
    decay: float,
    learning_rate: float,
    max_epochs: int,
    patience: int,
    rng: np.random.RandomState,
) -> Trained:
    """Continue from the weights of `network`: Adam with weight decay, stopped early.

    Parameters
    ----------
    network : Network
        Hidden layers share one activation, the last layer has none: what `MLPRegressor` can hold.
    rows, targets : ndarray of float32 of shape (n_rows, n_inputs) and (n_rows, n_outputs)
    held_rows, held_targets : as above
        Judge every epoch; never trained on.
    decay : float >= 0
        L2 penalty.
    learning_rate : float > 0
    max_epochs : int >= 0
    patience : int >= 1
        Epochs without progress before the training stops.
    rng : RandomState
        Shuffles the rows.
    """
    hidden = {layer.activation for layer in network.layers[:-1]}
    held_rows, held_targets = held_rows[:_SEEN], held_targets[:_SEEN]
    best = network.astype(np.float32)
    losses = [_loss(best, held_rows, held_targets)]
    if max_epochs == 0:
        return Trained(best, tuple(losses))
    batch = int(np.clip(len(rows) // _STEPS, min(_SMALLEST, len(rows)), _LARGEST))
    model = _model(network, rows, targets, hidden.pop(), decay, learning_rate, batch, rng)
    least, waited = losses[0], 0
    for _ in range(max_epochs):
        model.partial_fit(rows, targets)
        now = _network(model, network)
        losses.append(_loss(now, held_rows, held_targets))
        if not losses[-1] < least * (1.0 - _BETTER):
            waited += 1
            if waited >= patience:
                break
            continue
        least, waited, best = losses[-1], 0, now
    return Trained(best, tuple(losses))


def _model(
    network: Network, rows: Singles, targets: Singles, activation: str, decay: float, rate: float, batch: int, rng: Any
) -> MLPRegressor:
    """A perceptron that holds the weights of `network` and has seen no row."""
    model = MLPRegressor(
        hidden_layer_sizes=network.widths[1:-1],
        activation=activation,
        alpha=decay,
        learning_rate_init=rate,
        batch_size=min(2, len(rows)),
        random_state=rng,
    )
    model.partial_fit(rows[:2], targets[:2])  # makes the attributes; weights and optimiser are replaced
    model.coefs_ = [np.array(layer.weights, dtype=np.float32) for layer in network.layers]
    model.intercepts_ = [np.array(layer.bias, dtype=np.float32) for layer in network.layers]
    del model._optimizer
    return model.set_params(batch_size=batch)


def _network(model: MLPRegressor, like: Network) -> Network:
    """The weights of a perceptron, copied, as a network with the activations of `like`."""
    parts = zip(model.coefs_, model.intercepts_, like.layers, strict=True)
    return Network(tuple(Layer(w.copy(), b.copy(), layer.activation) for w, b, layer in parts))


def _loss(network: Network, rows: Singles, targets: Singles) -> float:
    """Mean squared error."""
    off = network.outputs(rows) - targets
    return float(np.mean(np.square(off, dtype=np.float64)))
