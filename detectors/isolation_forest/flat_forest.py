"""FlatForest: an isolation forest as a few flat arrays. Lower score = more abnormal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detectors.isolation_forest.kernels.forest import forest_leaves, preorder_links
from detectors.isolation_forest.kernels.packed_forest import (
    pack_forest,
    packed_depths,
    packed_scores,
    packed_scores_parallel,
)

__all__ = ["FlatForest", "mean_path_length"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class FlatForest:
    """A fitted isolation forest as flat arrays, the form the kernels take (see `detectors.kernels.forest`).

    Parameters
    ----------
    feature, threshold, child, missing_left, value : ndarray of shape (n_nodes,), child (2 * n_nodes,)
        Column, float32 threshold, children, direction of missing values, and path length of every node.
    roots, heights : ndarray of int64 of shape (n_trees,)
        First node and longest way down of every tree.
    normaliser : float
        Sum of path lengths that scores -0.5.
    """

    feature: NDArray[np.uint32]
    threshold: NDArray[np.float32]
    child: NDArray[np.uint32]
    missing_left: NDArray[np.uint8]
    value: Floats
    roots: NDArray[np.int64]
    heights: NDArray[np.int64]
    normaliser: float

    @classmethod
    def from_sklearn(cls, model: Any) -> FlatForest:
        """Flatten a fitted ``sklearn.ensemble.IsolationForest``; scores stay the same to rounding."""
        parts: list[list[Any]] = [[], [], [], [], []]
        roots, heights, offset = [], [], 0
        for estimator, columns in zip(model.estimators_, model.estimators_features_, strict=True):
            tree = estimator.tree_
            n_nodes = tree.node_count
            leaf = tree.children_left < 0
            own = np.arange(n_nodes)
            children = np.where(leaf[:, None], own[:, None], np.column_stack([tree.children_left, tree.children_right]))
            missing = getattr(tree, "missing_go_to_left", None)  # added in scikit-learn 1.3, private to it
            depth = np.asarray(tree.compute_node_depths(), dtype=np.float64) - 1.0
            for part, values in zip(
                parts,
                (
                    np.where(leaf, 0, np.asarray(columns)[np.maximum(tree.feature, 0)]),
                    np.where(leaf, np.float32(0), _floor32(tree.threshold)),
                    children + offset,
                    np.zeros(n_nodes) if missing is None else np.where(leaf, 0, missing),
                    np.where(leaf, depth + mean_path_length(tree.n_node_samples), 0.0),
                ),
                strict=True,
            ):
                part.append(values)
            roots.append(offset)
            heights.append(tree.max_depth)
            offset += n_nodes
        rows_per_tree = float(mean_path_length(np.array([model.max_samples_]))[0])
        normaliser = len(roots) * rows_per_tree
        feature, threshold, child, missing_left, value = (np.concatenate(part) for part in parts)
        return cls(
            feature.astype(np.uint32),
            threshold.astype(np.float32),
            child.astype(np.uint32).ravel(),
            missing_left.astype(np.uint8),
            value,
            np.array(roots, dtype=np.int64),
            np.array(heights, dtype=np.int64),
            normaliser,
        )

    @property
    def n_nodes(self) -> int:
        """Number of nodes, leaves included."""
        return len(self.feature)

    @property
    def is_leaf(self) -> NDArray[np.bool_]:
        """True (n_nodes,) for leaves."""
        return np.asarray(self.child[::2] == np.arange(self.n_nodes))

    @cached_property
    def packed(self) -> NDArray[Any]:
        """The forest as the scoring kernels take it (`detectors.kernels.packed_forest`)."""
        packed: NDArray[Any] = pack_forest(
            self.feature, self.threshold, self.child, self.missing_left, self.value, self.roots, self.normaliser
        )
        return packed

    def scores(self, X: Floats, *, parallel: bool = False) -> Floats:
        """Scores (n_rows,) of `X` (n_rows, n_features) without infinity, lower = more abnormal."""
        out = np.empty(len(X))
        (packed_scores_parallel if parallel else packed_scores)(X, self.packed, out)
        return out

    def sums(self, X: Floats) -> Floats:
        """Sums (n_rows,) of the leaf values of `X` (n_rows, n_features) without infinity."""
        out = np.empty(len(X))
        packed_depths(X, self.packed, out)
        return out

    def leaves(self, X: Floats) -> NDArray[np.int32]:
        """Leaf (n_trees, n_rows) of every row in every tree."""
        return np.asarray(
            forest_leaves(X, self.feature, self.threshold, self.child, self.missing_left, self.roots), dtype=np.int32
        )

    def on_columns(self, columns: NDArray[np.intp]) -> FlatForest:
        """The same forest for tables in which its column j stands at ``columns[j]``."""
        return replace(self, feature=np.where(self.is_leaf, 0, columns[self.feature]).astype(np.uint32))

    def restated(self, feature: NDArray[np.intp], threshold: Floats) -> FlatForest:
        """The same trees with other features and thresholds (n_nodes,) at their splits; leaves stay as they are."""
        return replace(
            self,
            feature=np.where(self.is_leaf, 0, feature).astype(np.uint32),
            threshold=np.where(self.is_leaf, np.float32(0), _floor32(threshold)).astype(np.float32),
        )

    def collapsed(self, ends: NDArray[np.bool_], value: Floats) -> FlatForest:
        """The forest that stops at the first node of every way down that is marked in `ends` (n_nodes,).

        `value` (n_nodes,) holds the new leaf values. Trees that end at their root go; the first tree that stays
        takes over what they add to every row. At least one tree must stay.
        """
        alive = np.zeros(self.n_nodes, dtype=bool)
        alive[self.roots] = True
        depth = np.zeros(self.n_nodes, dtype=np.int64)
        for node in np.flatnonzero(~self.is_leaf):  # parents come before their children
            if alive[node] and not ends[node]:
                below = self.child[2 * node : 2 * node + 2]
                alive[below] = True
                depth[below] = depth[node] + 1
        bare = ends[self.roots] | self.is_leaf[self.roots]
        constant = float(value[self.roots[bare]].sum())
        tree = np.searchsorted(self.roots, np.arange(self.n_nodes), side="right") - 1
        alive &= ~bare[tree]
        kept = np.flatnonzero(alive)
        number = np.full(self.n_nodes, -1, dtype=np.int64)
        number[kept] = np.arange(len(kept))
        leaf = (ends | self.is_leaf)[kept]
        pairs = self.child.reshape(-1, 2)[kept].astype(np.int64)
        child = np.where(leaf[:, None], np.arange(len(kept))[:, None], number[pairs])
        values = np.where(leaf, value[kept], 0.0)
        roots = number[self.roots[~bare]]
        heights = np.maximum.reduceat(depth[kept], roots)
        first = slice(0, int(roots[1]) if len(roots) > 1 else len(kept))
        values[first] += np.where(leaf[first], constant, 0.0)
        return FlatForest(
            np.where(leaf, 0, self.feature[kept]).astype(np.uint32),
            np.where(leaf, np.float32(0), self.threshold[kept]).astype(np.float32),
            child.astype(np.uint32).ravel(),
            np.where(leaf, 0, self.missing_left[kept]).astype(np.uint8),
            values.astype(np.float32).astype(np.float64),  # as precise as the file that holds them
            roots,
            heights,
            self.normaliser,
        )

    def compact(self) -> dict[str, NDArray[Any]]:
        """Return the arrays that the others follow from, in the narrowest types that hold them exactly."""
        leaf = self.is_leaf
        inner = ~leaf
        value = self.value[leaf]
        narrow = value.astype(np.float32)
        widest = int(self.feature.max(initial=0))
        kind = np.uint8 if widest < 1 << 8 else np.uint16 if widest < 1 << 16 else np.uint32
        return {
            "leaf": np.packbits(leaf),
            "n_nodes": np.array([self.n_nodes], dtype=np.int64),
            "feature": self.feature[inner].astype(kind),
            "threshold": self.threshold[inner],
            "missing_left": np.packbits(self.missing_left[inner]) if self.missing_left.any() else np.zeros(0, np.uint8),
            "value": narrow if (narrow == value).all() else value,
        }

    @classmethod
    def from_compact(cls, arrays: Mapping[str, NDArray[Any]], normaliser: float) -> FlatForest:
        """Build the forest from what `compact` gave; ValueError if the arrays describe none."""
        n_nodes = int(arrays["n_nodes"][0])
        leaf = np.unpackbits(arrays["leaf"], count=n_nodes).astype(bool)
        child, roots, heights = preorder_links(leaf)
        inner = ~leaf
        if len(roots) == 0 or any(len(arrays[k]) != inner.sum() for k in ("feature", "threshold")):
            raise ValueError("the arrays describe no forest")
        feature, threshold = np.zeros(n_nodes, np.uint32), np.zeros(n_nodes, np.float32)
        missing_left, value = np.zeros(n_nodes, np.uint8), np.zeros(n_nodes)
        feature[inner], threshold[inner], value[leaf] = arrays["feature"], arrays["threshold"], arrays["value"]
        if len(arrays["missing_left"]):
            missing_left[inner] = np.unpackbits(arrays["missing_left"], count=int(inner.sum()))
        return cls(feature, threshold, child, missing_left, value, roots, heights, normaliser)


def mean_path_length(n_rows: NDArray[Any]) -> Floats:
    """Mean path length of an unsuccessful search in a tree of `n_rows`, equation 1 of Liu et al. 2008."""
    n = np.asarray(n_rows, dtype=np.float64)
    safe = np.maximum(n, 3.0)
    length = 2.0 * (np.log(safe - 1.0) + np.euler_gamma) - 2.0 * (safe - 1.0) / safe
    return np.where(n <= 1, 0.0, np.where(n == 2, 1.0, length))


def _floor32(threshold: Floats) -> NDArray[np.float32]:
    """Largest float32 (n_nodes,) at most `threshold`: no float32 value changes sides."""
    rounded = threshold.astype(np.float32)
    return np.where(rounded > threshold, np.nextafter(rounded, np.float32(-np.inf)), rounded)
