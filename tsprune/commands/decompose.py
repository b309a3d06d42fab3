"""`tsprune decompose`: trend, seasonal components and remainder of every column of a file."""

from __future__ import annotations

from typing import Annotated, Any

import pandas as pd
import typer

from tsprune.commands.files import write_table_file
from tsprune.commands.options import (
    Columns,
    DayFirst,
    Decimal,
    Duplicates,
    Header,
    Ignore,
    Input,
    Json,
    OnDuplicates,
    Output,
    Period,
    Report,
    Time,
    TimeZone,
    finish,
    print_notes,
    print_table,
    read_period,
)
from tsprune.commands.series_file import read_series_file
from tsprune.decomposition.decomposing import decompose as decompose_series
from tsprune.decomposition.decomposition import Decomposition
from tsprune.reporting.page import Page
from tsprune.reporting.svg import Line, line_chart

__all__ = ["add_decomposition", "decompose"]


def decompose(
    path: Input,
    time: Time = None,
    column: Columns = None,
    period: Period = "auto",
    robust: Annotated[bool, typer.Option(help="Downweight outliers.")] = False,
    ignore: Ignore = None,
    header: Header = True,
    duplicates: Duplicates = OnDuplicates.error,
    time_zone: TimeZone = None,
    decimal: Decimal = None,
    day_first: DayFirst = None,
    output: Output = None,
    report: Report = None,
    json: Json = False,
) -> None:
    """Split series into trend, seasonal components and remainder."""
    file = read_series_file(
        path, time, column, ignore=ignore, header=header, duplicates=duplicates, time_zone=time_zone, decimal=decimal,
        day_first=day_first, command="decompose",
    )  # fmt: skip
    frame = file.frame
    page = Page(f"Decomposition of {path.name}", lead=f"{len(frame)} time points, {frame.shape[1]} series")
    parts, rows = [], []
    for name in frame.columns:
        result = decompose_series(frame[name], read_period(period), robust=robust)
        rows.append(describe(str(name), result))
        table = result.to_frame()
        table.index = frame.index
        parts.append(table.add_prefix(f"{name}.") if frame.shape[1] > 1 else table)
        add_decomposition(page, str(name), result, frame.index)
    if output is not None:
        parts_of_all = pd.concat(parts, axis=1)
        columns = {str(name): parts_of_all[name].to_numpy() for name in parts_of_all.columns}
        write_table_file(
            file.with_columns(columns, as_text=output.suffix == ".csv"), output, with_index=False, header=header
        )
    if report is not None:
        page.write(report)
    if not json:
        print_notes(file.notes)
        print_table("Components", rows)
    described = {"time": file.time, "carried": file.carried, "notes": file.notes}
    finish({"series": rows, "n_timepoints": len(frame), **described}, as_json=json, output=output, report=report)


def describe(name: str, result: Decomposition) -> dict[str, Any]:
    """One row of the summary: periods and strengths."""
    strength = {key: float(value) for key, value in result.strength().items()}
    periods = ", ".join(str(p) for p in result.periods) or "none"
    return {"series": name, "periods": periods, **{f"{key} strength": value for key, value in strength.items()}}


def add_decomposition(page: Page, name: str, result: Decomposition, index: pd.Index) -> None:
    """Add the charts of one series to a page."""
    page.section(name)
    page.chart(line_chart([Line("observed", result.observed), Line("trend", result.trend)], index, title="trend"))
    for k, period in enumerate(result.periods):
        page.chart(line_chart([Line("", result.seasonal[:, k])], index, title=f"season of {period}", height=120))
    page.chart(line_chart([Line("", result.remainder)], index, title="remainder", height=120))
