"""Records: one line of text becomes a time and values, or is refused with a kind.

A record is one JSON object, ``{"time": "2024-01-01T00:00:00Z", "values": {"cpu": 1.5, "disk": null}}``. `time` is
ISO 8601 text; without a zone it is UTC. `null`, ``NaN`` or an absent known name is a missing value. What breaks a
rule raises `InvalidRecordError`, whose `kind` is the first of `KINDS` that applies.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from tsprune.exceptions import InvalidRecordError
from tsprune.streaming.monitor.rows import check_values

__all__ = ["KINDS", "Record", "parse_line", "parse_time"]

KINDS = ("empty", "syntax", "shape", "time", "value", "infinite", "duplicate", "late")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_NANOSECONDS = re.compile(r"[.,]\d{6}(\d{1,3})\d*")
_LIMIT = 2**63 - 1  # int64 nanoseconds: the years 1677 to 2262
_MAX_DIGITS = 400  # an integer of more digits is beyond the range of a double (309 digits)


class Record(NamedTuple):
    """An accepted line: `time` in nanoseconds since the epoch, its `text`, and the values given."""

    time: int
    text: str
    values: Mapping[str, float]


def parse_line(line: bytes, names: Sequence[str] | None, *, adopt: bool = False) -> Record:
    """Read one line.

    Parameters
    ----------
    line : bytes
        One line of JSON, with or without its end of line.
    names : sequence of str or None
        The metrics that are known; None before the first accepted line, which names them.
    adopt : bool, default=False
        Whether unknown names are accepted.

    Returns
    -------
    Record

    Raises
    ------
    InvalidRecordError
        With `kind` one of ``empty, syntax, shape, time, value, infinite``.
    """
    if not line.strip():
        raise InvalidRecordError("a record must not be empty, got a blank line; remove it.", "empty")
    try:
        record = json.loads(line.decode("utf-8"), parse_int=_integer, object_pairs_hook=_object)
    except InvalidRecordError:
        raise
    except (ValueError, RecursionError) as error:
        raise InvalidRecordError(
            f"a record must be one JSON value in UTF-8, got {_short(line)}: {error}.", "syntax"
        ) from None
    if not isinstance(record, dict) or "time" not in record or not isinstance(record.get("values"), dict):
        raise InvalidRecordError(
            f'a record must be an object with "time" and an object "values", got {_short(line)}.', "shape"
        )
    values = record["values"]
    if names is None and not values:
        raise InvalidRecordError("the first record must name the metrics, got no values.", "shape")
    if names is not None and not adopt:
        unknown = [name for name in values if name not in names]
        if unknown:
            raise InvalidRecordError(
                f"a record must name primed metrics only, got {unknown[0]!r}; known: {list(names)[:8]}. "
                "Prime with it, or adopt new metrics.",
                "shape",
            )
    time = parse_time(record["time"])
    return Record(time, record["time"], check_values(values))


def parse_time(text: Any) -> int:
    """Return ISO 8601 text as nanoseconds since the epoch; without a zone it counts as UTC.

    Raises
    ------
    InvalidRecordError
        With kind ``time``.

    Examples
    --------
    >>> parse_time("1970-01-01T01:00:00.000000001+01:00")
    1
    """
    if not isinstance(text, str):
        raise InvalidRecordError(f"time must be ISO 8601 text, got {text!r} ({type(text).__name__}).", "time")
    try:
        stamp = datetime.fromisoformat(text)
        moment = (stamp if stamp.tzinfo is not None else stamp.replace(tzinfo=UTC)) - _EPOCH
    except (ValueError, OverflowError) as error:
        raise InvalidRecordError(f"time must be ISO 8601 text, got {text[:40]!r}: {error}.", "time") from None
    time = moment // _MICROSECOND * 1000
    finer = _NANOSECONDS.search(text) if len(text) > 26 else None
    if finer:
        time += int(finer[1].ljust(3, "0"))
    if abs(time) > _LIMIT:
        raise InvalidRecordError(f"time must lie in the years 1678 to 2261, got {text!r}.", "time")
    return time


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object of JSON; a name that comes twice would hide a value."""
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        double = next(name for k, name in enumerate(names) if name in names[:k])
        raise InvalidRecordError(f"names of a record must differ, got {double!r} twice; keep one.", "shape")
    return found


def _integer(digits: str) -> int | float:
    """Return an integer of JSON; too many digits for a double give infinity."""
    return int(digits) if len(digits) <= _MAX_DIGITS else math.copysign(math.inf, -1 if digits[0] == "-" else 1)


def _short(line: bytes) -> str:
    """Return the beginning of a line for a message."""
    text = line.strip()[:60].decode("utf-8", "replace")
    return repr(text + ("..." if len(line.strip()) > 60 else ""))
