"""AlertPolicy: which readings become alerts; MetricPolicy: what of one metric does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from detectors.exceptions import InvalidParameterError
from detectors.parameters import Rules, check_parameters, choice, either, instance_of, integer, nothing, real

__all__ = ["AlertPolicy", "MetricPolicy"]

_DIRECTION = {"down": -1.0, "both": 0.0, "up": 1.0}
_NUMBER = either(nothing(), real())


@dataclass(frozen=True, kw_only=True)
class MetricPolicy:
    """Limits and gates of one metric, in its own unit.

    Limits always speak: a value that breaks one, after one that did not, raises an alert beside the model and beside
    the budget. Gates keep quiet: what the model finds is alerted only if it passes all of them.

    Parameters
    ----------
    lower, upper : float or None, default=None
        Limits on the value.
    max_step : float > 0 or None, default=None
        Limit on the change from one value to the next.
    min_abs : float >= 0 or None, default=None
        Gate: smallest deviation from what is expected.
    min_rel : float >= 0 or None, default=None
        Gate: smallest deviation as a fraction of what is expected; 0.2 is 20 %.
    direction : {"both", "up", "down"} or None, default=None
        Gate: which way the metric must deviate; None takes the direction of the `AlertPolicy`.

    See Also
    --------
    AlertPolicy : Takes one of these for each metric, by name.

    Examples
    --------
    >>> disk = MetricPolicy(upper=95.0, min_abs=2.0, direction="up")
    >>> AlertPolicy(metrics={"disk": disk}).metrics["disk"].upper
    95.0
    """

    lower: float | None = None
    upper: float | None = None
    max_step: float | None = None
    min_abs: float | None = None
    min_rel: float | None = None
    direction: str | None = None

    _parameters: ClassVar[Rules] = {
        "lower": _NUMBER,
        "upper": _NUMBER,
        "max_step": either(nothing(), real(0, open_low=True)),
        "min_abs": either(nothing(), real(0)),
        "min_rel": either(nothing(), real(0)),
        "direction": either(nothing(), choice("both", "up", "down")),
    }

    def __post_init__(self) -> None:
        """Check the parameters.

        Raises
        ------
        InvalidParameterError
            One parameter breaks its rule, or `lower` is above `upper`.
        """
        check_parameters(self, self._parameters)
        if self.lower is not None and self.upper is not None and self.lower > self.upper:
            raise InvalidParameterError(
                f"lower must be at most upper, got {self.lower} and {self.upper}; exchange them."
            )

    def as_array(self) -> NDArray[np.float64]:
        """Return the numbers that the kernel takes, in the order of the fields; NaN where there is none."""
        way = None if self.direction is None else _DIRECTION[self.direction]
        numbers = (self.lower, self.upper, self.max_step, self.min_abs, self.min_rel, way)
        return np.array([np.nan if number is None else float(number) for number in numbers])


@dataclass(frozen=True, kw_only=True)
class AlertPolicy:
    """Which readings become alerts.

    An alert is raised where the p-value is a tenth of `false_alarm_rate` or less (several metrics: less by the root of
    their number, at most by half), or where three rows in a row are
    anomalous; before ``2 / false_alarm_rate`` rows one anomalous row is enough. An incident opens at an alert and stays
    open until the p-value has been above `release` for three rows. Metrics that depart within its first 12 rows are
    part of it; one that departs later is alerted again. Where there are more incidents than the budget allows, it goes
    to the worst of them: an incident milder than most of the last 32 is held back, counted
    (`StreamMonitor.counts_["suppressed"]`) and reported (`Reading.held_back`), and is alerted after all if it gets
    worse. A policy can be changed on a running monitor, see `StreamMonitor.set_alerts`.

    Parameters
    ----------
    false_alarm_rate : float in (0, 0.5], default=1e-3
        Target false-alarm rate: fraction of normal points of each metric that may be flagged. ``is_anomaly`` is
        ``p_value <= false_alarm_rate``.
    per_day : float > 0 or None, default=4.0
        Alerts a day of stream time; what is not used today can be used tomorrow, up to one day's budget
        (at least one alert). None: no budget.
    release : float in (0, 1], default=0.05
        An open incident ends once the p-value exceeds this; the gap to `false_alarm_rate` is the hysteresis.
    min_duration : int >= 1, default=1
        Consecutive anomalous points before an alert.
    direction : {"both", "up", "down"}, default="both"
        Which way a metric must deviate to be alerted.
    min_size : float >= 0, default=0.0
        Smallest deviation that can alert, in standard deviations of the metric's remainder.
    metrics : mapping of str to MetricPolicy, default={}
        Limits and gates of single metrics, by name.

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
    metrics: Mapping[str, MetricPolicy] = field(default_factory=dict)

    _parameters: ClassVar[Rules] = {
        "false_alarm_rate": real(0, 0.5, open_low=True),
        "per_day": either(real(0, open_low=True), nothing()),
        "release": real(0, 1, open_low=True),
        "min_duration": integer(1),
        "direction": choice("both", "up", "down"),
        "min_size": real(0),
        "metrics": instance_of(Mapping),
    }

    def __post_init__(self) -> None:
        """Check the parameters: a policy is a value, so it is checked when it is made."""
        check_parameters(self, self._parameters)
        for name, policy in self.metrics.items():
            if not isinstance(policy, MetricPolicy):
                raise InvalidParameterError(
                    f"metrics must map names to MetricPolicy, got {policy!r:.60} for {name!r}; "
                    "write MetricPolicy(upper=...)."
                )

    def as_array(self) -> NDArray[np.float64]:
        """Return the numbers that the kernel takes (6,): rate, budget (inf: none), release, duration, way, size."""
        per_day = np.inf if self.per_day is None else float(self.per_day)
        return np.array(
            [self.false_alarm_rate, per_day, self.release, self.min_duration, _DIRECTION[self.direction], self.min_size]
        )

    def gates(self, names: Sequence[str]) -> NDArray[np.float64]:
        """Return the limits and gates of the metrics (n_metrics, 6).

        Raises
        ------
        InvalidParameterError
            If `metrics` has a name that is none of `names`.
        """
        unknown = [name for name in self.metrics if name not in names]
        if unknown:
            raise InvalidParameterError(
                f"metrics of an AlertPolicy must be names of metrics, got {unknown[0]!r}; known: {list(names)[:8]}."
            )
        return np.array([self.metrics.get(name, _NO_POLICY).as_array() for name in names]).reshape(len(names), -1)

    def to_dict(self) -> dict[str, Any]:
        """Return the parameters as plain values that JSON can hold."""
        plain = {name: getattr(self, name) for name in self._parameters if name != "metrics"}
        plain["metrics"] = {
            name: {part.name: getattr(policy, part.name) for part in fields(policy)}
            for name, policy in self.metrics.items()
        }
        return plain

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> AlertPolicy:
        """Return the policy that `to_dict` described."""
        metrics = {name: MetricPolicy(**values) for name, values in plain.get("metrics", {}).items()}
        return cls(**{**plain, "metrics": metrics})


_NO_POLICY = MetricPolicy()
