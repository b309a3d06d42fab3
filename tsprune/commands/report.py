"""`tsprune report`: the whole chain on one file - decompose, clean, detect - as one HTML page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from tsprune.cleaning.cleaner import SeriesCleaner
from tsprune.commands.clean import add_cleaning
from tsprune.commands.decompose import add_decomposition, describe
from tsprune.commands.detect import add_detection, in_words, score_file
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
    Period,
    Seed,
    Time,
    TimeZone,
    console,
    finish,
    print_table,
    read_period,
)
from tsprune.commands.series_file import read_series_file
from tsprune.decomposition.decomposing import decompose
from tsprune.detection.detector import SeriesDetector
from tsprune.reporting.page import Page

__all__ = ["report"]


def report(
    path: Input,
    output: Annotated[Path, typer.Option(help="The HTML file to write.")] = Path("tsprune-report.html"),
    time: Time = None,
    column: Columns = None,
    period: Period = "auto",
    seed: Seed = 0,
    ignore: Ignore = None,
    header: Header = True,
    duplicates: Duplicates = OnDuplicates.error,
    time_zone: TimeZone = None,
    decimal: Decimal = None,
    day_first: DayFirst = None,
    json: Json = False,
) -> None:
    """Write one HTML page with components, repairs and anomalies of a file."""
    file = read_series_file(
        path, time, column, ignore=ignore, header=header, duplicates=duplicates, time_zone=time_zone, decimal=decimal,
        day_first=day_first, command="report",
    )  # fmt: skip
    frame = file.frame
    page = Page(f"Report on {path.name}", lead=f"{len(frame)} time points, {frame.shape[1]} series")
    rows = []
    for name in frame.columns:
        result = decompose(frame[name], read_period(period))
        add_decomposition(page, f"{name}: components", result, frame.index)
        cleaner = SeriesCleaner(period=read_period(period))
        cleaned = np.asarray(cleaner.fit_transform(frame[name]), dtype=np.float64)
        add_cleaning(page, f"{name}: repairs", frame[name], cleaned, cleaner)
        rows.append({**describe(str(name), result), "repairs": len(cleaner.changes_)})
    series = frame.iloc[:, 0] if frame.shape[1] == 1 else frame
    detector = SeriesDetector(period=read_period(period), random_state=seed).fit(series)
    scored = score_file(detector, frame, 5)
    add_detection(page, frame, scored)
    page.section("What was pruned before scoring").report(detector.report_)
    page.write(output)
    if not json:
        print_table("Series", rows)
        console.print(scored.verdict, markup=False)
        print_table("Episodes", [in_words(row) for row in scored.found])
    summary = {"n_timepoints": len(frame), "series": rows, "n_anomalies": int(scored.is_anomaly.sum())}
    finish({**summary, "verdict": scored.verdict, "top": scored.found}, as_json=json, output=None, report=output)
