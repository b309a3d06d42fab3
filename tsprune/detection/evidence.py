"""Evidence: what several parts say about every row, on one scale and joined.

Invariant: a part judges a fitted row by training that does not hold it, so that an anomaly in training does not make
itself ordinary. Values measure abnormality: HIGHER = more abnormal.

A new part is a class with `fit` and `of` (see `EvidencePart`) and a line in `SeriesDetector._parts`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tsprune.detection.scores import ScoreUnit
from tsprune.detection.window_energy import WindowEnergy

__all__ = ["DetectorPart", "EnergyPart", "Evidence", "EvidencePart", "SeriesRows"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

_DETECTOR_WEIGHT = 1.0  # the detector counts a third where the energy joins it
_ENERGY_WEIGHT = 2.0


@dataclass(frozen=True)
class SeriesRows:
    """Consecutive rows as the parts see them.

    Attributes
    ----------
    given : ndarray of shape (n_rows, n_series)
        Values as given, divided by the exact power of two near the largest of training; NaN is missing.
    values : ndarray of shape (n_rows, n_series)
        `given` less what was removed (seasons, trends).
    features : ndarray of shape (n_rows, n_features)
        `values` embedded, in training deviations.
    position : ndarray of int of shape (n_rows,)
        Place of every row on the grid of times, increasing.
    fitted : ndarray of int of shape (n_rows,)
        Which fitted row each one is, -1 for none.
    """

    given: Floats
    values: Floats
    features: Floats
    position: Integers
    fitted: Integers


class EvidencePart(Protocol):
    """One source of evidence.

    Attributes
    ----------
    weight : float > 0
        Its weight in the weighted mean of all parts.
    """

    weight: float

    def fit(self, rows: SeriesRows) -> Floats:
        """Learn from training; return its held-out evidence (n_rows, n_columns), in any unit."""
        ...

    def of(self, rows: SeriesRows) -> Floats:
        """Return the evidence (n_rows, n_columns); fitted rows as `fit` returned them, up to the rows around."""
        ...


class DetectorPart:
    """The scikit-learn or PyOD detector on the features.

    Parameters
    ----------
    detector : unfitted `PrunedDetector` or detector of its contract
    names : sequence of str
        Of the features.
    """

    weight = _DETECTOR_WEIGHT

    def __init__(self, detector: Any, names: Sequence[str]) -> None:
        self.detector = detector
        self.names = list(names)

    def fit(self, rows: SeriesRows) -> Floats:
        """Fit the detector; return its abnormality (n_rows, 1)."""
        self.detector.fit(pd.DataFrame(rows.features, columns=self.names))
        return self.of(rows)

    def of(self, rows: SeriesRows) -> Floats:
        """Return the abnormality (n_rows, 1)."""
        frame = pd.DataFrame(rows.features, columns=self.names)
        return -np.asarray(self.detector.score_samples(frame), dtype=np.float64)[:, None]


class EnergyPart:
    """The Mahalanobis energies of nested sets of features.

    Parameters
    ----------
    groups : sequence of ndarray of int
        Columns of each set.
    """

    weight = _ENERGY_WEIGHT

    def __init__(self, groups: Sequence[NDArray[np.intp]]) -> None:
        self.energy = WindowEnergy(groups)

    def fit(self, rows: SeriesRows) -> Floats:
        """Learn covariances; return the held-out energies (n_rows, n_groups)."""
        return self.energy.fit(rows.features).held_out_

    def of(self, rows: SeriesRows) -> Floats:
        """Return the energies (n_rows, n_groups)."""
        return self.energy.of(rows.features, rows.fitted)


class Evidence:
    """Parts in units of their held-out training evidence; the mean over a part's columns, weighted over parts.

    Parameters
    ----------
    parts : sequence of EvidencePart

    Examples
    --------
    >>> import numpy as np
    >>> features = np.random.default_rng(0).normal(size=(500, 3))
    >>> rows = SeriesRows(features, features, features, np.arange(500), np.arange(500))
    >>> evidence = Evidence([EnergyPart([np.arange(1), np.arange(3)])])
    >>> bool(abs(np.median(evidence.fit(rows))) < 0.1), bool((evidence.of(rows) == evidence.fit(rows)).all())
    (True, True)
    """

    def __init__(self, parts: Sequence[EvidencePart]) -> None:
        self.parts = tuple(parts)

    def fit(self, rows: SeriesRows) -> Floats:
        """Fit every part; return the joined held-out evidence of training (n_rows,)."""
        columns = [part.fit(rows) for part in self.parts]
        self.units_ = [[ScoreUnit.fit(column) for column in part.T] for part in columns]
        return self._joined(columns)

    def of(self, rows: SeriesRows) -> Floats:
        """Return the joined evidence (n_rows,), in training units; 0 is the typical row, 1 passed by a tenth."""
        return self._joined([part.of(rows) for part in self.parts])

    def _joined(self, columns: list[Floats]) -> Floats:
        """Weighted mean (n_rows,) of the parts' columns, each (n_rows, n_columns)."""
        total = np.zeros(columns[0].shape[0])
        for part, block, units in zip(self.parts, columns, self.units_, strict=True):
            scaled = [unit.of(column) for unit, column in zip(units, block.T, strict=True)]
            total += part.weight * np.mean(scaled, axis=0)
        return total / sum(part.weight for part in self.parts)
