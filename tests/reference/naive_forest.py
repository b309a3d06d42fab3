"""Isolation forest by the book: one row, one tree, one decision at a time."""

from __future__ import annotations

import math


def mean_path_length(n_rows):
    """Equation 1 of Liu, Ting, Zhou 2008."""
    if n_rows <= 1:
        return 0.0
    if n_rows == 2:
        return 1.0
    return 2.0 * (math.log(n_rows - 1.0) + 0.5772156649015329) - 2.0 * (n_rows - 1.0) / n_rows


def path_length(tree, row, missing_left=None):
    """Decisions until the leaf of `row`, plus the mean path length of the rows that share it.

    `tree` has children_left, children_right, feature, threshold, n_node_samples; -1 as left child is a leaf.
    """
    node, decisions = 0, 0
    while tree["children_left"][node] != -1:
        x = row[tree["feature"][node]]
        if math.isnan(x):
            left = bool(missing_left[node])
        else:
            left = x <= tree["threshold"][node]
        node = tree["children_left"][node] if left else tree["children_right"][node]
        decisions += 1
    return decisions + mean_path_length(tree["n_node_samples"][node])


def score(trees, row, rows_per_tree):
    """Minus the anomaly score of equation 2."""
    total = sum(path_length(tree, row) for tree in trees)
    return -(2.0 ** (-total / (len(trees) * mean_path_length(rows_per_tree))))
