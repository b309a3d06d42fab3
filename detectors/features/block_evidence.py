"""Evidence of labels or of a reference for blocks of features.

Invariant: p-values are those of "what is known has nothing to do with this block": rows drawn at random instead of the
known ones would show as much with this probability.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr
from scipy.stats import rankdata

from detectors.features.knowledge import Knowledge

__all__ = ["block_evidence", "column_evidence", "rank_sum_p"]

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
Numbers = NDArray[np.int64]

_TREES = 100
_EXACT = 60  # anomalies; the rank sum of more of them is normal
_UPPER = 0.8  # of the ranks: where the rows beyond a reference's own tail lie


def block_evidence(X: Floats, blocks: list[Numbers], known: Knowledge, seed: int) -> Floats:
    """P-value of every block.

    Rows are ranked by an isolation forest on the columns of the block. With anomalies known, their rank sum among all
    other rows has an exact null distribution. With normal rows alone, forests of one half of them rank the other half
    and all rows that are not known; what those have more in the upper fifth, less what the two halves (first and
    second in the order of rows, which is that of time where there is one) show of each other, is compared with its
    standard error under permutation.

    Parameters
    ----------
    X : ndarray of shape (n_rows, n_features)
        Without missing values.
    blocks : list of ndarray of int
        Columns of every block.
    known : Knowledge
    seed : int

    Returns
    -------
    ndarray of shape (n_blocks,)
    """
    table, anomaly, normal = known.table(X)
    p = np.ones(len(blocks))
    for number, columns in enumerate(blocks):
        part = table[:, columns]
        if known.labelled:
            p[number] = rank_sum_p(_abnormality(part, part, seed), anomaly)
        elif normal.sum() >= 4 and (~normal).sum() >= 2:
            p[number] = _reference_p(part, np.flatnonzero(normal), np.flatnonzero(~normal), seed)
    return p


def column_evidence(X: Floats, known: Knowledge) -> Floats:
    """P-value (n_features,) of every column: known anomalies lie farther from the median than other rows."""
    table, anomaly, _ = known.table(X)
    if not known.labelled:
        return np.ones(X.shape[1])
    distance = np.abs(rankdata(table, axis=0) - 0.5 * (len(table) + 1))
    return np.array([rank_sum_p(column, anomaly) for column in distance.T])


def rank_sum_p(scores: Floats, chosen: Mask) -> float:
    """Exact p-value of "`chosen` rows rank no higher than rows drawn at random".

    Ties count half, rounded against evidence.

    Examples
    --------
    >>> scores = np.arange(15.0)
    >>> round(rank_sum_p(scores, scores > 11), 6)  # the best 3 of 15: 1 of 455 draws
    0.002198
    """
    k, n = int(chosen.sum()), len(scores)
    if k == 0 or k == n:
        return 1.0
    above = float(rankdata(scores)[chosen].sum()) - k * (k + 1) / 2.0  # pairs (chosen, other) in the right order
    m = n - k
    if k > _EXACT:
        mean, deviation = 0.5 * k * m, np.sqrt(k * m * (n + 1) / 12.0)
        return float(ndtr(-(above - mean) / deviation))
    ways = np.zeros(k * m + 1)
    ways[0] = 1.0
    for i in range(1, k + 1):  # the Gaussian binomial coefficient, factor by factor (Mann, Whitney 1947)
        ways[m + i :] -= ways[: len(ways) - m - i].copy()
        for start in range(i):
            ways[start::i] = np.cumsum(ways[start::i])
        ways /= ways.max()
    ways = np.maximum(ways, 0.0)
    ways = 0.5 * (ways + ways[::-1])  # symmetric; rounding is not
    return float(np.clip(ways[int(np.floor(above)) :].sum() / ways.sum(), 1e-15, 1.0))


def _abnormality(fitted: Floats, X: Floats, seed: int) -> Floats:
    """How abnormal rows `X` are (n_rows,) beside the rows `fitted`."""
    from sklearn.ensemble import IsolationForest

    forest = IsolationForest(n_estimators=_TREES, random_state=seed).fit(fitted)
    return -np.asarray(forest.score_samples(X), dtype=np.float64)


def _reference_p(X: Floats, reference: Numbers, others: Numbers, seed: int) -> float:
    """P-value of "the other rows are drawn as the reference is"."""
    half = len(reference) // 2
    parts = (reference[:half], reference[half:])
    excess, variance, drift = 0.0, 0.0, []
    for fitted, held in (parts, parts[::-1]):
        scores = _abnormality(X[fitted], X, seed)
        rows = np.concatenate([held, others])
        upper = np.maximum(rankdata(scores[rows]) / len(rows) - _UPPER, 0.0)
        excess += 0.5 * (upper[len(held) :].mean() - upper[: len(held)].mean())
        variance += 0.25 * float(upper.var()) * (1.0 / len(held) + 1.0 / len(others))
        drift.append(float(upper[: len(held)].mean()))
    deviation = np.sqrt(variance)
    if deviation == 0.0:
        return 1.0
    shift = max(abs(drift[0] - drift[1]) - 2.0 * deviation, 0.0)
    return float(ndtr(-(excess - shift) / (deviation * np.sqrt(1.5))))  # the halves share the other rows
