"""`tsprune monitor`: follow a stream of records, score every point once, survive a crash."""

from __future__ import annotations

import json
import signal
import sys
from contextlib import ExitStack
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


class Direction(StrEnum):
    """Which way a deviation must go."""

    both = "both"
    up = "up"
    down = "down"


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
    per_day: Annotated[float, typer.Option(min=0.0, help="Budget of alerts a day; 0: no budget.")] = 4.0,
    false_alarm_rate: Annotated[float, typer.Option(min=1e-9, max=0.5, help="Share of ordinary points.")] = 1e-3,
    release: Annotated[float, typer.Option(min=1e-9, max=1.0, help="p-value above which an episode ends.")] = 0.05,
    min_duration: Annotated[int, typer.Option(min=1, help="Abnormal points in a row before an alert.")] = 1,
    direction: Annotated[Direction, typer.Option(help="Which way a metric must deviate to alert.")] = Direction.both,
    min_size: Annotated[float, typer.Option(min=0.0, help="Least deviation that alerts, in deviations.")] = 0.0,
    horizon: Annotated[int, typer.Option(min=100, help="Rows after which the past is forgotten.")] = 20_000,
    episode: Annotated[int | None, typer.Option(min=1, max=1024, help="Rows of an abnormal episode.")] = None,
    season: Annotated[bool, typer.Option(help="Whether seasons may be used where they predict better.")] = True,
    counter: Annotated[list[str] | None, typer.Option(help="A metric that only counts up; may be repeated.")] = None,
    time_zone: Annotated[
        str | None, typer.Option(help="Zone whose clock the seasons follow, e.g. Europe/Berlin.")
    ] = None,
    follow: Annotated[bool, typer.Option(help="Wait for more lines at the end of INPUT.")] = False,
    alerts_to: Annotated[
        list[str] | None, typer.Option(help="-, FILE.jsonl, FILE.sqlite or http(s)://...; may be given several times.")
    ] = None,
    metrics_port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Serve /metrics for Prometheus on this port.")
    ] = None,
    watch: Annotated[bool, typer.Option(help="Show a live view on standard error.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print a summary as the last line.")] = False,
) -> None:
    """Follow a stream of records, score every point once, lose nothing.

    The same command line goes on where STATE stands. Exit status: 0 fine (also after SIGTERM), 2 bad input.
    """
    from tsprune.exceptions import InvalidRecordError
    from tsprune.streaming.monitor.alert_policy import AlertPolicy
    from tsprune.streaming.monitor.monitor import StreamMonitor
    from tsprune.streaming.run.addresses import open_sink, open_source
    from tsprune.streaming.run.journal import Journal
    from tsprune.streaming.run.runner import MonitorRun
    from tsprune.streaming.run.sinks import Outbox

    if source != "-" and "://" not in source and not Path(source).is_file():
        raise InvalidRecordError(f"INPUT must be a file, - or an address, got {source!r}; check the path.", "shape")
    _check_apart({"INPUT": source, "--state": state, "--output": output})
    policy = AlertPolicy(per_day=per_day or None, false_alarm_rate=false_alarm_rate, release=release,
                         min_duration=min_duration, direction=direction.value, min_size=min_size)  # fmt: skip
    subject = StreamMonitor(policy, horizon=horizon, episode="auto" if episode is None else episode,
                            season="auto" if season else None, time_zone=time_zone, counters=tuple(counter or ()),
                            new_metrics=new_metrics.value)  # fmt: skip
    options: dict[str, Any] = {
        "prime": prime, "per_day": per_day, "false_alarm_rate": false_alarm_rate, "release": release,
        "min_duration": min_duration, "direction": direction.value, "min_size": min_size, "horizon": horizon,
        "episode": episode, "season": season, "counter": sorted(counter or ()), "time_zone": time_zone,
        "new_metrics": new_metrics.value,
    }  # fmt: skip
    with ExitStack() as stack:
        journal = stack.enter_context(Journal(state))
        lines = open_source(source, follow=follow)
        stack.callback(lines.close)
        run = MonitorRun(lines, journal, output, subject, prime=prime, skip=on_error is OnError.skip,
                         options=options)  # fmt: skip
        if alerts_to:
            marks = state.with_name(state.name + ".delivered")
            outbox = Outbox(journal, marks, [open_sink(where) for where in alerts_to])
            run.after_commit.append(outbox)
            stack.callback(_tell_undelivered, outbox)
        if metrics_port is not None:
            from tsprune.streaming.run.adapters.prometheus import MetricsPage

            page = MetricsPage(metrics_port)
            stack.callback(page.close)
            run.listeners.append(page)

        def stop(_number: int, _frame: FrameType | None) -> None:
            run.stopping = True

        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, stop)
        if watch:
            from tsprune.streaming.run.live_view import LiveView

            stack.enter_context(LiveView(run))
        progress = run.run()
    counts = progress.summary()
    bad = ", ".join(f"{count} {kind}" for kind, count in counts["bad"].items()) or "none"
    if as_json:
        print(json.dumps(counts))
    else:
        learning = "" if progress.accepted >= prime else f", still learning from the first {prime}"
        print(f"{counts['readings']} readings of {counts['accepted']} accepted lines{learning}; refused: {bad}",
              file=sys.stderr)  # fmt: skip
    if progress.lines and not progress.accepted:
        from tsprune.commands.cells import InputFileError

        raise InputFileError(
            f"{source!r} must hold records, JSON lines with a time and values or CSV with a header, got none in "
            f"{progress.lines} lines (refused: {bad}); --on-error stop tells what is wrong with the first one."
        )


def _check_apart(paths: dict[str, Any]) -> None:
    """Raise if two of the files are one: the run would overwrite what it reads."""
    from detectors.exceptions import InvalidParameterError

    seen: dict[Path, str] = {}
    for name, path in paths.items():
        if path == "-" or "://" in str(path):
            continue
        here = Path(path).resolve()
        if here in seen:
            raise InvalidParameterError(f"{seen[here]} and {name} must be different files, got {str(path)!r} for both.")
        seen[here] = name


def _tell_undelivered(outbox: Any) -> None:
    """Say which sinks did not take their alerts; these wait in the state for the next run."""
    for name, failure in sorted(outbox.failures.items()):
        print(f"tsprune: alerts for {name} wait in the state: {failure}", file=sys.stderr)
    for sink in outbox.sinks:
        for line, status in getattr(sink, "refused", ()):
            print(f"tsprune: {sink.name} refused the alert of line {line} with status {status}", file=sys.stderr)
