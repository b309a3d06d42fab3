"""Business days as a unit of time: five days a week that occur, and two days in a row that never do."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

__all__ = ["business_week"]

Integers = NDArray[np.int64]

_DAY = 86_400 * 10**9  # nanoseconds
_FEWEST_WEEKS = 3  # seen, before weekends that are missing are no gaps
_LEAST_COVERAGE = 0.6  # of the business days in the span


def business_week(wall: Integers, index: Any) -> str:
    """Return the business days (``"1111100"``: Monday to Friday) of daily timestamps; empty for any other series.

    Parameters
    ----------
    wall : ndarray of shape (n_timepoints,)
        Timestamps by the clock on the wall, in nanoseconds.
    index : pandas.Index
        The times as they were given; a frequency of business days there (``"B"``) decides at once.
    """
    days = wall.astype("datetime64[ns]").astype("datetime64[D]")
    differences = np.diff(days).astype(np.int64)
    if differences.size < 2 or differences.min() < 1 or np.median(differences) != 1:
        return ""
    weekday = (days.astype(np.int64) + 3) % 7  # 1970-01-01 was a Thursday
    seen = np.bincount(weekday, minlength=7)
    declared = getattr(index, "freq", None)
    if isinstance(declared, pd.offsets.BusinessDay | pd.offsets.CustomBusinessDay):
        mask = getattr(declared, "weekmask", None) or "1111100"
        name = "".join(str(int(day)) for day in np.busdaycalendar(weekmask=mask).weekmask)
        return name if name.count("1") == 5 else ""
    missing = np.flatnonzero(seen == 0)
    if missing.size != 2 or (missing[1] - missing[0]) % 7 not in (1, 6):
        return ""
    n_weeks = (int(days[-1].astype(np.int64)) - int(days[0].astype(np.int64)) + 1) / 7.0
    if n_weeks < _FEWEST_WEEKS or days.size < _LEAST_COVERAGE * 5.0 * n_weeks:
        return ""
    return "".join("0" if day in missing else "1" for day in range(7))
