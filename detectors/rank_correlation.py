"""Fidelity: how alike two scores rank the same rows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

__all__ = ["rank_correlation"]

Floats = NDArray[np.float64]


def rank_correlation(a: Floats, b: Floats) -> float:
    """Spearman's coefficient of two vectors (n_rows,); 1 if both are constant, 0 if one is."""
    x, y = (rankdata(v) - 0.5 * (len(v) + 1) for v in (a, b))
    scale = float(np.sqrt((x @ x) * (y @ y)))
    if scale == 0.0:
        return 1.0 if not x.any() and not y.any() else 0.0
    return float(x @ y) / scale
