"""Components: the growth and the seasons of every series, confirmed together and removed before detection.

A trend hides a season and a season hides a trend. Growth is judged on what a first guess of the season leaves; the
seasons are judged on what the confirmed growth leaves. Without growth the seasons are those of the series as given.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detectors.report import PruningRecord
from tsprune.detection.growth import Growths, rough_growth
from tsprune.detection.seasonal_profile import SeasonalProfiles, candidate_periods

__all__ = ["Components"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Components:
    """What is removed from the series before it is judged.

    Attributes
    ----------
    growths : Growths
    seasons : SeasonalProfiles

    Examples
    --------
    >>> import numpy as np
    >>> position = np.arange(960)
    >>> y = 0.1 * position + np.sin(2 * np.pi * position / 24)
    >>> y = y + 0.1 * np.random.default_rng(0).normal(size=960)
    >>> found = Components.fit(y[:, None], position, ["y"], period="auto", trend="auto")
    >>> found.seasons.periods, bool(found.remove(y[:, None], position).std() < 0.12)
    ((24,), True)
    """

    growths: Growths
    seasons: SeasonalProfiles

    @classmethod
    def fit(
        cls,
        values: Floats,
        position: Integers,
        names: Sequence[str],
        *,
        period: Any,
        trend: Any,
        steps_per_day: float = 0.0,
    ) -> Components:
        """Confirm the components of `values` (n_timepoints, n_series) at `position` (n_timepoints,).

        Parameters
        ----------
        values, position : ndarray
        names : sequence of str
        period : "auto", None, int or sequence of int
        trend : "auto" or None
            As in `SeriesDetector`.
        """
        candidates = [candidate_periods(column, position, period, steps_per_day) for column in values.T]
        if trend is None:
            growths = Growths((None,) * values.shape[1], ())
        else:
            growths = Growths.fit(_without_guessed_seasons(values, position, candidates), position, names)
        grown = [growth is not None for growth in growths.growths]
        rest = growths.remove(values, position)
        for column in np.flatnonzero(grown).tolist():
            candidates[column] = candidate_periods(rest[:, column], position, period, steps_per_day)
        return cls(growths, SeasonalProfiles.fit(rest, position, names, candidates))

    @property
    def records(self) -> tuple[PruningRecord, ...]:
        """Every decision."""
        return (*self.growths.records, *self.seasons.records)

    def remove(self, values: Floats, position: Integers) -> Floats:
        """Return `values` (n_timepoints, n_series) less the confirmed components."""
        return self.seasons.remove(self.growths.remove(values, position), position)

    def at(self, position: Integers) -> Floats:
        """Return the sum of the components (n_timepoints, n_series) at positions on the grid."""
        return -self.remove(np.zeros((position.size, len(self.growths.growths))), position)


def _without_guessed_seasons(values: Floats, position: Integers, candidates: list[list[int]]) -> Floats:
    """`values` less the seasons that a rough trend leaves in sight, same shape."""
    names = [""] * values.shape[1]
    flat = values - np.column_stack([rough_growth(column, position) for column in values.T])
    return SeasonalProfiles.fit(flat, position, names, candidates).remove(values, position)
