"""Joint relevance: the dependence of a feature on many others at once.

Law: the statistic is the sum of all squared correlations with the functions of a group, its null the gamma law with
the mean and variance that permuting rows gives that sum. Many weak partners add up where none is significant alone.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from detectors.features.relevance import RankBasis, gamma_log_p

__all__ = ["joint_log_p"]

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

_BLOCK = 2048  # features per block of products: bounds the memory, changes no result


def joint_log_p(basis: RankBasis, group: Mask) -> Floats:
    """Test every feature against all features of a group at once (sum over partners).

    The sum is a quadratic form in the functions of the feature; its mean and variance under permutation of rows
    follow from the matrix of the group. A group of more functions than rows is looked at through the rows: the cost
    then is O(n_features n_rows^2), whatever the size of the group.

    Parameters
    ----------
    basis : RankBasis
    group : ndarray of bool of shape (n_features,)
        The partners; a feature of the group is tested against the others of it.

    Returns
    -------
    ndarray of shape (n_features,)
        Logarithms of p-values; 0 where there is nothing to test against.

    References
    ----------
    .. [1] Kazi-Aoual, Hitier, Sabatier, Lebreton: Refined approximations to permutation tests for multivariate
       inference. Computational Statistics & Data Analysis 20(6), 1995, section 3.
    .. [2] Gretton et al.: A kernel statistical test of independence. NeurIPS 2007, section 3 (the gamma law).

    Examples
    --------
    >>> from detectors.features.relevance import rank_basis
    >>> rng = np.random.default_rng(0)
    >>> x = np.hstack([0.7 * rng.normal(size=(100, 1)) + rng.normal(size=(100, 80)), rng.normal(size=(100, 80))])
    >>> found = joint_log_p(rank_basis(x), np.ones(160, dtype=bool)) < np.log(0.001)
    >>> int(found[:80].sum()), int(found[80:].sum())
    (80, 0)
    """
    n_functions, n_features, n_rows = basis.functions.shape
    member = basis.active & group
    n_own = member.sum(axis=0)
    n_others = int(n_own.sum()) - n_own
    look = _through_rows if int(n_own.sum()) > n_rows else _through_members
    forms, inner, diagonal = look(basis, member, n_own)
    total, mean, variance = np.zeros(n_features), np.zeros(n_features), np.zeros(n_features)
    for f in range(n_functions):
        total += np.where(basis.active[f], (n_rows - 1) * (forms[f] - member[f]), 0.0)
        spread = 2.0 * (inner - n_others**2 / n_rows)
        spread += basis.kurtosis[f] * (diagonal - n_others**2 / n_rows)
        mean += np.where(basis.active[f], n_others, 0.0)
        variance += np.where(basis.active[f], np.maximum(spread, 0.5 * inner), 0.0)
    return gamma_log_p(np.maximum(total, 0.0), mean, variance)


def _through_members(basis: RankBasis, member: Mask, n_own: NDArray[np.int64]) -> tuple[Floats, Floats, float]:
    """Sums of squared correlations with the members (n_functions, n_features), and what their null needs.

    The functions of a feature are orthonormal: its own part of a sum is 1, that of the squared inner products of the
    others, `inner` (n_features,), is twice its sums less their number. `diagonal` is the sum of squared leverages.
    """
    members = basis.functions[np.nonzero(member)]
    gram = (members @ members.T).astype(np.float64)
    leverage = np.einsum("ij,ij->j", members, members).astype(np.float64)
    forms = np.zeros(basis.active.shape)
    for f in range(len(forms)):
        forms[f] = ((members @ basis.functions[f].T).astype(np.float64) ** 2).sum(axis=0)
    return forms, _inner(float((gram**2).sum()), forms, member, n_own), float(leverage @ leverage)


def _through_rows(basis: RankBasis, member: Mask, n_own: NDArray[np.int64]) -> tuple[Floats, Floats, float]:
    """The same as `_through_members`, through the matrix (n_rows, n_rows) of the members' rows."""
    n_functions, n_features, n_rows = basis.functions.shape
    kernel = np.zeros((n_rows, n_rows), dtype=np.float32)
    blocks = [slice(first, first + _BLOCK) for first in range(0, n_features, _BLOCK)]
    for f in range(n_functions):
        for block in blocks:
            members = basis.functions[f, block][member[f, block]]
            kernel += members.T @ members
    leverage = kernel.diagonal().astype(np.float64)
    forms = np.zeros(basis.active.shape)
    for f in range(n_functions):
        for block in blocks:
            functions = basis.functions[f, block]
            forms[f, block] = np.einsum("ij,ij->i", functions @ kernel, functions)
    whole = float((kernel.astype(np.float64) ** 2).sum())
    return forms, _inner(whole, forms, member, n_own), float(leverage @ leverage)


def _inner(whole: float, forms: Floats, member: Mask, n_own: NDArray[np.int64]) -> Floats:
    """Sum of squared inner products (n_features,) of all members but those of the feature itself."""
    return np.asarray(whole - 2.0 * np.where(member, forms, 0.0).sum(axis=0) + n_own)
