"""KnownHead: a supervised head on an unsupervised detector, where labels or a reference prove that it helps.

Invariant: the head is used only if it ranks rows that it was not fitted to better than chance, and no worse than the
detector alone, within one standard error. Its score is minus a mixture of its probability and the detector's rank:
lower = more abnormal.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri, stdtr
from scipy.stats import rankdata

from detectors.features.block_evidence import rank_sum_p

__all__ = ["HeadTrial", "KnownHead", "head_on_labels", "head_on_reference"]

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

_TREES = 200
_TRIAL_TREES = 100
_FOLDS = 10  # at most: parts of the labelled anomalies that are left out in turn
_LEVEL = 0.02  # probability of using a head on labels or a reference that are noise
_ON_LABELS, _ON_REFERENCE = 0.9, 0.7  # weight of the head beside the detector's rank
_LEAST_LEAF = 5  # rows in a leaf where rows of unknown kind stand for one of the two classes
_ASKED_LEVEL = 0.1  # above it, the evidence is not compared with random labels
_DRAWS, _DRAWN_FOLDS, _DRAWN_PLAIN, _DRAWN_TREES = 16, 4, 60, 25  # random labels that the real ones must beat
_FALSE_ALARMS = 0.05  # of the reference
_FEWEST = 3  # anomalies, and known normal rows, below which nothing can be validated


@dataclass(frozen=True)
class HeadTrial:
    """What validation says about a head.

    Parameters
    ----------
    p_value : float
        Of "the head ranks rows that it was not fitted to at random".
    precision_head, precision_detector : float
        Average precision on those rows; NaN for a head on a reference, where no anomaly is known.
    used : bool
    """

    p_value: float
    precision_head: float
    precision_detector: float
    used: bool

    def figures(self) -> dict[str, float]:
        """Figures for the report."""
        found = {"head_p_value": self.p_value, "head_used": float(self.used)}
        if not math.isnan(self.precision_head):
            found |= {
                "head_average_precision": self.precision_head,
                "detector_average_precision": self.precision_detector,
            }
        return {name: round(value, 6) for name, value in found.items()}


@dataclass(frozen=True)
class KnownHead:
    """Randomised trees on the kept features and the detector's score, as flat arrays.

    Parameters
    ----------
    feature, left, right : ndarray of int of shape (n_nodes,)
        A leaf is its own child on both sides.
    threshold, value : ndarray of shape (n_nodes,)
        A row goes left if its value is at most the threshold; probability of an anomaly in a leaf.
    roots : ndarray of int of shape (n_trees,)
    usual : ndarray of shape (n_fitted,)
        Sorted abnormalities of the fitted rows by the detector.
    weight : float
    offset : float
        Scores below are outliers.
    """

    feature: NDArray[np.int64]
    left: NDArray[np.int64]
    right: NDArray[np.int64]
    threshold: Floats
    value: Floats
    roots: NDArray[np.int64]
    usual: Floats
    weight: float
    offset: float

    def scores(self, X: Floats, detector: Floats) -> Floats:
        """Scores (n_rows,) of kept columns `X` (n_rows, n_kept) with the `detector`'s scores (n_rows,)."""
        rows = _with_score(X, detector)
        node = np.tile(self.roots, (len(rows), 1))
        number = np.arange(len(rows))[:, None]
        while True:
            goes_left = rows[number, self.feature[node]] <= self.threshold[node]
            following = np.where(goes_left, self.left[node], self.right[node])
            if (following == node).all():
                break
            node = following
        return -self._mixed(self.value[node].mean(axis=1), -detector)

    def _mixed(self, probability: Floats, abnormality: Floats) -> Floats:
        """Abnormality (n_rows,) in [0, 1]."""
        rank = np.searchsorted(self.usual, abnormality, side="right") / len(self.usual)
        return np.asarray(self.weight * probability + (1.0 - self.weight) * rank)

    def state(self) -> dict[str, NDArray[Any]]:
        """The head as arrays, for a file."""
        arrays = {f"head_{name}": getattr(self, name) for name in _ARRAYS}
        return {**arrays, "head_numbers": np.array([self.weight, self.offset])}

    @classmethod
    def from_state(cls, arrays: Mapping[str, NDArray[Any]], n_features: int) -> KnownHead | None:
        """The head that `state` gave; None if there is none.

        Raises
        ------
        ValueError
            If the arrays contradict each other.
        """
        if "head_numbers" not in arrays:
            return None
        parts = {name: arrays[f"head_{name}"] for name in _ARRAYS}
        n_nodes = len(parts["feature"])
        links = (parts["left"], parts["right"], parts["roots"])
        same = all(len(parts[name]) == n_nodes for name in ("left", "right", "threshold", "value"))
        behind = all((part >= np.arange(n_nodes)).all() for part in links[:2]) if same else False
        if not behind or any((p < 0).any() or (p >= n_nodes).any() for p in links) or not len(parts["usual"]):
            raise ValueError("the trees of the head do not fit")
        if parts["feature"].min() < 0 or parts["feature"].max() > n_features:
            raise ValueError(f"a tree of the head looks at column {parts['feature'].max()} of {n_features}")
        weight, offset = (float(number) for number in arrays["head_numbers"])
        return cls(**parts, weight=weight, offset=offset)


_ARRAYS = ("feature", "left", "right", "threshold", "value", "roots", "usual")


def head_on_labels(
    X: Floats, detector: Floats, anomaly: Mask, normal: Mask, seed: int
) -> tuple[KnownHead | None, HeadTrial]:
    """Fit a head to labelled rows, if rows left out show that it helps.

    Parameters
    ----------
    X : ndarray of shape (n_rows, n_kept)
    detector : ndarray of shape (n_rows,)
        Scores of the detector, lower = more abnormal.
    anomaly, normal : ndarray of bool of shape (n_rows,)
    seed : int

    Returns
    -------
    head : KnownHead or None
    trial : HeadTrial
        Parts of the anomalies are left out in turn and ranked among the rows of unknown kind and a part of the normal
        ones that is left out with them.
    """
    table = _with_score(X, detector)
    known, unknown = np.flatnonzero(anomaly), np.flatnonzero(~anomaly & ~normal)
    if normal.any():
        plain = np.flatnonzero(normal)
    else:
        plain, unknown = unknown, unknown[:0]
    if len(known) < _FEWEST or len(plain) < _FEWEST:
        return None, HeadTrial(1.0, math.nan, math.nan, False)
    leaf = 1 if normal.any() else _LEAST_LEAF
    n_folds = min(_FOLDS, len(known), len(plain))
    shown = _left_out(table, detector, known, plain, unknown, n_folds, _TRIAL_TREES, leaf, seed)
    evidence = shown.evidence()
    p = float(ndtr(evidence))
    if p <= _ASKED_LEVEL:  # rows drawn at random can lie together, too: how well are those ranked that were left out?
        rng = np.random.default_rng(seed)
        drawn = np.empty(_DRAWS)
        others = np.flatnonzero(~anomaly)
        few, of = min(n_folds, _DRAWN_FOLDS), min(len(plain), _DRAWN_PLAIN)
        for draw in range(_DRAWS):
            rows = rng.permutation(others)
            fake, rest = rows[: len(known)], rows[len(known) :]
            parts = (rest[:of], rest[of:]) if normal.any() else (rest, rest[:0])
            drawn[draw] = _left_out(table, detector, fake, *parts, few, _DRAWN_TREES, leaf, seed + draw).evidence()
        spread = max(float(drawn.std(ddof=1)) * np.sqrt(1.0 + 1.0 / _DRAWS), 1e-9)
        p = float(stdtr(_DRAWS - 1, (evidence - drawn.mean()) / spread))
    precision = [_average_precision(share, shown.background) for share in (shown.ahead, shown.before)]
    loss = shown.ahead + shown.beside - shown.before - shown.before_beside
    used = p <= _LEVEL and float(loss.mean()) <= float(loss.std(ddof=1) / np.sqrt(len(loss)))
    trial = HeadTrial(p, precision[0], precision[1], used)
    if not used:
        return None, trial
    rows = np.append(known, plain)
    model = _trees(_TREES, leaf, seed).fit(table[rows], np.arange(len(rows)) < len(known))
    return _flattened(model, detector, _ON_LABELS, -0.5), trial


@dataclass(frozen=True)
class _LeftOut:
    """How known anomalies (n_anomalies,) rank that the head was not fitted to.

    Shares of the rows of unknown kind that stand before them, by the head (`ahead`) and the detector (`before`), the
    same shares of the known normal rows (`beside`, `before_beside`), the number of the former rows, and the p-value of
    the rank sum among the latter.
    """

    ahead: Floats
    before: Floats
    beside: Floats
    before_beside: Floats
    background: int
    rank_p: float

    def evidence(self) -> float:
        """Mean normal score of both p-values of "ranked at random": among rows of unknown kind and normal ones."""
        both = np.clip([_small_mean_p(self.ahead), self.rank_p], 1e-15, 1.0 - 1e-9)
        return float(ndtri(both).mean())


def _left_out(
    table: Floats,
    detector: Floats,
    known: NDArray[np.intp],
    plain: NDArray[np.intp],
    unknown: NDArray[np.intp],
    n_folds: int,
    n_trees: int,
    leaf: int,
    seed: int,
) -> _LeftOut:
    """Leave parts of the anomalies out in turn, with parts of the normal rows, and rank them by the others' head."""
    ahead, before, background = np.empty(len(known)), np.empty(len(known)), 0
    out, out_plain = np.empty(len(known)), np.empty(len(plain))
    for fold in range(n_folds):
        left, spared = np.arange(len(known)) % n_folds == fold, np.arange(len(plain)) % n_folds == fold
        model = _trees(n_trees, leaf, seed + fold)
        rows = np.append(known[~left], plain[~spared])
        model.fit(table[rows], np.arange(len(rows)) < (~left).sum())
        others = np.append(unknown, plain[spared])
        asked = _probability(model, table[np.append(known[left], others)])
        n_left = int(left.sum())
        out[left], out_plain[spared] = asked[:n_left], asked[n_left + len(unknown) :]
        ahead[left] = _share_above(asked[:n_left], asked[n_left:])
        before[left] = _share_above(-detector[known[left]], -detector[others])
        background = max(background, len(others))
    beside, before_beside = _share_above(out, out_plain), _share_above(-detector[known], -detector[plain])
    rank_p = rank_sum_p(np.append(out, out_plain), np.arange(len(known) + len(plain)) < len(known))
    return _LeftOut(ahead, before, beside, before_beside, background, rank_p)


def head_on_reference(X: Floats, detector: Floats, normal: Mask, seed: int) -> tuple[KnownHead | None, HeadTrial]:
    """Fit a head that tells other rows from the reference, if rows out of its samples show that it can.

    Parameters and results are those of `head_on_labels`, without anomalies.
    """
    table = _with_score(X, detector)
    if normal.sum() < 4 * _LEAST_LEAF or (~normal).sum() < 4 * _LEAST_LEAF:
        return None, HeadTrial(1.0, math.nan, math.nan, False)
    model = _trees(_TREES, _LEAST_LEAF, seed, bootstrap=True).fit(table, ~normal)
    out = np.nan_to_num(model.oob_decision_function_[:, 1], nan=0.5)
    n, m = int((~normal).sum()), int(normal.sum())
    above = rankdata(out)[~normal].sum() - n * (n + 1) / 2.0
    p = float(ndtr(-(above - 0.5 * n * m) / np.sqrt(n * m * (n + m + 1) / 12.0)))
    trial = HeadTrial(p, math.nan, math.nan, p <= _LEVEL)
    if not trial.used:
        return None, trial
    head = _flattened(model, detector, _ON_REFERENCE, 0.0)
    limit = float(np.quantile(head._mixed(out, -detector)[normal], 1.0 - _FALSE_ALARMS))
    return _flattened(model, detector, _ON_REFERENCE, -limit), trial


def _trees(n_trees: int, leaf: int, seed: int, bootstrap: bool = False) -> Any:
    """Unfitted randomised trees, both classes weighing the same."""
    from sklearn.ensemble import ExtraTreesClassifier

    return ExtraTreesClassifier(
        n_estimators=n_trees,
        min_samples_leaf=leaf,
        bootstrap=bootstrap,
        oob_score=bootstrap,
        class_weight="balanced",
        random_state=seed % (2**31 - 1),
    )


def _with_score(X: Floats, detector: Floats) -> Floats:
    """Columns (n_rows, n_kept + 1), float32 as the trees see them: the table and the detector's score."""
    with np.errstate(over="ignore"):
        narrow = np.column_stack([X, detector]).astype(np.float32)
    largest = np.finfo(np.float32).max
    return np.clip(np.nan_to_num(narrow, nan=0.0), -largest, largest).astype(np.float64)


def _probability(model: Any, table: Floats) -> Floats:
    """Probability of an anomaly (n_rows,)."""
    return np.asarray(model.predict_proba(table)[:, 1], dtype=np.float64)


def _share_above(scores: Floats, others: Floats) -> Floats:
    """Share of `others` (n_others,) that are more abnormal than every score; ties count half."""
    ordered = np.sort(others)
    below = np.searchsorted(ordered, scores, side="left") + np.searchsorted(ordered, scores, side="right")
    return np.asarray(1.0 - (0.5 * below + 0.25) / (len(others) + 0.5))


def _small_mean_p(shares: Floats) -> float:
    """Probability that uniform numbers have no larger a sum than `shares` (Irwin and Hall)."""
    k, total = len(shares), float(shares.sum())
    if k > 15:
        return float(ndtr((total - 0.5 * k) / np.sqrt(k / 12.0)))
    terms = [(-1) ** j * math.comb(k, j) * max(total - j, 0.0) ** k for j in range(int(total) + 1)]
    return float(np.clip(math.fsum(terms) / math.factorial(k), 1e-15, 1.0))


def _average_precision(shares: Floats, n_others: int) -> float:
    """Average precision of anomalies that have these `shares` (n_anomalies,) of `n_others` rows before them."""
    order = np.arange(1, len(shares) + 1)
    return float((order / (order + n_others * np.sort(shares))).mean())


def _flattened(model: Any, detector: Floats, weight: float, offset: float) -> KnownHead:
    """The head that a fitted forest makes."""
    parts: dict[str, list[NDArray[Any]]] = {name: [] for name in ("feature", "left", "right", "threshold", "value")}
    roots, start = [], 0
    for estimator in model.estimators_:
        tree = estimator.tree_
        own = np.arange(tree.node_count)
        leaf = tree.children_left < 0
        parts["feature"].append(np.where(leaf, 0, tree.feature))
        parts["left"].append(np.where(leaf, own, tree.children_left) + start)
        parts["right"].append(np.where(leaf, own, tree.children_right) + start)
        parts["threshold"].append(np.where(leaf, 0.0, tree.threshold))
        counts = tree.value[:, 0, :]
        parts["value"].append(counts[:, -1] / counts.sum(axis=1))
        roots.append(start)
        start += tree.node_count
    arrays = {name: np.concatenate(part) for name, part in parts.items()}
    feature, left, right = (arrays[name].astype(np.int64) for name in ("feature", "left", "right"))
    threshold, value = (arrays[name].astype(np.float64) for name in ("threshold", "value"))
    usual = np.sort(-detector)
    return KnownHead(feature, left, right, threshold, value, np.array(roots), usual, weight, offset)
