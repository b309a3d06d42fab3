"""Finiteness of tables, without a temporary: what a compiled door checks before it trusts its input."""

from __future__ import annotations

from typing import Any

import numpy as np

from detectors.kernels.compilation import njit

__all__ = ["all_finite", "no_infinity"]


@njit(cache=True)
def all_finite(rows: Any) -> Any:
    """True if no value of `rows` (n_rows, n_features) is NaN or infinite."""
    for i in range(rows.shape[0]):
        for j in range(rows.shape[1]):
            if not np.isfinite(rows[i, j]):
                return False
    return True


@njit(cache=True)
def no_infinity(rows: Any) -> Any:
    """True if no value of `rows` (n_rows, n_features) is infinite; NaN may be there."""
    for i in range(rows.shape[0]):
        for j in range(rows.shape[1]):
            if np.isinf(rows[i, j]):
                return False
    return True
