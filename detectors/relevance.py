"""Relevance criteria: tables in, statistics and p-values out, no decisions.

Law: every statistic is compared with a null that has been seen, made by permuting the very columns under test; no
labels, no distributional assumption. Statistics are larger for stronger dependence.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri
from scipy.stats import rankdata

__all__ = ["Dependence", "dependence", "false_discovery_mask", "score_basis"]

Floats = NDArray[np.float64]
Single = NDArray[np.float32]
Mask = NDArray[np.bool_]

_NULL_DRAWS = 1000  # least number of permuted maxima behind the pooled null
_TIE_SHARE = 1e-6  # a basis vector that keeps less of its square after orthogonalisation is a multiple of the others


@dataclass(frozen=True)
class Dependence:
    """How strongly each feature depends on its strongest partner.

    Parameters
    ----------
    statistic : ndarray of shape (n_features,)
        Largest pair statistic in standard deviations of its null.
    p_value : ndarray of shape (n_features,)
        Share of permuted maxima at least as large.
    partner : ndarray of int of shape (n_features,)
        The feature with which the largest statistic was reached.
    pairs : ndarray of shape (n_features, n_features)
        Standardised pair statistics, 0 on the diagonal.
    """

    statistic: Floats
    p_value: Floats
    partner: NDArray[np.intp]
    pairs: Single


def score_basis(X: Floats) -> tuple[Single, NDArray[np.intp]]:
    """Orthonormal rank functions of every column: level, spread; less for columns with few values.

    Parameters
    ----------
    X : ndarray of shape (n_rows, n_features)
        Finite values; ties share their mean rank.

    Returns
    -------
    basis : float32 ndarray of shape (n_rows, n_functions * n_features)
        Function f of feature j stands in column ``f * n_features + j``; columns are centred, of norm 1, or all 0.
    sizes : ndarray of int of shape (n_features,)
        Number of non-zero functions.
    """
    n_rows = len(X)
    u = (rankdata(X, axis=0) - 0.5) / n_rows
    level = _unit(u - 0.5)
    normal = ndtri(u)
    spread = normal**2
    spread -= spread.mean(axis=0)
    before = np.einsum("ij,ij->j", spread, spread)
    spread -= level * np.einsum("ij,ij->j", level, spread)
    after = np.einsum("ij,ij->j", spread, spread)
    spread = np.where(after > _TIE_SHARE * np.maximum(before, 1e-300), _unit(spread), 0.0)
    basis = np.hstack([level, spread]).astype(np.float32)
    sizes = (np.abs(level).max(axis=0) > 0).astype(np.intp) + (np.abs(spread).max(axis=0) > 0)
    return basis, sizes


def _unit(columns: Floats) -> Floats:
    """Columns (n_rows, n_columns) scaled to norm 1; zero columns stay."""
    norm = np.sqrt(np.einsum("ij,ij->j", columns, columns))
    return np.divide(columns, norm, out=np.zeros_like(columns), where=norm > 1e-12)


def _pair_statistics(left: Single, right: Single, sizes: NDArray[np.intp], n_rows: int) -> Single:
    """Standardised sums of squared correlations (n_features, n_features) of two bases of the same features."""
    n_features = len(sizes)
    n_functions = left.shape[1] // n_features
    squares = np.zeros((n_features, n_features), dtype=np.float32)
    for a in range(n_functions):
        rows = left[:, a * n_features : (a + 1) * n_features].T
        product = rows @ right
        product *= product
        squares += product.reshape(n_features, n_functions, n_features).sum(axis=1)
    degrees = np.maximum(np.outer(sizes, sizes), 1).astype(np.float32)
    return ((n_rows - 1) * squares - degrees) / np.sqrt(2.0 * degrees)


def dependence(X: Floats, rng: np.random.Generator) -> Dependence:
    """Test every feature for dependence on any other one against permuted copies.

    Parameters
    ----------
    X : ndarray of shape (n_rows, n_features)
        Finite values, no constant column.
    rng : numpy Generator
        Draws the permutations.

    Returns
    -------
    Dependence
    """
    n_rows, n_features = X.shape
    basis, sizes = score_basis(X)
    pairs = _pair_statistics(basis, basis, sizes, n_rows)
    np.fill_diagonal(pairs, -np.inf)
    partner = pairs.argmax(axis=1)
    statistic = pairs.max(axis=1).astype(np.float64)
    null = []
    for _ in range(max(1, -(-_NULL_DRAWS // n_features))):
        order = rng.permuted(np.tile(np.arange(n_rows, dtype=np.int32), (n_features, 1)), axis=1).T
        shuffled = np.hstack(
            [np.take_along_axis(part, order, axis=0) for part in np.split(basis, basis.shape[1] // n_features, axis=1)]
        )
        decoys = _pair_statistics(shuffled, basis, sizes, n_rows)
        np.fill_diagonal(decoys, -np.inf)
        null.append(decoys.max(axis=1))
    pooled = np.sort(np.concatenate(null))
    above = len(pooled) - np.searchsorted(pooled, statistic, side="left")
    np.fill_diagonal(pairs, 0.0)
    return Dependence(statistic, (1.0 + above) / (1.0 + len(pooled)), partner, pairs)


def false_discovery_mask(p_value: Floats, level: float) -> Mask:
    """Mask (n_tests,) of the discoveries at a false discovery rate.

    Parameters
    ----------
    p_value : ndarray of shape (n_tests,)
    level : float in (0, 1)

    Returns
    -------
    ndarray of bool of shape (n_tests,)

    References
    ----------
    .. [1] Benjamini, Hochberg: Controlling the false discovery rate. JRSS B 57(1), 1995, section 3.1.

    Examples
    --------
    >>> false_discovery_mask(np.array([0.001, 0.03, 0.9]), 0.05).tolist()
    [True, True, False]
    """
    order = np.argsort(p_value, kind="stable")
    passed = p_value[order] <= level * np.arange(1, len(order) + 1) / len(order)
    mask = np.zeros(len(order), dtype=bool)
    if passed.any():
        mask[order[: np.flatnonzero(passed)[-1] + 1]] = True
    return mask
