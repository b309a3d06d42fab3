"""SeriesCleaner: repairs what is broken in a series before it is forecast, and leaves alone what is not.

Gaps are filled; values out of bounds, flat-lined and erratic stretches, spikes and bursts are replaced; temporary level
shifts are moved back. Every change carries its evidence, and the gates say when and why they held the cleaner back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import FunctionType
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import TransformerMixin
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from detectors.parameters import Rules, boolean, choice, either, instance_of, integer, nothing, real, sequence_of
from detectors.report import PruningReport
from tsprune.cleaning.causal_filter import clean_causally
from tsprune.cleaning.judging import JudgingEstimator
from tsprune.cleaning.nightly import NightlyUpdates
from tsprune.series.containers import for_output, give_back
from tsprune.series.series_input import Integers
from tsprune.series.time_grid import on_grid
from tsprune.series.validation import read_series

__all__ = ["SeriesCleaner"]

_LARGEST = 1e100  # beyond, squares overflow


def _is_causal(cleaner: SeriesCleaner) -> bool:
    """True where points can be added."""
    return bool(cleaner.causal)


class SeriesCleaner(NightlyUpdates, TransformerMixin, JudgingEstimator):
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
    time_column : str, optional
        Column of a frame that holds the times; it goes through `transform` unchanged.
    causal : bool, default=False
        Judge every point by the past only (`partial_fit` then adds points, and judges them as `fit` would have done).
        The first four cycles, at least 30 rows, are a warm-up and left unchanged; with ``period="auto"``
        the first 200, in which the periods are looked for. Take it where a value must be final when it arrives; for a
        job that runs every night, `update` keeps settled decisions and judges better, as it knows both sides.
    holidays : str, path, mapping, Series, DataFrame or calendar of the package `holidays`, optional
        Days whose rows are neither changed nor learnt from: an iCalendar file (``.ics``), a country or a part of one
        (``"DE"``, ``"US-CA"``: its public holidays and the days beside them, with ``pip install tsprune[holidays]``),
        or dates with names. In steps longer than a day, the rows less than a step away.
    protect : sequence of times or of pairs of times, or callable, optional
        Further rows that are neither changed nor learnt from: times (a date is its whole day), spans from the first to
        the last of a pair, or a function that gets the times and returns one Boolean a row.

    Attributes
    ----------
    mask_ : Boolean ndarray of shape (n_timepoints,) or (n_timepoints, n_series)
        True = observed and judged not to be trusted.
    changes_ : DataFrame
        One row a changed point: ``time, column, old, new, std, reason, statistic, threshold, since``; `std` is the
        standard error of `new`, `since` the last time that was known when the decision was made.
    report_ : PruningReport
        One record a finding and a known event; `guards` say why the cleaner held back.
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
        "time_column": either(nothing(), instance_of(str)),
        "holidays": either(nothing(), instance_of(str, Path, Mapping, pd.Series, pd.DataFrame)),
        "protect": either(nothing(), instance_of(Sequence, np.ndarray, pd.Index, pd.Series, FunctionType)),
    }
    _largest: ClassVar[float] = _LARGEST

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
        time_column: str | None = None,
        holidays: Any = None,
        protect: Any = None,
    ) -> None:
        self.period = period
        self.level_shift = level_shift
        self.lower = lower
        self.upper = upper
        self.duplicates = duplicates
        self.causal = causal
        self.time_column = time_column
        self.holidays = holidays
        self.protect = protect

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
        _, series, spread, stamps = self._read_settled(X, time, reset=True)
        self._begin(series, y, self.period)
        self.series_names_ = list(series.names)
        self._results, self._since = [], []
        self._judge([()] * series.n_series, [0] * series.n_series)
        self._publish(X if spread is not None else None, spread, stamps)
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
        series = self._read(X, time, reset=False)
        _, end = self._follow(series)
        kept = self._protected(0, int(self._rows.max()) + 1)
        for k, whole in enumerate(self._columns()):
            self._filters[k].extend(whole[end:], kept[end:])
            self._results[k] = clean_causally(whole, self._filters[k])
        self._publish(None, None, [])
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
        _, series, spread, _ = self._read_settled(X, time, reset=False)
        rows, fitted = self._locate(series)
        self._require_fitted_values(series, np.where((fitted < 0) & (rows <= self._rows.max()), 0, fitted))
        end = int(self._rows.max()) + 1
        out = series.values.copy()
        for k, result in enumerate(self._results):
            cleaned = result.values
            if (rows >= end).any():
                x = on_grid(series.values[rows >= end], rows[rows >= end] - end, int(rows.max()) - end + 1)
                cleaned = np.r_[cleaned, self._continue(k, np.ascontiguousarray(x[:, k]))]
            first = _is_first(rows)  # the others are of an hour that the wall clock repeats: they keep their values
            was = on_grid(series.values[first], rows[first], int(rows.max()) + 1)[rows, k]
            broken = np.isnan(out[:, k]) | (was != cleaned[rows])
            out[:, k] = np.where(first | broken, cleaned[rows], out[:, k])
        if spread is None:
            return for_output(self, give_back(series, out, X))
        whole = read_series(X.reset_index(drop=True), time_column=series._time_column, name="X").restore(out[spread])
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
        series = self._read(X, time, reset=False)
        rows, _ = self._locate(series)
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
        names = np.asarray(_check_feature_names_in(self, input_features), dtype=object)
        at = self._time_column_at
        return names if at is None else np.array([*names[:at], self.time_column, *names[at:]], dtype=object)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


def _is_first(rows: Integers) -> NDArray[np.bool_]:
    """Tell which rows, at positions (m,), are not of an hour that the wall clock repeats."""
    return np.asarray(rows > np.r_[-1, np.maximum.accumulate(rows)[:-1]])
