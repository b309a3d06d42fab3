"""SeriesPlacing: how `SeriesDetector` turns what a caller gives into rows that evidence can judge."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from tsprune.detection.components import Components
from tsprune.detection.embedding import SeriesEmbedding
from tsprune.detection.evidence import Evidence, SeriesRows
from tsprune.series.estimator import SeriesEstimator

__all__ = ["SeriesPlacing"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Mask = NDArray[np.bool_]


class SeriesPlacing(SeriesEstimator):
    """The part of a detector that places rows on the fitted grid and takes components out of them."""

    series_names_: list[str]
    components_: Components
    embedding_: SeriesEmbedding
    evidence_: Evidence
    _unit: Floats
    _context: tuple[Floats, Integers]

    def _series_rows(self, X: Any, time: Any) -> tuple[SeriesRows, int]:
        """The rows, after the last fitted ones if they follow those without a gap, and how many of those."""
        check_is_fitted(self)
        series = self._read(X, time, reset=False)
        position, fitted = self._locate(series)
        if series.timeline is None:
            self._require_fitted_values(series, fitted)
        n_context = self._context[0].shape[0] if self._comes_next(series, position, fitted) else 0
        given = series.values / self._unit
        if n_context:
            given, position = np.vstack((self._context[0], given)), np.concatenate((self._context[1], position))
            fitted = np.concatenate((np.arange(self._rows.size)[-n_context:], fitted))
        with np.errstate(over="ignore"):  # the embedding cuts what is infinitely far from training
            values = self.components_.remove(given, position)
        return SeriesRows(given, values, self.embedding_.transform(values), position, fitted), n_context

    def _evidence_without(self, rows: SeriesRows, left_out: Mask) -> Floats:
        """Evidence (n_rows,) of rows as if the values of those in the mask (n_rows,) were missing."""
        given, values = rows.given.copy(), rows.values.copy()
        given[left_out], values[left_out] = np.nan, np.nan
        features = self.embedding_.transform(values)
        return self.evidence_.of(SeriesRows(given, values, features, rows.position, rows.fitted))
