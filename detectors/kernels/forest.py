"""Isolation-forest kernels: a whole forest in flat arrays, scored without Python per tree.

The trees lie one behind the other; node i sends a row to ``child[2 * i]`` (left) or ``child[2 * i + 1]`` (right).
A leaf is its own child on both sides, so that a row that has arrived stays where it is. Inputs are compared as
float32, as scikit-learn does. Every row adds up its leaf values tree by tree in the order of the forest: its
score does not depend on the rows around it or on the number of threads.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, prange

__all__ = [
    "collapse_costs",
    "finite_forest_scores",
    "forest_depths",
    "forest_leaves",
    "forest_scores",
    "forest_scores_parallel",
    "preorder_links",
]

_BLOCK = 128  # rows that go through one tree together: the tree stays in the cache, the rows do not wait for each other
_FEW = 4  # up to this many rows go one by one, and stop at their leaf
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
def _descend(block: Any, nodes: Any, height: Any, feature: Any, threshold: Any, child: Any) -> Any:
    """Move all rows of `block` (n, n_features), which hold no NaN, down to their leaves in `nodes` (n,)."""
    for _ in range(height):
        for i in range(nodes.shape[0]):  # no branches in here: a wrong guess costs more than the rows that wait
            node = nodes[i]
            x = block[np.uint32(i), feature[node]]
            nodes[i] = child[_TWO * node + np.uint32(not (x <= threshold[node]))]


@njit(cache=True)
def _add_block(
    rows: Any,
    start: Any,
    stop: Any,
    feature: Any,
    threshold: Any,
    child: Any,
    missing_left: Any,
    value: Any,
    roots: Any,
    heights: Any,
    out: Any,
) -> Any:
    """Add the leaf values of all trees to `out` (n_rows,) for rows start .. stop - 1."""
    n = stop - start
    block = np.empty((n, rows.shape[1]), np.float32)
    missing = False
    for i in range(n):
        for j in range(rows.shape[1]):
            x = np.float32(rows[start + i, j])
            block[i, j] = x
            missing |= x != x
    if n <= _FEW or missing:
        for i in range(n):
            total = 0.0
            for tree in range(roots.shape[0]):
                total += value[_leaf(block[i], np.uint32(roots[tree]), feature, threshold, child, missing_left)]
            out[start + i] = total
        return
    nodes = np.empty(n, np.uint32)
    for tree in range(roots.shape[0]):
        nodes[:] = np.uint32(roots[tree])
        _descend(block, nodes, heights[tree], feature, threshold, child)
        for i in range(n):
            out[start + i] += value[nodes[i]]


@njit(cache=True)
def forest_depths(
    rows: Any, feature: Any, threshold: Any, child: Any, missing_left: Any, value: Any, roots: Any, heights: Any
) -> Any:
    """Sum of the leaf values over the trees.

    Parameters
    ----------
    rows : float array (n_rows, n_features); NaN goes where `missing_left` sends it
    feature : uint32 (n_nodes,), column a node looks at, 0 for a leaf
    threshold : float32 (n_nodes,), a row goes left if its value is at most this
    child : uint32 (2 * n_nodes,), left and right child of every node; a leaf names itself
    missing_left : uint8 (n_nodes,), 1 where a missing value goes left; 0 for a leaf
    value : float64 (n_nodes,), path length a leaf stands for
    roots : int64 (n_trees,), first node of every tree
    heights : int64 (n_trees,), number of decisions on the longest way down

    Returns
    -------
    float64 (n_rows,)
    """
    n_rows = rows.shape[0]
    out = np.zeros(n_rows)
    for start in range(0, n_rows, _BLOCK):
        stop = min(start + _BLOCK, n_rows)
        _add_block(rows, start, stop, feature, threshold, child, missing_left, value, roots, heights, out)
    return out


@njit(cache=True)
def forest_scores(
    rows: Any,
    feature: Any,
    threshold: Any,
    child: Any,
    missing_left: Any,
    value: Any,
    roots: Any,
    heights: Any,
    normaliser: Any,
) -> Any:
    """Isolation-forest scores (n_rows,), lower = more abnormal: ``-2 ** (-sum of path lengths / normaliser)``.

    Arguments as in `forest_depths`; `normaliser` is the number of trees times the mean path length of an
    unsuccessful search among the rows of a tree.
    """
    out = forest_depths(rows, feature, threshold, child, missing_left, value, roots, heights)
    for i in range(out.shape[0]):
        out[i] = -(2.0 ** (-out[i] / normaliser))
    return out


@njit(cache=True)
def finite_forest_scores(
    rows: Any,
    feature: Any,
    threshold: Any,
    child: Any,
    missing_left: Any,
    value: Any,
    roots: Any,
    heights: Any,
    normaliser: Any,
) -> Any:
    """`forest_scores` of `rows` without infinity, which is an error elsewhere; an empty array if there is one."""
    for i in range(rows.shape[0]):
        for j in range(rows.shape[1]):
            if np.isinf(rows[i, j]):
                return np.empty(0)
    return forest_scores(rows, feature, threshold, child, missing_left, value, roots, heights, normaliser)


@njit(cache=True, parallel=True)
def forest_scores_parallel(
    rows: Any,
    feature: Any,
    threshold: Any,
    child: Any,
    missing_left: Any,
    value: Any,
    roots: Any,
    heights: Any,
    normaliser: Any,
) -> Any:
    """`forest_scores` on numba's threads; the same numbers, bit by bit."""
    n_rows = rows.shape[0]
    out = np.zeros(n_rows)
    n_blocks = (n_rows + _BLOCK - 1) // _BLOCK
    for b in prange(n_blocks):
        start = b * _BLOCK
        stop = min(start + _BLOCK, n_rows)
        _add_block(rows, start, stop, feature, threshold, child, missing_left, value, roots, heights, out)
        for i in range(start, stop):
            out[i] = -(2.0 ** (-out[i] / normaliser))
    return out


@njit(cache=True)
def forest_leaves(rows: Any, feature: Any, threshold: Any, child: Any, missing_left: Any, roots: Any) -> Any:
    """Number of the leaf of every row in every tree.

    Arguments as in `forest_depths`.

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
