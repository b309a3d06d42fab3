"""`parse_times`: times written as text or numbers, in the notation that the whole column speaks for.

Invariant: a notation is taken only if it reads every value of the column. Where day-first and month-first both do and
say different things, the column is refused unless only one of the two readings is a regular series.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tsprune.exceptions import TimeIndexError

__all__ = ["dates_of_integers", "parse_times"]

Integers = NDArray[np.int64]
Reading: TypeAlias = "pd.Series[Any]"  # dates without time, NaT where the notation does not fit

_TIME = re.compile(
    r"^(?P<date>.*?\S)(?:T|[ ,]+|:)(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2}(?:[.,]\d+)?))?"
    r" ?(?P<half>[AaPp]\.?[Mm]\.?)? ?(?P<zone>Z|UTC|GMT|[+-]\d{2}:?\d{2})?$"
)
_ISO = re.compile(r"^\d{4}(-\d{2}(-\d{2}([T ]\d{2}(:?\d{2})?.*)?)?|\d{4}T\d{2}.*)$")
_HALF_DAY = re.compile(r"[AaPp]\.?[Mm]\.?$")
_NUMERIC = re.compile(r"^(\d{1,4})([./-])(\d{1,2})\2(\d{1,4})\.?$")
_WEEKDAY = r"^(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*\.?,? "
_NAMED = ("%d %b %Y", "%d %B %Y", "%b %d %Y", "%B %d %Y", "%Y %b %d", "%Y %B %d", "%d %b %y", "%b %Y", "%B %Y", "%Y %b")
_DIGITS = {4: "%Y", 6: "%Y%m", 8: "%Y%m%d", 10: "%Y%m%d%H", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S"}
_YEARS = (1900, 2100)  # of dates written as digits
_EPOCH = (631_152_000, 4_102_444_800)  # seconds of the years 1990 to 2100
_EPOCH_UNITS = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
_LARGEST_CHANGE = 60  # minutes between the offsets of one zone, in winter and in summer
_REGULAR, _SCATTERED = 0.5, 0.2  # rows per step of the grid: of the right reading of an ambiguous column, of the wrong


def parse_times(
    values: Any, *, day_first: bool | None = None, zone: str | None = None, where: str = "time"
) -> pd.DatetimeIndex:
    """Read times written as text or as numbers.

    One notation has to read the whole column: ISO 8601 (``2024-01-05T10:00:00+01:00``, ``2024-01``), dates with points,
    slashes or dashes in any order of day, month and year (two-digit years, too), with names of months (``5 Jan 2024``,
    ``Jan 5, 2024``, ``05/Jan/2024``), ISO weeks (``2024-W05``), quarters (``2024Q1``), digits (``20240105``,
    ``2024010510``, ``202401``, ``2024``), seconds, milli-, micro- or nanoseconds since 1970; each date with a time of
    day, AM/PM and offset if it has some.

    Parameters
    ----------
    values : array-like of str, int or float, of shape (n_timepoints,)
    day_first : bool, optional
        Whether ``05/01/2024`` is the fifth of January. None lets the column decide: a part above 12, points as
        separators (day first by convention), or a regular series under one reading only.
    zone : str, optional
        Zone of times without offset; times with one are converted to it. An hour that the clock shows twice has to
        come twice, in order.
    where : str, default="time"
        What the messages call the column.

    Returns
    -------
    DatetimeIndex of shape (n_timepoints,)
        Naive for text without offset and no `zone`; with offsets that differ, in UTC.

    Raises
    ------
    TimeIndexError
        A value that is missing or no time (the message names it and its row), or a column that is ambiguous.

    Examples
    --------
    >>> from tsprune.series.text_times import parse_times
    >>> parse_times(["30.01.2024 10:00", "31.01.2024 10:00"])[1]
    Timestamp('2024-01-31 10:00:00')
    >>> parse_times(["2023-W52", "2024-W01"])[1]
    Timestamp('2024-01-01 00:00:00')
    """
    column = pd.Series(values.to_list() if hasattr(values, "to_list") else list(values), dtype=object)
    text = column.map(_as_text)
    absent = text.isin(("", "nan", "NaN", "NaT", "None", "<NA>", "null"))
    if absent.any():
        row = int(np.flatnonzero(absent)[0])
        raise TimeIndexError(
            f"{where} must not be missing, got {column[row]!r} at row {row}; drop that row or date it."
        )
    if text.empty:
        return pd.DatetimeIndex([])
    if text.str.fullmatch(r"[+-]?\d+(\.\d+)?").all() and not text.str.fullmatch(r"\d{4}\.\d{1,2}").all():
        index = _times_of_digits(text, where)
    elif _is_iso(text.iloc[:: max(1, len(text) // 50)]):
        index = _times_of_iso(text, where)
    else:
        index = _times_of_words(text, day_first, where)
    return index if zone is None else _in_zone(index, zone, where)


def dates_of_integers(index: pd.Index) -> pd.DatetimeIndex | None:
    """Return the dates that integers YYYYMMDD (n,) stand for; None if one of them is no date, or there is only one."""
    numbers = index.to_numpy(dtype=np.int64)
    if numbers.size < 2 or numbers.min() < _YEARS[0] * 10_000 or numbers.max() > (_YEARS[1] + 1) * 10_000:
        return None
    dates = pd.to_datetime(pd.Series(numbers).astype(str), format="%Y%m%d", errors="coerce")
    return None if dates.isna().any() else pd.DatetimeIndex(dates)


def _is_iso(sample: Reading) -> bool:
    """Tell whether at least half of a sample of cells (n,) look like ISO 8601."""
    return float(np.mean([_ISO.match(cell) is not None and not _HALF_DAY.search(cell) for cell in sample])) >= 0.5


def _as_text(value: Any) -> str:
    """Return a cell as text; whole floats without their point, missing ones empty."""
    if isinstance(value, float):
        return "" if np.isnan(value) else str(int(value)) if value.is_integer() else repr(value)
    return "" if value is None or value is pd.NaT or value is pd.NA else str(value).strip()


def _refuse(text: Reading, read: Reading, where: str) -> None:
    """Raise for the first value that was not read."""
    row = int(np.flatnonzero(read.isna())[0])
    raise TimeIndexError(
        f"{where} must hold times in one notation, got {text[row]!r} at row {row} of {len(text)} (row 0: {text[0]!r}); "
        "correct or drop that row, or pass times made with pandas.to_datetime(..., format=...)."
    )


def _times_of_digits(text: Reading, where: str) -> pd.DatetimeIndex:
    """Return times written in digits only: dates such as 20240105, or an epoch's seconds and parts of them."""
    widths = text.str.len().unique()
    if len(widths) == 1 and int(widths[0]) in _DIGITS and not text.str.contains(".", regex=False).any():
        years = text.str[:4].astype(int)
        read = _strptime(text, _DIGITS[int(widths[0])])
        if not read.isna().any() and years.between(*_YEARS).all():
            return pd.DatetimeIndex(read)
    numbers = pd.to_numeric(text)
    for unit, parts in _EPOCH_UNITS.items():
        if numbers.between(_EPOCH[0] * parts, _EPOCH[1] * parts).all():
            return pd.DatetimeIndex(pd.to_datetime(numbers, unit=unit)).round("us" if unit == "s" else "ns")  # type: ignore[call-overload]
    raise TimeIndexError(
        f"{where} must hold times, got the numbers {list(text[:3])}, which are neither dates (20240105) nor seconds, "
        "milli-, micro- or nanoseconds since 1970; convert them with pandas.to_datetime(..., unit=...), or pass "
        "integers as row numbers."
    )


def _times_of_iso(text: Reading, where: str) -> pd.DatetimeIndex:
    """Return times in ISO 8601; offsets that differ become UTC."""
    text = text.str.replace(r",(?=\d)", ".", regex=True)
    offsets = text.str.extract(r"\d{2}:?\d{2}(?::?\d{2}(?:[.,]\d+)?)?(Z|[+-]\d{2}(?::?\d{2})?)$", expand=False)
    dated_only = ~text.str.contains(":") & ~text.str.contains("T", regex=False)
    offsets = offsets.where(~dated_only)
    if offsets.notna().any() and offsets.isna().any():
        row = int(np.flatnonzero(offsets.isna() if offsets.notna()[0] else offsets.notna())[0])
        raise TimeIndexError(
            f"{where} must hold timestamps with offset or without, got both: {text[0]!r} at row 0 and {text[row]!r} at "
            f"row {row}; give every one its offset."
        )
    aware = bool(offsets.notna().all())
    minutes = offsets.dropna().drop_duplicates().map(_minutes)
    if minutes.size and minutes.max() - minutes.min() > _LARGEST_CHANGE:
        raise TimeIndexError(
            f"{where} must hold timestamps of one time zone, got the offsets {sorted(offsets.unique())[:4]}; "
            "convert them to one, for example with pandas.to_datetime(..., utc=True)."
        )
    read = pd.to_datetime(text, format="ISO8601", errors="coerce", utc=aware)
    if read.isna().any():
        _refuse(text, read, where)
    index = pd.DatetimeIndex(read)
    if aware and offsets.nunique() == 1 and offsets[0] != "Z":
        index = index.tz_convert(datetime.timezone(datetime.timedelta(minutes=int(minutes.iloc[0]))))
    return index


def _times_of_words(text: Reading, day_first: bool | None, where: str) -> pd.DatetimeIndex:
    """Return times whose date is no ISO date: numbers with separators, names of months, weeks, quarters."""
    parts = text.str.extract(_TIME)
    has_time = parts["date"].notna()
    dates = parts["date"].where(has_time, text).str.replace(r"\s+", " ", regex=True)
    codes, different = pd.factorize(dates)
    found_in = [reading for reading in _readings(pd.Series(different), day_first) if not reading.isna().all()]
    readings = [reading.take(codes).set_axis(text.index) for reading in found_in]
    whole = [reading for reading in readings if not reading.isna().any()]
    if not whole:
        nothing = pd.Series(pd.NaT, index=text.index)
        _refuse(text, max(readings, key=lambda reading: reading.notna().sum(), default=nothing), where)
    clock = pd.to_timedelta(np.where(has_time, _clock(parts), 0), unit="ns")
    found = [pd.DatetimeIndex(reading) + clock for reading in whole]
    index = found[0]
    if any(not index.equals(other) for other in found[1:]):
        index = _only_regular(found, text, where)
    zones = parts["zone"]
    if zones.isna().all():
        return index
    if zones.isna().any():
        _refuse(text, zones, where)
    minutes = zones.map({zone: _minutes(zone) for zone in zones.unique()})
    return (index - pd.to_timedelta(minutes.to_numpy(), unit="min")).tz_localize("UTC")


def _minutes(offset: str) -> int:
    """Return the minutes of an offset such as ``+01:00``, ``-0330``, ``+02`` or ``Z``."""
    digits = offset.replace(":", "").ljust(5, "0")
    if not offset[1:2].isdigit():
        return 0  # Z, UTC, GMT
    return (-1 if offset[0] == "-" else 1) * (int(digits[1:3]) * 60 + int(digits[3:5]))


def _clock(parts: pd.DataFrame) -> Integers:
    """Return the time of day (n,) in nanoseconds; 0 where there is none."""
    hour = pd.to_numeric(parts["hour"]).fillna(0)
    half = parts["half"].str[0].str.lower()
    hour = hour.where(half.isna(), hour % 12 + 12 * (half == "p"))
    second = pd.to_numeric(parts["second"].str.replace(",", ".")).fillna(0)
    seconds = hour * 3600 + pd.to_numeric(parts["minute"]).fillna(0) * 60
    return np.asarray(np.rint(seconds.to_numpy() * 1e9 + second.to_numpy() * 1e9), dtype=np.int64)


def _readings(dates: Reading, day_first: bool | None) -> list[Reading]:
    """Return what every notation makes of the dates (n,), the likelier first."""
    fields = dates.str.extract(_NUMERIC)
    if fields[0].notna().mean() >= 0.5:  # of a column with a word in it, that word is reported
        return _numeric_readings(fields, day_first)
    weeks = dates.str.extract(r"^(\d{4})[- ]?W(\d{1,2})(?:-?([1-7]))?$")
    quarters = dates.str.extract(r"^(?:(\d{4})[- ]?Q([1-4])|Q([1-4])[-/ ]?(\d{4}))$")
    months = dates.str.extract(r"^(?:(\d{4})[-/.M ]+(\d{1,2})|(\d{1,2})[-/.](\d{4}))$")
    out = [_strptime(weeks[0] + "-" + weeks[1] + "-" + weeks[2].fillna("1"), "%G-%V-%u")]
    for year, number, factor in (
        (_either(quarters[0], quarters[3]), _either(quarters[1], quarters[2]), 3),
        (_either(months[0], months[3]), _either(months[1], months[2]), 1),
    ):
        month = ((pd.to_numeric(number) - 1) * factor + 1).astype("Int64").astype(str)
        out.append(_strptime(year + "-" + month, "%Y-%m"))
    words = dates.str.replace(_WEEKDAY, "", case=False, regex=True)
    words = words.str.replace(r"(?<=\d)(?:st|nd|rd|th)\b", "", regex=True)
    is_excel = words.str.fullmatch(r"[A-Za-z]{3}[-']\d{2}")  # Jan-24: without the dash it may be the 24th
    words = words.str.replace(r"[,./\s-]+", " ", regex=True).str.strip().str.replace("'", " ")
    out += [_strptime(words, notation) for notation in _NAMED]
    return [*out, _strptime(words.where(is_excel), "%b %y")]


def _either(first: Reading, other: Reading) -> Reading:
    """Return text (n,) of one column, or of the other where the first has none."""
    # pandas 2 would make floats of a column without text
    return pd.Series(np.where(first.notna(), first, other), index=first.index, dtype=first.dtype)


def _strptime(text: Reading, notation: str) -> Reading:
    """Return text (n,) read by one notation, NaT where it does not fit."""
    return pd.to_datetime(text, format=notation, errors="coerce")


def _numeric_readings(fields: pd.DataFrame, day_first: bool | None) -> list[Reading]:
    """Return the readings of dates of three numbers: year first, day first, month first."""
    a, separator, b, c = fields[0], fields[1], fields[2], fields[3]
    orders: list[tuple[Reading, Reading, Reading]] = []  # year, month, day
    if (a.str.len() == 4).any():
        orders.append((a, b, c))
    else:
        if day_first is not False:
            orders.append((c, b, a))
        by_convention = day_first is None and (separator == ".").all() and _dated(*orders[0]).notna().all()
        if day_first is not True and not by_convention:
            orders.append((c, a, b))
        if day_first is None and not (c.str.len() == 4).any() and not by_convention:
            orders.append((a, b, c))
    return [_dated(*order) for order in orders]


def _dated(year: Reading, month: Reading, day: Reading) -> Reading:
    """Return the dates (n,) of years (two-digit ones of 1969 to 2068), months and days."""
    notation = "%Y-%m-%d" if (year.str.len() == 4).any() else "%y-%m-%d"
    return _strptime(year + "-" + month + "-" + day, notation)


def _only_regular(found: list[pd.DatetimeIndex], text: Reading, where: str) -> pd.DatetimeIndex:
    """Return the one reading that is a regular series while the others are scattered."""
    shares = [_share_of_grid(index) for index in found]
    best = int(np.argmax(shares))
    others = [share for k, share in enumerate(shares) if k != best and not found[k].equals(found[best])]
    if shares[best] >= _REGULAR and max(others) <= _SCATTERED:
        return found[best]
    differs = next(k for k in range(len(text)) if len({index[k] for index in found}) > 1)
    meant = " or ".join(dict.fromkeys(str(index[differs]) for index in found))
    raise TimeIndexError(
        f"{where} must be unambiguous, got {text[differs]!r} at row {differs}, which may mean {meant}; say which with "
        "`day_first=` where the call has it, or pass pandas.to_datetime(..., dayfirst=True or False) as the times."
    )


def _share_of_grid(index: pd.DatetimeIndex) -> float:
    """Return the rows per step of the most frequent difference; 0 if times repeat."""
    ticks = np.sort(index.as_unit("ns").asi8)
    steps, counts = np.unique(np.diff(ticks), return_counts=True)
    if ticks.size < 3 or steps[0] <= 0:
        return 0.0
    return float(ticks.size / ((ticks[-1] - ticks[0]) / steps[np.argmax(counts)] + 1.0))


def _in_zone(index: pd.DatetimeIndex, zone: str, where: str) -> pd.DatetimeIndex:
    """Return times in a zone: naive ones are its wall clock, aware ones are converted."""
    if index.tz is not None:
        return index.tz_convert(zone)
    localise: Callable[..., pd.DatetimeIndex] = index.tz_localize
    try:
        return localise(zone, ambiguous="infer")
    except KeyError:  # a zone that nobody knows
        raise
    except Exception as error:  # pandas 2 raises what pytz raises, which is no ValueError
        try:  # an hour that is there once: the first of the two, as in a series with a gap
            return localise(zone, ambiguous=np.ones(len(index), bool))
        except Exception:
            raise TimeIndexError(
                f"{where} must be times of the zone {zone}, got one that its clock does not show: {error}; write times "
                "with their offset, or name the zone that they are of."
            ) from error
