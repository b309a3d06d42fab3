"""Isolation-forest kernels for pruning: a whole forest in flat arrays, walked without Python per tree.

The trees lie one behind the other; node i sends a row to ``child[2 * i]`` (left) or ``child[2 * i + 1]`` (right).
A leaf is its own child on both sides. Inputs are compared as float32, as scikit-learn does. Scores come from
`detectors.kernels.packed_forest`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from detectors.kernels.compilation import njit

__all__ = ["collapse_costs", "forest_leaves", "preorder_links"]

_LEFT = np.uint32(1)
_TWO = np.uint32(2)


@njit(cache=True)
def _leaf(row: Any, node: Any, feature: Any, threshold: Any, child: Any, missing_left: Any) -> Any:
    """Leaf that one float32 row (n_features,) reaches from `node`."""
    while child[_TWO * node] != node:
        x = row[feature[node]]
        if x <= threshold[node] or (x != x and missing_left[node] != 0):
            node = child[_TWO * node]
        else:
            node = child[_TWO * node + _LEFT]
    return node


@njit(cache=True)
def forest_leaves(rows: Any, feature: Any, threshold: Any, child: Any, missing_left: Any, roots: Any) -> Any:
    """Number of the leaf of every row in every tree.

    Parameters
    ----------
    rows : float array (n_rows, n_features); NaN goes where `missing_left` sends it
    feature : uint32 (n_nodes,), column a node looks at, 0 for a leaf
    threshold : float32 (n_nodes,), a row goes left if its value is at most this
    child : uint32 (2 * n_nodes,), left and right child of every node; a leaf names itself
    missing_left : uint8 (n_nodes,), 1 where a missing value goes left; 0 for a leaf
    roots : int64 (n_trees,), first node of every tree

    Returns
    -------
    int32 (n_trees, n_rows)
    """
    narrow = rows.astype(np.float32)
    leaves = np.empty((roots.shape[0], rows.shape[0]), np.int32)
    for tree in range(roots.shape[0]):
        for i in range(rows.shape[0]):
            leaves[tree, i] = _leaf(narrow[i], np.uint32(roots[tree]), feature, threshold, child, missing_left)
    return leaves


@njit(cache=True)
def collapse_costs(child: Any, value: Any, counts: Any) -> Any:
    """Price of replacing the subtree below every node by one leaf.

    The error of a node is the sum of squared differences between the leaf values of its rows and their mean. The
    price of collapsing a node whose children are leaves is the error that this adds; the price of any other node
    is at least that of the nodes below it, so that every threshold on the price leaves whole trees.

    Parameters
    ----------
    child : uint32 (2 * n_nodes,); children stand behind their parents
    value : float64 (n_nodes,), leaf values
    counts : float64 (n_nodes,), rows in every leaf, 0 for inner nodes

    Returns
    -------
    price : float64 (n_nodes,), 0 for leaves
    mean : float64 (n_nodes,), mean leaf value of the rows below; plain mean of the children where no row came
    """
    n_nodes = value.shape[0]
    price = np.zeros(n_nodes)
    mean = value.copy()
    rows = counts.copy()
    for node in range(n_nodes - 1, -1, -1):
        left, right = child[2 * node], child[2 * node + 1]
        if left == node:
            continue
        n_left, n_right = rows[left], rows[right]
        rows[node] = n_left + n_right
        if rows[node] > 0.0:
            mean[node] = (n_left * mean[left] + n_right * mean[right]) / rows[node]
            added = n_left * n_right / rows[node] * (mean[left] - mean[right]) ** 2
        else:
            mean[node] = 0.5 * (mean[left] + mean[right])
            added = 0.0
        price[node] = max(added, price[left], price[right])
    return price, mean


@njit(cache=True)
def preorder_links(leaf: Any) -> Any:
    """Children, roots and heights of trees in preorder, from their leaves alone.

    Parameters
    ----------
    leaf : bool (n_nodes,)

    Returns
    -------
    child : uint32 (2 * n_nodes,)
    roots : int64 (n_trees,), empty if the mask ends inside a tree
    heights : int64 (n_trees,)
    """
    n_nodes = leaf.shape[0]
    child = np.empty(2 * n_nodes, np.uint32)
    roots = np.empty(n_nodes, np.int64)
    heights = np.zeros(n_nodes, np.int64)
    waiting = np.empty(n_nodes + 1, np.int64)  # inner nodes whose right child is still to come
    depth = np.zeros(n_nodes + 1, np.int64)
    n_waiting = 0
    n_trees = 0
    at_root = True
    level = 0
    for node in range(n_nodes):
        if at_root:
            roots[n_trees] = node
            n_trees += 1
            level = 0
            at_root = False
        heights[n_trees - 1] = max(heights[n_trees - 1], level)
        if leaf[node]:
            child[2 * node] = node
            child[2 * node + 1] = node
            if n_waiting == 0:
                at_root = True
            else:
                n_waiting -= 1
                child[2 * waiting[n_waiting] + 1] = node + 1
                level = depth[n_waiting] + 1
        else:
            child[2 * node] = node + 1
            waiting[n_waiting] = node
            depth[n_waiting] = level
            n_waiting += 1
            level += 1
    if not at_root:
        n_trees = 0
    return child, roots[:n_trees], heights[:n_trees]
