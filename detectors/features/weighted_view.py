"""FeatureView: the kept features on two scales, weighted by what they agree on.

Law: a view only restates the kept features; it never looks at a pruned one, and every coordinate is a monotone
function of a single feature. Weights come from agreement: a feature whose extremes fall into rows that are extreme
elsewhere as well says more about abnormality than one whose extremes stand alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from detectors.blas import one_blas_thread
from detectors.features.sparse_counts import copied_share, is_sparse_counts
from detectors.tables import quartiles, reach

__all__ = ["FeatureView", "agreement"]

Floats = NDArray[np.float64]

_CLIP = 5.0  # standard deviations: beyond, the linear scale only repeats that a value is far out
_LEAST_WEIGHT = 0.2  # of a feature that agrees with nothing; one that agrees fully has 1.2
_LEAST_DRAWN = 0.05  # the same for a detector that draws features, beside one that draws them evenly
_TEMPLATES = 0.25  # share of columns with a near copy that makes a table one of templates
_MOST_COPIES = 12
_MOST_DRAWS = 20_000  # columns offered to a forest, unless there are more features than that
_SIGNIFICANT = 1.645  # standard errors of a correlation by chance: smaller agreement counts as none
_MOST_ROWS = 4000  # rows for the agreement: its standard error is below 0.02 then


@dataclass(frozen=True)
class FeatureView:
    """Two coordinates for each feature: a clipped linear one, and a logarithmic one of distances from the median.

    Parameters
    ----------
    mean, scale : ndarray of shape (n_features,)
        Linear coordinate: ``clip((x - mean) / scale, -5, 5)``.
    middle, spread : ndarray of shape (n_features,)
        Logarithmic coordinate: ``sign(z) * log(1 + |z|)`` with ``z = (x - middle) / spread``.
    agreement : ndarray of shape (n_features,)
        In [0, 1]; both coordinates are multiplied by 0.2 plus this.
    """

    mean: Floats
    scale: Floats
    middle: Floats
    spread: Floats
    agreement: Floats

    @classmethod
    def of(cls, X: Floats) -> FeatureView:
        """Learn centre, scales and weights from the fitted rows.

        Parameters
        ----------
        X : ndarray of shape (n_rows, n_features)
            NaN is missing.

        Returns
        -------
        FeatureView

        Examples
        --------
        >>> rng = np.random.default_rng(0)
        >>> size = rng.exponential(size=(500, 1))
        >>> X = np.hstack([size * rng.normal(size=(500, 3)), rng.normal(size=(500, 1))])
        >>> FeatureView.of(X).agreement.round(1).tolist()
        [0.5, 0.6, 0.5, 0.0]
        """
        lost = np.isnan(X).all(axis=0)
        if lost.any():  # a column without any value stands still
            X = np.where(lost, 0.0, X)
        unit = reach(X)
        mean, deviation = unit * np.nanmean(X / unit, axis=0), unit * np.nanstd(X / unit, axis=0)
        low, middle, high = quartiles(X)
        scale = np.where(deviation > 0, deviation, 1.0)
        spread = np.where(high > low, (high - low) / 1.349, scale)
        return cls(mean, scale, middle, spread, agreement(X, middle, spread))

    @classmethod
    def of_measurements(cls, X: Floats) -> FeatureView | None:
        """Learn a view as `of` does, or None for sparse counts of templates.

        Near copies agree by construction and prove nothing, so the weights from agreement are small for all words of
        a rare template; but the number of these copies is what lets it count. A table of sparse counts in which at
        least a quarter of the columns have a near copy therefore has no view.

        Parameters
        ----------
        X : ndarray of shape (n_rows, n_features)

        Returns
        -------
        FeatureView or None
        """
        templates = is_sparse_counts(X) and copied_share(X) >= _TEMPLATES
        return None if templates else cls.of(X)

    @property
    def weight(self) -> Floats:
        """Factor (n_features,) of both coordinates."""
        return _LEAST_WEIGHT + self.agreement

    def transform(self, X: Floats) -> Floats:
        """Coordinates (n_rows, 2 * n_features) of `X` (n_rows, n_features): all linear ones, then all logarithmic."""
        linear = np.clip((X - self.mean) / self.scale, -_CLIP, _CLIP)
        return np.hstack([linear * self.weight, self.logarithm(X) * self.weight])

    def logarithm(self, X: Floats) -> Floats:
        """Logarithmic coordinates (n_rows, n_features), not weighted."""
        z = (X - self.middle) / self.spread
        return np.sign(z) * np.log1p(np.abs(z))

    def draws(self) -> NDArray[np.intp]:
        """Feature numbers (n_draws,) in which a feature is repeated as often as its agreement asks, 1 to 12 times."""
        share = _LEAST_DRAWN + self.agreement
        copies = np.maximum(np.round(_MOST_COPIES * share / share.max()), 1)
        if copies.sum() > _MOST_DRAWS:  # a very wide table: coarser weights instead of gigabytes
            copies = np.maximum(np.round(copies * (_MOST_DRAWS / copies.sum())), 1)
        copies = copies.astype(np.intp)
        return np.repeat(np.arange(len(copies)), copies)

    def offered(self, X: Floats) -> Floats:
        """Logarithmic columns (n_rows, n_draws), not weighted, for a detector that draws its features.

        A forest does not see scales, but draws its thresholds evenly on the scale it gets: on the logarithmic one a
        few huge values do not use up the range.
        """
        return np.ascontiguousarray(self.logarithm(X)[:, self.draws()])

    def thresholds(self, column: NDArray[np.intp], threshold: Floats) -> tuple[NDArray[np.intp], Floats]:
        """Features and thresholds (n_nodes,) in raw units of splits on columns of `offered`."""
        feature = self.draws()[column]
        back = np.sign(threshold) * np.expm1(np.abs(threshold)) * self.spread[feature] + self.middle[feature]
        return feature, back


@one_blas_thread()
def agreement(X: Floats, middle: Floats, spread: Floats) -> Floats:
    """How far the extremes of each feature coincide with those of features that measure something else.

    The distances of a feature from its median are compared, by rank, with the sum of the other features' distances,
    each on a logarithmic scale and of variance 1. A feature counts there with 1 - r^2, r its rank correlation with the
    feature judged: near copies agree by construction and prove nothing.

    Parameters
    ----------
    X : ndarray of shape (n_rows, n_features)
    middle, spread : ndarray of shape (n_features,)
        Median and scale of every feature.

    Returns
    -------
    ndarray of shape (n_features,), in [0, 1]
        Spearman's correlation, 0 where it is negative or not significant.
    """
    step = max(1, len(X) // _MOST_ROWS)
    X = X[::step]
    distance = np.log1p(np.abs((X - middle) / spread))
    distance = np.where(np.isnan(distance), np.nanmean(distance, axis=0), distance)
    distance = _standardised(distance)
    ranks = _standardised(rankdata(np.where(np.isnan(X), middle, X), axis=0))
    others = np.maximum(1.0 - (ranks.T @ ranks / len(X)) ** 2, 0.0)
    np.fill_diagonal(others, 0.0)
    own = _standardised(rankdata(distance, axis=0))
    rest = _standardised(rankdata(distance @ others, axis=0))
    correlation = (own * rest).mean(axis=0)
    return np.where(correlation > _SIGNIFICANT / np.sqrt(max(len(X) - 1, 1)), correlation, 0.0)


def _standardised(columns: Floats) -> Floats:
    """Columns (n_rows, n_columns) of mean 0 and variance 1; those that do not vary become 0."""
    centred = columns - columns.mean(axis=0)
    deviation = centred.std(axis=0)
    return np.asarray(np.divide(centred, deviation, out=np.zeros_like(centred), where=deviation > 1e-12))
