"""Continuation: trend and season of one series after the end of what was fitted.

Without new rows the trend goes on from its last value, with a slope only if that predicted the fitted span
better, and the last season repeats. With new rows (`update`) both follow them, row by row; no row sees a later one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tsprune.pruners.kernels.continuation import update_components

__all__ = ["Continuation"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

_LEVEL_GAINS = (0.02, 0.05, 0.1, 0.2, 0.4, 0.8)
_SLOPES = ((0.02, 1.0), (0.1, 1.0), (0.02, 0.98), (0.1, 0.98))  # gain of the slope over that of the level; damping
_SEASON_GAINS = (0.0, 0.05, 0.1, 0.2, 0.4)
_SLOPE_MARGIN = 0.9  # a slope has to cut the error of long forecasts to this share
_CLIP = 3.0  # robust deviations of the one-step errors
_LONGEST_HORIZON = 10  # the slope is judged at 1 / 10 of the span, or one season


@dataclass
class Continuation:
    """State of the components of one series at the end of its span.

    Attributes
    ----------
    n_positions : int
        Positions of the grid that are behind: the next row stands there.
    state : ndarray of shape (3,)
        Level, slope per step, run of clipped errors.
    seasons : ndarray of shape (sum of periods,)
        One value per phase, season after season.
    periods : ndarray of shape (n_periods,)
        Season lengths, in samples.
    gains : ndarray of shape (4,)
        Of level, slope and season, and the damping of the slope.
    limit : float
        Largest error that moves the components, in units of the series.
    """

    n_positions: int
    state: Floats
    seasons: Floats
    periods: Integers
    gains: Floats
    limit: float

    @classmethod
    def after(cls, observed: Floats, trend: Floats, seasonal: Floats, periods: tuple[int, ...]) -> Continuation:
        """Return the continuation of a decomposition.

        Parameters
        ----------
        observed, trend : ndarray of shape (n_timepoints,)
            The series, NaN missing, and its trend.
        seasonal : ndarray of shape (n_timepoints, n_periods)
            One column per period.
        periods : tuple of int
            Season lengths; at most n_timepoints.
        """
        n = observed.shape[0]
        lengths = np.array(periods, dtype=np.int64)
        gains, limit = _choose_trend_gains(observed - seasonal.sum(axis=1), trend, max([*periods, 1]))
        if periods:
            gains[2] = _choose_season_gain(observed, trend, seasonal, lengths, gains, limit)
        slope = 0.0
        if gains[1] > 0.0:
            state = np.array([trend[0], 0.0, 0.0])
            update_components(
                observed - seasonal.sum(axis=1), 0, state, np.empty(0), np.empty(0, np.int64), gains, limit
            )
            slope = float(state[1])
        seasons = np.empty(int(lengths.sum()))
        first = 0
        for k, period in enumerate(periods):
            position = np.arange(n - period, n)
            seasons[first + position % period] = seasonal[position, k]
            first += period
        return cls(n, np.array([trend[-1], slope, 0.0]), seasons, lengths, gains, limit)

    def extrapolate(self, positions: Integers) -> tuple[Floats, Floats]:
        """Return trend and sum of the seasons (m,) at positions (m,) not before the end of the span."""
        steps = (positions - self.n_positions + 1).astype(np.float64)
        damping = self.gains[3]
        reach = steps if damping == 1.0 else damping * (1.0 - damping**steps) / (1.0 - damping)
        season = np.zeros(positions.shape[0])
        first = 0
        for period in self.periods:
            season += self.seasons[first + positions % period]
            first += int(period)
        return self.state[0] + self.state[1] * reach, season

    def update(self, y: Floats) -> tuple[Floats, Floats]:
        """Take in the next rows (m,), NaN missing, and return their trend and sum of the seasons (m,)."""
        y = np.ascontiguousarray(y)
        out = update_components(y, self.n_positions, self.state, self.seasons, self.periods, self.gains, self.limit)
        self.n_positions += y.shape[0]
        return out[:, 0], out[:, 1]


def _choose_trend_gains(y: Floats, trend: Floats, longest_period: int) -> tuple[Floats, float]:
    """Return the gains (4,) that predicted the series without season (n,) best, and the limit of its errors."""
    n = y.shape[0]
    no_season = (np.empty(0), np.empty(0, np.int64))
    horizon = min(max(longest_period, n // _LONGEST_HORIZON, 1), max(1, n // 3))

    def run(level: float, slope: float, damping: float, limit: float) -> tuple[float, float, Floats]:
        gains = np.array([level, slope * level, 0.0, damping])
        out = update_components(y, 0, np.array([trend[0], 0.0, 0.0]), *no_season, gains, limit)
        late = out[n // 2 :]
        reach = float(horizon) if damping == 1.0 else damping * (1.0 - damping**horizon) / (1.0 - damping)
        ahead = np.abs(y[n // 2 + horizon :] - (late[:-horizon, 0] + reach * late[:-horizon, 3]))
        return _mean_square(late[:, 2]), float(np.nanmean(ahead)) if np.isfinite(ahead).any() else np.inf, out[:, 2]

    flat = [(run(level, 0.0, 1.0, np.inf), level) for level in _LEVEL_GAINS]
    (_, far, errors), level = min(flat, key=lambda found: found[0][0])
    known = errors[np.isfinite(errors)]
    spread = 1.4826 * float(np.median(np.abs(known - np.median(known)))) if known.size else 0.0
    limit = _CLIP * spread if spread > 0.0 else np.inf
    best = np.array([level, 0.0, 0.0, 1.0])
    bar = _SLOPE_MARGIN * far
    for level in _LEVEL_GAINS:
        for slope, damping in _SLOPES:
            far = run(level, slope, damping, limit)[1]
            if far < bar:
                bar, best = far, np.array([level, slope * level, 0.0, damping])
    return best, limit


def _choose_season_gain(
    observed: Floats, trend: Floats, seasonal: Floats, periods: Integers, gains: Floats, limit: float
) -> float:
    """Return the gain of the season that predicted the series (n,) best, from its first season on."""
    seasons = np.empty(int(periods.sum()))
    first = 0
    for k, period in enumerate(periods):
        seasons[first : first + period] = seasonal[:period, k]
        first += int(period)
    scores = []
    for gain in _SEASON_GAINS:
        trial = gains.copy()
        trial[2] = gain
        state = np.array([trend[0], 0.0, 0.0])
        out = update_components(observed, 0, state, seasons.copy(), periods, trial, limit)
        scores.append(_mean_square(out[observed.shape[0] // 2 :, 2]))
    return _SEASON_GAINS[int(np.argmin(scores))]


def _mean_square(error: Floats) -> float:
    """Return the mean square of the known errors (m,), trimmed by the largest twentieth; infinite for none."""
    known = np.sort(np.abs(error[np.isfinite(error)]))
    return float(np.mean(known[: max(1, known.size - known.size // 20)] ** 2)) if known.size else np.inf
