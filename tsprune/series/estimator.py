"""SeriesEstimator: what every estimator of series shares - reading, placing rows in time, recognising fitted rows.

Law of time: rows inside the fitted span get what was found there; later rows are continued; earlier rows are an error.
Rows without times count from the first fitted row, and their values must then be the fitted ones.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import BaseEstimator

from tsprune.exceptions import InvalidSeriesError, TimeIndexError
from tsprune.series.fitted_columns import check_columns, refuse_times_as_values
from tsprune.series.series_input import Floats, Integers, SeriesInput
from tsprune.series.time_grid import TimeGrid, refuse_sparse
from tsprune.series.times import Timeline, read_timeline
from tsprune.series.validation import read_series

__all__ = ["SeriesEstimator", "differs"]

_SAME = 1e-6  # of the largest value of the column: what a detour through float32 loses


def differs(here: Floats, there: Floats, fitted: Floats) -> NDArray[np.bool_]:
    """Tell which values (m, k) are not the same; columns of `fitted` (n, k) give the scale, NaN is the same as NaN."""
    scale = np.nanmax(np.abs(fitted), axis=0, initial=0.0)
    return np.asarray(~((np.abs(here - there) <= _SAME * scale) | (np.isnan(here) & np.isnan(there))), dtype=bool)


class SeriesEstimator(BaseEstimator):
    """Base of the estimators of series; a subclass has the constructor parameter `time_column`.

    Private state: `_grid` (TimeGrid), `_rows` (n_timepoints,): positions of the fitted rows on it, `_seen`: the fitted
    series without its container.
    """

    time_column: str | None
    n_features_in_: int

    _largest: ClassVar[float] = np.inf  # values that are larger in size are an error
    _is_placed_strictly: ClassVar[bool] = True  # whether a row between two steps of the grid is an error

    def __sklearn_tags__(self) -> Any:
        """Tags: NaN is a missing value."""
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags

    def _read(self, X: Any, time: Any, *, reset: bool) -> SeriesInput:
        """Read a series, and learn its columns (reset) or compare them with the fitted ones.

        The time column counts where the frame has it; in `fit` it must.
        """
        column = self._time_column_in(X, required=reset)
        series = read_series(X, time=time, time_column=column, allow_empty_columns=not reset, name="X")
        series = series.within(self._largest)
        check_columns(self, series, X, reset=reset)
        if reset:
            self._time_column_at = None if column is None else list(X.columns).index(column)
        return series

    def _time_column_in(self, X: Any, *, required: bool) -> str | None:
        """Return the name of the time column; None if there is none, or `X` does not have it and does not need it."""
        return self.time_column if required or self.time_column in getattr(X, "columns", ()) else None

    def _begin(self, series: SeriesInput, y: Any, period: Any = "auto") -> None:
        """Take a series as the fitted one; `y` is what `fit` was given beside it, `period` what the caller gave."""
        refuse_times_as_values(self, series, y)
        self._grid = TimeGrid.of(series, period)
        self._rows = self._grid.positions(series, strict=self._is_placed_strictly)
        if self._is_placed_strictly:
            refuse_sparse(self._rows, series.n_timepoints)
        self._seen = series.detached()

    def _locate(self, series: SeriesInput) -> tuple[Integers, Integers]:
        """Return the position of every row (n_timepoints,), and which fitted row it is: -1 for none.

        Raises
        ------
        TimeIndexError
            Rows before the fitted span, or times that cannot be placed.
        """
        n_fitted, n = self._rows.size, series.n_timepoints
        end = int(self._rows.max()) + 1
        if series.timeline is None:
            rows = np.concatenate([self._rows[:n], np.arange(end, end + max(0, n - n_fitted), dtype=np.int64)])
            return rows, np.where(np.arange(n) < n_fitted, np.arange(n), -1)
        rows = self._grid.positions(series, strict=self._is_placed_strictly)
        if rows[0] < 0:
            raise TimeIndexError(
                f"rows must not be earlier than the fitted span, got row 0 at {series.time_index()[0]}, "
                f"{-int(rows[0])} steps of {self._grid.describe_step()} before it; fit on the earlier rows too."
            )
        first_at = np.full(max(end, int(rows.max()) + 1), -1, dtype=np.int64)
        first_at[self._rows[::-1]] = np.arange(n_fitted - 1, -1, -1)
        fitted = first_at[rows]
        if self._seen.timeline is not None:  # rows that share a position are told by their times
            ticks = self._seen.timeline.ticks
            at = np.minimum(np.searchsorted(ticks, series.timeline.ticks), n_fitted - 1)
            fitted = np.where(ticks[at] == series.timeline.ticks, at, fitted)
        return rows, fitted

    def _require_fitted_values(
        self, series: SeriesInput, fitted: Integers, expected: Floats | None = None, what: str = "fitted"
    ) -> None:
        """Raise unless the rows that are fitted ones (n_timepoints,) hold `expected` (n_fitted, k), their values."""
        known = fitted >= 0
        expected = self._seen.values if expected is None else expected
        other = differs(series.values[known], expected[fitted[known]], self._seen.values)
        if not other.any():
            return
        at, column = (int(v) for v in np.argwhere(other)[0])
        row = int(np.flatnonzero(known)[at])
        got, had = series.values[row, column], expected[fitted[row], column]
        if series.timeline is None:
            raise TimeIndexError(
                f"rows without times count from the first fitted row, and must have the {what} values there; got "
                f"{got:g} for {had:g} at row {row}, column {series.names[column]!r}; pass `time=` (timestamps, or row "
                f"numbers: rows right after the fitted ones are numpy.arange({fitted.size}, ...)), or fit again."
            )
        raise TimeIndexError(
            f"rows inside the fitted span must hold the {what} values, got {got:g} for {had:g} at row {row} "
            f"({series.time_index()[row]}), column {series.names[column]!r}; pass the `time=` of rows that come later, "
            "or fit on this series."
        )

    def _follow(self, series: SeriesInput) -> tuple[Integers, int]:
        """Take rows after the fitted span into it; return their positions (m,) and the end of the span before.

        Positions before that end belong to an hour that the wall clock repeats.

        Raises
        ------
        TimeIndexError
            A row that is not later than the fitted span.
        """
        end = int(self._rows.max()) + 1
        if series.timeline is None:
            rows = np.arange(end, end + series.n_timepoints, dtype=np.int64)
            later = replace(series, timeline=self._times_of(rows))
        else:
            rows, later = self._grid.positions(series), series
            last = None if self._seen.timeline is None else int(self._seen.timeline.ticks[-1])
            is_early = rows[0] < end if last is None else int(series.timeline.ticks[0]) <= last
            is_repeated = self._grid.clock == "shifted"
            if is_early or (rows[0] < end and not is_repeated):
                raise TimeIndexError(
                    f"partial_fit needs rows after the fitted span, got row 0 at {series.time_index()[0]}, "
                    f"{end - int(rows[0])} steps of {self._grid.describe_step()} too early; pass new rows only."
                )
        refuse_sparse(np.r_[0, rows - end], series.n_timepoints + self._rows.size)
        seen = self._seen
        if (seen.timeline is None) != (later.timeline is None):
            seen = replace(seen, timeline=Timeline(self._rows, "integers", self._seen.time_index()))
        self._seen = seen.followed_by(later)
        self._rows = np.concatenate([self._rows, rows])
        return rows, end

    def _comes_next(self, series: SeriesInput, rows: Integers, fitted: Integers) -> bool:
        """Tell whether the first row of a series, at positions (n_timepoints,), directly follows the fitted span."""
        if fitted[0] >= 0:
            return False
        if series.timeline is None or self._seen.timeline is None:
            return bool(rows[0] == self._rows[-1] + 1)
        return self._grid.continues(int(self._seen.timeline.ticks[-1]), series)

    def _times_of(self, rows: Integers) -> Timeline | None:
        """Return the times that positions (m,) after the fitted span have; None where rows were counted."""
        given = self._seen.timeline
        if given is None:
            return None
        index = self._grid.times(rows)
        if isinstance(index, pd.DatetimeIndex) and given.zone is not None:
            index = (index.tz_localize("UTC") if index.tz is None else index).tz_convert(given.zone)
        return read_timeline(index, rows.size)

    def _refuse_other_width(self, series: SeriesInput) -> None:
        """Raise unless there are as many columns as were fitted; their names may be those of a forecast."""
        if series.n_series != self.n_features_in_:
            raise InvalidSeriesError(
                f"X has {series.n_series} features, but {type(self).__name__} is expecting "
                f"{self.n_features_in_} features as input; pass every column that was fitted."
            )
