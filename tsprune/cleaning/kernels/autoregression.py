"""Robust autoregression by iterated weighted least squares (Huber & Ronchetti, Robust Statistics, 2009, chapter 7).

The normal equations of a few lags cost one pass over the series; one step of refinement with the residuals gives back
the digits that squaring the condition number took (Golub & Van Loan, Matrix Computations, 2013, section 5.3.8).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from detectors.kernels.compilation import njit
from detectors.kernels.median import median

__all__ = ["median_of_seen", "robust_autoregression"]

Floats = NDArray[np.float64]

_MAD = 1.4826  # makes the median absolute deviation of a normal variable its standard deviation
_BISQUARE = 4.685  # 95 % efficiency at the normal distribution (Huber & Ronchetti, table 6.1)
_RIDGE = 1e-10  # a pivot below this share of its diagonal is none: lags that repeat each other get no coefficient


@njit(cache=True)
def median_of_seen(x: Floats) -> float:
    """Return the median of what is not NaN in `x` (n,), NaN if nothing is."""
    seen = x[~np.isnan(x)]
    return median(seen)


@njit(cache=True)
def _factor(gram: Floats) -> Floats:
    """Return the lower Cholesky factor of `gram` (size, size); columns without a pivot are 0."""
    size = gram.shape[0]
    lower = np.zeros((size, size))
    for j in range(size):
        pivot = gram[j, j]
        for k in range(j):
            pivot -= lower[j, k] * lower[j, k]
        if pivot <= _RIDGE * gram[j, j]:
            continue
        lower[j, j] = np.sqrt(pivot)
        for i in range(j + 1, size):
            total = gram[i, j]
            for k in range(j):
                total -= lower[i, k] * lower[j, k]
            lower[i, j] = total / lower[j, j]
    return lower


@njit(cache=True)
def _solve(lower: Floats, right: Floats) -> Floats:
    """Return the solution (size,) of ``lower @ lower.T @ x = right``; places without a pivot get 0."""
    size = right.shape[0]
    x = right.copy()
    for j in range(size):
        if lower[j, j] <= 0.0:
            x[j] = 0.0
            continue
        for k in range(j):
            x[j] -= lower[j, k] * x[k]
        x[j] /= lower[j, j]
    for j in range(size - 1, -1, -1):
        if lower[j, j] <= 0.0:
            continue
        for k in range(j + 1, size):
            x[j] -= lower[k, j] * x[k]
        x[j] /= lower[j, j]
    return x


@njit(cache=True)
def _errors(a: Floats, order: int, coefficients: Floats) -> Floats:
    """Return what the lags and the constant leave of a[order:] (n_timepoints - order,)."""
    out = np.empty(a.shape[0] - order)
    for t in range(order, a.shape[0]):
        total = a[t] - coefficients[order]
        for k in range(order):
            total -= coefficients[k] * a[t - 1 - k]
        out[t - order] = total
    return out


@njit(cache=True)
def _products(a: Floats, order: int, weights: Floats, target: Floats, gram: Floats, right: Floats) -> None:
    """Fill the weighted products of lags and constant, (order + 1, order + 1), and theirs with `target`."""
    gram[:], right[:] = 0.0, 0.0
    row = np.ones(order + 1)
    for t in range(order, a.shape[0]):
        weight = weights[t - order]
        if weight <= 0.0:
            continue
        for k in range(order):
            row[k] = a[t - 1 - k]
        for i in range(order + 1):
            share = weight * row[i]
            right[i] += share * target[t - order]
            for j in range(i + 1):
                gram[i, j] += share * row[j]


@njit(cache=True)
def robust_autoregression(a: Floats, unit: Floats, order: int, n_iterations: int) -> Floats:
    """Return coefficients (order + 1,) of the lags and the constant of `a` (n_timepoints,) by bisquare weights.

    Errors are measured in `unit` (n_timepoints,), positive: what is usual at their row. It ends early where nothing is
    left to explain.
    """
    n = a.shape[0] - order
    weights = 1.0 / unit[order:] ** 2
    coefficients = np.zeros(order + 1)
    gram, right = np.empty((order + 1, order + 1)), np.empty(order + 1)
    for turn in range(n_iterations):
        _products(a, order, weights, a[order:], gram, right)
        lower = _factor(gram)
        coefficients = _solve(lower, right)
        errors = _errors(a, order, coefficients)
        if turn == n_iterations - 1:
            _products(a, order, weights, errors, gram, right)
            return coefficients + _solve(lower, right)
        size = np.abs(errors) / unit[order:]
        spread = _MAD * median(size)
        if spread <= 0.0:
            break
        for t in range(n):
            away = min(size[t] / (_BISQUARE * spread), 1.0)
            weights[t] = ((1.0 - away * away) / unit[order + t]) ** 2
    return coefficients
