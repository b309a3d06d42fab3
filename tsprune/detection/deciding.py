"""SeriesDeciding: from evidence to flagged rows, episodes and expected values, for `SeriesDetector`."""

from __future__ import annotations

import numbers
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tsprune.detection.alarms import AlarmBudget, FalseAlarmRate, ThresholdReport, rows_of
from tsprune.detection.decision import EpisodeDecision
from tsprune.detection.episode_table import EpisodeRows, OrdinaryRange, episode_table
from tsprune.detection.episodes import runs
from tsprune.detection.evidence import SeriesRows
from tsprune.detection.placing import SeriesPlacing
from tsprune.detection.responsibility import Responsibility
from tsprune.detection.scores import smooth_scores

__all__ = ["SeriesDeciding"]

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

_COVERAGE = 0.95  # of `expected`
_RANGE = ("expected", "lower", "upper")


class SeriesDeciding(SeriesPlacing):
    """The part of a detector that decides which rows are outliers and describes their episodes."""

    contamination: Any
    feature_names_out_: list[str]
    smoothing_: tuple[int, ...]
    offset_: float
    _responsibility: Responsibility
    _index: pd.Index

    def episodes(self, X: Any, *, time: Any = None) -> pd.DataFrame:
        """List the episodes that `predict` flags, in order of time.

        Parameters
        ----------
        X, time : as in `score_samples`

        Returns
        -------
        DataFrame
            As `episodes_`.
        """
        rows, n_context = self._series_rows(X, time)
        evidence = self.evidence_.of(rows)
        index = self._read(X, time, reset=False).time_index()
        return self._episode_table(rows, evidence, self._flags(rows, evidence), n_context, index)

    def expected(self, X: Any, *, time: Any = None) -> pd.DataFrame:
        """Tell what was to be expected at every time point, and the range of 95 % of ordinary values.

        Parameters
        ----------
        X, time : as in `score_samples`; only the times count

        Returns
        -------
        DataFrame of shape (n_timepoints, 3 * n_series)
            Columns `expected, lower, upper`, for several series with the name of the series above them, in the units
            of the series.
        """
        rows, n_context = self._series_rows(X, time)
        middle = self._expected(rows)[n_context:]
        lower = middle - (self._range.middle - self._range.lower) * self._unit
        upper = middle + (self._range.upper - self._range.middle) * self._unit
        table = np.stack((middle, lower, upper), axis=2).reshape(middle.shape[0], -1)
        columns = pd.MultiIndex.from_product([self.series_names_, _RANGE])
        return pd.DataFrame(
            table,
            columns=list(_RANGE) if self.n_features_in_ == 1 else columns,
            index=self._read(X, time, reset=False).time_index(),
        )

    def _fit_decision(self, rows: SeriesRows, evidence: Floats, labels: Any) -> None:
        """Choose the threshold on training evidence (n_timepoints,) and list the episodes of training."""
        per = getattr(self.contamination, "per", 1000)
        self._decision = EpisodeDecision.fit(
            rows,
            evidence,
            levels=self.embedding_.nested_groups()[0],
            reach=self.embedding_.reach,
            again=self._evidence_without,
            choice="auto" if self._is_share else self.contamination,
            labels=labels,
            rows_per=rows_of(per, self._grid.steps_per_day),
        )
        tail, base = self._decision.rule.tail, self._decision.rule.base
        if self._is_share:
            self.offset_ = float(np.quantile(-smooth_scores(evidence, self.smoothing_), self.contamination))
        else:
            self.offset_ = -base
        flags = self._flags(rows, evidence)
        self._range = OrdinaryRange.fit(rows.values, flags, _COVERAGE)
        self.threshold_report_ = ThresholdReport(
            _in_words(self.contamination), -self.offset_, tail.location, tail.scale, tail.block,
            float(tail.suspected.mean()), len(runs(flags)), float(tail.expected_episodes(np.array([base]), 1000.0)[0]),
        )  # fmt: skip
        self.episodes_ = self._episode_table(rows, evidence, flags, 0, self._index)

    @property
    def _is_share(self) -> bool:
        """Whether a share of the rows is flagged, by their scores."""
        return isinstance(self.contamination, numbers.Real)

    def _flags(self, rows: SeriesRows, evidence: Floats) -> Mask:
        """Which rows (n_rows,) are outliers."""
        if self._is_share:
            return np.asarray(-smooth_scores(evidence, self.smoothing_) < self.offset_)
        return self._decision.flags(rows, evidence, self._evidence_without)

    def _episode_table(
        self, rows: SeriesRows, evidence: Floats, flags: Mask, n_context: int, index: pd.Index
    ) -> pd.DataFrame:
        """The flagged episodes of rows after `n_context` rows of context."""
        responsible = self._responsibility.of(rows.features)
        if self.n_features_in_ == 1:
            responsible = responsible.sum(axis=1, keepdims=True)
        seen = EpisodeRows(
            flags[n_context:], evidence[n_context:], (rows.given * self._unit)[n_context:],
            self._expected(rows)[n_context:], responsible[n_context:], rows.features[n_context:],
        )  # fmt: skip
        usual, each = self._range, len(self.feature_names_out_) // self.n_features_in_
        first = self.series_names_[0]
        return episode_table(
            seen,
            (usual.middle - usual.lower) * self._unit,
            (usual.upper - usual.middle) * self._unit,
            tail=self._decision.rule.tail,
            n_fitted=self._rows.size,
            index=index,
            names=self.series_names_,
            kinds=[name[len(first) + 1 :] for name in self.feature_names_out_[:each]],
        )

    def _expected(self, rows: SeriesRows) -> Floats:
        """Components and the middle of the rest (n_rows, n_series), in the units of the series."""
        return (self.components_.at(rows.position) + self._range.middle) * self._unit


def _in_words(contamination: Any) -> str:
    """What was asked for."""
    if isinstance(contamination, AlarmBudget):
        return f"at most {contamination.episodes:g} episodes in {contamination.per}, the worst"
    if isinstance(contamination, FalseAlarmRate):
        return f"{contamination.episodes:g} false episodes in {contamination.per}"
    words = {"auto": "episodes beyond the ordinary tail", "labels": "the labels given"}
    return words[contamination] if isinstance(contamination, str) else f"a share of {contamination:g} of the rows"
