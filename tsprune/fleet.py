"""Many series at once: long frames in, long frames and one row of summary per series out.

A long frame holds one observation a row: which series, when, how much (`unique_id, ds, y` by default). Series are
independent of each other, so an engine may spread them; the result does not depend on it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, NamedTuple

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd
from sklearn.base import clone

from tsprune.exceptions import InvalidParameterError, InvalidSeriesError

__all__ = ["FleetResult", "clean_many", "detect_many"]

Job = tuple[Any, pd.DataFrame]
Done = tuple[pd.DataFrame, dict[str, Any]]


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
    engine: Any = None,
) -> FleetResult:
    """Clean every series of a long frame.

    Parameters
    ----------
    frame : pandas or polars DataFrame
        Long: one observation a row; rows of a series need not stand together, nor in order of time.
    cleaner : SeriesCleaner, optional
        Cloned for every series; default ``SeriesCleaner(period)``.
    period : "auto", None, int or sequence of int, default="auto"
        Season lengths for the default cleaner, in samples.
    id_column, time_column, value_column : str
        Names of the columns; times are stamps or integers.
    engine : None, "dask", concurrent.futures.Executor or dask.distributed.Client, optional
        None works through the series one after the other; ``"dask"`` hands them to Dask's scheduler of the moment;
        anything with ``map(function, jobs)`` spreads them (results that have ``.result()``, as Dask's futures, are
        gathered).

    Returns
    -------
    FleetResult
        `frame` has the repaired values in the target column and a Boolean column ``changed``; `summary` the columns
        ``<id>, n_timepoints, n_missing, n_changed, periods, guards, error``. A series that fails stays as it was.

    Raises
    ------
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
        from tsprune.cleaning import SeriesCleaner

        cleaner = SeriesCleaner(period)
    _check_estimator(cleaner, "cleaner", ("fit", "transform"))
    columns = (time_column, value_column)
    return _run(frame, partial(_clean_one, cleaner, columns), id_column, columns, engine)


def detect_many(
    frame: Any,
    detector: Any = None,
    *,
    period: Any = "auto",
    random_state: Any = 0,
    id_column: str = "unique_id",
    time_column: str = "ds",
    value_column: str = "y",
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
        from tsprune.detection import SeriesDetector

        detector = SeriesDetector(period=period, random_state=random_state)
    _check_estimator(detector, "detector", ("fit", "score_samples", "predict"))
    columns = (time_column, value_column)
    return _run(frame, partial(_detect_one, detector, columns), id_column, columns, engine)


def _check_estimator(estimator: Any, name: str, needed: tuple[str, ...]) -> None:
    """Raise unless `estimator` is an object with the methods."""
    if isinstance(estimator, type) or not all(callable(getattr(estimator, method, None)) for method in needed):
        raise InvalidParameterError(
            f"{name} must be an object with {', '.join(needed)}, got {estimator!r}; pass an estimator, not its class."
        )


def _clean_one(cleaner: Any, columns: tuple[str, str], job: Job) -> Done:
    """Clean one series."""
    time_column, value_column = columns
    _, part = job
    mine = clone(cleaner)
    y = pd.Series(part[value_column].to_numpy(float), index=pd.Index(part[time_column].to_numpy()))
    values = mine.fit_transform(y)
    changed = np.asarray(mine.mask_).ravel() | np.isnan(y.to_numpy())
    out = part.assign(**{value_column: np.asarray(values, float), "changed": changed})
    facts = {
        "n_changed": int(changed.sum()),
        "periods": _listed(mine.periods_[0]),
        "guards": "; ".join(mine.report_.guards),
    }
    return out, facts


def _detect_one(detector: Any, columns: tuple[str, str], job: Job) -> Done:
    """Score one series."""
    time_column, value_column = columns
    _, part = job
    mine = clone(detector)
    y = pd.Series(part[value_column].to_numpy(float), index=pd.Index(part[time_column].to_numpy()))
    mine.fit(y)
    scores, labels = np.asarray(mine.score_samples(y), float), np.asarray(mine.predict(y))
    out = part.assign(score=scores, anomaly=labels < 0)
    facts = {"n_anomalies": int((labels < 0).sum()), "lowest_score": float(scores.min())}
    return out, facts | {"periods": _listed(getattr(mine, "periods_", ()))}


def _listed(periods: Iterable[int]) -> str:
    """Periods as text."""
    return ", ".join(str(int(period)) for period in periods)


def _guarded(work: Callable[[Job], Done], job: Job) -> Done:
    """Do one series; a series that cannot be used is a fact, not the end of the others."""
    try:
        out, facts = work(job)
    except ValueError as error:
        return job[1], {"error": f"{type(error).__name__}: {error}"}
    return out, facts | {"error": None}


_EMPTY = {
    "_clean_one": {"n_changed": 0, "periods": "", "guards": ""},
    "_detect_one": {"n_anomalies": 0, "lowest_score": np.nan, "periods": ""},
}
_ADDED: dict[str, dict[str, Any]] = {
    "_clean_one": {"changed": False},
    "_detect_one": {"score": np.nan, "anomaly": False},
}


def _run(frame: Any, work: partial[Done], id_column: str, columns: tuple[str, str], engine: Any) -> FleetResult:
    """Split `frame` by series, do the work, and put everything back in the order given."""
    try:
        given = nw.from_native(frame, eager_only=True)
    except TypeError as error:
        raise InvalidSeriesError(
            f"frame must be an eager pandas or polars DataFrame, got {type(frame).__name__}; collect or convert it."
        ) from error
    for column in (id_column, *columns):
        if column not in given.columns:
            raise InvalidSeriesError(
                f"frame must have the column {column!r}, got {list(given.columns)[:8]}; name yours in `id_column=`, "
                "`time_column=` or `value_column=`."
            )
    kind = work.func.__name__
    table = pd.DataFrame({column: given[column].to_numpy() for column in given.columns})
    jobs = [(name, part.sort_values(columns[0], kind="stable")) for name, part in table.groupby(id_column, sort=False)]
    done = _spread(partial(_guarded, work), jobs, engine)
    parts, rows = [], []
    for (name, part), (out, facts) in zip(jobs, done, strict=True):
        missing = int(part[columns[1]].isna().sum())
        rows.append({id_column: name, "n_timepoints": len(part), "n_missing": missing, **_EMPTY[kind], **facts})
        parts.append(out.assign(**{key: value for key, value in _ADDED[kind].items() if key not in out.columns}))
    whole = pd.concat(parts).sort_index() if parts else table.assign(**_ADDED[kind])
    summary_columns = [id_column, "n_timepoints", "n_missing", *_EMPTY[kind], "error"]
    summary = pd.DataFrame(rows, columns=summary_columns)
    if isinstance(frame, pd.DataFrame):
        whole.index = frame.index
        return FleetResult(whole, summary)
    backend = nw.get_native_namespace(given)
    return FleetResult(_as_native(whole, backend), _as_native(summary, backend))


def _spread(work: Callable[[Job], Done], jobs: list[Job], engine: Any) -> list[Done]:
    """Do every job on the engine, in order."""
    if engine is None:
        return [work(job) for job in jobs]
    if engine == "dask":
        try:
            from dask.base import compute
            from dask.delayed import delayed
        except ImportError as error:
            raise ImportError("engine='dask' needs Dask: install the extra, `pip install 'tsprune[dask]'`.") from error
        done: tuple[Done, ...] = compute(*(delayed(work, pure=False)(job) for job in jobs))  # type: ignore[no-untyped-call]  # Dask ships no types here
        return list(done)
    if not callable(getattr(engine, "map", None)):
        raise InvalidParameterError(
            f"engine must be None, 'dask', or have a method map(function, jobs), as executors and Dask clients do, "
            f"got {engine!r}."
        )
    return [item.result() if hasattr(item, "result") else item for item in engine.map(work, jobs)]


def _as_native(table: pd.DataFrame, backend: Any) -> Any:
    """The pandas `table` as a frame of the library `backend`."""
    columns = {str(c): table[c].tolist() if table[c].dtype == object else table[c].to_numpy() for c in table.columns}
    return nw.from_dict(columns, backend=backend).to_native()
