"""SeriesDetector: one score per time point, from a series to a threshold.

Law: a season goes only where held-out cycles confirm it, a feature only on evidence. Scores follow scikit-learn:
lower = more abnormal, labels -1 / +1.
"""

from __future__ import annotations

from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import OutlierMixin, clone
from sklearn.utils.validation import check_is_fitted

from detectors import PrunedDetector, PrunedIsolationForest
from detectors.parameters import (
    Rules,
    boolean,
    check_parameters,
    choice,
    either,
    has_methods,
    instance_of,
    integer,
    nothing,
    random_state,
    real,
    sequence_of,
)
from detectors.report import PruningReport
from tsprune.detection.embedding import SeriesEmbedding, embedding_scales
from tsprune.detection.responsibility import Responsibility, episode_widths
from tsprune.detection.score_unit import ScoreUnit
from tsprune.detection.scores import smooth_scores, smoothing_widths
from tsprune.detection.seasonal_profile import SeasonalProfiles
from tsprune.detection.thresholds import PeaksOverThreshold
from tsprune.detection.window_energy import WindowEnergy
from tsprune.exceptions import InvalidSeriesError
from tsprune.series.estimator import SeriesEstimator

__all__ = ["SeriesDetector"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

_MIN_TIMEPOINTS = 8  # fewer rows are no sample of windows
_SMALLEST = 1e-300  # magnitude of a series of zeros
_DETECTOR_WEIGHT = 1 / 3  # against the mean of the energies
_FALSE_ALARM = 1e-3  # of the training time points, for contamination="auto"


class SeriesDetector(OutlierMixin, SeriesEstimator):
    """Detect anomalies in one series or several that are judged jointly.

    The chain: confirmed seasons are removed; every time point becomes a row of features of several scales (level,
    local means, edges), centred on it; features are pruned; the detector scores the rows. To its score the energy
    of the row is added, its Mahalanobis distance from training, which sees broken relations between scales and
    series. The sum is spread over episodes by centred moving means.

    Parameters
    ----------
    detector : scikit-learn or PyOD outlier detector, optional
        Scores rows of features; default `detectors.PrunedIsolationForest()`. Detectors without feature pruning are
        wrapped in `detectors.PrunedDetector`.
    period : "auto", None, int >= 2 or sequence of int, default="auto"
        Season lengths, in samples; "auto" finds them, None removes none.
    window : "auto" or int >= 2, default="auto"
        Widest scale of the features, in rows; "auto" is 64, less for short series.
    smoothing : "auto", None or int >= 1, default="auto"
        Widest moving mean of the score, in rows; "auto" is 128, less for short series; None leaves the score rough.
    energy : "auto" or bool, default="auto"
        Whether the energy joins the detector's score; "auto" joins it to the default detector only, so that a
        detector given by the caller is what scores.
    contamination : "auto" or float in (0, 0.5], default="auto"
        Share of abnormal training time points; "auto" alarms where the tail of the training scores (generalised
        Pareto, fitted to quantiles that a few anomalies cannot move) is passed with probability 0.001.
    time_column : str, optional
        Column of a frame that holds the times, instead of an index or `time`.
    random_state : int, RandomState or None, default=None

    Attributes
    ----------
    detector_ : fitted detector with pruned features
    support_ : ndarray of bool of shape (n_embedded_features,)
        Features that stay.
    report_ : PruningReport
        Seasons and features, removed and kept.
    offset_ : float
        Scores below it are outliers.
    seasons_ : SeasonalProfiles
        What was removed from every series.
    periods_ : tuple of int
        Lengths of those seasons, in samples.
    feature_names_out_ : list of str
        Names of the embedded features.
    n_features_in_ : int
        Number of series.

    Notes
    -----
    Scores of a batch may use all of its rows (features and smoothing are centred), and where the batch continues
    the training rows without a gap, the last training rows too. The energy of a fitted row comes from blocks of
    training that do not hold it, so that an anomaly in training does not count as normal. For scores that never
    look ahead use `StreamMonitor`. Windows count rows; seasons follow the times.

    References
    ----------
    Liu, Ting, Zhou: "Isolation Forest", ICDM 2008. Shyu et al.: "A Novel Anomaly Detection Scheme Based on Principal
    Component Classifier", ICDM Foundations Workshop 2003. Siffer et al.: "Anomaly Detection in Streams with Extreme
    Value Theory", KDD 2017, section 3.2 (the threshold).

    Examples
    --------
    >>> import numpy as np
    >>> from tsprune import SeriesDetector
    >>> rng = np.random.default_rng(0)
    >>> y = np.sin(np.arange(1200) * 2 * np.pi / 24) + 0.1 * rng.normal(size=1200)
    >>> y[700:710] += 2.0
    >>> detector = SeriesDetector(random_state=0).fit(y)
    >>> detector.periods_, bool(700 <= detector.score_samples(y).argmin() < 710)
    ((24,), True)
    """

    _is_placed_strictly: ClassVar[bool] = False  # windows count rows, whatever their times
    _parameters: ClassVar[Rules] = {
        "detector": either(nothing(), has_methods("fit")),
        "period": either(choice("auto"), nothing(), integer(2), sequence_of(integer(2))),
        "window": either(choice("auto"), integer(2)),
        "smoothing": either(choice("auto"), nothing(), integer(1)),
        "energy": either(choice("auto"), boolean()),
        "contamination": either(choice("auto"), real(0.0, 0.5, open_low=True)),
        "time_column": either(nothing(), instance_of(str)),
        "random_state": random_state(),
    }

    def __init__(
        self,
        detector: Any = None,
        *,
        period: Any = "auto",
        window: Any = "auto",
        smoothing: Any = "auto",
        energy: Any = "auto",
        contamination: Any = "auto",
        time_column: Any = None,
        random_state: Any = None,
    ) -> None:
        self.detector = detector
        self.period = period
        self.window = window
        self.smoothing = smoothing
        self.energy = energy
        self.contamination = contamination
        self.time_column = time_column
        self.random_state = random_state

    # --------------------------------------------------------------------------------------------- public API

    def fit(self, X: Any, y: Any = None, *, time: Any = None) -> Self:
        """Learn what is normal.

        Parameters
        ----------
        X : array, pandas or polars Series or DataFrame of shape (n_timepoints,) or (n_timepoints, n_series)
            At least 8 rows; NaN is missing.
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
        check_parameters(self, self._parameters)
        series = self._read(X, time, reset=True)
        if series.n_timepoints < _MIN_TIMEPOINTS:
            raise InvalidSeriesError(
                f"X must have at least {_MIN_TIMEPOINTS} time points, got {series.n_timepoints} "
                f"(n_samples = {series.n_timepoints}); pass a longer series."
            )
        self.series_names_ = list(series.names)
        self._begin(series, y, self.period)
        position = self._rows
        # exact powers of two, so that squares of very large or small values neither overflow nor vanish
        self._unit = np.exp2(np.floor(np.log2(np.maximum(np.nanmax(np.abs(series.values), axis=0), _SMALLEST))))
        values = series.values / self._unit
        self.seasons_ = SeasonalProfiles.fit(
            values, position, self.series_names_, self.period, self._grid.steps_per_day
        )
        self.periods_ = self.seasons_.periods
        values = self.seasons_.remove(values, position)
        n = series.n_timepoints
        self.embedding_ = SeriesEmbedding(embedding_scales(None if self.window == "auto" else int(self.window), n))
        rows = self.embedding_.fit_transform(values, series.names)
        self.feature_names_out_ = self.embedding_.feature_names_
        evidence = self._fit_detector(rows)
        widest = None if self.smoothing == "auto" else self.smoothing
        self.smoothing_ = (1,) if self.smoothing is None else smoothing_widths(n, widest)
        context = max(2 * self.embedding_.reach, max(self.smoothing_))
        self._context = values[-context:]
        self.offset_ = -self._threshold(smooth_scores(evidence, self.smoothing_))
        return self

    def score_samples(self, X: Any, *, time: Any = None) -> Floats:
        """Score time points; lower = more abnormal.

        Parameters
        ----------
        X : as in `fit`
            Rows of the fitted span or later ones, by their times. A plain array without `time` counts from the
            first fitted row.
        time : array-like of shape (n_timepoints,), optional

        Returns
        -------
        ndarray of shape (n_timepoints,)

        Raises
        ------
        TimeIndexError
            If times are earlier than the fitted ones, of another kind, or missing where values differ.
        """
        rows, fitted, n_context = self._features(X, time)
        return -smooth_scores(self._evidence(rows, fitted), self.smoothing_)[n_context:]

    def decision_function(self, X: Any, *, time: Any = None) -> Floats:
        """Score time points relative to `offset_` (n_timepoints,): below 0 is an outlier."""
        return self.score_samples(X, time=time) - self.offset_

    def predict(self, X: Any, *, time: Any = None) -> NDArray[np.int64]:
        """Label time points (n_timepoints,): -1 outlier, +1 inlier."""
        return np.where(self.decision_function(X, time=time) < 0, -1, 1)

    def fit_predict(self, X: Any, y: Any = None, *, time: Any = None) -> NDArray[np.int64]:
        """Fit, then label the same time points."""
        return self.fit(X, y, time=time).predict(X, time=time)

    def explain(self, X: Any, *, time: Any = None) -> pd.DataFrame:
        """Share out the abnormality of each time point.

        Parameters
        ----------
        X, time : as in `score_samples`

        Returns
        -------
        DataFrame of shape (n_timepoints, n_series), for a single series (n_timepoints, n_embedded_features)
            Non-negative; larger = more responsible.
        """
        rows, _, n_context = self._features(X, time)
        index = self._read(X, time, reset=False).time_index()
        names = self.feature_names_out_ if self.n_features_in_ == 1 else self.series_names_
        parts = self._responsibility.of(rows)
        return pd.DataFrame(parts[n_context:], columns=names, index=index)

    # ------------------------------------------------------------------------------------------------ private

    def _features(self, X: Any, time: Any) -> tuple[Floats, Integers, int]:
        """Features (n_context + n_timepoints, n_features), which fitted row each is, and the rows of context."""
        check_is_fitted(self)
        series = self._read(X, time, reset=False)
        position, fitted = self._locate(series)
        if series.timeline is None:
            self._require_fitted_values(series, fitted)
        with np.errstate(over="ignore"):  # the embedding cuts what is infinitely far from training
            values = self.seasons_.remove(series.values / self._unit, position)
        n_context = self._context.shape[0] if self._comes_next(series, position, fitted) else 0
        if n_context:
            values = np.vstack((self._context, values))
            fitted = np.concatenate((np.arange(self._rows.size)[-n_context:], fitted))
        return self.embedding_.transform(values), fitted, n_context

    def _fit_detector(self, rows: Floats) -> Floats:
        """Fit detector and energy on features (n_timepoints, n_features); return their evidence (n_timepoints,)."""
        detector = PrunedIsolationForest() if self.detector is None else clone(self.detector)
        if not hasattr(detector, "_score_kept"):
            detector = PrunedDetector(detector)
        if "random_state" in detector.get_params() and detector.get_params()["random_state"] is None:
            detector.set_params(random_state=self.random_state)
        frame = pd.DataFrame(rows, columns=self.feature_names_out_)
        self.detector_ = detector.fit(frame)
        self.support_ = np.asarray(self.detector_.support_, dtype=bool)
        reports = [*self.seasons_.records, *self.detector_.report_.records]
        self.report_ = PruningReport(
            reports, subject="components and features", guards=list(self.detector_.report_.guards)
        )
        by_detector = self._detector_part(rows)
        self._detector_unit = ScoreUnit.fit(by_detector)
        evidence = self._detector_unit.of(by_detector)
        self.energy_ = None
        if self.energy is True or (self.energy == "auto" and self.detector is None):
            self.energy_ = WindowEnergy(self.embedding_.nested_groups()).fit(rows)
            self._energy_units = [ScoreUnit.fit(part) for part in self.energy_.held_out_.T]
            evidence = self._joined(evidence, self.energy_.held_out_)
        one = self.n_features_in_ == 1
        owner = np.arange(rows.shape[1]) if one else self.embedding_.owner_
        widths = (1,) if one else episode_widths(rows.shape[0])
        self._responsibility = Responsibility(owner, widths).fit(rows)
        return evidence

    def _detector_part(self, rows: Floats) -> Floats:
        """Abnormality (n_rows,) by the detector; higher = more abnormal."""
        frame = pd.DataFrame(rows, columns=self.feature_names_out_)
        return -np.asarray(self.detector_.score_samples(frame), dtype=np.float64)

    def _evidence(self, rows: Floats, fitted: Integers) -> Floats:
        """Abnormality (n_rows,) of features, in training units; higher = more abnormal."""
        evidence = self._detector_unit.of(self._detector_part(rows))
        return evidence if self.energy_ is None else self._joined(evidence, self.energy_.of(rows, fitted))

    def _joined(self, evidence: Floats, energies: Floats) -> Floats:
        """Evidence (n_rows,) of the detector joined with the energies (n_rows, n_groups)."""
        parts = [unit.of(e) for e, unit in zip(energies.T, self._energy_units, strict=True)]
        joined = (1.0 - _DETECTOR_WEIGHT) * np.mean(parts, axis=0) + _DETECTOR_WEIGHT * evidence
        return np.asarray(joined, dtype=np.float64)

    def _threshold(self, abnormality: Floats) -> float:
        """The abnormality (of training: (n_timepoints,)) from which a time point is an outlier."""
        if self.contamination == "auto":
            return PeaksOverThreshold.fit_resistant(abnormality).quantile(_FALSE_ALARM)
        return float(np.quantile(abnormality, 1.0 - float(self.contamination)))
