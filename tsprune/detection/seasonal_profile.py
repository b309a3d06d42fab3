"""Seasonal profile: the typical course of one cycle, removed before detection where held-out cycles confirm it.

Detection needs another season than forecasting: one that an abnormal cycle cannot bend, that needs no regular grid,
and that stays what it was in training. The profile is the median of each phase over the training cycles. Of several
series that are judged jointly, one keeps a season that the others tell as well: the relation between them is worth
more than a calendar.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detectors.report import PruningRecord

__all__ = ["SeasonalProfile", "SeasonalProfiles", "candidate_periods", "unexplained_by_others"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

_MIN_CYCLES = 4  # two of either half
_MIN_GAIN = 0.3  # of the mean absolute deviation, on cycles the profile has not seen
_LONGEST_GRID = 4  # positions per row; with fewer rows than that there is no grid to count cycles on
_RIDGE = 0.1  # of the variance, for the regression on the other series


@dataclass(frozen=True)
class SeasonalProfile:
    """Median course of a cycle.

    Attributes
    ----------
    period : int
        Samples of the grid in a cycle.
    values : ndarray of shape (period,)
        Typical value of each phase less the typical value of all.

    Examples
    --------
    >>> import numpy as np
    >>> position = np.arange(240)
    >>> y = np.sin(2 * np.pi * position / 24)
    >>> profile, record = SeasonalProfile.fit(y, position, 24, "y")
    >>> record.kept, bool(np.abs(y - profile.at(position)).max() < 0.01)
    (False, True)
    """

    period: int
    values: Floats

    @classmethod
    def fit(
        cls, column: Floats, position: Integers, period: int, name: str, *, unexplained: Floats | None = None
    ) -> tuple[SeasonalProfile | None, PruningRecord]:
        """Return the profile, None if held-out cycles do not confirm it, and the record of the decision.

        Parameters
        ----------
        column : ndarray of shape (n_timepoints,)
            NaN is missing.
        position : ndarray of int of shape (n_timepoints,)
            Place of every row on the grid of times.
        period : int >= 2
        name : str
            Of the series, for the record.
        unexplained : ndarray of shape (n_timepoints,), optional
            What other series leave of the column, in its units; the season must show there, or tell more than they do.
        """
        item = f"{name} season {period}"
        cycle, phase = position // period, position % period
        n_cycles = int(cycle[-1] - cycle[0]) + 1 if cycle.size else 0
        if n_cycles < _MIN_CYCLES:
            reason = f"{n_cycles} cycles; {_MIN_CYCLES} are needed to confirm a season on cycles it was not learnt from"
            return None, PruningRecord(item, "season", True, reason, n_cycles, _MIN_CYCLES)
        gain = _held_out_gain(column if unexplained is None else unexplained, cycle % 2, phase, period)
        if unexplained is not None and gain < _MIN_GAIN:
            own = _held_out_gain(column, cycle % 2, phase, period)
            if own >= _MIN_GAIN and (1.0 - own) * _mean_deviation(column) <= _mean_deviation(unexplained):
                gain = own
        if gain < _MIN_GAIN:
            reason = "held-out cycles do not follow the profile of the others"
            return None, PruningRecord(item, "season", True, reason, gain, _MIN_GAIN)
        reason = f"the median course of a cycle explains {gain:.0%} of the deviations of held-out cycles"
        profile = cls(period, _phase_medians(column, phase, period))
        return profile, PruningRecord(item, "season", False, reason, gain, _MIN_GAIN)

    def at(self, position: Integers) -> Floats:
        """Return the profile (n_timepoints,) at positions on the grid."""
        return self.values[position % self.period]


@dataclass(frozen=True)
class SeasonalProfiles:
    """The confirmed seasons of every series.

    Attributes
    ----------
    profiles : tuple of tuples of SeasonalProfile
        Per series.
    records : tuple of PruningRecord
        Every decision.
    """

    profiles: tuple[tuple[SeasonalProfile, ...], ...]
    records: tuple[PruningRecord, ...]

    @classmethod
    def fit(
        cls, values: Floats, position: Integers, names: Sequence[str], candidates: Sequence[Sequence[int]]
    ) -> SeasonalProfiles:
        """Confirm the seasons of `values` (n_timepoints, n_series) at `position` (n_timepoints,).

        Parameters
        ----------
        values, position : ndarray
        names : sequence of str
        candidates : sequence of sequences of int
            Lengths to try on every series (`candidate_periods`).
        """
        if not any(candidates):
            return cls(((),) * values.shape[1], ())
        several = values.shape[1] > 1
        unexplained = unexplained_by_others(values) if several else values
        found, records = [], []
        for k, name in enumerate(names):
            rest, judged, profiles = values[:, k], unexplained[:, k], []
            for length in candidates[k]:
                profile, record = SeasonalProfile.fit(rest, position, length, name, unexplained=judged)
                records.append(record)
                if profile is not None:
                    profiles.append(profile)
                    rest = rest - profile.at(position)
                    judged = judged if several else rest
            found.append(tuple(profiles))
        return cls(tuple(found), tuple(records))

    @property
    def periods(self) -> tuple[int, ...]:
        """Lengths of the confirmed seasons of any series, increasing."""
        return tuple(sorted({p.period for profiles in self.profiles for p in profiles}))

    def remove(self, values: Floats, position: Integers) -> Floats:
        """Return `values` (n_timepoints, n_series) less the confirmed seasons."""
        if not any(self.profiles):
            return values
        rest = values.copy()
        for column, profiles in enumerate(self.profiles):
            for profile in profiles:
                rest[:, column] -= profile.at(position)
        return rest


def candidate_periods(column: Floats, position: Integers, period: Any, steps_per_day: float = 0.0) -> list[int]:
    """Return the lengths to try on a column (n_timepoints,), increasing.

    Parameters
    ----------
    column, position : ndarray of shape (n_timepoints,)
    period : "auto", None, int or sequence of int
        As in `SeriesDetector`.
    steps_per_day : float, default=0.0
        Rows a day, which tell the seasons of the calendar; 0 where days are unknown.
    """
    if period is None:
        return []
    if period != "auto":
        return sorted(int(p) for p in np.atleast_1d(period))
    from tsprune.periods.periods import periods_on_grid

    span = int(position[-1]) + 1
    if span > _LONGEST_GRID * column.size:
        return []
    regular = np.full(span, np.nan)
    regular[position] = column
    return sorted(int(p) for p in periods_on_grid(regular, steps_per_day=steps_per_day))


def unexplained_by_others(values: Floats) -> Floats:
    """Return what a ridge regression on the other series leaves of each one, same shape as `values` (2-dimensional).

    Missing values count as the mean of their series.
    """
    spread = np.nanstd(values, axis=0)
    scaled = (values - np.nanmean(values, axis=0)) / np.where(spread > 0.0, spread, 1.0)
    scaled[np.isnan(scaled)] = 0.0
    correlation = scaled.T @ scaled / scaled.shape[0]
    precision = np.linalg.inv(correlation + _RIDGE * np.eye(correlation.shape[0]))
    return np.asarray(scaled @ precision / np.diag(precision) * spread)


def _mean_deviation(column: Floats) -> float:
    """Mean absolute deviation (n_timepoints,) from the median, missing values left out."""
    return float(np.nanmean(np.abs(column - np.nanmedian(column))))


def _phase_medians(column: Floats, phase: Integers, period: int) -> Floats:
    """Median of each phase less that of all (period,); 0 where a phase has no value."""
    present = ~np.isnan(column)
    values, where = column[present], phase[present]
    order = np.lexsort((values, where))
    ordered = values[order]
    bounds = np.searchsorted(where[order], np.arange(period + 1))
    first, count = bounds[:-1], np.diff(bounds)
    seen = count > 0
    profile = np.zeros(period)
    low, high = (first + (count - 1) // 2)[seen], (first + count // 2)[seen]
    profile[seen] = (ordered[low] + ordered[high]) / 2.0 - np.median(values)
    return profile


def _held_out_gain(column: Floats, half: Integers, phase: Integers, period: int) -> float:
    """Share of the mean absolute deviation that the profile of either half of the cycles explains in the other."""
    before = after = 0.0
    for k in (0, 1):
        learn, judge = half == k, half != k
        if not np.isfinite(column[learn]).any() or not np.isfinite(column[judge]).any():
            return -math.inf
        profile = _phase_medians(column[learn], phase[learn], period)
        rest = column[judge] - profile[phase[judge]]
        middle = np.nanmedian(column[judge])
        before += float(np.nansum(np.abs(column[judge] - middle)))
        after += float(np.nansum(np.abs(rest - np.nanmedian(rest))))
    return 1.0 - after / before if before > 0.0 else -math.inf
