"""LiveView: what a run is doing, on a terminal."""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING, Any

from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from tsprune.streaming.monitor.reading import Reading
from tsprune.streaming.run.journal import Progress

if TYPE_CHECKING:
    from tsprune.streaming.run.runner import MonitorRun

__all__ = ["LiveView"]

_BARS = " .:-=+*#%@"
_LEVELS = 4.0  # a state score of -4, one row in ten thousand, fills the bar


class LiveView:
    """A panel that follows a run: scores of the last rows, counts, the last alerts.

    Parameters
    ----------
    run : MonitorRun
        Its readings are listened to.
    console : rich.console.Console, optional
        Standard error by default, so that standard output stays clean.
    interval : float, default=0.2
        Seconds between two pictures.
    """

    def __init__(self, run: MonitorRun, *, console: Console | None = None, interval: float = 0.2) -> None:
        self._live = Live(console=console or Console(stderr=True), auto_refresh=False)
        self._scores: deque[float] = deque(maxlen=72)
        self._alerts: deque[tuple[str, float, str]] = deque(maxlen=8)
        self._interval = interval
        self._shown = 0.0
        run.listeners.append(self.see)
        run.after_commit.append(self.draw)  # a stream that falls silent leaves no old picture

    def see(self, reading: Reading, progress: Progress) -> None:
        """Take a reading in; draw if the last picture is old."""
        self._scores.append(reading.score)
        if reading.alert:
            table = reading.explain()
            cause = f"{table.index[0]} {table.iloc[0].idxmax()}"  # the most abnormal metric comes first
            self._alerts.append((str(reading.time), reading.score, cause))
        if time.monotonic() - self._shown >= self._interval or reading.alert:
            self.draw(progress)

    def draw(self, progress: Progress) -> None:
        """Show the present picture."""
        self._shown = time.monotonic()
        self._live.update(self.picture(progress), refresh=True)

    def picture(self, progress: Progress) -> Panel:
        """Return the panel."""
        levels = [min(max(-score / _LEVELS, 0.0), 1.0) for score in self._scores]
        bars = Text("".join(_BARS[round(level * (len(_BARS) - 1))] for level in levels), style="cyan")
        last = self._scores[-1] if self._scores else 0.0
        refused = ", ".join(f"{count} {kind}" for kind, count in sorted(progress.bad.items())) or "none"
        counts = Text(
            f"{progress.readings} readings, {progress.missing} lines with missing values, refused: {refused}\n"
            f"state score now {last:.2f}"
        )
        alerts = Table("alert", "score", "because", expand=True)
        for when, score, cause in self._alerts:
            alerts.add_row(when, f"{score:.2f}", cause)
        return Panel(Group(bars, counts, alerts), title="tsprune monitor")

    def __enter__(self) -> LiveView:
        """Begin to draw."""
        self._live.start()
        return self

    def __exit__(self, *_: Any) -> None:
        """Stop."""
        self._live.stop()
