"""Fleets that are themselves spread: DataFrames of Spark and of Dask in, the same out, nothing collected here.

The rows of one series are brought together by a shuffle on the id, and every group is worked on as a table in memory.
"""

from __future__ import annotations

from typing import Any

import narwhals.dependencies as kinds
import numpy as np
import pandas as pd

from tsprune.exceptions import InvalidParameterError, InvalidSeriesError
from tsprune.fleet.engines import is_spark_session
from tsprune.fleet.task import FleetTask, work_through

__all__ = ["work_through_spread"]

_FACTS = "_tsprune_facts"


def work_through_spread(frame: Any, task: FleetTask, engine: Any) -> tuple[Any, Any] | None:
    """Work on every series of a DataFrame of Spark or Dask.

    Parameters
    ----------
    frame : any
    task : FleetTask
    engine : None, or what the frame belongs to

    Returns
    -------
    (frame, summary) or None
        Of the kind given; None if the frame is neither.

    Raises
    ------
    InvalidParameterError
        `engine` is another one than the frame's own.
    InvalidSeriesError
        A column is missing, or the values of a Spark DataFrame are no numbers.
    """
    if kinds.is_pyspark_dataframe(frame) or kinds.is_pyspark_connect_dataframe(frame):
        if not (engine in (None, "spark") or is_spark_session(engine)):
            raise InvalidParameterError(f"engine of a Spark DataFrame must be None or 'spark', got {engine!r}.")
        task.check_columns(frame.columns)
        return _on_spark_frame(frame, task)
    if kinds.is_dask_dataframe(frame):
        if engine not in (None, "dask"):
            raise InvalidParameterError(f"engine of a Dask DataFrame must be None or 'dask', got {engine!r}.")
        task.check_columns(frame.columns)
        return _on_dask_frame(frame, task)
    return None


def _on_spark_frame(frame: Any, task: FleetTask) -> tuple[Any, Any]:
    """One pass over the groups, kept by Spark, of which both results are views."""
    from pyspark.sql import types

    value = frame.schema[task.value_column].dataType
    if not isinstance(value, types.NumericType):
        raise InvalidSeriesError(
            f"column {task.value_column!r} of a Spark DataFrame must hold numbers, got {value.simpleString()}; cast it."
        )
    floats, booleans = task.added
    texts = {"periods", "guards", "error"}
    facts = {
        name: types.StringType()
        if name in texts
        else types.DoubleType()
        if name == "lowest_score"
        else types.LongType()
        for name in ("n_timepoints", "n_missing", *task.nothing, "error")
    }
    new = {floats: types.DoubleType(), booleans: types.BooleanType()}
    fields = [types.StructField(f.name, new.get(f.name, f.dataType), True) for f in frame.schema.fields]
    fields += [types.StructField(name, kind, True) for name, kind in new.items() if name not in frame.columns]
    fields.append(
        types.StructField(_FACTS, types.StructType([types.StructField(n, k, True) for n, k in facts.items()]))
    )

    def work(group: Any) -> Any:
        import pyarrow as pa

        # Spark hands stamps over under any name of the zone and takes them back under one
        utc = [f.with_type(pa.timestamp("us", "UTC")) if getattr(f.type, "tz", None) else f for f in group.schema]
        out, summary = work_through(group.cast(pa.schema(utc)), task, None)
        told = pa.struct(
            [(n, pa.string() if n in texts else pa.float64() if n == "lowest_score" else pa.int64()) for n in facts]
        )
        row = {name: summary.column(name)[0].as_py() for name in facts}
        return out.append_column(_FACTS, pa.array([row] + [None] * (len(out) - 1), told))

    whole = frame.groupBy(task.id_column).applyInArrow(work, types.StructType(fields)).persist()
    rows = whole.where(whole[_FACTS].isNotNull()).select(task.id_column, f"{_FACTS}.*")
    return whole.drop(_FACTS), rows


def _on_dask_frame(frame: Any, task: FleetTask) -> tuple[Any, Any]:
    """One task a partition after the shuffle; computing both results together does the work once."""
    import dask.dataframe as dd
    from dask.delayed import delayed

    floats, booleans = task.added
    meta = frame._meta.assign(**{floats: np.empty(0), booleans: np.empty(0, bool)})
    own = {"periods": str, "guards": str, "error": object, "lowest_score": float}
    names = ("n_timepoints", "n_missing", *task.nothing, "error")
    facts = {name: pd.Series([], dtype=own.get(name, int)) for name in names}
    summary_meta = pd.DataFrame({task.id_column: frame._meta[task.id_column], **facts})
    done = [
        delayed(_partition, nout=2)(part, task, summary_meta.dtypes)
        for part in frame.shuffle(on=task.id_column).to_delayed()
    ]
    return (
        dd.from_delayed([out for out, _ in done], meta=meta, verify_meta=False),
        dd.from_delayed([summary for _, summary in done], meta=summary_meta, verify_meta=False),
    )


def _partition(part: pd.DataFrame, task: FleetTask, dtypes: pd.Series) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Every series of one partition; frames of the promised types."""
    out, summary = work_through(part, task, None)
    return out, summary.astype(dtypes.to_dict())
