"""Relations between metrics: what the others do not explain of each one, and the sample that is learnt from.

A row of remainders has two numbers a metric: how far the value is from the running level, and how far from the slow
one, in scales. For each of the two, what the metric is given all others follows from the inverse of their
correlations: the part of it that they leave unexplained, in its own standard deviations, is the product of the row
with a column of that inverse over the root of its diagonal element. Everything is written out in loops, so that no
library's choice of threads or instructions changes a bit.

References
----------
Lauritzen, "Graphical Models", 1996, section 5.1.3: partial residuals from the concentration matrix.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from detectors.kernels.compilation import njit
from detectors.kernels.median import median

__all__ = ["halve_sample", "keep_row", "learn_relations", "unexplained", "unexplained_rows"]

Floats = NDArray[np.float64]
Narrow = NDArray[np.float32]
Integers = NDArray[np.int64]

CENTRE, SPREAD, WEIGHTS = 0, 1, 2  # columns of `relations`
_MOST_REMAINDER = 20.0  # scales that a sampled remainder may have
_MOST_DEVIATION = 8.0  # standard deviations that count
_RIDGE = 0.05  # of the variance of every metric is its own: copies of each other stay invertible


@njit(cache=True, error_model="numpy")
def keep_row(sample: Narrow, recent: Floats, count: int) -> None:
    """Write the remainders of a row (2 * n_metrics,) into the sample as row `count`."""
    for j in range(recent.shape[0]):
        sample[count, j] = min(max(recent[j], -_MOST_REMAINDER), _MOST_REMAINDER)


@njit(cache=True, error_model="numpy")
def halve_sample(sample: Narrow, every_other: bool) -> None:
    """Keep every other row of a full sample, or its newer half, in the first half of the places."""
    half = sample.shape[0] // 2
    for i in range(half):
        source = 2 * i + 1 if every_other else half + i
        for j in range(sample.shape[1]):
            sample[i, j] = sample[source, j]


@njit(cache=True, error_model="numpy")
def _invert(matrix: Floats) -> None:
    """Replace a symmetric positive definite matrix by its inverse, by Gauss-Jordan elimination."""
    n = matrix.shape[0]
    for k in range(n):
        pivot = 1.0 / matrix[k, k]
        matrix[k, k] = 1.0
        for j in range(n):
            matrix[k, j] *= pivot
        for i in range(n):
            if i != k:
                factor = matrix[i, k]
                matrix[i, k] = 0.0
                for j in range(n):
                    matrix[i, j] -= factor * matrix[k, j]


@njit(cache=True, error_model="numpy")
def _standardized(value: float, centre: float, spread: float) -> float:
    """Return a remainder in standard deviations, limited; a missing one is where it is expected."""
    if math.isnan(value):
        return 0.0
    return min(max((value - centre) / spread, -_MOST_DEVIATION), _MOST_DEVIATION)


@njit(cache=True, error_model="numpy")
def learn_relations(sample: Narrow) -> Floats:
    """Return centres, spreads and weights (2 * n_metrics, n_metrics + 2) from a sample (n_rows, 2 * n_metrics)."""
    n_rows, n_features = sample.shape
    n_metrics = n_features // 2
    relations = np.zeros((n_features, n_metrics + WEIGHTS))
    for j in range(n_features):
        column = np.empty(n_rows)
        n, mean = 0, 0.0
        for i in range(n_rows):
            value = float(sample[i, j])
            if not math.isnan(value):
                column[n] = value
                mean += value
                n += 1
        relations[j, SPREAD] = 1.0
        if n == 0:
            continue
        mean /= n
        square = 0.0
        for i in range(n):
            square += (column[i] - mean) ** 2
        relations[j, CENTRE] = median(column[:n])
        if square > 0.0:
            relations[j, SPREAD] = math.sqrt(square / n)
    ridge = _RIDGE + n_metrics / n_rows
    for block in range(2):
        first = block * n_metrics
        products = np.zeros((n_metrics, n_metrics))
        row = np.empty(n_metrics)
        for i in range(n_rows):
            for j in range(n_metrics):
                row[j] = _standardized(
                    float(sample[i, first + j]), relations[first + j, CENTRE], relations[first + j, SPREAD]
                )
            for j in range(n_metrics):
                for k in range(n_metrics):
                    products[j, k] += row[j] * row[k]
        for j in range(n_metrics):
            for k in range(n_metrics):
                products[j, k] /= n_rows
            products[j, j] += ridge
        _invert(products)
        for j in range(n_metrics):
            for k in range(n_metrics):
                relations[first + j, WEIGHTS + k] = products[j, k] / math.sqrt(products[k, k])
    return relations


@njit(cache=True, error_model="numpy")
def unexplained(recent: Floats, relations: Floats, out: Floats) -> None:
    """Fill `out` (2 * n_metrics,) with what the other metrics leave unexplained of a row of remainders."""
    n_features = recent.shape[0]
    n_metrics = n_features // 2
    for j in range(n_features):
        out[j] = 0.0
    for j in range(n_features):
        first = 0 if j < n_metrics else n_metrics
        value = _standardized(recent[j], relations[j, CENTRE], relations[j, SPREAD])
        for k in range(n_metrics):
            out[first + k] += value * relations[j, WEIGHTS + k]


@njit(cache=True, error_model="numpy")
def unexplained_rows(sample: Narrow, relations: Floats) -> Floats:
    """Return `unexplained` of every row of a sample (n_rows, 2 * n_metrics)."""
    out = np.empty(sample.shape)
    for i in range(sample.shape[0]):
        unexplained(sample[i].astype(np.float64), relations, out[i])
    return out
