"""Shape evidence of several series as one part of a detector's evidence.

Every series is judged by its own past; the most abnormal one speaks for a row, so that one broken signal among many is
not drowned. Series without repeating structure have no say.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detectors.report import PruningRecord
from tsprune.detection.evidence import SeriesRows
from tsprune.detection.shape_evidence import SeriesShapes

__all__ = ["AbnormalShape", "ShapePart"]

Floats = NDArray[np.float64]

_WEIGHT = 3.0  # of evidence that finds the planted faults; detector and energies together have 3
_SILENT, _FULL = 0.5, 0.9  # share of planted faults found: from no weight to full weight
_REFERENCES = 4096  # windows of training that a view compares with
_FEWEST = 1024  # the same, with many series


@dataclass(frozen=True)
class AbnormalShape:
    """A stretch whose shape is abnormal, and the stretch of training that is most like it.

    Attributes
    ----------
    series : str
    evidence : float
        In units of training: 0 typical, 1 passed by a hundredth of training.
    start, nearest_start : object
        Times of the first rows of both stretches, entries of the index.
    values, nearest_values : ndarray of shape (window,)
        Both stretches, in the units of the series.
    """

    series: str
    evidence: float
    start: Any
    nearest_start: Any
    values: Floats
    nearest_values: Floats

    @property
    def window(self) -> int:
        """Length of both stretches, in rows."""
        return int(self.values.size)


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
        self._missing = np.isnan(rows.given)
        self.records_: list[PruningRecord] = [record for shapes in self.series_ for record in shapes.records_]
        powers = np.array([shapes.power_ for shapes in self.series_])
        self.weight = _WEIGHT * float(np.clip((powers - _SILENT) / (_FULL - _SILENT), 0.0, 1.0).mean())
        self.held_out_ = self._worst([shapes.held_out_ for shapes in self.series_ if shapes.views_], len(rows.position))
        return self.held_out_[:, None]

    def of(self, rows: SeriesRows) -> Floats:
        """Return the evidence (n_rows, 1); fitted rows as `fit` returned them."""
        parts = [self._one(k, rows) for k, shapes in enumerate(self.series_) if shapes.views_]
        return self._worst(parts, rows.position.size)[:, None]

    def worst(self, rows: SeriesRows, n_context: int, n: int) -> list[tuple[int, float, int, int, int]]:
        """Return the `n` most abnormal stretches of rows after `n_context` rows, most abnormal first.

        Returns
        -------
        list of (series, evidence, width, start, nearest)
            Number of the series, its evidence, length and first row of the stretch, row of training of the nearest.
        """
        found: list[tuple[int, float, int, int, int]] = []
        for k, shapes in enumerate(self.series_):
            if not shapes.views_:
                continue
            evidence, values = self._one(k, rows), np.ascontiguousarray(rows.given[:, k])
            evidence[:n_context] = -np.inf
            place = int(rows.fitted[0]) if rows.fitted[0] >= 0 else shapes.held_out_.size + self.reach
            for _ in range(n):
                row = int(np.argmax(evidence))
                if evidence[row] <= 0.0:
                    break
                found.append((k, float(evidence[row]), *shapes.nearest(values, place, row)))
                evidence[max(0, row - self.reach) : row + self.reach + 1] = -np.inf
        return sorted(found, key=lambda item: -item[1])[:n]

    def _one(self, k: int, rows: SeriesRows) -> Floats:
        """Evidence (n_rows,) of one series: stretches of rows that are new, or hidden now, are judged anew."""
        shapes, values, fitted = self.series_[k], np.ascontiguousarray(rows.given[:, k]), rows.fitted
        out = np.where(fitted < 0, 0.0, shapes.held_out_[fitted])
        hidden = (fitted >= 0) & np.isnan(values) & ~self._missing[fitted, k]
        changed = (fitted < 0) | hidden
        n, reach = fitted.size, self.reach
        edges = np.flatnonzero(np.diff(np.concatenate(([False], changed, [False])).astype(np.int8)))
        for start, stop in _grown(edges.reshape(-1, 2), reach, n):
            low, high = max(0, start - reach), min(n, stop + reach)
            place = int(fitted[low]) if fitted[low] >= 0 else shapes.held_out_.size + reach
            judged = shapes.of(values[low:high], place, held_out=True, hidden=hidden[low:high])
            out[start:stop] = judged[start - low : stop - low]
        return out

    @staticmethod
    def _worst(evidence: list[Floats], n: int) -> Floats:
        """Largest evidence of any series (n,); 0 without one."""
        return np.max(evidence, axis=0) if evidence else np.zeros(n)


def _grown(runs: NDArray[np.intp], reach: int, n: int) -> list[tuple[int, int]]:
    """Runs [start, stop) of `n` rows grown by `reach` on both sides, those that then meet as one."""
    out: list[tuple[int, int]] = []
    for start, stop in runs.tolist():
        low, high = max(0, start - reach), min(n, stop + reach)
        if out and low <= out[-1][1] + reach:
            out[-1] = (out[-1][0], high)
        else:
            out.append((low, high))
    return out
