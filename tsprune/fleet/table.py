"""A table in memory of many series: cut into series, worked on, and put together again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd

from tsprune.exceptions import InvalidParameterError, InvalidSeriesError, TimeIndexError
from tsprune.fleet.blocks import BlockWork, blocks_of, cut_into_blocks
from tsprune.fleet.checkpoint import Checkpoint
from tsprune.fleet.engines import spread
from tsprune.fleet.processes import in_processes, n_workers
from tsprune.fleet.result import FleetResult
from tsprune.fleet.task import FleetTask, SeriesDone

__all__ = ["Run", "as_pandas", "work_through"]


@dataclass(frozen=True)
class Run:
    """How a job is run; nothing here changes its result.

    Attributes
    ----------
    engine, n_jobs, checkpoint, progress
        As in `clean_many`.
    """

    engine: Any = None
    n_jobs: int | None = None
    checkpoint: Any = None
    progress: Callable[[int, int], None] | None = None

    def __post_init__(self) -> None:
        if self.engine is not None and self.n_jobs is not None:
            raise InvalidParameterError(
                f"n_jobs must be None with an engine, got {self.n_jobs!r}; the engine decides how many workers it has."
            )
        if self.progress is not None and not callable(self.progress):
            raise InvalidParameterError(f"progress must be a function of two integers, got {self.progress!r}.")


def work_through(frame: Any, task: FleetTask, run: Run) -> FleetResult:
    """Work on every series of a table in memory.

    Parameters
    ----------
    frame : pandas or polars DataFrame, or pyarrow Table
    task : FleetTask
    run : Run

    Returns
    -------
    FleetResult
        Of the kind given: the rows given with the new columns, one row a series in order of first appearance, details.

    Raises
    ------
    InvalidSeriesError
        `frame` is no table in memory, its columns are not those of the task, or a series fails that may not.
    """
    try:
        given = nw.from_native(frame, eager_only=True)
    except TypeError as error:
        raise InvalidSeriesError(
            f"frame must be an eager pandas or polars DataFrame, got {type(frame).__name__}; collect or convert it."
        ) from error
    task.check_columns(given.columns)
    table = pd.DataFrame({column: as_pandas(given[column]) for column in task.columns})
    with suppress(TimeIndexError):  # one notation for all; where a cell spoils it, every series speaks for itself
        table[task.time_column] = task.times_of(table[task.time_column])
    codes = table.groupby(list(task.id_columns), sort=False, dropna=False, observed=True).ngroup().to_numpy()
    order = np.argsort(codes, kind="stable")
    sizes = np.bincount(codes) if len(codes) else np.zeros(0, np.int64)
    starts = np.r_[0, np.cumsum(sizes)].astype(np.int64)
    done = list(_done(table.iloc[order], task, starts, run))

    new = _new_columns(task, table, done)
    first = order[starts[:-1]]
    kinds = {int: "int64", float: "float64", str: "object"}
    ids = {name: _cells(given, name, first) for name in task.id_columns}
    facts = {n: pd.Series([s.facts[n] for s in done], dtype=kinds[kind]) for n, kind in task.facts.items()}
    owner = np.repeat(first, [len(next(iter(s.details.values()), [])) for s in done]) if done else first
    details = {name: _cells(given, name, owner) for name in task.id_columns}
    for name, kind in task.details.items():
        cells = pd.Series([cell for s in done for cell in s.details.get(name, ())], dtype=kinds[kind])
        if name == "n_rows":
            cells = cells.astype("int64")
        column = task.time_column if name == "time" else name
        details[column] = _cells(given, task.time_column, cells.to_numpy()) if kind is int else cells
    if isinstance(frame, pd.DataFrame):
        out = frame.assign(**new)
        summary, listed = pd.DataFrame({**ids, **facts}), pd.DataFrame(details)
    else:
        backend = nw.get_native_namespace(given)
        out = given.with_columns(*(nw.new_series(n, _plain(c), backend=backend) for n, c in new.items())).to_native()
        summary, listed = (_native({**ids, **facts}, backend), _native(details, backend))
    names = [k[0] if len(k) == 1 else k for k in table[list(task.id_columns)].iloc[first].itertuples(False, None)]
    return FleetResult(
        out,
        summary,
        changes=listed if task.kind == "clean" else None,
        episodes=listed if task.kind == "detect" else None,
        pruners={n: s.fitted for n, s in zip(names, done, strict=True) if s.fitted is not None}
        if task.kind == "prune"
        else None,
    )


def _done(table: pd.DataFrame, task: FleetTask, starts: Any, run: Run) -> Iterator[SeriesDone]:
    """Yield what became of every series, in order; finished blocks come from the checkpoint."""
    n_series, work = len(starts) - 1, BlockWork(task)
    spans = cut_into_blocks(np.diff(starts), single=run.engine is not None and run.checkpoint is None)
    kept = None if run.checkpoint is None else Checkpoint(run.checkpoint, task, table, spans)
    missing = [k for k in range(len(spans)) if kept is None or not kept.has(k)]
    jobs = blocks_of(table, starts, [spans[k] for k in missing])
    if run.engine is None:
        workers = n_workers(
            run.n_jobs, sum(int(starts[spans[k][1]] - starts[spans[k][0]]) for k in missing), len(missing)
        )
        fresh = in_processes(work, jobs, workers)
    else:
        fresh = iter(spread(work, list(jobs), run.engine))
    to_do = set(missing)
    for k, (_, stop) in enumerate(spans):
        block: list[SeriesDone]
        if kept is None:
            block = next(fresh)
        elif k in to_do:
            block = next(fresh)
            kept.write(k, block)
        else:
            block = kept.read(k) or []
        yield from block
        if run.progress is not None:
            run.progress(stop, n_series)


def _new_columns(task: FleetTask, table: pd.DataFrame, done: list[SeriesDone]) -> dict[str, Any]:
    """The new columns (n_rows,); values of a series that failed stay as they were."""
    new: dict[str, Any] = {name: np.zeros(len(table), kind) for name, kind in task.added.items()}
    for series in done:
        for name, column in new.items():
            column[series.order] = series.columns[name]
    failed = [series.order for series in done if series.facts["error"] is not None]
    if task.replaces and failed:
        rows, given = np.concatenate(failed), table[task.value_column]
        if pd.api.types.is_numeric_dtype(given.dtype):
            new[task.value_column][rows] = given.to_numpy(float, na_value=np.nan)[rows]
        else:
            mixed = new[task.value_column].astype(object)
            mixed[rows] = given.to_numpy(object)[rows]
            new[task.value_column] = mixed
    return new


def _cells(given: nw.DataFrame[Any], name: str, rows: Any) -> Any:
    """The cells of a column in some rows (n,), in the column's own kind."""
    native = given[name].to_native()
    if isinstance(native, pd.Series):
        return pd.Series(native.array.take(np.asarray(rows, np.int64)))
    return given[name][np.asarray(rows, np.int64).tolist()]


def _native(columns: dict[str, Any], backend: Any) -> Any:
    """A table of the kind given."""
    made = [
        column.alias(name) if isinstance(column, nw.Series) else nw.new_series(name, _plain(column), backend=backend)
        for name, column in columns.items()
    ]
    return nw.from_dict({column.name: column for column in made}, backend=backend).to_native()


def as_pandas(column: nw.Series[Any]) -> Any:
    """A column (n_rows,) for a table of pandas; times keep their zone."""
    native = column.to_native()
    if isinstance(native, pd.Series):
        return native.array
    zoned = isinstance(column.dtype, nw.Datetime) and column.dtype.time_zone is not None
    return pd.DatetimeIndex(column.to_list()) if zoned else column.to_numpy()


def _plain(column: Any) -> Any:
    """A column as other libraries take it: an array, or a list in which text is not mixed with numbers."""
    column = pd.Series(column)
    if column.dtype != object and not pd.api.types.is_string_dtype(column.dtype):
        return column.to_numpy()
    cells = [None if pd.isna(cell) else cell for cell in column.tolist()]
    return [cell if cell is None else str(cell) for cell in cells] if any(isinstance(c, str) for c in cells) else cells
