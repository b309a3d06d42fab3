"""Season lengths a cleaner works with: those given, or found, and the week above the day.

Invariant: a period that was found is only dropped for one that contains it and explains more.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tsprune.cleaning.kernels.autoregression import median_of_seen
from tsprune.cleaning.kernels.seasonal_smoothing import left_out_errors
from tsprune.cleaning.model import start_of_season

__all__ = ["choose_periods", "longer_periods", "modelled_periods"]

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

_MIN_CYCLES = 3  # of a period that is given
_SEASON_GAIN = 0.1  # a longer season must take off this share of the typical remainder, out of sample
_CLOSE = 3  # a cycle up to so many times as long contains a shorter one at no loss of cycles
_WEEK = 7  # days: two weeks already show what a week is
_CLIPPED = 8.0  # typical errors: beyond that, one fault would speak louder than a season


def modelled_periods(periods: tuple[int, ...]) -> tuple[int, ...]:
    """Return `periods`, rising, less those that one of them contains at little more length (12 beside 24)."""
    ordered = sorted(set(periods))
    return tuple(p for p in ordered if not any(q > p and q % p == 0 and q <= _CLOSE * p for q in ordered))


def choose_periods(x: Floats, trusted: Mask, given: tuple[int, ...] | None) -> tuple[int, ...]:
    """Return the periods of `x` (n_timepoints,), rising: those `given` and a longer multiple the data show, or found.

    Rows not `trusted` (n_timepoints,) have no say; `given` None = look for them.
    """
    if given is None:
        from tsprune.periods.periods import find_periods

        all_found = sorted(find_periods(np.where(trusted, x, np.nan)).lengths)
        found = tuple(p for p in all_found if x.size // p > _MIN_CYCLES or any(p % q == 0 for q in all_found if q < p))
    else:
        found = tuple(sorted({p for p in given if 1 < p <= x.size // _MIN_CYCLES}))
    modelled = modelled_periods(found)
    if given is not None and len(found) > 1:
        return found
    for base in modelled:
        if any(p % base == 0 and p > _CLOSE * base for p in found):
            continue
        longer = longer_periods(x, trusted, base)
        if longer:
            return tuple(sorted({longer[0], *(p for p in found if p == base or longer[0] % p or base % p == 0)}))
    return found


def longer_periods(x: Floats, trusted: Mask, period: int, most: int = 12) -> tuple[int, ...]:
    """Return the multiple of `period` that predicts the remainder of `x` out of sample; empty if none does.

    A cycle's phase is predicted by the median of the other cycles. The multiple must beat both no prediction and every
    multiple that does not contain it: a gain that all share comes from elsewhere. Two cycles of seven are enough.
    """
    seasonal, trend = start_of_season(x, trusted, (period,))
    rest = np.where(trusted, x - trend - seasonal[:, 0], np.nan)
    size = np.abs(rest)
    typical = median_of_seen(size)
    if not typical > 0.0:
        return ()

    def loss(errors: Floats) -> float:
        return float(np.nanmean(np.minimum(errors, _CLIPPED * typical)))

    losses: dict[int, float] = {}
    for factor in range(2, most + 1):
        if x.size // (factor * period) < (2 if factor == _WEEK else 3):
            continue
        errors = left_out_errors(rest, factor * period)
        known = np.isfinite(errors)
        if known.sum() > 0.5 * trusted.sum():
            losses[factor] = loss(errors[known]) / loss(size[known])
    if not losses:
        return ()
    best = min(losses, key=lambda factor: losses[factor])
    others = [loss for factor, loss in losses.items() if factor % best]
    if losses[best] < (1.0 - _SEASON_GAIN) * min([1.0, *others]):
        return (best * period,)
    return ()
