"""Relevance criteria: tables in, statistics and p-values out, no decisions.

Law: every statistic is a sum of squared correlations of bounded-kurtosis rank functions, judged by the gamma law
with the mean and variance that permuting rows gives it; no labels, no distributional assumption. All p-values are
natural logarithms, so that overwhelming evidence stays comparable.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaincc, gammaln, ndtri

from detectors.features.kernels.dependence import column_midranks, gather_pairs, normal_scales

__all__ = [
    "KURTOSIS_LIMIT",
    "PairEvidence",
    "RankBasis",
    "association_log_p",
    "discoveries",
    "gamma_log_p",
    "pair_evidence",
    "rank_basis",
]

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

KURTOSIS_LIMIT = 30.0  # beyond, a function lives on so few rows that the gamma law is too light for its tail
_TIE_SHARE = 1e-3  # a function that keeps less of its square after orthogonalisation is a multiple of the others
_SKEWNESS_LEAST = 0.02  # a function with smaller skewness is symmetric but for rounding
_BLOCK = 256  # features per block of products: bounds the memory, changes no result
_NO_EDGE = np.inf


@dataclass(frozen=True)
class RankBasis:
    """Orthonormal rank functions of every feature.

    Parameters
    ----------
    functions : float32 ndarray of shape (n_functions, n_features, n_rows)
        Level (the rank), spread (its squared normal score), and, with missing values, their indicator. Centred, of
        norm 1 and orthogonal within a feature, or all 0 where a feature has no such function.
    kurtosis : ndarray of shape (n_functions, n_features)
        Excess kurtosis of each function.
    skewness : ndarray of shape (n_functions, n_features)
        Skewness of each function: of the level 0 without ties, and large for a column that is nearly always the same.
    active : ndarray of bool of shape (n_functions, n_features)
        False for the functions that are all 0.
    """

    functions: NDArray[np.float32]
    kurtosis: Floats
    skewness: Floats
    active: Mask

    @property
    def n_rows(self) -> int:
        """Number of rows behind the functions."""
        return int(self.functions.shape[2])

    @property
    def n_features(self) -> int:
        """Number of features."""
        return int(self.functions.shape[1])


@dataclass(frozen=True)
class PairEvidence:
    """The strongest partner of every feature, and all strong pairs.

    Parameters
    ----------
    log_p : ndarray of shape (n_features,)
        Logarithm of the p-value of the best pair, corrected for the number of partners.
    partner : ndarray of int of shape (n_features,)
        The partner; -1 for a feature that varies with nothing.
    edges : ndarray of int of shape (n_edges, 2)
        Pairs of features whose own p-value is below the asked level.
    edge_log_p : ndarray of shape (n_edges,)
        Their p-values, approximate, not corrected.
    """

    log_p: Floats
    partner: NDArray[np.int64]
    edges: NDArray[np.int64]
    edge_log_p: Floats


def rank_basis(X: Floats) -> RankBasis:
    """Build the rank functions of every column.

    Parameters
    ----------
    X : ndarray of shape (n_rows, n_features)
        NaN is missing: it gets the mean of the functions, and a function of its own tells where it is.

    Returns
    -------
    RankBasis

    Examples
    --------
    >>> basis = rank_basis(np.array([[1.0, 5.0], [2.0, 5.0], [3.0, 5.0], [9.0, 6.0]]))
    >>> basis.active.tolist()
    [[True, True], [True, False]]
    """
    n_rows, n_features = X.shape
    n_functions = 3 if np.isnan(X).any() else 2
    functions = np.zeros((n_functions, n_features, n_rows), dtype=np.float32)
    kurtosis = np.zeros((n_functions, n_features))
    skewness = np.zeros((n_functions, n_features))
    for first in range(0, n_features, _BLOCK):
        made = _column_functions(np.ascontiguousarray(X[:, first : first + _BLOCK].T), n_functions)
        for number, function in enumerate(made):
            functions[number, first : first + _BLOCK] = function
            kurtosis[number, first : first + _BLOCK] = _kurtosis(function)
            skewness[number, first : first + _BLOCK] = _skewness(function)
    skewness[np.abs(skewness) < _SKEWNESS_LEAST] = 0.0
    active = np.abs(functions).max(axis=2, initial=0.0) > 0
    return RankBasis(functions, np.where(active, kurtosis, 0.0), skewness, active)


def _column_functions(columns: Floats, n_functions: int) -> list[Floats]:
    """Orthonormal functions, `n_functions` times (n_features, n_rows), of `columns` (n_features, n_rows)."""
    u = column_midranks(columns, np.argsort(columns, axis=1))
    candidates = [u - 0.5]
    with np.errstate(invalid="ignore"):
        candidates.append(ndtri(u) ** 2)
    missing = np.isnan(u)
    if missing.any():
        present = np.maximum((~missing).sum(axis=1, keepdims=True), 1)
        for function in candidates:
            function -= np.nansum(function, axis=1, keepdims=True) / present
            function[missing] = 0.0
    if n_functions == 3:
        candidates.append(missing.astype(np.float64))
    made: list[Floats] = []
    for number, function in enumerate(candidates):
        function -= function.mean(axis=1, keepdims=True)
        before = np.einsum("ij,ij->i", function, function)
        for earlier in made:
            function -= earlier * np.einsum("ij,ij->i", earlier, function)[:, None]
        after = np.einsum("ij,ij->i", function, function)
        good = after > np.maximum(_TIE_SHARE * before if number else 0.0, 1e-12)
        scaled = np.divide(function, np.sqrt(after)[:, None], out=np.zeros_like(function), where=good[:, None])
        if number:
            scaled[_kurtosis(scaled) > KURTOSIS_LIMIT] = 0.0
        made.append(scaled)
    return made


def _kurtosis(functions: Floats) -> Floats:
    """Excess kurtosis (n_features,) of centred functions (n_features, n_rows) of norm 1."""
    squares = functions * functions
    return np.asarray(np.einsum("ij,ij->i", squares, squares) * functions.shape[1] - 3.0)


def _skewness(functions: Floats) -> Floats:
    """Skewness (n_features,) of centred functions (n_features, n_rows) of norm 1."""
    return np.asarray(np.einsum("ij,ij->i", functions * functions, functions) * np.sqrt(functions.shape[1]))


def gamma_log_p(total: Floats, mean: Floats, variance: Floats) -> Floats:
    """Logarithm of the upper tail of the gamma law with given mean and variance at `total` (n,)."""
    variance = np.maximum(variance, 1e-12)
    shape = np.maximum(mean * mean / variance, 1e-12)
    x = total * mean / variance
    tail = gammaincc(shape, x)
    with np.errstate(divide="ignore"):
        far = -x + (shape - 1.0) * np.log(np.maximum(x, 1.0)) - gammaln(shape)
        near = np.log(tail)
    return np.where(mean > 0, np.minimum(np.where(tail > 1e-250, near, far), 0.0), 0.0)


def _moments(basis: RankBasis, i: NDArray[np.int64], j: NDArray[np.int64]) -> tuple[Floats, Floats, Floats]:
    """Statistic, null mean and null variance (n_pairs,) of the pairs of features `i`, `j` (n_pairs,)."""
    total, mean, variance = np.zeros(len(i)), np.zeros(len(i)), np.zeros(len(i))
    root = np.sqrt(basis.n_rows - 1.0)
    for f in range(len(basis.functions)):
        for g in range(len(basis.functions)):
            both = np.flatnonzero(basis.active[f, i] & basis.active[g, j])
            one, other = i[both], j[both]
            r = np.einsum("ij,ij->i", basis.functions[f, one], basis.functions[g, other]).astype(np.float64)
            excess = basis.kurtosis[f, one] * basis.kurtosis[g, other] / basis.n_rows
            skew = basis.skewness[f, one] * basis.skewness[g, other] / root
            total[both] += normal_scales(root * r, skew) ** 2
            mean[both] += 1.0
            variance[both] += np.maximum(2.0 + _left(excess, skew), 0.5)
    return total, mean, variance


def _left(excess: Floats, skew: Floats) -> Floats:
    """Excess kurtosis (n,) that is left when `normal_scale` has taken away that of a Poisson law of skewness `skew`."""
    return np.where(skew == 0.0, excess, np.maximum(excess - skew**2, 0.0))


def pair_evidence(basis: RankBasis, partners: Mask | None = None, edge_log_p: float = -_NO_EDGE) -> PairEvidence:
    """Test every feature against every other one, or against some.

    Parameters
    ----------
    basis : RankBasis
    partners : ndarray of bool of shape (n_features,), optional
        The features that count as partners; all of them without it.
    edge_log_p : float
        Pairs whose own p-value has a logarithm of at most this are listed; none without it.

    Returns
    -------
    PairEvidence

    Examples
    --------
    >>> x = np.random.default_rng(0).normal(size=(200, 2))
    >>> found = pair_evidence(rank_basis(np.column_stack([x, x[:, 0] ** 2])))
    >>> (found.log_p < np.log(0.001)).tolist(), found.partner.tolist()[::2]
    ([True, False, True], [2, 0])
    """
    n_features, n_rows = basis.n_features, basis.n_rows
    active = basis.active if partners is None else basis.active & partners
    columns = np.flatnonzero(active.any(axis=0))
    n_partners = n_features if partners is None else int(partners.sum())
    others = np.maximum(n_partners - (1 if partners is None else partners.astype(np.int64)), 1)
    partner = np.full(n_features, -1, dtype=np.int64)
    edges, weights = [], []
    for first in range(0, n_features, _BLOCK):
        products = _products(basis, slice(first, first + _BLOCK), columns)
        _, partner[first : first + _BLOCK], pairs, strength = gather_pairs(
            products, basis.kurtosis, basis.skewness, basis.active, active, columns, first, n_rows, -edge_log_p
        )
        edges.append(pairs)
        weights.append(-strength)
    found = np.flatnonzero(partner >= 0)
    log_p = np.zeros(n_features)
    log_p[found] = gamma_log_p(*_moments(basis, found, partner[found]))
    log_p = np.minimum(log_p + np.log(others), 0.0)
    return PairEvidence(log_p, partner, np.concatenate(edges), np.concatenate(weights))


def _products(basis: RankBasis, block: slice, columns: NDArray[np.intp]) -> NDArray[np.float32]:
    """Correlations (n_functions, n_block, n_functions, n_columns) of the functions of a block and of `columns`."""
    n_functions = len(basis.functions)
    own = basis.functions[:, block]
    products = np.zeros((n_functions, own.shape[1], n_functions, len(columns)), dtype=np.float32)
    for g in range(n_functions):
        seen = np.flatnonzero(basis.active[g, columns])
        others = basis.functions[g, columns[seen]].T
        for f in range(n_functions):
            rows = np.flatnonzero(basis.active[f, block])  # rare columns have no spread: no work for it
            if len(rows) and len(seen):
                products[f, rows[:, None], g, seen] = own[f, rows] @ others
    return products


def association_log_p(basis: RankBasis, values: Floats) -> Floats:
    """Test every feature for dependence on one more quantity, such as a score of the rows.

    Parameters
    ----------
    basis : RankBasis
    values : ndarray of shape (n_rows,)

    Returns
    -------
    ndarray of shape (n_features,)
        Logarithms of p-values, not corrected for the number of features.

    Examples
    --------
    >>> x = np.random.default_rng(0).normal(size=(300, 2))
    >>> (association_log_p(rank_basis(x), np.abs(x[:, 1])) < np.log(1e-6)).tolist()
    [False, True]
    """
    other = rank_basis(values[:, None])
    total, mean, variance = np.zeros((3, basis.n_features))
    for f in range(len(basis.functions)):
        for g in np.flatnonzero(other.active[:, 0]):
            r = (basis.functions[f] @ other.functions[g, 0]).astype(np.float64)
            both = basis.active[f]
            skew = basis.skewness[f] * other.skewness[g, 0] / np.sqrt(basis.n_rows - 1.0)
            total += np.where(both, normal_scales(np.sqrt(basis.n_rows - 1.0) * r, skew) ** 2, 0.0)
            mean += both
            excess = _left(basis.kurtosis[f] * other.kurtosis[g, 0] / basis.n_rows, skew)
            variance += np.where(both, np.maximum(2.0 + excess, 0.5), 0.0)
    return gamma_log_p(total, mean, variance)


def discoveries(log_p: Floats, level: float) -> Mask:
    """Mask (n_tests,) of the discoveries at a false discovery rate.

    Parameters
    ----------
    log_p : ndarray of shape (n_tests,)
        Natural logarithms of p-values.
    level : float in (0, 1)

    Returns
    -------
    ndarray of bool of shape (n_tests,)

    References
    ----------
    .. [1] Benjamini, Hochberg: Controlling the false discovery rate. JRSS B 57(1), 1995, section 3.1.

    Examples
    --------
    >>> discoveries(np.log([0.001, 0.03, 0.9]), 0.05).tolist()
    [True, True, False]
    """
    order = np.argsort(log_p, kind="stable")
    passed = log_p[order] <= np.log(level * np.arange(1, len(order) + 1) / max(len(order), 1))
    mask = np.zeros(len(order), dtype=bool)
    if passed.any():
        mask[order[: np.flatnonzero(passed)[-1] + 1]] = True
    return mask
