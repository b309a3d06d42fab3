"""Times of a series: timestamps, durations or integers in any of the forms people keep them in; strictly increasing.

Timestamps become nanoseconds since the epoch in UTC (naive ones count as UTC). Text, `datetime.date`, pandas periods,
Arrow dates and integers of the form YYYYMMDD are read as the times they are. What is no time, or could be two, is an
error that says where: rows are never counted instead.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import Any, Literal, Self

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tsprune.exceptions import TimeIndexError
from tsprune.series.text_times import dates_of_integers, parse_times

__all__ = ["Timeline", "read_time", "read_timeline", "times_of_column"]

Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Timeline:
    """The times of the rows of a series.

    Attributes
    ----------
    ticks : ndarray of shape (n_timepoints,)
        int64, strictly increasing: nanoseconds since the epoch in UTC, nanoseconds of durations, or integers.
    kind : {"timestamps", "durations", "integers"}
    index : pandas.Index of shape (n_timepoints,)
        The times as they were given.
    zone : tzinfo or None
        Of zone-aware timestamps.
    are_periods : bool
        Whether each time stands for a span (a pandas period); `ticks` are the beginnings of the spans.
    """

    ticks: Integers
    kind: Literal["timestamps", "durations", "integers"]
    index: pd.Index
    zone: datetime.tzinfo | None = None
    are_periods: bool = False

    def followed_by(self, later: Self) -> Self:
        """Return these times and later ones, in the zone of these."""
        index = later.index
        if isinstance(index, pd.DatetimeIndex) and isinstance(self.index, pd.DatetimeIndex):
            if self.zone is not None:
                index = (index if index.tz is not None else index.tz_localize("UTC")).tz_convert(self.zone)
            elif index.tz is not None:
                index = index.tz_convert("UTC").tz_localize(None)
        if isinstance(index, pd.DatetimeIndex) and isinstance(self.index, pd.PeriodIndex):
            index = index.to_period(self.index.freqstr)
        joined = self.index.append(index)
        return type(self)(np.r_[self.ticks, later.ticks], self.kind, joined, self.zone, self.are_periods)


def read_timeline(time: Any, n_timepoints: int, *, where: str = "time") -> Timeline:
    """Read the times of `n_timepoints` rows.

    Parameters
    ----------
    time : array-like, pandas or polars Series, or pandas Index of shape (n_timepoints,)
        Timestamps, dates, durations, periods, integers, or text in one notation.
    n_timepoints : int
    where : str, default="time"
        What the messages call the times.

    Returns
    -------
    Timeline

    Raises
    ------
    TimeIndexError
        If times are missing, unsorted, duplicated, of mixed zones, ambiguous, or no times at all.
    """
    given = _as_index(time, where)
    if len(given) != n_timepoints:
        raise TimeIndexError(f"{where} must have one entry per row ({n_timepoints}), got {len(given)}.")
    are_periods = isinstance(given, pd.PeriodIndex)
    index = times_of_column(given, where=where)
    zone = None
    if isinstance(index, pd.DatetimeIndex):
        zone, kind = index.tz, "timestamps"
        ticks = _nanoseconds(index.tz_convert("UTC").tz_localize(None) if zone is not None else index, where)
    elif isinstance(index, pd.TimedeltaIndex):
        kind, ticks = "durations", index.as_unit("ns").asi8
    else:
        kind, ticks = "integers", index.to_numpy(dtype=np.int64)
    _refuse_unsorted(ticks, index, where)
    labels = given if isinstance(time, pd.Index) else index
    return Timeline(np.asarray(ticks, dtype=np.int64), kind, labels, zone, are_periods)  # type: ignore[arg-type]


def read_time(time: Any, n_timepoints: int, *, where: str = "time") -> tuple[Integers, bool]:
    """Return times as int64 (n_timepoints,) and whether they are timestamps or durations; see `read_timeline`."""
    timeline = read_timeline(time, n_timepoints, where=where)
    return timeline.ticks, timeline.kind != "integers"


def times_of_column(
    times: Any,
    *,
    day_first: bool | None = None,
    zone: str | None = None,
    mixed_zones: Literal["refuse", "utc"] = "refuse",
    where: str = "time",
) -> pd.Index:
    """Return what a column of times holds, in the order given: sorting and duplicates are the caller's.

    Parameters
    ----------
    times : array-like, pandas or polars Series, or pandas Index of shape (n_timepoints,)
    day_first, zone : optional
        For text, as in `parse_times`.
    mixed_zones : {"refuse", "utc"}, default="refuse"
        What becomes of timestamps of several zones: an error, or instants in UTC.
    where : str, default="time"
        What the messages call the column.

    Returns
    -------
    DatetimeIndex, TimedeltaIndex or Index of int, of shape (n_timepoints,)
        Integers only where the column holds integers that are no dates YYYYMMDD.

    Raises
    ------
    TimeIndexError
        Times that are missing, ambiguous, of several zones, or no times at all.
    """
    index = _as_index(times, where)
    if index.hasnans:
        row = int(np.flatnonzero(np.asarray(index.isna()))[0])
        raise TimeIndexError(
            f"{where} must not be missing, got a missing timestamp at row {row}; drop that row or date it."
        )
    if isinstance(index, pd.PeriodIndex):
        return index.to_timestamp()
    if isinstance(index, pd.CategoricalIndex):
        index = pd.Index(index.astype(index.categories.dtype))
    if index.dtype == object or isinstance(index.dtype, pd.StringDtype):
        index = _times_of_objects(index, day_first, zone, mixed_zones, where)
    elif isinstance(index.dtype, pd.ArrowDtype):
        index = _times_of_arrow(index, day_first, zone, where)
    if pd.api.types.is_integer_dtype(index.dtype):
        dates = dates_of_integers(index)
        return index if dates is None else dates
    if not isinstance(index, pd.DatetimeIndex | pd.TimedeltaIndex):
        raise TimeIndexError(
            f"{where} must hold timestamps or integers, got dtype {index.dtype}: {list(index[:2])}; pass dates or row "
            "numbers (numbers of seconds: pandas.to_datetime(..., unit='s')), or reset the index to count rows."
        )
    return index


def _as_index(time: Any, where: str) -> pd.Index:
    """Return times in any container as a pandas index."""
    if isinstance(time, pd.Index):
        return time
    if isinstance(time, pd.Series):
        of_series: pd.Index = pd.Index(time)
        return of_series
    if isinstance(time, nw.Series) or hasattr(time, "to_list"):
        time = time.to_list()
    try:
        index: pd.Index = pd.Index(time)
        return index
    except (TypeError, ValueError) as error:
        raise TimeIndexError(
            f"{where} must hold timestamps or integers, got {type(time).__name__}: {error}."
        ) from error


def _times_of_objects(
    index: pd.Index, day_first: bool | None, zone: str | None, mixed_zones: str, where: str
) -> pd.Index:
    """Return the times that text, dates and other objects stand for."""
    kinds = {type(value) for value in index[:1000]}
    if all(issubclass(kind, pd.Period) for kind in kinds):
        return pd.PeriodIndex(index).to_timestamp()
    if all(issubclass(kind, datetime.timedelta | np.timedelta64) for kind in kinds):
        return pd.TimedeltaIndex(index)
    if all(issubclass(kind, int | np.integer) and not issubclass(kind, bool) for kind in kinds):
        return pd.Index(index.astype(np.int64))
    if all(issubclass(kind, datetime.date | np.datetime64) for kind in kinds):  # datetimes are dates
        try:
            return pd.DatetimeIndex(pd.to_datetime(index))
        except (TypeError, ValueError) as error:
            if mixed_zones == "utc":
                return pd.DatetimeIndex(pd.to_datetime(index, utc=True))
            raise TimeIndexError(
                f"{where} must hold timestamps of one time zone, got {list(index[:2])}: {error}; "
                "convert with pandas.to_datetime(..., utc=True)."
            ) from error
    return parse_times(index, day_first=day_first, zone=zone, where=where)


def _times_of_arrow(index: pd.Index, day_first: bool | None, zone: str | None, where: str) -> pd.Index:
    """Return the times of an index of an Arrow type in pandas' own types."""
    kind = str(index.dtype)
    if kind.startswith(("date", "timestamp")):
        return pd.DatetimeIndex(pd.to_datetime(index.to_numpy(dtype=object)))
    if kind.startswith("duration"):
        return pd.TimedeltaIndex(index.to_numpy(dtype=object))
    if kind.startswith(("string", "large_string")):
        return parse_times(index.astype(object), day_first=day_first, zone=zone, where=where)
    return pd.Index(index.to_numpy(dtype=np.int64)) if pd.api.types.is_integer_dtype(index.dtype) else index


def _nanoseconds(index: pd.DatetimeIndex, where: str) -> Integers:
    """Return naive timestamps as nanoseconds since the epoch (n,)."""
    try:
        return np.asarray(index.as_unit("ns").asi8, dtype=np.int64)
    except pd.errors.OutOfBoundsDatetime:
        raise TimeIndexError(
            f"{where} must lie in the years 1678 to 2261, got {index.min()} to {index.max()}; shift the timestamps, "
            "or pass integers."
        ) from None


def _refuse_unsorted(ticks: Integers, index: pd.Index, where: str) -> None:
    """Raise unless the times (n,) are strictly increasing; `index` has their names."""
    wrong = np.flatnonzero(np.diff(ticks) <= 0)
    if wrong.size:
        row = int(wrong[0]) + 1
        what = "a duplicate of" if ticks[row] == ticks[row - 1] else "earlier than"
        remedy = "drop or average the duplicates" if ticks[row] == ticks[row - 1] else "sort by time first"
        raise TimeIndexError(
            f"{where} must be strictly increasing, got row {row} ({index[row]}) {what} row {row - 1} "
            f"({index[row - 1]}); {remedy}."
        )
