"""Recurrence: what happens at the same place of a season or of the calendar again and again is no fault."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom

from tsprune.cleaning.clocks import Clock

__all__ = ["recurring"]

Mask = NDArray[np.bool_]

_LEVEL = 0.01  # probability, over all classes of all clocks, of calling chance a habit
_FEWEST = 3  # two of a kind are a coincidence
_MOST_TIMES = 0.5  # of the occurrences: an event of the calendar
_SOMETIMES, _SOMETIMES_COUNT, _SOMETIMES_LEVEL = 0.1, 4, 1e-3  # a habit that not every occurrence shows
_LARGER = 3.0  # times the usual size of a habit: a fault at its place
_MOST_ROUNDS = 20


class Finding(Protocol):
    """Rows ``start .. stop - 1`` that are off by `size`."""

    @property
    def start(self) -> int: ...
    @property
    def stop(self) -> int: ...
    @property
    def size(self) -> float: ...


def recurring(found: Sequence[Finding], clocks: Sequence[Clock], seen: Mask) -> Mask:
    """Return which of the findings (n_found,) recur by one of the clocks; `seen` (n_timepoints,) are the known rows.

    A class of a clock is a habit where findings of one sign fall into far more of its occurrences than into those of
    the other classes (binomial test, corrected for all classes of all clocks). One that is three times as large as its
    habit is none of it.
    """
    habit = np.zeros(len(found), bool)
    if len(found) < _FEWEST:
        return habit
    signs = np.array([1 if one.size > 0.0 else -1 for one in found])
    sizes = np.abs([one.size for one in found])
    tests = sum(int(clock.classes.max()) + 1 for clock in clocks if clock.classes.size)
    for clock in clocks:
        for sign in (1, -1):
            habit |= _habits(found, np.flatnonzero(signs == sign), sizes, clock, seen, 2 * tests)
    return habit


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
