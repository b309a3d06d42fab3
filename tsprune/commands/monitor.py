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
    """How to handle an invalid record."""

    stop = "stop"
    skip = "skip"


class Direction(StrEnum):
    """Which way a deviation must go."""

    both = "both"
    up = "up"
    down = "down"


class Log(StrEnum):
    """Form of the log lines."""

    text = "text"
    json = "json"
    off = "off"


class NewMetrics(StrEnum):
    """How to handle an unknown metric."""

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
    history: Annotated[
        Path | None, typer.Option(help="JSON lines or CSV of the past to learn from, instead of the first lines.")
    ] = None,
    on_error: Annotated[OnError, typer.Option(help="How to handle an invalid record.")] = OnError.stop,
    lateness: Annotated[
        float | None,
        typer.Option(min=0.0, help="Seconds by which records may be late; records of one time are one row."),
    ] = None,
    max_jump: Annotated[
        float | None,
        typer.Option(min=0.0, help="Longest step in seconds that is taken at once; a longer one is confirmed first."),
    ] = None,
    new_metrics: Annotated[NewMetrics, typer.Option(help="How to handle an unknown metric.")] = NewMetrics.refuse,
    per_day: Annotated[float, typer.Option(min=0.0, help="Budget of alerts a day; 0: no budget.")] = 4.0,
    false_alarm_rate: Annotated[
        float, typer.Option(min=1e-9, max=0.5, help="Target false-alarm rate: fraction of normal points flagged.")
    ] = 1e-3,
    release: Annotated[float, typer.Option(min=1e-9, max=1.0, help="p-value above which an incident ends.")] = 0.05,
    min_duration: Annotated[int, typer.Option(min=1, help="Abnormal points in a row before an alert.")] = 1,
    direction: Annotated[Direction, typer.Option(help="Which way a metric must deviate to alert.")] = Direction.both,
    min_size: Annotated[float, typer.Option(min=0.0, help="Least deviation that alerts, in deviations.")] = 0.0,
    lower: Annotated[list[str] | None, typer.Option(help="NAME=X: alert below X; may be repeated.")] = None,
    upper: Annotated[list[str] | None, typer.Option(help="NAME=X: alert above X; may be repeated.")] = None,
    max_step: Annotated[list[str] | None, typer.Option(help="NAME=X: alert where a value moves by more.")] = None,
    min_abs: Annotated[list[str] | None, typer.Option(help="NAME=X: no alert for a smaller deviation.")] = None,
    min_rel: Annotated[list[str] | None, typer.Option(help="NAME=X: the same, as a fraction of what is usual.")] = None,
    horizon: Annotated[int, typer.Option(min=100, help="Memory length in rows.")] = 20_000,
    episode: Annotated[int | None, typer.Option(min=1, max=1024, help="Rows of an abnormal episode.")] = None,
    season: Annotated[bool, typer.Option(help="Whether seasons may be used where they predict better.")] = True,
    counter: Annotated[list[str] | None, typer.Option(help="A metric that only counts up; may be repeated.")] = None,
    time_zone: Annotated[
        str | None, typer.Option(help="Zone whose clock the seasons follow, e.g. Europe/Berlin.")
    ] = None,
    coverage: Annotated[
        float, typer.Option(min=0.5, max=0.999, help="Fraction of ordinary values between lower and upper.")
    ] = 0.95,
    follow: Annotated[bool, typer.Option(help="Wait for more lines at the end of INPUT.")] = False,
    alerts_to: Annotated[
        list[str] | None, typer.Option(help="-, FILE.jsonl, FILE.sqlite or http(s)://...; may be given several times.")
    ] = None,
    max_age: Annotated[
        float | None, typer.Option(min=0.0, help="Do not deliver alerts of records older than so many seconds.")
    ] = None,
    metrics_port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Serve /metrics for Prometheus on this port.")
    ] = None,
    watch: Annotated[bool, typer.Option(help="Show a live view on standard error.")] = False,
    log: Annotated[
        Log | None, typer.Option(help="Log lines on standard error; default: text with --follow, else off.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print a summary as the last line.")] = False,
) -> None:
    """Follow a stream of records, score every point once, lose nothing.

    The same command line goes on where STATE stands; the policy of alerts may change in between. Exit status: 0 fine
    (also after SIGTERM), 2 bad input.
    """
    from tsprune.exceptions import InvalidRecordError
    from tsprune.streaming.monitor.alert_policy import AlertPolicy
    from tsprune.streaming.monitor.monitor import StreamMonitor
    from tsprune.streaming.run.addresses import open_sink, open_source
    from tsprune.streaming.run.journal import Journal
    from tsprune.streaming.run.logs import logging_to_standard_error
    from tsprune.streaming.run.outbox import Outbox
    from tsprune.streaming.run.runner import MonitorRun

    if source != "-" and "://" not in source and not Path(source).is_file():
        raise InvalidRecordError(f"INPUT must be a file, - or an address, got {source!r}; check the path.", "shape")
    _check_apart({"INPUT": source, "--state": state, "--output": output})
    metrics = _metric_policies(
        {"lower": lower, "upper": upper, "max_step": max_step, "min_abs": min_abs, "min_rel": min_rel}
    )
    policy = AlertPolicy(per_day=per_day or None, false_alarm_rate=false_alarm_rate, release=release,
                         min_duration=min_duration, direction=direction.value, min_size=min_size,
                         metrics=metrics)  # fmt: skip
    subject = StreamMonitor(policy, horizon=horizon, episode="auto" if episode is None else episode,
                            season="auto" if season else None, time_zone=time_zone, counters=tuple(counter or ()),
                            new_metrics=new_metrics.value, coverage=coverage)  # fmt: skip
    options: dict[str, Any] = {
        "prime": prime, "horizon": horizon, "episode": episode, "season": season, "counter": sorted(counter or ()),
        "time_zone": time_zone, "new_metrics": new_metrics.value, "coverage": coverage, "lateness": lateness,
        "history": None if history is None else str(history),
    }  # fmt: skip
    form = ("text" if follow and not watch else "off") if log is None else log.value
    with ExitStack() as stack:
        stack.enter_context(logging_to_standard_error(form))
        journal = stack.enter_context(Journal(state))
        lines = open_source(source, follow=follow)
        stack.callback(lines.close)
        run = MonitorRun(lines, journal, output, subject, prime=prime, skip=on_error is OnError.skip,
                         options=options, lateness=lateness, max_jump=max_jump,
                         history=None if history is None else open_source(str(history)))  # fmt: skip
        if alerts_to:
            outbox = Outbox(journal, [open_sink(where) for where in alerts_to], max_age=max_age)
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
        rows = counts["readings"]
        learning = "" if rows or progress.accepted >= prime else f", still learning from the first {prime}"
        held = f" ({counts['held_back']} milder ones held back by the budget)" if counts["held_back"] else ""
        print(f"{rows} readings of {counts['accepted']} accepted lines{learning}; {counts['alerts']} alerts{held}; "
              f"refused: {bad}", file=sys.stderr)  # fmt: skip
    if progress.lines and not progress.accepted:
        from tsprune.commands.cells import InputFileError

        raise InputFileError(
            f"{source!r} must hold records, JSON lines with a time and values or CSV with a header, got none in "
            f"{progress.lines} lines (refused: {bad}); --on-error stop tells what is wrong with the first one."
        )


def _metric_policies(given: dict[str, list[str] | None]) -> dict[str, Any]:
    """Return the policies of single metrics from options like ``cpu=90``."""
    from tsprune.exceptions import InvalidParameterError
    from tsprune.streaming.monitor.alert_policy import MetricPolicy

    found: dict[str, dict[str, Any]] = {}
    for option, texts in given.items():
        for text in texts or ():
            name, _, number = text.rpartition("=")
            try:
                found.setdefault(name, {})[option] = float(number)
            except ValueError:
                name = ""
            if not name:
                raise InvalidParameterError(
                    f"--{option.replace('_', '-')} must be NAME=NUMBER, got {text!r}; write for example cpu=90."
                )
    return {name: MetricPolicy(**limits) for name, limits in found.items()}


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
    """Say which alerts have not arrived; these wait in the state for the next run."""
    outbox.close()
    for name, failure in sorted(outbox.failures.items()):
        print(f"tsprune: alerts for {name} wait in the state: {failure}", file=sys.stderr)
    for _, line, why in outbox.refused():
        print(f"tsprune: the alert of line {line} waits in the state: {why}", file=sys.stderr)
    if outbox.too_old:
        print(f"tsprune: {outbox.too_old} alerts were older than --max-age and were not delivered", file=sys.stderr)
