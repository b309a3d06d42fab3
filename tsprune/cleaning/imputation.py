"""Filling gaps: the seasonals stand, the rest is what the autoregression finds most likely, with its uncertainty."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tsprune.cleaning.kernels.gaps import fill_gaps

__all__ = ["interpolate_rows"]

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]


def interpolate_rows(a: Floats, phi: Floats, weights: Floats, rows: Mask) -> tuple[Floats, Floats]:
    """Replace `rows` of `a` by the values that make the weighted innovations least.

    This is the mean of the missing values given all others, as a Kalman smoother finds it (Harvey & Pierse, JASA 79
    (1984) 125-131), for an autoregression with coefficients `phi` (order + 1,).

    Parameters
    ----------
    a : ndarray of shape (n_timepoints,)
        Seasonally adjusted series.
    phi : ndarray of shape (order + 1,)
        ``phi[0] = 1``.
    weights : ndarray of shape (n_timepoints,)
        1 / variance of the innovations.
    rows : Boolean ndarray of shape (n_timepoints,)
        True = to be replaced.

    Returns
    -------
    filled, standard_error : ndarrays of shape (n_timepoints,)
        The standard error is 0 where nothing was replaced.
    """
    filled = a.copy()
    variance = fill_gaps(filled, phi, weights, np.flatnonzero(rows))
    return filled, np.sqrt(np.maximum(variance, 0.0))
