"""AlertPolicy: which readings become alerts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from detectors.parameters import Rules, check_parameters, choice, either, integer, nothing, real

__all__ = ["AlertPolicy"]

_DIRECTION = {"down": -1.0, "both": 0.0, "up": 1.0}


@dataclass(frozen=True, kw_only=True)
class AlertPolicy:
    """Which readings become alerts.

    An episode opens at an alert and stays open until the p-value has been above `release` for a while; an open
    episode raises no second alert. Alerts beyond the budget are counted (`StreamMonitor.counts_["suppressed"]`),
    not raised.

    Parameters
    ----------
    false_alarm_rate : float in (0, 0.5], default=1e-3
        Share of ordinary points that may count as anomalous: ``is_anomaly`` is ``p_value <= false_alarm_rate``.
    per_day : float > 0 or None, default=4.0
        Alerts a day of stream time; what is not used today can be used tomorrow, up to one day's budget
        (at least one alert). None: no budget.
    release : float in (0, 1], default=0.05
        An open episode ends once the p-value exceeds this; the gap to `false_alarm_rate` is the hysteresis.
    min_duration : int >= 1, default=1
        Consecutive anomalous points before an alert.
    direction : {"both", "up", "down"}, default="both"
        Which way the most abnormal metric must deviate.
    min_size : float >= 0, default=0.0
        Smallest deviation that can alert, in standard deviations of the metric's remainder.

    Examples
    --------
    >>> AlertPolicy(per_day=1, direction="up").min_duration
    1
    """

    false_alarm_rate: float = 1e-3
    per_day: float | None = 4.0
    release: float = 0.05
    min_duration: int = 1
    direction: str = "both"
    min_size: float = 0.0

    _parameters: ClassVar[Rules] = {
        "false_alarm_rate": real(0, 0.5, open_low=True),
        "per_day": either(real(0, open_low=True), nothing()),
        "release": real(0, 1, open_low=True),
        "min_duration": integer(1),
        "direction": choice("both", "up", "down"),
        "min_size": real(0),
    }

    def __post_init__(self) -> None:
        """Check the parameters: a policy is a value, so it is checked when it is made."""
        check_parameters(self, self._parameters)

    def as_array(self) -> NDArray[np.float64]:
        """Return the numbers that the kernel takes (6,): rate, budget (inf: none), release, duration, way, size."""
        per_day = np.inf if self.per_day is None else float(self.per_day)
        return np.array(
            [self.false_alarm_rate, per_day, self.release, self.min_duration, _DIRECTION[self.direction], self.min_size]
        )
