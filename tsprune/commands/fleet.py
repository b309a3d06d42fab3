"""`tsprune fleet`: clean or score many series of one long table, one row of summary per series."""

from __future__ import annotations

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
    Input,
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
from tsprune.fleet.fleet import clean_many, detect_many

__all__ = ["fleet"]

_SHOWN_SERIES = 20


class Task(StrEnum):
    """What to do with every series."""

    clean = "clean"
    detect = "detect"


class Engine(StrEnum):
    """Where the series are worked on."""

    dask = "dask"
    ray = "ray"
    spark = "spark"


def fleet(
    path: Input,
    task: Annotated[Task, typer.Option(help="What to do with every series.")] = Task.clean,
    id_column: Annotated[str, typer.Option(help="Column that names the series.")] = "unique_id",
    time_column: Annotated[str, typer.Option(help="Column of times.")] = "ds",
    value_column: Annotated[str, typer.Option(help="Column of values.")] = "y",
    period: Period = "auto",
    engine: Annotated[Engine | None, typer.Option(help="Where to run; default this process.")] = None,
    seed: Seed = 0,
    header: Header = True,
    time_zone: TimeZone = None,
    decimal: Decimal = None,
    day_first: DayFirst = None,
    output: Output = None,
    overwrite: Overwrite = False,
    summary: Annotated[Path | None, typer.Option(help="File for the summary.")] = None,
    json: Json = False,
) -> None:
    """Clean or score many series of a long table."""
    check_not_input(path, output, overwrite)
    table = read_table_file(path, header=header)
    frame = _work_frame(
        table,
        (id_column, time_column, value_column),
        path.name,
        time_zone=time_zone,
        decimal=decimal,
        day_first=day_first,
    )
    names: dict[str, Any] = {"id_column": id_column, "time_column": time_column, "value_column": value_column}
    if task is Task.clean:
        rows, per_series = clean_many(frame, period=read_period(period), engine=engine and engine.value, **names)
    else:
        rows, per_series = detect_many(
            frame, period=read_period(period), engine=engine and engine.value, random_state=seed, **names
        )
    if output is not None:
        write_table_file(_result(table, frame, rows, value_column, task), output, with_index=False, header=header)
    if summary is not None:
        write_table_file(per_series, summary, with_index=False)
    if not json:
        print_table(f"{task.value}: {len(per_series)} series", per_series.head(_SHOWN_SERIES).to_dict("records"))
    counts = {"task": task.value, "n_series": len(per_series), "n_rows": len(rows)}
    finish({**counts, "series": per_series.to_dict("records")}, as_json=json, output=output, report=None)


def _work_frame(
    table: pd.DataFrame,
    names: tuple[str, str, str],
    file: str,
    *,
    time_zone: str | None,
    decimal: str | None,
    day_first: bool | None,
) -> pd.DataFrame:
    """The three columns worked on: ids as they are written, times and values as such."""
    for name, option in zip(names, ("--id-column", "--time-column", "--value-column"), strict=True):
        if name not in table.columns:
            raise InputFileError(
                f"column {name!r} must be in {file}, got {list(map(str, table.columns))[:8]}; see {option}."
            )
    identity, time, value = names
    numbers, kind = column_numbers(table[value], file, decimal)
    if numbers is None:
        raise InputFileError(f"column {value!r} of {file} must hold numbers, got {kind}.")
    times = read_times(table[time], file, day_first=day_first, time_zone=time_zone)
    return pd.DataFrame({identity: table[identity], time: times, value: numbers}).set_axis(table.index)


def _result(table: pd.DataFrame, frame: pd.DataFrame, rows: pd.DataFrame, value: str, task: Task) -> pd.DataFrame:
    """The table with the results; cells that did not change keep their text."""
    out = table.copy()
    if task is Task.detect:
        return out.assign(score=rows["score"].to_numpy(), anomaly=rows["anomaly"].to_numpy())
    old, new = frame[value].to_numpy(dtype=np.float64), rows[value].to_numpy(dtype=np.float64)
    same = (old == new) | (np.isnan(old) & np.isnan(new))
    if pd.api.types.is_numeric_dtype(table[value].dtype):
        out[value] = new
    else:
        cells = out[value].to_numpy(dtype=object, copy=True)
        cells[~same] = [repr(float(number)) for number in new[~same]]
        out[value] = cells
    return out.assign(changed=rows["changed"].to_numpy())
