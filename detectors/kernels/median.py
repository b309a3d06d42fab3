"""The median by selection; numba's own costs a second to compile, in every new environment."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from detectors.kernels.compilation import njit

__all__ = ["median"]

Floats = NDArray[np.float64]


@njit(cache=True)
def median(values: Floats) -> float:
    """Return the median of `values` (n_values,); NaN counts as larger than everything, and is that of no values.

    Selection by partition around the middle one of three (Hoare, "Algorithm 65: FIND", CACM 1961).
    """
    n = values.shape[0]
    x = np.empty(n)
    seen, missing = 0, n
    for i in range(n):
        if np.isnan(values[i]):
            missing -= 1
            x[missing] = values[i]
        else:
            x[seen] = values[i]
            seen += 1
    middle = n >> 1
    if middle >= seen:
        return np.nan
    low: Any = np.int64(0)  # not the literal: that would be a variable of another kind
    high = seen - 1
    while low < high:
        quarter = (high - low) >> 2
        a, b, c = x[low + quarter], x[(low + high) >> 1], x[high - quarter]
        pivot = max(min(a, b), min(max(a, b), c))
        i, j = low, high
        while i <= j:
            while x[i] < pivot:
                i += 1
            while pivot < x[j]:
                j -= 1
            if i <= j:
                x[i], x[j] = x[j], x[i]
                i += 1
                j -= 1
        if j < middle:
            low = i
        if middle < i:
            high = j
    if n & 1:
        return float(x[middle])
    below = x[0]
    for i in range(1, middle):
        below = max(below, x[i])
    return float((below + x[middle]) / 2.0)
