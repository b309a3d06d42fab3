"""Evidence that a series has a trend or a season of a given length.

Law: stationary noise, white or autocorrelated, has neither. A level that moves more than stationarity allows (a
ramp, a step, a slow swing, a random walk) is a trend.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Evidence", "season_evidence", "trend_evidence"]

Floats = NDArray[np.float64]

SHORTEST = 12  # values; fewer show neither a trend nor a season
_CLIP = 5.0  # robust deviations from the median beyond which a value counts as an outlier
_ROUNDING = 1e-9  # of the largest value; less is rounding, not a movement
_N_TERMS = 12  # of the series for the Cramer-von Mises distribution; the rest is below 1e-15


@dataclass(frozen=True)
class Evidence:
    """One test: what was measured, and how likely that is without the component.

    Attributes
    ----------
    statistic : float
        For a trend the level-stationarity statistic, for a season the share of variance it explains.
    p_value : float
        1 where the series is too short or constant.
    """

    statistic: float
    p_value: float


def trend_evidence(z: Floats) -> Evidence:
    """Test the level of a series without season for stationarity.

    Two tests share the level of significance: KPSS, which sees steps, swings and random walks, and the slope of a
    straight line, which sees what KPSS takes for a unit root in short series. Both use a prewhitened long-run
    variance, so that autocorrelated noise is no trend.

    Parameters
    ----------
    z : ndarray of shape (n_timepoints,)
        The series without its season, in its units; NaN is missing and left out.

    Returns
    -------
    Evidence
        The KPSS statistic and the p-value of both tests together.

    References
    ----------
    Kwiatkowski, Phillips, Schmidt, Shin (1992), J. Econometrics 54, eq. 6. Andrews, Monahan (1992), Econometrica
    60, section 3 (prewhitening). Sul, Phillips, Choi (2005), Oxford Bulletin 67, eq. 12 (the boundary rule).
    Anderson, Darling (1952), Annals of Mathematical Statistics 23, eq. 4.35 (the distribution).

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> noise = rng.normal(size=300)
    >>> round(trend_evidence(noise).p_value, 2)
    0.24
    >>> trend_evidence(noise + np.linspace(0, 3, 300)).p_value < 1e-6
    True
    """
    known = z[~np.isnan(z)]
    if known.size < SHORTEST or np.ptp(known) <= _ROUNDING * np.abs(known).max():
        return Evidence(0.0, 1.0)
    known = _without_outliers(known / np.abs(known).max())
    if np.ptp(known) == 0.0:
        return Evidence(0.0, 1.0)
    error = known - known.mean()
    sums = np.cumsum(error)
    statistic = float(sums @ sums) / known.size**2 / _long_run_variance(error, 1)
    p_value = min(_cramer_von_mises(statistic), _slope_p_value(known))
    return Evidence(statistic, min(1.0, 2.0 * p_value))


def season_evidence(z: Floats, period: int, alpha: float) -> Evidence:
    """Test a series for one given period against autocorrelated noise, with `find_periods`.

    Parameters
    ----------
    z : ndarray of shape (n_timepoints,)
        The series, on a regular grid; NaN is missing.
    period : int >= 2
        Season length, in samples.
    alpha : float
        Level of significance; a p-value above it comes back as 1.
    """
    from tsprune.periods.periods import find_periods

    found = find_periods(z, max_periods=1, alpha=alpha, min_period=period, max_period=period, min_cycles=2)
    return Evidence(found[0].strength, found[0].p_value) if found else Evidence(0.0, 1.0)


def _without_outliers(z: Floats) -> Floats:
    """Return `z` (n,) clipped to a few robust deviations around the median."""
    middle = np.median(z)
    spread = 1.4826 * np.median(np.abs(z - middle))
    return z if spread == 0.0 else np.clip(z, middle - _CLIP * spread, middle + _CLIP * spread)


def _slope_p_value(z: Floats) -> float:
    """Return the p-value of the slope of the line through `z` (n,)."""
    from scipy.stats import t as student

    n = z.size
    x = np.arange(n) - 0.5 * (n - 1)
    slope = float(x @ z) / float(x @ x)
    error = z - z.mean() - slope * x
    if error @ error <= (_ROUNDING * np.abs(z).max()) ** 2 * n:
        return 0.0
    ratio = abs(slope) * math.sqrt(float(x @ x) / _long_run_variance(error, 2))
    correlation = max(0.0, float(error[1:] @ error[:-1]) / float(error @ error))
    return float(2.0 * student.sf(ratio, max(3.0, (n - 2) * (1.0 - correlation))))


def _long_run_variance(error: Floats, n_fitted: int) -> float:
    """Return the long-run variance of residuals (n,) of a mean (1 fitted) or a line (2)."""
    n = error.size
    rho = float(error[1:] @ error[:-1]) / float(error[:-1] @ error[:-1])
    rho += (n_fitted + (2 + n_fitted) * rho) / n  # its bias: Marriott, Pope (1954)
    rho = min(max(rho, -0.97), 1.0 - 1.0 / math.sqrt(n))
    white = error[1:] - rho * error[:-1]
    total = float(white[:-1] @ white[:-1])
    left = min(max(float(white[1:] @ white[:-1]) / total, -0.9), 0.9) if total > 0.0 else 0.0
    bandwidth = 1.3221 * (4.0 * left**2 / (1.0 - left) ** 4 * n) ** 0.2  # Andrews (1991), quadratic spectral kernel
    variance = float(white @ white) / n
    for lag in range(1, min(n - 2, math.ceil(5.0 * bandwidth)) + 1):
        x = 1.2 * math.pi * lag / bandwidth
        variance += 2.0 * 3.0 / x**2 * (math.sin(x) / x - math.cos(x)) * float(white[lag:] @ white[:-lag]) / n
    floor = 1e-12 * float(error @ error) / n
    return max(variance, floor) / (1.0 - rho) ** 2


def _cramer_von_mises(statistic: float) -> float:
    """Return the upper tail of the integral of a squared Brownian bridge."""
    from scipy.special import gammaln, kve

    if statistic <= 0.02:  # the series below loses its digits there, and the tail is 1
        return 1.0
    j = np.arange(_N_TERMS)
    log_coefficient = gammaln(j + 0.5) - gammaln(j + 1.0) - 0.5 * math.log(math.pi)
    u = (4 * j + 1) ** 2 / (16.0 * statistic)
    terms = np.exp(log_coefficient - 2.0 * u) * np.sqrt(4 * j + 1) * kve(0.25, u)
    return max(0.0, 1.0 - float(terms.sum()) / (math.pi * math.sqrt(statistic)))
