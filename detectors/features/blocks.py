"""Blocks of dependent features, and the question whether a block carries anomalies of its own.

Law: a block may go only if nothing in it contradicts joint normality. Nobody is an outlier among jointly normal
rows: an outlier detector on such a block ranks by chance. A table of real measurements, whose columns are discrete,
skewed or heavy-tailed, or whose rows scatter unequally, contradicts it at once.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components
from scipy.special import log_ndtr

from detectors.tables import reach

__all__ = ["dependence_blocks", "normality_log_p"]

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]

_LARGEST_A = 13.0  # the p-values of Anderson and Darling's statistic are fitted up to there (p about 1e-30)
_LEAST_LOG_P = 1.2937 - 5.709 * _LARGEST_A + 0.0186 * _LARGEST_A**2
_ROWS_PER_DIRECTION = 10  # principal directions tested: at most one for so many rows
_LEAST_ROWS = 20  # the kurtosis test is not accurate below


def dependence_blocks(edges: NDArray[np.int64], n_features: int) -> Labels:
    """Number the connected components of the graph of dependent features.

    Parameters
    ----------
    edges : ndarray of int of shape (n_edges, 2)
        Pairs of features that depend on each other.
    n_features : int

    Returns
    -------
    ndarray of int of shape (n_features,)
        The block of every feature, numbered by first appearance.

    Examples
    --------
    >>> dependence_blocks(np.array([[0, 2]]), 4).tolist()
    [0, 1, 0, 2]
    """
    ones = np.ones(len(edges), dtype=np.int8)
    graph = csr_array((ones, (edges[:, 0], edges[:, 1])), shape=(n_features, n_features))
    return np.asarray(connected_components(graph, directed=False)[1], dtype=np.int64)


def normality_log_p(X: Floats) -> float:
    """Test a block of columns for joint normality; the smaller, the less normal.

    The smallest p-value, times their number, of: skewness and kurtosis [1]_ [2]_ and Anderson-Darling [3]_ of every
    column and of every well-determined principal direction, and Mardia's kurtosis [4]_ of the rows in the space of
    those directions. A column with many ties is no sample of a normal law at all.

    Parameters
    ----------
    X : ndarray of shape (n_rows, n_features)
        NaN is left out by rows.

    Returns
    -------
    float
        Natural logarithm of the p-value; 0 where there are too few rows to contradict anything.

    References
    ----------
    .. [1] D'Agostino: Transformation to normality of the null distribution of g1. Biometrika 57, 1970.
    .. [2] Anscombe, Glynn: Distribution of the kurtosis statistic b2. Biometrika 70, 1983.
    .. [3] Stephens: EDF statistics for goodness of fit. JASA 69, 1974; p-values as in D'Agostino and Stephens,
       Goodness-of-fit techniques, 1986, table 4.9.
    .. [4] Mardia: Measures of multivariate skewness and kurtosis. Biometrika 57(3), 1970, section 3.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> normal = rng.normal(size=(400, 3)) @ rng.normal(size=(3, 3))
    >>> bool(normality_log_p(normal) > np.log(0.05)), bool(normality_log_p(normal**3) < np.log(1e-6))
    (True, True)
    """
    X = X[np.isfinite(X).all(axis=1)]
    n_rows, n_features = X.shape
    if n_rows < _LEAST_ROWS:
        return 0.0
    ordered = np.sort(X, axis=0)
    if ((ordered[1:] == ordered[:-1]).mean(axis=0) > 0.5).any():
        return -np.inf
    X = X / reach(X)
    centred = X - X.mean(axis=0)
    deviation = centred.std(axis=0)
    standard = centred / np.where(deviation > 0, deviation, 1.0)
    n_directions = max(1, min(n_features, n_rows // _ROWS_PER_DIRECTION))
    values, vectors = np.linalg.eigh(standard.T @ standard / n_rows)
    usable = values[::-1][:n_directions] > 1e-8 * n_features
    scores = (standard @ vectors[:, ::-1][:, :n_directions])[:, usable]
    scores /= scores.std(axis=0)
    columns = np.hstack([standard, scores])
    squares = columns * columns
    logs = [
        _skewness_log_p((squares * columns).mean(axis=0), n_rows),
        _kurtosis_log_p((squares * squares).mean(axis=0), n_rows),
        np.array([_mardia_log_p(scores)]),
    ]
    if min(log_p.min() for log_p in logs) > _LEAST_LOG_P:  # else it could not be the smallest
        logs.append(_anderson_darling_log_p(columns))
    else:
        logs.append(np.zeros(columns.shape[1]))
    every = np.concatenate(logs)
    return float(min(every.min() + np.log(len(every)), 0.0))


def _two_sided(z: Floats) -> Floats:
    """Logarithms of two-sided normal p-values."""
    return np.asarray(np.minimum(np.log(2.0) + log_ndtr(-np.abs(z)), 0.0))


def _skewness_log_p(skewness: Floats, n: int) -> Floats:
    """Logarithms of p-values (n_columns,) of the skewness of `n` normal values, D'Agostino's transformation."""
    y = skewness * np.sqrt((n + 1.0) * (n + 3.0) / (6.0 * (n - 2.0)))
    beta = 3.0 * (n**2 + 27.0 * n - 70.0) * (n + 1.0) * (n + 3.0)
    beta /= (n - 2.0) * (n + 5.0) * (n + 7.0) * (n + 9.0)
    w2 = np.sqrt(2.0 * (beta - 1.0)) - 1.0
    return _two_sided(np.arcsinh(y / np.sqrt(2.0 / (w2 - 1.0))) / np.sqrt(0.5 * np.log(w2)))


def _kurtosis_log_p(kurtosis: Floats, n: int) -> Floats:
    """Logarithms of p-values (n_columns,) of the kurtosis of `n` normal values, Anscombe and Glynn's transformation."""
    expected = 3.0 * (n - 1.0) / (n + 1.0)
    variance = 24.0 * n * (n - 2.0) * (n - 3.0) / ((n + 1.0) ** 2 * (n + 3.0) * (n + 5.0))
    x = (kurtosis - expected) / np.sqrt(variance)
    skew = 6.0 * (n * n - 5.0 * n + 2.0) / ((n + 7.0) * (n + 9.0))
    skew *= np.sqrt(6.0 * (n + 3.0) * (n + 5.0) / (n * (n - 2.0) * (n - 3.0)))
    a = 6.0 + 8.0 / skew * (2.0 / skew + np.sqrt(1.0 + 4.0 / skew**2))
    ratio = (1.0 - 2.0 / a) / (1.0 + x * np.sqrt(2.0 / (a - 4.0)))
    return _two_sided((1.0 - 2.0 / (9.0 * a) - np.cbrt(ratio)) / np.sqrt(2.0 / (9.0 * a)))


def _anderson_darling_log_p(columns: Floats) -> Floats:
    """Logarithms of p-values (n_columns,) of standardised `columns` (n_rows, n_columns)."""
    n_rows = len(columns)
    ordered = np.sort(columns, axis=0)
    lower, upper = log_ndtr(ordered), log_ndtr(-ordered[::-1])
    odd = 2.0 * np.arange(1, n_rows + 1)[:, None] - 1.0
    a = -n_rows - (odd * (lower + upper)).sum(axis=0) / n_rows
    a *= 1.0 + 0.75 / n_rows + 2.25 / n_rows**2
    a = np.minimum(a, _LARGEST_A)
    return np.where(a > 0.6, 1.2937 - 5.709 * a + 0.0186 * a * a, 0.0)


def _mardia_log_p(scores: Floats) -> float:
    """Logarithm of the two-sided p-value of the kurtosis of uncorrelated standardised `scores` (n_rows, k)."""
    n_rows, k = scores.shape
    kurtosis = float(((scores**2).sum(axis=1) ** 2).mean())
    expected = k * (k + 2.0) * (n_rows - 1.0) / (n_rows + 1.0)
    z = (kurtosis - expected) / np.sqrt(8.0 * k * (k + 2.0) / n_rows)
    return float(_two_sided(np.asarray(z)))
