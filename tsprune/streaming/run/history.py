"""History: the records that a run learns from, as it keeps them before the first reading, or reads them from a file."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from tsprune.exceptions import InvalidRecordError, StoredStateError
from tsprune.streaming.run.journal import Progress
from tsprune.streaming.run.records import Record, RecordReader, RefusedLineError
from tsprune.streaming.run.row_order import out_of_order

__all__ = ["dump_history", "history_frame", "load_history", "read_history"]


def history_frame(history: Sequence[Record], names: Sequence[str]) -> pd.DataFrame:
    """Return records as a frame (n_records, n_names); an absent value is NaN."""
    index = pd.DatetimeIndex([record.time for record in history], name="time")
    rows = [[record.values.get(name, math.nan) for name in names] for record in history]
    return pd.DataFrame(rows, index=index, columns=list(names))


def dump_history(history: Sequence[Record], names: Sequence[str] | None) -> bytes:
    """Return records as JSON."""
    kept = [(r.time, {name: None if math.isnan(v) else v for name, v in r.values.items()}) for r in history]
    return json.dumps({"names": names, "history": kept}).encode()


def load_history(blob: bytes, path: Path) -> tuple[list[Record], tuple[str, ...] | None]:
    """Return the records and names that `dump_history` wrote into the state at `path`.

    Raises
    ------
    StoredStateError
        If they are damaged.
    """
    try:
        kept = json.loads(blob)
        names = None if kept["names"] is None else tuple(kept["names"])
        history = [
            Record(moment, "", {name: math.nan if value is None else value for name, value in values.items()})
            for moment, values in kept["history"]
        ]
    except (KeyError, TypeError, ValueError) as error:
        raise StoredStateError(
            f"the state {str(path)!r} is damaged: its history cannot be read ({error!r}); restore a copy, or remove it "
            "to start over."
        ) from None
    return history, names


def read_history(source: Any) -> tuple[list[Record], tuple[str, ...]]:
    """Return the records of a source of the past, and the names of all metrics in it.

    Raises
    ------
    RefusedLineError
        At the first line that is no record, or is not later than the one before.
    InvalidRecordError
        If there is none.
    """
    history: list[Record] = []
    names: dict[str, None] = {}
    reader = RecordReader()
    for number, line in enumerate((line for line in source.lines(Progress()) if line is not None), start=1):
        try:
            record = reader.parse(line.text, tuple(names) or None, adopt=True)
            if history and record.time <= history[-1].time:
                raise out_of_order(record.time, history[-1].time)
        except InvalidRecordError as error:
            raise RefusedLineError(number, error) from None
        names.update(dict.fromkeys(record.values))
        history.append(record)
    if not history:
        raise InvalidRecordError("the history must hold at least one record, got none; check --history.", "empty")
    return history, tuple(names)
