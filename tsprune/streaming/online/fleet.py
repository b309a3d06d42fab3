"""OnlineFleet: online decomposition of many series, held in one array and updated in one compiled call."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from detectors.parameters import Rules, check_parameters, choice, either, integer, nothing, sequence_of
from tsprune.exceptions import InvalidParameterError, InvalidSeriesError, StoredStateError
from tsprune.streaming.online.kernels import step as kernel
from tsprune.streaming.online.kernels.layout import H_GAIN_MIN, new_state, state_size
from tsprune.streaming.online.settings import OnlineSettings, pack, unpack

__all__ = ["OnlineFleet"]

Floats = NDArray[np.float64]


class OnlineFleet:
    """Decompose many series in step: one value of each a call.

    The numbers are bit for bit those of one `OnlineDecomposer` a series.

    Parameters
    ----------
    n_series : int >= 1
        Number of series.
    period : int >= 2, sequence of int (n_series,), or None, default=None
        Season length, in samples: one for all, or one a series (0 for none); None for no season.
    shift_window, level_window, season_memory
        As of `OnlineDecomposer`, for all series.

    Attributes
    ----------
    states_ : ndarray of shape (n_series, n_numbers)
        All memory, one row a series; there from the first update on.

    Examples
    --------
    >>> import numpy as np
    >>> from tsprune import OnlineFleet
    >>> rng = np.random.default_rng(0)
    >>> fleet = OnlineFleet(1000, 24)
    >>> for t in range(100):
    ...     parts = fleet.update(5.0 + np.sin(2 * np.pi * t / 24) + rng.normal(0, 0.1, 1000))
    >>> parts.shape, round(float(parts[:, 0].mean()), 1)
    ((1000, 3), 5.0)
    """

    _parameters: ClassVar[Rules] = {
        "n_series": integer(1),
        "period": either(nothing(), integer(2), sequence_of(integer(0))),
        "shift_window": either(choice("auto"), integer(0)),
        "level_window": either(choice("auto"), integer(2)),
        "season_memory": integer(1),
    }

    def __init__(
        self,
        n_series: int,
        period: Any = None,
        *,
        shift_window: int | str = "auto",
        level_window: int | str = "auto",
        season_memory: int = 10,
    ) -> None:
        self.n_series = n_series
        self.period = period
        self.shift_window = shift_window
        self.level_window = level_window
        self.season_memory = season_memory

    def update(self, values: Any) -> Floats:
        """Take the next value of every series (n_series,); return trend, seasonal and remainder (n_series, 3).

        NaN is a missing value.

        Raises
        ------
        InvalidSeriesError
            If the shape is another or a value is infinite; nothing has been taken then.
        InvalidParameterError
            At the first call, if a parameter breaks its rule.
        """
        states = self._ready()
        array = np.asarray(values, dtype=np.float64)
        if array.shape != (states.shape[0],):
            raise InvalidSeriesError(f"values must have shape ({states.shape[0]},), one a series, got {array.shape}.")
        if np.isinf(array).any():
            row = int(np.flatnonzero(np.isinf(array))[0])
            raise InvalidSeriesError(
                f"values must be finite or NaN, got {array[row]} for series {row}; "
                "pass NaN if it stands for a missing value."
            )
        parts = np.empty((array.size, 3))
        kernel.fleet_step(states, array, parts)
        return parts

    def update_many(self, values: Any) -> Floats:
        """Take values (n_timepoints, n_series); return parts (n_timepoints, n_series, 3), as `update` row by row."""
        array = np.asarray(values, dtype=np.float64)
        states = self._ready()
        if array.ndim != 2 or array.shape[1] != states.shape[0] or np.isinf(array).any():
            raise InvalidSeriesError(
                f"values must have shape (n_timepoints, {states.shape[0]}) and be finite or NaN, "
                f"got shape {array.shape}"
                f"{' with infinite values' if np.isinf(array).any() else ''}."
            )
        parts = np.empty((*array.shape, 3))
        for row, out in zip(array, parts, strict=True):
            kernel.fleet_step(states, np.ascontiguousarray(row), out)
        return parts

    def state_dict(self) -> dict[str, Any]:
        """Return all memory: the parameters and one array ``"states"`` (n_series, n_numbers), a copy."""
        states = self._ready()
        plain: dict[str, Any] = {}
        for name in self._parameters:
            value = getattr(self, name)
            plain[name] = (
                np.asarray(value).tolist() if isinstance(value, list | tuple | np.ndarray | np.generic) else value
            )
        return {**plain, "states": states.copy()}

    @classmethod
    def from_state(cls, stored: Mapping[str, Any]) -> OnlineFleet:
        """Return a fleet that goes on from `state_dict`.

        Raises
        ------
        StoredStateError
            If something is missing or the array does not fit the parameters.
        """
        names = tuple(cls._parameters)
        if set(stored) != {*names, "states"}:
            raise StoredStateError(
                f"a stored fleet must hold {', '.join((*names, 'states'))}, got {', '.join(map(str, stored))}."
            )
        fleet = cls(**{name: stored[name] for name in names})
        states = np.array(stored["states"], dtype=np.float64)
        fresh = fleet._ready()
        head = H_GAIN_MIN + 1
        if states.shape != fresh.shape or not np.array_equal(states[:, :head], fresh[:, :head]):
            raise StoredStateError(
                f"the stored array must be that of the stored parameters, shape {fresh.shape}, "
                f"got shape {states.shape}."
            )
        fleet.states_ = states
        return fleet

    def to_bytes(self) -> bytes:
        """Return all memory as bytes; nothing in them is ever executed."""
        return pack("online_fleet", self.state_dict())

    @classmethod
    def from_bytes(cls, stored: bytes) -> OnlineFleet:
        """Return a fleet that goes on from `to_bytes`.

        Raises
        ------
        StoredStateError
            If the bytes are damaged or of another kind.
        """
        return cls.from_state(unpack("online_fleet", stored))

    def _ready(self) -> Floats:
        """Return the memory; at first, check the parameters and set it up."""
        if hasattr(self, "states_"):
            return self.states_
        check_parameters(self, self._parameters)
        periods = (
            self.period if isinstance(self.period, list | tuple | np.ndarray) else [self.period] * int(self.n_series)
        )
        if len(periods) != self.n_series or any(p == 1 for p in periods):
            raise InvalidParameterError(
                f"period of OnlineFleet must be one number, or one a series ({self.n_series}), each 0 or >= 2, "
                f"got {len(periods)} numbers."
            )
        settings = {
            p: OnlineSettings.of(p, self.shift_window, self.level_window, self.season_memory) for p in set(periods)
        }
        size = max(state_size(s.period, s.shift) for s in settings.values())
        self.states_: Floats = np.zeros((int(self.n_series), size))
        for state, period in zip(self.states_, periods, strict=True):
            s = settings[period]
            new_state(state, s.period, s.shift, s.window, s.gain)
        return self.states_
