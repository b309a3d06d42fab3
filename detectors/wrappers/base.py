"""The base of every pruned detector: the door, the pruning of features, offset, labels, explanation.

Law: a feature outside `support_` has no influence on any score. Scores follow scikit-learn: lower = more abnormal,
labels -1 / +1, `decision_function < 0` is an outlier.
"""

from __future__ import annotations

import inspect
from dataclasses import replace
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, OutlierMixin, clone
from sklearn.utils import check_array, check_random_state, get_tags
from sklearn.utils.validation import _num_samples, check_is_fitted, validate_data

from detectors.exceptions import InvalidParameterError, InvalidTableError
from detectors.features.knowledge import Knowledge, read_knowledge
from detectors.features.reports import feature_numbers, mask_report, renamed_report
from detectors.parameters import Rules, check_parameters
from detectors.report import PruningReport
from detectors.tables import dense, is_sparse, readable, usual_row
from detectors.wrappers.engines import checked_weights, engine_offset, engine_scores, seeded
from detectors.wrappers.explanation import occlusion_shares, shares
from detectors.wrappers.head import KnownHead, head_on_labels, head_on_reference
from detectors.wrappers.kept_columns import kept_columns, whole_table

__all__: list[str] = []

Floats = NDArray[np.float64]


class _PrunedOutlierDetector(OutlierMixin, BaseEstimator):
    """What every pruned detector shares: the door, the pruning of features, offset, labels, explanation.

    A subclass has the constructor parameters ``contamination`` and ``random_state`` at least, a table
    ``_parameters``, and these hooks; each of them sees a checked float64 table ``X`` (n_rows, n_kept) that holds
    the columns of `support_` only, in their order:

    ``_make_pruner()``
        The unfitted selector of features, or None: no feature goes.
    ``_make_engine()``
        The unfitted engine. Used by the defaults of the hooks below, and asked for its tags (NaN, sparse).
    ``_fit_engine(X, sample_weight)``
        Fit, set ``detector_`` (and whatever the model pruning of the subclass adds). Required result: None.
    ``_score_kept(X)``
        Scores (n_rows,), lower = more abnormal.
    ``_training_scores(X)``
        Scores (n_rows,) of the fitted rows for the quantile of ``contamination``; `_score_kept(X)` unless the
        engine knows better (local outlier factor: a row is not its own neighbour).
    ``_engine_offset()``
        The offset for ``contamination="auto"``; the engine's own `offset_` (PyOD: minus its `threshold_`).
    ``_explain_kept(X)``
        Contributions (n_rows, n_kept), non-negative, any scale per row; the default is occlusion.

    The base sets ``pruner_`` (fitted selector or None), ``support_``, ``report_``, ``offset_``,
    ``n_features_in_``, ``feature_names_in_``, and ``head_``: the supervised head that labels or a reference earned, or
    None.
    """

    _parameters: ClassVar[Rules] = {}
    contamination: Any
    random_state: Any
    detector_: Any
    head_: KnownHead | None
    report_: PruningReport

    # ------------------------------------------------------------------------------------------------- hooks

    def _make_pruner(self) -> Any:
        """The unfitted selector of features, or None."""
        raise NotImplementedError

    def _make_engine(self) -> Any:
        """The unfitted engine."""
        raise NotImplementedError

    def _fit_engine(self, X: Any, sample_weight: Floats | None) -> None:
        """Fit the engine on the kept columns `X` (n_rows, n_kept) and set `detector_`."""
        engine = self._make_engine()
        if sample_weight is None:
            engine.fit(X)
        elif "sample_weight" in inspect.signature(engine.fit).parameters:
            engine.fit(X, sample_weight=sample_weight)
        else:
            raise InvalidParameterError(
                f"sample_weight must be None for {type(engine).__name__}, whose fit takes none, "
                f"got {len(sample_weight)} weights; leave them out or choose another detector."
            )
        self.detector_ = engine

    def _score_kept(self, X: Any) -> Floats:
        """Scores (n_rows,) of the kept columns `X` (n_rows, n_kept), lower = more abnormal."""
        return engine_scores(self.detector_, X)

    def _training_scores(self, X: Any) -> Floats:
        """Scores (n_rows,) of the fitted rows, for the quantile of `contamination`."""
        return self._score_kept(X)

    def _engine_offset(self) -> float | None:
        """Offset for ``contamination="auto"``; None if the engine has none."""
        return engine_offset(self.detector_)

    def _explain_kept(self, X: Any) -> Floats:
        """Contributions (n_rows, n_kept), non-negative."""
        return occlusion_shares(self._score_kept, X, self._reference_)

    # --------------------------------------------------------------------------------------------- public API

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None, *, reference: Any = None) -> Self:
        """Prune the features of `X`, then fit the detector on those that stay.

        With labels or a reference, features are judged by them as well (`FeaturePruner`), and a supervised head is
        put on the detector where rows left out prove that it ranks better; `report_.figures` tell.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_rows, n_features)
            NaN and sparse where the engine takes them.
        y : array-like of shape (n_rows,), optional
            What is known of the rows: -1 anomaly, +1 normal, 0 or NaN unknown. Other values are no labels of
            anomalies and are left alone, as `report_` then says.
        sample_weight : array-like of shape (n_rows,), optional
            Handed to the engine; feature pruning counts rows and ignores weights.
        reference : mask of shape (n_rows,) or array-like of shape (n_reference, n_features), optional
            Rows known to be normal: which rows of `X`, or other rows, in the order of time if they have one.

        Returns
        -------
        self

        Raises
        ------
        InvalidParameterError
            If a parameter breaks its rule, the engine takes no weights, or `y` holds only 0 and 1.
        InvalidTableError
            If no feature can stay.
        """
        check_parameters(self, self._parameters)
        X = self._read(X, reset=True)
        weights = None if sample_weight is None else checked_weights(sample_weight, X)
        known, sentences = read_knowledge(y, reference, X.shape[0], lambda rows: dense(self._read(rows, reset=False)))
        self._prune(X, known)
        kept = self._kept(X)
        self._reference_ = usual_row(kept)
        self.head_ = None
        self._fit_engine(kept, weights)
        if known is not None:
            self._fit_head(kept, known)
        if sentences:
            self.report_ = replace(self.report_, guards=(*self.report_.guards, *sentences))
        self.offset_ = self._offset(kept)
        return self

    def score_samples(self, X: Any) -> Floats:
        """Score rows; lower = more abnormal.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_rows, n_features)
            All features the detector was fitted with, in their order, or the kept ones alone: a frame that lacks
            pruned columns, an array with as many columns as are kept. Pruned features are not looked at.

        Returns
        -------
        ndarray of shape (n_rows,), in the units of the engine; with a head in [-1, 0]
        """
        check_is_fitted(self)
        return self._scores(self._read_kept(X))

    def decision_function(self, X: Any) -> Floats:
        """Score rows relative to `offset_`: below 0 is an outlier.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_rows, n_features)

        Returns
        -------
        ndarray of shape (n_rows,)
        """
        return self.score_samples(X) - self.offset_

    def predict(self, X: Any) -> NDArray[np.int64]:
        """Label rows: -1 outlier, +1 inlier.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_rows, n_features)

        Returns
        -------
        ndarray of int of shape (n_rows,)
        """
        return np.where(self.decision_function(X) < 0, -1, 1)

    def fit_predict(
        self, X: Any, y: Any = None, sample_weight: Any = None, *, reference: Any = None
    ) -> NDArray[np.int64]:
        """Fit, then label the same rows: `fit(X).predict(X)`.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_rows, n_features)
        y : array-like of shape (n_rows,), optional
        sample_weight : array-like of shape (n_rows,), optional
        reference : mask of shape (n_rows,) or array-like of shape (n_reference, n_features), optional

        Returns
        -------
        ndarray of int of shape (n_rows,)
        """
        return self.fit(X, y, sample_weight=sample_weight, reference=reference).predict(X)

    def explain(self, X: Any, *, sentinels: bool = False) -> pd.DataFrame:
        """Share out each row's abnormality over the features.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_rows, n_features)
        sentinels : bool
            True adds a column ``sentinels``: the names of the pruned features whose value in the row lies outside
            anything seen in `fit` ("" for none). They are kept on watch, and never enter the score.

        Returns
        -------
        DataFrame of shape (n_rows, n_features)
            Non-negative shares that sum to 1 in every row, 0 for pruned features; a row in which no feature
            deviates from the fitted centre at all is all zero. The index is that of `X` if it has one.
        """
        check_is_fitted(self)
        index = getattr(X, "index", None)
        kept = self._read_kept(X)
        parts = np.zeros((_num_samples(kept), self.n_features_in_))
        if self.head_ is None:
            parts[:, self.support_] = shares(self._explain_kept(kept))
        else:
            parts[:, self.support_] = shares(occlusion_shares(self._scores, kept, self._reference_))
        names = self._names()
        frame = pd.DataFrame(parts, columns=names, index=index if isinstance(index, pd.Index) else None)
        if sentinels:
            frame["sentinels"] = [", ".join(map(str, hit)) for hit in self._sentinel_names(self._whole(X))]
        return frame

    def sentinel_flags(self, X: Any) -> NDArray[np.bool_]:
        """Tell where a pruned feature leaves the range seen in `fit`.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_rows, n_features)

        Returns
        -------
        ndarray of bool of shape (n_rows, n_features)
            True where the value of a pruned feature is abnormal by itself; always False for kept features.
            Scores and labels do not depend on it.
        """
        check_is_fitted(self)
        return self._sentinel_flags(self._whole(X))

    # ------------------------------------------------------------------------------------------------ private

    def _read(self, X: Any, *, reset: bool) -> Any:
        """Check a table at the door: float64 (n_rows, n_features), NaN and sparse as the engine takes them."""
        return validate_data(self, readable(X), reset=reset, ensure_min_samples=2 if reset else 1, **self._door())

    def _door(self) -> dict[str, Any]:
        """What a table must be."""
        tags = get_tags(self).input_tags
        return {
            "dtype": np.float64,
            "order": "C",  # the same bits, whatever the layout: sums run in one order
            "accept_sparse": "csr" if tags.sparse else False,
            "ensure_all_finite": "allow-nan" if tags.allow_nan else True,
        }

    def _read_kept(self, X: Any) -> Any:
        """Kept columns (n_rows, n_kept) of a table with all features or with the kept ones alone."""
        alone = kept_columns(X, self.support_, getattr(self, "feature_names_in_", None))
        if alone is None:
            return self._kept(self._read(X, reset=False))
        return check_array(readable(alone), estimator=self, input_name="X", **self._door())

    def _whole(self, X: Any) -> Any:
        """Checked table (n_rows, n_features); features that are not given are missing."""
        if kept_columns(X, self.support_, getattr(self, "feature_names_in_", None)) is None:
            return self._read(X, reset=False)
        return whole_table(self._read_kept(X), self.support_)

    def _scores(self, X: Any) -> Floats:
        """Scores (n_rows,) of the kept columns `X` (n_rows, n_kept), the head's where there is one."""
        scores = self._score_kept(X)
        return scores if self.head_ is None else self.head_.scores(dense(X), scores)

    def _fit_head(self, kept: Any, known: Knowledge) -> None:
        """Try a head on the kept columns (n_rows, n_kept) and set `head_`; the report tells what came of it."""
        more = self._kept(known.rows) if len(known.rows) else np.empty((0, kept.shape[1]))
        table, anomaly, normal = Knowledge(known.anomaly, known.normal, more).table(dense(kept))
        detector = self._score_kept(kept)
        if len(more):
            detector = np.append(detector, self._score_kept(more))
        seed = int(check_random_state(self.random_state).randint(np.iinfo(np.int32).max - 100))
        if known.labelled:
            self.head_, trial = head_on_labels(table, detector, anomaly, normal, seed)
        else:
            self.head_, trial = head_on_reference(table, detector, normal, seed)
        self.report_ = replace(self.report_, figures={**self.report_.figures, **trial.figures()})

    def _prune(self, X: Any, known: Knowledge | None) -> None:
        """Fit the selector on `X` (n_rows, n_features); set `pruner_`, `support_`, `report_`."""
        selector = self._make_pruner()
        names = list(self._names())
        if selector is None:
            self.pruner_ = None
            self.support_ = np.ones(self.n_features_in_, dtype=bool)
            self.report_ = mask_report(names, self.support_, None)
            return
        self.pruner_ = seeded(clone(selector), self.random_state)
        anchors = getattr(selector, "anchors", None)
        if anchors is not None:  # the selector sees an array without names
            self.pruner_.set_params(anchors=feature_numbers(anchors, names).tolist())
        if known is not None and "reference" in inspect.signature(self.pruner_.fit).parameters:
            self.pruner_.fit(X, **known.arguments(X))
        else:
            self.pruner_.fit(X)
        self.support_ = np.asarray(self.pruner_.get_support(), dtype=bool).copy()
        if not self.support_.any():
            raise InvalidTableError(
                f"a pruner must keep at least one feature, {type(self.pruner_).__name__} keeps 0 of "
                f"{self.n_features_in_}; use FeaturePruner, whose guard keeps everything without evidence."
            )
        report = getattr(self.pruner_, "report_", None)
        if isinstance(report, PruningReport):
            self.report_ = renamed_report(report, names)
        else:
            self.report_ = mask_report(names, self.support_, type(self.pruner_).__name__)

    def _kept(self, X: Any) -> Any:
        """Columns (n_rows, n_kept) of a checked table that the engine sees."""
        if self.support_.all():
            return X
        if is_sparse(X):
            return X[:, np.flatnonzero(self.support_)]
        return np.ascontiguousarray(X[:, self.support_])

    def _names(self) -> NDArray[Any]:
        """Names (n_features,) of the features: those of the frame, or x0, x1, ..."""
        names = getattr(self, "feature_names_in_", None)
        return np.array([f"x{i}" for i in range(self.n_features_in_)], dtype=object) if names is None else names

    def _offset(self, kept: Any) -> float:
        """The threshold of the scores, by `contamination`."""
        if self.contamination == "auto":
            offset = self._engine_offset() if self.head_ is None else self.head_.offset
            if offset is not None:
                return offset
        share = 0.1 if self.contamination == "auto" else float(self.contamination)
        scores = self._training_scores(kept) if self.head_ is None else self._scores(kept)
        return float(np.percentile(scores, 100.0 * share))

    def _sentinel_flags(self, table: Any) -> NDArray[np.bool_]:
        """Flags (n_rows, n_features) of the pruned features of a checked table."""
        flags = getattr(self.pruner_, "_sentinel_flags", None)
        if flags is None:
            return np.zeros((_num_samples(table), self.n_features_in_), dtype=bool)
        return np.asarray(flags(table), dtype=bool)

    def _sentinel_names(self, table: Any) -> list[list[Any]]:
        """Names of the flagged pruned features, one list per row."""
        names = self._names()
        return [list(names[row]) for row in self._sentinel_flags(table)]

    def __sklearn_tags__(self) -> Any:
        """Tags: NaN and sparse tables are accepted where engine and pruner accept them."""
        tags = super().__sklearn_tags__()
        try:
            engine = get_tags(self._make_engine()).input_tags
        except (AttributeError, TypeError, ValueError):  # PyOD's detectors, or a parameter that fit will reject
            return tags
        tags.input_tags.sparse = engine.sparse
        tags.input_tags.allow_nan = engine.allow_nan
        return tags
