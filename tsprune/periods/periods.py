"""Find the periods of a series, with p-values; say "none" on noise, autocorrelated noise and random walks.

A period is claimed only where its harmonics stand out of the spectrum of a fitted background: an AR(1) level, up to a
random walk, seen through white noise, with a local correction for whatever else the spectrum does.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detectors.parameters import Rules, check_value, either, integer, nothing, real
from tsprune.periods.kernels.background import PHI_GRID, RATIO_GRID, fit_background, innovations
from tsprune.periods.kernels.periodogram import comb_scores, log_gamma_tail
from tsprune.series.time_grid import TimeGrid, on_grid, refuse_sparse
from tsprune.series.validation import read_series

__all__ = ["Period", "Periods", "find_periods"]

Floats = NDArray[np.float64]

_N_HARMONICS = 64  # a shape with finer detail than this still shows in its first 64 harmonics
_N_FIT = 600  # ordinates that the background is fitted to; more do not change it
_SHORTEST = 12  # fewer values cannot show three cycles of anything
_OUTLIER = 4.5  # robust deviations
_OUTLIERS_MAX = 0.06  # more than this share of outliers is the shape of the series, not a disturbance
_CARRIES = 0.995  # quantile that the share of a part's harmonics has to pass
_STRENGTH_MIN = 0.01  # of the variance; less is of no use, however significant
_NO_EVIDENCE = math.log(0.01)
_APART = 0.15  # two periods closer than this share are one broad line
_REACH = 20
_UNIT_AS_IS = (1e-100, 1e100)  # largest sizes whose powers are numbers, too
_RULES: Rules = {
    "max_periods": integer(1),
    "alpha": real(0, 1, open_low=True, open_high=True),
    "min_period": integer(2),
    "max_period": either(nothing(), integer(2)),
    "min_cycles": integer(2),
}


@dataclass(frozen=True)
class Period:
    """One period of a series; ``int(period)`` is its length.

    Attributes
    ----------
    period : int
        Length of a cycle, in samples.
    p_value : float
        Probability of harmonics that strong in noise, corrected for the number of periods looked at.
    strength : float
        Share of the variance around the trend that the cycle explains, 0 to 1.
    """

    period: int
    p_value: float
    strength: float

    def __int__(self) -> int:
        return self.period

    def __index__(self) -> int:
        return self.period


class Periods(tuple[Period, ...]):
    """Periods found, strongest first; a tuple of `Period`, empty for none."""

    __slots__ = ()

    @property
    def lengths(self) -> tuple[int, ...]:
        """Lengths in samples, strongest first."""
        return tuple(found.period for found in self)


def find_periods(
    y: Any,
    *,
    max_periods: int = 3,
    alpha: float = 0.01,
    min_period: int = 2,
    max_period: int | None = None,
    min_cycles: int = 3,
    time: Any = None,
    time_column: str | None = None,
) -> Periods:
    """Find the periods of a series, strongest first.

    Trend, random walks and autocorrelation are modelled, not mistaken for cycles; isolated outliers are set aside;
    missing values and gaps are allowed.

    Parameters
    ----------
    y : array, list, pandas or polars Series, or frame of one column, of shape (n_timepoints,)
        The series; NaN is missing.
    max_periods : int >= 1, default=3
        Most periods to return.
    alpha : float in (0, 1), default=0.01
        Significance level, over all candidate periods together.
    min_period : int >= 2, default=2
        Shortest candidate, in samples.
    max_period : int >= 2, optional
        Longest candidate, in samples; never more than ``n_timepoints // min_cycles``.
    min_cycles : int >= 2, default=3
        Cycles that the series must hold for a period to be considered.
    time : array-like of shape (n_timepoints,), optional
        Stamps or integers; left-out times count as missing values.
    time_column : str, optional
        Column of a frame that holds the times.

    Returns
    -------
    Periods
        A tuple of `Period` (`period`, `p_value`, `strength`), empty if nothing is significant.

    Raises
    ------
    InvalidParameterError
        A parameter breaks its rule.
    InvalidSeriesError
        `y` is not one series of finite or missing values.
    TimeIndexError
        `time` cannot be used.

    References
    ----------
    Whittle (1953), Arkiv för Matematik 2, 423-434: the likelihood of a periodogram, used for the background.
    Harvey (1989), Forecasting, structural time series models and the Kalman filter, section 3.2: prediction errors.
    Fisher (1929), Proc. Royal Society A 125, 54-59: the test of an ordinate, here of sums of harmonics.

    Examples
    --------
    >>> import numpy as np
    >>> from tsprune import find_periods
    >>> rng = np.random.default_rng(0)
    >>> t = np.arange(2000)
    >>> y = np.sin(2 * np.pi * t / 24) + (t // 24 % 7 >= 5) + rng.normal(0, 0.5, t.size)
    >>> find_periods(y).lengths
    (24, 168)
    >>> find_periods(np.cumsum(rng.normal(size=2000)))
    ()
    """
    for name, value in (
        ("max_periods", max_periods),
        ("alpha", alpha),
        ("min_period", min_period),
        ("max_period", max_period),
        ("min_cycles", min_cycles),
    ):
        check_value(name, value, _RULES[name], owner="find_periods")
    series = read_series(y, time=time, time_column=time_column)
    rows = TimeGrid.of(series).positions(series)
    refuse_sparse(rows, series.n_timepoints)
    values = on_grid(series.values, rows, int(rows.max()) + 1)[:, 0] if series.n_series == 1 else series.column()
    known = np.flatnonzero(np.isfinite(values))
    values = values[known[0] : known[-1] + 1]
    size = float(np.nanmax(np.abs(values)))
    if not _UNIT_AS_IS[0] <= size <= _UNIT_AS_IS[1]:  # a power of 2 more or less: squares are numbers again
        values = np.ldexp(values, -int(np.frexp(size)[1]))
    n = len(values)
    longest = n // int(min_cycles) if max_period is None else min(int(max_period), n // int(min_cycles))
    if known.size < _SHORTEST or longest < min_period or np.ptp(values[np.isfinite(values)]) == 0.0:
        return Periods()
    quiet, clipped = _without_outliers(values)
    found = _periods(quiet, int(max_periods), alpha, int(min_period), longest)
    if not found and clipped is not None:  # a short pulse in every cycle looks like outliers
        found = _periods(clipped, int(max_periods), alpha, int(min_period), longest)
    return Periods(found)


def _periods(rest: Floats, max_periods: int, alpha: float, shortest: int, longest: int) -> list[Period]:
    """Find one period after the other in `rest` (n,), each in what the ones before have left."""
    found: list[Period] = []
    while len(found) < max_periods:
        candidate = _strongest(rest, shortest, longest, [p.period for p in found])
        if candidate is None or candidate[1] > math.log(alpha):
            break
        period, log_p = candidate
        season, strength = _season(rest, period)
        if strength < _STRENGTH_MIN or any(_is_known(period, p.period) for p in found):
            break
        rest = rest - season
        found.append(Period(period, math.exp(log_p), strength))
    return found


def _is_known(period: Any, found: int) -> Any:
    """Tell of a period, or of several (k,), whether it is a found one again: a part of it, or nearly it."""
    return (found % period == 0) | (abs(period - found) < _APART * found)


def _without_outliers(y: Floats) -> tuple[Floats, Floats | None]:
    """Return `y` (n,) with isolated outliers missing, and clipped: far from the medians of blocks, and few."""
    n = len(y)
    edges = np.linspace(0, n, max(2, min(21, n // 25 + 1))).astype(int)
    blocks = [(0.5 * (a + b - 1), y[a:b]) for a, b in itertools.pairwise(edges)]
    known = [(middle, float(np.nanmedian(block))) for middle, block in blocks if np.isfinite(block).any()]
    gap = y - np.interp(np.arange(n), *np.array(known).T)
    gap -= np.nanmedian(gap)
    spread = 1.4826 * np.nanmedian(np.abs(gap))
    outlying = np.abs(gap) > _OUTLIER * spread
    if spread == 0.0 or outlying.sum() > _OUTLIERS_MAX * np.isfinite(y).sum():
        return y, None
    if not outlying.any():
        return y, None
    return np.where(outlying, np.nan, y), y - gap + np.clip(gap, -_OUTLIER * spread, _OUTLIER * spread)


def _filled(y: Floats) -> Floats:
    """Return `y` (n,) with missing values interpolated and the line through it taken off."""
    t = np.arange(len(y), dtype=np.float64)
    known = np.isfinite(y)
    z = np.interp(t, t[known], y[known])
    t -= t.mean()
    z = z - z.mean()
    return np.asarray(z - t * (t @ z) / (t @ t))


def _strongest(y: Floats, shortest: int, longest: int, found: list[int]) -> tuple[int, float] | None:
    """Return the most significant period of `y` (n,) and its log p-value, corrected for the search."""
    n = len(y)
    z = _filled(y)
    power = np.abs(np.fft.rfft(z)[1 : (n - 1) // 2 + 1]) ** 2 / n
    variance = power.mean()
    if variance <= 0.0:
        return None
    phi, step, noise = _background(power + 1e-13 * variance)
    errors = innovations(np.where(np.isfinite(y), z, np.nan), phi, step, noise)
    errors -= errors.mean()
    frequency = np.arange(1, len(power) + 1) / n
    local = np.maximum(1.0, _running_median(np.abs(np.fft.rfft(errors)[1 : len(power) + 1]) ** 2 / n))
    n_transform = 1 << math.ceil(math.log2((8 if n <= 20_000 else 4) * n))
    fine = np.arange(n_transform // 2 + 1) / n_transform
    local = np.interp(fine, frequency, local)
    white = np.abs(np.fft.rfft(errors, n_transform)) ** 2 / n / local
    for period in found:  # what the mean cycle of a found period left of its own lines is not a second period
        white[_near_lines(fine * n, n / period)] = 0.0
    scores, harmonics = comb_scores(white, n_transform, shortest, longest, _N_HARMONICS)
    candidates = np.arange(shortest, longest + 1)
    for period in found:
        scores[_is_known(candidates, period)] = 0.0
    best = int(np.argmax(scores))
    if scores[best] <= 0.0:
        return None
    n_harmonics = int(harmonics[best])
    period = _refined(errors, local, n_transform, shortest + best, n_harmonics, longest)
    spectrum = step / ((1.0 - phi) ** 2 + phi * 4.0 * np.sin(np.pi * fine) ** 2 + 1e-30) + noise
    excess = np.maximum(np.abs(np.fft.rfft(z, n_transform)) ** 2 / n - spectrum * local, 0.0)
    log_p = min(0.0, math.log(2.0 * n) - float(scores[best]))
    part = _carrying_divisor(excess, white, n, period, n_harmonics, shortest)
    if part != period:
        part = _refined(errors, local, n_transform, part, max(1, n_harmonics * part // period), longest)
    return part, log_p


def _refined(errors: Floats, local: Floats, n_transform: int, period: int, n_harmonics: int, longest: int) -> int:
    """Return the best period around `period` where the frequencies of the transform are too coarse to tell.

    The mean cycle of the errors (n,) has exactly the harmonics of its period.
    """
    reach = min(_REACH, math.ceil(period**2 / n_transform)) if 4 * period**2 > n_transform else 0
    best, best_power = period, -1.0
    for candidate in range(max(2, period - reach), min(longest, period + reach) + 1) if reach else ():
        cycle = np.bincount(np.arange(len(errors)) % candidate, errors, candidate)
        order = np.arange(1, min(n_harmonics, candidate // 2) + 1)
        where = np.minimum(np.round(order * n_transform / candidate).astype(np.int64), len(local) - 1)
        power = float((np.abs(np.fft.rfft(cycle)[order]) ** 2 / local[where]).sum())
        if power > best_power:
            best, best_power = candidate, power
    return best


def _near_lines(cycles: Floats, fundamental: float) -> NDArray[np.bool_]:
    """Tell which frequencies (k,), in cycles per series, lie within 1.5 of a multiple of the fundamental."""
    order = np.maximum(1.0, np.round(cycles / fundamental))
    return np.asarray(np.abs(cycles - order * fundamental) < min(1.5, 0.25 * fundamental))


def _background(power: Floats) -> tuple[float, float, float]:
    """Fit level and noise to the ordinates (n,) at k / N: all the low ones, a sample of the others."""
    n = len(power)
    chosen = np.unique(np.round(np.geomspace(1, n, min(n, _N_FIT))).astype(np.int64))
    if n <= _N_FIT:
        chosen = np.arange(1, n + 1)
    edges = np.concatenate([[0.5], 0.5 * (chosen[1:] + chosen[:-1]), [n + 0.5]])
    four_sin2 = 4.0 * np.sin(0.5 * np.pi * chosen / (n + 0.5)) ** 2
    phi, step, noise, _ = fit_background(power[chosen - 1], four_sin2, np.diff(edges), PHI_GRID, RATIO_GRID)
    return float(phi), float(step), float(noise)


def _running_median(power: Floats) -> Floats:
    """Return the median of the ordinates (n,) around each frequency, as the mean of the exponential it belongs to."""
    n = len(power)
    centres = np.unique(np.round(np.geomspace(1, n, 60)).astype(np.int64))
    medians = [np.median(power[max(0, c - 1 - h) : c + h]) for c in centres for h in (max(5, int(0.35 * c)),)]
    return np.asarray(np.interp(np.log(np.arange(1, n + 1)), np.log(centres), medians)) / math.log(2.0)


def _carrying_divisor(
    excess: Floats, white: Floats, n_timepoints: int, period: int, n_harmonics: int, shortest: int
) -> int:
    """Return the part of `period` whose harmonics carry more of the excess power than a shape's would, or `period`.

    A day inside a week: of the first harmonics of the week, those of the day carry nearly everything. If the
    power were spread evenly and at random, the share of the r-th, 2r-th, ... would be Beta distributed. A part is also
    taken where the other harmonics are no evidence at all and the series is too short to tell it from the fraction.
    """
    from scipy.stats import beta

    n_transform = 2 * (len(excess) - 1)
    total = _comb_power(excess, n_transform, period, n_harmonics)
    if n_harmonics < 2 or total <= 0.0:
        return period
    for ratio in range(min(period // shortest, n_harmonics), 1, -1):
        part, n_inside = round(period / ratio), n_harmonics // ratio
        share = _comb_power(excess, n_transform, part, n_inside) / total
        if share <= 0.5 + 0.5 / ratio**2:
            continue
        if share > beta.ppf(_CARRIES, n_inside, max(1, n_harmonics - n_inside)):
            return part
        order = np.arange(1, n_harmonics + 1)
        order = order[order % ratio > 0]
        where = np.minimum(np.round(order * n_transform / period).astype(np.int64), len(white) - 1)
        evidence = log_gamma_tail(len(order), float(white[where].sum())) + math.log(2.0 * n_timepoints)
        if ratio > 2 and evidence > _NO_EVIDENCE and abs(n_timepoints / part - ratio * n_timepoints / period) < 0.5:
            return part
    return period


def _comb_power(power: Floats, n_transform: int, period: int, n_harmonics: int) -> float:
    """Return the sum of the ordinates (n_transform // 2 + 1,) at the first harmonics of a period."""
    order = np.arange(1, min(n_harmonics, period // 2) + 1)
    where = np.round(order * n_transform / period).astype(np.int64)
    return float(power[np.minimum(where, len(power) - 1)].sum())


def _season(y: Floats, period: int) -> tuple[Floats, float]:
    """Return the mean cycle of `y` (n,) around its moving mean, repeated, and the share of variance it explains."""
    n = len(y)
    z = _filled(y)
    width = period + 1 - period % 2
    padded = np.concatenate([np.full(width // 2, np.nan), z, np.full(width // 2, np.nan)])
    known = np.isfinite(padded)
    sums = np.concatenate([[0.0], np.cumsum(np.where(known, padded, 0.0))])
    counts = np.concatenate([[0], np.cumsum(known)])
    around = z - (sums[width:] - sums[:-width]) / (counts[width:] - counts[:-width])
    weight = np.isfinite(y).astype(np.float64)
    phase = np.arange(n) % period
    cycle = np.bincount(phase, weight * around, period) / np.maximum(np.bincount(phase, weight, period), 1.0)
    season = cycle[phase]
    n_known = weight.sum()
    total = (weight * (around - (weight * around).sum() / n_known) ** 2).sum() / (n_known - 1.0)
    left = (weight * (around - season) ** 2).sum() / max(1.0, n_known - period)
    return season, float(np.clip(1.0 - left / total, 0.0, 1.0)) if total > 0.0 else 0.0
