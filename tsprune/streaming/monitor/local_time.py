"""Wall-clock time: seasons follow the clocks on the wall, also where those are changed twice a year."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
from numpy.typing import NDArray

from tsprune.exceptions import InvalidParameterError

__all__ = ["zone_offsets"]

_YEARS = range(1970, 2075)
_SECOND = 1_000_000_000


def zone_offsets(time_zone: str | None) -> NDArray[np.int64]:
    """Return the offsets of a time zone from UTC.

    Parameters
    ----------
    time_zone : str or None
        A name of the IANA data base, such as ``"Europe/Berlin"``; None is UTC.

    Returns
    -------
    ndarray of shape (2, n_changes)
        First row: nanoseconds since the epoch from which an offset holds (the first one holds for ever before);
        second row: the offset in nanoseconds.

    Raises
    ------
    InvalidParameterError
        If the zone is unknown.

    Examples
    --------
    >>> zone_offsets("Asia/Kolkata")[1, -1] / 3.6e12
    np.float64(5.5)
    """
    if time_zone is None or time_zone == "UTC":
        return np.zeros((2, 1), dtype=np.int64)
    try:
        zone = ZoneInfo(time_zone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise InvalidParameterError(
            f"time_zone must be a name of the IANA data base or None, got {time_zone!r}: {error}; "
            "install the package tzdata if this system has no time zones."
        ) from None

    def offset(second: int) -> int:
        moved = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=second)).astimezone(zone).utcoffset()
        return int(moved.total_seconds()) if moved is not None else 0

    start = 0
    changes = [(start, offset(start))]
    week = 7 * 86400
    stop = int(datetime(_YEARS[-1], 1, 1, tzinfo=UTC).timestamp())
    for second in range(start, stop, week):
        if offset(second + week) != changes[-1][1]:
            low, high = second, second + week  # the change lies in (low, high]
            while high - low > 1:
                middle = (low + high) // 2
                low, high = (middle, high) if offset(middle) == changes[-1][1] else (low, middle)
            changes.append((high, offset(high)))
    return np.array(changes, dtype=np.int64).T * _SECOND
