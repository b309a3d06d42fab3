"""Reconstruction errors of rows by a small dense network, compiled.

Invariant: the bits of a row's score depend on nothing but the row: a sum runs over the inputs in their order, for one
row as for many, and nothing is fused or reordered. Many rows are held as columns, so that the innermost loop runs over
rows side by side.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from detectors.kernels.compilation import njit

__all__ = ["BLOCK", "reconstruction_errors"]

BLOCK = 64  # rows side by side: two layers of 256 units stay within the cache
_RELU, _TANH, _LOGISTIC = 1, 2, 3


@njit(cache=True, inline="always")
def _tanh(x: Any) -> Any:
    """Hyperbolic tangent as a fraction of polynomials, right to 3e-7: the same bits alone and side by side."""
    x = min(max(x, -7.90531110763549805), 7.90531110763549805)
    s = x * x
    p = -2.76076847742355e-16
    p = p * s + 2.00018790482477e-13
    p = p * s - 8.60467152213735e-11
    p = p * s + 5.12229709037114e-08
    p = p * s + 1.48572235717979e-05
    p = p * s + 6.37261928875436e-04
    p = p * s + 4.89352455891786e-03
    q = 1.19825839466702e-06
    q = q * s + 1.18534705686654e-04
    q = q * s + 2.26843463243900e-03
    q = q * s + 4.89352518554385e-03
    return x * p / q


@njit(cache=True)
def _activate(values: Any, n_units: Any, n_rows: Any, code: Any) -> Any:
    """Apply an activation in place to `values` (n_units, n_rows)."""
    for j in range(n_units):
        if code == _RELU:
            for r in range(n_rows):
                values[j, r] = max(values[j, r], 0.0)
        elif code == _TANH:
            for r in range(n_rows):
                values[j, r] = _tanh(values[j, r])
        elif code == _LOGISTIC:
            for r in range(n_rows):
                values[j, r] = 0.5 + 0.5 * _tanh(0.5 * values[j, r])


@njit(cache=True)
def _layer(
    weights: Any, start: Any, bias: Any, first: Any, n_in: Any, n_units: Any, n_rows: Any, a: Any, b: Any
) -> Any:
    """Sums `b` (n_units, n_rows) of a layer for its inputs `a` (n_in, n_rows); weights lie as (n_in, n_units)."""
    for j in range(n_units):
        for r in range(n_rows):
            b[j, r] = bias[first + j]
        i = 0
        while i + 4 <= n_in:
            at = start + i * n_units + j
            w0, w1, w2, w3 = weights[at], weights[at + n_units], weights[at + 2 * n_units], weights[at + 3 * n_units]
            for r in range(n_rows):
                b[j, r] = (((b[j, r] + w0 * a[i, r]) + w1 * a[i + 1, r]) + w2 * a[i + 2, r]) + w3 * a[i + 3, r]
            i += 4
        while i < n_in:
            w0 = weights[start + i * n_units + j]
            for r in range(n_rows):
                b[j, r] = b[j, r] + w0 * a[i, r]
            i += 1


@njit(cache=True)
def _layer_of_one(weights: Any, start: Any, bias: Any, first: Any, n_in: Any, n_units: Any, a: Any, b: Any) -> Any:
    """Sums `b` (n_units, 1) for one row, unit beside unit; the same bits as `_layer`."""
    for j in range(n_units):
        b[j, 0] = bias[first + j]
    for i in range(n_in):
        x = a[i, 0]
        at = start + i * n_units
        for j in range(n_units):
            b[j, 0] = b[j, 0] + weights[at + j] * x


@njit(cache=True, nogil=True)
def reconstruction_errors(
    rows: Any, columns: Any, centre: Any, unit: Any, clip: Any, inputs: Any, widths: Any, codes: Any, weights: Any,
    bias: Any, errors: Any, parts: Any,
) -> Any:  # fmt: skip
    """Mean squared distance of rows from what a network makes of them.

    Parameters
    ----------
    rows : ndarray of shape (n_rows, n_columns)
    columns : ndarray of int of shape (n_features,)
        Columns that are features of the network.
    centre, unit : ndarray of shape (n_features,)
        What the values are measured from and in.
    clip : float
        Inputs are cut at plus and minus this; a target beyond it grows with its logarithm. Infinite for none.
    inputs : ndarray of int of shape (n_inputs,)
        Features the first layer reads.
    widths : ndarray of int of shape (n_layers + 1,)
    codes : ndarray of int of shape (n_layers,)
        Activations: 0 identity, 1 relu, 2 tanh, 3 logistic.
    weights, bias : ndarray of shape (n_weights,) and (n_units,)
        Of all layers one after another, each (n_inputs, n_units).
    errors : ndarray of shape (n_rows,)
        Receives the errors.
    parts : ndarray of shape (n_rows, n_features) or (0, n_features)
        Receives the squared distance in every feature, if there is room.
    """
    n_rows, n_features, n_layers = rows.shape[0], columns.shape[0], codes.shape[0]
    widest = n_features
    for k in range(widths.shape[0]):
        widest = max(widest, widths[k])
    block = min(BLOCK, max(1, n_rows))
    z = np.empty((n_features, block))
    a = np.empty((widest, block))
    b = np.empty((widest, block))
    total = np.empty(block)
    for begin in range(0, n_rows, block):
        n = min(block, n_rows - begin)
        for f in range(n_features):
            column, middle, scale = columns[f], centre[f], unit[f]
            for r in range(n):
                z[f, r] = (rows[begin + r, column] - middle) / scale
        for f in range(inputs.shape[0]):
            g = inputs[f]
            for r in range(n):
                a[f, r] = min(max(z[g, r], -clip), clip)
        start, first = 0, 0
        for k in range(n_layers):
            n_in, n_units = widths[k], widths[k + 1]
            if n == 1:
                _layer_of_one(weights, start, bias, first, n_in, n_units, a, b)
            else:
                _layer(weights, start, bias, first, n_in, n_units, n, a, b)
            _activate(b, n_units, n, codes[k])
            a, b = b, a
            start += n_in * n_units
            first += n_units
        for r in range(n):
            total[r] = 0.0
        for f in range(n_features):
            for r in range(n):
                target = z[f, r]
                if abs(target) > clip:
                    grown = clip * (1.0 + np.log(abs(target) / clip))
                    target = grown if target > 0 else -grown
                off = target - a[f, r]
                total[r] += off * off
                if parts.shape[0] > 0:
                    parts[begin + r, f] = off * off
        for r in range(n):
            errors[begin + r] = total[r] / n_features
