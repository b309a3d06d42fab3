"""`tsprune detect`: one anomaly score per time point, with an explanation of the most abnormal ones."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import numpy as np
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
    Seed,
    Time,
    TimeZone,
    finish,
    print_notes,
    print_table,
    read_period,
)
from tsprune.commands.series_file import read_series_file
from tsprune.detection.detector import SeriesDetector
from tsprune.exceptions import InvalidParameterError
from tsprune.reporting.page import Page
from tsprune.reporting.svg import Line, Marks, line_chart

__all__ = ["add_detection", "detect", "top_anomalies"]


def detect(
    path: Input,
    time: Time = None,
    column: Columns = None,
    period: Period = "auto",
    train_rows: Annotated[int | None, typer.Option(help="Fit on the first rows only; default all.")] = None,
    top: Annotated[int, typer.Option(help="How many anomalies to explain.", min=1)] = 5,
    seed: Seed = 0,
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
    """Score every time point and explain the most abnormal ones."""
    file = read_series_file(
        path, time, column, ignore=ignore, header=header, duplicates=duplicates, time_zone=time_zone, decimal=decimal,
        day_first=day_first, command="detect",
    )  # fmt: skip
    frame = file.frame
    if train_rows is not None and not 0 < train_rows <= len(frame):
        raise InvalidParameterError(f"--train-rows must be from 1 to the {len(frame)} rows of INPUT, got {train_rows}.")
    series = frame.iloc[:, 0] if frame.shape[1] == 1 else frame
    detector = SeriesDetector(period=read_period(period), random_state=seed)
    detector.fit(series if train_rows is None else series.iloc[:train_rows])
    scores = np.asarray(detector.score_samples(series), dtype=np.float64)
    is_anomaly = np.asarray(detector.predict(series)) < 0
    explained = pd.DataFrame(detector.explain(series)).set_axis(frame.index)
    found = top_anomalies(frame, scores, explained, top)
    seasons = [asdict(record) for record in detector.seasons_.records]
    if output is not None:
        columns = {"score": scores, "is_anomaly": is_anomaly}
        table = file.with_columns(columns, as_text=output.suffix == ".csv")
        write_table_file(table, output, with_index=False, header=header)
    if report is not None:
        page = Page(f"Anomalies of {path.name}", lead=f"{len(frame)} time points, {frame.shape[1]} series")
        add_detection(page, frame, scores, is_anomaly, found)
        page.section("What was pruned").report(detector.report_)
        page.write(report)
    if not json:
        print_notes(file.notes)
        print_table("Most abnormal", found)
        print_table("Seasons", [{"season": r["item"], "removed": not r["kept"], "why": r["reason"]} for r in seasons])
    summary = {
        "n_timepoints": len(frame),
        "n_anomalies": int(is_anomaly.sum()),
        "periods": list(detector.periods_),
        "top": found,
        "time": file.time,
        "carried": file.carried,
        "notes": file.notes,
    }
    finish(summary, as_json=json, output=output, report=report)


def top_anomalies(
    frame: pd.DataFrame, scores: np.ndarray, explained: pd.DataFrame, top: int
) -> list[dict[str, object]]:
    """Return the worst time point of each of the `top` most abnormal episodes, with its main causes."""
    distance = max(1, len(scores) // 50)
    order, chosen = np.argsort(scores, kind="stable"), list[int]()
    for row in order.tolist():
        if all(abs(row - other) > distance for other in chosen):
            chosen.append(row)
        if len(chosen) == top:
            break
    found: list[dict[str, object]] = []
    for row in chosen:
        shares = explained.iloc[row].sort_values(ascending=False)
        total = float(shares.sum())
        causes = ", ".join(f"{name} {share / total:.0%}" for name, share in shares.head(3).items() if share > 0)
        values = ", ".join(f"{v:.4g}" for v in frame.iloc[row].to_numpy(dtype=float)[:3])
        found.append(
            {"time": str(frame.index[row]), "values": values, "score": float(scores[row]), "because of": causes}
        )
    return found


def add_detection(
    page: Page, frame: pd.DataFrame, scores: np.ndarray, is_anomaly: np.ndarray, found: list[dict[str, object]]
) -> None:
    """Add charts of the series with the anomalies marked, the score, and the explanations to a page."""
    page.section("Series and anomalies")
    rows = np.flatnonzero(is_anomaly)
    for name in frame.columns[:12]:
        values = frame[name].to_numpy(dtype=np.float64)
        texts = [f"{frame.index[row]}: {values[row]:.4g}, score {scores[row]:.4g}" for row in rows.tolist()]
        marks = [Marks("anomaly", rows, values[rows], texts=texts)]
        page.chart(line_chart([Line(str(name), values)], frame.index, title=str(name), marks=marks))
    page.chart(
        line_chart([Line("", scores, "var(--violet)")], frame.index, title="score (lower = more abnormal)", height=120)
    )
    page.table(pd.DataFrame(found))
