"""What is done to the series of a fleet: one series, and one table in memory of many.

A series that cannot be used is a fact of its own row of the summary, never the end of the others.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd
from sklearn.base import clone

from tsprune.exceptions import InvalidSeriesError, TimeIndexError
from tsprune.fleet.engines import spread
from tsprune.series.times import times_of_column

__all__ = ["FleetTask", "work_through"]

Done = tuple[pd.DataFrame, dict[str, Any]]


@dataclass(frozen=True)
class FleetTask:
    """Clean or score one series.

    Attributes
    ----------
    estimator : SeriesCleaner or SeriesDetector
        Cloned for every series.
    detects : bool
        Whether it scores; else it cleans.
    id_column, time_column, value_column : str
    day_first : bool, optional
        Whether ``05/01/2024`` is the fifth of January; None lets the column decide.
    """

    estimator: Any
    detects: bool
    id_column: str
    time_column: str
    value_column: str
    day_first: bool | None = None

    @property
    def added(self) -> tuple[str, str]:
        """The columns of the result that hold floats and Booleans."""
        return ("score", "anomaly") if self.detects else (self.value_column, "changed")

    @property
    def nothing(self) -> dict[str, Any]:
        """The facts of a series that could not be used."""
        if self.detects:
            return {"n_anomalies": 0, "lowest_score": np.nan, "periods": ""}
        return {"n_changed": 0, "periods": "", "guards": ""}

    def check_columns(self, columns: Iterable[str]) -> None:
        """Raise unless a frame with the columns can be worked on and keeps them."""
        for column in (self.id_column, self.time_column, self.value_column):
            if column not in columns:
                raise InvalidSeriesError(
                    f"frame must have the column {column!r}, got {list(columns)[:8]}; name yours in `id_column=`, "
                    "`time_column=` or `value_column=`."
                )
        taken = {self.id_column, self.time_column, self.value_column} & set(
            ("score", "anomaly") if self.detects else ("changed",)
        )
        if taken:
            raise InvalidSeriesError(f"the result has a column {taken.pop()!r} of its own; rename yours.")

    def do(self, part: pd.DataFrame) -> Done:
        """Work on the rows of one series; its new columns under the same index, and its facts."""
        floats, booleans = self.added
        facts = {"n_timepoints": len(part), "n_missing": int(part[self.value_column].isna().sum()), **self.nothing}
        try:
            if part[self.id_column].isna().any():
                raise InvalidSeriesError(f"{self.id_column} must name the series, got rows without; fill or drop them.")
            return self._done(self._sorted(part), facts)
        except ValueError as error:
            kept = np.nan if self.detects else part[self.value_column]
            failed = pd.DataFrame({floats: kept, booleans: False}, index=part.index)
            return failed, {**facts, "error": f"{type(error).__name__}: {error}"}

    def _sorted(self, part: pd.DataFrame) -> pd.DataFrame:
        """The rows in order of time; text is read as times first, never sorted as text."""
        times = self.times_of(part[self.time_column])
        return part.assign(**{self.time_column: times}).sort_values(self.time_column, kind="stable")

    def times_of(self, column: pd.Series) -> pd.Index:
        """Return the times (n_rows,) that a column holds, text and dates as timestamps.

        Raises
        ------
        TimeIndexError
            If a cell is no time, or may be two.
        """
        return times_of_column(column, day_first=self.day_first, mixed_zones="utc", where=self.time_column)

    def _done(self, part: pd.DataFrame, facts: dict[str, Any]) -> Done:
        """Clean or score the sorted rows of one series."""
        floats, booleans = self.added
        mine = clone(self.estimator)
        y = pd.Series(part[self.value_column].to_numpy(float), index=pd.Index(part[self.time_column]))
        if self.detects:
            mine.fit(y)
            values, marked = np.asarray(mine.score_samples(y), float), np.asarray(mine.predict(y)) < 0
            own: dict[str, Any] = {"n_anomalies": int(marked.sum()), "lowest_score": float(values.min())}
            own["periods"] = _listed(getattr(mine, "periods_", ()))
        else:
            values = np.asarray(mine.fit_transform(y), float)
            marked = np.asarray(mine.mask_).ravel() | np.isnan(y.to_numpy())
            own = {"n_changed": int(marked.sum()), "periods": _listed(mine.periods_[0])}
            own["guards"] = "; ".join(mine.report_.guards)
        return pd.DataFrame({floats: values, booleans: marked}, index=part.index), {**facts, **own, "error": None}


def work_through(frame: Any, task: FleetTask, engine: Any) -> tuple[Any, Any]:
    """Work on every series of a table in memory.

    Parameters
    ----------
    frame : pandas or polars DataFrame, or pyarrow Table
    task : FleetTask
    engine : as in `clean_many`

    Returns
    -------
    (frame, summary)
        Of the kind given: the rows given with the new columns, and one row a series in order of first appearance.

    Raises
    ------
    InvalidSeriesError
        `frame` is no table in memory, or its columns are not those of the task.
    """
    try:
        given = nw.from_native(frame, eager_only=True)
    except TypeError as error:
        raise InvalidSeriesError(
            f"frame must be an eager pandas or polars DataFrame, got {type(frame).__name__}; collect or convert it."
        ) from error
    task.check_columns(given.columns)
    wanted = dict.fromkeys((task.id_column, task.time_column, task.value_column))
    table = pd.DataFrame({column: _as_pandas(given[column]) for column in wanted})
    with suppress(TimeIndexError):  # one notation for all; where a cell spoils it, every series speaks for itself
        table[task.time_column] = task.times_of(table[task.time_column])
    groups = [(name, part) for name, part in table.groupby(task.id_column, sort=False, dropna=False)]
    done = spread(task.do, [part for _, part in groups], engine)
    rows = [{task.id_column: name, **facts} for (name, _), (_, facts) in zip(groups, done, strict=True)]
    summary = pd.DataFrame(rows, columns=[task.id_column, "n_timepoints", "n_missing", *task.nothing, "error"])
    floats, booleans = task.added
    empty = pd.DataFrame({floats: np.empty(0), booleans: np.empty(0, bool)})
    new = pd.concat([part for part, _ in done]).sort_index() if done else empty
    if isinstance(frame, pd.DataFrame):
        return frame.assign(**{name: new[name].to_numpy() for name in task.added}), summary
    backend = nw.get_native_namespace(given)
    columns = [nw.new_series(name, _plain(new[name]), backend=backend) for name in task.added]
    plain = {str(name): _plain(summary[name]) for name in summary.columns}
    return given.with_columns(*columns).to_native(), nw.from_dict(plain, backend=backend).to_native()


def _as_pandas(column: nw.Series[Any]) -> Any:
    """A column (n_rows,) for a table of pandas; times keep their zone."""
    native = column.to_native()
    if isinstance(native, pd.Series):
        return native.array
    zoned = isinstance(column.dtype, nw.Datetime) and column.dtype.time_zone is not None
    return pd.DatetimeIndex(column.to_list()) if zoned else column.to_numpy()


def _plain(column: pd.Series) -> Any:
    """A column as other libraries take it: an array, or a list in which text is not mixed with numbers."""
    if column.dtype != object and not pd.api.types.is_string_dtype(column.dtype):
        return column.to_numpy()
    cells = [None if pd.isna(cell) else cell for cell in column.tolist()]
    return [cell if cell is None else str(cell) for cell in cells] if any(isinstance(c, str) for c in cells) else cells


def _listed(periods: Iterable[int]) -> str:
    """Periods as text."""
    return ", ".join(str(int(period)) for period in periods)
