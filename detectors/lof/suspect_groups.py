"""Evidence that suspected rows are anomalies that lie together.

Invariant: rows at the fringe of an ordinary table, and ordinary groups of rows, are no evidence. Suspicion is how
many times less dense than the core of the table a row lies; larger = more suspect.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components
from scipy.special import ndtri, stdtrit
from scipy.stats import rankdata

from detectors.lof.kernels.neighbors import reach_means
from detectors.lof.references import ForeignMetric, Metric

__all__ = ["core_suspicion", "evident_suspects", "rank_twin"]

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
Numbers = NDArray[np.int64]

_CORE_SHARE = 0.5  # of the rows, the densest: what is usual even if half of the table is not
_FAR_SHARE = 0.07  # of the rows: a far neighbour; a group of more rows vouches for itself
_TIES = 10  # nearest neighbours that tie rows into groups
_GAPS = ((1.0, 1.42), (5 / 3, 1.7), (2.5, 1.7), (10 / 3, 1.7))  # levels of suspicion; start of a group that is apart
_EVERYTHING = 0.45  # of the rows: a group that holds nearly all rows outside the core is no group apart
_MOST_TOGETHER = 0.07  # of the rows: more of them together are an ordinary group
_FEWEST_TOGETHER = 5  # rows: fewer cannot hide each other
_FRINGE = 1.5  # suspicion that counts at the fringe
_HIDDEN = 0.78  # area under the curve: suspects that look as usual as others to the factor among all rows
_HALF_HIDDEN = 0.9
_BETTER = 0.08  # by which twins show their fringe better
_MORE = 1.08  # times the twins' masking, at least
_LEAST_HIDDEN = 0.02  # of the rows
_N_TWINS, _TWIN_ROWS = 6, 1000
_TWIN_LEVEL = 0.005  # probability that a table without groups masks so much more than its twins


def evident_suspects(
    X: Floats,
    suspicion: Floats,
    sample: Numbers,
    n_neighbors: int,
    metric: Metric | ForeignMetric,
    suspect: float,
) -> tuple[Mask, list[str]]:
    """Find the suspects that there is evidence against.

    Suspected rows are tied into groups by their neighbours. A group *apart* starts well above the threshold of
    suspicion: a gap lies between it and the rest. Such a group is evidence if it is small (up to 7 % of the rows, and
    of half the size of the usual group of the core); a larger one is an ordinary group and stays. All other
    suspects are the *fringe* of the table. Every table has one, and the local outlier factor shows it; there is
    evidence only where the factor among all rows fails to, because the suspects make each other look usual. Twins of
    the table - drawn from a Gaussian copula with the same columns and rank correlations, so that they have a fringe
    but no groups - tell what is usual: the factor must show their fringe better (area under the curve), or their
    rows must lie less far beyond what the factor tells of them.

    Parameters
    ----------
    X : ndarray of shape (n_rows, n_features)
    suspicion : ndarray of shape (n_rows,)
    sample : ndarray of int of shape (n_sample,)
        Rows that the search looks at; all others share the fate of the nearest suspect among them.
    n_neighbors : int
    metric : Metric or ForeignMetric
    suspect : float
        Threshold of suspicion.

    Returns
    -------
    evident : ndarray of bool of shape (n_rows,)
    sentences : list of str
        What spoke for rows that stay.
    """
    evident = np.zeros(len(X), dtype=bool)
    rows, doubt = np.ascontiguousarray(X[sample]), suspicion[sample]
    suspected = doubt > suspect
    if suspected.sum() < _FEWEST_TOGETHER:
        return evident, []
    ties = metric.among(rows, min(_TIES, len(rows) - 1))[1]
    small, ordinary = _groups_apart(doubt, ties, suspect)
    fringe = suspected & ~small & ~ordinary
    sentences = []
    if ordinary.any():
        sentences.append(f"{ordinary.mean():.0%} of the rows lie in groups apart that are too large to be suspected")
    if fringe.any():
        far_out = fringe & (doubt > _FRINGE)
        if _hidden(rows[~ordinary], far_out[~ordinary], n_neighbors, metric, suspect):
            small |= far_out
        else:
            sentences.append("the fringe of the table stays: the local outlier factor among all rows shows it as well")
    whole = np.flatnonzero(suspicion > suspect)
    if len(sample) == len(X):
        evident[sample] = small
    elif small.any():
        seeds = np.flatnonzero(suspected)
        nearest = _nearest(X[whole], rows[seeds], metric)
        evident[whole] = small[seeds[nearest]]
    return evident, sentences


def rank_twin(X: Floats, rng: np.random.Generator) -> Floats:
    """Table (n_rows, n_features) with the columns and the normal scores' correlations of `X`, drawn from a copula."""
    n_rows, n_features = X.shape
    scores = ndtri((rankdata(X, axis=0) - 0.5) / n_rows)
    scores = (scores - scores.mean(axis=0)) / np.maximum(scores.std(axis=0), 1e-12)
    values, vectors = np.linalg.eigh(scores.T @ scores / n_rows)
    drawn = rng.normal(size=(n_rows, n_features)) @ (vectors * np.sqrt(np.maximum(values, 0.0))).T
    order = np.argsort(np.argsort(drawn, axis=0, kind="stable"), axis=0, kind="stable")
    return np.ascontiguousarray(np.take_along_axis(np.sort(X, axis=0), order, axis=0))


def _groups_apart(doubt: Floats, ties: Numbers, suspect: float) -> tuple[Mask, Mask]:
    """Rows (n_rows,) in small and in ordinary groups that a gap in suspicion separates from the rest."""
    n_rows = len(doubt)
    small, ordinary = np.zeros(n_rows, dtype=bool), np.zeros(n_rows, dtype=bool)
    core = _groups(doubt <= suspect, ties)
    sizes = np.bincount(core[core >= 0], minlength=1)
    usual = float(np.median(sizes[core[core >= 0]])) if (core >= 0).any() else 0.0
    most = min(_MOST_TOGETHER * n_rows, 0.5 * usual)
    for level, start in _GAPS:
        labels = _groups(doubt > level * suspect, ties)
        for group in np.unique(labels[labels >= 0]):
            members = labels == group
            size = int(members.sum())
            if size > _EVERYTHING * n_rows or np.quantile(doubt[members], 0.1) <= start * level * suspect:
                continue
            if size > most:
                ordinary |= members
            elif size >= _FEWEST_TOGETHER and level == 1.0:
                small |= members
    return small & ~ordinary, ordinary


def _groups(members: Mask, ties: Numbers) -> Numbers:
    """Number of the group (n_rows,) that every member is tied to; -1 for others."""
    n_rows, k = ties.shape
    one, other = np.repeat(np.arange(n_rows), k), ties.ravel()
    both = members[one] & members[other]
    graph = csr_array((np.ones(int(both.sum()), dtype=np.int8), (one[both], other[both])), shape=(n_rows, n_rows))
    labels = np.where(members, connected_components(graph, directed=False)[1], -1)
    return np.asarray(np.unique(labels, return_inverse=True)[1] - int((~members).any()), dtype=np.int64)


def _hidden(rows: Floats, fringe: Mask, k: int, metric: Metric | ForeignMetric, suspect: float) -> bool:
    """True if the factor among all rows does not show the fringe as it would in a table without groups."""
    if fringe.sum() < max(_FEWEST_TOGETHER, 0.01 * len(rows)):
        return False
    few = np.ascontiguousarray(rows[:: -(-len(rows) // _TWIN_ROWS)])
    k = min(k, len(few) - 1)
    shown, masked, hidden = _fringe(few, k, metric, suspect)
    if shown >= _HALF_HIDDEN or hidden < _LEAST_HIDDEN:
        return False
    better, more = np.empty(_N_TWINS), np.empty(_N_TWINS)
    for seed in range(_N_TWINS):
        of_twin, masked_twin, _ = _fringe(rank_twin(few, np.random.default_rng(seed)), k, metric, suspect)
        better[seed], more[seed] = of_twin - shown, np.log(masked / masked_twin)
    if shown >= _HIDDEN and better.mean() < _BETTER:
        return False
    spread = more.std(ddof=1) * np.sqrt(1.0 + 1.0 / _N_TWINS)  # of the table itself about its twins, were it one
    return bool(more.mean() >= max(np.log(_MORE), stdtrit(_N_TWINS - 1, 1.0 - _TWIN_LEVEL) * spread))


def _fringe(rows: Floats, k: int, metric: Metric | ForeignMetric, suspect: float) -> tuple[float, float, float]:
    """What the factor among all rows shows of the fringe, how much it masks, and the share of rows hidden."""
    factors = _factors(*metric.among(rows, k))
    suspicion = core_suspicion(rows, k, metric)
    fringe, rest = suspicion > _FRINGE, suspicion <= suspect
    masked = float(np.quantile(suspicion / np.maximum(factors, 1.0), 0.95))
    if not fringe.any():
        return 1.0, masked, 0.0
    ranks = rankdata(np.concatenate([factors[fringe], factors[rest]]))[: int(fringe.sum())]
    n, m = int(fringe.sum()), int(rest.sum())
    shown = float((ranks.sum() - n * (n + 1) / 2) / max(n * m, 1))
    return shown, masked, float((fringe & (factors < np.quantile(factors[rest], 0.9))).mean())


def core_suspicion(
    X: Floats, n_neighbors: int, metric: Metric | ForeignMetric, sample: Numbers | None = None
) -> Floats:
    """Local outlier factor (n_rows,) of every row against the core of the table; 0 for the core itself.

    The core is the half of the rows that is nearest to a far neighbour in `sample` (all rows without one).
    """
    n_rows = len(X)
    sample = np.arange(n_rows) if sample is None else sample
    own = np.full(n_rows, -1, dtype=np.int64)
    own[sample] = np.arange(len(sample))
    far = min(max(n_neighbors, int(_FAR_SHARE * len(sample))), len(sample) - 1)
    distances = metric.kth_distances(X, X[sample], own, far)
    core = np.zeros(n_rows, dtype=bool)
    core[np.argsort(distances, kind="stable")[: int(_CORE_SHARE * n_rows)]] = True
    centre = X[sample[core[sample]]]
    if len(centre) < 2:
        return np.zeros(n_rows)
    reference, _ = metric.references(np.ascontiguousarray(centre), n_neighbors)
    suspicion = np.zeros(n_rows)
    suspicion[~core] = -reference.scores(np.ascontiguousarray(X[~core]))
    return suspicion


def _factors(distances: Floats, numbers: Numbers) -> Floats:
    """Local outlier factors (n_rows,), larger = more abnormal, from neighbours (n_rows, k)."""
    reach = reach_means(distances, numbers, np.ascontiguousarray(distances[:, -1])) + 1e-10
    return np.asarray(reach * (1.0 / reach[numbers]).mean(axis=1))


def _nearest(rows: Floats, seeds: Floats, metric: Metric | ForeignMetric) -> Numbers:
    """Number (n_rows,) of the nearest of `seeds`."""
    return metric.nearest_of(np.ascontiguousarray(rows), np.ascontiguousarray(seeds))
