"""Records: one line of text becomes a time and values, or is refused with a kind.

A record is one JSON object, ``{"time": "2024-01-01T00:00:00Z", "values": {"cpu": 1.5, "disk": null}}``. `time` is
ISO 8601 text; without a zone it is UTC. `null`, ``NaN`` or an absent known name is a missing value. What breaks a
rule raises `InvalidRecordError`, whose `kind` is the first of `KINDS` that applies.

The first record of a stream decides how it is written (`Dialect`): flat, ``{"timestamp": ..., "cpu": 1.5}``, with times
in seconds, milliseconds, microseconds or nanoseconds since 1970, with numbers as text. Every later one must be written
so, too.
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

__all__ = [
    "KINDS",
    "TIME_NAMES",
    "Dialect",
    "Record",
    "RecordReader",
    "RefusedLineError",
    "parse_line",
    "parse_time",
    "read_json",
]

KINDS = ("empty", "syntax", "shape", "time", "value", "infinite", "duplicate", "late", "future")
TIME_NAMES = ("time", "timestamp", "@timestamp", "datetime", "date", "ts", "_time")
_UNITS = ((1e11, 1_000_000_000), (1e14, 1_000_000), (1e17, 1_000), (math.inf, 1))  # largest number, nanoseconds of one
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


class RefusedLineError(InvalidRecordError):
    """A refused line stopped the run; `number` is its 1-based number."""

    def __init__(self, number: int, error: InvalidRecordError) -> None:
        super().__init__(f"line {number}: {error} (kind {error.kind}; --on-error skip goes on)", error.kind)
        self.number = number


class Dialect(NamedTuple):
    """How the records of a stream are written.

    Attributes
    ----------
    time : str
        Name of the field that holds the time.
    is_flat : bool
        Whether the metrics stand beside the time, rather than in a field ``values``.
    unit : int
        Nanoseconds of one unit of a time since 1970; 0: times are ISO 8601 text.
    text_numbers : bool
        Whether text that is a number is one.
    ignored : tuple of str
        Fields of a flat record that are no metrics: what was text or an object in the first one.
    """

    time: str = "time"
    is_flat: bool = False
    unit: int = 0
    text_numbers: bool = False
    ignored: tuple[str, ...] = ()

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> Dialect:
        """Return how a record, the first one, is written; the plain dialect for what is none."""
        name = next((name for name in TIME_NAMES if name in record), None)
        if name is None:
            return cls()
        values = record.get("values")
        is_flat = not isinstance(values, Mapping)
        found: Mapping[str, Any] = {key: value for key, value in record.items() if key != name}
        if isinstance(values, Mapping):
            found = values
        time = record[name]
        if isinstance(time, str) and _as_number(time) is not None:
            time = _as_number(time)
        unit = 0
        if isinstance(time, int | float) and not isinstance(time, bool):
            unit = next(size for most, size in _UNITS if abs(time) < most or most == math.inf)
        texts = [value for value in found.values() if isinstance(value, str)]
        no_metrics = tuple(
            key
            for key, value in found.items()
            if is_flat and ((isinstance(value, str) and _as_number(value) is None) or isinstance(value, dict | list))
        )
        return cls(name, is_flat, unit, any(_as_number(text) is not None for text in texts), no_metrics)

    def plain(self, record: Any) -> Any:
        """Return a record as the plain dialect writes it; what is none comes back as it is."""
        if not isinstance(record, dict) or self == Dialect():
            return record
        found = dict(record)
        if self.is_flat and self.time in found:
            time = found.pop(self.time)
            found = {"time": time, "values": {k: v for k, v in found.items() if k not in self.ignored}}
        elif self.time in found:
            found["time"] = found.pop(self.time)
        if self.text_numbers and isinstance(found.get("values"), dict):
            found["values"] = {
                name: number if isinstance(value, str) and (number := _as_number(value)) is not None else value
                for name, value in found["values"].items()
            }
        if self.unit and "time" in found:
            time = _as_number(found["time"]) if isinstance(found["time"], str) else found["time"]
            if isinstance(time, int | float) and not isinstance(time, bool) and math.isfinite(time):
                found["time"] = _iso(time, self.unit)
        return found


def _as_number(text: str) -> float | None:
    """Return text as a finite number, None if it is none; Python's own "1_000" is no number elsewhere."""
    try:
        number = float(text) if "_" not in text else math.nan
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _iso(time: float, unit: int) -> str:
    """Return a number of units since 1970 as ISO 8601 text in UTC, exact for integers."""
    nanoseconds = int(time) * unit + round((time - int(time)) * unit)
    seconds, rest = divmod(nanoseconds, 1_000_000_000)
    try:
        stamp = (_EPOCH + timedelta(seconds=seconds)).replace(tzinfo=None).isoformat()
    except OverflowError:
        return f"{time!r} units of {unit} ns since 1970"  # refused as a time, by name
    fraction = f".{rest:09d}".rstrip("0") if rest else ""
    return f"{stamp}{fraction}Z"


def parse_line(
    line: bytes, names: Sequence[str] | None, *, adopt: bool = False, dialect: Dialect | None = None
) -> Record:
    """Read one line.

    Parameters
    ----------
    line : bytes
        One line of JSON, with or without its end of line.
    names : sequence of str or None
        The metrics that are known; None before the first accepted line, which names them.
    adopt : bool, default=False
        Whether unknown names are accepted.
    dialect : Dialect or None, default=None
        How the records are written; None is the plain one.

    Returns
    -------
    Record

    Raises
    ------
    InvalidRecordError
        With `kind` one of ``empty, syntax, shape, time, value, infinite``.
    """
    record = read_json(line)
    if dialect is not None:
        record = dialect.plain(record)
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


class RecordReader:
    """Reads the lines of one stream: the first record decides how the others are read."""

    def __init__(self) -> None:
        self.dialect: Dialect | None = None

    @property
    def memory(self) -> list[Any]:
        """What it remembers, as JSON holds it."""
        return [] if self.dialect is None else [*self.dialect[:-1], list(self.dialect.ignored)]

    def restore(self, memory: list[Any]) -> None:
        """Go on from `memory`."""
        if memory:
            time, is_flat, unit, text_numbers, ignored = memory
            self.dialect = Dialect(time, is_flat, unit, text_numbers, tuple(ignored))

    def parse(self, text: bytes, names: Sequence[str] | None, *, adopt: bool) -> Record:
        """Read one line, as `parse_line` does."""
        if self.dialect is not None:
            return parse_line(text, names, adopt=adopt, dialect=self.dialect)
        found = read_json(text)
        dialect = Dialect.of(found) if isinstance(found, dict) else Dialect()
        record = parse_line(text, names, adopt=adopt, dialect=dialect)
        self.dialect = dialect
        return record


def read_json(line: bytes) -> Any:
    """Return the JSON value of a line.

    Raises
    ------
    InvalidRecordError
        With `kind` one of ``empty, syntax, shape``.
    """
    if not line.strip():
        raise InvalidRecordError("a record must not be empty, got a blank line; remove it.", "empty")
    try:
        return json.loads(line.decode("utf-8"), parse_int=_integer, object_pairs_hook=_object)
    except InvalidRecordError:
        raise
    except (ValueError, RecursionError) as error:
        raise InvalidRecordError(
            f"a record must be one JSON value in UTF-8, got {_short(line)}: {error}.", "syntax"
        ) from None


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
