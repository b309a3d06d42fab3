"""`tsprune clean`: repair gaps, spikes, bursts and level shifts of every column of a file."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
import typer

from tsprune.cleaning.cleaner import SeriesCleaner
from tsprune.commands.files import check_not_input, write_table_file
from tsprune.commands.options import (
    Columns,
    DayFirst,
    Decimal,
    Duplicates,
    FillAbsent,
    Header,
    Ignore,
    Input,
    Json,
    OnDuplicates,
    Output,
    Overwrite,
    Period,
    Report,
    Time,
    TimeZone,
    console,
    finish,
    print_notes,
    print_table,
    read_period,
)
from tsprune.commands.series_file import read_series_file
from tsprune.reporting.page import Page
from tsprune.reporting.svg import Line, Marks, line_chart
from tsprune.reporting.words import cleaning_verdict, repaired, sentence_of_change

__all__ = ["add_cleaning", "clean"]

_SHOWN_CHANGES = 10


class LevelShifts(StrEnum):
    """How to handle level shifts."""

    repair = "repair"
    keep = "keep"
    report = "report"


def clean(
    path: Input,
    time: Time = None,
    column: Columns = None,
    period: Period = "auto",
    level_shift: Annotated[
        LevelShifts,
        typer.Option(help="How to handle level shifts: move them back, leave them, or leave and list them."),
    ] = LevelShifts.repair,
    holidays: Annotated[
        str | None,
        typer.Option(help="Known events that are never changed: a country such as US, or an iCalendar file (.ics)."),
    ] = None,
    lower: Annotated[float | None, typer.Option(help="Values below this are impossible and are replaced.")] = None,
    upper: Annotated[float | None, typer.Option(help="Values above this are impossible and are replaced.")] = None,
    ignore: Ignore = None,
    header: Header = True,
    duplicates: Duplicates = OnDuplicates.error,
    time_zone: TimeZone = None,
    decimal: Decimal = None,
    day_first: DayFirst = None,
    fill_absent: FillAbsent = False,
    output: Output = None,
    overwrite: Overwrite = False,
    changes: Annotated[Path | None, typer.Option(help="File for the list of changes.")] = None,
    report: Report = None,
    json: Json = False,
) -> None:
    """Repair what is broken in series, leave alone what is not."""
    check_not_input(path, output, overwrite)
    file = read_series_file(
        path, time, column, ignore=ignore, header=header, duplicates=duplicates, time_zone=time_zone, decimal=decimal,
        day_first=day_first, fill_absent=fill_absent, command="clean",
    )  # fmt: skip
    frame = file.frame
    page = Page(f"Cleaning of {path.name}", lead=f"{len(frame)} time points, {frame.shape[1]} series")
    cleaned, listed, summary = {}, [], []
    for name in frame.columns:
        cleaner = SeriesCleaner(
            period=read_period(period), level_shift=level_shift.value, holidays=holidays, lower=lower, upper=upper
        )
        cleaned[name] = np.asarray(cleaner.fit_transform(frame[name]), dtype=np.float64)
        table = cleaner.changes_
        listed.append(table.assign(series=str(name)))
        counts = {str(reason): int(count) for reason, count in table["reason"].value_counts().items()}
        periods = [int(p) for p in cleaner.periods_[0]]
        notes = list(cleaner.report_.guards)
        summary.append(
            {"series": str(name), "changed": len(table), "periods": periods, "reasons": counts, "notes": notes}
        )
        add_cleaning(page, str(name), frame[name], cleaned[name], cleaner)
    everything = pd.concat(listed, ignore_index=True)
    if output is not None:
        repaired = file.with_values(pd.DataFrame(cleaned, index=frame.index), as_text=output.suffix == ".csv")
        write_table_file(repaired, output, with_index=False, header=header)
    if changes is not None:
        write_table_file(everything, changes, with_index=False)
    if report is not None:
        page.write(report)
    if not json:
        print_notes(file.notes)
        _print(summary, everything)
    described = {"time": file.time, "carried": file.carried, "notes": file.notes, "absent": file.n_absent}
    finish({"series": summary, "n_timepoints": len(frame), **described}, as_json=json, output=output, report=report)


def _print(summary: list[dict[str, Any]], changes: pd.DataFrame) -> None:
    """Print what was changed, the first few rows in full."""
    rows = [
        {
            "series": row["series"],
            "changed": row["changed"],
            "periods": ", ".join(map(str, row["periods"])) or "none",
            "what was done": ", ".join(repaired(row["reasons"])) or "nothing to repair",
        }
        for row in summary
    ]
    print_table("Cleaning", rows)
    for row in summary:
        for note in row["notes"]:
            console.print(f"{row['series']}: {note}", markup=False)
    columns = ["series", "time", "old", "new", "reason", "statistic", "threshold"]
    print_table("First changes", changes[columns].head(_SHOWN_CHANGES).to_dict("records"))
    if len(changes) > _SHOWN_CHANGES:
        console.print(f"… and {len(changes) - _SHOWN_CHANGES} more")


def add_cleaning(page: Page, name: str, old: pd.Series, new: Any, cleaner: Any) -> None:
    """Add the verdict, a chart of old and new in which every change leads to its row, and the list of changes."""
    changes = cleaner.changes_
    reasons = changes["reason"].value_counts().to_dict()
    page.section(name).verdict(cleaning_verdict(name, len(old), reasons, cleaner.report_.guards))
    before, values = old.to_numpy(dtype=np.float64), np.asarray(new, dtype=np.float64)
    ids = f"change-{len(page)}"
    marks = []
    if len(changes):
        place = old.index.get_indexer(pd.Index(changes["time"]))
        texts = [sentence_of_change(change) for change in changes.itertuples()]
        targets = [f"{ids}-{k}" for k in range(len(changes))]
        marks = [Marks("changed", place, values[place], texts=texts, targets=targets)]
    lines = [Line("as it came", before, "var(--grey)"), Line("cleaned", values, "var(--blue)")]
    page.chart(line_chart(lines, old.index, title=name, marks=marks))
    if len(changes):
        page.table(changes, ids=ids)
    page.fold("Evidence and guards")
    page.report(cleaner.report_)
    page.unfold()
