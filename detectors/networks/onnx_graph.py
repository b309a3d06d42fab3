"""The ONNX nodes of a network that reconstructs its rows."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from detectors.networks.compiled import Reconstruction
from detectors.storage.onnx_graph import OnnxGraph

__all__ = ["prediction_scores", "reconstruction_scores"]

Floats = NDArray[np.float64]

_INT8, _FINER = 127, 255
_FLOAT = 1  # onnx.TensorProto.FLOAT
_OPERATORS = {"relu": "Relu", "tanh": "Tanh", "logistic": "Sigmoid"}


def reconstruction_scores(
    graph: OnnxGraph, model: Reconstruction, rows: str, dtype: type = np.float64, scales: Any = None
) -> str:
    """Scores (n_rows,) of kept columns `rows`, computed in `dtype`; weights are int8 times `scales` if given."""

    def constant(value: object) -> str:
        return graph.constant(np.asarray(value, dtype=dtype))

    z = graph.add("Div", [graph.add("Sub", [rows, constant(model.centre)]), constant(model.unit)])
    target = hidden = z
    if np.isfinite(model.clip):
        low, high = constant(-model.clip), constant(model.clip)
        hidden = graph.add("Clip", [z, low, high])
        far = graph.add("Max", [graph.add("Div", [graph.add("Abs", [z]), constant(model.clip)]), constant(1.0)])
        near = graph.add("Clip", [z, low, high])  # another tensor: quantisation must not round the target
        target = graph.add("Add", [near, graph.add("Mul", [near, graph.add("Log", [far])])])
    if len(model.inputs) < len(model.centre):
        hidden = graph.add("Gather", [hidden, graph.constant(model.inputs.astype(np.int64))], axis=1)
    for place, layer in enumerate(model.network.layers):
        if scales is None:
            weights = constant(layer.weights)
        else:
            weights = _eight_bits(graph, np.rint(layer.weights / scales[place]), scales[place])
        hidden = graph.add("MatMul", [hidden, weights])
        if layer.bias.any():
            hidden = graph.add("Add", [hidden, constant(layer.bias)])
        if layer.activation in _OPERATORS:
            hidden = graph.add(_OPERATORS[layer.activation], [hidden])
    off = graph.add("Sub", [target, hidden])
    squares = graph.add("ReduceSumSquare", [off], axes=[1], keepdims=0)
    return graph.add("Mul", [squares, constant(-1.0 / len(model.centre))])


def _eight_bits(graph: OnnxGraph, whole: Any, scale: Any) -> str:
    """Weights (n_in, n_units) that are `whole` times `scale`: one int8 tensor, or two if 8 bits cannot hold them."""
    coarse = np.rint(whole / _FINER) if np.abs(whole).max(initial=0) > _INT8 else whole
    rest = whole - coarse * _FINER
    sizes = (scale, None) if coarse is whole else (scale * _FINER, scale)
    parts = []
    for value, size in zip((coarse, rest), sizes, strict=True):
        if size is not None:
            single = graph.add("Cast", [graph.constant(value.astype(np.int8))], to=_FLOAT)
            parts.append(graph.add("Mul", [single, graph.constant(np.asarray(size, dtype=np.float32))]))
    return parts[0] if len(parts) == 1 else graph.add("Add", parts)


def prediction_scores(graph: OnnxGraph, model: Any, centre: Floats, unit: Floats, clip: float, rows: str) -> str:
    """Scores (n_rows,) of rows in time order, by a `ConvolutionNet` or by (weights, bias, n_lags)."""
    z = graph.add("Div", [graph.add("Sub", [rows, graph.constant(centre)]), graph.constant(unit)])
    near = graph.add("Clip", [z, graph.number(-clip), graph.number(clip)])
    far = graph.add("Max", [graph.add("Div", [graph.add("Abs", [z]), graph.number(clip)]), graph.number(1.0)])
    target = graph.add("Add", [near, graph.add("Mul", [near, graph.add("Log", [far])])])

    def back(tensor: str, steps: int) -> str:
        """Rows moved down by `steps`, zeros in their place."""
        if steps == 0:
            return tensor
        padded = graph.add("Pad", [tensor, graph.axes(steps, 0, 0, 0)])
        return graph.add("Slice", [padded, graph.axes(0), graph.axes(-steps), graph.axes(0)])

    def dense(parts: list[str], weights: Any, bias: Any) -> str:
        wide = parts[0] if len(parts) == 1 else graph.add("Concat", parts, axis=1)
        return graph.add("Add", [graph.add("MatMul", [wide, graph.constant(weights)]), graph.constant(bias)])

    if isinstance(model, tuple):
        weights, bias, n_lags = model
        expected = dense([back(near, 1 + lag) for lag in range(n_lags)], weights, bias)
    else:
        taps = model.taps
        one = graph.add("Tanh", [dense([back(near, tap) for tap in range(taps)], model.first, model.bias1)])
        two = graph.add("Tanh", [dense([back(one, tap * taps) for tap in range(taps)], model.second, model.bias2)])
        shape = graph.constant(np.tanh(model.bias2)[None, :])  # before the first row
        rest = graph.add("Slice", [two, graph.axes(0), graph.axes(-1), graph.axes(0)])
        expected = dense([graph.add("Concat", [shape, rest], axis=0)], model.head, model.bias3)
    off = graph.add("Sub", [target, expected])
    squares = graph.add("ReduceSumSquare", [off], axes=[1], keepdims=0)
    return graph.add("Mul", [squares, graph.number(-1.0 / len(centre))])
