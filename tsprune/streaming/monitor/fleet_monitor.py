"""FleetMonitor: watch very many series at once, a few numbers each, one compiled call a step.

Law: the readings are those of every series alone. `StreamMonitor` sees more in a series (seasons, eight views, causes)
and needs a thousand times the memory; this one is for fleets.
"""

from __future__ import annotations

import os
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from detectors.parameters import Rules, check_parameters, integer
from detectors.storage.state_file import dump_state, read_state, write_state
from tsprune.exceptions import InvalidSeriesError, StoredStateError
from tsprune.streaming.monitor.kernels.fleet import FLEET_SIZE, advance_fleet

__all__ = ["FleetMonitor"]

Floats = NDArray[np.float64]


class FleetMonitor:
    """Score one value of each of many series a call.

    Parameters
    ----------
    n_series : int >= 1
        Number of series.
    memory : int >= 10, default=1000
        Values over which scale and tail are learnt.
    episode : int >= 1, default=100
        Steps over which the state falls back by half.

    Attributes
    ----------
    states_ : ndarray of shape (n_series, 8)
        All memory; there from the first update on.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> fleet = FleetMonitor(1000)
    >>> for _ in range(300):
    ...     readings = fleet.update(rng.normal(size=1000))
    >>> values = rng.normal(size=1000)
    >>> values[7] = 15.0
    >>> int(fleet.update(values)[:, 0].argmin())
    7
    """

    _parameters: ClassVar[Rules] = {"n_series": integer(1), "memory": integer(10), "episode": integer(1)}

    def __init__(self, n_series: int, *, memory: int = 1000, episode: int = 100) -> None:
        self.n_series = n_series
        self.memory = memory
        self.episode = episode

    def update(self, values: Any) -> Floats:
        """Take the next value of every series (n_series,); NaN is a missing value.

        Returns
        -------
        ndarray of shape (n_series, 2)
            Score of the state (log10 of a p-value, lower = more abnormal, fading over an episode) and p-value of this
            value.

        Raises
        ------
        InvalidSeriesError
            Another number of values, or an infinite one; nothing has changed then.
        """
        states = self._ready()
        array = np.ascontiguousarray(values, dtype=np.float64)
        if array.shape != (len(states),):
            raise InvalidSeriesError(f"values must have shape ({len(states)},), got {array.shape}.")
        if np.isinf(array).any():
            place = int(np.flatnonzero(np.isinf(array))[0])
            raise InvalidSeriesError(f"values must be finite or NaN, got {array[place]} for series {place}.")
        out = np.empty((len(states), 2))
        advance_fleet(array, states, float(self.memory), 0.5 ** (1.0 / self.episode), out)
        return out

    def _ready(self) -> Floats:
        """Return the states (n_series, 8), made on first use."""
        if not hasattr(self, "states_"):
            check_parameters(self, self._parameters)
            self.states_: Floats = np.zeros((int(self.n_series), FLEET_SIZE))
        return self.states_

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write everything to one file, which is replaced atomically."""
        meta = {"kind": "FleetMonitor", "memory": int(self.memory), "episode": int(self.episode)}
        write_state(path, dump_state(meta, {"states": self._ready()}))

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> FleetMonitor:
        """Return the fleet saved at `path`.

        Raises
        ------
        StoredStateError
            If the file is no state of a fleet, or damaged.
        """
        meta, arrays = read_state(path)
        if meta.get("kind") != "FleetMonitor":
            raise StoredStateError(f"the state must be one of a FleetMonitor, got {meta.get('kind')!r}.")
        fleet = cls(len(arrays["states"]), memory=meta["memory"], episode=meta["episode"])
        fleet.states_ = arrays["states"]
        return fleet
