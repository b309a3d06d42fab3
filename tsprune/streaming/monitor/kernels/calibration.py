"""Causal calibration: how rare evidence is among what came before.

Evidence arrives as a place on an axis of bins (a real number in [0, N_BINS)). A histogram counts the places and
forgets on a stated horizon. Where at least ten counts decide, the p-value is their share; beyond, the tail is
exponential in the place, with the mean excess over the highest two per cent as its scale (the Pickands-Balkema-de Haan
theorem with shape 0; for places that are logarithms this is Hill's estimate of a power law), so that a new extreme gets
a p-value below the reciprocal of the count, and a second one is not excused by the first.

A histogram is a vector (HISTOGRAM_SIZE,): the bins, the sums of every BLOCK bins, the total.

References
----------
Hill, "A simple general approach to inference about the tail of a distribution", Annals of Statistics 3(5), 1975.
Siffer, Fouque, Termier, Largouet, "Anomaly detection in streams with extreme value theory", KDD 2017, section 3.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from detectors.kernels.leaf import leaf

__all__ = ["HISTOGRAM_SIZE", "N_BINS", "add_count", "tail_probability"]

Floats = NDArray[np.float64]

N_BINS = 120
BLOCK = 10
N_BLOCKS = N_BINS // BLOCK
TOTAL = N_BINS + N_BLOCKS
HISTOGRAM_SIZE = TOTAL + 1
_TAIL_SHARE = 0.02
_TAIL_COUNT = 10.0  # the tail is fitted to at least so many
_MIN_TOTAL = 60.0  # and only after so many
_P_MIN = 1e-12


@leaf
def tail_probability(histogram: Floats, place: float) -> float:
    """Return the share of earlier evidence at `place` or beyond, in [1e-12, 1]; the evidence itself counts as one."""
    total = histogram[TOTAL]
    bin_ = int(place)
    block = bin_ // BLOCK
    above = 0.0
    for k in range(bin_ + 1, (block + 1) * BLOCK):
        above += histogram[k]
    for k in range(N_BINS + block + 1, TOTAL):
        above += histogram[k]
    share = above + histogram[bin_] * (bin_ + 1.0 - place)
    p: float = (share + 1.0) / (total + 1.0)
    if share >= _TAIL_COUNT or total < _MIN_TOTAL:
        return min(p, 1.0)
    wanted = max(_TAIL_SHARE * total, _TAIL_COUNT)
    held, weighted, k = 0.0, 0.0, N_BINS
    while k > 1 and held < wanted:
        k -= 1
        held += histogram[k]
        weighted += histogram[k] * (k + 0.5)
    excess = max(weighted / max(held, 1.0) - k, 0.5)
    tail: float = held / (total + 1.0) * math.exp(-max(place - k, 0.0) / excess)
    return min(max(tail, _P_MIN), 1.0)


@leaf
def add_count(histogram: Floats, place: float, weight: float, horizon: float) -> None:
    """Count evidence at `place`; beyond two horizons all counts are halved, so the past fades."""
    bin_ = int(place)
    histogram[bin_] += weight
    histogram[N_BINS + bin_ // BLOCK] += weight
    histogram[TOTAL] += weight
    if histogram[TOTAL] >= 2.0 * horizon:
        for k in range(HISTOGRAM_SIZE):
            histogram[k] *= 0.5
