"""The tail of ordinary deviations: peaks that a series with heavy tails makes now and then are its own."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["largest_of_tail"]

Floats = NDArray[np.float64]

_BULK, _EDGE = 0.1, 0.01  # shares of the rows beyond the two quantiles that give the tail its index
_NORMAL = 0.4485  # log of the quantile 0.99 over the quantile 0.9, of the sizes of normal values
_ERROR = 1.36  # its standard error times sqrt(n_rows), from the asymptotic covariance of two quantiles
_SURE = 3.0  # standard errors by which a tail is heavier than the normal one
_HEAVIEST = 0.5  # tail index from which the variance is infinite: no tail, but values that came from elsewhere
_FEWEST = 2000  # rows; twenty beyond the quantile 0.99 show the index of a tail within a quarter (Hill 1975)


def largest_of_tail(ordinary: Floats, n_candidates: int) -> float:
    """Return the deviation that a tail with the candidates in it exceeds once in such a record; 0 = no limit.

    `ordinary` (n_ordinary,) are the sizes of the deviations that are no candidates, in standard deviations. The tail
    is a power of the size (Hill, Annals of Statistics 3 (1975) 1163-1174), through the quantiles 0.9 and 0.99 of the
    ordinary deviations, with every candidate beyond them. Where that tail would have no finite variance, the
    candidates are more than it makes: a contamination, for which it sets no limit. Neither do fewer than 2000 rows,
    nor ordinary deviations whose own tail is not clearly heavier than the normal one.
    """
    n = ordinary.size + n_candidates
    if ordinary.size < _FEWEST:
        return 0.0
    low, high = np.quantile(ordinary, (1.0 - _BULK, 1.0 - _EDGE))
    if not low > 0.0 or np.log(high / low) < _NORMAL + _SURE * _ERROR / np.sqrt(ordinary.size):
        return 0.0
    own, share = ordinary.size / n, n_candidates / n
    beyond_low, beyond_high = _BULK * own + share, _EDGE * own + share
    index = float(np.log(high / low) / np.log(beyond_low / beyond_high))
    return float(high * (n * beyond_high) ** index) if index < _HEAVIEST else 0.0
