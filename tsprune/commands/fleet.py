"""`tsprune fleet`: clean or score many series of one long table, one row of summary per series."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tsprune.commands.files import read_table_file, write_table_file
from tsprune.commands.options import Input, Json, Output, Period, Seed, finish, print_table, read_period
from tsprune.exceptions import InvalidParameterError
from tsprune.fleet.fleet import clean_many, detect_many

__all__ = ["fleet"]

_SHOWN_SERIES = 20


def fleet(
    path: Input,
    task: Annotated[str, typer.Option(help="clean or detect.")] = "clean",
    id_column: Annotated[str, typer.Option(help="Column that names the series.")] = "unique_id",
    time_column: Annotated[str, typer.Option(help="Column of times.")] = "ds",
    value_column: Annotated[str, typer.Option(help="Column of values.")] = "y",
    period: Period = "auto",
    engine: Annotated[str | None, typer.Option(help="Run on dask, ray or spark; default this process.")] = None,
    seed: Seed = 0,
    output: Output = None,
    summary: Annotated[Path | None, typer.Option(help="Where the summary goes.")] = None,
    json: Json = False,
) -> None:
    """Clean or score many series of a long table."""
    if task not in ("clean", "detect"):
        raise InvalidParameterError(f"--task must be clean or detect, got {task!r}.")
    frame = read_table_file(path)
    names = {"id_column": id_column, "time_column": time_column, "value_column": value_column}
    if task == "clean":
        rows, per_series = clean_many(frame, period=read_period(period), engine=engine, **names)
    else:
        rows, per_series = detect_many(frame, period=read_period(period), engine=engine, random_state=seed, **names)
    if output is not None:
        write_table_file(rows, output, with_index=False)
    if summary is not None:
        write_table_file(per_series, summary, with_index=False)
    if not json:
        print_table(f"{task}: {len(per_series)} series", per_series.head(_SHOWN_SERIES).to_dict("records"))
    counts = {"task": task, "n_series": len(per_series), "n_rows": len(rows)}
    finish({**counts, "series": per_series.to_dict("records")}, as_json=json, output=output, report=None)
