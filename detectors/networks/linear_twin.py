"""The linear twin of an autoencoder, and networks that begin where it ends.

Invariant: a network is worth its non-linearity only where it beats its twin, principal components of the same code
size, on blocks of rows it was not trained on.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student

from detectors.networks.layers import Layer, Network, activated
from detectors.networks.units import solved_again

__all__ = ["Split", "beats", "better_by_blocks", "components", "embedded", "linear_part", "twin_network"]

Floats = NDArray[np.float64]
Integers = NDArray[np.intp]

_BLOCKS = 50  # of consecutive rows: neighbours in time are alike, and must not stand on both sides
_HELD_BLOCKS = 5  # stop the training, as many again judge
_FEWEST = 20  # rows; of fewer, all train and all judge
_LEVEL = 0.05  # of the test that the network is better than its twin
_OTHERS = 0.1  # of a usual first weight: units beside those that carry the components
_BENT = 4.0  # gain of the components on their way to the other units, where these see nothing else
_RIDGE = 1e-2  # of the first solution of the last layer


@dataclass(frozen=True)
class Split:
    """Rows that train, rows that stop the training, rows that judge; `blocks` numbers those held out."""

    train: Integers
    stop: Integers
    judge: Integers
    held: Integers
    blocks: Integers

    @classmethod
    def of(cls, n_rows: int, rng: np.random.RandomState) -> Split:
        """Hold out a fifth of the rows in blocks of neighbours."""
        everything = np.arange(n_rows)
        if n_rows < _FEWEST:
            return cls(everything, everything, everything, everything, everything)
        n_blocks = min(_BLOCKS, n_rows // 2)
        number = everything * n_blocks // n_rows
        half = min(_HELD_BLOCKS, max(1, n_blocks // 10))
        drawn = rng.permutation(n_blocks)[: 2 * half]
        stop, judge = (np.flatnonzero(np.isin(number, part)) for part in (drawn[:half], drawn[half:]))
        held = np.sort(np.concatenate([stop, judge]))
        return cls(np.flatnonzero(~np.isin(number, drawn)), stop, judge, held, number[held])


def components(rows: Floats, variance: float, most: int) -> Floats:
    """Principal axes (n_features, n_components) that hold a share of the variance, never all of them.

    Parameters
    ----------
    rows : ndarray of shape (n_rows, n_features)
        Centred.
    variance : float in (0, 1)
    most : int
        Components at most.
    """
    n_features = rows.shape[1]
    if n_features < 2:
        return np.zeros((n_features, 0))
    values, axes = np.linalg.eigh(np.cov(rows.T) if len(rows) > 1 else np.eye(n_features))
    share = np.cumsum(np.maximum(values[::-1], 0.0))
    if not share[-1] > 0:
        return np.zeros((n_features, 0))
    wanted = int(np.searchsorted(share / share[-1], variance)) + 1
    axes = axes[:, ::-1][:, : min(wanted, n_features - 1, len(rows) - 1, most)]
    signs = np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(axes.shape[1])])
    return np.ascontiguousarray(axes * signs)


def twin_network(axes: Floats) -> Network:
    """Principal components as a network of two linear layers; of one, all zero, where there are no axes."""
    n_features, n_components = axes.shape
    if n_components == 0:
        return Network((Layer(np.zeros((n_features, n_features)), np.zeros(n_features)),))
    return Network((Layer(axes, np.zeros(n_components)), Layer(axes.T.copy(), np.zeros(n_features))))


def embedded(
    axes: Floats, rows: Floats, widths: tuple[int, ...], activation: str, gain: float, rng: np.random.RandomState,
    *, others: float = _OTHERS,
) -> Network:  # fmt: skip
    """A network whose first units carry the principal components, the others small random weights.

    Parameters
    ----------
    axes : ndarray of shape (n_features, n_components)
    rows : ndarray of shape (n_rows, n_features)
        Solve the last layer.
    widths : tuple of int
        Units of the hidden layers, each at least n_components.
    activation : {"tanh", "relu"}
    gain : float
        Standard deviation of a component in its unit: small = nearly linear, large = bent. relu carries it above a
        bias, where it is linear.
    others : float
        Share of its usual size that a random weight into the carrying units has.
    """
    n_features, k = axes.shape
    spread = (rows @ axes).std(axis=0)
    scale = gain / np.where(spread > 0, spread, 1.0)
    layers, before = [], n_features
    for place, width in enumerate(widths):
        limit = np.sqrt((6.0 if activation == "relu" else 2.0) / (before + width))
        weights, bias = rng.uniform(-limit, limit, (before, width)), np.zeros(width)
        if place == 0:
            weights[:, :k] = axes * scale
            if activation == "relu":
                bias[:k] = 2.0 * np.abs(rows @ weights[:, :k]).max(axis=0, initial=0.0)
        else:
            weights[k:, :k] *= others
            weights[:k, :k] = np.eye(k)
            if activation == "tanh":
                weights[:k, k:] *= min(_BENT, 1.0 / gain) * np.sqrt((before + width) / (k + width))
        layers.append(Layer(weights, bias, activation))
        before = width
    weights = np.zeros((before, n_features))
    weights[:k] = (axes / scale).T
    hidden = Network(tuple(layers)).outputs(rows)
    last = Layer(weights, -layers[0].bias[:k] @ weights[:k])
    if activation != "relu" or gain > 0.1:
        last = solved_again(last, hidden, rows, _RIDGE)
    return Network((*layers, last))


def linear_part(axes: Floats, rows: Floats, network: Network, rng: np.random.RandomState) -> Network:
    """A network of the widths of `network` that answers as the linear twin does, to a share of its error."""
    widths, activation = network.widths[1:-1], network.layers[0].activation
    start = embedded(axes, rows, widths, activation, 0.02, rng, others=0.0)
    k = axes.shape[1]
    spread = (rows @ axes).std(axis=0)
    weights = np.zeros((widths[-1], len(axes)))
    weights[:k] = (axes * (np.where(spread > 0, spread, 1.0) / 0.02)).T
    shift = activated(start.layers[0].bias[:k], activation) @ weights[:k] if activation == "relu" else 0.0
    return start.with_layer(len(start.layers) - 1, Layer(weights, np.zeros(len(axes)) - shift))


def beats(network: Network, twin: Network, rows: Floats, blocks: Integers) -> tuple[bool, float, float, float]:
    """Compare the held-out losses of a network and its twin, block by block.

    Parameters
    ----------
    rows : ndarray of shape (n_rows, n_features)
        Held out.
    blocks : ndarray of int of shape (n_rows,)

    Returns
    -------
    better : bool
        One-sided t test over the blocks at the level 0.05.
    loss, loss_of_twin, p_value : float
    """
    own, other = (np.square(n.outputs(rows) - rows).mean(axis=1) for n in (network, twin))
    loss, twin_loss = float(own.mean()), float(other.mean())
    better, p_value = better_by_blocks(own, other, blocks)
    return better, loss, twin_loss, p_value


def better_by_blocks(own: Floats, other: Floats, blocks: Integers) -> tuple[bool, float]:
    """One-sided t test over blocks that errors `own` (n_rows,) are smaller than `other`; the decision and p-value."""
    _, place = np.unique(blocks, return_inverse=True)
    gains = np.bincount(place, other - own) / np.bincount(place)
    if len(gains) < 3 or not gains.std() > 0:
        return False, 1.0
    statistic = gains.mean() / (gains.std(ddof=1) / np.sqrt(len(gains)))
    p_value = float(student.sf(statistic, len(gains) - 1))
    return p_value <= _LEVEL and bool(own.mean() < other.mean()), p_value
