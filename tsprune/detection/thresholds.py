"""Thresholds from the tail of training scores: peaks over a threshold, generalised Pareto.

Values here measure abnormality: HIGHER = more abnormal (detectors turn the sign at their boundary). The body of
the distribution is the empirical one; beyond its upper quantile the excesses follow a generalised Pareto
distribution, which also covers values larger than any seen.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tsprune.exceptions import InvalidParameterError, InvalidSeriesError

__all__ = ["PeaksOverThreshold"]

Floats = NDArray[np.float64]

_TAIL_SHARE = 0.02  # Siffer et al. start at the 98 % quantile
_MIN_PEAKS = 10  # fewer excesses say nothing about a shape: the tail is then exponential
_RESISTANT_SHARE = 0.1  # the quantiles of a resistant fit lie at this share, half and a quarter of it
_RESISTANT_SHAPE_MAX = 0.3  # heavier tails at those quantiles are mostly the anomalies themselves
_NO_SHAPE = 1e-9  # the exponential limit
_SHAPE_MIN, _SHAPE_MAX = -0.5, 0.9  # regular likelihood below, finite mean above


@dataclass(frozen=True)
class PeaksOverThreshold:
    """Upper tail of a sample of abnormalities.

    Attributes
    ----------
    reference : ndarray of shape (n_values,)
        The sample, sorted.
    start : float
        Where the tail begins.
    share : float
        Share of the sample above `start`.
    shape, scale : float
        Parameters of the generalised Pareto distribution of the excesses over `start`.

    References
    ----------
    Siffer, Fouque, Termier, Largouet: "Anomaly Detection in Streams with Extreme Value Theory", KDD 2017, sections
    3.2 (peaks over threshold, equation 1) and 4.1 (initial threshold at the 98 % quantile).
    Hosking, Wallis: "Parameter and Quantile Estimation for the Generalized Pareto Distribution", Technometrics
    29(3), 1987, section 4 (probability-weighted moments).
    Pickands: "Statistical Inference Using Extreme Order Statistics", Annals of Statistics 3(1), 1975, section 3
    (shape and scale from three quantiles).

    Examples
    --------
    >>> import numpy as np
    >>> sample = np.random.default_rng(0).exponential(size=10_000)
    >>> tail = PeaksOverThreshold.fit(sample)
    >>> bool(abs(tail.quantile(1e-4) - np.log(1e4)) < 1.0)
    True
    """

    reference: Floats
    start: float
    share: float
    shape: float
    scale: float

    @classmethod
    def fit(cls, abnormality: Floats, *, tail_share: float = _TAIL_SHARE) -> PeaksOverThreshold:
        """Fit the tail.

        Parameters
        ----------
        abnormality : ndarray of shape (n_values,)
            Finite; higher = more abnormal.
        tail_share : float in (0, 0.5], default=0.02
            Share of the sample that counts as tail.

        Raises
        ------
        InvalidParameterError
            If `tail_share` is out of range.
        InvalidSeriesError
            If there is no value, or one that is not finite.
        """
        if not 0.0 < tail_share <= 0.5:
            raise InvalidParameterError(f"tail_share must be in (0, 0.5], got {tail_share}.")
        values = np.sort(np.asarray(abnormality, dtype=np.float64))
        if values.ndim != 1 or values.size == 0 or not np.isfinite(values).all():
            raise InvalidSeriesError(
                f"a tail needs a one-dimensional sample of finite values, got shape {values.shape} with "
                f"{int((~np.isfinite(values)).sum())} values that are not finite; leave those out."
            )
        share = min(0.5, max(tail_share, _MIN_PEAKS / values.size))
        start = float(np.quantile(values, 1.0 - share))
        excesses = values[values > start] - start
        shape, scale = _fit_excesses(excesses)
        return cls(values, start, excesses.size / values.size, shape, scale)

    @classmethod
    def fit_resistant(cls, abnormality: Floats) -> PeaksOverThreshold:
        """Fit the tail from quantiles that anomalies in the sample can hardly move.

        Shape and scale follow from the quantiles at 10, 5 and 2.5 % of the sample: whatever the worst 2.5 % are, the
        tail is that of the rest. The shape is held in [0, 0.3].

        Parameters
        ----------
        abnormality : ndarray of shape (n_values,)
            Finite; higher = more abnormal.

        Raises
        ------
        InvalidSeriesError
            If there is no value, or one that is not finite.

        Examples
        --------
        >>> import numpy as np
        >>> sample = np.random.default_rng(0).exponential(size=2000)
        >>> sample[:20] += 100.0
        >>> fits = PeaksOverThreshold.fit(sample), PeaksOverThreshold.fit_resistant(sample)
        >>> [bool(fit.quantile(1e-3) > 20.0) for fit in fits]
        [True, False]
        """
        plain = cls.fit(abnormality, tail_share=_RESISTANT_SHARE)
        low, middle, high = np.quantile(plain.reference, 1.0 - _RESISTANT_SHARE / np.array([1.0, 2.0, 4.0]))
        if not middle > low:
            return plain
        shape = min(max(math.log2(max(high - middle, middle - low) / (middle - low)), 0.0), _RESISTANT_SHAPE_MAX)
        unit = math.log(2.0) if shape < _NO_SHAPE else (2.0**shape - 1.0) / shape
        return cls(plain.reference, float(low), _RESISTANT_SHARE, shape, float(middle - low) / unit)

    def p_value(self, abnormality: Floats) -> Floats:
        """Return the probability of a value at least as abnormal (n_values,), in (0, 1]."""
        values = np.asarray(abnormality, dtype=np.float64)
        n = self.reference.size
        at_least = n - np.searchsorted(self.reference, values, side="left")
        body: Floats = np.asarray((at_least + 1.0) / (n + 1.0), dtype=np.float64)
        if self.scale <= 0.0:
            return body
        excess = np.maximum(values - self.start, 0.0)
        log_tail = math.log(self.share) + _log_survival(excess, self.shape, self.scale)
        floor = np.finfo(np.float64).tiny
        tail = np.maximum(np.exp(np.minimum(log_tail, 0.0)), floor)
        return np.asarray(np.where(values > self.start, tail, body))

    def quantile(self, p: float) -> float:
        """Return the abnormality that is passed with probability `p`.

        Raises
        ------
        InvalidParameterError
            If `p` is not in (0, 1).
        """
        if not 0.0 < p < 1.0:
            raise InvalidParameterError(f"p must be in (0, 1), got {p}.")
        if p >= self.share or self.scale <= 0.0:
            return float(np.quantile(self.reference, 1.0 - p))
        ratio = self.share / p
        if abs(self.shape) < _NO_SHAPE:
            return self.start + self.scale * math.log(ratio)
        return float(self.start + self.scale / self.shape * (ratio**self.shape - 1.0))


def _fit_excesses(excesses: Floats) -> tuple[float, float]:
    """Shape and scale of the excesses (n_peaks,) by probability-weighted moments; scale 0 without any."""
    n = excesses.size
    if n == 0:
        return 0.0, 0.0
    mean = float(excesses.mean())
    if n < _MIN_PEAKS:
        return 0.0, mean
    ordered = np.sort(excesses)
    weights = (n - np.arange(1, n + 1)) / (n - 1)
    second = float((weights * ordered).mean())
    spread = mean - 2.0 * second
    if spread <= 1e-12 * mean:
        return _SHAPE_MAX, mean * (1.0 - _SHAPE_MAX)
    shape = min(max(2.0 - mean / spread, _SHAPE_MIN), _SHAPE_MAX)
    return shape, mean * (1.0 - shape)


def _log_survival(excess: Floats, shape: float, scale: float) -> Floats:
    """Log of the probability (n_values,) that an excess is passed; -inf beyond a finite end point."""
    if abs(shape) < _NO_SHAPE:
        return -excess / scale
    inside = np.maximum(1.0 + shape * excess / scale, 0.0)
    with np.errstate(divide="ignore"):
        return -np.log(inside) / shape
