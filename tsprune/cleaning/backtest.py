"""Backtest of the changes: what a row holds must help to foresee the row one season later.

Law: a kind of change stays only while the new values forecast no worse than the old ones did, inside the series
itself. Only rows that nobody doubts are forecast, so the changes are never their own witnesses.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom

__all__ = ["Backtest", "backtest"]

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

_LEVEL = 0.05  # probability of withdrawing a kind whose new values forecast as well as the old ones


@dataclass(frozen=True)
class Backtest:
    """How often the new values of one kind of change forecast better, and worse, than the old ones."""

    better: int
    worse: int

    @property
    def p_value(self) -> float:
        """Probability of so many worse ones if both were as likely (one-sided sign test)."""
        return float(binom.sf(self.worse - 1, self.better + self.worse, 0.5))

    @property
    def is_harmful(self) -> bool:
        """True if the old values forecast better, beyond chance."""
        return self.worse > 0 and self.p_value <= _LEVEL


def backtest(old: Floats, new: Floats, spans: Iterable[tuple[int, int]], sound: Mask, lag: int) -> Backtest:
    """Compare the seasonal naive forecasts from old and new values.

    Parameters
    ----------
    old, new : ndarray of shape (n_timepoints,)
        The series before and after, in its units.
    spans : iterable of (start, stop)
        The rows of each change of the kind; a change is one case, however many rows it has.
    sound : ndarray of bool of shape (n_timepoints,)
        Rows that were given and stay as they were: the only ones that are forecast.
    lag : int >= 1
        Rows ahead: the season, or 1.

    Returns
    -------
    Backtest

    References
    ----------
    Tashman, "Out-of-sample tests of forecasting accuracy", Int. J. Forecasting 16(4), 2000, section 3 (rolling origin).

    Examples
    --------
    >>> old = np.array([1.0, 9.0, 1.2, 0.9, 1.1])
    >>> new = np.array([1.0, 1.1, 1.2, 0.9, 1.1])
    >>> backtest(old, new, [(1, 2)], old == new, 1)
    Backtest(better=1, worse=0)
    """
    better, worse = 0, 0
    for start, stop in spans:
        rows = np.arange(start, min(stop, old.size - lag))
        rows = rows[sound[rows + lag] & ~np.isnan(old[rows])]
        then = old[rows + lag]
        gain = float((np.abs(then - old[rows]) - np.abs(then - new[rows])).sum())
        better += gain > 0.0
        worse += gain < 0.0
    return Backtest(better, worse)
