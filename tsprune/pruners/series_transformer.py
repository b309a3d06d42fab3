"""SeriesTransformer: what all pruners of series share - the door, the times, the container that goes back.

Law of time: rows inside the fitted span get what was found there; later rows are continued; earlier rows are an
error. Rows without times count from the first fitted row, and their values must then be the fitted ones.
"""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from tsprune.exceptions import InvalidSeriesError, TimeIndexError
from tsprune.series.containers import for_output, give_back
from tsprune.series.fitted_columns import check_columns, refuse_times_as_values
from tsprune.series.time_grid import TimeGrid
from tsprune.series.validation import SeriesInput, read_series

__all__ = ["SeriesTransformer"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

_LONGEST_GRID = 50  # positions of the grid per row; beyond that the times are not those of a regular series
_LARGEST = 1e100
_MOST, _MOST_PRUNED = 1e305, 1e307  # a component may be larger than the series, and has to be a number, too
_SAME = 1e-6  # of the largest value: rows that differ less are the same rows (float32 in between)


class SeriesTransformer(TransformerMixin, BaseEstimator):
    """Base of the pruners. Subclasses hold `time_column` and write `_fit_grid`, `_extend_grid`, `_prune`, `_restore`.

    Private state: `_grid` (TimeGrid), `_rows` (positions of the fitted rows), `_units` (n_series,) and `_table`: the
    fitted values on the grid in these units, (n_positions, n_series), NaN missing.
    """

    time_column: str | None

    def fit(self, X: Any, y: Any = None, *, time: Any = None) -> Self:
        """Find what to prune.

        Parameters
        ----------
        X : array, list, pandas or polars Series or DataFrame of shape (n_timepoints,) or (n_timepoints, n_series)
            The series, time first; NaN is missing.
        y : None
            Not used; there for pipelines.
        time : array-like of shape (n_timepoints,), optional
            Stamps or integers; overrides the index.

        Returns
        -------
        self

        Raises
        ------
        InvalidParameterError
            A parameter breaks its rule.
        InvalidSeriesError
            `X` is no series, or is too short for the period asked for.
        TimeIndexError
            The times cannot be used.
        """
        self._check_parameters()
        series = self._read(X, time, reset=True)
        refuse_times_as_values(self, series, y)
        grid = TimeGrid.of(series)
        rows = grid.positions(series)
        self._check_extent(rows, series.n_timepoints)
        self._grid = grid
        self._rows = rows
        self._units = _safe_units(series.values)
        self._table = _on_grid(series.values / self._units, rows, int(rows[-1]) + 1)
        self._fit_grid(self._table, series.names)
        return self

    def partial_fit(self, X: Any, y: Any = None, *, time: Any = None) -> Self:
        """Carry the fitted components on over new rows, causally; the first call is `fit`.

        Rows may come one by one, in blocks or all at once: the result is the same to the last bit.

        Parameters
        ----------
        X : array, list, pandas or polars Series or DataFrame of shape (n_timepoints,) or (n_timepoints, n_series)
            Rows after the fitted span, in order; without times they follow the last row directly.
        y : None
            Not used; there for pipelines.
        time : array-like of shape (n_timepoints,), optional
            Stamps or integers; overrides the index.

        Returns
        -------
        self

        Raises
        ------
        InvalidSeriesError
            `X` is no series like the fitted one.
        TimeIndexError
            A row is not later than the fitted span.
        """
        if not hasattr(self, "_grid"):
            return self.fit(X, y, time=time)
        self._check_parameters()
        series = self._read(X, time, reset=False)
        end = self._table.shape[0]
        if series.time is None:
            rows = np.arange(end, end + series.n_timepoints, dtype=np.int64)
        else:
            rows = self._grid.positions(series)
            if rows[0] < end:
                raise TimeIndexError(
                    f"partial_fit needs rows after the fitted span, got row 0 at {series.time_index()[0]}, "
                    f"{end - int(rows[0])} steps of {self._grid.describe_step()} too early; pass new rows only."
                )
        self._check_extent(rows - end, series.n_timepoints + end)
        block = _on_grid(series.values / self._units, rows - end, int(rows[-1]) - end + 1)
        self._extend_grid(block)
        self._rows = np.concatenate([self._rows, rows])
        self._table = np.concatenate([self._table, block])
        self._publish()
        return self

    def transform(self, X: Any, *, time: Any = None) -> Any:
        """Return the series without what was pruned.

        Parameters
        ----------
        X : array, list, pandas or polars Series or DataFrame of shape (n_timepoints,) or (n_timepoints, n_series)
            Rows of the fitted span or later; NaN stays NaN.
        time : array-like of shape (n_timepoints,), optional
            Stamps or integers; overrides the index.

        Returns
        -------
        same container, length, index, order and float type as `X`

        Raises
        ------
        InvalidSeriesError
            `X` is no series like the fitted one.
        TimeIndexError
            Rows earlier than the fitted span, or rows without times whose values are not the fitted ones.
        """
        check_is_fitted(self)
        series = self._read(X, time, reset=False)
        if self._is_identity():
            return for_output(self, give_back(series, series.values, X))
        rows = self._positions(series, self._table, "fitted")
        pruned = self._prune(series.values / self._units, rows) * self._units
        return for_output(self, give_back(series, pruned, X))

    def fit_transform(self, X: Any, y: Any = None, *, time: Any = None) -> Any:
        """Fit and return the series without what was pruned; see `fit` and `transform`."""
        return self.fit(X, y, time=time).transform(X, time=time)

    def inverse_transform(self, X: Any, *, time: Any = None) -> Any:
        """Put back what was pruned: ``inverse_transform(transform(X)) == X`` to rounding.

        Parameters
        ----------
        X : array, list, pandas or polars Series or DataFrame of shape (n_timepoints,) or (n_timepoints, n_series)
            A pruned series, or a forecast of one at later times.
        time : array-like of shape (n_timepoints,), optional
            Stamps or integers; overrides the index.

        Returns
        -------
        same container, length, index, order and float type as `X`

        Raises
        ------
        InvalidSeriesError
            `X` is no series like the fitted one.
        TimeIndexError
            Rows earlier than the fitted span, or rows without times whose values are not the pruned fitted ones.
        """
        check_is_fitted(self)
        series = self._read(X, time, reset=None)
        if self._is_identity():
            return give_back(series, series.values, X)
        expected = np.full_like(self._table, np.nan)
        if series.time is None:
            expected[self._rows] = self._prune(self._table[self._rows], self._rows)
        rows = self._positions(series, expected, "pruned")
        return give_back(series, self._restore(series.values / self._units, rows) * self._units, X)

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[np.object_]:
        """Return the names of the columns that `transform` gives back, the time column included.

        Parameters
        ----------
        input_features : array-like of str, optional
            Names to use if the fitted series had none.

        Returns
        -------
        ndarray of shape (n_columns,), of str
        """
        from sklearn.utils.validation import _check_feature_names_in

        check_is_fitted(self)
        names = np.asarray(_check_feature_names_in(self, input_features), dtype=object)
        at = self._time_column_at
        return names if at is None else np.array([*names[:at], self.time_column, *names[at:]], dtype=object)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    def _check_parameters(self) -> None:
        """Check the parameters against the table of the class."""
        raise NotImplementedError

    def _fit_grid(self, table: Floats, names: tuple[str, ...]) -> None:
        """Find the components of the grid (n_positions, n_series)."""
        raise NotImplementedError

    def _extend_grid(self, block: Floats) -> None:
        """Carry the components on over the next positions (m, n_series)."""
        raise NotImplementedError

    def _publish(self) -> None:
        """Write the fitted attributes that have one entry per fitted row."""
        raise NotImplementedError

    def _is_identity(self) -> bool:
        """True if nothing is pruned, so that no row needs a time."""
        raise NotImplementedError

    def _prune(self, values: Floats, rows: Integers) -> Floats:
        """Return the pruned values (m, n_series) at the positions (m,)."""
        raise NotImplementedError

    def _restore(self, values: Floats, rows: Integers) -> Floats:
        """Return the unpruned values (m, n_series) at the positions (m,)."""
        raise NotImplementedError

    def _read(self, X: Any, time: Any, *, reset: bool | None) -> SeriesInput:
        """Read a series; learn its columns (reset=True), or compare them with the fitted (False), or count (None)."""
        in_column = self.time_column if reset or self.time_column in getattr(X, "columns", ()) else None
        series = read_series(X, time=time, time_column=in_column, allow_empty_columns=reset is not True, name="X")
        series = series.within(_MOST if reset is not None else _MOST_PRUNED)
        if reset is not None:
            check_columns(self, series, X, reset=reset)
        elif series.n_series != self.n_features_in_:
            raise InvalidSeriesError(
                f"X has {series.n_series} features, but {type(self).__name__} is expecting "
                f"{self.n_features_in_} features as input; pass every column that was fitted."
            )
        if reset:
            self._time_column_at = None if in_column is None else list(X.columns).index(in_column)
        return series

    def _positions(self, series: SeriesInput, expected: Floats, what: str) -> Integers:
        """Return the positions (m,) of the rows; without times, their values must be `expected` (n_positions, k)."""
        if series.time is not None:
            rows = self._grid.positions(series)
            if rows[0] < 0:
                raise TimeIndexError(
                    f"rows must not be earlier than the fitted span, got row 0 at {series.time_index()[0]}, "
                    f"{-int(rows[0])} steps of {self._grid.describe_step()} before it; fit on the earlier rows too."
                )
            return rows
        n_fitted, n = self._rows.shape[0], series.n_timepoints
        end = int(self._rows[-1]) + 1
        rows = np.concatenate([self._rows[:n], np.arange(end, end + max(0, n - n_fitted), dtype=np.int64)])
        here = series.values[:n_fitted] / self._units
        there = expected[rows[:n_fitted]]
        scale = np.nanmax(np.abs(self._table), axis=0)
        same = (np.abs(here - there) <= _SAME * scale) | (np.isnan(here) & np.isnan(there))
        if not same.all():
            row, column = (int(v) for v in np.argwhere(~same)[0])
            got, had = (float(v[row, column] * self._units[column]) for v in (here, there))
            raise TimeIndexError(
                f"rows without times count from the first fitted row, and must have the {what} values there; got "
                f"{got:g} for {had:g} at row {row}, column {series.names[column]!r}; "
                "pass `time=` (row numbers of the fitted series, or stamps), or fit again."
            )
        return rows

    def _check_extent(self, rows: Integers, n_rows: int) -> None:
        """Raise if the positions (m,) reach much farther than there are rows."""
        extent = int(rows[-1]) + 1
        if extent > _LONGEST_GRID * max(n_rows, 20):
            raise TimeIndexError(
                f"times must stand on a regular grid with gaps, got {rows.shape[0]} rows over {extent} steps; "
                "resample the series first, or pass row numbers in `time=`."
            )


def _safe_units(values: Floats) -> Floats:
    """Return powers of 2 (k,) that bring columns (m, k) of extreme size near 1, so that no square overflows; else 1."""
    largest = np.nanmax(np.abs(values), axis=0)
    extreme = (largest > 0.0) & ((largest > _LARGEST) | (largest < 1.0 / _LARGEST))
    exponent = np.floor(np.log2(np.where(extreme, largest, 1.0)))
    return np.asarray(np.exp2(np.where(extreme, exponent, 0.0)))


def _on_grid(values: Floats, rows: Integers, n_positions: int) -> Floats:
    """Return the rows (m, k) on the grid (n_positions, k), NaN in the gaps."""
    table = np.full((n_positions, values.shape[1]), np.nan)
    table[rows] = values
    return table
