"""Comb of a period in a whitened periodogram: its harmonics' ordinates, summed, and their exact tail probability."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from detectors.kernels.compilation import njit

__all__ = ["comb_scores", "log_gamma_tail"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@njit(cache=True)
def log_gamma_tail(n_terms: int, total: float) -> float:
    """Return log P(sum of `n_terms` unit exponentials > `total`), accurate where the probability underflows."""
    if total <= 0.0:
        return 0.0
    top = min(n_terms - 1, int(total))
    series = 0.0
    term = 1.0
    for j in range(top, -1, -1):
        series += term
        term *= j / total
        if term < 1e-17:
            break
    term = 1.0
    for j in range(top + 1, n_terms):
        term *= total / j
        series += term
        if term < 1e-17:
            break
    return min(0.0, top * math.log(total) - math.lgamma(top + 1.0) - total + math.log(series))


@njit(cache=True)
def comb_scores(
    white: Floats, n_transform: int, period_min: int, period_max: int, n_harmonics_max: int
) -> tuple[Floats, Integers]:
    """Score every integer period by the harmonics it puts into a whitened periodogram.

    white (n_transform // 2 + 1,): ordinates of a padded transform of length `n_transform`, mean 1 in noise. For every
    period the first 1, 2, 3, 4, 6, 9, 13, ... harmonics are summed; the score is the largest -log p of these sums.
    Returns scores and numbers of harmonics, both (period_max - period_min + 1,).
    """
    n_periods = max(0, period_max - period_min + 1)
    scores = np.zeros(n_periods)
    harmonics = np.zeros(n_periods, np.int64)
    for i in range(n_periods):
        period = period_min + i
        last = min(period // 2, n_harmonics_max)
        total = 0.0
        due = 1
        for k in range(1, last + 1):
            ordinate = white[min(int(k * n_transform / period + 0.5), white.size - 1)]
            if 2 * k == period:  # the Nyquist ordinate has one degree of freedom, not two
                ordinate *= 0.5
            total += ordinate
            if k in (due, last):
                score = -log_gamma_tail(k, total)
                if score > scores[i]:
                    scores[i] = score
                    harmonics[i] = k
                if k == due:
                    due += max(1, due // 2) if due >= 4 else 1
    return scores, harmonics
