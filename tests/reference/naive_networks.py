"""A network row by row and unit by unit, as slow and obvious as it gets."""

from __future__ import annotations

import math
from typing import Any


def naive_outputs(row: list[float], layers: list[tuple[Any, Any, str]]) -> list[float]:
    """What the layers (weights (n_in, n_out), bias, activation) make of a row."""
    for weights, bias, activation in layers:
        found = []
        for j in range(len(bias)):
            x = bias[j] + math.fsum(row[i] * weights[i][j] for i in range(len(row)))
            if activation == "relu":
                x = max(x, 0.0)
            elif activation == "tanh":
                x = math.tanh(x)
            elif activation == "logistic":
                x = 0.5 + 0.5 * math.tanh(0.5 * x)
            found.append(x)
        row = found
    return row


def naive_error(row: Any, centre: Any, unit: Any, clip: float, inputs: list[int], layers: list[Any]) -> float:
    """Mean squared distance of a standardised row from its reconstruction; beyond `clip` by the logarithm."""
    z = [(x - c) / u for x, c, u in zip(row, centre, unit, strict=True)]
    read = [min(max(z[i], -clip), clip) for i in inputs]
    total = 0.0
    for x, y in zip(z, naive_outputs(read, layers), strict=True):
        target = x if abs(x) <= clip else math.copysign(clip * (1 + math.log(abs(x) / clip)), x)
        total += (target - y) ** 2
    return total / len(z)


def naive_predictions(net: Any, rows: list[list[float]]) -> list[list[float]]:
    """What two causal convolutions and a head expect at every row, from the rows before it."""
    taps, n_series = net.taps, len(rows[0])
    n1, n2 = len(net.bias1), len(net.bias2)

    def first(t: int) -> list[float]:
        if t < 0:
            return [0.0] * n1
        return [
            math.tanh(
                net.bias1[f]
                + sum(
                    rows[t - k][s] * net.first[k * n_series + s][f]
                    for k in range(taps)
                    if t - k >= 0
                    for s in range(n_series)
                )
            )
            for f in range(n1)
        ]

    def second(t: int) -> list[float]:
        lags = [first(t - k * taps) for k in range(taps)]
        return [
            math.tanh(
                net.bias2[f] + sum(lags[k][i] * net.second[k * n1 + i][f] for k in range(taps) for i in range(n1))
            )
            for f in range(n2)
        ]

    found = []
    for t in range(len(rows)):
        hidden = second(t - 1) if t else [math.tanh(b) for b in net.bias2]
        found.append([net.bias3[s] + sum(hidden[f] * net.head[f][s] for f in range(n2)) for s in range(n_series)])
    return found
