"""Pruning of the filters of a `ConvolutionNet`, and its linear twin, ridge regression on lags.

Invariant: the price of a filter is the rise of the loss when it is removed and the next layer is solved again; the
pruned network ranks held-out rows as the whole one does, to the fidelity asked for.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from detectors.networks.convolution import ConvolutionNet, lagged, trained_net
from detectors.networks.layers import Layer
from detectors.networks.units import covariance, solved_again
from detectors.report import PruningRecord

__all__ = ["filter_prices", "lag_regression", "pruned_filters"]

Floats = NDArray[np.float64]

_SHARE = 0.1  # of the filters go before all prices are measured again
_RIDGE = 1e-4
_MOST_LAGGED = 512  # columns of the twin's regression
_ENOUGH = 1.02  # times the least held-out loss: fewer lags will do
_HOPELESS = 0.05
_EPOCHS, _RATE = 10, 1e-3  # of the tuning


def lag_regression(rows: Floats, reach: int) -> tuple[Floats, Floats, int]:
    """Ridge regression of every row on the rows before it.

    Parameters
    ----------
    rows : ndarray of shape (n_rows, n_series)
        Standardised.
    reach : int
        Rows to look back at most; fewer where that would be more than 512 columns, or helps little on the last rows.

    Returns
    -------
    weights : ndarray of shape (n_lags * n_series, n_series)
    bias : ndarray of shape (n_series,)
    n_lags : int
    """
    most = int(np.clip(_MOST_LAGGED // rows.shape[1], 1, min(reach, max(1, len(rows) // 4))))
    n_train = max(1, int(0.8 * (len(rows) - 1)))
    losses = {}
    for n_lags in sorted({1 << k for k in range(most.bit_length())}):
        inputs = lagged(rows[:-1], n_lags, 1)
        solved = _regression(inputs[:n_train], rows[1 : n_train + 1])
        off = inputs[n_train:] @ solved.weights + solved.bias - rows[n_train + 1 :]
        losses[n_lags] = float(np.mean(off**2)) if len(off) else 0.0
    least = min(losses.values())
    n_lags = next(n for n, loss in losses.items() if loss <= _ENOUGH * least)
    solved = _regression(lagged(rows[:-1], n_lags, 1), rows[1:])
    return solved.weights, solved.bias, n_lags


def _regression(inputs: Floats, targets: Floats) -> Layer:
    """Ridge regression of targets (n_rows, n_series) on inputs (n_rows, n_inputs)."""
    empty = Layer(np.zeros((inputs.shape[1], targets.shape[1])), np.zeros(targets.shape[1]))
    return solved_again(empty, inputs, targets, _RIDGE)


def filter_prices(net: ConvolutionNet, rows: Floats) -> tuple[Floats, Floats]:
    """Prices (n_filters,) of the filters of both layers on rows (n_rows, n_series).

    A filter of the first layer leaves through `taps` lagged copies, which go together: the price of a block J of
    columns is the trace of `W_J' inv(P_JJ) W_J M`, as for one unit in `detectors.networks.units`.
    """
    _, _, wide2, out2 = net.hidden(rows)
    inverse = np.linalg.inv(covariance(out2 - out2.mean(axis=0), _RIDGE))
    second = np.maximum((net.head**2).sum(axis=1), 0.0) / np.diag(inverse)
    slopes = 1.0 - out2**2
    sensitivity = (slopes.T @ slopes / len(slopes)) * (net.head @ net.head.T)
    wide_inverse = np.linalg.inv(covariance(wide2 - wide2.mean(axis=0), _RIDGE))
    n = net.first.shape[1]
    first = np.empty(n)
    for filter_ in range(n):
        block = np.arange(net.taps) * n + filter_
        weights = net.second[block]
        left = np.linalg.solve(wide_inverse[np.ix_(block, block)], weights)
        first[filter_] = max(float(np.sum((weights.T @ left) * sensitivity)), 0.0)
    return first, second


def pruned_filters(
    whole: ConvolutionNet, rows: Floats, fidelity: Callable[[ConvolutionNet], float], least: float,
    rng: np.random.RandomState,
) -> tuple[ConvolutionNet, list[PruningRecord], float]:  # fmt: skip
    """Remove filters, cheapest first, as far as the fidelity allows.

    Parameters
    ----------
    whole : ConvolutionNet
    rows : ndarray of shape (n_rows, n_series)
        Price the filters and solve the layers again.
    fidelity : callable
        Rank correlation of a network with the whole one.
    least : float
        What it has to be.
    rng : RandomState
        Shuffles the rows of the tuning.

    Returns
    -------
    net : ConvolutionNet
    records : list of PruningRecord
        One per filter of the whole network, of kind "filter".
    reached : float
    """
    _, _, wide2, out2 = whole.hidden(rows)
    targets2, targets3 = wide2 @ whole.second + whole.bias2, out2 @ whole.head + whole.bias3
    predicted, n_train = whole.predictions(rows), max(1, int(0.9 * len(rows)))
    left = [list(range(whole.first.shape[1])), list(range(whole.second.shape[1]))]
    removed: list[tuple[int, int, float]] = []
    net, best, n_best, reached = whole, whole, 0, 1.0
    while min(map(len, left)) > 1 or max(map(len, left)) > 1:
        wanted = max(1, round(_SHARE * sum(map(len, left))))
        prices = filter_prices(net, rows)
        order = sorted(
            (float(price) / _freed(net, layer), layer, place, float(price))
            for layer, many in enumerate(prices) for place, price in enumerate(many) if len(many) > 1
        )[: min(wanted, sum(map(len, left)) - 2)]  # fmt: skip
        gone: list[set[int]] = [set(), set()]
        for _, layer, place, price in order:
            if len(gone[layer]) + 1 < len(left[layer]):
                gone[layer].add(place)
                removed.append((layer, left[layer][place], price))
        if not any(gone):
            break
        for layer in (0, 1):
            for place in sorted(gone[layer], reverse=True):
                net = net.without(layer + 1, place)
                left[layer].pop(place)
        net = _solved(net, rows, targets2[:, left[1]], targets3)
        now = fidelity(net)
        if now < least:  # a few epochs towards what the whole network predicts
            net, _ = trained_net(
                net, rows, n_train, decay=0.0, rate=_RATE, max_epochs=_EPOCHS, patience=_EPOCHS, rng=rng,
                targets=predicted,
            )  # fmt: skip
            now = fidelity(net)
        if now >= least:
            best, n_best, reached = net, len(removed), now
        elif now < least - _HOPELESS:
            break
    went = {(layer, number): price for layer, number, price in removed[:n_best]}
    dearest = max(went.values(), default=float("nan"))
    records = []
    for layer, n in enumerate((whole.first.shape[1], whole.second.shape[1])):
        for number in range(n):
            price = went.get((layer, number), math.nan)
            kept = math.isnan(price)
            reason = "needed for the fidelity" if kept else "removed: the loss rises by this"
            records.append(PruningRecord(f"layer {layer + 1} filter {number}", "filter", kept, reason, price, dearest))
    return best, records, reached


def _freed(net: ConvolutionNet, layer: int) -> int:
    """Parameters that go with one filter."""
    if layer == 0:
        return int(len(net.first) + 1 + net.taps * net.second.shape[1])
    return int(len(net.second) + 1 + net.head.shape[1])


def _solved(net: ConvolutionNet, rows: Floats, targets2: Floats, targets3: Floats) -> ConvolutionNet:
    """Both later layers solved again on what is left before them."""
    wide2 = net.hidden(rows)[2]
    second = solved_again(Layer(net.second, net.bias2), wide2, targets2)
    net = replace(net, second=second.weights, bias2=second.bias)
    head = solved_again(Layer(net.head, net.bias3), net.hidden(rows)[3], targets3)
    return replace(net, head=head.weights, bias3=head.bias)
