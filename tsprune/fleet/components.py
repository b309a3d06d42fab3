"""Many series into their components, and many series without them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd

from tsprune.exceptions import InvalidSeriesError
from tsprune.fleet.fleet import as_names, check_estimator, run_fleet
from tsprune.fleet.result import FleetResult
from tsprune.fleet.table import Run, as_pandas
from tsprune.fleet.task import FleetTask

__all__ = ["PrunedFleet", "decompose_many", "prune_many"]


def decompose_many(
    frame: Any,
    *,
    period: Any = "auto",
    robust: bool = False,
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
    """Decompose every series of a long frame into trend, season and remainder.

    Use it to look at the components of many series, or to model them apart. To forecast what is left and put the
    components back, use `prune_many`. For one series, with every season in a column of its own, use `decompose`.

    Parameters
    ----------
    frame : pandas, polars, Spark or Dask DataFrame, or Arrow table
        Long, as for `clean_many`.
    period : "auto", None, int or sequence of int, default="auto"
        Season lengths, in samples; "auto" finds them per series.
    robust : bool, default=False
        Whether outliers lose weight; see `decompose`.
    id_column, time_column, value_column, day_first, engine, n_jobs, on_error, checkpoint, progress
        As in `clean_many`.

    Returns
    -------
    FleetResult
        `frame` gains ``trend``, ``seasonal`` (the sum of all seasons) and ``remainder``, in the units of the values,
        which are their sum. `summary` has the columns ``<id>, n_timepoints, n_missing, periods, trend_strength,
        seasonal_strength, seconds, error`` (strengths from 0 to 1; the season's is that of the strongest). The
        components of a series that fails are NaN.

    Raises
    ------
    InvalidParameterError, InvalidSeriesError
        As for `clean_many`.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from tsprune import decompose_many
    >>> t = np.arange(120)
    >>> y = 0.1 * t + np.sin(t * 2 * np.pi / 12) + np.random.default_rng(0).normal(0, 0.1, 120)
    >>> result = decompose_many(pd.DataFrame({"unique_id": "a", "ds": t, "y": y}), period=12)
    >>> result.summary[["unique_id", "periods", "seasonal_strength"]].round(1).values.tolist()
    [['a', '12', 1.0]]
    """
    options = {"period": period, "robust": robust}
    task = FleetTask("decompose", options, as_names(id_column), time_column, value_column, day_first, on_error)
    return run_fleet(frame, task, Run(engine, n_jobs, checkpoint, progress))


class PrunedFleet(FleetResult):
    """The result of `prune_many`: pruned series, and the pruners that put back what was removed."""

    _task: FleetTask

    def inverse_transform(self, frame: Any) -> Any:
        """Put back what was pruned into pruned rows or forecasts of them.

        Parameters
        ----------
        frame : pandas or polars DataFrame, or Arrow table
            Long, with the id and time columns of the rows that were pruned, and values under any of their names:
            every other column of numbers is taken for values (a point forecast, the ends of an interval).

        Returns
        -------
        DataFrame of the kind given
            The same rows in their order.

        Raises
        ------
        InvalidSeriesError
            A column is missing, no column holds numbers, or a series was not pruned.
        """
        task, pruners = self._task, self.pruners or {}
        given = nw.from_native(frame, eager_only=True)
        keys = [*task.id_columns, task.time_column]
        for column in keys:
            if column not in given.columns:
                raise InvalidSeriesError(
                    f"frame must have the column {column!r}, got {given.columns[:8]}; rename yours."
                )
        values = [name for name in given.columns if name not in keys and given[name].dtype.is_numeric()]
        if not values:
            raise InvalidSeriesError(f"frame must have a column of numbers beside {keys}, got {given.columns[:8]}.")
        table = pd.DataFrame({column: as_pandas(given[column]) for column in [*keys, *values]})
        table[task.time_column] = task.times_of(table[task.time_column])
        restored = {name: np.empty(len(table)) for name in values}
        for name, part in table.groupby(list(task.id_columns), sort=False, dropna=False, observed=True):
            key = name[0] if len(name) == 1 else name
            if key not in pruners:
                raise InvalidSeriesError(f"series {key!r} must be one that was pruned, got one without a pruner.")
            rows = part.sort_values(task.time_column, kind="stable")
            for column, out in restored.items():
                y = pd.Series(rows[column].to_numpy(float), index=pd.Index(rows[task.time_column]))
                out[rows.index.to_numpy()] = np.asarray(pruners[key].inverse_transform(y), float)
        if isinstance(frame, pd.DataFrame):
            return frame.assign(**restored)
        backend = nw.get_native_namespace(given)
        return given.with_columns(*(nw.new_series(n, v, backend=backend) for n, v in restored.items())).to_native()


def prune_many(
    frame: Any,
    pruner: Any = None,
    *,
    period: Any = "auto",
    id_column: str | Sequence[str] = "unique_id",
    time_column: str = "ds",
    value_column: str = "y",
    day_first: bool | None = None,
    engine: Any = None,
    n_jobs: int | None = None,
    on_error: str = "record",
    progress: Callable[[int, int], None] | None = None,
) -> PrunedFleet:
    """Remove trend and season, or noise, from every series of a long frame, with an inverse by id.

    Use it before a model that should not learn trend and season itself: forecast the pruned rows, then give the
    forecasts to ``result.inverse_transform``. A component without significant evidence stays.

    Parameters
    ----------
    frame : pandas or polars DataFrame, or Arrow table
        Long, as for `clean_many`.
    pruner : ComponentPruner, TrendPruner, SeasonalPruner or NoisePruner, optional
        Cloned for every series; default ``ComponentPruner(period=period)``.
    period : "auto", None, int or sequence of int, default="auto"
        Season lengths for the default pruner, in samples.
    id_column, time_column, value_column, day_first, engine, n_jobs, on_error, progress
        As in `clean_many`.

    Returns
    -------
    PrunedFleet
        `frame` with pruned values; `summary` with the columns ``<id>, n_timepoints, n_missing, removed, guards,
        seconds, error``; `pruners`, the fitted pruner of every series by its id; and
        ``inverse_transform(forecasts)``. A series that fails stays as it was and has no pruner.

    Raises
    ------
    InvalidParameterError, InvalidSeriesError
        As for `clean_many`.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from tsprune import prune_many
    >>> t = np.arange(120)
    >>> y = 5 * np.sin(t * 2 * np.pi / 12) + np.random.default_rng(0).normal(0, 0.1, 120)
    >>> result = prune_many(pd.DataFrame({"unique_id": "a", "ds": t, "y": y}), period=12)
    >>> result.summary["removed"].tolist(), bool(result.frame["y"].std() < 0.2)
    (['seasonal'], True)

    A forecast of 0 for the pruned series is the season for the series itself:

    >>> forecast = pd.DataFrame({"unique_id": "a", "ds": [123], "y": [0.0]})
    >>> result.inverse_transform(forecast)["y"].round(0).tolist()
    [5.0]
    """
    if pruner is None:
        from tsprune.pruners.component import ComponentPruner

        pruner = ComponentPruner(period=period)
    check_estimator(pruner, "pruner", ("fit_transform", "inverse_transform"))
    task = FleetTask("prune", pruner, as_names(id_column), time_column, value_column, day_first, on_error)
    done = run_fleet(frame, task, Run(engine, n_jobs, None, progress))
    result = PrunedFleet(done.frame, done.summary, pruners=done.pruners)
    object.__setattr__(result, "_task", task)
    return result
