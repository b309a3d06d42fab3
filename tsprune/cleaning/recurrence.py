"""Recurrence: what happens at the same place of a season or of the calendar again and again is no fault."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom

from tsprune.cleaning.clocks import Clock
from tsprune.cleaning.kernels.running_median import running_median
from tsprune.cleaning.model import SeriesModel

__all__ = ["departures", "recurring", "repeated_exactly"]

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

_LEVEL = 0.01  # probability, over all classes of all clocks, of calling chance a habit
_FEWEST = 3  # two of a kind are a coincidence
_MOST_TIMES = 0.5  # of the occurrences: an event of the calendar
_SOMETIMES, _SOMETIMES_COUNT, _SOMETIMES_LEVEL = 0.1, 4, 1e-3  # a habit that not every occurrence shows
_NEIGHBOURS = 5  # rows on either side of a row without a short season
_SHORT_SEASON = 30  # rows, in which no event of the calendar comes twice; a day of hours, a week of days
_ECHO = 0.5  # of the departure of a finding: another occurrence repeats it
_ECHO_OF = 0.3  # of the size of a finding: its class stands off at all
_LARGER = 3.0  # times the usual size of a habit: a fault at its place
_MOST_ROUNDS = 20
_EXACT = 0.25  # of the cycles, at least: more than the fifth of the points that all faults together may be
_WEEK = 7  # cycles: days of a week


class Finding(Protocol):
    """Rows ``start .. stop - 1`` that are off by `size`."""

    @property
    def start(self) -> int: ...
    @property
    def stop(self) -> int: ...
    @property
    def size(self) -> float: ...


def departures(x: Floats, model: SeriesModel, periods: tuple[int, ...], reach: int = 0) -> Floats:
    """Return how far the rows of `x` (n_timepoints,) stand off their neighbourhood, 0 where unknown.

    The neighbourhood is a season, or a few rows, and at least `reach` rows on either side. A short season is
    taken off; a long one may hold what recurs by the calendar, and stays.
    """
    half, rest = _NEIGHBOURS, x
    if periods and periods[0] <= _SHORT_SEASON:
        half, rest = periods[0], x - model.seasonal[:, 0]
    away = rest - running_median(rest, max(half, reach))
    return np.where(np.isnan(away), 0.0, away)


def recurring(found: Sequence[Finding], clocks: Sequence[Clock], seen: Mask, departures: Floats) -> Mask:
    """Return which of the findings (n_found,) recur by one of the clocks; `seen` (n_timepoints,) are the known rows.

    `departures` (n_timepoints,) are how far the rows stand off their neighbourhood. A finding recurs where half of the
    other occurrences of its class, at least two, stand off half as far, to the same side.

    A class of a clock is a habit where findings of one sign fall into far more of its occurrences than into those of
    the other classes (binomial test, corrected for all classes of all clocks). One that is three times as large as its
    habit is none of it.
    """
    habit = np.zeros(len(found), bool)
    if not found:
        return habit
    for clock in clocks:
        habit |= _echoes(found, clock, seen, departures)
    if len(found) < _FEWEST:
        return habit
    signs = np.array([1 if one.size > 0.0 else -1 for one in found])
    sizes = np.abs([one.size for one in found])
    tests = sum(int(clock.classes.max()) + 1 for clock in clocks if clock.classes.size)
    for clock in clocks:
        for sign in (1, -1):
            habit |= _habits(found, np.flatnonzero(signs == sign), sizes, clock, seen, 2 * tests)
    return habit


def repeated_exactly(x: Floats, periods: tuple[int, ...]) -> Mask:
    """Return which rows of `x` (n_timepoints,) hold exactly a value that is usual at their place of a season.

    Tariffs, set points and time tables have no noise, so any departure from a fitted season would look certain.
    A value counts as usual where more than a quarter of the cycles, and at least three, hold it at that place; beside
    the seasons, seven cycles of the shortest are tried: days differ within a week. Noise of a continuous series never
    repeats exactly, and faults are too few.
    """
    repeated = np.zeros(x.size, bool)
    known = np.flatnonzero(~np.isnan(x))
    _, values = np.unique(x[known], return_inverse=True)
    for cycle in sorted({*periods, *(_WEEK * p for p in periods[:1])}):
        if cycle * _FEWEST > x.size:
            continue
        phases = known % cycle
        _, place, counts = np.unique(phases * (int(values.max()) + 1) + values, return_inverse=True, return_counts=True)
        often = counts[place]
        of = np.bincount(phases, minlength=cycle)[phases]
        repeated[known] |= (often >= _FEWEST) & (often > _EXACT * of)
    return repeated


def _echoes(found: Sequence[Finding], clock: Clock, seen: Mask, departures: Floats) -> Mask:
    """Which of the findings (n_found,) other occurrences of their class, by one clock, repeat."""
    known = np.flatnonzero(seen & (clock.classes >= 0))
    if known.size == 0 or not clock.is_calendar:
        return np.zeros(len(found), bool)
    stride = int(clock.occurrences.max() - clock.occurrences.min()) + 1
    keys = clock.classes * stride + (clock.occurrences - clock.occurrences.min())
    unique, place, counts = np.unique(keys[known], return_inverse=True, return_counts=True)
    means = np.bincount(place, departures[known]) / counts
    row_of_key = np.full(seen.size, -1)
    row_of_key[known] = place
    bounds = np.searchsorted(unique // stride, np.arange(int(clock.classes.max()) + 2))
    echoes = np.zeros(len(found), bool)
    for k, one in enumerate(found):
        at = int(row_of_key[(one.start + one.stop - 1) // 2])
        if at < 0:
            continue
        group = int(unique[at] // stride)
        others = np.delete(means[bounds[group] : bounds[group + 1]], at - bounds[group]) * np.sign(one.size)
        mine = means[at] * np.sign(one.size)
        if others.size + 1 < _FEWEST or mine < _ECHO_OF * abs(one.size) or mine > _LARGER * max(others.max(), 0.0):
            continue
        echoes[k] = (others >= _ECHO * mine).mean() >= _MOST_TIMES
    return echoes


def _habits(
    found: Sequence[Finding], mine: NDArray[np.int64], sizes: NDArray[np.float64], clock: Clock, seen: Mask, tests: int
) -> Mask:
    """Which of the findings (n_found,), of those `mine` that have one sign, belong to a habit of one clock."""
    habit = np.zeros(len(found), bool)
    known = seen & (clock.classes >= 0)
    if mine.size < _FEWEST or not known.any():
        return habit
    n_classes = int(clock.classes.max()) + 1
    stride = int(clock.occurrences.max() - clock.occurrences.min()) + 1
    keys = clock.classes * stride + (clock.occurrences - clock.occurrences.min())
    per_class = np.bincount(np.unique(keys[known]) // stride, minlength=n_classes)
    hits: list[set[int]] = [set() for _ in range(n_classes)]  # occurrences of the class with a finding
    members: list[list[int]] = [[] for _ in range(n_classes)]
    for k in mine.tolist():
        rows = np.arange(found[k].start, found[k].stop)
        for key in np.unique(keys[rows[known[rows]]]).tolist():
            hits[key // stride].add(key)
            members[key // stride].append(k)
    counts = np.array([len(one) for one in hits])
    is_open = np.ones(n_classes, bool)
    for _ in range(_MOST_ROUNDS):
        touched = np.flatnonzero(is_open & (counts >= _FEWEST))
        if touched.size == 0:
            break
        inside, whole = counts[touched], per_class[touched]
        outside, rest = counts[is_open].sum() - inside, per_class[is_open].sum() - whole
        p = binom.sf(inside - 1, whole, (outside + 1.0) / (rest + 1.0)) * tests
        share = inside / whole
        often = (share >= _MOST_TIMES) & (p < _LEVEL)
        often |= (share >= _SOMETIMES) & (inside >= _SOMETIMES_COUNT) & (p < _SOMETIMES_LEVEL)
        if not often.any():
            break
        best = int(touched[np.argmin(np.where(often, p, np.inf))])
        is_open[best] = False
        together = np.array(members[best])
        usual = float(np.median(sizes[together]))
        habit[together[sizes[together] <= _LARGER * usual]] = True
    return habit
