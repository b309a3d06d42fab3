"""ONNX graphs of the pruned detectors: selector, scores and labels in one graph, double in and out.

Law: the graph needs onnxruntime alone, and answers as `score_samples` and `predict` do, to 1e-5 and better.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from detectors.storage.atomic_file import replace_file
from detectors.storage.onnx_graph import OnnxGraph

__all__ = ["export"]

_OPSET, _ML_OPSET, _IR = 17, 3, 8  # old enough for runtimes on small devices


def export(
    detector: Any, add_scores: Callable[[OnnxGraph, str], str], path: Any = None, *, kept_only: bool = False
) -> bytes:
    """Serialise a fitted detector of this package as an ONNX model.

    Parameters
    ----------
    detector : PrunedIsolationForest, PrunedLOF or PrunedOneClassSVM
        Fitted.
    add_scores : callable
        Adds the nodes that score the selected rows to the graph and returns the name of the scores.
    path : path-like, optional
        File to write; an old one is replaced in one step.
    kept_only : bool
        Whether the graph takes the kept columns alone.

    Returns
    -------
    bytes

    Raises
    ------
    ImportError
        Without the package `onnx`.
    UnwritablePathError
        If there is a folder or a device at `path`, or no folder for it.
    """
    try:
        import onnx
    except ImportError as error:
        raise ImportError("to_onnx needs onnx: install the extra, `pip install 'tsprune[onnx]'`.") from error
    from sklearn.utils.validation import check_is_fitted

    check_is_fitted(detector)
    graph = OnnxGraph()
    kept = np.flatnonzero(detector.support_)
    columns = np.arange(len(kept)) if kept_only else kept
    selected = graph.add("Gather", ["X", graph.constant(columns.astype(np.int64))], axis=1)
    n_columns = len(kept) if kept_only else int(detector.n_features_in_)
    scores = add_scores(graph, selected)
    graph.add("Identity", [scores], output="scores")
    outlier = graph.add("Less", [scores, graph.constant(np.array(detector.offset_, dtype=np.float64))])
    signs = [graph.constant(np.array(sign, dtype=np.int64)) for sign in (-1, 1)]
    graph.add("Where", [outlier, *signs], output="labels")
    helper, types = onnx.helper, onnx.TensorProto
    body = helper.make_graph(
        graph.nodes,
        type(detector).__name__,
        [helper.make_tensor_value_info("X", types.DOUBLE, ["n_rows", n_columns])],
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
