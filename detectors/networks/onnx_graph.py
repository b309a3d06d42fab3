"""The ONNX nodes of a network that reconstructs its rows."""

from __future__ import annotations

from typing import Any

import numpy as np

from detectors.networks.compiled import Reconstruction
from detectors.storage.onnx_graph import OnnxGraph

__all__ = ["reconstruction_scores"]

_FLOAT = 1  # onnx.TensorProto.FLOAT
_OPERATORS = {"relu": "Relu", "tanh": "Tanh", "logistic": "Sigmoid"}


def reconstruction_scores(graph: OnnxGraph, model: Reconstruction, rows: str, dtype: type = np.float64, scales: Any = None) -> str:
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
            whole = graph.constant(np.rint(layer.weights / scales[place]).astype(np.int8))
            weights = graph.add("Mul", [graph.add("Cast", [whole], to=_FLOAT), constant(scales[place])])
        hidden = graph.add("MatMul", [hidden, weights])
        if layer.bias.any():
            hidden = graph.add("Add", [hidden, constant(layer.bias)])
        if layer.activation in _OPERATORS:
            hidden = graph.add(_OPERATORS[layer.activation], [hidden])
    off = graph.add("Sub", [target, hidden])
    squares = graph.add("ReduceSumSquare", [off], axes=[1], keepdims=0)
    return graph.add("Mul", [squares, constant(-1.0 / len(model.centre))])
