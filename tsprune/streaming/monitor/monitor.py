"""StreamMonitor: every point scored once, on arrival, with what was known before it.

Law: feeding rows one by one, in blocks, or all at once gives bit-identical readings, and saving and loading in
between changes nothing, because there is one compiled path and all memory is in the arrays that are saved.
Sign: `score` and `onset` are log10 of p-values: lower = more abnormal.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

import tsprune.streaming.monitor.kernels.layout as at
from detectors.parameters import (
    Rules,
    check_parameters,
    check_value,
    choice,
    either,
    instance_of,
    integer,
    nothing,
    real,
)
from detectors.storage.state_file import parse_state, read_state, write_state
from tsprune.exceptions import InvalidSeriesError
from tsprune.streaming.monitor.alert_policy import AlertPolicy
from tsprune.streaming.monitor.changes import read_changes
from tsprune.streaming.monitor.kernels.advance import advance
from tsprune.streaming.monitor.kernels.metric import absence_strength
from tsprune.streaming.monitor.memory import MonitorMemory
from tsprune.streaming.monitor.reading import Reading, readings_frame
from tsprune.streaming.monitor.rows import (
    check_values,
    describe,
    metric_names,
    not_later,
    read_mapping,
    read_moment,
    read_rows,
    unknown_names,
)  # fmt: skip

__all__ = ["Reading", "StreamMonitor"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
_COUNTS = {
    "rows": at.I_ROWS, "missing": at.I_MISSING, "gaps": at.I_GAPS, "alerts": at.I_ALERTS,
    "suppressed": at.I_SUPPRESSED, "repruned": at.I_REPRUNED, "counter_resets": at.I_RESETS, "forests": at.I_GROWN,
}  # fmt: skip


class StreamMonitor(MonitorMemory):
    """Score every point of a stream once, calibrated, explained, in constant memory.

    The chain: validation of the record, online decomposition (level and season, each kept only while it predicts
    better than its absence), features of the remainders, a feature-pruned forest on the remainders of several metrics
    jointly, causal calibration of each feature to a p-value, two scores, alert policy.

    Parameters
    ----------
    alerts : AlertPolicy or None, default=None
        Which readings become alerts; None is ``AlertPolicy()``.
    horizon : int >= 100, default=20000
        Rows after which the past is forgotten: values not met for so long are new again, the counts of the
        calibration are halved after twice as many, and the forest is grown from a sample that spans about so many.
    episode : {"auto"} or int in [1, 1024], default="auto"
        Rows of one abnormal episode. `score` falls back by half over so many; `onset` is silent where the same
        episode was more abnormal before. ``"auto"``: three tenths of the history's length.
    season : {"auto"} or None, default="auto"
        Whether seasons by the time of day and of the week may be used where they predict better.
    time_zone : str or None, default=None
        Zone whose wall clock the seasons follow, such as ``"Europe/Berlin"``; None is UTC. Naive times are UTC.
    counters : tuple of str, default=()
        Metrics that only ever count up. They are followed as increase per second; a fall is a restart of the
        counter from 0.
    new_metrics : {"refuse", "adopt"}, default="refuse"
        How to handle a name that was not primed: raise, or let it join with an empty memory.
    coverage : float in [0.5, 0.999], default=0.95
        Fraction of ordinary values that lies between `lower` and `upper` of a reading; larger is wider.

    Attributes
    ----------
    names_ : tuple of str
        The metrics, in order.
    counts_ : dict of int
        Rows, rows with missing values, gaps in time, alerts raised and suppressed, rows at which the parts in use
        changed, counter restarts, forests grown.

    References
    ----------
    .. [1] Ahmad, Lavin, Purdy, Agha, "Unsupervised real-time anomaly detection for streaming data", Neurocomputing
       262 (2017): the two time scales of the state score.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> index = pd.date_range("2024-01-01", periods=600, freq="5min", name="time")
    >>> frame = pd.DataFrame({"cpu": rng.normal(50.0, 1.0, 600)}, index=index)
    >>> monitor = StreamMonitor().prime(frame)
    >>> reading = monitor.update(index[-1] + pd.Timedelta("5min"), {"cpu": 90.0})
    >>> reading.is_anomaly, reading.alert
    (True, True)
    """

    _parameters: ClassVar[Rules] = {
        "alerts": either(nothing(), instance_of(AlertPolicy)),
        "horizon": integer(100),
        "episode": either(choice("auto"), integer(1, at.MAX_EPISODE)),
        "season": either(choice("auto"), nothing()),
        "time_zone": either(nothing(), instance_of(str)),
        "counters": instance_of(tuple, list),
        "new_metrics": choice("refuse", "adopt"),
        "coverage": real(0.5, 0.999),
    }

    def __init__(
        self,
        alerts: AlertPolicy | None = None,
        *,
        horizon: int = 20_000,
        episode: int | str = "auto",
        season: str | None = "auto",
        time_zone: str | None = None,
        counters: tuple[str, ...] = (),
        new_metrics: str = "refuse",
        coverage: float = 0.95,
    ) -> None:
        self.alerts = alerts
        self.horizon = horizon
        self.episode = episode
        self.season = season
        self.time_zone = time_zone
        self.counters = counters
        self.new_metrics = new_metrics
        self.coverage = coverage

    @property
    def last_time_(self) -> int:
        """Time of the last row, in nanoseconds since the epoch (UTC)."""
        self._primed()
        return int(self._integers[at.I_LAST_TIME])

    @property
    def step_(self) -> int:
        """Usual step between two rows, in nanoseconds."""
        self._primed()
        return int(self._integers[at.I_STEP])

    def silence(self, time: Any) -> float:
        """Return how unusual it is that no row has come until `time`; nothing changes.

        Parameters
        ----------
        time : pandas.Timestamp or what makes one

        Returns
        -------
        float
            -log10 of a p-value: 0 = as long a gap has been there, 4 = one gap in ten thousand.
        """
        self._primed()
        step = self.step_
        rows = (read_moment(time) - self.last_time_ + step // 2) // step - 1
        found: float = absence_strength(float(rows), float(self._joint[at.J_SILENCE]), float(self._integers[at.I_ROWS]))
        return found

    @property
    def counts_(self) -> dict[str, int]:
        """What was counted since priming began."""
        self._primed()
        return {name: int(self._integers[place]) for name, place in _COUNTS.items()}

    # ------------------------------------------------------------------------------------------- learning
    def prime(self, history: pd.DataFrame) -> StreamMonitor:
        """Learn from history; forgets whatever was learnt before.

        Parameters
        ----------
        history : DataFrame of shape (n_rows, n_metrics)
            Float columns, strictly increasing `DatetimeIndex`; NaN is a missing value. A few seasons are best; one
            row is enough to begin.

        Returns
        -------
        StreamMonitor
            Itself.

        Raises
        ------
        InvalidParameterError, InvalidSeriesError, TimeIndexError
        """
        check_parameters(self, self._parameters)
        if not isinstance(history, pd.DataFrame) or not len(history) or not len(history.columns):
            raise InvalidSeriesError(
                f"history must be a DataFrame with at least one row and one column, got {describe(history)}."
            )
        self._set_names(metric_names(history.columns, "history"))
        times, values = read_rows(history, self.names_, "history")
        self._start(times, values)
        self._advance(times, values)
        self._integers[at.I_PRIMING] = 0
        return self

    def set_alerts(self, alerts: AlertPolicy | None) -> StreamMonitor:
        """Change the policy from the next row on; nothing that was learnt is lost.

        Parameters
        ----------
        alerts : AlertPolicy or None
            As for the constructor.

        Returns
        -------
        StreamMonitor
            Itself.

        Raises
        ------
        InvalidParameterError, InvalidSeriesError
            If `alerts` is no policy or names an unknown metric; if the monitor is not primed.
        """
        check_value("alerts", alerts, self._parameters["alerts"], owner="StreamMonitor")
        gates = (alerts or AlertPolicy()).gates(self._primed())
        self.alerts, self._gates = alerts, gates
        self._set_params()
        per_day = self._params[at.P_PER_DAY]
        if np.isfinite(per_day):
            self._joint[at.J_TOKENS] = min(self._joint[at.J_TOKENS], max(per_day, 1.0))
        self._bind()
        return self

    # ------------------------------------------------------------------------------------------- scoring
    def update(self, time: Any, values: Mapping[str, Any]) -> Reading:
        """Score one row and learn from it.

        Parameters
        ----------
        time : pandas.Timestamp or what makes one
            Later than every row before.
        values : mapping of name to number
            NaN, None or an absent name is a missing value.

        Returns
        -------
        Reading

        Raises
        ------
        InvalidRecordError
            Unknown name, a value that is no number or infinite, a time that is not later; nothing has changed then.
        """
        names = self._primed()
        stamp = read_moment(time)
        if stamp <= self._integers[at.I_LAST_TIME]:
            raise not_later(stamp, int(self._integers[at.I_LAST_TIME]))
        try:
            get = values.get
            row = [get(name, math.nan) for name in names]
            is_plain = len(values) == len(names) and math.isfinite(math.fsum(row))
        except (AttributeError, TypeError, OverflowError, ValueError):
            is_plain = False
        if not is_plain:
            found = check_values(read_mapping(values))
            self._adopt(unknown_names(found, self.names_, self.new_metrics))
            row = [found.get(name, math.nan) for name in self.names_]
        out = np.empty((1, self._n_fields))
        advance(np.array((stamp,), dtype=np.int64), np.array((row,), dtype=np.float64), out, *self._arguments)
        if self._integers[at.I_SAMPLED] == at.SAMPLE_ROWS:
            self._grow()
        return Reading(time, out[0], self.names_)

    def update_many(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Score rows; the readings are those of `update` row by row, bit for bit.

        Parameters
        ----------
        frame : DataFrame of shape (n_rows, n_metrics)
            As for `prime`, later than every row before.

        Returns
        -------
        DataFrame
            One row per row: ``score, onset, p_value, is_anomaly, alert, repruned`` and ``<metric>.trend``,
            ``<metric>.seasonal``, ``<metric>.remainder``.

        Raises
        ------
        InvalidRecordError, InvalidSeriesError, TimeIndexError
            As for `update`; nothing has changed then.
        """
        self._primed()
        if not isinstance(frame, pd.DataFrame):
            raise InvalidSeriesError(f"frame must be a DataFrame, got {describe(frame)}.")
        unknown = unknown_names(metric_names(frame.columns, "frame"), self.names_, self.new_metrics)
        times, values = read_rows(frame, (*self.names_, *unknown), "frame")
        if len(times) and times[0] <= self._integers[at.I_LAST_TIME]:
            raise not_later(int(times[0]), int(self._integers[at.I_LAST_TIME]))
        self._adopt(unknown)
        out = self._advance(times, values)
        return readings_frame(out, self.names_, frame.index)

    def diff(self) -> pd.DataFrame:
        """Return what changed in the parts that are used, the last 64 changes at most.

        Returns
        -------
        DataFrame
            Columns ``time`` (UTC), ``metric``, ``part`` (``"season"``: the season by the time of day; ``"week"``: what
            the hour of the week adds to it; ``"relation"``: what the other metrics say about it; ``"metric"``: the
            metric itself, left out while it stays away), ``kept`` (True: in use from then on).
        """
        return read_changes(self._integers, self._primed())

    # ------------------------------------------------------------------------------------------- persistence
    def save(self, path: str | os.PathLike[str]) -> None:
        """Write everything to one file, which is replaced atomically."""
        write_state(path, self.to_bytes())

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> StreamMonitor:
        """Return the monitor saved at `path`; it goes on as if it had never stopped.

        Raises
        ------
        StoredStateError
            If the file is no state of a monitor, or damaged.
        """
        return cls._restored(*read_state(path))

    @classmethod
    def from_bytes(cls, stored: bytes) -> StreamMonitor:
        """Return the monitor that `to_bytes` described.

        Raises
        ------
        StoredStateError
            If the bytes are no state of a monitor, or damaged.
        """
        return cls._restored(*parse_state(stored))
