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

from detectors.parameters import Rules, check_parameters, choice, either, instance_of, integer, nothing
from tsprune.exceptions import InvalidRecordError, InvalidSeriesError, StoredStateError
from tsprune.kernels import monitor as kernel
from tsprune.streaming.alerts import AlertPolicy
from tsprune.streaming.local_time import zone_offsets
from tsprune.streaming.reading import COMPONENTS, FIELDS, Reading
from tsprune.streaming.records import check_values
from tsprune.streaming.rows import describe, read_moment, read_rows
from tsprune.streaming.state import dump_state, parse_state, read_state, write_state

__all__ = ["Reading", "StreamMonitor"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
_EPISODE_SHARE = 0.3  # of the history: what `episode="auto"` takes for the length of an abnormal episode
_PARTS = {kernel.PART_SEASON: "season", kernel.PART_METRIC: "metric"}
_COUNTS = {
    "rows": kernel.I_ROWS,
    "missing": kernel.I_MISSING,
    "gaps": kernel.I_GAPS,
    "alerts": kernel.I_ALERTS,
    "suppressed": kernel.I_SUPPRESSED,
    "repruned": kernel.I_REPRUNED,
    "counter_resets": kernel.I_RESETS,
}


class StreamMonitor:
    """Score every point of a stream once, calibrated, explained, in constant memory.

    The chain: validation of the record, online decomposition (level and season, each kept only while it predicts
    better than its absence), features of the remainders, causal calibration of each feature to a p-value, two scores,
    alert policy.

    Parameters
    ----------
    alerts : AlertPolicy or None, default=None
        Which readings become alerts; None is ``AlertPolicy()``.
    horizon : int >= 100, default=20000
        Rows after which the past is forgotten: values not met for so long are new again, the counts of the
        calibration are halved after twice as many.
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
        What a name that was not primed does: raise, or join with an empty memory.

    Attributes
    ----------
    names_ : tuple of str
        The metrics, in order.
    counts_ : dict of int
        Rows, rows with missing values, gaps in time, alerts raised and suppressed, changes of the parts in use,
        counter restarts.

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
        "episode": either(choice("auto"), integer(1, kernel.MAX_EPISODE)),
        "season": either(choice("auto"), nothing()),
        "time_zone": either(nothing(), instance_of(str)),
        "counters": instance_of(tuple, list),
        "new_metrics": choice("refuse", "adopt"),
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
    ) -> None:
        self.alerts = alerts
        self.horizon = horizon
        self.episode = episode
        self.season = season
        self.time_zone = time_zone
        self.counters = counters
        self.new_metrics = new_metrics

    @property
    def last_time_(self) -> int:
        """Time of the last row, in nanoseconds since the epoch (UTC)."""
        self._primed()
        return int(self._integers[kernel.I_LAST_TIME])

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
        self._set_names(tuple(str(name) for name in history.columns))
        times, values = read_rows(history, self.names_, "history")
        self._start(times, values)
        self._advance(times, values)
        self._integers[kernel.I_PRIMING] = 0
        return self

    def _set_names(self, names: tuple[str, ...]) -> None:
        if len(set(names)) < len(names):
            double = next(name for k, name in enumerate(names) if name in names[:k])
            raise InvalidSeriesError(f"metrics must have different names, got {double!r} twice.")
        self.names_ = names
        self._n_fields = kernel.OUT_METRICS + kernel.PER_METRIC * len(names)

    def _start(self, times: Integers, values: Floats) -> None:
        """Make the state arrays from the history: times (n_rows,), values (n_rows, n_metrics)."""
        self._zone = zone_offsets(self.time_zone)
        self._integers = np.zeros(kernel.N_INTEGERS, dtype=np.int64)
        steps, counts = np.unique(np.diff(times), return_counts=True)
        self._integers[kernel.I_STEP] = int(steps[np.argmax(counts)]) if steps.size else 60_000_000_000
        self._integers[kernel.I_PRIMING] = 1
        rows = round(_EPISODE_SHARE * len(times)) if self.episode == "auto" else int(self.episode)
        self._integers[kernel.I_EPISODE] = min(max(rows, 1), kernel.MAX_EPISODE)
        self._joint = np.zeros(kernel.JOINT_SIZE)
        self._metrics = np.zeros((len(self.names_), kernel.METRIC_SIZE))
        self._set_params()
        self._joint[kernel.J_TOKENS] = max(1.0, (self.alerts or AlertPolicy()).per_day or 1.0)
        unknown = [name for name in self.counters if name not in self.names_]
        if unknown:
            raise InvalidSeriesError(
                f"counters must be columns of history, got {unknown[0]!r}; columns: {self.names_}."
            )
        for name, row, column in zip(self.names_, self._metrics, values.T, strict=True):
            if name in self.counters:  # begins with the first increase, of which nothing is known yet
                row[kernel.M_COUNTER] = 1.0
            else:
                kernel.start_metric(row, column[np.isfinite(column)])

    def _set_params(self) -> None:
        policy = self.alerts or AlertPolicy()
        self._params = np.zeros(kernel.N_PARAMS)
        self._params[: kernel.P_HORIZON] = policy.as_array()
        self._params[kernel.P_HORIZON] = self.horizon
        self._params[kernel.P_SEASON] = 1.0 if self.season == "auto" else 0.0

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
        stamp = time.value if isinstance(time, pd.Timestamp) else read_moment(time)
        if stamp <= self._integers[kernel.I_LAST_TIME]:
            raise self._not_later(stamp)
        get = values.get
        row = [get(name, math.nan) for name in names]
        try:
            is_plain = len(values) == len(names) and math.isfinite(sum(row))
        except (TypeError, OverflowError, ValueError):
            is_plain = False
        if not is_plain:
            found = check_values(values)
            self._meet(found)
            row = [found.get(name, math.nan) for name in self.names_]
        out = np.empty((1, self._n_fields))
        kernel.advance(np.array((stamp,), dtype=np.int64), np.array((row,), dtype=np.float64), self._zone, self._params,
                       self._integers, self._joint, self._metrics, out)  # fmt: skip
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
        self._meet(dict.fromkeys(str(name) for name in frame.columns))
        times, values = read_rows(frame, self.names_, "frame")
        if len(times) and times[0] <= self._integers[kernel.I_LAST_TIME]:
            raise self._not_later(int(times[0]))
        out = self._advance(times, values)
        columns: dict[str, Any] = {}
        for k, field in enumerate(FIELDS):
            columns[field] = out[:, k] if k <= kernel.OUT_P_VALUE else out[:, k] != 0.0
        for k, name in enumerate(self.names_):
            for j, part in enumerate(COMPONENTS):
                columns[f"{name}.{part}"] = out[:, kernel.OUT_METRICS + k * kernel.PER_METRIC + j]
        return pd.DataFrame(columns, index=frame.index)

    def _advance(self, times: Integers, values: Floats) -> Floats:
        """Run the kernel over rows; returns (n_rows, n_fields)."""
        out = np.empty((len(times), self._n_fields))
        kernel.advance(times, values, self._zone, self._params, self._integers, self._joint, self._metrics, out)
        return out

    def diff(self) -> pd.DataFrame:
        """Return what changed in the parts that are used, the last 16 changes at most.

        Returns
        -------
        DataFrame
            Columns ``time`` (UTC), ``metric``, ``part`` (``"season"``: the season by the time of day; ``"metric"``: the
            metric itself, left out while it stays away), ``kept`` (True: in use from then on).
        """
        self._primed()
        count = int(self._integers[kernel.I_LOG_COUNT])
        entries = []
        for number in range(max(0, count - kernel.N_LOG), count):
            start = kernel.I_LOG + number % kernel.N_LOG * kernel.LOG_WIDTH
            time, metric, part, kept = (int(v) for v in self._integers[start : start + kernel.LOG_WIDTH])
            entries.append((pd.Timestamp(time), self.names_[metric], _PARTS[part], bool(kept)))
        return pd.DataFrame(entries, columns=["time", "metric", "part", "kept"])

    # ------------------------------------------------------------------------------------------- doors
    def _primed(self) -> tuple[str, ...]:
        try:
            return self.names_
        except AttributeError:
            raise InvalidSeriesError("the monitor must be primed first; call `prime(history)`.") from None

    def _meet(self, values: Mapping[str, object]) -> None:
        """Refuse unknown names, or adopt them."""
        unknown = [name for name in values if name not in self.names_]
        if not unknown:
            return
        if self.new_metrics == "refuse":
            raise InvalidRecordError(
                f"metrics must be among those primed, got {unknown[0]!r}; known: {list(self.names_)[:8]}. "
                "Prime with it, or pass new_metrics='adopt'.",
                "shape",
            )
        self._set_names((*self.names_, *unknown))
        self._metrics = np.vstack([self._metrics, np.zeros((len(unknown), kernel.METRIC_SIZE))])

    def _not_later(self, stamp: int) -> InvalidRecordError:
        last = int(self._integers[kernel.I_LAST_TIME])
        kind = "duplicate" if stamp == last else "late"
        return InvalidRecordError(
            f"time must be later than the last row's {pd.Timestamp(last)}, got {pd.Timestamp(stamp)}; "
            "skip the row, or sort before.",
            kind,
        )

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
        return cls._restore(*read_state(path))

    def to_bytes(self) -> bytes:
        """Return what `save` writes."""
        self._primed()
        policy = self.alerts
        meta = {
            "kind": "StreamMonitor",
            "layout": [kernel.METRIC_SIZE, kernel.JOINT_SIZE, kernel.N_INTEGERS],
            "names": list(self.names_),
            "parameters": {
                "alerts": None if policy is None else {name: getattr(policy, name) for name in policy._parameters},
                "horizon": int(self.horizon),
                "episode": self.episode if isinstance(self.episode, str) else int(self.episode),
                "season": self.season,
                "time_zone": self.time_zone,
                "counters": list(self.counters),
                "new_metrics": self.new_metrics,
            },
        }
        arrays = {"integers": self._integers, "joint": self._joint, "metrics": self._metrics, "zone": self._zone}
        return dump_state(meta, arrays)

    @classmethod
    def from_bytes(cls, stored: bytes) -> StreamMonitor:
        """Return the monitor that `to_bytes` described.

        Raises
        ------
        StoredStateError
            If the bytes are no state of a monitor, or damaged.
        """
        return cls._restore(*parse_state(stored))

    @classmethod
    def _restore(cls, meta: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> StreamMonitor:
        if meta.get("kind") != "StreamMonitor":
            raise StoredStateError(f"the state must be one of a StreamMonitor, got {meta.get('kind')!r}.")
        if meta["layout"] != [kernel.METRIC_SIZE, kernel.JOINT_SIZE, kernel.N_INTEGERS]:
            raise StoredStateError("the state comes from another version of tsprune; prime again.")
        kept = dict(meta["parameters"])
        policy = kept.pop("alerts")
        counters = tuple(kept.pop("counters"))
        monitor = cls(None if policy is None else AlertPolicy(**policy), counters=counters, **kept)
        monitor._set_names(tuple(meta["names"]))
        monitor._integers, monitor._joint = arrays["integers"], arrays["joint"]
        monitor._metrics, monitor._zone = arrays["metrics"], arrays["zone"]
        monitor._set_params()
        return monitor
