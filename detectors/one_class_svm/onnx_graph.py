"""The ONNX nodes of a one-class support vector machine."""

from __future__ import annotations

from typing import Any

import numpy as np

from detectors.features.weighted_view import _CLIP as LINEAR_CLIP
from detectors.storage.onnx_graph import OnnxGraph, differences

__all__ = ["expansion_scores", "viewed"]


def viewed(graph: OnnxGraph, view: Any, rows: str) -> str:
    """Coordinates (n_rows, 2 * n_features) of a `FeatureView`."""
    standard = graph.add("Div", [graph.add("Sub", [rows, graph.constant(view.mean)]), graph.constant(view.scale)])
    linear = graph.add("Clip", [standard, graph.number(-LINEAR_CLIP), graph.number(LINEAR_CLIP)])
    z = graph.add("Div", [graph.add("Sub", [rows, graph.constant(view.middle)]), graph.constant(view.spread)])
    grown = graph.add("Log", [graph.add("Add", [graph.add("Abs", [z]), graph.number(1.0)])])
    logarithm = graph.add("Mul", [graph.add("Sign", [z]), grown])
    weight = graph.constant(np.asarray(view.weight, dtype=np.float64))
    return graph.add("Concat", [graph.add("Mul", [part, weight]) for part in (linear, logarithm)], axis=1)


def expansion_scores(graph: OnnxGraph, expansion: Any, rows: str) -> str:
    """Values of a kernel expansion."""
    if expansion.kernel == "rbf":
        distances = differences(graph, rows, expansion.vectors)
        squares = graph.add("ReduceSum", [graph.add("Mul", [distances, distances]), graph.axes(2)], keepdims=0)
        kernel = graph.add("Exp", [graph.add("Mul", [squares, graph.number(-expansion.gamma)])])
    else:
        kernel = graph.add("MatMul", [rows, graph.constant(np.ascontiguousarray(expansion.vectors.T))])
        if expansion.kernel != "linear":
            scaled = graph.add("Mul", [kernel, graph.number(expansion.gamma)])
            kernel = graph.add("Add", [scaled, graph.number(expansion.coef0)])
            if expansion.kernel == "poly":
                kernel = graph.add("Pow", [kernel, graph.number(float(expansion.degree))])
            else:
                kernel = graph.add("Tanh", [kernel])
    weighted = graph.add("MatMul", [kernel, graph.constant(expansion.weights[:, None])])
    return graph.add("Add", [graph.add("Squeeze", [weighted, graph.axes(1)]), graph.number(expansion.intercept)])
