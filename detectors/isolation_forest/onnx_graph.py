"""The ONNX nodes of an isolation forest."""

from __future__ import annotations

from typing import Any

import numpy as np

from detectors.storage.onnx_graph import OnnxGraph

__all__ = ["forest_scores"]


def forest_scores(graph: OnnxGraph, forest: Any, rows: str) -> str:
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
