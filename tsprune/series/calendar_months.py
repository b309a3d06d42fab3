"""Months as a unit of time: their lengths differ, so that steps of months are counted and not measured."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

__all__ = ["month_numbers", "months_per_step"]

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]

_SHORTEST_MONTH = 27.9  # days
_DAY = 86_400 * 10**9  # nanoseconds
_TOLERANCE = 0.25  # of a month: the third Friday (15th to 21st), the last working day


def month_numbers(stamps: Integers) -> Floats:
    """Months since the year 0 of timestamps (n,), with the passed share of the month as fraction."""
    when = pd.DatetimeIndex(stamps.astype("datetime64[ns]"))
    days = when.day.to_numpy() - 1 + (when - when.normalize()).to_numpy() / np.timedelta64(1, "D")
    numbers: Floats = 12.0 * when.year.to_numpy() + when.month.to_numpy() + days / when.days_in_month.to_numpy()
    return numbers


def months_per_step(stamps: Integers) -> tuple[int, float]:
    """Return the months a step of timestamps (n,), and where in the month they stand; 0 for another unit.

    Steps are months if every timestamp has the same day and time of the month, or is the last day of one; or if all
    stand at about the same part of their month and no fixed number of days explains them.
    """
    differences = np.diff(stamps)
    if differences.size == 0 or differences.min() < _SHORTEST_MONTH * _DAY:
        return 0, 0.0
    when = pd.DatetimeIndex(stamps.astype("datetime64[ns]"))
    numbers = month_numbers(stamps)
    part = numbers % 1.0
    angle = float(np.angle(np.exp(2j * np.pi * part).mean()) / (2.0 * np.pi))
    around = np.mod(part - angle + 0.5, 1.0) - 0.5
    phase = angle + 0.5 * float(around.max() + around.min())
    is_calendar = bool((when.day == when.day[0]).all() or when.is_month_end.all())
    steps, counts = np.unique(differences, return_counts=True)
    is_fixed = bool((differences % steps[np.argmax(counts)] == 0).all())
    if not is_calendar and (is_fixed or np.ptp(around) > 2.0 * _TOLERANCE):
        return 0, 0.0
    passed = np.rint(numbers - phase).astype(np.int64)
    steps, counts = np.unique(np.diff(passed), return_counts=True)
    return int(steps[np.argmax(counts)]), phase
