"""Kernels of the dependence tests: squared correlations of rank functions, gathered pair by pair.

A pair statistic is T = (n - 1) * sum of squared correlations over the pairs of functions of two features. Under
permutation of the rows of one of them its mean is the number of function pairs and its variance the sum of
``2 + k_a * k_b / n`` (k = excess kurtosis of a function); a gamma law with those two moments is its null. Between skew
functions a correlation is no symmetric quantity: two rare columns (words, flags), or the extremes of any two columns,
meet in too many rows more easily than in too few. Before it is squared, it is brought to the normal scale as if it were
a Poisson count of the same skewness.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detectors.kernels.compilation import njit

__all__ = ["column_midranks", "gather_pairs", "normal_scale", "normal_scales"]

Floats = NDArray[np.float64]


@njit(cache=True)
def column_midranks(X: Any, order: Any) -> Any:
    """Midranks as (rank - 0.5) / n_present of every row of `X` (n_features, n_rows); NaN stays NaN.

    `order` (n_features, n_rows) sorts every row, NaN last.
    """
    n_features, n_rows = X.shape
    out = np.empty((n_features, n_rows))
    for j in range(n_features):
        n_present = n_rows
        while n_present > 0 and np.isnan(X[j, order[j, n_present - 1]]):
            n_present -= 1
            out[j, order[j, n_present]] = np.nan
        first = 0
        while first < n_present:
            last = first
            value = X[j, order[j, first]]
            while last + 1 < n_present and X[j, order[j, last + 1]] == value:
                last += 1
            middle = (0.5 * (first + last) + 0.5) / n_present
            for position in range(first, last + 1):
                out[j, order[j, position]] = middle
            first = last + 1
    return out


@njit(cache=True)
def normal_scale(z: Any, skewness: Any) -> Any:
    """Normal score of `z` from a law of mean 0, variance 1 and this skewness: the deviance residual of a Poisson count.

    A Poisson law of mean m has the skewness ``m ** -0.5``; `z` stands for the count ``m + z * m ** 0.5``.
    """
    if abs(skewness) < 1e-6:
        return z
    side = 1.0 if skewness > 0.0 else -1.0
    mean = 1.0 / (skewness * skewness)
    count = max(mean + side * z * math.sqrt(mean), 0.0)
    deviance = 2.0 * (mean - count)
    if count > 0.0:
        deviance += 2.0 * count * math.log(count / mean)
    root = math.sqrt(max(deviance, 0.0))
    return side * root if count > mean else -side * root


@njit(cache=True)
def normal_scales(z: Any, skewness: Any) -> Any:
    """`normal_scale` of every entry of `z` (n,) with `skewness` (n,)."""
    out = np.empty(z.shape[0])
    for k in range(z.shape[0]):
        out[k] = normal_scale(z[k], skewness[k])
    return out


@njit(cache=True)
def gather_pairs(
    products: Any, kurtosis: Any, skewness: Any, active: Any, partners: Any, columns: Any, first: int, n_rows: int,
    strong: float,
) -> Any:  # fmt: skip
    """Best partner of each feature of a block, and all strong pairs.

    `products` (n_functions, n_block, n_functions, n_columns) holds correlations of the functions of features
    ``first .. first + n_block - 1`` with those of the features `columns` (n_columns,), ascending; `kurtosis` and
    `skewness` are (n_functions, n_features), `active` and `partners` (n_functions, n_features) tell which functions
    exist and which may be a partner's. Returns best (n_block,) = approximate minus log p, partner (n_block,), and the
    strong pairs as rows (feature, partner) with their approximate minus log p; a pair is strong from `strong` on.
    """
    n_functions, n_block, _, n_columns = products.shape
    root = math.sqrt(n_rows - 1.0)
    best = np.full(n_block, -np.inf)
    partner = np.full(n_block, -1, dtype=np.int64)
    pairs = [(np.int64(0), np.int64(0)) for _ in range(0)]
    values = [0.0 for _ in range(0)]
    for b in range(n_block):
        i = first + b
        for c in range(n_columns):
            j = columns[c]
            if i == j:
                continue
            total = 0.0
            mean = 0.0
            variance = 0.0
            is_skew = False
            for f in range(n_functions):
                if not active[f, i]:
                    continue
                for g in range(n_functions):
                    if not partners[g, j]:
                        continue
                    z = root * float(products[f, b, g, c])
                    excess = kurtosis[f, i] * kurtosis[g, j] / n_rows
                    skew = skewness[f, i] * skewness[g, j] / root
                    if skew != 0.0:  # the residual takes that part of the kurtosis away
                        excess = max(excess - skew * skew, 0.0)
                        is_skew = True
                    total += z * z
                    mean += 1.0
                    variance += max(0.5, 2.0 + excess)
            if mean == 0.0:
                continue
            shape = mean * mean / variance
            if is_skew:
                # at most twice the square: a pair that even then is neither the best nor strong is let go
                if shape >= 1.0 and 2.0 * total * mean / variance < min(best[b], strong):
                    continue
                total = 0.0
                for f in range(n_functions):
                    if not active[f, i]:
                        continue
                    for g in range(n_functions):
                        if partners[g, j]:
                            skew = skewness[f, i] * skewness[g, j] / root
                            z = normal_scale(root * float(products[f, b, g, c]), skew)
                            total += z * z
            x = total * mean / variance
            value = x - (shape - 1.0) * math.log(max(x, 1.0)) + math.lgamma(shape) if x > 1.0 + shape else 0.0
            if value > best[b]:
                best[b] = value
                partner[b] = j
            if value >= strong:
                pairs.append((np.int64(i), np.int64(j)))
                values.append(value)
    edges = np.empty((len(pairs), 2), dtype=np.int64)
    weights = np.empty(len(pairs))
    for position in range(len(pairs)):
        edges[position, 0] = pairs[position][0]
        edges[position, 1] = pairs[position][1]
        weights[position] = values[position]
    return best, partner, edges, weights
