"""`tsprune monitor`: follow a stream of records, score every point once, survive a crash."""

from __future__ import annotations

import json
import signal
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from types import FrameType

__all__ = ["monitor"]


class OnError(StrEnum):
    """What a refused line does."""

    stop = "stop"
    skip = "skip"


class NewMetrics(StrEnum):
    """What an unknown name does."""

    refuse = "refuse"
    adopt = "adopt"


def monitor(
    source: Annotated[
        str,
        typer.Argument(
            metavar="INPUT",
            help='JSON lines, {"time": ..., "values": {...}}, or CSV; - for standard input; or redis://, mqtt://, '
            "kafka://, prometheus:// and HOST:PORT/...",
        ),
    ],
    state: Annotated[Path, typer.Option(help="SQLite file that remembers everything; made if absent.")],
    output: Annotated[Path, typer.Option(help="Readings, one JSON line per accepted line.")],
    prime: Annotated[int, typer.Option(min=1, help="Accepted lines to learn from before the first reading.")] = 500,
    on_error: Annotated[OnError, typer.Option(help="What a refused line does.")] = OnError.stop,
    new_metrics: Annotated[NewMetrics, typer.Option(help="What an unknown name does.")] = NewMetrics.refuse,
    per_day: Annotated[float, typer.Option(min=0.001, help="Budget of alerts a day.")] = 4.0,
    false_alarm_rate: Annotated[float, typer.Option(min=1e-9, max=0.5, help="Share of ordinary points.")] = 1e-3,
    time_zone: Annotated[
        str | None, typer.Option(help="Zone whose clock the seasons follow, e.g. Europe/Berlin.")
    ] = None,
    follow: Annotated[bool, typer.Option(help="Wait for more lines at the end of INPUT.")] = False,
    alerts_to: Annotated[
        list[str] | None, typer.Option(help="-, FILE.jsonl, FILE.sqlite or http(s)://...; may be given several times.")
    ] = None,
    metrics_port: Annotated[int | None, typer.Option(min=0, help="Serve /metrics for Prometheus on this port.")] = None,
    watch: Annotated[bool, typer.Option(help="Show a live view on standard error.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print a summary as the last line.")] = False,
) -> None:
    """Follow a stream of records, score every point once, lose nothing.

    The same command line goes on where STATE stands. Exit status: 0 fine (also after SIGTERM), 2 bad input.
    """
    from tsprune.exceptions import InvalidRecordError
    from tsprune.streaming.addresses import open_sink, open_source
    from tsprune.streaming.alerts import AlertPolicy
    from tsprune.streaming.journal import Journal
    from tsprune.streaming.monitor import StreamMonitor
    from tsprune.streaming.runner import MonitorRun
    from tsprune.streaming.sinks import Outbox

    if source != "-" and "://" not in source and not Path(source).is_file():
        raise InvalidRecordError(f"INPUT must be a file, - or an address, got {source!r}; check the path.", "shape")
    policy = AlertPolicy(per_day=per_day, false_alarm_rate=false_alarm_rate)
    subject = StreamMonitor(policy, time_zone=time_zone, new_metrics=new_metrics.value)
    options: dict[str, Any] = {
        "prime": prime, "per_day": per_day, "false_alarm_rate": false_alarm_rate, "time_zone": time_zone,
        "new_metrics": new_metrics.value,
    }  # fmt: skip
    with Journal(state) as journal:
        run = MonitorRun(open_source(source, follow=follow), journal, output, subject, prime=prime,
                         skip=on_error is OnError.skip, options=options)  # fmt: skip

        if alerts_to:
            marks = state.with_name(state.name + ".delivered")
            run.after_commit.append(Outbox(journal, marks, [open_sink(where) for where in alerts_to]))
        if metrics_port is not None:
            from tsprune.streaming.adapters.prometheus import MetricsPage

            run.listeners.append(MetricsPage(metrics_port))

        def stop(_number: int, _frame: FrameType | None) -> None:
            run.stopping = True

        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, stop)
        if watch:
            from tsprune.streaming.view import LiveView

            with LiveView(run):
                progress = run.run()
        else:
            progress = run.run()
    if as_json:
        print(json.dumps(progress.summary()))
    else:
        counts = progress.summary()
        bad = ", ".join(f"{count} {kind}" for kind, count in counts["bad"].items()) or "none"
        print(f"{counts['readings']} readings of {counts['accepted']} accepted lines; refused: {bad}", file=sys.stderr)
