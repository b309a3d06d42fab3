"""Many series at once: long frames in, long frames and one row of summary per series out.

A long frame holds one observation a row: which series, when, how much (`unique_id, ds, y` by default). Series are
independent of each other, so an engine may spread them; the result does not depend on it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from tsprune.exceptions import InvalidParameterError
from tsprune.fleet.distributed_frames import work_through_spread
from tsprune.fleet.result import FleetResult
from tsprune.fleet.table import Run, work_through
from tsprune.fleet.task import FleetTask

__all__ = ["as_names", "check_estimator", "clean_many", "detect_many", "run_fleet"]


def clean_many(
    frame: Any,
    cleaner: Any = None,
    *,
    period: Any = "auto",
    id_column: str | Sequence[str] = "unique_id",
    time_column: str = "ds",
    value_column: str = "y",
    day_first: bool | None = None,
    engine: Any = None,
    n_jobs: int | None = None,
    on_error: str = "record",
    checkpoint: Any = None,
    progress: Callable[[int, int], None] | None = None,
) -> FleetResult:
    """Clean every series of a long frame.

    Parameters
    ----------
    frame : pandas or polars DataFrame, or one of Spark or Dask
        Long: one observation a row; rows of a series need not stand together, nor in order of time. Of a Spark or Dask
        DataFrame nothing is collected: both results are lazy frames of that kind, without an order of rows. Spark keeps
        the one pass they come from (``spark.catalog.clearCache()`` lets it go); with Dask, ``dask.compute`` both
        together.
    cleaner : SeriesCleaner, optional
        Cloned for every series; default ``SeriesCleaner(period)``.
    period : "auto", None, int or sequence of int, default="auto"
        Season lengths for the default cleaner, in samples.
    id_column : str or sequence of str, default="unique_id"
        Column that names the series, or several that do so together.
    time_column, value_column : str
        Names of the columns; times are timestamps, dates, integers, or text in one notation. Other columns are carried.
    day_first : bool, optional
        Whether ``05/01/2024`` is the fifth of January; None lets the column decide.
    engine : None, "dask", "ray", "spark", SparkSession, concurrent.futures.Executor or dask.distributed.Client
        None works on this machine, see `n_jobs`; ``"dask"`` hands them to Dask's scheduler of the moment;
        ``"ray"`` and ``"spark"`` to the Ray or the Spark session that is active, or else start one on this machine
        that stays for the next call; anything with ``map(function, jobs)`` spreads them (results that have
        ``.result()``, as Dask's futures, are gathered). The result does not depend on it.
    n_jobs : int, optional
        Processes on this machine, as in joblib: -1 = all cores. None: what `joblib.parallel_config` says where one is
        active (its backends work too); else all cores from 1,000,000 rows on, and one process below. The result does
        not depend on it.
    on_error : {"record", "raise"}, default="record"
        Whether a series that fails is told in `summary`, or ends the job.
    checkpoint : path-like, optional
        Folder for finished blocks of series. A job that was killed goes on from there when it is called again with the
        same rows and options, and ends with the same result. Delete the folder when the result is stored.
    progress : callable, optional
        Called with the number of series finished and the number of all, after every block.

    Returns
    -------
    FleetResult
        `frame` has the repaired values in the target column and a Boolean column ``changed``; `summary` the columns
        ``<id>, n_timepoints, n_missing, n_changed, changes, periods, guards, seconds, error`` (`changes`: the number by
        reason, as text); `changes` one row per changed point with its reason and evidence. A series that fails stays
        as it was; a column ``changed`` that was there is replaced. It unpacks as ``frame, summary``.

    Raises
    ------
    ImportError
        The extra that `engine` needs (`dask`, `ray`, `spark`) is not installed.
    InvalidParameterError
        A parameter is not of the kind needed, or `checkpoint` belongs to another job.
    InvalidSeriesError
        `frame` is no DataFrame, or lacks a column; with ``on_error="raise"``, a series fails.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from tsprune import SeriesCleaner, clean_many
    >>> rng = np.random.default_rng(0)
    >>> y = np.sin(np.arange(600) * 2 * np.pi / 12) + rng.normal(0, 0.1, 600)
    >>> y[50] = 9.0
    >>> frame = pd.DataFrame({"unique_id": ["a"] * 300 + ["b"] * 300, "ds": list(range(300)) * 2, "y": y})
    >>> result = clean_many(frame, SeriesCleaner(period=12))
    >>> result.summary[["unique_id", "n_changed"]].values.tolist()
    [['a', 1], ['b', 0]]

    Every change, with its reason:

    >>> result.changes[["unique_id", "ds", "old", "reason"]].values.tolist()
    [['a', 50, 9.0, 'spike']]
    """
    if cleaner is None:
        from tsprune.cleaning.cleaner import SeriesCleaner

        cleaner = SeriesCleaner(period)
    check_estimator(cleaner, "cleaner", ("fit", "transform"))
    task = FleetTask("clean", cleaner, as_names(id_column), time_column, value_column, day_first, on_error)
    return run_fleet(frame, task, Run(engine, n_jobs, checkpoint, progress))


def detect_many(
    frame: Any,
    detector: Any = None,
    *,
    period: Any = "auto",
    random_state: Any = 0,
    id_column: str | Sequence[str] = "unique_id",
    time_column: str = "ds",
    value_column: str = "y",
    day_first: bool | None = None,
    engine: Any = None,
    n_jobs: int | None = None,
    on_error: str = "record",
    checkpoint: Any = None,
    progress: Callable[[int, int], None] | None = None,
) -> FleetResult:
    """Detect anomalies in every series of a long frame.

    Parameters
    ----------
    frame : pandas or polars DataFrame
        Long, as for `clean_many`.
    detector : SeriesDetector, optional
        Cloned for every series; default ``SeriesDetector(period=period, random_state=random_state)``.
    period : "auto", None, int or sequence of int, default="auto"
        Season lengths for the default detector, in samples.
    random_state : int, RandomState or None, default=0
        For the default detector.
    id_column, time_column, value_column, day_first, engine, n_jobs, on_error, checkpoint, progress
        As in `clean_many`.

    Returns
    -------
    FleetResult
        `frame` gains ``score`` (lower = more abnormal) and ``anomaly`` (Boolean); `summary` has the columns
        ``<id>, n_timepoints, n_missing, n_anomalies, n_episodes, lowest_score, periods, seconds, error``;
        `episodes` has one row per episode. The scores of a series that fails are NaN. It unpacks as ``frame, summary``.

    Raises
    ------
    InvalidParameterError, InvalidSeriesError
        As for `clean_many`.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from tsprune import detect_many
    >>> rng = np.random.default_rng(0)
    >>> y = rng.normal(0, 0.1, 300)
    >>> y[150:155] = 5.0
    >>> frame = pd.DataFrame({"unique_id": "a", "ds": range(300), "y": y})
    >>> result = detect_many(frame)
    >>> bool(140 <= result.frame["score"].idxmin() <= 165)
    True
    """
    if detector is None:
        from tsprune.detection.detector import SeriesDetector

        detector = SeriesDetector(period=period, random_state=random_state)
    check_estimator(detector, "detector", ("fit", "score_samples", "predict"))
    task = FleetTask("detect", detector, as_names(id_column), time_column, value_column, day_first, on_error)
    return run_fleet(frame, task, Run(engine, n_jobs, checkpoint, progress))


def check_estimator(estimator: Any, name: str, needed: tuple[str, ...]) -> None:
    """Raise unless `estimator` is an object with the methods."""
    if isinstance(estimator, type) or not all(callable(getattr(estimator, method, None)) for method in needed):
        raise InvalidParameterError(
            f"{name} must be an object with {', '.join(needed)}, got {estimator!r}; pass an estimator, not its class."
        )


def as_names(id_column: str | Sequence[str]) -> tuple[str, ...]:
    """The columns of the ids."""
    names = (id_column,) if isinstance(id_column, str) else tuple(id_column)
    if not names:
        raise InvalidParameterError("id_column must name at least one column, got none.")
    return names


def run_fleet(frame: Any, task: FleetTask, run: Run) -> FleetResult:
    """Do the work where the frame is: on its own cluster, or in memory."""
    return work_through_spread(frame, task, run) or work_through(frame, task, run)
