"""Shape evidence of several series as one part of a detector's evidence.

Every series is judged by its own past; the most abnormal one speaks for a row, so that one broken signal among many is
not drowned. Series without repeating structure have no say.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from detectors.report import PruningRecord
from tsprune.detection.evidence import SeriesRows
from tsprune.detection.shape_evidence import SeriesShapes

__all__ = ["ShapePart"]

Floats = NDArray[np.float64]

_WEIGHT = 5.0  # of evidence that finds the planted faults; detector and energies together have 3
_SILENT, _FULL = 0.5, 0.9  # share of planted faults found: from no weight to full weight
_REFERENCES = 8192  # windows of training that a view compares with
_FEWEST = 1024  # the same, with many series


class ShapePart:
    """Distances of shape of every series.

    Parameters
    ----------
    names : sequence of str
        Of the series.

    Attributes
    ----------
    weight : float >= 0
        In the mean of all parts: how many of the faults planted into training the series found; 0 where no
        structure repeats.
    series_ : list of SeriesShapes
    records_ : list of PruningRecord
        Every decision.
    """

    weight = 0.0

    def __init__(self, names: Sequence[str]) -> None:
        self.names = list(names)

    @property
    def reach(self) -> int:
        """Rows on either side that the evidence of a row looks at."""
        return max((view.width for shapes in self.series_ for view in shapes.views_), default=1)

    def fit(self, rows: SeriesRows) -> Floats:
        """Learn the shapes of training; return the held-out evidence (n_rows, 1)."""
        references = max(_FEWEST, _REFERENCES // len(self.names))
        self.series_ = [
            SeriesShapes(references).fit(np.ascontiguousarray(column), name)
            for column, name in zip(rows.given.T, self.names, strict=True)
        ]
        self.records_: list[PruningRecord] = [record for shapes in self.series_ for record in shapes.records_]
        powers = np.array([shapes.power_ for shapes in self.series_])
        self.weight = _WEIGHT * float(np.clip((powers - _SILENT) / (_FULL - _SILENT), 0.0, 1.0).mean())
        self.held_out_ = self._worst([shapes.held_out_ for shapes in self.series_ if shapes.views_], len(rows.position))
        return self.held_out_[:, None]

    def of(self, rows: SeriesRows) -> Floats:
        """Return the evidence (n_rows, 1); fitted rows as `fit` returned them."""
        return self._worst(self.by_series(rows), rows.position.size)[:, None]

    def by_series(self, rows: SeriesRows) -> list[Floats]:
        """Return the evidence (n_rows,) of every series whose structure repeats."""
        new = np.flatnonzero(rows.fitted < 0)
        low, high = 0, 0
        if new.size:
            low, high = max(0, int(new[0]) - self.reach), min(rows.fitted.size, int(new[-1]) + 1 + self.reach)
        return [
            self._one(shapes, rows.given[low:high, k], rows, low, high)
            for k, shapes in enumerate(self.series_)
            if shapes.views_
        ]

    def _one(self, shapes: SeriesShapes, values: Floats, rows: SeriesRows, low: int, high: int) -> Floats:
        """Evidence (n_rows,) of one series; `values` are those of the rows [low, high) with the new ones."""
        out = np.where(rows.fitted < 0, 0.0, shapes.held_out_[rows.fitted])
        if low < high:
            place = self._place(rows, low)
            judged = shapes.of(np.ascontiguousarray(values), place, held_out=True)
            out[low:high] = np.where(rows.fitted[low:high] < 0, judged, out[low:high])
        return out

    def _place(self, rows: SeriesRows, low: int) -> int:
        """Row of training that row `low` is; rows after training are at least a window away from it."""
        return int(rows.fitted[low]) if rows.fitted[low] >= 0 else self.held_out_.size + self.reach

    @staticmethod
    def _worst(evidence: list[Floats], n: int) -> Floats:
        """Largest evidence of any series (n,); 0 without one."""
        return np.max(evidence, axis=0) if evidence else np.zeros(n)
