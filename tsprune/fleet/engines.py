"""Where the series of a fleet are worked on: in this process, on an executor, on Dask, on Ray or on Spark.

An engine gets the same jobs, whatever it is, and gives back their results in the same order. To Ray and Spark jobs and
results travel as bytes, so no column changes its type on the way, and no array comes back read-only.
"""

from __future__ import annotations

import os
import pickle
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from itertools import pairwise
from typing import Any

import numpy as np

from tsprune.exceptions import InvalidParameterError

__all__ = ["spread"]

_BLOCKS_PER_WORKER = 4  # enough for an even load where series differ in length, few enough to cost nothing
_RAY_UNDER_UV = "RAY_ENABLE_UV_RUN_RUNTIME_ENV"
_SPARK_PYTHON = "PYSPARK_PYTHON"  # without it workers run the first python3 of the path, whatever is installed there


def spread(work: Callable[[Any], Any], jobs: Sequence[Any], engine: Any) -> list[Any]:
    """Do every job on the engine.

    Parameters
    ----------
    work : callable
        What to do with one job; Ray and Spark pickle it.
    jobs : sequence
        One item a series.
    engine : None, "dask", "ray", "spark", a SparkSession, an executor or a Dask client

    Returns
    -------
    list of len(jobs)
        Results, in the order of the jobs.

    Raises
    ------
    ImportError
        The extra that the engine needs is not installed.
    InvalidParameterError
        `engine` is none of those.
    """
    if engine is None or not jobs:
        _check_name(engine)
        return [work(job) for job in jobs]
    if isinstance(engine, str):
        _check_name(engine)
        return {"dask": _on_dask, "ray": _on_ray, "spark": _on_spark}[engine](work, jobs)
    if is_spark_session(engine):
        return _on_spark(work, jobs, engine)
    if not callable(getattr(engine, "map", None)):
        raise InvalidParameterError(_kinds(engine))
    return [item.result() if hasattr(item, "result") else item for item in engine.map(work, jobs)]


def is_spark_session(engine: Any) -> bool:
    """Return whether `engine` is a session of Spark, classic or of a remote server."""
    return type(engine).__module__.startswith("pyspark.sql.") and hasattr(engine, "createDataFrame")


def _check_name(engine: Any) -> None:
    """Raise if `engine` is a name that stands for none."""
    if isinstance(engine, str) and engine not in ("dask", "ray", "spark"):
        raise InvalidParameterError(_kinds(engine))


def _kinds(engine: Any) -> str:
    """What an engine may be."""
    return (
        "engine must be None, 'dask', 'ray', 'spark', a SparkSession, or have a method map(function, jobs), as "
        f"executors and Dask clients do, got {engine!r}."
    )


def _missing(name: str, library: str) -> ImportError:
    """The error of an engine whose extra is not installed."""
    return ImportError(f"engine={name!r} needs {library}: install the extra, `pip install 'tsprune[{name}]'`.")


def _on_dask(work: Callable[[Any], Any], jobs: Sequence[Any]) -> list[Any]:
    """Hand the jobs to Dask's scheduler of the moment."""
    try:
        from dask.base import compute
        from dask.delayed import delayed
    except ImportError as error:
        raise _missing("dask", "Dask") from error
    done: tuple[Any, ...] = compute(*(delayed(work, pure=False)(job) for job in jobs))  # type: ignore[no-untyped-call]  # Dask ships no types here
    return list(done)


def _on_ray(work: Callable[[Any], Any], jobs: Sequence[Any]) -> list[Any]:
    """Hand the jobs to the Ray that runs, or else start one on this machine; it stays for the next call."""
    ray = _import_ray()
    if not ray.is_initialized():
        ray.init(include_dashboard=False, configure_logging=False, log_to_driver=False)
    task = ray.remote(_do_block)
    mine = ray.put(work)
    workers = max(1, int(ray.cluster_resources().get("CPU", 1)))
    done = ray.get([task.remote(mine, block) for block in _blocks(jobs, _BLOCKS_PER_WORKER * workers)])
    return [result for block in done for result in pickle.loads(block)]


def _import_ray() -> Any:
    """Import Ray; where it is ours to start, workers run in this very environment.

    Under ``uv run`` Ray would build every worker an environment of its own from the lock file, without the extras.
    """
    ours = "ray" not in sys.modules and "RAY_ADDRESS" not in os.environ
    try:
        with _environment(_RAY_UNDER_UV, "0") if ours else nullcontext():
            import ray
    except ImportError as error:
        raise _missing("ray", "Ray") from error
    return ray


@contextmanager
def _environment(name: str, value: str) -> Iterator[None]:
    """Give a variable that is not set a value, for as long as it takes to start something."""
    if name in os.environ:
        yield
        return
    os.environ[name] = value
    try:
        yield
    finally:
        del os.environ[name]


def _on_spark(work: Callable[[Any], Any], jobs: Sequence[Any], session: Any = None) -> list[Any]:
    """Hand the jobs to the session given, or else the active one, or a new one on this machine that stays."""
    try:
        import pyarrow as pa
        from pyspark.sql import SparkSession
    except ImportError as error:
        raise _missing("spark", "PySpark and pyarrow") from error
    if session is None:
        with _environment(_SPARK_PYTHON, sys.executable):
            session = SparkSession.getActiveSession() or SparkSession.builder.appName("tsprune").getOrCreate()

    def work_through(batches: Any) -> Any:
        for batch in batches:
            done = [_do_block(work, block.as_py()) for block in batch.column(1)]
            yield pa.record_batch([batch.column(0), pa.array(done, pa.binary())], names=["block", "jobs"])

    blocks = _blocks(jobs, int(session.conf.get("spark.sql.shuffle.partitions")))
    table = pa.table({"block": pa.array(range(len(blocks)), pa.int64()), "jobs": pa.array(blocks, pa.binary())})
    spread_out = session.createDataFrame(table).repartition(len(blocks))
    done = spread_out.mapInArrow(work_through, "block long, jobs binary").toArrow().sort_by("block")
    return [result for block in done.column("jobs") for result in pickle.loads(block.as_py())]


def _blocks(jobs: Sequence[Any], most: int) -> list[bytes]:
    """Return the jobs in order as that many pickled lists at most."""
    n_blocks = min(len(jobs), most)
    edges = np.linspace(0, len(jobs), n_blocks + 1).astype(int)
    return [pickle.dumps(list(jobs[a:b]), protocol=5) for a, b in pairwise(edges)]


def _do_block(work: Callable[[Any], Any], block: bytes) -> bytes:
    """Do the jobs of a pickled list; the pickled list of their results."""
    return pickle.dumps([work(job) for job in pickle.loads(block)], protocol=5)
