"""Pruning of isolation forests: trees that add nothing to the ranking, subtrees that one leaf can stand for.

Law: what goes is what held-out rows cannot tell from the whole forest, to a stated rank fidelity. Path lengths are
counted in decisions; lower score = more abnormal.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from detectors.isolation_forest.flat_forest import FlatForest
from detectors.isolation_forest.kernels.forest import collapse_costs
from detectors.rank_correlation import rank_correlation
from detectors.report import PruningRecord, PruningReport
from detectors.tables import is_sparse

__all__ = ["grow_until_stable", "prune_forest"]

Floats = NDArray[np.float64]

_BUDGETS = (0.02, 0.04, 0.06, 0.08, 0.1, 0.13, 0.16, 0.2, 0.25, 0.3, 0.35, 0.45, 0.6, 0.8)  # shares of nodes tried
_REFIT_ROWS = 1500  # rows that the leaf values are fitted to: the system has this many unknowns
_COUNT_ROWS = 20000  # rows that count how often a leaf is used
_RIDGE = 10.0  # in trees: as if this many trees had said that the leaf values are right as they are
_TAIL = 0.1  # share of most abnormal rows whose own ranking must be kept too
_FIRST_TREES = 20  # the ranking of fewer trees says nothing about convergence


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
