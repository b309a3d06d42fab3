"""SeriesCleaner: repairs what is broken in a series before it is forecast, and leaves alone what is not.

Gaps are filled; values out of bounds, flat-lined stretches, spikes and bursts are replaced; every change carries its
evidence, and the gates say when and why they held the cleaner back.
"""

from __future__ import annotations

from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from detectors.parameters import Rules, check_parameters, choice, either, integer, nothing, real, sequence_of
from detectors.report import PruningRecord, PruningReport
from tsprune.cleaning_column import ColumnCleaning, clean_column
from tsprune.exceptions import InvalidParameterError, InvalidSeriesError
from tsprune.time_grid import TimeGrid
from tsprune.validation import SeriesInput, read_series

__all__ = ["SeriesCleaner"]

_COLUMNS = ["time", "column", "old", "new", "std", "reason", "statistic", "threshold"]


class SeriesCleaner(TransformerMixin, BaseEstimator):
    """Repair gaps, spikes, bursts, flat lines and temporary level shifts; abstain without evidence.

    Parameters
    ----------
    period : "auto", None, int >= 2 or sequence of int, default="auto"
        Season lengths, in samples; ``"auto"`` finds them, None says there are none. With one told, a longer
        season that is its multiple is looked for (the week above the day).
    level_shift : {"repair", "keep", "report"}, default="repair"
        What becomes of level shifts. Temporary ones with both ends seen are moved back (``"repair"``), taken out and
        put back by `inverse_transform` (``"keep"``), or only told (``"report"``).
    lower, upper : float, optional
        Values outside are impossible and replaced; replacements stay inside.

    Attributes
    ----------
    mask_ : Boolean ndarray of shape (n_timepoints,) or (n_timepoints, n_series)
        True = observed and judged not to be trusted.
    changes_ : DataFrame
        One row a changed point: ``time, column, old, new, std, reason, statistic, threshold``; `std` is the standard
        error of `new`.
    report_ : PruningReport
        One record a finding; `guards` say why the cleaner held back.
    periods_ : list of tuple of int
        Season lengths used, a tuple a column.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> t = np.arange(480)
    >>> y = 10 + 3 * np.sin(2 * np.pi * t / 24) + rng.normal(0, 0.3, t.size)
    >>> y[100], y[200:210] = 25.0, np.nan
    >>> cleaner = SeriesCleaner(period=24)
    >>> clean = cleaner.fit_transform(y)
    >>> cleaner.changes_["reason"].value_counts().to_dict()
    {'gap': 10, 'spike': 1}
    >>> bool(abs(clean[100] - (10 + 3 * np.sin(2 * np.pi * 100 / 24))) < 1)
    True
    """

    _parameters: ClassVar[Rules] = {
        "period": either(choice("auto"), nothing(), integer(2), sequence_of(integer(2))),
        "level_shift": choice("repair", "keep", "report"),
        "lower": either(nothing(), real()),
        "upper": either(nothing(), real()),
    }

    mask_: NDArray[np.bool_]
    changes_: pd.DataFrame
    report_: PruningReport

    def __init__(
        self,
        period: Any = "auto",
        *,
        level_shift: str = "repair",
        lower: float | None = None,
        upper: float | None = None,
    ) -> None:
        self.period = period
        self.level_shift = level_shift
        self.lower = lower
        self.upper = upper

    def fit(self, X: Any, y: Any = None, *, time: Any = None) -> Self:
        """Judge every point of `X`.

        Parameters
        ----------
        X : array, list, pandas or polars Series or DataFrame of shape (n_timepoints,) or (n_timepoints, n_series)
            NaN is missing.
        y : ignored
        time : array-like of shape (n_timepoints,), optional
            Stamps or integers; overrides the index.

        Raises
        ------
        InvalidParameterError, InvalidSeriesError, TimeIndexError
        """
        del y
        check_parameters(self, self._parameters)
        if self.lower is not None and self.upper is not None and not self.lower < self.upper:
            raise InvalidParameterError(
                f"lower of SeriesCleaner must be below upper, got lower={self.lower} and upper={self.upper}; swap them."
            )
        series = read_series(X, time=time, name="X")
        grid = TimeGrid.of(series)
        rows = grid.positions(series)
        length = int(rows[-1]) + 1
        self._grid, self._rows = grid, rows
        self._results: list[ColumnCleaning] = []
        told = self._told_periods()
        for column in series.values.T:
            x = np.full(length, np.nan)
            x[rows] = column
            self._results.append(clean_column(x, told, self.level_shift, self.lower, self.upper))  # type: ignore[arg-type]  # checked by the table
        self.n_features_in_ = series.n_series
        self._seen = series.values.copy()
        self.periods_ = [result.periods for result in self._results]
        mask = np.column_stack([result.mask[rows] for result in self._results])
        self.mask_ = mask[:, 0] if series.n_dims == 1 else mask
        self.changes_ = self._list_changes(series)
        self.report_ = self._write_report(series)
        return self

    def transform(self, X: Any, *, time: Any = None) -> Any:
        """Return `X` with the broken points repaired, in its own container.

        Raises
        ------
        InvalidSeriesError
            If `X` is not the series that was fitted.
        """
        check_is_fitted(self, "report_")
        series = read_series(X, time=time, name="X")
        same = series.values.shape == self._seen.shape and np.array_equal(series.values, self._seen, equal_nan=True)
        if not same:
            raise InvalidSeriesError("X must be the series that was fitted, got other values; fit the cleaner on it.")
        return series.restore(np.column_stack([result.values[self._rows] for result in self._results]))

    def _told_periods(self) -> tuple[int, ...] | None:
        """The periods the user told, or None to find them."""
        if isinstance(self.period, str):
            return None
        if self.period is None:
            return ()
        return tuple(int(p) for p in np.atleast_1d(self.period))

    def _list_changes(self, series: SeriesInput) -> pd.DataFrame:
        """The table of changed points."""
        times = series.time_index()
        place = np.full(int(self._rows[-1]) + 1, -1)
        place[self._rows] = np.arange(self._rows.size)
        rows: list[list[Any]] = []
        for name, result, old in zip(series.names, self._results, series.values.T, strict=True):
            for change in result.changes:
                for position in range(change.start, change.stop):
                    row = place[position]
                    if row < 0 or not change.repaired or (change.reason != "gap" and np.isnan(old[row])):
                        continue
                    rows.append([
                        times[row], name, old[row], result.values[position], result.standard_error[position],
                        change.reason, change.statistic, change.threshold,
                    ])  # fmt: skip
        table = pd.DataFrame(rows, columns=_COLUMNS)
        return table.drop_duplicates(["time", "column"], ignore_index=True)

    def _write_report(self, series: SeriesInput) -> PruningReport:
        """One record a finding, and what the gates said."""
        records, guards = [], []
        for name, result in zip(series.names, self._results, strict=True):
            for change in result.changes:
                rows = np.flatnonzero((self._rows >= change.start) & (self._rows < change.stop))
                if rows.size == 0:
                    continue
                times = series.time_index()
                span = str(times[rows[0]]) if rows.size == 1 else f"{times[rows[0]]} to {times[rows[-1]]}"
                item = span if series.n_series == 1 else f"{name}: {span}"
                what = f"{rows.size} point{'s' if rows.size > 1 else ''}, {change.reason}"
                records.append(
                    PruningRecord(item, change.reason, not change.repaired, what, change.statistic, change.threshold)
                )
            guards += [g if series.n_series == 1 else f"{name}: {g}" for g in result.guards]
        return PruningReport(records, subject="findings", guards=guards, figures={"timepoints": series.n_timepoints})
