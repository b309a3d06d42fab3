"""Many series at once: long frames in, long frames and one row of summary per series out.

A long frame holds one observation a row: which series, when, how much (`unique_id, ds, y` by default). Series are
independent of each other, so an engine may spread them; the result does not depend on it.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from tsprune.exceptions import InvalidParameterError
from tsprune.fleet.distributed_frames import work_through_spread
from tsprune.fleet.task import FleetTask, work_through

__all__ = ["FleetResult", "clean_many", "detect_many"]


class FleetResult(NamedTuple):
    """What became of many series.

    Attributes
    ----------
    frame : DataFrame of the kind given
        The rows given, in their order, with the results.
    summary : DataFrame of the kind given
        One row a series, in order of first appearance; `error` says why a series failed, else it is None.
    """

    frame: Any
    summary: Any


def clean_many(
    frame: Any,
    cleaner: Any = None,
    *,
    period: Any = "auto",
    id_column: str = "unique_id",
    time_column: str = "ds",
    value_column: str = "y",
    day_first: bool | None = None,
    engine: Any = None,
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
    id_column, time_column, value_column : str
        Names of the columns; times are timestamps, dates, integers, or text in one notation.
    day_first : bool, optional
        Whether ``05/01/2024`` is the fifth of January; None lets the column decide.
    engine : None, "dask", "ray", "spark", SparkSession, concurrent.futures.Executor or dask.distributed.Client
        None works through the series one after the other; ``"dask"`` hands them to Dask's scheduler of the moment;
        ``"ray"`` and ``"spark"`` to the Ray or the Spark session that is active, or else start one on this machine
        that stays for the next call; anything with ``map(function, jobs)`` spreads them (results that have
        ``.result()``, as Dask's futures, are gathered). The result does not depend on it.

    Returns
    -------
    FleetResult
        `frame` has the repaired values in the target column and a Boolean column ``changed``; `summary` the columns
        ``<id>, n_timepoints, n_missing, n_changed, periods, guards, error``. A series that fails stays as it was; a
        column ``changed`` that was there is replaced.

    Raises
    ------
    ImportError
        The extra that `engine` needs (`dask`, `ray`, `spark`) is not installed.
    InvalidParameterError
        `cleaner` or `engine` is not of the kind needed.
    InvalidSeriesError
        `frame` is no DataFrame, or lacks a column.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from tsprune import SeriesCleaner, clean_many
    >>> rng = np.random.default_rng(0)
    >>> y = np.sin(np.arange(600) * 2 * np.pi / 12) + rng.normal(0, 0.1, 600)
    >>> y[50] = 9.0
    >>> frame = pd.DataFrame({"unique_id": ["a"] * 300 + ["b"] * 300, "ds": list(range(300)) * 2, "y": y})
    >>> clean_many(frame, SeriesCleaner(period=12)).summary[["unique_id", "n_changed"]].values.tolist()
    [['a', 1], ['b', 0]]
    """
    if cleaner is None:
        from tsprune.cleaning.cleaner import SeriesCleaner

        cleaner = SeriesCleaner(period)
    _check_estimator(cleaner, "cleaner", ("fit", "transform"))
    return _run(frame, FleetTask(cleaner, False, id_column, time_column, value_column, day_first), engine)


def detect_many(
    frame: Any,
    detector: Any = None,
    *,
    period: Any = "auto",
    random_state: Any = 0,
    id_column: str = "unique_id",
    time_column: str = "ds",
    value_column: str = "y",
    day_first: bool | None = None,
    engine: Any = None,
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
    id_column, time_column, value_column : str
        Names of the columns.
    engine : as in `clean_many`

    Returns
    -------
    FleetResult
        `frame` gains ``score`` (lower = more abnormal) and ``anomaly`` (Boolean); `summary` has the columns
        ``<id>, n_timepoints, n_missing, n_anomalies, lowest_score, periods, error``. The scores of a series that
        fails are NaN.

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
    _check_estimator(detector, "detector", ("fit", "score_samples", "predict"))
    return _run(frame, FleetTask(detector, True, id_column, time_column, value_column, day_first), engine)


def _check_estimator(estimator: Any, name: str, needed: tuple[str, ...]) -> None:
    """Raise unless `estimator` is an object with the methods."""
    if isinstance(estimator, type) or not all(callable(getattr(estimator, method, None)) for method in needed):
        raise InvalidParameterError(
            f"{name} must be an object with {', '.join(needed)}, got {estimator!r}; pass an estimator, not its class."
        )


def _run(frame: Any, task: FleetTask, engine: Any) -> FleetResult:
    """Do the work where the frame is: on its own cluster, or in memory with the engine."""
    return FleetResult(*(work_through_spread(frame, task, engine) or work_through(frame, task, engine)))
