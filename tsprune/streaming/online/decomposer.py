"""OnlineDecomposer: trend, season and remainder of a stream, one point at a time, at a cost that does not grow.

Law: a point is decomposed with what was known when it arrived, and the same points give the same numbers however they
arrive: `update`, `update_many` and the fleet form run the one compiled step.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from detectors.parameters import Rules, check_parameters, check_value, choice, either, integer, nothing
from tsprune.exceptions import InvalidSeriesError, StoredStateError
from tsprune.series.validation import read_series
from tsprune.streaming.online.kernels import step as kernel
from tsprune.streaming.online.kernels.layout import H_GAIN_MIN, H_SEEN, new_state, state_size
from tsprune.streaming.online.settings import OnlineSettings, pack, unpack

__all__ = ["OnlineDecomposer"]

Floats = NDArray[np.float64]


class OnlineDecomposer:
    """Split a stream into trend, seasonal and remainder as it arrives.

    The trend is a running mean of what the season leaves, over as many points as agree with each other; it restarts at
    a step and shortens its window where it drifts. The season is one offset for each phase of the cycle, learnt by
    running means that never forget to learn. A value that neither explains is held against three explanations: an
    outlier (nothing is learnt from it), a step of the level (the level restarts where the step began) and a shift of
    the phase (the season moves along). The first cycle is learnt as a whole: during it the seasonal part is 0; from the
    third cycle on it is trustworthy.

    Parameters
    ----------
    period : int >= 2 or None, default=None
        Season length, in samples; None for no season.
    shift_window : int >= 0 or "auto", default="auto"
        Largest shift of the phase that is looked for, in samples; "auto" is an eighth of the period, at most 20.
    level_window : int >= 2 or "auto", default="auto"
        Most points the level averages; "auto" is four periods, at least 1000.
    season_memory : int >= 1, default=10
        Cycles that the season averages.

    Attributes
    ----------
    n_seen_ : int
        Points so far, missing ones and skipped ones too.

    Notes
    -----
    A point costs the same whatever the period; only the end of the third cycle, once, walks over all phases. The
    memory is three numbers for every phase and some 80 more.

    A missing value (NaN) has a trend and a seasonal part, and a remainder NaN. `state_dict` and `to_bytes` hold all
    memory; `from_state` and `from_bytes` go on from there with identical results, and execute no code.

    References
    ----------
    .. [1] He, Li, Tan, Wu, Li, "OneShotSTL: one-shot seasonal-trend decomposition for online time series anomaly
       detection and forecasting", PVLDB 16(6) (2023), section 3.4: the shift of the phase.
    .. [2] Page, "Continuous inspection schemes", Biometrika 41 (1954): the cumulative sums that find slow steps.

    Examples
    --------
    >>> import numpy as np
    >>> from tsprune import OnlineDecomposer
    >>> rng = np.random.default_rng(0)
    >>> t = np.arange(1000)
    >>> y = 2.0 + np.sin(2 * np.pi * t / 24) + 3.0 * (t >= 700) + rng.normal(0, 0.1, t.size)
    >>> decomposer = OnlineDecomposer(24)
    >>> parts = decomposer.update_many(y)
    >>> [round(float(trend), 1) for trend in parts[[699, 710, 999], 0]]
    [2.0, 5.0, 5.0]
    >>> trend, seasonal, remainder = decomposer.update(6.0)
    >>> round(trend, 1), round(seasonal, 1), round(remainder, 1)
    (5.0, -0.9, 1.9)
    """

    _parameters: ClassVar[Rules] = {
        "period": either(nothing(), integer(2)),
        "shift_window": either(choice("auto"), integer(0)),
        "level_window": either(choice("auto"), integer(2)),
        "season_memory": integer(1),
    }

    def __init__(
        self,
        period: int | None = None,
        *,
        shift_window: int | str = "auto",
        level_window: int | str = "auto",
        season_memory: int = 10,
    ) -> None:
        self.period = period
        self.shift_window = shift_window
        self.level_window = level_window
        self.season_memory = season_memory
        self._state: Floats | None = None

    @property
    def n_seen_(self) -> int:
        """Points so far, missing ones and skipped ones too."""
        return 0 if self._state is None else int(self._state[H_SEEN])

    def update(self, value: float) -> tuple[float, float, float]:
        """Take the next value and return its trend, seasonal and remainder, in the units of the series.

        Parameters
        ----------
        value : float
            NaN is a missing value.

        Raises
        ------
        InvalidSeriesError
            If the value is infinite.
        InvalidParameterError
            At the first point, if a parameter breaks its rule.
        """
        state = self._state
        if state is None:
            state = self._begin()
        value = float(value)
        if math.isinf(value):
            raise InvalidSeriesError(
                f"values must be finite or NaN, got {value} at point {self.n_seen_}; "
                "pass NaN if it stands for a missing value."
            )
        parts: tuple[float, float, float] = kernel.step(state, value)
        return parts

    def update_many(self, values: Any) -> Floats:
        """Take values (n_timepoints,) and return trend, seasonal and remainder (n_timepoints, 3).

        The numbers are those that `update` would return one by one, bit for bit.

        Raises
        ------
        InvalidSeriesError
            If `values` is not one series of finite or missing values; nothing has been taken then.
        """
        try:
            array = np.asarray(values, dtype=np.float64) if isinstance(values, np.ndarray | list) else None
        except (TypeError, ValueError):  # no numbers: the door below says what and where
            array = None
        if array is None or array.ndim != 1 or np.isinf(array).any():
            array = read_series(values, name="values").column()
        state = self._begin() if self._state is None else self._state
        parts = np.empty((array.size, 3))
        kernel.many_steps(state, array, parts)
        return parts

    def skip(self, n_points: int) -> None:
        """Let `n_points` points of a gap pass; the same as that many NaN, without their parts."""
        check_value("n_points", n_points, integer(0), owner="OnlineDecomposer.skip")
        state = self._begin() if self._state is None else self._state
        kernel.advance(state, int(n_points))

    def state_dict(self) -> dict[str, Any]:
        """Return all memory: the parameters and one array ``"state"`` (n_numbers,) of float64, a copy."""
        state = self._begin() if self._state is None else self._state
        return {**self._settings(), "state": state.copy()}

    @classmethod
    def from_state(cls, stored: Mapping[str, Any]) -> OnlineDecomposer:
        """Return a decomposer that goes on from `state_dict`.

        Raises
        ------
        StoredStateError
            If something is missing or the array does not fit the parameters.
        """
        names = tuple(cls._parameters)
        if set(stored) != {*names, "state"}:
            raise StoredStateError(
                f"a stored decomposer must hold {', '.join((*names, 'state'))}, got {', '.join(map(str, stored))}."
            )
        decomposer = cls(**{name: stored[name] for name in names})
        state = np.array(stored["state"], dtype=np.float64)
        fresh = decomposer._begin()
        same = state.shape == fresh.shape and np.array_equal(state[: H_GAIN_MIN + 1], fresh[: H_GAIN_MIN + 1])
        if not same:
            raise StoredStateError(
                f"the stored array must be that of the stored parameters ({fresh.shape[0]} numbers), "
                f"got shape {state.shape}."
            )
        decomposer._state = state
        return decomposer

    def to_bytes(self) -> bytes:
        """Return all memory as bytes; nothing in them is ever executed."""
        return pack("online_decomposer", self.state_dict())

    @classmethod
    def from_bytes(cls, stored: bytes) -> OnlineDecomposer:
        """Return a decomposer that goes on from `to_bytes`.

        Raises
        ------
        StoredStateError
            If the bytes are damaged or of another kind.
        """
        return cls.from_state(unpack("online_decomposer", stored))

    def _settings(self) -> dict[str, Any]:
        """Return the parameters as plain Python values."""
        return {
            name: value.item() if isinstance(value := getattr(self, name), np.generic) else value
            for name in self._parameters
        }

    def _begin(self) -> Floats:
        """Check the parameters and set up the memory."""
        check_parameters(self, self._parameters)
        settings = OnlineSettings.of(self.period, self.shift_window, self.level_window, self.season_memory)
        self._state = np.empty(state_size(settings.period, settings.shift))
        new_state(self._state, settings.period, settings.shift, settings.window, settings.gain)
        return self._state
