"""`tsprune fleet`: clean, score or decompose many series of one long table, one row of summary per series."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
import typer

from tsprune.commands.cells import InputFileError
from tsprune.commands.files import check_not_input, read_table_file, write_table_file
from tsprune.commands.options import (
    DayFirst,
    Decimal,
    Header,
    Json,
    Output,
    Overwrite,
    Period,
    Seed,
    TimeZone,
    finish,
    print_table,
    read_period,
)
from tsprune.commands.series_file import column_numbers
from tsprune.commands.time_columns import read_times
from tsprune.exceptions import InvalidParameterError
from tsprune.fleet.components import decompose_many
from tsprune.fleet.fleet import clean_many, detect_many
from tsprune.fleet.result import FleetResult

__all__ = ["fleet"]

_SHOWN_SERIES = 20


class Task(StrEnum):
    """What to do with every series."""

    clean = "clean"
    detect = "detect"
    decompose = "decompose"


class OnError(StrEnum):
    """What to do about a series that fails."""

    record = "record"
    stop = "raise"


class Engine(StrEnum):
    """Where the series are worked on."""

    dask = "dask"
    ray = "ray"
    spark = "spark"


def fleet(
    words: Annotated[
        list[str],
        typer.Argument(metavar="[clean|detect|decompose] INPUT", help="CSV or Parquet file; clean if not said."),
    ],
    task: Annotated[Task | None, typer.Option(help="What to do with every series, instead of the first word.")] = None,
    id_column: Annotated[list[str] | None, typer.Option(help="Column that names the series; repeatable.")] = None,
    time_column: Annotated[str, typer.Option(help="Column of times.")] = "ds",
    value_column: Annotated[str, typer.Option(help="Column of values.")] = "y",
    period: Period = "auto",
    engine: Annotated[Engine | None, typer.Option(help="Where to run; default this machine.")] = None,
    jobs: Annotated[
        int | None, typer.Option("--jobs", help="Processes; -1 = all cores; default all for 1,000,000 rows or more.")
    ] = None,
    checkpoint: Annotated[
        Path | None, typer.Option(help="Folder for finished series: a killed run goes on from there.")
    ] = None,
    on_error: Annotated[
        OnError, typer.Option(help="Note a series that fails in the summary, or stop.")
    ] = OnError.record,
    seed: Seed = 0,
    header: Header = True,
    time_zone: TimeZone = None,
    decimal: Decimal = None,
    day_first: DayFirst = None,
    output: Output = None,
    overwrite: Overwrite = False,
    summary: Annotated[Path | None, typer.Option(help="File for the summary.")] = None,
    changes: Annotated[
        Path | None, typer.Option(help="File for every change (clean) or episode (detect), with its evidence.")
    ] = None,
    json: Json = False,
) -> None:
    """Clean, score or decompose many series of a long table."""
    task, path = _task_and_path(words, task)
    if changes is not None and task is Task.decompose:
        raise InvalidParameterError("--changes needs clean or detect, got decompose; leave it out.")
    check_not_input(path, output, overwrite)
    table = read_table_file(path, header=header)
    ids = tuple(id_column or ["unique_id"])
    frame = _work_frame(
        table, (ids, time_column, value_column), path.name, time_zone=time_zone, decimal=decimal, day_first=day_first
    )
    with _progress(task, shown=not json and sys.stderr.isatty()) as tell:
        options: dict[str, Any] = {
            "id_column": ids, "time_column": time_column, "value_column": value_column, "period": read_period(period),
            "engine": engine and engine.value, "n_jobs": jobs, "checkpoint": checkpoint, "on_error": on_error.value,
            "progress": tell,
        }  # fmt: skip
        if task is Task.detect:
            options["random_state"] = seed
        run: dict[Task, Callable[..., FleetResult]] = {
            Task.clean: clean_many, Task.detect: detect_many, Task.decompose: decompose_many,
        }  # fmt: skip
        result = run[task](frame, **options)
    rows, per_series = result
    listed = result.changes if task is Task.clean else result.episodes
    if output is not None:
        write_table_file(_result(table, frame, rows, value_column, task), output, with_index=False, header=header)
    if summary is not None:
        write_table_file(per_series, summary, with_index=False)
    if changes is not None:
        write_table_file(listed, changes, with_index=False)
    if not json:
        print_table(f"{task.value}: {len(per_series)} series", per_series.head(_SHOWN_SERIES).to_dict("records"))
    counts = {"task": task.value, "n_series": len(per_series), "n_rows": len(rows)}
    finish({**counts, "series": per_series.to_dict("records")}, as_json=json, output=output, report=None)


def _task_and_path(words: list[str], task: Task | None) -> tuple[Task, Path]:
    """What to do with which file: ``clean INPUT``, or ``INPUT`` and perhaps ``--task``."""
    if len(words) == 1:
        return task or Task.clean, Path(words[0])
    names = [each.value for each in Task]
    if len(words) > 2 or words[0] not in names:
        raise InvalidParameterError(f"fleet takes [{'|'.join(names)}] INPUT, got {' '.join(words)!r}; name one file.")
    if task not in (None, Task(words[0])):
        raise InvalidParameterError(f"--task must not contradict {words[0]!r}, got {task!s}; leave it out.")
    return Task(words[0]), Path(words[1])


@contextmanager
def _progress(task: Task, *, shown: bool) -> Iterator[Callable[[int, int], None] | None]:
    """A bar on the terminal that counts the finished series."""
    if not shown:
        yield None
        return
    from rich.console import Console
    from rich.progress import MofNCompleteColumn, Progress, TimeElapsedColumn, TimeRemainingColumn

    columns = (*Progress.get_default_columns()[:2], MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        line = bar.add_task(f"{task.value}: series", total=None)
        yield lambda done, n_series: bar.update(line, completed=done, total=n_series)


def _work_frame(
    table: pd.DataFrame,
    names: tuple[tuple[str, ...], str, str],
    file: str,
    *,
    time_zone: str | None,
    decimal: str | None,
    day_first: bool | None,
) -> pd.DataFrame:
    """The columns worked on: ids as they are written, times and values as such."""
    ids, time, value = names
    options = {**dict.fromkeys(ids, "--id-column"), time: "--time-column", value: "--value-column"}
    for name, option in options.items():
        if name not in table.columns:
            raise InputFileError(
                f"column {name!r} must be in {file}, got {list(map(str, table.columns))[:8]}; see {option}."
            )
    numbers, kind = column_numbers(table[value], file, decimal)
    if numbers is None:
        raise InputFileError(f"column {value!r} of {file} must hold numbers, got {kind}.")
    times = read_times(table[time], file, day_first=day_first, time_zone=time_zone)
    return pd.DataFrame({**{name: table[name] for name in ids}, time: times, value: numbers}).set_axis(table.index)


def _result(table: pd.DataFrame, frame: pd.DataFrame, rows: pd.DataFrame, value: str, task: Task) -> pd.DataFrame:
    """The table with the results; cells that did not change keep their text."""
    out = table.copy()
    if task is Task.detect:
        return out.assign(score=rows["score"].to_numpy(), anomaly=rows["anomaly"].to_numpy())
    if task is Task.decompose:
        return out.assign(**{name: rows[name].to_numpy() for name in ("trend", "seasonal", "remainder")})
    old, new = frame[value].to_numpy(dtype=np.float64), rows[value].to_numpy(dtype=np.float64)
    same = (old == new) | (np.isnan(old) & np.isnan(new))
    if pd.api.types.is_numeric_dtype(table[value].dtype):
        out[value] = new
    else:
        cells = out[value].to_numpy(dtype=object, copy=True)
        cells[~same] = [repr(float(number)) for number in new[~same]]
        out[value] = cells
    return out.assign(changed=rows["changed"].to_numpy())
