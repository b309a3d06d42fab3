"""`tsprune detect`: one anomaly score per time point, with an explanation of the most abnormal ones."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Annotated, Any

import numpy as np
import pandas as pd
import typer
from numpy.typing import NDArray

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
    console,
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
from tsprune.reporting.words import detection_verdict, sentence_of_episode

__all__ = ["Scored", "add_detection", "detect", "in_words", "score_file"]

Floats = NDArray[np.float64]

_SHOWN_SERIES = 12  # charts of a page; more would hide the table below


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
    scored = score_file(detector, frame, top)
    seasons = [asdict(record) for record in detector.seasons_.records]
    if output is not None:
        columns = {"score": scored.scores, "is_anomaly": scored.is_anomaly}
        table = file.with_columns(columns, as_text=output.suffix == ".csv")
        write_table_file(table, output, with_index=False, header=header)
    if report is not None:
        page = Page(f"Anomalies of {path.name}", lead=f"{len(frame)} time points, {frame.shape[1]} series")
        add_detection(page, frame, scored)
        page.fold("What was removed before scoring, and on which evidence")
        page.report(detector.report_)
        page.unfold()
        page.write(report)
    if not json:
        print_notes(file.notes)
        console.print(scored.verdict, markup=False)
        print_table("Episodes", [in_words(row) for row in scored.found])
        print_table("Seasons", [{"season": r["item"], "removed": not r["kept"], "why": r["reason"]} for r in seasons])
    summary = {
        "n_timepoints": len(frame),
        "n_anomalies": int(scored.is_anomaly.sum()),
        "n_episodes": scored.n_episodes,
        "verdict": scored.verdict,
        "periods": list(detector.periods_),
        "top": scored.found,
        "time": file.time,
        "carried": file.carried,
        "notes": file.notes,
    }
    finish(summary, as_json=json, output=output, report=report)


@dataclass(frozen=True)
class Scored:
    """What a detector says of a file: `scores` (n_timepoints,), `is_anomaly` (n_timepoints,), and `found`.

    `found` has the flagged episodes, the rarest first, then the most abnormal time points that are not flagged.
    """

    scores: Floats
    is_anomaly: NDArray[np.bool_]
    found: list[dict[str, Any]]
    n_episodes: int
    verdict: str


def score_file(detector: SeriesDetector, frame: pd.DataFrame, top: int) -> Scored:
    """Score the series of a frame with a fitted detector and describe the `top` episodes."""
    series = frame.iloc[:, 0] if frame.shape[1] == 1 else frame
    scores = np.asarray(detector.score_samples(series), dtype=np.float64)
    is_anomaly = np.asarray(detector.predict(series)) < 0
    episodes = detector.episodes(series).sort_values("p_value", kind="stable")
    usual = detector.expected(series)
    shares = pd.DataFrame(detector.explain(series)).set_axis(frame.index)
    places = [int(place) for place in frame.index.get_indexer(pd.Index(episodes["peak"]))]
    found: list[dict[str, Any]] = []
    chosen = places[:top]
    for place, episode in zip(places[:top], episodes.to_dict("records"), strict=False):
        told = {name: episode[name] for name in ("p_value", "series", "cause", "found", "expected", "lower", "upper")}
        span = {"start": str(episode["start"]), "end": str(episode["end"]), "rows": int(episode["n_rows"])}
        found.append({"time": str(frame.index[place]), **span, "flagged": True, "score": float(scores[place]), **told})
    near = np.zeros(len(frame), dtype=bool)
    distance = max(1, len(frame) // 50)
    for place in places + list(np.flatnonzero(is_anomaly)):
        near[max(0, place - distance) : place + distance + 1] = True
    for place in np.argsort(scores, kind="stable").tolist():
        if len(found) >= top or near.all():
            break
        if near[place]:
            continue
        near[max(0, place - distance) : place + distance + 1] = True
        name = frame.columns[0] if frame.shape[1] == 1 else shares.columns[int(np.argmax(shares.iloc[place]))]
        column = usual if frame.shape[1] == 1 else usual[name]
        value = float(frame[name].iloc[place])
        low, high = float(column["lower"].iloc[place]), float(column["upper"].iloc[place])
        side = "above its range" if value > high else "below its range" if value < low else "shape or combination"
        bounds = {"found": value, "expected": float(column["expected"].iloc[place]), "lower": low, "upper": high}
        told = {"p_value": None, "series": str(name), "cause": side, **bounds}
        at = str(frame.index[place])
        chosen.append(place)
        found.append(
            {"time": at, "start": at, "end": at, "rows": 1, "flagged": False, "score": float(scores[place]), **told}
        )
    for row, place in zip(found, chosen, strict=True):
        best = shares.iloc[place].sort_values(ascending=False).head(3)
        total = float(shares.iloc[place].sum()) or 1.0
        row["features"] = ", ".join(f"{name} {share / total:.0%}" for name, share in best.items() if share > 0)
    worst = sentence_of_episode(found[0]) if len(episodes) and found else ""
    verdict = detection_verdict(len(frame), len(episodes), int(is_anomaly.sum()), worst)
    return Scored(scores, is_anomaly, found, len(episodes), verdict)


def in_words(row: dict[str, Any]) -> dict[str, Any]:
    """One episode as a row of a table for the terminal or a page."""
    span = row["time"] if row["rows"] == 1 else f"{row['start']} to {row['end']}"
    usual = f"{row['lower']:.4g} to {row['upper']:.4g}"
    flagged = "yes" if row["flagged"] else "no, below the threshold"
    return {"when": span, "series": row["series"], "found": row["found"], "usual": usual, "anomaly": flagged}


def add_detection(page: Page, frame: pd.DataFrame, scored: Scored) -> None:
    """Add the verdict, charts of the series with the episodes marked, and the table of episodes to a page."""
    page.section("Series and anomalies").verdict(scored.verdict)
    ids = f"episode-{len(page)}"
    place_of = {str(label): row for row, label in enumerate(frame.index)}
    rows = np.flatnonzero(scored.is_anomaly)
    flagged = [row for row in scored.found if row["flagged"]]
    spans = [(place_of[row["start"]], place_of[row["end"]] + 1) for row in flagged]
    for name in frame.columns[:_SHOWN_SERIES]:
        values = frame[name].to_numpy(dtype=np.float64)
        mine = [k for k, row in enumerate(scored.found) if row["flagged"] and row["series"] in (str(name), "")]
        peaks = np.array([place_of[scored.found[k]["time"]] for k in mine], dtype=np.int64)
        marks = []
        if rows.size:
            marks.append(Marks("flagged", rows, values[rows], "var(--amber)"))
        if peaks.size:
            texts = [sentence_of_episode(scored.found[k]) for k in mine]
            targets = [f"{ids}-{k}" for k in mine]
            marks.append(Marks("peak of an episode", peaks, values[peaks], texts=texts, targets=targets))
        page.chart(line_chart([Line(str(name), values)], frame.index, title=str(name), marks=marks, spans=spans))
    page.chart(
        line_chart([Line("", scored.scores, "var(--violet)")], frame.index, title="score (lower = more abnormal)")
    )
    page.table(
        pd.DataFrame([{**in_words(row), "features behind it": row["features"]} for row in scored.found]), ids=ids
    )
