"""What a cleaner found, written down: the table of changed points and the report."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from detectors.report import PruningRecord, PruningReport
from tsprune.cleaning.change import LASTING, Change, ColumnCleaning
from tsprune.cleaning.known_events import KnownEvent
from tsprune.series.validation import SeriesInput

__all__ = ["list_changes", "write_report"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


def list_changes(
    series: SeriesInput, rows: Integers, results: Sequence[ColumnCleaning], since: Sequence[Integers]
) -> pd.DataFrame:
    """Return one row a changed point; `rows` (n_timepoints,) are the rows of `series` on the grid of the results.

    `since` has an array a column: the last row (n_positions,) that was known when the decision was made. A point that
    several findings cover is listed with the first of them.
    """
    place = np.full(int(rows[-1]) + 1, -1)
    place[rows] = np.arange(rows.size)
    parts: list[tuple[int, Integers, Integers, Change]] = []  # column, rows of the grid and of the series, finding
    for k, (result, old) in enumerate(zip(results, series.values.T, strict=True)):
        is_listed = np.zeros(rows.size, bool)
        for change in result.changes:
            if not change.repaired:
                continue
            positions = np.arange(change.start, change.stop)
            positions = positions[place[positions] >= 0]
            mine = place[positions]
            new = ~is_listed[mine] & ((change.reason == "gap") | ~np.isnan(old[mine]))
            is_listed[mine[new]] = True
            parts.append((k, positions[new], mine[new], change))
    where = np.concatenate([np.zeros(0, np.int64), *(mine for _, _, mine, _ in parts)])
    sizes = [mine.size for _, _, mine, _ in parts]

    def spread(values: Sequence[Any], dtype: str) -> NDArray[Any]:
        return np.repeat(np.array(values, dtype=dtype), sizes) if parts else np.zeros(0, dtype)

    def gather(name: str) -> Floats:
        picked = (getattr(results[k], name)[positions] for k, positions, _, _ in parts)
        return np.concatenate([np.zeros(0), *picked])

    columns = spread([k for k, *_ in parts], "int64")
    decided = [since[k][positions] for k, positions, _, _ in parts]
    last = np.concatenate([np.zeros(0, np.int64), *decided])
    values = {
        "time": series.time_index().take(where),
        "column": np.array(series.names, dtype=object)[columns],
        "old": series.values[where, columns],
        "new": gather("values"),
        "std": gather("standard_error"),
        "reason": spread([change.reason for *_, change in parts], "object"),
        "statistic": spread([change.statistic for *_, change in parts], "float64"),
        "threshold": spread([change.threshold for *_, change in parts], "float64"),
        "since": series.time_index().take(np.maximum(place, 0)[last]),
    }
    return pd.DataFrame(values)


def write_report(
    series: SeriesInput,
    rows: Integers,
    results: Sequence[ColumnCleaning],
    given: Any,
    stamps: list[tuple[int, str]],
    events: Sequence[KnownEvent] = (),
) -> PruningReport:
    """Return one record a finding, and what the gates said; `stamps` are rows of `given` whose stamps were settled.

    Known `events` have a record each: their rows are kept.
    """
    records = [
        PruningRecord(str(given.index[row]), kind, False, f"row {row} of the input: {kind}, settled before cleaning")
        for row, kind in stamps
    ]
    guards: list[str] = []
    times = series.time_index()
    for event in events:
        begin, end = (int(place) for place in np.searchsorted(rows, (event.start, event.stop)))
        if begin < end:
            item = str(times[begin]) if end - begin == 1 else f"{times[begin]} to {times[end - 1]}"
            what = f"{end - begin} point{'s' if end - begin > 1 else ''}: {event.name}; kept, and not learnt from"
            records.append(PruningRecord(item, "known event", True, what))
    for name, result in zip(series.names, results, strict=True):
        prefix = "" if series.n_series == 1 else f"{name}: "
        for change in result.changes:
            begin, end = (int(place) for place in np.searchsorted(rows, (change.start, change.stop)))
            if begin == end:
                continue
            first, last = times[begin], times[end - 1]
            item = prefix + (str(first) if end - begin == 1 else f"{first} to {last}")
            what = f"{end - begin} point{'s' if end - begin > 1 else ''}: {change.reason}"
            what += "" if change.repaired else ", only told"
            if change.reason == LASTING:
                item, what = prefix + str(first), f"level {change.size:+.4g} from here on: kept, it is the series' own"
            records.append(
                PruningRecord(item, change.reason, not change.repaired, what, change.statistic, change.threshold)
            )
        guards += [prefix + sentence for sentence in result.guards]
    return PruningReport(records, subject="findings", guards=guards, figures={"timepoints": series.n_timepoints})
