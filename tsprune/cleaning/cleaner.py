"""SeriesCleaner: repairs what is broken in a series before it is forecast, and leaves alone what is not.

Gaps are filled; values out of bounds, flat-lined and erratic stretches, spikes and bursts are replaced; temporary level
shifts are moved back. Every change carries its evidence, and the gates say when and why they held the cleaner back.
"""

from __future__ import annotations

from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted, validate_data

from detectors.parameters import Rules, boolean, check_parameters, choice, either, integer, nothing, real, sequence_of
from detectors.report import PruningReport
from tsprune.cleaning.causal_filter import CausalFilter, clean_causally
from tsprune.cleaning.change import ColumnCleaning
from tsprune.cleaning.clocks import calendar_clocks, wall_times
from tsprune.cleaning.column import clean_column
from tsprune.cleaning.duplicate_times import read_settled, refuse_sparse_grid
from tsprune.cleaning.findings import list_changes, write_report
from tsprune.exceptions import InvalidParameterError, InvalidSeriesError, TimeIndexError
from tsprune.series.containers import for_output, give_back
from tsprune.series.time_grid import TimeGrid
from tsprune.series.validation import SeriesInput, read_series

__all__ = ["SeriesCleaner"]

_LARGEST = 1e100  # beyond, squares overflow
_SAME = 1e-6  # of the largest value

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


def _is_causal(cleaner: SeriesCleaner) -> bool:
    """True where points can be added."""
    return bool(cleaner.causal)


class SeriesCleaner(TransformerMixin, BaseEstimator):
    """Repair gaps, spikes, bursts, flat lines and temporary level shifts; abstain without evidence.

    A robust seasonal adjustment and a robust autoregression say what each point should be, given all the others. A
    point, or a run of them, is replaced only if the likelihood ratio against the autoregression is overwhelming, if
    the series comes back to where it left, if chance would not make it of two large innovations, and if it is large
    enough to hurt a forecast.

    Parameters
    ----------
    period : "auto", None, int >= 2 or sequence of int, default="auto"
        Season lengths, in samples; ``"auto"`` finds them, None says there are none. With one told, a longer
        season that is its multiple is looked for (the week above the day).
    level_shift : {"repair", "keep", "report"}, default="repair"
        What becomes of temporary level shifts with both ends seen: moved back (``"repair"``), moved back and put in
        again by `inverse_transform` (``"keep"``), or only told (``"report"``). Lasting shifts are told and kept.
    lower, upper : float, optional
        Values outside are impossible and replaced; replacements stay inside.
    duplicates : {"error", "mean", "first", "last"}, default="error"
        What becomes of duplicated and late stamps of a pandas index: an error, or sorted in and merged.
    causal : bool, default=False
        Judge every point by the past only (`partial_fit` then adds points, and judges them as `fit` would have done).
        The first four cycles, at least 30 rows, are believed; with ``period="auto"``
        the first 200, in which the periods are looked for.

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
    n_features_in_ : int
        Number of series.
    series_names_ : list of str
        Their names.

    References
    ----------
    Chang, Tiao, Chen: "Estimation of time series parameters in the presence of outliers", Technometrics 30 (1988),
    section 2 (likelihood ratios of additive outliers). Chen, Liu: "Joint estimation of model parameters and outlier
    effects in time series", JASA 88 (1993), section 2 (level shifts, and the confusion of types). Harvey, Pierse:
    "Estimating missing observations in economic time series", JASA 79 (1984), section 2.

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
        "duplicates": choice("error", "mean", "first", "last"),
        "causal": boolean(),
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
        duplicates: str = "error",
        causal: bool = False,
    ) -> None:
        self.period = period
        self.level_shift = level_shift
        self.lower = lower
        self.upper = upper
        self.duplicates = duplicates
        self.causal = causal

    def fit(self, X: Any, y: Any = None, *, time: Any = None) -> Self:
        """Judge every point of `X`.

        Parameters
        ----------
        X : array, list, pandas or polars Series or DataFrame of shape (n_timepoints,) or (n_timepoints, n_series)
            NaN is missing.
        y : ignored
        time : array-like of shape (n_timepoints,), optional
            Stamps or integers; overrides the index.

        Returns
        -------
        self

        Raises
        ------
        InvalidParameterError
            If a parameter breaks its rule.
        InvalidSeriesError, TimeIndexError
            If the series or its times cannot be used.
        """
        self._check()
        settled, series, spread, stamps = read_settled(X, time, self.duplicates)
        series = series.within(_LARGEST)
        if series.n_dims == 1 and y is not None and np.ndim(y) == 1:
            raise InvalidSeriesError(
                "y is not used by SeriesCleaner, got X and y that are both one-dimensional; if X are times, call "
                "fit(values, time=times), else fit(X)."
            )
        validate_data(self, settled if series.has_named_columns else series.values, reset=True, skip_check_array=True)
        self._grid = TimeGrid.of(series)
        self._rows = self._grid.positions(series)
        refuse_sparse_grid(self._rows)
        self._is_timed = series.time is not None
        self.series_names_ = list(series.names)
        self._seen = series.values.copy()
        self._results: list[ColumnCleaning] = []
        self._filters: list[CausalFilter] = []
        calendar = calendar_clocks(wall_times(series.time_index(), self._rows)) if series.is_stamped else []
        for column in series.values.T:
            x = np.full(int(self._rows[-1]) + 1, np.nan)
            x[self._rows] = column
            if self.causal:
                self._filters.append(CausalFilter(self._told_periods(), self.lower, self.upper))
                self._filters[-1].extend(x)
                self._results.append(clean_causally(x, self._filters[-1]))
            else:
                told = self._told_periods()
                self._results.append(clean_column(x, told, self.level_shift, self.lower, self.upper, calendar=calendar))
        self._publish(series, X if spread is not None else None, spread, stamps)
        return self

    def fit_transform(self, X: Any, y: Any = None, *, time: Any = None) -> Any:
        """Fit and return `X` repaired; see `fit` and `transform`."""
        return self.fit(X, y, time=time).transform(X, time=time)

    @available_if(_is_causal)
    def partial_fit(self, X: Any, y: Any = None, *, time: Any = None) -> Self:
        """Judge further rows; only with ``causal=True``. Rows judged before stay as they are.

        Parameters
        ----------
        X : as in `fit`
            The rows that follow; without times, the very next ones.
        y : ignored
        time : array-like of shape (n_new,), optional

        Raises
        ------
        AttributeError
            Without ``causal=True``: two-sided judgement of old points would change with new ones.
        InvalidSeriesError
            If the columns are not those fitted.
        TimeIndexError
            If a row is not later than those judged.
        """
        del y
        if not hasattr(self, "report_"):
            return self.fit(X, time=time)
        series = self._same_columns(read_series(X, time=time, name="X"), X)
        last = int(self._rows[-1])
        rows = self._grid.positions(series) if series.time is not None else last + 1 + np.arange(series.n_timepoints)
        if rows[0] <= last:
            raise TimeIndexError(
                f"rows of partial_fit must come after those judged, got position {int(rows[0])} after {last}."
            )
        old = self._seen
        self._seen = np.vstack([old, series.values])
        self._rows = np.r_[self._rows, rows]
        for k, column in enumerate(series.values.T):
            x = np.full(int(rows[-1]) - last, np.nan)
            x[rows - last - 1] = column
            self._filters[k].extend(x)
            whole = np.full(int(rows[-1]) + 1, np.nan)
            whole[self._rows] = self._seen[:, k]
            self._results[k] = clean_causally(whole, self._filters[k])
        step, start = self._grid.step, self._grid.start
        times: Any = start + step * self._rows if self._is_timed else None
        if times is not None and self._grid.is_stamped:
            times = times.astype("datetime64[ns]")
        table = self._seen[:, 0] if series.n_dims == 1 else self._seen
        self._publish(read_series(table, time=times, name="X"), None, None, [])
        return self

    def transform(self, X: Any, *, time: Any = None) -> Any:
        """Return `X` with the broken points repaired, in its own container.

        Rows that were fitted get what `fit` decided; later ones are judged one by one by the past.

        Parameters
        ----------
        X : as in `fit`
        time : array-like of shape (n_timepoints,), optional

        Returns
        -------
        Same container as `X`.

        Raises
        ------
        InvalidSeriesError
            If the columns, or the values of fitted rows, are not those fitted.
        TimeIndexError
            If rows are earlier than those fitted, or their times are not told.
        """
        check_is_fitted(self, "report_")
        settled, series, spread, _ = read_settled(X, time, self.duplicates)
        series = self._same_columns(series, settled)
        rows = self._place(series)
        last = int(self._rows[-1])
        inside = rows <= last
        out = np.empty_like(series.values)
        for k, result in enumerate(self._results):
            out[inside, k] = result.values[rows[inside]]
            if not inside.all():
                x = np.full(int(rows[-1]) - last, np.nan)
                x[rows[~inside] - last - 1] = series.values[~inside, k]
                out[~inside, k] = self._continue(k, x)[rows[~inside] - last - 1]
        if spread is None:
            return for_output(self, give_back(series, out, X))
        whole = read_series(X.reset_index(drop=True), name="X").restore(out[spread])
        return for_output(self, whole.set_axis(X.index, axis=0))

    def inverse_transform(self, X: Any, *, time: Any = None) -> Any:
        """Put level shifts that were kept back into `X`, a cleaned series or a forecast of one.

        Only ``level_shift="keep"`` has anything to put back. Repairs of gaps, spikes and bursts are not undone.

        Parameters
        ----------
        X : as in `fit`
            Cleaned values; rows after the fitted span are forecasts.
        time : array-like of shape (n_timepoints,), optional

        Returns
        -------
        Same container as `X`.
        """
        check_is_fitted(self, "report_")
        series = self._same_columns(read_series(X, time=time, name="X"), X)
        rows = self._positions(series)
        out = series.values.copy()
        if self.level_shift == "keep":
            for k, result in enumerate(self._results):
                inside = rows < result.offset.size
                out[inside, k] += result.offset[rows[inside]]
        return give_back(series, out, X)

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[np.object_]:
        """Return the names of the columns that `transform` gives back (n_series,).

        `input_features` are used if the fitted series had no names.
        """
        from sklearn.utils.validation import _check_feature_names_in

        check_is_fitted(self, "report_")
        return np.asarray(_check_feature_names_in(self, input_features), dtype=object)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    # ------------------------------------------------------------------------------------------------- private

    def _check(self) -> None:
        """Raise unless the parameters are right, each and together."""
        check_parameters(self, self._parameters)
        if self.lower is not None and self.upper is not None and not self.lower < self.upper:
            raise InvalidParameterError(
                f"lower of SeriesCleaner must be below upper, got lower={self.lower} and upper={self.upper}; swap them."
            )

    def _told_periods(self) -> tuple[int, ...] | None:
        """The periods the user told, or None to find them."""
        if isinstance(self.period, str):
            return None
        if self.period is None:
            return ()
        return tuple(int(p) for p in np.atleast_1d(self.period))

    def _publish(self, series: SeriesInput, given: Any, spread: Integers | None, stamps: list[tuple[int, str]]) -> None:
        """Write the fitted attributes; `spread` maps given rows to settled ones."""
        self.periods_ = [result.periods for result in self._results]
        mask = np.column_stack([result.mask[self._rows] for result in self._results])
        mask = mask if spread is None else mask[spread]
        self.mask_ = mask[:, 0] if series.n_dims == 1 else mask
        self.changes_ = list_changes(series, self._rows, self._results)
        self.report_ = write_report(series, self._rows, self._results, given, stamps)

    def _same_columns(self, series: SeriesInput, X: Any) -> SeriesInput:
        """Raise unless the columns are those that were fitted."""
        if series.n_series != self.n_features_in_:
            raise InvalidSeriesError(
                f"X has {series.n_series} features, but SeriesCleaner is expecting {self.n_features_in_} features as "
                f"input; pass every column that was fitted. Reshape your data to (n_timepoints, {self.n_features_in_})."
            )
        if series.has_named_columns:
            validate_data(self, X, reset=False, skip_check_array=True)
        return series.within(_LARGEST)

    def _positions(self, series: SeriesInput) -> Integers:
        """Rows of the grid (n_timepoints,); earlier ones are an error."""
        if self._is_timed and series.time is None:
            raise TimeIndexError("times must be given as they were in fit, got none; pass `time=` or an index.")
        rows = self._grid.positions(series)
        if rows[0] < 0:
            raise TimeIndexError(
                f"rows must not be earlier than those fitted, got {-int(rows[0])} steps earlier; fit on all of them."
            )
        return rows

    def _place(self, series: SeriesInput) -> Integers:
        """Rows of the grid for `transform`: fitted rows must hold the fitted values."""
        rows = self._positions(series)
        place = np.full(int(max(rows[-1], self._rows[-1])) + 1, -1)
        place[self._rows] = np.arange(self._rows.size)
        inside = rows <= self._rows[-1]
        known = place[rows[inside]]
        here, there = series.values[inside], self._seen[known]
        close = np.abs(here - there) <= _SAME * np.nanmax(np.abs(self._seen), axis=0)  # float32 in between
        same = known.min(initial=0) >= 0 and bool((close | (np.isnan(here) & np.isnan(there))).all())
        if not same:
            raise TimeIndexError(
                "rows inside the fitted span must hold the fitted values, got others; pass `time=` for rows that come "
                "later, or fit on this series."
            )
        return rows

    def _continue(self, k: int, x: Floats) -> Floats:
        """Clean the rows `x` (n_new,) that follow the fitted ones of column `k`, by the past."""
        if self.causal:
            again = CausalFilter(self._told_periods(), self.lower, self.upper)
            whole = np.full(int(self._rows[-1]) + 1, np.nan)
            whole[self._rows] = self._seen[:, k]
            again.extend(whole)
        else:
            again = CausalFilter(self._results[k].periods, self.lower, self.upper)
            again.seed(self._results[k].values)
        n = len(again.output)
        again.extend(x)
        return np.array(again.output[n:])
