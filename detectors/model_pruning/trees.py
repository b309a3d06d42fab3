"""Pruning of isolation forests: trees that add nothing to the ranking, subtrees that one leaf can stand for.

Law: what goes is what held-out rows cannot tell from the whole forest, to a stated rank fidelity. Path lengths are
counted in decisions; lower score = more abnormal.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from detectors.kernels.forest import collapse_costs, forest_leaves, preorder_links
from detectors.kernels.packed_forest import pack_forest, packed_depths, packed_scores, packed_scores_parallel
from detectors.model_pruning.fidelity import rank_correlation
from detectors.report import PruningRecord, PruningReport
from detectors.tables import is_sparse

__all__ = ["FlatForest", "grow_until_stable", "mean_path_length", "prune_forest"]

Floats = NDArray[np.float64]

_BUDGETS = (0.02, 0.04, 0.06, 0.08, 0.1, 0.13, 0.16, 0.2, 0.25, 0.3, 0.35, 0.45, 0.6, 0.8)  # shares of nodes tried
_REFIT_ROWS = 1500  # rows that the leaf values are fitted to: the system has this many unknowns
_COUNT_ROWS = 20000  # rows that count how often a leaf is used
_RIDGE = 10.0  # in trees: as if this many trees had said that the leaf values are right as they are
_TAIL = 0.1  # share of most abnormal rows whose own ranking must be kept too
_FIRST_TREES = 20  # the ranking of fewer trees says nothing about convergence


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


def prune_forest(
    forest: FlatForest, X: Floats, *, fidelity: float, random_state: np.random.RandomState
) -> tuple[FlatForest, PruningReport]:
    """Collapse subtrees and refit leaf values, as far as held-out rows are ranked as before.

    Collapsing the subtree below a node replaces the path lengths of its rows by their mean; it costs their
    squared deviation. Nodes go in the order of that price over the whole forest, trees that are down to their root
    go altogether, and the leaf values left are fitted to the sums of path lengths of the whole forest by ridge
    regression. The smallest share of nodes wins for which a fit to two thirds of the rows ranks the last third
    with Spearman correlation `fidelity`, and the most abnormal tenth of it nearly as well.

    Parameters
    ----------
    forest : FlatForest
    X : ndarray of shape (n_rows, n_features)
        Rows the forest was fitted on.
    fidelity : float in (0, 1]
        Least rank correlation on held-out rows.
    random_state : RandomState
        Draws the rows.

    Returns
    -------
    forest : FlatForest
        `forest` itself if no share of nodes is faithful enough.
    report : PruningReport
        One record per tree.

    References
    ----------
    .. [1] Breiman, Friedman, Olshen, Stone: Classification and regression trees. 1984, section 3.3 (weakest link).
    .. [2] Ren, Cao, Wei, Sun: Global refinement of random forest. CVPR 2015, section 3 (leaf values refitted, trees
       merged); here the target is the forest itself, so no labels are needed.
    """
    if len(X) < 10:
        return forest, _report(forest, forest.is_leaf, fidelity, np.nan, "fewer than 10 rows: fidelity is unknown")
    order = random_state.permutation(len(X))
    counted = forest.leaves(X[order[:_COUNT_ROWS]])
    counts = np.bincount(counted.ravel(), minlength=forest.n_nodes).astype(np.float64)
    price, mean = collapse_costs(forest.child, forest.value, counts)
    used = counted[:, : min(_REFIT_ROWS, len(X))]
    n_rows = used.shape[1]
    target = forest.value[used].sum(axis=0)
    held = np.arange(n_rows) >= max(5, 2 * n_rows // 3)
    inner = np.flatnonzero(~forest.is_leaf)
    ranked = inner[np.argsort(price[inner], kind="stable")]
    for share in _BUDGETS:
        n_ends = min(int(np.ceil((forest.n_nodes * (1.0 - share)) / 2)), len(ranked))
        if n_ends < 1 or n_ends >= len(ranked):
            continue
        ends = _ends(forest, price, price[ranked[n_ends - 1]])
        if ends[forest.roots].all():
            continue
        merged = _first_ends(forest, ends)[used]
        value = _refit(merged[:, ~held], mean, target[~held])
        reached = _faithful(value[merged[:, held]].sum(axis=0), target[held])
        if reached >= fidelity:
            small = forest.collapsed(ends, _refit(merged, mean, target))
            return small, _report(forest, ends, fidelity, reached)
    return forest, _report(forest, forest.is_leaf, fidelity, np.nan, f"no share of nodes keeps fidelity {fidelity:g}")


def grow_until_stable(model: Any, X: Any, *, reliability: float, sample_weight: Floats | None = None) -> list[float]:
    """Add trees to an unfitted, ``warm_start`` isolation forest until its ranking has converged.

    The two halves of the trees (even and odd numbers) rank the rows independently; with their rank correlation r
    the ranking of all trees has the reliability 2 r / (1 + r) [1]_. Growth stops when that reaches `reliability`,
    at the latest with the model's own number of trees.

    Parameters
    ----------
    model : sklearn.ensemble.IsolationForest
        Fitted in place, trees that it has already are kept; its `n_estimators` is set to the number of trees grown.
    X : ndarray of shape (n_rows, n_features)
    reliability : float in (0, 1)
    sample_weight : ndarray of shape (n_rows,), optional

    Returns
    -------
    list of float
        Reliability after every batch of trees.

    References
    ----------
    .. [1] Spearman: Correlation calculated from faulty data. British Journal of Psychology 3, 1910; Brown, ibid.
    """
    most = model.n_estimators
    grown = len(getattr(model, "estimators_", ()))  # with warm_start the model may have trees already
    n_trees = min(grown + max(10, grown // 4) if grown else _FIRST_TREES, most)
    history: list[float] = []
    model.set_params(warm_start=True)
    while True:
        model.set_params(n_estimators=n_trees).fit(X, sample_weight=sample_weight)
        forest = FlatForest.from_sklearn(model)
        dense = X.toarray() if is_sparse(X) else X
        depths = forest.value[forest.leaves(np.asarray(dense[:_COUNT_ROWS], dtype=np.float64))]
        r = rank_correlation(depths[::2].sum(axis=0), depths[1::2].sum(axis=0)) if n_trees > 1 else 0.0
        history.append(2.0 * r / (1.0 + r) if r > 0 else 0.0)
        if n_trees >= most or history[-1] >= reliability:
            return history
        n_trees = min(most, n_trees + max(10, n_trees // 4))


def _floor32(threshold: Floats) -> NDArray[np.float32]:
    """Largest float32 (n_nodes,) at most `threshold`: no float32 value changes sides."""
    rounded = threshold.astype(np.float32)
    return np.where(rounded > threshold, np.nextafter(rounded, np.float32(-np.inf)), rounded)


def _ends(forest: FlatForest, price: Floats, limit: float) -> NDArray[np.bool_]:
    """Mask (n_nodes,) of the inner nodes that cost at most `limit`, and all leaves."""
    return forest.is_leaf | (price <= limit)


def _first_ends(forest: FlatForest, ends: NDArray[np.bool_]) -> NDArray[np.int64]:
    """For every node (n_nodes,) the topmost marked node on its way down; itself if none is above it."""
    top = np.arange(forest.n_nodes)
    for node in np.flatnonzero(~forest.is_leaf):  # parents come before their children
        if ends[node] or top[node] != node:
            top[forest.child[2 * node : 2 * node + 2]] = top[node]
    return top


def _refit(leaves: NDArray[Any], value: Floats, target: Floats) -> Floats:
    """Leaf values (n_nodes,) whose sums over `leaves` (n_trees, n_rows) fit `target` (n_rows,), near `value`."""
    n_trees, n_rows = leaves.shape
    entries = (np.ones(leaves.size), (np.tile(np.arange(n_rows), n_trees), leaves.ravel()))
    member = sparse.csr_matrix(entries, shape=(n_rows, len(value)))
    shared = np.asarray((member @ member.T).todense())
    shared.flat[:: n_rows + 1] += _RIDGE
    weights = np.linalg.solve(shared, target - value[leaves].sum(axis=0))
    return value + member.T @ weights


def _faithful(scores: Floats, target: Floats) -> float:
    """Rank correlation, lowered where the most abnormal tenth loses more than twice as much of its own ranking."""
    whole = rank_correlation(scores, target)
    tail = np.argsort(target, kind="stable")[: int(np.ceil(_TAIL * len(target)))]
    if len(tail) < 10:
        return whole
    mixed = np.concatenate([tail, np.argsort(target, kind="stable")[:: max(1, len(target) // len(tail))]])
    return min(whole, 1.0 - 0.5 * (1.0 - rank_correlation(scores[mixed], target[mixed])))


def _report(
    forest: FlatForest, ends: NDArray[np.bool_], fidelity: float, reached: float, guard: str = ""
) -> PruningReport:
    """One record per tree: how many of its nodes stay, and why the others went."""
    alive = ~(_first_ends(forest, ends) != np.arange(forest.n_nodes))
    sizes = np.diff(np.append(forest.roots, forest.n_nodes))
    stay = np.add.reduceat(alive.astype(np.int64), forest.roots)
    records = []
    for tree, (size, left) in enumerate(zip(sizes, stay, strict=True)):
        gone = left == 1 and size > 1
        if gone:
            reason = f"all {size} nodes collapse: the tree ranks the rows no differently from a constant"
        elif left < size:
            reason = f"{size - left} of {size} nodes lie below leaves that stand for them"
        else:
            reason = "every node is needed"
        kind = "constant tree" if gone else "collapsed tree" if left < size else "whole tree"
        records.append(PruningRecord(tree, kind, not gone, reason, float(left) / float(size)))
    figures = {
        "nodes_before": int(forest.n_nodes),
        "nodes_after": int(stay[stay > 1].sum()),
        "fidelity_required": float(fidelity),
        "fidelity_held_out": float(reached),
    }
    return PruningReport(records, subject="trees", guards=[guard] if guard else [], figures=figures)
