"""Packed forests: eight bytes a node in one array, so that a row touches few lines of memory.

The words are uint32, or uint64 where a node does not fit into two uint32:

    header   number of trees, shift, columns looked at, 1 if leaves name a place in the table, two words normaliser
    trees    two words a tree: its height, its number of nodes
    nodes    two words a node, every tree in preorder: the left child of a node is the next one
    table    float64 leaf values, if float32 cannot hold them

The first word of a node is its float32 threshold; of a leaf its value, or the place of its value in the table. The
second word is the column shifted by ``shift + 1``, a bit for "missing values go left" shifted by ``shift``, and how
far behind the node its right child lies. A leaf looks at one more column, which is NaN in every row, and its right
child is itself: a row that has arrived stays. Inputs are compared as float32, as scikit-learn does. Every row adds up
its leaf values in the order of the trees: its score depends neither on the rows around it nor on the threads.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import prange

from detectors.kernels.compilation import njit

__all__ = ["pack_forest", "packed_depths", "packed_scores", "packed_scores_parallel"]

_HEADER = 6  # words
_BLOCK = 128  # rows that go through a tree together
_FEW = 4  # up to this many rows go one by one
_WIDE = 5  # nodes a level from which on rows descend a tree instead of evaluating all of its nodes
_ONE = np.uint32(1)
_TWO = np.uint32(2)


def pack_forest(
    feature: Any, threshold: Any, child: Any, missing_left: Any, value: Any, roots: Any, normaliser: float
) -> Any:
    """The packed forest.

    Parameters
    ----------
    feature : uint32 (n_nodes,), column a node looks at
    threshold : float32 (n_nodes,), a row goes left if its value is at most this
    child : uint32 (2 * n_nodes,), left and right child of every node; a leaf names itself
    missing_left : uint8 (n_nodes,), 1 where a missing value goes left
    value : float64 (n_nodes,), path length a leaf stands for
    roots : int64 (n_trees,), first node of every tree
    normaliser : float, sum of path lengths that scores -0.5

    Returns
    -------
    uint32 or uint64 (n_words,)
    """
    places, distance, sizes, heights = _preorder(child, roots)
    leaf = distance == 0
    n_columns = 1 + int(feature[places].max(initial=0, where=~leaf))
    shift = int(distance.max(initial=0)).bit_length()
    wide = shift + 1 + n_columns.bit_length() > 32
    kind = np.uint64 if wide else np.uint32
    shift = 32 if wide else shift
    table = np.zeros(0)
    values = value[places[leaf]]
    narrow = values.astype(np.float32)
    first = threshold[places].astype(np.float32).view(np.uint32)
    if (narrow == values).all():
        first[leaf] = narrow.view(np.uint32)
    else:
        table, at = np.unique(values, return_inverse=True)
        first[leaf] = at.astype(np.uint32)
    column: Any = np.where(leaf, n_columns, feature[places]).astype(kind)
    missing: Any = np.where(leaf, 0, missing_left[places]).astype(kind)
    second = (column << kind(shift + 1)) | (missing << kind(shift)) | distance.astype(kind)
    header = np.array([len(roots), shift, n_columns, len(table) > 0], dtype=kind)
    per_float = 8 // header.itemsize
    bits = np.zeros(2, kind)
    bits[:per_float] = np.array([normaliser]).view(kind)
    nodes = np.column_stack([first.astype(kind), second]).ravel()
    trees = np.column_stack([heights, sizes]).astype(kind).ravel()
    return np.concatenate([header, bits, trees, nodes, table.view(kind)])


@njit(cache=True)
def _preorder(child: Any, roots: Any) -> Any:
    """Nodes tree by tree in preorder, distance of the right child (0: a leaf), sizes and heights of the trees."""
    n_nodes = child.shape[0] // 2
    places = np.empty(n_nodes, np.int64)
    distance = np.zeros(n_nodes, np.int64)
    sizes = np.zeros(roots.shape[0], np.int64)
    heights = np.zeros(roots.shape[0], np.int64)
    stack = np.empty(n_nodes + 1, np.int64)
    parent = np.empty(n_nodes + 1, np.int64)  # place of the node that waits for this right child, -1 for none
    level = np.empty(n_nodes + 1, np.int64)
    found = 0
    for tree in range(roots.shape[0]):
        stack[0], parent[0], level[0] = roots[tree], -1, 0
        waiting = 1
        while waiting > 0:
            waiting -= 1
            node, depth = stack[waiting], level[waiting]
            places[found] = node
            if parent[waiting] >= 0:
                distance[parent[waiting]] = found - parent[waiting]
            left, right = np.int64(child[2 * node]), np.int64(child[2 * node + 1])
            if left != node:
                stack[waiting], parent[waiting], level[waiting] = right, found, depth + 1
                stack[waiting + 1], parent[waiting + 1], level[waiting + 1] = left, -1, depth + 1
                waiting += 2
            heights[tree] = max(heights[tree], depth)
            sizes[tree] += 1
            found += 1
    return places[:found], distance[:found], sizes, heights


@njit(cache=True)
def _parts(words: Any) -> Any:
    """Shift, columns, normaliser, trees, nodes, floats of the nodes, words a float apart, table (empty: none)."""
    n_trees = np.int64(words[0])
    trees = words[_HEADER : _HEADER + 2 * n_trees]
    start = _HEADER + 2 * n_trees
    n_nodes: Any = 0
    for tree in range(n_trees):
        n_nodes += np.int64(trees[2 * tree + 1])
    nodes = words[start : start + 2 * n_nodes]
    rest = words[start + 2 * n_nodes :] if words[3] else words[:0]
    normaliser = words[4:6].view(np.float64)[0]
    return (
        np.uint32(words[1]), np.int64(words[2]), normaliser, trees, nodes, nodes.view(np.float32), rest.view(np.float64)
    )  # fmt: skip


@njit(cache=True)
def _leaf_value(node: Any, nodes: Any, floats: Any, table: Any) -> Any:
    """Value of a leaf."""
    if table.shape[0] > 0:
        return table[nodes[_TWO * node]]
    return np.float64(floats[np.uint32(nodes.itemsize // 2) * node])


@njit(cache=True)
def _step(row: Any, node: Any, nodes: Any, floats: Any, shift: Any, mask: Any) -> Any:
    """Child that a row (n_columns + 1,) without missing values goes to; a leaf stays."""
    second = nodes[_TWO * node + _ONE]
    stays = row[second >> (shift + _ONE)] <= floats[np.uint32(nodes.itemsize // 2) * node]
    return node + (_ONE if stays else np.uint32(second & mask))


@njit(cache=True)
def _one(row: Any, trees: Any, nodes: Any, floats: Any, table: Any, shift: Any) -> Any:
    """Sum of the leaf values of one row (n_columns + 1,) without missing values; four trees at a time."""
    n_trees = trees.shape[0] // 2
    mask = nodes.dtype.type((1 << np.int64(shift)) - 1)
    total = 0.0
    tree = 0
    start = np.uint32(0)
    while tree + 4 <= n_trees:
        a = start
        b = a + np.uint32(trees[2 * tree + 1])
        c = b + np.uint32(trees[2 * tree + 3])
        d = c + np.uint32(trees[2 * tree + 5])
        start = d + np.uint32(trees[2 * tree + 7])
        height = max(max(trees[2 * tree], trees[2 * tree + 2]), max(trees[2 * tree + 4], trees[2 * tree + 6]))
        for _ in range(height):
            a = _step(row, a, nodes, floats, shift, mask)
            b = _step(row, b, nodes, floats, shift, mask)
            c = _step(row, c, nodes, floats, shift, mask)
            d = _step(row, d, nodes, floats, shift, mask)
        total += _leaf_value(a, nodes, floats, table)
        total += _leaf_value(b, nodes, floats, table)
        total += _leaf_value(c, nodes, floats, table)
        total += _leaf_value(d, nodes, floats, table)
        tree += 4
    while tree < n_trees:
        a = start
        start += np.uint32(trees[2 * tree + 1])
        for _ in range(trees[2 * tree]):
            a = _step(row, a, nodes, floats, shift, mask)
        total += _leaf_value(a, nodes, floats, table)
        tree += 1
    return total


@njit(cache=True)
def _one_missing(row: Any, trees: Any, nodes: Any, floats: Any, table: Any, shift: Any) -> Any:
    """As `_one`, for a row with missing values."""
    mask = nodes.dtype.type((1 << np.int64(shift)) - 1)
    total = 0.0
    start = np.uint32(0)
    for tree in range(trees.shape[0] // 2):
        node = start
        start += np.uint32(trees[2 * tree + 1])
        for _ in range(trees[2 * tree]):
            second = nodes[_TWO * node + _ONE]
            x = row[second >> (shift + _ONE)]
            left = x <= floats[np.uint32(nodes.itemsize // 2) * node]
            left |= (x != x) and ((second >> shift) & _ONE) != 0
            node += _ONE if left else np.uint32(second & mask)
        total += _leaf_value(node, nodes, floats, table)
    return total


@njit(cache=True)
def _choose(column: Any, threshold: Any, left: Any, right: Any) -> Any:
    """``right = left where column <= threshold``, all (_BLOCK,)."""
    for i in range(_BLOCK):
        one, other = left[i], right[i]
        right[i] = one if column[i] <= threshold else other


@njit(cache=True)
def _choose_left(column: Any, threshold: Any, left: Any, right: Any) -> Any:
    """As `_choose`, `left` a number."""
    for i in range(_BLOCK):
        other = right[i]
        right[i] = left if column[i] <= threshold else other


@njit(cache=True)
def _choose_right(column: Any, threshold: Any, left: Any, right: Any, out: Any) -> Any:
    """As `_choose`, `right` a number, into `out`."""
    for i in range(_BLOCK):
        one = left[i]
        out[i] = one if column[i] <= threshold else right


@njit(cache=True)
def _choose_leaf(column: Any, threshold: Any, left: Any, right: Any, out: Any) -> Any:
    """As `_choose`, `left` and `right` numbers, into `out`."""
    for i in range(_BLOCK):
        out[i] = left if column[i] <= threshold else right


@njit(cache=True)
def _evaluate(
    columns: Any, start: Any, n_nodes: Any, nodes: Any, floats: Any, tabled: Any, shift: Any, stack: Any, leaf: Any
) -> Any:
    """First words of the leaves that rows reach in the tree at `start`, as float32 into ``stack[0]``.

    Every node is evaluated for all rows, children before parents, on a stack of (height + 2, _BLOCK) float32; `leaf`
    float32 (height + 2,) holds entries that are the same for all rows, NaN for the others.
    """
    mask = nodes.dtype.type((1 << np.int64(shift)) - 1)
    step = np.uint32(nodes.itemsize // 2)
    top = -1
    for node in range(start + n_nodes - 1, start - 1, -1):
        second = nodes[2 * node + 1]
        first = floats[step * np.uint32(node)]
        if second & mask == 0:
            top += 1
            leaf[top] = np.float32(nodes[2 * node]) if tabled else first
            continue
        column = columns[second >> (shift + _ONE)]
        left, right = leaf[top], leaf[top - 1]
        if left == left:
            if right == right:
                _choose_leaf(column, first, left, right, stack[top - 1])
            else:
                _choose_left(column, first, left, stack[top - 1])
        elif right == right:
            _choose_right(column, first, stack[top], right, stack[top - 1])
        else:
            _choose(column, first, stack[top], stack[top - 1])
        top -= 1
        leaf[top] = np.nan
    if leaf[0] == leaf[0]:
        stack[0, :] = leaf[0]


@njit(cache=True)
def _descend(block: Any, start: Any, height: Any, nodes: Any, floats: Any, shift: Any, at: Any) -> Any:
    """Leaves of all rows of `block` (n, n_columns + 1), none missing, in the tree at `start`, into `at` (n,)."""
    mask = nodes.dtype.type((1 << np.int64(shift)) - 1)
    at[:] = start
    for _ in range(height):
        for i in range(at.shape[0]):
            at[i] = _step(block[i], at[i], nodes, floats, shift, mask)


@njit(cache=True)
def _add_block(
    block: Any,
    trees: Any,
    nodes: Any,
    floats: Any,
    table: Any,
    shift: Any,
    columns: Any,
    stack: Any,
    leaf: Any,
    at: Any,
    out: Any,
) -> Any:
    """Sums of the leaf values of the rows of `block` (n, n_columns + 1), none missing, into `out` (n,)."""
    n = block.shape[0]
    tabled = table.shape[0] > 0
    for i in range(n):
        out[i] = 0.0
        for j in range(columns.shape[0]):
            columns[j, i] = block[i, j]
    start: Any = 0
    for tree in range(trees.shape[0] // 2):
        height, n_nodes = np.int64(trees[2 * tree]), np.int64(trees[2 * tree + 1])
        if n_nodes > _WIDE * height or n < _BLOCK // 2 or table.shape[0] > 1 << 24:
            _descend(block, np.uint32(start), height, nodes, floats, shift, at[:n])
            for i in range(n):
                out[i] += _leaf_value(at[i], nodes, floats, table)
        else:
            _evaluate(columns, start, n_nodes, nodes, floats, tabled, shift, stack, leaf)
            values = stack[0]
            if tabled:
                for i in range(n):
                    out[i] += table[np.uint32(values[i])]
            else:
                for i in range(n):
                    out[i] += np.float64(values[i])
        start += n_nodes


@njit(cache=True)
def _add_rows(rows: Any, first: Any, last: Any, words: Any, out: Any) -> Any:
    """Sums of the leaf values of rows first .. last - 1 into `out` (n_rows,)."""
    shift, n_columns, _normaliser, trees, nodes, floats, table = _parts(words)
    n = last - first
    block = np.empty((n, n_columns + 1), np.float32)
    missing = False
    for i in range(n):
        for j in range(n_columns):
            x = np.float32(rows[first + i, j])
            block[i, j] = x
            missing |= x != x
        block[i, n_columns] = np.nan
    if n <= _FEW or missing:
        for i in range(n):
            if missing:
                out[first + i] = _one_missing(block[i], trees, nodes, floats, table, shift)
            else:
                out[first + i] = _one(block[i], trees, nodes, floats, table, shift)
        return
    height: Any = 0
    for tree in range(trees.shape[0] // 2):
        height = max(height, np.int64(trees[2 * tree]))
    columns = np.zeros((n_columns, _BLOCK), np.float32)
    stack = np.empty((height + 2, _BLOCK), np.float32)
    leaf = np.empty(height + 2, np.float32)
    at = np.empty(_BLOCK, np.uint32)
    _add_block(block, trees, nodes, floats, table, shift, columns, stack, leaf, at, out[first:last])


@njit(cache=True)
def packed_depths(rows: Any, words: Any, out: Any) -> Any:
    """Sum of the leaf values over the trees.

    Parameters
    ----------
    rows : float array (n_rows, n_features); NaN goes where the trees were grown to send it
    words : uint32 or uint64, as `pack_forest` makes them
    out : float64 (n_rows,), the sums

    Returns
    -------
    bool, False if a value of `rows` is infinite; `out` is not filled then
    """
    n_rows = rows.shape[0]
    for i in range(n_rows):
        for j in range(rows.shape[1]):
            if np.isinf(rows[i, j]):
                return False
    for first in range(0, n_rows, _BLOCK):
        _add_rows(rows, first, min(first + _BLOCK, n_rows), words, out)
    return True


@njit(cache=True)
def packed_scores(rows: Any, words: Any, out: Any) -> Any:
    """Isolation-forest scores, lower = more abnormal, ``-2 ** (-sum of path lengths / normaliser)``, into `out`.

    Arguments and result as for `packed_depths`.
    """
    if not packed_depths(rows, words, out):
        return False
    normaliser = words[4:6].view(np.float64)[0]
    for i in range(out.shape[0]):
        out[i] = -(2.0 ** (-out[i] / normaliser))
    return True


@njit(cache=True, parallel=True)
def packed_scores_parallel(rows: Any, words: Any, out: Any) -> Any:
    """`packed_scores` on numba's threads; the same numbers, bit by bit. Infinite values must have been refused."""
    n_rows = rows.shape[0]
    normaliser = words[4:6].view(np.float64)[0]
    for b in prange((n_rows + _BLOCK - 1) // _BLOCK):
        first, last = b * _BLOCK, min((b + 1) * _BLOCK, n_rows)
        _add_rows(rows, first, last, words, out)
        for i in range(first, last):
            out[i] = -(2.0 ** (-out[i] / normaliser))
