"""Causal calibration: how rare is this evidence among what came before?

A histogram of evidence in logarithmic bins forgets on a stated horizon; the tail beyond its last decided bin follows
a power law whose exponent is Hill's estimate, so a new extreme gets a p-value below the reciprocal of the count
(Hill, 1975, "A simple general approach to inference about the tail of a distribution", Annals of Statistics 3(5)).
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = ["HISTOGRAM_SIZE", "add_count", "tail_probability"]

Floats = NDArray[np.float64]

N_BINS = 120
PER_OCTAVE = 6.0
LOWEST = -6.0  # log2 of the lower edge of bin 1; bin 0 takes what is below
H_TOTAL = N_BINS
HISTOGRAM_SIZE = N_BINS + 1
_TAIL_SHARE = 0.05
_P_MIN = 1e-12


@njit(cache=True, error_model="numpy")
def _position(evidence: float) -> float:
    """Return the place of evidence > 0 on the axis of bins, as a real number in [0, N_BINS)."""
    if not evidence > 2.0**LOWEST:
        return 0.5
    return min((math.log2(evidence) - LOWEST) * PER_OCTAVE + 1.0, N_BINS - 1e-9)


@njit(cache=True, error_model="numpy")
def tail_probability(histogram: Floats, evidence: float) -> float:
    """Return the share of earlier evidence that is at least as large; never 0; `histogram` (HISTOGRAM_SIZE,)."""
    total = histogram[H_TOTAL]
    place = _position(evidence)
    bin_ = int(place)
    above = 0.0
    inside = histogram[bin_]
    top = N_BINS - 1
    while top > bin_ and histogram[top] == 0.0:
        top -= 1
    for k in range(bin_ + 1, top + 1):
        above += histogram[k]
    share = above + inside * (bin_ + 1.0 - place)
    p = (share + 0.5) / (total + 1.0)
    if share > 2.0 or total < 20.0:
        return min(max(p, _P_MIN), 1.0)
    # beyond what was seen often: Hill's exponent over the highest 5 %
    wanted = max(_TAIL_SHARE * total, 10.0)
    held, weighted, k = 0.0, 0.0, N_BINS - 1
    while k > 0:
        held += histogram[k]
        weighted += histogram[k] * (k + 0.5)
        if held >= wanted:
            break
        k -= 1
    excess = max((weighted - held * k) / PER_OCTAVE * math.log(2.0), 1e-3 * held + 1e-9)  # sum of log(x / threshold)
    exponent = min(held / excess, 12.0)
    distance = max(place - k, 0.0) / PER_OCTAVE * math.log(2.0)
    tail = (held + 0.5) / (total + 1.0) * math.exp(-exponent * distance)
    return min(max(min(p, tail), _P_MIN), 1.0)


@njit(cache=True, error_model="numpy")
def add_count(histogram: Floats, evidence: float, horizon: float) -> None:
    """Count evidence; beyond `horizon` counts everything is halved, so the past fades."""
    histogram[int(_position(evidence))] += 1.0
    histogram[H_TOTAL] += 1.0
    if histogram[H_TOTAL] >= 2.0 * horizon:
        for k in range(HISTOGRAM_SIZE):
            histogram[k] *= 0.5
