"""Rows that are not there: a network is asked about them too, for it has to rank rows unlike those of training."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["made_up"]

Floats = NDArray[np.float64]

_LEAST, _MOST = 0.02, 0.5  # share of the features of a row that are changed
_NEAR, _FAR = 1.0, 8.0  # standard deviations a value is moved by


def made_up(rows: Floats, rng: np.random.RandomState) -> Floats:
    """Change some features of standardised rows: half of the rows borrow values, half have theirs moved.

    Parameters
    ----------
    rows : ndarray of shape (n_rows, n_features)
    rng : RandomState

    Returns
    -------
    ndarray of shape (n_rows, n_features)

    Examples
    --------
    >>> rows = np.zeros((4, 3))
    >>> bool((np.abs(made_up(rows, np.random.RandomState(0))) <= 8.0).all())
    True
    """
    n_rows, n_features = rows.shape
    hit = rng.uniform(size=rows.shape) < rng.uniform(_LEAST, _MOST, size=(n_rows, 1))
    hit[np.arange(n_rows), rng.randint(n_features, size=n_rows)] = True
    borrowed = rows[rng.randint(n_rows, size=n_rows)]
    moved = rows + rng.choice([-1.0, 1.0], size=rows.shape) * rng.uniform(_NEAR, _FAR, size=rows.shape)
    other = np.where(rng.uniform(size=(n_rows, 1)) < 0.5, borrowed, moved)
    return np.asarray(np.where(hit, other, rows))
