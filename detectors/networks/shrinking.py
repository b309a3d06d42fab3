"""From a whole network to a small one that ranks rows alike: the sieve, fine-tuning, and the guard.

Invariant: the network that comes back ranks rows that nothing was fitted to as the whole one does, to the fidelity
asked for; where no smaller one does, it is the whole one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detectors.networks.layers import Layer, Network
from detectors.networks.training import train
from detectors.networks.units import Removal, Sieve
from detectors.rank_correlation import rank_correlation
from detectors.report import PruningRecord

__all__ = ["Judge", "Shrunk", "shrink", "tuned", "unit_records"]

Floats = NDArray[np.float64]
Integers = NDArray[np.intp]

_HOPELESS = 0.1  # below the fidelity: fine-tuning will not bring it back
_TUNING_EPOCHS, _PATIENCE, _RATE = 15, 4, 5e-4
_TRIES = 3  # networks that are fine-tuned


@dataclass(frozen=True)
class Judge:
    """How alike a network ranks rows as the whole one: on held-out rows, and on made-up ones; the smaller counts."""

    scores: Callable[[Network, Floats], Floats]
    real: Floats
    unreal: Floats
    whole: Network

    def fidelity(self, network: Network) -> float:
        """The smaller of two Spearman correlations."""
        pairs = ((self.scores(network, rows), self.scores(self.whole, rows)) for rows in (self.real, self.unreal))
        return min(rank_correlation(one, other) for one, other in pairs)


@dataclass(frozen=True)
class Shrunk:
    """A pruned network with all inputs of the whole one, what went, and how alike it ranks."""

    network: Network
    removed: tuple[Removal, ...]
    kept: tuple[Integers, ...]
    fidelity: float
    rounds: int


def shrink(
    whole: Network, rows: Floats, held: Floats, judge: Judge, fidelity: float, rng: np.random.RandomState
) -> Shrunk:
    """Prune units as far as the fidelity allows.

    Parameters
    ----------
    whole : Network
    rows : ndarray of shape (n_rows, n_features)
        Solve the layers and tune the weights; real and made-up ones.
    held : ndarray of shape (n_held, n_features)
        Tell the prices, and stop the tuning.
    judge : Judge
    fidelity : float
        Least rank correlation with the whole network.
    rng : RandomState
    """
    sieve = Sieve(whole, rows, held, rng)
    untouched = Shrunk(whole, (), tuple(sieve.kept), 1.0, 0)
    found = [untouched]
    while sieve.round():
        network = sieve.inputs()
        reached = judge.fidelity(network)
        found.append(Shrunk(network, tuple(sieve.removed), tuple(sieve.kept), reached, len(found)))
        if reached < fidelity - _HOPELESS:
            break
    good = max(i for i, step in enumerate(found) if step.fidelity >= fidelity)
    best = tuned(found[good], whole, rows, held, judge, rng) if good else untouched
    low, high = good + 1, len(found) - 1
    for _ in range(_TRIES):  # the smallest one that tuning brings back
        if low > high:
            break
        middle = (low + high) // 2
        candidate = tuned(found[middle], whole, rows, held, judge, rng)
        if candidate.fidelity >= fidelity:
            best, low = candidate, middle + 1
        else:
            high = middle - 1
    return best


def tuned(
    step: Shrunk, whole: Network, rows: Floats, held: Floats, judge: Judge, rng: np.random.RandomState,
    epochs: int = _TUNING_EPOCHS,
) -> Shrunk:  # fmt: skip
    """A few epochs towards the outputs of the whole network; the step itself where they do not help."""
    layers = step.network.layers
    if len({layer.activation for layer in layers[:-1]}) != 1 or layers[-1].activation != "identity":
        return step  # scikit-learn's perceptron cannot hold it
    read = step.kept[0]
    small = step.network.with_layer(0, _rows_of(step.network, read))
    singles = [a.astype(np.float32) for a in (rows[:, read], whole.outputs(rows), held[:, read], whole.outputs(held))]
    found = train(
        small, *singles, decay=0.0, learning_rate=_RATE, max_epochs=epochs, patience=_PATIENCE, rng=rng
    ).network.astype(np.float64)
    first = step.network.layers[0]
    weights = np.zeros_like(first.weights)
    weights[read] = found.layers[0].weights
    network = found.with_layer(0, Layer(weights, found.layers[0].bias, first.activation))
    reached = judge.fidelity(network)
    if reached < step.fidelity:
        return step
    return Shrunk(network, step.removed, step.kept, reached, step.rounds)


def _rows_of(network: Network, read: Integers) -> Layer:
    """The first layer for the inputs `read` alone."""
    first = network.layers[0]
    return Layer(first.weights[read], first.bias, first.activation)


def unit_records(
    whole: Network, shrunk: Shrunk | None, names: list[str], reason: str, loss: float
) -> list[PruningRecord]:
    """One record per input column and neuron of the whole network.

    Parameters
    ----------
    whole : Network
    shrunk : Shrunk or None
        None: the linear twin scores, and no unit is left.
    names : list of str
        Of the inputs.
    reason : str
        Why units that have no price went or stayed.
    loss : float
        Of the whole network: prices are told as shares of it.
    """
    prices = {} if shrunk is None else {(r.place, r.unit): r.price / max(loss, 1e-300) for r in shrunk.removed}
    dearest = max(prices.values(), default=float("nan"))
    records = []
    for place, width in enumerate(whole.widths[:-1]):
        for unit in range(width):
            item = names[unit] if place == 0 else f"layer {place} neuron {unit}"
            kind = "input" if place == 0 else "neuron"
            price = prices.get((place, unit))
            if price is not None:
                text = "removed: the loss rises by this share of itself with the next layer solved again"
                records.append(PruningRecord(item, kind, False, text, price, dearest))
            elif shrunk is None and place > 0:
                records.append(PruningRecord(item, kind, False, reason))
            else:
                records.append(PruningRecord(item, kind, True, "needed for the fidelity" if shrunk else reason))
    return records
