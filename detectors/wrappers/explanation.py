"""Explanation: each row's abnormality, shared out over the features.

Law: shares are non-negative, sum to 1 in a row, and a feature the score does not depend on gets 0.
Scores have scikit-learn's sign: lower = more abnormal.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from detectors.tables import dense, is_sparse

__all__ = ["occlusion_shares", "shares"]

Floats = NDArray[np.float64]


def shares(contributions: Floats) -> Floats:
    """Scale non-negative contributions (n_rows, n_features) to sum 1 by row; rows without any stay 0.

    Parameters
    ----------
    contributions : ndarray of shape (n_rows, n_features)
        Any scale; what is negative or NaN counts as 0.

    Returns
    -------
    ndarray of shape (n_rows, n_features)

    Examples
    --------
    >>> shares(np.array([[1.0, 3.0], [0.0, 0.0]])).tolist()
    [[0.25, 0.75], [0.0, 0.0]]
    """
    parts = np.maximum(np.nan_to_num(contributions, nan=0.0), 0.0)
    top = parts.max(axis=1, keepdims=True, initial=0.0)
    parts = np.divide(parts, top, out=np.zeros_like(parts), where=top > 0)  # first: sums of huge parts overflow
    total = parts.sum(axis=1, keepdims=True)
    return np.asarray(np.divide(parts, total, out=np.zeros_like(parts), where=total > 0))


def occlusion_shares(score: Callable[[Any], Floats], X: Any, reference: Floats) -> Floats:
    """Contributions of features by putting in and taking out their values.

    For each feature the row is scored twice: with the feature at its reference value (how much does the row gain?)
    and with all others at theirs (how much does the feature alone cost?). The mean of both gains is the first and
    last term of the Shapley value. Rows to which no feature contributes fall back to distances from the reference.

    Parameters
    ----------
    score : callable
        Maps a table (n_rows, n_features) to scores (n_rows,), lower = more abnormal.
    X : ndarray or CSR matrix of shape (n_rows, n_features)
    reference : ndarray of shape (n_features,)
        The usual row.

    Returns
    -------
    ndarray of shape (n_rows, n_features), non-negative, in units of the score

    References
    ----------
    .. [1] Lundberg, Lee: A unified approach to interpreting model predictions. NeurIPS 2017, section 2.4 (the
       Shapley value, of which the first and last terms are taken).

    Examples
    --------
    >>> X = np.array([[3.0, 0.0], [0.0, -4.0]])
    >>> occlusion_shares(lambda Z: -np.abs(Z).sum(axis=1), X, np.zeros(2)).tolist()
    [[3.0, 0.0], [0.0, 4.0]]
    """
    rows = dense(X)
    wrap: Callable[[Floats], Any] = sparse.csr_array if is_sparse(X) else np.asarray
    own = score(X)
    usual = float(score(wrap(reference[None, :]))[0])
    parts = np.zeros(rows.shape)
    without = rows.copy()
    alone = np.tile(reference, (len(rows), 1))
    for feature in range(rows.shape[1]):
        without[:, feature] = reference[feature]
        alone[:, feature] = rows[:, feature]
        gain = np.maximum(score(wrap(without)) - own, 0.0) + np.maximum(usual - score(wrap(alone)), 0.0)
        differs = rows[:, feature] != reference[feature]
        parts[:, feature] = np.where(differs, 0.5 * gain, 0.0)
        without[:, feature] = rows[:, feature]
        alone[:, feature] = reference[feature]
    silent = ~(parts > 0).any(axis=1)
    if silent.any():
        parts[silent] = np.abs(np.nan_to_num(rows[silent] - reference))
    return parts
