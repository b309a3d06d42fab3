"""Timestamps that a file lacks: the positions of its regular grid at which no row stands."""

from __future__ import annotations

import numpy as np
import pandas as pd

from tsprune.exceptions import TimeIndexError
from tsprune.series.time_grid import TimeGrid
from tsprune.series.validation import read_series

__all__ = ["absent_times", "describe_absent"]


def absent_times(index: pd.Index) -> pd.Index:
    """Return the times of the grid between the first and the last row at which no row stands.

    Parameters
    ----------
    index : Index of shape (n_rows,)
        Increasing times.

    Returns
    -------
    Index of shape (n_absent,)
        Empty where the times form no regular grid.
    """
    if len(index) < 3:
        return index[:0]
    try:
        series = read_series(pd.Series(np.zeros(len(index)), index))
        grid = TimeGrid.of(series)
        positions = grid.positions(series)
    except TimeIndexError:
        return index[:0]
    absent = np.setdiff1d(np.arange(int(positions[-1]) + 1), positions)
    times = grid.times(absent).rename(index.name)
    if isinstance(index, pd.DatetimeIndex) and isinstance(times, pd.DatetimeIndex) and index.tz is not None:
        times = (times.tz_localize("UTC") if times.tz is None else times).tz_convert(index.tz)
    return times[~times.isin(index)]  # an hour that the clock skips is no row that is missing


def describe_absent(absent: pd.Index, index: pd.Index) -> str:
    """Say how many times are absent, and where the longest run of them lies."""
    together = index.union(absent)
    place = together.get_indexer(absent)
    runs = np.split(np.arange(len(absent)), np.flatnonzero(np.diff(place) > 1) + 1)
    longest = max(runs, key=len)
    span = f"{absent[longest[0]]}" + (f" to {absent[longest[-1]]}" if len(longest) > 1 else "")
    where = f"the longest stretch: {span}" if len(runs) > 1 else span
    return f"{len(absent)} timestamp{'s are' if len(absent) > 1 else ' is'} absent ({where})"
