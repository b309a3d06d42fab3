"""SeriesTransformer: what all pruners of series share - the grid of fitted values, and the container that goes back."""

from __future__ import annotations

from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import TransformerMixin
from sklearn.utils.validation import check_is_fitted

from tsprune.series.containers import for_output, give_back
from tsprune.series.estimator import SeriesEstimator
from tsprune.series.series_input import Floats, Integers
from tsprune.series.time_grid import on_grid
from tsprune.series.validation import read_series

__all__ = ["SeriesTransformer"]

_LARGEST = 1e100
_MOST, _MOST_PRUNED = 1e305, 1e307  # a component may be larger than the series, and has to be a number, too


class SeriesTransformer(TransformerMixin, SeriesEstimator):
    """Base of the pruners. Subclasses hold `time_column` and write `_fit_grid`, `_extend_grid`, `_prune`, `_restore`.

    Private state beside that of `SeriesEstimator`: `_units` (n_series,) and `_table`: the fitted values on the grid in
    these units, (n_positions, n_series), NaN missing.
    """

    period: Any
    _largest: ClassVar[float] = _MOST
    _needs_fitted_values: ClassVar[bool] = False  # whether fitted rows have to hold the fitted values to be pruned

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
        self._begin(series, y, getattr(self, "period", None))
        self._units = _safe_units(series.values)
        self._table = on_grid(series.values / self._units, self._rows, int(self._rows.max()) + 1)
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
        rows, end = self._follow(series)
        ahead = rows >= end
        if ahead.any():
            block = on_grid((series.values / self._units)[ahead], rows[ahead] - end, int(rows.max()) - end + 1)
            self._extend_grid(block)
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
        rows, fitted = self._locate(series)
        if series.timeline is None or self._needs_fitted_values:
            self._require_fitted_values(series, fitted)
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
        column = self._time_column_in(X, required=False)
        series = read_series(X, time=time, time_column=column, allow_empty_columns=True, name="X").within(_MOST_PRUNED)
        self._refuse_other_width(series)
        if self._is_identity():
            return give_back(series, series.values, X)
        rows, fitted = self._locate(series)
        if series.timeline is None:
            pruned = self._prune(self._seen.values / self._units, self._rows) * self._units
            self._require_fitted_values(series, fitted, pruned, "pruned")
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


def _safe_units(values: Floats) -> Floats:
    """Return powers of 2 (k,) that bring columns (m, k) of extreme size near 1, so that no square overflows; else 1."""
    largest = np.nanmax(np.abs(values), axis=0)
    extreme = (largest > 0.0) & ((largest > _LARGEST) | (largest < 1.0 / _LARGEST))
    exponent = np.floor(np.log2(np.where(extreme, largest, 1.0)))
    return np.asarray(np.exp2(np.where(extreme, exponent, 0.0)))
