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

from detectors import PrunedDetector, PrunedIsolationForest
from detectors.parameters import (
    Rules,
    boolean,
    check_parameters,
    check_value,
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
from tsprune.detection.alarms import AlarmBudget, FalseAlarmRate
from tsprune.detection.components import Components
from tsprune.detection.deciding import SeriesDeciding
from tsprune.detection.embedding import SeriesEmbedding, embedding_scales
from tsprune.detection.evidence import DetectorPart, EnergyPart, Evidence, EvidencePart, SeriesRows
from tsprune.detection.responsibility import Responsibility, episode_widths
from tsprune.detection.scores import smooth_scores, smoothing_widths
from tsprune.detection.shape_part import AbnormalShape, ShapePart
from tsprune.exceptions import InvalidSeriesError

__all__ = ["SeriesDetector"]

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

_MIN_TIMEPOINTS = 8  # fewer rows are no sample of windows
_SMALLEST = 1e-300  # magnitude of a series of zeros


class SeriesDetector(OutlierMixin, SeriesDeciding):
    """Detect anomalies in one series or several that are judged jointly.

    The chain: confirmed trends, level shifts and seasons are removed; every time point becomes a row of features of
    several scales (level, local means, edges), centred on it; features are pruned; the detector scores the rows. To
    its score the energy of the row is added, its Mahalanobis distance from training, which sees broken relations
    between scales and series. The sum is spread over episodes by centred moving means for the ranking; `predict`
    flags the episodes of the sum itself that are beyond its ordinary tail.

    Parameters
    ----------
    detector : scikit-learn or PyOD outlier detector, optional
        Scores rows of features; default `detectors.PrunedIsolationForest()`. Detectors without feature pruning are
        wrapped in `detectors.PrunedDetector`.
    period : "auto", None, int >= 2 or sequence of int, default="auto"
        Season lengths, in samples; "auto" finds them, None removes none.
    trend : "auto" or None, default="auto"
        "auto" removes trends and level shifts that held-out rows confirm and that go on; None removes none.
    window : "auto" or int >= 2, default="auto"
        Widest scale of the features, in rows; "auto" is 64, less for short series.
    smoothing : "auto", None or int >= 1, default="auto"
        Widest moving mean of the score, in rows; "auto" is 128, less for short series; None leaves the score rough.
    energy : "auto" or bool, default="auto"
        Whether the energy joins the detector's score; "auto" joins it to the default detector only, so that a
        detector given by the caller is what scores.
    shapes : "auto" or bool, default="auto"
        Whether shapes are compared with those of training: the cycle that is wrong while every value is right. They
        count only as far as faults of shape planted into training are found; "auto" joins them to the default
        detector only.
    contamination : "auto", float in (0, 0.5], AlarmBudget, FalseAlarmRate or "labels", default="auto"
        What `predict` flags. "auto": episodes beyond the ordinary tail of training, 0.2 false ones in an ordinary
        series of that length. A share: so many rows of training, by their scores. `AlarmBudget`: at most so many
        episodes, the worst. `FalseAlarmRate`: so many false episodes. "labels": what agrees with the `y` of `fit`.
    time_column : str, optional
        Column of a frame that holds the times, instead of an index or `time`.
    random_state : int, RandomState or None, default=None

    Attributes
    ----------
    detector_ : fitted detector with pruned features
    support_ : ndarray of bool of shape (n_embedded_features,)
        Features that stay.
    shapes_ : ShapePart or None
        Window lengths and weight of the shapes.
    report_ : PruningReport
        Growth, seasons and features, removed and kept, and which windows find planted faults.
    offset_ : float
        Minus the evidence from which rows belong to an episode; with a share, the score below which rows are outliers.
    episodes_ : DataFrame
        Episodes of training: `start, end, peak, n_rows, p_value, series, cause, expected, lower, upper, found`.
    threshold_report_ : ThresholdReport
        How the threshold came about.
    components_ : Components
        What was removed from every series: `growths` (trends, level shifts) and `seasons`.
    seasons_ : SeasonalProfiles
        Those seasons.
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
    Component Classifier", ICDM Foundations Workshop 2003. Coles: "An Introduction to
    Statistical Modeling of Extreme Values", 2001, chapter 3 (the threshold). Yeh et al.: "Matrix Profile I", ICDM
    2016 (the shapes).

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

    The episode, with its p-value and what was to be expected:

    >>> detector.episodes_[["start", "end", "series", "cause"]].values.tolist()
    [[700, 709, 'y', 'above its range']]
    """

    _is_placed_strictly: ClassVar[bool] = False  # windows count rows, whatever their times
    _parameters: ClassVar[Rules] = {
        "detector": either(nothing(), has_methods("fit")),
        "period": either(choice("auto"), nothing(), integer(2), sequence_of(integer(2))),
        "trend": either(choice("auto"), nothing()),
        "window": either(choice("auto"), integer(2)),
        "smoothing": either(choice("auto"), nothing(), integer(1)),
        "energy": either(choice("auto"), boolean()),
        "shapes": either(choice("auto"), boolean()),
        "contamination": either(
            choice("auto", "labels"), real(0.0, 0.5, open_low=True), instance_of(AlarmBudget, FalseAlarmRate)
        ),
        "time_column": either(nothing(), instance_of(str)),
        "random_state": random_state(),
    }

    def __init__(
        self,
        detector: Any = None,
        *,
        period: Any = "auto",
        trend: Any = "auto",
        window: Any = "auto",
        smoothing: Any = "auto",
        energy: Any = "auto",
        shapes: Any = "auto",
        contamination: Any = "auto",
        time_column: Any = None,
        random_state: Any = None,
    ) -> None:
        self.detector = detector
        self.period = period
        self.trend = trend
        self.window = window
        self.smoothing = smoothing
        self.energy = energy
        self.shapes = shapes
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
        y : array-like of shape (n_timepoints,), optional
            With `contamination="labels"`: -1 abnormal, +1 normal, 0 unknown; else ignored.
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
        labelled = isinstance(self.contamination, str) and self.contamination == "labels"
        labels = _read_labels(y, series.n_timepoints) if labelled else None
        self.series_names_ = list(series.names)
        self._begin(series, None if labelled else y, self.period)
        position = self._rows
        # exact powers of two, so that squares of very large or small values neither overflow nor vanish
        self._unit = np.exp2(np.floor(np.log2(np.maximum(np.nanmax(np.abs(series.values), axis=0), _SMALLEST))))
        given = series.values / self._unit
        self.components_ = Components.fit(
            given, position, self.series_names_, period=self.period, trend=self.trend,
            steps_per_day=self._grid.steps_per_day,
        )  # fmt: skip
        self.seasons_ = self.components_.seasons
        self.periods_ = self.seasons_.periods
        values = self.components_.remove(given, position)
        n = series.n_timepoints
        self.embedding_ = SeriesEmbedding(embedding_scales(None if self.window == "auto" else int(self.window), n))
        features = self.embedding_.fit_transform(values, series.names)
        self.feature_names_out_ = self.embedding_.feature_names_
        rows = SeriesRows(given, values, features, position, np.arange(n))
        evidence = self._fit_evidence(rows)
        widest = None if self.smoothing == "auto" else self.smoothing
        self.smoothing_ = (1,) if self.smoothing is None else smoothing_widths(n, widest)
        by_shape = self.shapes_.reach if self.shapes_ is not None else 1
        context = max(2 * self.embedding_.reach, max(self.smoothing_), by_shape)
        self._context = (given[-context:], position[-context:])
        self._index = series.time_index()
        self._fit_decision(rows, evidence, labels)
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
        rows, n_context = self._series_rows(X, time)
        return -smooth_scores(self.evidence_.of(rows), self.smoothing_)[n_context:]

    def decision_function(self, X: Any, *, time: Any = None) -> Floats:
        """Score time points for the decision (n_timepoints,): below 0 is an outlier.

        Rows of an episode are below 0, by how far their evidence (`score_samples` before smoothing) is beyond the
        threshold; all others are not, however close to an episode they are. With a share as `contamination` it is
        `score_samples(X) - offset_`.

        Parameters
        ----------
        X, time : as in `score_samples`
        """
        rows, n_context = self._series_rows(X, time)
        evidence = self.evidence_.of(rows)
        if self._is_share:
            return -smooth_scores(evidence, self.smoothing_)[n_context:] - self.offset_
        held = self._decision.held(evidence, self._flags(rows, evidence))
        return -held[n_context:] - self.offset_

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
        rows, n_context = self._series_rows(X, time)
        index = self._read(X, time, reset=False).time_index()
        names = self.feature_names_out_ if self.n_features_in_ == 1 else self.series_names_
        parts = self._responsibility.of(rows.features)
        return pd.DataFrame(parts[n_context:], columns=names, index=index)

    def explain_shapes(self, X: Any, *, time: Any = None, n_shapes: int = 5) -> list[AbnormalShape]:
        """Lay the most abnormal shapes over the stretches of training that are most like them.

        Parameters
        ----------
        X, time : as in `score_samples`
        n_shapes : int >= 1, default=5
            At most that many, a window apart from each other.

        Returns
        -------
        list of AbnormalShape
            Most abnormal first: `series, evidence, start, values`, and `nearest_start, nearest_values` of training.
            Empty where no structure repeats.
        """
        check_value("n_shapes", n_shapes, integer(1), owner="explain_shapes")
        rows, n_context = self._series_rows(X, time)
        index = self._read(X, time, reset=False).time_index()
        found = [] if self.shapes_ is None else self.shapes_.worst(rows, n_context, int(n_shapes))
        shapes = []
        for k, evidence, width, start, nearest in found:
            first = self._index[-(n_context - start)] if start < n_context else index[start - n_context]
            here, there = rows.given[start : start + width, k], self._seen.values[nearest : nearest + width, k]
            shapes.append(
                AbnormalShape(self.series_names_[k], evidence, first, self._index[nearest], here * self._unit[k], there)
            )
        return shapes

    # ------------------------------------------------------------------------------------------------ private

    def _fit_evidence(self, rows: SeriesRows) -> Floats:
        """Fit all that judges rows; return the evidence of training (n_timepoints,)."""
        self.evidence_ = Evidence(self._parts())
        evidence = self.evidence_.fit(rows)
        self.support_ = np.asarray(self.detector_.support_, dtype=bool)
        by_shape = self.shapes_.records_ if self.shapes_ is not None else []
        reports = [*self.components_.records, *by_shape, *self.detector_.report_.records]
        self.report_ = PruningReport(
            reports, subject="components and features", guards=list(self.detector_.report_.guards)
        )
        n, n_features = rows.features.shape
        one = self.n_features_in_ == 1
        owner = np.arange(n_features) if one else self.embedding_.owner_
        self._responsibility = Responsibility(owner, (1,) if one else episode_widths(n)).fit(rows.features)
        return evidence

    def _parts(self) -> list[EvidencePart]:
        """What judges rows, not fitted."""
        detector = PrunedIsolationForest() if self.detector is None else clone(self.detector)
        if not hasattr(detector, "_score_kept"):
            detector = PrunedDetector(detector)
        if "random_state" in detector.get_params() and detector.get_params()["random_state"] is None:
            detector.set_params(random_state=self.random_state)
        self.detector_ = detector
        parts: list[EvidencePart] = [DetectorPart(detector, self.feature_names_out_)]
        self.energy_ = None
        if self.energy is True or (self.energy == "auto" and self.detector is None):
            energy = EnergyPart(self.embedding_.nested_groups())
            self.energy_ = energy.energy
            parts.append(energy)
        self.shapes_ = None
        if self.shapes is True or (self.shapes == "auto" and self.detector is None):
            self.shapes_ = ShapePart(self.series_names_)
            parts.append(self.shapes_)
        return parts


def _read_labels(y: Any, n_timepoints: int) -> NDArray[np.int64]:
    """Labels (n_timepoints,): -1, 0 or +1."""
    labels = np.zeros(0) if y is None else np.asarray(y, dtype=np.float64)
    if labels.shape != (n_timepoints,) or not np.isin(labels, (-1.0, 0.0, 1.0)).all():
        raise InvalidSeriesError(
            f"contamination='labels' needs y of shape ({n_timepoints},) with -1 (abnormal), +1 (normal) and 0 "
            f"(unknown), got {'none' if y is None else f'shape {labels.shape}'}; pass y, or another contamination."
        )
    return labels.astype(np.int64)
