"""MonitorMemory: the arrays that are the whole memory of a monitor, and how they are started, grown and stored."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

import tsprune.streaming.monitor.kernels.layout as at
from detectors.parameters import Rules, check_parameters
from detectors.storage.archive import plain_parameter
from detectors.storage.state_file import dump_state
from tsprune.exceptions import InvalidSeriesError, StoredStateError
from tsprune.streaming.monitor.alert_policy import AlertPolicy
from tsprune.streaming.monitor.joint_forest import JointForest
from tsprune.streaming.monitor.kernels.advance import advance
from tsprune.streaming.monitor.kernels.declaration import moved
from tsprune.streaming.monitor.kernels.metric import start_metric
from tsprune.streaming.monitor.local_time import zone_offsets

__all__ = ["MonitorMemory"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
_EPISODE_SHARE = 0.3  # of the history: what `episode="auto"` takes for the length of an abnormal episode


class MonitorMemory:
    """What `StreamMonitor` remembers; the parameters are those of `StreamMonitor`."""

    _parameters: ClassVar[Rules] = {}

    alerts: AlertPolicy | None
    horizon: int
    episode: int | str
    season: str | None
    time_zone: str | None
    counters: tuple[str, ...]
    new_metrics: str
    coverage: float

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

    def _bind(self) -> None:
        """Gather what the kernel takes behind the rows; called whenever one of these is another array."""
        self._arguments = (
            self._zone, self._params, self._gates, self._integers, self._joint, self._metrics, *self._forest.arguments,
        )  # fmt: skip

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

    def to_bytes(self) -> bytes:
        """Return what `save` writes."""
        self._primed()
        meta: dict[str, Any] = {
            "kind": "StreamMonitor",
            "version": at.VERSION,
            "layout": at.STORED,
            "names": list(self.names_),
        }
        meta["parameters"] = self._plain_parameters()
        meta["normaliser"], arrays = self._forest.to_state()
        arrays |= {"integers": self._integers, "joint": self._joint, "metrics": self._metrics, "zone": self._zone}
        return dump_state(meta, arrays)

    def _plain_parameters(self) -> dict[str, Any]:
        """Return the parameters as plain values that JSON can hold."""
        plain = {name: plain_parameter(name, getattr(self, name)) for name in self._parameters if name != "alerts"}
        return plain | {"alerts": None if self.alerts is None else self.alerts.to_dict()}

    @classmethod
    def _restored(cls, meta: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> Self:
        if meta.get("kind") != "StreamMonitor":
            raise StoredStateError(f"the state must be one of a StreamMonitor, got {meta.get('kind')!r}.")
        if meta.get("version") != at.VERSION:
            raise StoredStateError("the state comes from another version of tsprune; prime again.")
        try:
            kept = dict(meta["parameters"])
            policy = kept.pop("alerts")
            counters = tuple(kept.pop("counters"))
            make: Any = cls
            monitor: Self = make(None if policy is None else AlertPolicy.from_dict(policy), counters=counters, **kept)
            monitor._set_names(tuple(meta["names"]))
            monitor._integers = moved(at.INTEGERS, meta["layout"], arrays)
            monitor._joint = moved(at.JOINT, meta["layout"], arrays)
            monitor._metrics = moved(at.METRIC, meta["layout"], arrays)
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
