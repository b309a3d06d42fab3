"""What a cleaner found, written down: the table of changed points and the report."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from detectors.report import PruningRecord, PruningReport
from tsprune.cleaning_column import LASTING, ColumnCleaning
from tsprune.validation import SeriesInput

__all__ = ["list_changes", "write_report"]

Integers = NDArray[np.int64]

_COLUMNS = ["time", "column", "old", "new", "std", "reason", "statistic", "threshold"]


def list_changes(series: SeriesInput, rows: Integers, results: Sequence[ColumnCleaning]) -> pd.DataFrame:
    """Return one row a changed point; `rows` (n_timepoints,) are the rows of `series` on the grid of the results.

    A point that several findings cover is listed with the first of them.
    """
    times = series.time_index()
    place = np.full(int(rows[-1]) + 1, -1)
    place[rows] = np.arange(rows.size)
    listed: list[list[Any]] = []
    for name, result, old in zip(series.names, results, series.values.T, strict=True):
        for change in result.changes:
            for position in range(change.start, change.stop):
                row = place[position]
                if row < 0 or not change.repaired or (change.reason != "gap" and np.isnan(old[row])):
                    continue
                new, error = result.values[position], result.standard_error[position]
                evidence = [change.reason, change.statistic, change.threshold]
                listed.append([times[row], name, old[row], new, error, *evidence])
    return pd.DataFrame(listed, columns=_COLUMNS).drop_duplicates(["time", "column"], ignore_index=True)


def write_report(
    series: SeriesInput, rows: Integers, results: Sequence[ColumnCleaning], given: Any, stamps: list[tuple[int, str]]
) -> PruningReport:
    """Return one record a finding, and what the gates said; `stamps` are rows of `given` whose stamps were settled."""
    records = [
        PruningRecord(str(given.index[row]), kind, False, f"row {row} of the input: {kind}, settled before cleaning")
        for row, kind in stamps
    ]
    guards: list[str] = []
    times = series.time_index()
    for name, result in zip(series.names, results, strict=True):
        prefix = "" if series.n_series == 1 else f"{name}: "
        for change in result.changes:
            inside = np.flatnonzero((rows >= change.start) & (rows < change.stop))
            if inside.size == 0:
                continue
            first, last = times[inside[0]], times[inside[-1]]
            item = prefix + (str(first) if inside.size == 1 else f"{first} to {last}")
            what = f"{inside.size} point{'s' if inside.size > 1 else ''}: {change.reason}"
            what += "" if change.repaired else ", only told"
            if change.reason == LASTING:
                item, what = prefix + str(first), f"level {change.size:+.4g} from here on: kept, it is the series' own"
            records.append(
                PruningRecord(item, change.reason, not change.repaired, what, change.statistic, change.threshold)
            )
        guards += [prefix + sentence for sentence in result.guards]
    return PruningReport(records, subject="findings", guards=guards, figures={"timepoints": series.n_timepoints})
