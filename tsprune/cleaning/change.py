"""What a cleaner finds in one column: changes with their evidence, and the column cleaned."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from tsprune.cleaning.model import SeriesModel

__all__ = ["LASTING", "Change", "ColumnCleaning", "rows_of", "runs"]

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

LASTING = "lasting level shift"


@dataclass(frozen=True)
class Change:
    """Rows ``start .. stop - 1`` of a column found to be `reason`; `repaired` = they got new values."""

    start: int
    stop: int
    reason: str
    statistic: float
    threshold: float
    size: float = np.nan
    repaired: bool = True


@dataclass
class ColumnCleaning:
    """One column cleaned: `values` and `standard_error` (n_timepoints,), `mask` = judged wrong, `changes`, `guards`."""

    values: Floats
    standard_error: Floats
    mask: Mask
    changes: list[Change] = field(default_factory=list)
    guards: list[str] = field(default_factory=list)
    periods: tuple[int, ...] = ()
    model: SeriesModel | None = None
    offset: Floats = field(default_factory=lambda: np.zeros(0))


def runs(mask: Mask) -> list[tuple[int, int]]:
    """First row and row after the last of every run of True."""
    edges = np.flatnonzero(np.diff(np.r_[False, mask, False].astype(np.int8)))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


def rows_of(changes: Iterable[Change], n: int) -> Mask:
    """True (n,) for the rows of any of the changes."""
    mask = np.zeros(n, bool)
    for change in changes:
        mask[change.start : change.stop] = True
    return mask
