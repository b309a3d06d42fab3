"""Long seasons for long gaps: the shape of a year above the week, used only where it fills sound stretches better.

The seasons a model takes off are short against the series. A gap of weeks in daily data is filled by the other years;
whether there is such a cycle at all is read from the autocorrelation of what the model leaves, and whether it helps
is tried on sound stretches as long as the gap.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom

from tsprune.cleaning.imputation import interpolate_rows
from tsprune.cleaning.kernels.repetition import repetitions
from tsprune.kernels.moving_mean import moving_mean

__all__ = ["LongProfile", "long_profile"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Mask = NDArray[np.bool_]

_LEAST_REPETITION = 0.3  # correlation with a cycle ago, of the series less its moving mean over a cycle
_FEWEST_CYCLES = 2.5
_PARTS = 24  # the shape of a cycle is smoothed over a 24th of it (half a month of a year)
_TRIALS = 16  # sound stretches to try
_FEWEST_TRIALS = 6
_LONGEST_TRIAL = 500  # rows; the time goes with the cube
_GAIN = 0.1  # the share of the error the long season must take off, in the geometric mean
_MAJORITY = 0.6  # of the trials must be the better for it
_SMALL_GAIN = 0.05  # the same share where a significant majority of the trials is the better for it
_LEVEL = 0.05  # probability, by a sign test over the trials, of calling chance a gain
_SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)


class LongProfile:
    """A long season of the adjusted series `a` (n_timepoints,), `length` rows; rows not `good` have no say."""

    def __init__(self, a: Floats, good: Mask, length: int) -> None:
        t = np.arange(a.size)
        even = np.interp(t, t[good], a[good])
        self.length = length
        self.around = np.where(good, even - moving_mean(even, length), np.nan)
        self.width = max(3, length // _PARTS) | 1

    def shape(self, rows: Integers, hidden: Mask | None = None) -> Floats:
        """Return the season at `rows` (n_rows,), smoothed: the median of the other cycles, without `hidden` rows."""
        half = self.width // 2
        first, last = int(rows[0]) - half, int(rows[-1]) + half + 1
        near = np.arange(first, last)
        n = self.around.size
        source = self.around if hidden is None else np.where(hidden, np.nan, self.around)
        cycles = np.arange(-(n // self.length) - 1, n // self.length + 2)
        at = near[None, :] + self.length * cycles[cycles != 0, None]
        seen = np.where((at >= 0) & (at < n), source[np.clip(at, 0, n - 1)], np.nan)
        known = np.isfinite(seen).any(axis=0)
        values = np.full(near.size, np.nan)
        values[known] = np.nanmedian(seen[:, known], axis=0)
        if not known.any():
            return np.zeros(rows.size)
        values = np.interp(near, near[known], values[known])
        smooth = np.convolve(values, np.full(self.width, 1.0 / self.width), "valid")
        return np.asarray(smooth[rows - rows[0]])


def _long_season(a: Floats, good: Mask, shortest: int) -> int:
    """Length of the long season of `a` (n_timepoints,), at least `shortest` rows; 0 if there is none to see.

    The length is tried at which the series repeats itself best; a random walk less its moving mean over a cycle is
    negatively correlated with a cycle ago, so that slow wandering is no season.
    """
    longest = int(a.size / _FEWEST_CYCLES)
    if longest <= 1.1 * shortest:
        return 0
    t = np.arange(a.size)
    even = np.interp(t, t[good], a[good])
    tried = np.unique(np.geomspace(shortest, longest, 2 + int(np.log(longest / shortest) / 0.015)).astype(int))
    found = repetitions(even, good, tried, _PARTS)
    peaks = 1 + np.flatnonzero((found[1:-1] >= found[:-2]) & (found[1:-1] >= found[2:]))
    peaks = peaks[found[peaks] >= _LEAST_REPETITION]
    if peaks.size == 0:
        return 0
    best = int(peaks[np.argmax(found[peaks])])
    for peak in peaks[(peaks < best) & (found[peaks] >= 0.5 * found[best])]:
        ratio = tried[best] / tried[peak]  # a cycle repeats itself at its multiples too
        if abs(ratio - round(ratio)) < 0.03 * ratio:
            best = int(peak)
            break
    fine = np.arange(tried[best - 1], tried[best + 1] + 1)
    return int(fine[np.argmax(repetitions(even, good, fine, _PARTS))])


def long_profile(a: Floats, phi: Floats, weights: Floats, rows: Mask, periods: tuple[int, ...]) -> Floats:
    """Return the long season of `a` at the long runs of `rows`, 0 elsewhere (n_timepoints,).

    Parameters
    ----------
    a : ndarray of shape (n_timepoints,)
        Seasonally adjusted series.
    phi, weights : ndarrays of shape (order + 1,) and (n_timepoints,)
        The autoregression and 1 / variance of its innovations, as in `interpolate_rows`.
    rows : Boolean ndarray of shape (n_timepoints,)
        True = to be filled.
    periods : tuple of int
        Seasons already taken off.

    Returns
    -------
    ndarray of shape (n_timepoints,)
        0 wherever filling sound stretches as long, with and without it, does not speak for it.
    """
    profile = np.zeros(a.size)
    shortest = 2 * max((*periods, 6))
    places = np.flatnonzero(rows)
    parts = np.split(places, np.flatnonzero(np.diff(places) > shortest // 2) + 1)  # few sound rows do not end a gap
    long = [(int(part[0]), int(part[-1]) + 1) for part in parts if part.size >= shortest]
    if not long:
        return profile
    good = ~rows
    length = _long_season(a, good, 2 * shortest)
    if length == 0:
        return profile
    season = LongProfile(a, good, length)
    margin = 3 * phi.size
    shares: dict[int, float] = {}
    for start, stop in long:
        size = min(stop - start, _LONGEST_TRIAL)
        grade = int(np.log2(size) * 2.0)  # gaps of like size have one answer
        if grade not in shares:
            shares[grade] = _share(season, a, phi, weights, rows, size)
        share = shares[grade]
        near = np.arange(max(0, start - margin), min(a.size, stop + margin))
        profile[near] = share * season.shape(near)
    return profile


def _share(season: LongProfile, a: Floats, phi: Floats, weights: Floats, rows: Mask, size: int) -> float:
    """How much of the season to use in gaps of `size` rows, 0 .. 1, from sound stretches made gaps."""
    n = a.size
    margin = 3 * phi.size
    errors = []
    for start in np.linspace(phi.size, n - size - phi.size, _TRIALS).astype(int):
        stop = start + size
        if rows[start:stop].mean() > 0.2:
            continue
        hidden = rows.copy()
        hidden[start:stop] = True
        near = np.arange(max(0, start - margin), min(n, stop + margin))
        span = slice(int(near[0]), int(near[-1]) + 1)
        shape, local = season.shape(near, hidden), hidden[span]
        plain = interpolate_rows(np.where(local, 0.0, a[span]), phi, weights[span], local)[0]
        bridge = interpolate_rows(np.where(local, 0.0, shape), phi, weights[span], local)[0]
        inside = np.flatnonzero(~rows[start:stop]) + start - near[0]
        miss, gain = (a[span] - plain)[inside], (shape - bridge)[inside]
        errors.append([np.abs(miss - share * gain).mean() for share in _SHARES])
    if len(errors) < _FEWEST_TRIALS or np.min(errors) <= 0.0:
        return 0.0
    ratios = np.log(np.array(errors) / np.array(errors)[:, :1])
    best = int(np.argmin(ratios.mean(axis=0)))
    better = int((ratios[:, best] < 0.0).sum())
    gain = 1.0 - float(np.exp(ratios[:, best].mean()))
    helps = gain > _GAIN and better >= _MAJORITY * len(errors)
    helps |= gain > _SMALL_GAIN and bool(binom.sf(better - 1, len(errors), 0.5) <= _LEVEL)
    return _SHARES[best] if helps else 0.0
