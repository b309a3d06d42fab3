"""What a judge sees of one column, and what it says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from tsprune.cleaning.change import Change, rows_of
from tsprune.cleaning.clocks import Clock
from tsprune.cleaning.model import SeriesModel

__all__ = ["LEVEL_SHIFT", "Column", "Findings"]

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

LEVEL_SHIFT = "level shift"
_SHORTEST = 15  # points; with fewer there is no telling what is normal


@dataclass(frozen=True)
class Findings:
    """What one judge says: changes found, findings of others taken back, sentences, and the model."""

    changes: Sequence[Change] = ()
    withdrawn: Sequence[Change] = ()
    guards: Sequence[str] = ()
    model: SeriesModel | None = None


@dataclass
class Column:
    """One column on a regular grid, and what the judges before have found.

    Attributes
    ----------
    x : ndarray of shape (n_timepoints,)
        NaN = missing.
    protected : Boolean ndarray of shape (n_timepoints,)
        Rows of known events: never changed, and without a say in what is usual.
    periods : tuple of int
        Seasons of the model, rising.
    clocks : sequence of Clock
        What may recur.
    level_shift, lower, upper
        As in `SeriesCleaner`.
    changes, guards, model
        What the judges before said.
    """

    x: Floats
    protected: Mask
    periods: tuple[int, ...] = ()
    clocks: Sequence[Clock] = ()
    level_shift: str = "repair"
    lower: float | None = None
    upper: float | None = None
    changes: list[Change] = field(default_factory=list)
    guards: list[str] = field(default_factory=list)
    model: SeriesModel | None = None

    @property
    def missing(self) -> Mask:
        """Rows without a value (n_timepoints,)."""
        return np.isnan(self.x)

    @property
    def wrong(self) -> Mask:
        """Rows judged wrong (n_timepoints,), those of levels that are moved back not among them."""
        return rows_of([c for c in self.changes if c.repaired and c.reason not in ("gap", LEVEL_SHIFT)], self.x.size)

    @property
    def trusted(self) -> Mask:
        """Rows that say what is usual (n_timepoints,)."""
        return ~(self.missing | self.wrong | self.protected)

    @property
    def offset(self) -> Floats:
        """How much too high the levels that are moved back stand (n_timepoints,)."""
        offset = np.zeros(self.x.size)
        for change in self.changes:
            if change.reason == LEVEL_SHIFT and change.repaired:
                offset[change.start : change.stop] += change.size
        return offset

    @property
    def is_modelled(self) -> bool:
        """True where there are enough rows to say what is usual, and not all of one value."""
        known = self.x[self.trusted]
        return bool(known.size >= _SHORTEST and np.ptp(known) > 0)

    @property
    def main_period(self) -> int:
        """The shortest season, 1 without one."""
        return self.periods[0] if self.periods else 1

    def take(self, said: Findings) -> None:
        """Add what a judge said."""
        self.changes = [change for change in self.changes if change not in said.withdrawn] + list(said.changes)
        self.guards += said.guards
        self.model = said.model or self.model
