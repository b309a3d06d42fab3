"""Slow twins of the background and the comb: the formulas as they stand, in plain Python and numpy."""

import math

import numpy as np


def log_tail(n_terms, total):
    """Log P(sum of unit exponentials > total): the Poisson sum, term by term."""
    if total <= 0:
        return 0.0
    terms = [j * math.log(total) - math.lgamma(j + 1) for j in range(n_terms)]
    top = max(terms)
    return min(0.0, -total + top + math.log(sum(math.exp(t - top) for t in terms)))


def combs(white, n_transform, period_min, period_max, n_harmonics_max):
    """Best -log p and number of harmonics of every period."""
    found = []
    for period in range(period_min, period_max + 1):
        last = min(period // 2, n_harmonics_max)
        ordinates = [white[min(math.floor(k * n_transform / period + 0.5), len(white) - 1)] for k in range(1, last + 1)]
        if 2 * last == period:
            ordinates[-1] *= 0.5
        tried, k = [], 1
        while k < last:
            tried.append(k)
            k += 1 if k < 4 else k // 2
        tried.append(last)
        scores = [(-log_tail(h, sum(ordinates[:h])), -h) for h in tried]
        score, h = max(scores)
        found.append((score, -h) if score > 0 else (0.0, 0))
    return np.array([s for s, _ in found]), np.array([h for _, h in found])


def spectrum(phi, step, noise, frequency):
    """Of an AR(1) level seen through white noise."""
    return step / np.abs(1 - phi * np.exp(-2j * np.pi * frequency)) ** 2 + noise


def exact_innovations(y, phi, step, noise):
    """Prediction errors over their deviations, from the joint normal distribution; no missing values, phi < 1."""
    n = len(y)
    lag = np.abs(np.subtract.outer(np.arange(n), np.arange(n)))
    covariance = step / (1 - phi**2) * phi**lag + noise * np.eye(n)
    return np.linalg.solve(np.linalg.cholesky(covariance), y)
