"""An ONNX graph in the making: nodes, constants, and the differences of rows and points."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["OnnxGraph", "differences"]


class OnnxGraph:
    """Nodes and constants of a graph in the making; every method gives the name of what it adds."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def constant(self, value: Any) -> str:
        """Add a constant tensor."""
        from onnx import numpy_helper

        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def add(self, kind: str, inputs: list[str], *, output: str = "", **attributes: Any) -> str:
        """Add a node with one output."""
        from onnx import helper

        output = output or f"t{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [output], **attributes))
        return output

    def number(self, value: float) -> str:
        """Add a double constant."""
        return self.constant(np.array(value, dtype=np.float64))

    def axes(self, *axes: int) -> str:
        """Add a list of axes."""
        return self.constant(np.array(axes, dtype=np.int64))


def differences(graph: OnnxGraph, rows: str, points: Any) -> str:
    """Differences (n_rows, n_points, n_features) of rows and constant points (n_points, n_features)."""
    wide = graph.add("Unsqueeze", [rows, graph.axes(1)])
    return graph.add("Sub", [wide, graph.constant(np.ascontiguousarray(points)[None])])
