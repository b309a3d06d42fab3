"""ONNX graphs of the pruned detectors: selector, scores and labels in one graph, double in and out.

Law: the graph needs onnxruntime alone, and answers as `score_samples` and `predict` do, to 1e-5 and better.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from detectors.atomic_file import replace_file
from detectors.exceptions import InvalidParameterError
from detectors.feature_view import _CLIP as LINEAR_CLIP
from detectors.kernels.neighbors import CHEBYSHEV, EUCLIDEAN, MANHATTAN

__all__ = ["export"]

_OPSET, _ML_OPSET, _IR = 17, 3, 8  # old enough for runtimes on small devices


def export(detector: Any, path: Any = None) -> bytes:
    """Serialise a fitted detector of this package as an ONNX model.

    Parameters
    ----------
    detector : PrunedIsolationForest, PrunedLOF or PrunedOneClassSVM
        Fitted.
    path : path-like, optional
        File to write; an old one is replaced in one step.

    Returns
    -------
    bytes

    Raises
    ------
    ImportError
        Without the package `onnx`.
    InvalidParameterError
        For another kind of detector.
    UnwritablePathError
        If there is a folder or a device at `path`, or no folder for it.
    """
    try:
        import onnx
    except ImportError as error:
        raise ImportError("to_onnx needs onnx: install the extra, `pip install 'tsprune[onnx]'`.") from error
    from sklearn.utils.validation import check_is_fitted

    check_is_fitted(detector)
    graph = _Graph()
    kept = np.flatnonzero(detector.support_)
    selected = graph.add("Gather", ["X", graph.constant(kept.astype(np.int64))], axis=1)
    if hasattr(detector, "forest_"):
        scores = _forest(graph, detector.forest_, selected)
    elif hasattr(detector, "expansion_"):
        seen = selected if detector.view_ is None else _viewed(graph, detector.view_, selected)
        scores = _expansion(graph, detector.expansion_, seen)
    elif hasattr(detector, "reference_"):
        scores = _lof(graph, detector.reference_, selected)
    else:
        raise InvalidParameterError(
            f"export knows the three pruned detectors of this package, got {type(detector).__name__}; "
            "skl2onnx converts scikit-learn's own."
        )
    graph.add("Identity", [scores], output="scores")
    outlier = graph.add("Less", [scores, graph.constant(np.array(detector.offset_, dtype=np.float64))])
    signs = [graph.constant(np.array(sign, dtype=np.int64)) for sign in (-1, 1)]
    graph.add("Where", [outlier, *signs], output="labels")
    helper, types = onnx.helper, onnx.TensorProto
    body = helper.make_graph(
        graph.nodes,
        type(detector).__name__,
        [helper.make_tensor_value_info("X", types.DOUBLE, ["n_rows", int(detector.n_features_in_)])],
        [
            helper.make_tensor_value_info("scores", types.DOUBLE, ["n_rows"]),
            helper.make_tensor_value_info("labels", types.INT64, ["n_rows"]),
        ],
        graph.constants,
    )
    opsets = [helper.make_opsetid("", _OPSET), helper.make_opsetid("ai.onnx.ml", _ML_OPSET)]
    model = helper.make_model(body, opset_imports=opsets, ir_version=_IR, producer_name="tsprune")
    onnx.checker.check_model(model)
    stored: bytes = model.SerializeToString()
    if path is not None:
        replace_file(path, stored)
    return stored


class _Graph:
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


def _forest(graph: _Graph, forest: Any, rows: str) -> str:
    """Scores of an isolation forest: a tree ensemble for the path lengths, then the power of two."""
    from onnx import TensorProto

    leaf = forest.is_leaf
    tree = np.repeat(np.arange(len(forest.roots)), np.diff(np.append(forest.roots, forest.n_nodes)))
    node = np.arange(forest.n_nodes) - forest.roots[tree]
    children = forest.child.reshape(-1, 2).astype(np.int64) - forest.roots[tree][:, None]
    ids = node[leaf].tolist()
    narrow = graph.add("Cast", [rows], to=TensorProto.FLOAT)
    depths = f"t{len(graph.nodes)}"
    from onnx import helper

    graph.nodes.append(
        helper.make_node(
            "TreeEnsembleRegressor",
            [narrow],
            [depths],
            domain="ai.onnx.ml",
            n_targets=1,
            aggregate_function="SUM",
            post_transform="NONE",
            nodes_treeids=tree.tolist(),
            nodes_nodeids=node.tolist(),
            nodes_featureids=np.where(leaf, 0, forest.feature).astype(np.int64).tolist(),
            nodes_values=np.where(leaf, np.float32(0), forest.threshold).astype(float).tolist(),
            nodes_modes=["LEAF" if end else "BRANCH_LEQ" for end in leaf],
            nodes_truenodeids=np.where(leaf, 0, children[:, 0]).tolist(),
            nodes_falsenodeids=np.where(leaf, 0, children[:, 1]).tolist(),
            nodes_missing_value_tracks_true=forest.missing_left.astype(np.int64).tolist(),
            target_treeids=tree[leaf].tolist(),
            target_nodeids=ids,
            target_ids=[0] * len(ids),
            target_weights=forest.value[leaf].tolist(),
        )
    )
    wide = graph.add("Cast", [depths], to=TensorProto.DOUBLE)
    exponent = graph.add("Div", [wide, graph.number(-forest.normaliser)])
    power = graph.add("Exp", [graph.add("Mul", [exponent, graph.number(np.log(2.0))])])
    return graph.add("Neg", [graph.add("Squeeze", [power, graph.axes(1)])])


def _viewed(graph: _Graph, view: Any, rows: str) -> str:
    """Coordinates (n_rows, 2 * n_features) of a `FeatureView`."""
    standard = graph.add("Div", [graph.add("Sub", [rows, graph.constant(view.mean)]), graph.constant(view.scale)])
    linear = graph.add("Clip", [standard, graph.number(-LINEAR_CLIP), graph.number(LINEAR_CLIP)])
    z = graph.add("Div", [graph.add("Sub", [rows, graph.constant(view.middle)]), graph.constant(view.spread)])
    grown = graph.add("Log", [graph.add("Add", [graph.add("Abs", [z]), graph.number(1.0)])])
    logarithm = graph.add("Mul", [graph.add("Sign", [z]), grown])
    weight = graph.constant(np.asarray(view.weight, dtype=np.float64))
    return graph.add("Concat", [graph.add("Mul", [part, weight]) for part in (linear, logarithm)], axis=1)


def _expansion(graph: _Graph, expansion: Any, rows: str) -> str:
    """Values of a kernel expansion."""
    if expansion.kernel == "rbf":
        distances = _differences(graph, rows, expansion.vectors)
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


def _lof(graph: _Graph, reference: Any, rows: str) -> str:
    """Negative local outlier factors."""
    differences = _differences(graph, rows, reference.rows.T)
    if not hasattr(reference.metric, "number"):
        raise InvalidParameterError(
            f"export knows distances of Minkowski's family, got metric={reference.metric.measure!r}; "
            "choose one of them, or keep this detector in Python."
        )
    number, p = reference.metric.number, reference.metric.p
    if number == EUCLIDEAN:
        squares = graph.add("ReduceSum", [graph.add("Mul", [differences, differences]), graph.axes(2)], keepdims=0)
        distances = graph.add("Sqrt", [squares])
    else:
        absolute = graph.add("Abs", [differences])
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


def _differences(graph: _Graph, rows: str, points: Any) -> str:
    """Differences (n_rows, n_points, n_features) of rows and constant points (n_points, n_features)."""
    wide = graph.add("Unsqueeze", [rows, graph.axes(1)])
    return graph.add("Sub", [wide, graph.constant(np.ascontiguousarray(points)[None])])
