"""StreamMonitor: every point scored once, on arrival, with what was known before it.

Law: feeding rows one by one, in blocks, or all at once gives bit-identical readings, and saving and loading in
between changes nothing, because there is one compiled path and all memory is in the arrays that are saved.
Sign: `score` and `onset` are log10 of p-values: lower = more abnormal.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

import tsprune.streaming.monitor.kernels.layout as at
from detectors.parameters import Rules, check_parameters, check_value, choice, either, instance_of, integer, nothing, real
from detectors.storage.state_file import dump_state, parse_state, read_state, write_state
from tsprune.exceptions import InvalidSeriesError, StoredStateError
from tsprune.streaming.monitor.alert_policy import AlertPolicy
from tsprune.streaming.monitor.changes import read_changes
from tsprune.streaming.monitor.joint_forest import JointForest
from tsprune.streaming.monitor.kernels.advance import advance
from tsprune.streaming.monitor.kernels.declaration import Block
from tsprune.streaming.monitor.kernels.metric import start_metric
from tsprune.streaming.monitor.local_time import zone_offsets
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
_EPISODE_SHARE = 0.3  # of the history: what `episode="auto"` takes for the length of an abnormal episode
_COUNTS = {
    "rows": at.I_ROWS, "missing": at.I_MISSING, "gaps": at.I_GAPS, "alerts": at.I_ALERTS,
    "suppressed": at.I_SUPPRESSED, "repruned": at.I_REPRUNED, "counter_resets": at.I_RESETS, "forests": at.I_GROWN,
}  # fmt: skip


class StreamMonitor:
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

    def _set_names(self, names: tuple[str, ...]) -> None:
        self.names_ = names
        self._n_fields = at.OUT_METRICS + at.PER_METRIC * len(names)

    def _start(self, times: Integers, values: Floats) -> None:
        """Make the state arrays from the history: times (n_rows,), values (n_rows, n_metrics)."""
        self._zone = zone_offsets(self.time_zone)
        self._integers = np.zeros(at.N_INTEGERS, dtype=np.int64)
        steps, counts = np.unique(np.diff(times), return_counts=True)
        self._integers[at.I_STEP] = int(steps[np.argmax(counts)]) if steps.size else 60_000_000_000
        self._integers[at.I_PRIMING] = 1
        rows = round(_EPISODE_SHARE * len(times)) if self.episode == "auto" else int(self.episode)
        self._integers[at.I_EPISODE] = min(max(rows, 1), at.MAX_EPISODE)
        self._joint = np.zeros(at.JOINT_SIZE)
        self._metrics = np.zeros((len(self.names_), at.METRIC_SIZE))
        self._set_params()
        self._gates = (self.alerts or AlertPolicy()).gates(self.names_)
        self._forest, self._integers[at.I_STRIDE] = JointForest(len(self.names_)), 1
        self._bind()
        self._joint[at.J_TOKENS] = max(1.0, (self.alerts or AlertPolicy()).per_day or 1.0)
        unknown = [name for name in self.counters if name not in self.names_]
        if unknown:
            raise InvalidSeriesError(
                f"counters must be columns of history, got {unknown[0]!r}; columns: {self.names_}."
            )
        for name, row, column in zip(self.names_, self._metrics, values.T, strict=True):
            if name in self.counters:  # begins with the first increase, of which nothing is known yet
                row[at.M_COUNTER] = 1.0
            else:
                start_metric(row, column[np.isfinite(column)])

    def _set_params(self) -> None:
        policy = self.alerts or AlertPolicy()
        self._params = np.zeros(at.N_PARAMS)
        self._params[: at.P_HORIZON] = policy.as_array()
        self._params[at.P_HORIZON] = self.horizon
        self._params[at.P_SEASON] = 1.0 if self.season == "auto" else 0.0
        self._params[at.P_COVERAGE] = self.coverage

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

    def _advance(self, times: Integers, values: Floats) -> Floats:
        """Run the kernel over rows; returns (n_rows, n_fields)."""
        out = np.empty((len(times), self._n_fields))
        done = 0
        while done < len(times):
            done += advance(times[done:], values[done:], out[done:], *self._arguments)
            if self._integers[at.I_SAMPLED] == at.SAMPLE_ROWS:
                self._grow()
        return out

    def _grow(self) -> None:
        """Grow the forest on the joint remainders anew."""
        self._forest.grow(self._integers, self._params[at.P_HORIZON])
        self._bind()

    def _bind(self) -> None:
        """Gather what the kernel takes behind the rows; called whenever one of these is another array."""
        self._arguments = (
            self._zone, self._params, self._gates, self._integers, self._joint, self._metrics, *self._forest.arguments,
        )  # fmt: skip

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

    # ------------------------------------------------------------------------------------------- doors
    def _primed(self) -> tuple[str, ...]:
        try:
            return self.names_
        except AttributeError:
            raise InvalidSeriesError("the monitor must be primed first; call `prime(history)`.") from None

    def _adopt(self, names: Sequence[str]) -> None:
        """Take in metrics with an empty memory; how they go with the others has to be learnt from the beginning."""
        if not names:
            return
        self._set_names((*self.names_, *names))
        self._metrics = np.vstack([self._metrics, np.zeros((len(names), at.METRIC_SIZE))])
        self._gates = (self.alerts or AlertPolicy()).gates(self.names_)
        self._forest = JointForest(len(self.names_))
        self._integers[at.I_STRIDE], self._integers[at.I_SAMPLED] = 1, 0
        self._bind()

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
        meta: dict[str, Any] = {
            "kind": "StreamMonitor",
            "version": at.VERSION,
            "layout": at.STORED,
            "names": list(self.names_),
            "parameters": {
                "alerts": None if policy is None else policy.to_dict(),
                "horizon": int(self.horizon),
                "episode": self.episode if isinstance(self.episode, str) else int(self.episode),
                "season": self.season,
                "time_zone": self.time_zone,
                "counters": list(self.counters),
                "new_metrics": self.new_metrics,
                "coverage": float(self.coverage),
            },
        }
        meta["normaliser"], arrays = self._forest.to_state()
        arrays |= {"integers": self._integers, "joint": self._joint, "metrics": self._metrics, "zone": self._zone}
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
        if meta.get("version") != at.VERSION:
            raise StoredStateError("the state comes from another version of tsprune; prime again.")
        try:
            kept = dict(meta["parameters"])
            policy = kept.pop("alerts")
            counters = tuple(kept.pop("counters"))
            monitor = cls(None if policy is None else AlertPolicy.from_dict(policy), counters=counters, **kept)
            monitor._set_names(tuple(meta["names"]))
            monitor._integers = _moved(at.INTEGERS, meta["layout"], arrays)
            monitor._joint = _moved(at.JOINT, meta["layout"], arrays)
            monitor._metrics = _moved(at.METRIC, meta["layout"], arrays)
            monitor._zone = arrays["zone"]
            monitor._forest = JointForest.from_state(meta["normaliser"], arrays)
            monitor._gates = (monitor.alerts or AlertPolicy()).gates(monitor.names_)
            check_parameters(monitor, cls._parameters)
            if monitor._metrics.ndim != 2 or len(monitor._metrics) != len(monitor.names_):
                raise ValueError(f"{len(monitor.names_)} names and metrics of shape {monitor._metrics.shape}")
        except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
            raise StoredStateError(f"the state comes from another version of tsprune: {error}; prime again.") from None
        monitor._set_params()
        monitor._bind()
        return monitor


def _moved(block: Block, layouts: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> NDArray[Any]:
    """Return a stored array in this version's layout: parts that were not there begin with zeros."""
    stored, described = arrays[block.name], layouts[block.name]
    if described == block.describe():
        if stored.shape[-1] != block.size:
            raise ValueError(f"{block.name} has {stored.shape[-1]} numbers instead of {block.size}")
        return stored
    moves = block.moves(described)
    if moves is None or stored.shape[-1] != sum(size for _, size in described):
        raise ValueError(f"parts of {block.name} have other sizes")
    found = np.zeros((*stored.shape[:-1], block.size), dtype=stored.dtype)
    for there, here, size in moves:
        found[..., here : here + size] = stored[..., there : there + size]
    return found
