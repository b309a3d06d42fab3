"""Fleets that are themselves spread: DataFrames of Spark and of Dask in, the same out, nothing collected here.

The rows of one series are brought together by a shuffle on the id, and every group is worked on as a table in memory.
"""

from __future__ import annotations

from typing import Any

import narwhals.dependencies as kinds
import pandas as pd

from tsprune.exceptions import InvalidParameterError, InvalidSeriesError
from tsprune.fleet.engines import is_spark_session
from tsprune.fleet.result import FleetResult
from tsprune.fleet.table import Run, work_through
from tsprune.fleet.task import FleetTask

__all__ = ["work_through_spread"]

_FACTS = "_tsprune_facts"


def work_through_spread(frame: Any, task: FleetTask, run: Run) -> FleetResult | None:
    """Work on every series of a DataFrame of Spark or Dask.

    Parameters
    ----------
    frame : any
    task : FleetTask
    run : Run
        Its engine is None, or what the frame belongs to.

    Returns
    -------
    FleetResult or None
        Of the kind given; None if the frame is neither.

    Raises
    ------
    InvalidParameterError
        `engine` is another one than the frame's own, or an option is for tables in memory only.
    InvalidSeriesError
        A column is missing, or the values of a Spark DataFrame are no numbers.
    """
    engine = run.engine
    if kinds.is_pyspark_dataframe(frame) or kinds.is_pyspark_connect_dataframe(frame):
        if not (engine in (None, "spark") or is_spark_session(engine)):
            raise InvalidParameterError(f"engine of a Spark DataFrame must be None or 'spark', got {engine!r}.")
        _refuse_local_options(task, run)
        task.check_columns(frame.columns)
        return _on_spark_frame(frame, task)
    if kinds.is_dask_dataframe(frame):
        if engine not in (None, "dask"):
            raise InvalidParameterError(f"engine of a Dask DataFrame must be None or 'dask', got {engine!r}.")
        _refuse_local_options(task, run)
        task.check_columns(frame.columns)
        return _on_dask_frame(frame, task)
    return None


def _refuse_local_options(task: FleetTask, run: Run) -> None:
    """Raise for what a lazy frame of a cluster cannot have."""
    told = {"n_jobs": run.n_jobs, "checkpoint": run.checkpoint, "progress": run.progress}
    for name, value in told.items():
        if value is not None:
            raise InvalidParameterError(
                f"{name} must be None for a Spark or Dask DataFrame, got {value!r}; its cluster decides when and where."
            )
    if task.kind == "prune":
        raise InvalidParameterError(
            "prune_many needs a table in memory, as it gives back the fitted pruners, got a Spark or Dask DataFrame; "
            "collect it."
        )


def _on_spark_frame(frame: Any, task: FleetTask) -> FleetResult:
    """One pass over the groups, kept by Spark, of which both results are views."""
    from pyspark.sql import types

    value = frame.schema[task.value_column].dataType
    if not isinstance(value, types.NumericType):
        raise InvalidSeriesError(
            f"column {task.value_column!r} of a Spark DataFrame must hold numbers, got {value.simpleString()}; cast it."
        )
    columns: dict[type, Any] = {float: types.DoubleType(), bool: types.BooleanType()}
    cells: dict[type, Any] = {float: types.DoubleType(), int: types.LongType(), str: types.StringType()}
    facts = {name: cells[kind] for name, kind in task.facts.items()}
    new = {name: columns[kind] for name, kind in task.added.items()}
    fields = [types.StructField(f.name, new.get(f.name, f.dataType), True) for f in frame.schema.fields]
    fields += [types.StructField(name, kind, True) for name, kind in new.items() if name not in frame.columns]
    fields.append(
        types.StructField(_FACTS, types.StructType([types.StructField(n, k, True) for n, k in facts.items()]))
    )

    def work(group: Any) -> Any:
        import pyarrow as pa

        # Spark hands stamps over under any name of the zone and takes them back under one
        utc = [f.with_type(pa.timestamp("us", "UTC")) if getattr(f.type, "tz", None) else f for f in group.schema]
        out, summary = work_through(group.cast(pa.schema(utc)), task, Run(n_jobs=1))
        arrow: dict[type, Any] = {float: pa.float64(), int: pa.int64(), str: pa.string()}
        told = pa.struct([(name, arrow[kind]) for name, kind in task.facts.items()])
        row = {name: summary.column(name)[0].as_py() for name in facts}
        return out.append_column(_FACTS, pa.array([row] + [None] * (len(out) - 1), told))

    whole = frame.groupBy(*task.id_columns).applyInArrow(work, types.StructType(fields)).persist()
    rows = whole.where(whole[_FACTS].isNotNull()).select(*task.id_columns, f"{_FACTS}.*")
    return FleetResult(whole.drop(_FACTS), rows)


def _on_dask_frame(frame: Any, task: FleetTask) -> FleetResult:
    """One task a partition after the shuffle; computing the results together does the work once."""
    import dask.dataframe as dd
    from dask.delayed import delayed

    empty = work_through(frame._meta, task, Run(n_jobs=1))
    tables = [empty.frame, empty.summary, empty.changes if task.kind == "clean" else empty.episodes]
    metas = [table for table in tables if table is not None]
    done = [
        delayed(_partition, nout=len(metas))(part, task, [meta.dtypes.to_dict() for meta in metas])
        for part in frame.shuffle(on=list(task.id_columns)).to_delayed()
    ]
    frames = [
        dd.from_delayed([parts[k] for parts in done], meta=meta, verify_meta=False) for k, meta in enumerate(metas)
    ]
    listed = frames[2] if len(frames) > 2 else None
    return FleetResult(
        frames[0],
        frames[1],
        changes=listed if task.kind == "clean" else None,
        episodes=listed if task.kind == "detect" else None,
    )


def _partition(part: pd.DataFrame, task: FleetTask, dtypes: list[dict[str, Any]]) -> list[pd.DataFrame]:
    """Every series of one partition; frames of the promised types."""
    result = work_through(part, task, Run(n_jobs=1))
    tables = [result.frame, result.summary, result.changes if task.kind == "clean" else result.episodes]
    return [table.astype(kinds) for table, kinds in zip(tables, dtypes, strict=False)]
