"""Prometheus: range queries as a source, and a `/metrics` page of the monitor's own readings as a sink."""

from __future__ import annotations

import json
import logging
import re
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime

from tsprune.exceptions import InvalidSeriesError
from tsprune.streaming.monitor.reading import Reading
from tsprune.streaming.run.journal import Progress
from tsprune.streaming.run.lines import Line
from tsprune.streaming.run.records import parse_time
from tsprune.streaming.run.sources import check_same, record_text

__all__ = ["MetricsPage", "PrometheusRange"]

logger = logging.getLogger("tsprune.monitor")

_AGO, _SECONDS = re.compile(r"-(\d+(?:\.\d+)?)([smhdw])"), {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_MOST_STEPS = 5000  # Prometheus answers at most 11 000 points a series


class PrometheusRange:
    """The samples of a query, one record a step of the grid; a metric is a series of the answer.

    The cursor is the time of the last step committed. A step is asked for only once it is `delay` seconds old, so that
    late scrapes are in; a series without a sample at a step is missing there.

    Parameters
    ----------
    url : str
        Of the server, such as ``http://127.0.0.1:9090``.
    query : str or sequence of str
        PromQL; the series of all queries are metrics of the same rows.
    step : float, default=15
        Seconds between two records.
    start : str, optional
        Time of the first record: ISO 8601, or how long ago, such as ``-7d`` (s, m, h, d, w); default: now.
    delay : float, default=5
        Seconds that a step must be old.
    follow : bool, default=False
        Whether to go on asking; otherwise the source ends at the present.
    timeout : float, default=30
        Longest wait for an answer, in seconds.

    References
    ----------
    .. [1] Prometheus documentation, "HTTP API", section "Range queries".
    """

    def __init__(
        self,
        url: str,
        *,
        query: str | Sequence[str],
        step: float = 15.0,
        start: str | None = None,
        delay: float = 5.0,
        follow: bool = False,
        timeout: float = 30.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.url, self.step, self.start = url.rstrip("/"), float(step), start
        self.queries = [query] if isinstance(query, str) else list(query)
        self._has_answered = False
        self.delay, self.follow, self.timeout, self.clock = float(delay), follow, float(timeout), clock

    def check(self, progress: Progress) -> None:
        """Raise `StoredStateError` for another stream; the server answers for any time it keeps."""
        check_same(self, progress)

    def fingerprint(self, offset: int) -> str:  # noqa: ARG002 - the protocol's
        """Return the query and its step."""
        return f"{' and '.join(self.queries)} every {self.step:g} s"

    def lines(self, progress: Progress) -> Iterator[Line | None]:
        """Yield one record a step, from the cursor on."""
        if progress.cursor:
            following = float(progress.cursor) + self.step
        elif self.start is not None:
            following = self._begin(self.start)
        else:
            following = self.clock() - self.delay
        while True:
            steps = int((self.clock() - self.delay - following) // self.step) + 1
            if steps <= 0:
                if not self.follow:
                    return
                yield None
                time.sleep(min(1.0, self.step))
                continue
            steps = min(steps, _MOST_STEPS)
            end = following + (steps - 1) * self.step
            samples: dict[float, dict[str, str]] = {}
            for query in self.queries:
                for moment, values in self._ask(query, following, end).items():
                    samples.setdefault(moment, {}).update(values)
            if samples or self._has_answered or progress.lines or self.start is None:
                pass
            elif self.follow:
                logger.warning("no series yet for %s", self.queries)
            else:
                raise InvalidSeriesError(
                    f"the queries {self.queries} must have series between the start and now, Prometheus has none; "
                    "check the name of the metric, its labels, and start=."
                )
            for moment, values in sorted(samples.items()):
                self._has_answered = True
                stamp = datetime.fromtimestamp(moment, UTC).isoformat()
                yield Line(record_text(stamp, values), 0, repr(moment))
            following = end + self.step

    def acknowledge(self, progress: Progress) -> None:
        """Nobody to tell."""

    def close(self) -> None:
        """Nothing to let go of."""

    def _begin(self, start: str) -> float:
        """Return the time of the first record in seconds since the epoch."""
        ago = _AGO.fullmatch(start)
        return self.clock() - float(ago[1]) * _SECONDS[ago[2]] if ago else parse_time(start) / 1e9

    def _ask(self, query: str, start: float, end: float) -> dict[float, dict[str, str]]:
        """Return the samples of a range: time -> series -> value as text."""
        asked = urllib.parse.urlencode({"query": query, "start": start, "end": end, "step": self.step})
        try:
            with urllib.request.urlopen(f"{self.url}/api/v1/query_range?{asked}", timeout=self.timeout) as answer:
                found = json.load(answer)
        except urllib.error.HTTPError as error:
            raise InvalidSeriesError(
                f"the query {query!r} must be one that Prometheus answers, got {error.read()[:200]!r}."
            ) from None
        samples: dict[float, dict[str, str]] = {}
        for series in found["data"]["result"]:
            name = _name(series["metric"])
            for moment, value in series["values"]:
                samples.setdefault(float(moment), {})[name] = value
        return samples


def _name(labels: dict[str, str]) -> str:
    """Return a series as PromQL writes it."""
    inside = ",".join(f'{label}="{value}"' for label, value in sorted(labels.items()) if label != "__name__")
    return f"{labels.get('__name__', '')}{{{inside}}}" if inside else labels.get("__name__", "value")


class MetricsPage:
    """A `/metrics` page with the state of a run, for Prometheus to scrape; a listener of the run.

    Gauges ``tsprune_score`` and ``tsprune_onset`` (log10 of p-values: lower = more abnormal), ``tsprune_anomaly``
    (0 or 1), ``tsprune_incident`` and ``tsprune_last_record_seconds``; ``tsprune_metric`` with labels ``metric`` and
    ``part`` (``value, expected, lower, upper``); counters ``tsprune_readings_total`` and ``tsprune_alerts_total``.

    Parameters
    ----------
    port : int, default=0
        0 picks a free one; `port` tells which.
    host : str, default="127.0.0.1"
    """

    def __init__(self, port: int = 0, *, host: str = "127.0.0.1") -> None:
        from prometheus_client import CollectorRegistry, Counter, Gauge, start_http_server

        registry = CollectorRegistry()
        self._score = Gauge("tsprune_score", "Abnormality of the state, log10 p", registry=registry)
        self._onset = Gauge("tsprune_onset", "Abnormality of the change, log10 p", registry=registry)
        self._anomaly = Gauge("tsprune_anomaly", "Whether the last record is abnormal", registry=registry)
        self._moment = Gauge("tsprune_last_record_seconds", "Time of the last record", registry=registry)
        self._readings = Counter("tsprune_readings", "Records scored", registry=registry)
        self._alerts = Counter("tsprune_alerts", "Alerts raised", registry=registry)
        self._metric = Gauge(
            "tsprune_metric", "Value, expected value and bounds of a metric", ["metric", "part"], registry=registry
        )
        self._incident = Gauge("tsprune_incident", "Number of the open incident, 0 if none is", registry=registry)
        self._server, self._thread = start_http_server(port, addr=host, registry=registry)
        self.port = int(self._server.server_port)

    def __call__(self, reading: Reading, progress: Progress) -> None:  # noqa: ARG002 - the run's listeners get both
        """Show a reading."""
        self._score.set(reading.score)
        self._onset.set(reading.onset)
        self._anomaly.set(float(reading.is_anomaly))
        self._moment.set(reading.time.timestamp())
        self._readings.inc()
        self._incident.set(reading.incident)
        for name, value in reading.values.items():
            self._metric.labels(name, "value").set(value)
        for key, value in reading.ranges.items():
            name, _, part = key.rpartition(".")
            self._metric.labels(name, part).set(value)
        if reading.alert:
            self._alerts.inc()

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
