"""Level shifts: lasting steps of a series, found on what is left when season and smooth trend are gone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

__all__ = ["LevelShift"]


@dataclass(frozen=True)
class LevelShift:
    """One lasting step.

    Attributes
    ----------
    position : int
        Row of the first point on the new level.
    time : object
        The time of that row: a stamp, an integer, or the row number.
    size : float
        New level minus old level, in the units of the series.
    statistic : float
        Evidence, in units of its own standard error.
    p_value : float
        Probability of a statistic that large anywhere in a series without shifts.
    """

    position: int
    time: Any
    size: float
    statistic: float
    p_value: float
