"""Flat-lined sensors: runs of one value far longer than chance repeats explain, where the series is not flat by nature.

A stuck sensor is flat where the series never was flat, at a level that is no bound. Nights of solar power, closed
shops, lamps that are off, a link at its cap, tariffs and counters at rest are flat by nature.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tsprune.cleaning.change import Change
from tsprune.cleaning.judgement import Column, Findings

__all__ = ["FlatRun", "flat_runs", "judge_flat_lines", "unusual_flat_runs"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Mask = NDArray[np.bool_]

_SHORTEST = 4  # points; fewer equal ones are rounding
ALPHA = 1e-6  # expected number of runs that long in the whole series, if repeats were independent
_COMMON = 0.2  # share of the rows: a value, or flatness itself, that is so common is the series' own
_MANY = 3  # other runs: what came back so often is a habit
_SIMILAR = 4  # parts of the length that another run must reach, to be a witness
_NEAR_BOUND = 0.1  # of the range of the middle nine tenths: the next value to a bound is that close
_SAME_HOURS = 0.5  # of the other cycles are flat at this phase
_MOST_ROWS = 0.75  # of the run lie in such phases
_FEWEST_CYCLES = 3


@dataclass(frozen=True)
class FlatRun:
    """Rows ``start .. stop - 1`` hold one value; `p_value` = expected number of such runs by chance."""

    start: int
    stop: int
    p_value: float


def judge_flat_lines(column: Column) -> Findings:
    """Find the flat lines that are no habit of the series; runs with protected rows are left out."""
    x = np.where(column.wrong, np.nan, column.x)
    found = [run for run in unusual_flat_runs(x, column.periods) if not column.protected[run.start : run.stop].any()]
    return Findings([Change(run.start, run.stop, "flat line", run.p_value, ALPHA) for run in found])


def flat_runs(x: Floats) -> list[FlatRun]:
    """Return the runs of equal values in `x` (n_timepoints,) that chance does not explain; NaN does not break a run.

    Chance is the share of equal neighbours outside the run in question, doubled: sensors that round repeat
    themselves often, and then only long runs count. A series whose commonest value makes up more than a fifth of it
    (counts with zeros, tariffs) has no flat lines at that value.
    """
    seen = np.flatnonzero(~np.isnan(x))
    values = x[seen]
    n = values.size
    if n < 3 * _SHORTEST:
        return []
    starts, stops = _equal_runs(values)
    lengths = stops - starts
    found = []
    distinct, counts = np.unique(values, return_counts=True)
    for k in np.flatnonzero(lengths >= _SHORTEST):
        start, stop, length = starts[k], stops[k], int(lengths[k])
        long = lengths >= max(_SHORTEST, length // 2)  # as long: the same fault, not evidence that repeats are common
        repeats = int((lengths - 1)[~long].sum())
        rate = min(0.99, 2.0 * (repeats + 1.0) / max(1.0, n - lengths[long].sum()))
        expected = n * rate ** (length - 1)
        elsewhere = (
            counts[np.searchsorted(distinct, values[start])] - lengths[long & (values[starts] == values[start])].sum()
        )
        if expected < ALPHA and elsewhere <= _COMMON * n:
            found.append(FlatRun(int(seen[start]), int(seen[stop - 1]) + 1, float(expected)))
    return found


def unusual_flat_runs(x: Floats, periods: tuple[int, ...]) -> list[FlatRun]:
    """Return those `flat_runs` of `x` (n_timepoints,) that are no habit of the series.

    Habits are runs at the largest or smallest value where others come close to it, at one value again and again, at
    the same phases of most cycles of one of `periods`, and flatness as such where it is common.
    """
    found = flat_runs(x)
    if not found:
        return []
    n = x.size
    seen = np.flatnonzero(~np.isnan(x))
    starts, stops = _equal_runs(x[seen])
    long = stops - starts >= _SHORTEST
    starts, stops = seen[starts[long]], seen[stops[long] - 1] + 1
    flat = np.zeros(n, bool)
    for start, stop in zip(starts, stops, strict=True):
        flat[start:stop] = True
    kept = [
        run
        for run in found
        if not _at_bound(x, run) and not _again(x, run, starts, stops) and not _same_hours(x, run, flat, periods)
    ]
    rows = sum(run.stop - run.start for run in kept)
    return [] if len(kept) >= _MANY and rows > _COMMON * seen.size else kept


def _equal_runs(values: Floats) -> tuple[Integers, Integers]:
    """First places, and those after the last, of the runs of equal `values` (n_values,)."""
    starts = np.flatnonzero(np.r_[True, values[1:] != values[:-1]])
    return starts, np.r_[starts[1:], values.size]


def _at_bound(x: Floats, run: FlatRun) -> bool:
    """True where the run holds the extreme of `x` (n_timepoints,), and other values come close to it."""
    value = x[run.start]
    others = x[~np.isnan(x) & (x != value)]
    if others.size == 0:
        return True
    low, high = np.quantile(others, (0.05, 0.95))
    near = _NEAR_BOUND * (high - low)
    return bool(others.min() - near <= value <= others.min() or others.max() <= value <= others.max() + near)


def _again(x: Floats, run: FlatRun, starts: Integers, stops: Integers) -> bool:
    """True where runs of the same value, a quarter as long or longer, come again and again."""
    same = (x[starts] == x[run.start]) & (starts != run.start)
    return int((same & (_SIMILAR * (stops - starts) >= run.stop - run.start)).sum()) >= _MANY


def _same_hours(x: Floats, run: FlatRun, flat: Mask, periods: tuple[int, ...]) -> bool:
    """True where most other cycles of a period are flat at the phases of the run; `flat` (n_timepoints,)."""
    rows = np.arange(run.start, run.stop)
    for period in periods:
        at = rows[:, None] + period * np.arange(-(x.size // period) - 1, x.size // period + 2)[None, :]
        fits = (at >= 0) & (at < x.size) & ((at < run.start) | (at >= run.stop))
        at = np.where(fits, at, 0)
        fits &= ~np.isnan(x[at])
        count = fits.sum(axis=1)
        if np.median(count) < _FEWEST_CYCLES:
            continue
        share = (fits & flat[at]).sum(axis=1) / np.maximum(count, 1)
        if (share >= _SAME_HOURS).mean() >= _MOST_ROWS:
            return True
    return False
