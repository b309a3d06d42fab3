"""Which training rows a neighbour-based detector should compare others with.

Invariant: a row leaves the reference set as a suspected anomaly - anomalies that lie together make each other look
usual [1]_ - or because the rows left describe the same density with fewer. Distances are in the units of the table,
lower score = more abnormal.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detectors.lof.references import ForeignMetric, Metric
from detectors.lof.suspect_groups import core_suspicion, evident_suspects
from detectors.report import PruningRecord, PruningReport

__all__ = ["RowDecision", "decide_rows", "stored_precision"]

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

_LIMIT_SHARE = 0.1  # of the rows: neighbours beyond this see through any group of anomalies by themselves
_SUSPECT = 1.2  # times less dense than the core around it: a row may be an anomaly
_CERTAIN = 3.0  # times less dense: no limit protects a row for whose kind there is evidence
_SAMPLE = 2000  # rows that the search for suspects compares all rows with
_FEWEST = 20  # rows below which nothing is known about the usual


@dataclass(frozen=True)
class RowDecision:
    """Which rows stay, and why.

    Parameters
    ----------
    keep : ndarray of bool of shape (n_rows,)
    kind : ndarray of str of shape (n_rows,)
        "usual", "suspected anomaly", "suspect without evidence", "suspect kept by the limit", "condensed".
    suspicion : ndarray of shape (n_rows,)
        How many times less dense than the core a row lies; 0 for rows of the core.
    threshold : float
        Suspicion above which rows go.
    guards : tuple of str
    """

    keep: Mask
    kind: NDArray[Any]
    suspicion: Floats
    threshold: float
    guards: tuple[str, ...]

    def report(self) -> PruningReport:
        """One record per row."""
        reasons = {
            "usual": "as dense as the core of the table",
            "suspected anomaly": "much less dense than the core: with others of its kind it would look usual",
            "suspect without evidence": "less dense than the core, but nothing tells it from the fringe or from an "
            "ordinary group of this table",
            "suspect kept by the limit": "less dense than the core, but enough rows have gone on suspicion",
            "condensed": "the rows that stay describe the same density",
        }
        records = [
            PruningRecord(i, str(kind), bool(keep), reasons[str(kind)], float(s), self.threshold)
            for i, (kind, keep, s) in enumerate(zip(self.kind, self.keep, self.suspicion, strict=True))
        ]
        figures = {"rows_before": len(self.keep), "rows_after": int(self.keep.sum())}
        return PruningReport(records, subject="training rows", guards=self.guards, figures=figures)


def decide_rows(
    X: Floats,
    *,
    n_neighbors: int,
    metric: Metric | ForeignMetric,
    max_share: float | None,
    max_rows: int | None,
    random_state: np.random.RandomState,
) -> RowDecision:
    """Decide which rows of a table a detector should compare others with.

    The core is the half of the rows with the smallest distance to a far neighbour (7 % of the table away, so that a
    smaller group cannot vouch for itself). A row's suspicion is its local outlier factor against the core. Suspects
    may go only if `evident_suspects` finds evidence that anomalies lie together; they go in the order of suspicion up
    to a limit, which is 0 where ``n_neighbors`` already reaches past a tenth of the table, and 20 % where it is a
    vanishing share; rows beyond suspicion 3 with evidence against them go in any case.

    Parameters
    ----------
    X : ndarray of shape (n_rows, n_features)
    n_neighbors : int
    metric : Metric or ForeignMetric
    max_share : float or None
        Limit of what may go on suspicion; None for the one above.
    max_rows : int or None
        More rows than this are condensed: a random part stays. Density ratios do not change.
    random_state : RandomState

    Returns
    -------
    RowDecision

    References
    ----------
    .. [1] Rousseeuw, Van Driessen: A fast algorithm for the minimum covariance determinant estimator.
       Technometrics 41(3), 1999 (a core first, then all rows that agree with it).
    """
    n_rows = len(X)
    kind = np.full(n_rows, "usual", dtype=object)
    keep = np.ones(n_rows, dtype=bool)
    suspicion = np.zeros(n_rows)
    threshold = _SUSPECT
    guards: list[str] = []
    if n_rows < _FEWEST:
        guards.append(f"{n_rows} rows are fewer than {_FEWEST}: nothing is known about the usual, all rows stay")
    else:
        sample = np.arange(n_rows)
        if n_rows > _SAMPLE:
            sample = np.sort(random_state.choice(n_rows, _SAMPLE, replace=False))
        suspicion = core_suspicion(X, n_neighbors, metric, sample)
        evident, sentences = evident_suspects(X, suspicion, sample, n_neighbors, metric, _SUSPECT)
        threshold, held = _threshold(np.where(evident, suspicion, 0.0), n_neighbors, max_share)
        keep = ~evident | (suspicion <= threshold)
        kind[suspicion > _SUSPECT] = "suspect without evidence"
        kind[evident] = "suspect kept by the limit"
        kind[~keep] = "suspected anomaly"
        guards.extend(sentences)
        if held:
            guards.append(f"{held} more suspected rows stay: no more than the limit may go on suspicion")
    if max_rows is not None and keep.sum() > max_rows:
        kept = np.flatnonzero(keep)
        gone = random_state.permutation(kept)[max_rows:]
        keep[gone] = False
        kind[gone] = "condensed"
    return RowDecision(keep, kind, suspicion, threshold, tuple(guards))


def stored_precision(X: Floats) -> Floats:
    """Rows (n_rows, n_features), rounded to float32 if no column is moved by a millionth of its deviation.

    A reference set need not be sharper than the file that will hold it; columns far from 0 for their spread are.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        narrow = X.astype(np.float32).astype(np.float64)
        moved = np.abs(narrow - X).max(axis=0)
        held = np.isfinite(moved).all() and bool((moved <= 1e-6 * X.std(axis=0)).all())
    return np.ascontiguousarray(narrow if held else X)


def _threshold(suspicion: Floats, n_neighbors: int, max_share: float | None) -> tuple[float, int]:
    """Suspicion above which rows go, and the number of suspects that the limit holds back."""
    n_rows = len(suspicion)
    if max_share is None:
        max_share = max(0.0, 2.0 * (_LIMIT_SHARE - n_neighbors / n_rows))
    allowed = int(max_share * n_rows)
    n_suspects = int((suspicion > _SUSPECT).sum())
    if n_suspects <= allowed:
        return _SUSPECT, 0
    limit = float(np.sort(suspicion)[::-1][allowed])
    threshold = max(min(limit, _CERTAIN), _SUSPECT)
    return threshold, n_suspects - int((suspicion > threshold).sum())
