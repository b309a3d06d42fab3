"""SeriesPlacing: how `SeriesDetector` reads rows, places them on the fitted grid and takes components out of them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from tsprune.detection.components import Components
from tsprune.detection.embedding import SeriesEmbedding
from tsprune.detection.evidence import Evidence, SeriesRows
from tsprune.exceptions import InvalidSeriesError, TimeIndexError
from tsprune.series.time_grid import TimeGrid
from tsprune.series.validation import SeriesInput, read_series

__all__ = ["SeriesPlacing"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Mask = NDArray[np.bool_]


class SeriesPlacing:
    """The part of a detector that turns what a caller gives into rows that evidence can judge."""

    time_column: Any
    n_features_in_: int
    series_names_: list[str]
    components_: Components
    embedding_: SeriesEmbedding
    evidence_: Evidence
    _grid: TimeGrid
    _unit: Floats
    _fitted: Floats
    _position: Integers
    _context: tuple[Floats, Integers]

    def _read(self, X: Any, time: Any, *, fitting: bool = False) -> SeriesInput:
        """Read a series; the time column counts where the frame has it, and in fitting it must."""
        column = self.time_column if fitting or self.time_column in getattr(X, "columns", ()) else None
        return read_series(X, time=time, time_column=column, allow_empty_columns=not fitting, name="X")

    def _place(self, series: SeriesInput) -> Integers:
        """Positions (n_timepoints,) of the rows on the fitted grid."""
        if series.time is None:
            return np.arange(series.n_timepoints, dtype=np.int64)
        if series.is_stamped != self._grid.is_stamped:
            raise TimeIndexError(
                f"times must be of the kind that was fitted ({'stamps' if self._grid.is_stamped else 'integers'}), "
                f"got {'stamps' if series.is_stamped else 'integers'}; pass `time=`."
            )
        step = self._grid.step
        position = np.floor_divide(2 * (series.time - self._grid.start) + step, 2 * step)
        if position[0] < 0:
            raise TimeIndexError(
                f"times must not be earlier than the first fitted one, got {series.time_index()[0]}; "
                "fit on a span that begins no later."
            )
        return np.asarray(position, dtype=np.int64)

    def _rows(self, X: Any, time: Any) -> tuple[SeriesRows, int]:
        """The rows, after the last fitted ones if they follow those without a gap, and how many of those."""
        check_is_fitted(self)
        series = self._read(X, time)
        if series.n_series != self.n_features_in_:
            raise InvalidSeriesError(
                f"X has {series.n_series} features, but SeriesDetector is expecting {self.n_features_in_} features as "
                "input, the columns that were fitted. "
                f"Reshape your data to (n_timepoints, {self.n_features_in_})."
            )
        if series.has_named_columns and self.n_features_in_ > 1 and list(series.names) != self.series_names_:
            raise InvalidSeriesError(
                f"columns of X must be those that were fitted, in their order: {self.series_names_[:5]}, "
                f"got {list(series.names)[:5]}."
            )
        if series.time is None:
            self._check_same(series.values)
        position = self._place(series)
        given = series.values / self._unit
        n_context = self._context[0].shape[0] if position[0] == self._position[-1] + 1 else 0
        if n_context:
            given, position = np.vstack((self._context[0], given)), np.concatenate((self._context[1], position))
        with np.errstate(over="ignore"):  # the embedding cuts what is infinitely far from training
            values = self.components_.remove(given, position)
        fitted = np.minimum(np.searchsorted(self._position, position), self._position.size - 1)
        fitted[self._position[fitted] != position] = -1
        return SeriesRows(given, values, self.embedding_.transform(values), position, fitted), n_context

    def _check_same(self, values: Floats) -> None:
        """Raise unless rows without times (n_timepoints, n_series) repeat the fitted ones where both exist."""
        n = min(values.shape[0], self._fitted.shape[0])
        differ = ~((values[:n] == self._fitted[:n]) | (np.isnan(values[:n]) & np.isnan(self._fitted[:n])))
        if differ.any():
            row = int(np.flatnonzero(differ.any(axis=1))[0])
            raise TimeIndexError(
                f"rows without times count from the first fitted one, but row {row} differs from the fitted row {row}; "
                f"pass `time=` (rows right after the fitted ones: time=np.arange({self._fitted.shape[0]}, "
                f"{self._fitted.shape[0]} + n))."
            )

    def _evidence_without(self, rows: SeriesRows, left_out: Mask) -> Floats:
        """Evidence (n_rows,) of rows as if the values of those in the mask (n_rows,) were missing."""
        given, values = rows.given.copy(), rows.values.copy()
        given[left_out], values[left_out] = np.nan, np.nan
        features = self.embedding_.transform(values)
        return self.evidence_.of(SeriesRows(given, values, features, rows.position, rows.fitted))
