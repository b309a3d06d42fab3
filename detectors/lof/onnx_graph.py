"""The ONNX nodes of a local outlier factor."""

from __future__ import annotations

from typing import Any

import numpy as np

from detectors.exceptions import InvalidParameterError
from detectors.lof.kernels.neighbors import CHEBYSHEV, EUCLIDEAN, MANHATTAN
from detectors.storage.onnx_graph import OnnxGraph, differences

__all__ = ["lof_scores"]


def lof_scores(graph: OnnxGraph, reference: Any, rows: str) -> str:
    """Negative local outlier factors."""
    apart = differences(graph, rows, reference.rows.T)
    if not hasattr(reference.metric, "number"):
        raise InvalidParameterError(
            f"export knows distances of Minkowski's family, got metric={reference.metric.measure!r}; "
            "choose one of them, or keep this detector in Python."
        )
    number, p = reference.metric.number, reference.metric.p
    if number == EUCLIDEAN:
        squares = graph.add("ReduceSum", [graph.add("Mul", [apart, apart]), graph.axes(2)], keepdims=0)
        distances = graph.add("Sqrt", [squares])
    else:
        absolute = graph.add("Abs", [apart])
        if number == CHEBYSHEV:
            distances = graph.add("ReduceMax", [absolute], axes=[2], keepdims=0)
        elif number == MANHATTAN:
            distances = graph.add("ReduceSum", [absolute, graph.axes(2)], keepdims=0)
        else:
            powers = graph.add("Pow", [absolute, graph.number(p)])
            total = graph.add("ReduceSum", [powers, graph.axes(2)], keepdims=0)
            distances = graph.add("Pow", [total, graph.number(1.0 / p)])
    from onnx import helper

    nearest, which = f"t{len(graph.nodes)}", f"i{len(graph.nodes)}"
    k = graph.constant(np.array([reference.k], dtype=np.int64))
    graph.nodes.append(helper.make_node("TopK", [distances, k], [nearest, which], axis=1, largest=0, sorted=1))
    kth = graph.add("Gather", [graph.constant(reference.kth), which])
    inverse = graph.add("Gather", [graph.constant(1.0 / reference.spread), which])
    reach = graph.add("ReduceMean", [graph.add("Max", [nearest, kth])], axes=[1], keepdims=0)
    density = graph.add("ReduceMean", [inverse], axes=[1], keepdims=0)
    spread = graph.add("Add", [reach, graph.number(reference.floor)])
    return graph.add("Neg", [graph.add("Mul", [spread, density])])
