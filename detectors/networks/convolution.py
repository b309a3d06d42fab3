"""Two causal convolutions and a linear head: the next values of several series from the last ones.

Invariant: what is predicted for a time depends on earlier rows only. Rows are times, columns series; before the first
row everything is 0, the mean of standardised values.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

__all__ = ["ConvolutionNet", "gradients", "lagged", "trained_net"]

Floats = NDArray[np.float64]

_CHUNK = 256  # rows of a step
_FIRST, _SECOND, _TINY = 0.9, 0.999, 1e-8  # of Adam
_BETTER = 1e-4


def lagged(rows: Floats, taps: int, dilation: int) -> Floats:
    """Rows beside their predecessors (n_rows, taps * n_columns): the row itself, `dilation` rows before, ...

    Examples
    --------
    >>> lagged(np.array([[1.0], [2.0], [3.0]]), 2, 1).tolist()
    [[1.0, 0.0], [2.0, 1.0], [3.0, 2.0]]
    """
    n_rows, n_columns = rows.shape
    wide = np.zeros((n_rows, taps, n_columns), dtype=rows.dtype)
    for tap in range(taps):
        back = tap * dilation
        wide[back:, tap] = rows[: max(n_rows - back, 0)]
    return wide.reshape(n_rows, taps * n_columns)


def _gathered(wide: Floats, taps: int, dilation: int) -> Floats:
    """The transpose of `lagged`: gradients (n_rows, n_columns) from those of the lagged rows."""
    n_rows = len(wide)
    wide = wide.reshape(n_rows, taps, -1)
    total = wide[:, 0].copy()
    for tap in range(1, taps):
        back = tap * dilation
        total[: max(n_rows - back, 0)] += wide[back:, tap]
    return np.asarray(total)


@dataclass(frozen=True)
class ConvolutionNet:
    """Weights of the network.

    Parameters
    ----------
    first, second, head : ndarray of shape (taps * n_series, n_filters), (taps * n_filters, n_filters2) and
        (n_filters2, n_series)
    bias1, bias2, bias3 : ndarray
    taps : int
        Rows that a filter sees; those of the second layer lie `taps` rows apart.
    """

    first: Floats
    bias1: Floats
    second: Floats
    bias2: Floats
    head: Floats
    bias3: Floats
    taps: int

    @property
    def weights(self) -> tuple[Floats, ...]:
        """All arrays, in the order of the constructor."""
        return (self.first, self.bias1, self.second, self.bias2, self.head, self.bias3)

    @classmethod
    def of(cls, weights: Sequence[Floats], taps: int) -> ConvolutionNet:
        """The network of six arrays."""
        first, bias1, second, bias2, head, bias3 = weights
        return cls(first, bias1, second, bias2, head, bias3, taps)

    @property
    def n_parameters(self) -> int:
        """Weights and biases."""
        return sum(int(part.size) for part in self.weights)

    @property
    def reach(self) -> int:
        """Rows that a prediction looks back."""
        return self.taps + self.taps * (self.taps - 1)

    def hidden(self, rows: Floats) -> tuple[Floats, Floats, Floats, Floats]:
        """Lagged rows and outputs of both layers: what a row and its predecessors give."""
        wide1 = lagged(rows, self.taps, 1)
        out1 = np.tanh(wide1 @ self.first + self.bias1)
        wide2 = lagged(out1, self.taps, self.taps)
        return wide1, out1, wide2, np.tanh(wide2 @ self.second + self.bias2)

    def predictions(self, rows: Floats) -> Floats:
        """What is expected at every row (n_rows, n_series), from the rows before it."""
        last = self.hidden(rows)[3] @ self.head + self.bias3
        return np.vstack([np.tanh(self.bias2) @ self.head + self.bias3, last[:-1]])

    def without(self, layer: int, filter_: int) -> ConvolutionNet:
        """The network without one filter of layer 1 or 2."""
        if layer == 2:
            return replace(
                self, second=np.delete(self.second, filter_, axis=1), bias2=np.delete(self.bias2, filter_),
                head=np.delete(self.head, filter_, axis=0),
            )  # fmt: skip
        n = self.first.shape[1]
        columns = np.arange(self.taps) * n + filter_
        return replace(
            self, first=np.delete(self.first, filter_, axis=1), bias1=np.delete(self.bias1, filter_),
            second=np.delete(self.second, columns, axis=0),
        )  # fmt: skip

    @classmethod
    def random(cls, n_series: int, filters: tuple[int, int], taps: int, rng: np.random.RandomState) -> ConvolutionNet:
        """Small random weights (Glorot's)."""

        def drawn(n_in: int, n_out: int) -> Floats:
            limit = np.sqrt(6.0 / (n_in + n_out))
            return np.asarray(rng.uniform(-limit, limit, (n_in, n_out)))

        one, two = filters
        return cls(
            drawn(taps * n_series, one), np.zeros(one), drawn(taps * one, two), np.zeros(two), drawn(two, n_series),
            np.zeros(n_series), taps,
        )  # fmt: skip


def gradients(
    net: ConvolutionNet, rows: Floats, skip: int, decay: float, targets: Floats | None = None
) -> tuple[float, tuple[Floats, ...]]:
    """Loss and its gradients: half the mean squared error of the rows from `skip` on, half the decay of the weights.

    Parameters
    ----------
    net : ConvolutionNet
    rows : ndarray of shape (n_rows, n_series)
        Standardised; the first `skip` of them, at least 1, are context.
    skip : int
    decay : float
    targets : ndarray of shape (n_rows, n_series), optional
        What is to be predicted instead of the rows themselves.

    Returns
    -------
    loss : float
    gradients : tuple of ndarray, as `net.weights`
    """
    wide1, out1, wide2, out2 = net.hidden(rows)
    off = out2[skip - 1 : -1] @ net.head + net.bias3 - (rows if targets is None else targets)[skip:]
    loss = 0.5 * float(np.mean(off**2)) + 0.5 * decay * sum(float(np.sum(w**2)) for w in net.weights[::2])
    slope3 = np.zeros((len(rows), rows.shape[1]))
    slope3[skip - 1 : -1] = off / off.size
    slope2 = (slope3 @ net.head.T) * (1.0 - out2**2)
    slope1 = _gathered(slope2 @ net.second.T, net.taps, net.taps) * (1.0 - out1**2)
    found = []
    for inputs, slope, weights in ((wide1, slope1, net.first), (wide2, slope2, net.second), (out2, slope3, net.head)):
        found += [inputs.T @ slope + decay * weights, slope.sum(axis=0)]
    return loss, tuple(found)


def trained_net(
    net: ConvolutionNet, rows: Floats, n_train: int, *, decay: float, rate: float, max_epochs: int, patience: int,
    rng: np.random.RandomState, targets: Floats | None = None,
) -> tuple[ConvolutionNet, int]:  # fmt: skip
    """Train with Adam on the first `n_train` rows, stopped early by the later ones; the best net and the epochs."""
    aims = rows if targets is None else targets
    best, least, waited, epochs = net, _loss(net, rows, n_train, aims), 0, 0
    means, squares = ([np.zeros_like(w) for w in net.weights] for _ in range(2))
    starts = np.arange(1, max(2, n_train), _CHUNK)
    step = 0
    for _ in range(max_epochs):
        epochs += 1
        for start in rng.permutation(starts):
            begin = max(0, start - net.reach)
            piece = slice(begin, min(start + _CHUNK, n_train))
            part = rows[piece]
            if len(part) <= start - begin:
                continue
            _, slopes = gradients(net, part, start - begin, decay, aims[piece])
            step += 1
            fresh = []
            for i, (weight, slope) in enumerate(zip(net.weights, slopes, strict=True)):
                means[i] = _FIRST * means[i] + (1.0 - _FIRST) * slope
                squares[i] = _SECOND * squares[i] + (1.0 - _SECOND) * slope**2
                size = np.sqrt(squares[i] / (1.0 - _SECOND**step)) + _TINY
                fresh.append(weight - rate * means[i] / (1.0 - _FIRST**step) / size)
            net = ConvolutionNet.of(fresh, net.taps)
        now = _loss(net, rows, n_train, aims)
        if not now < least * (1.0 - _BETTER):
            waited += 1
            if waited >= patience:
                break
            continue
        best, least, waited = net, now, 0
    return best, epochs


def _loss(net: ConvolutionNet, rows: Floats, n_train: int, targets: Floats) -> float:
    """Mean squared error of the rows from `n_train` on."""
    begin = max(0, n_train - net.reach)
    found = net.predictions(rows[begin:])[n_train - begin :]
    return float(np.mean((found - targets[n_train:]) ** 2)) if len(found) else 0.0
