"""Streams as they come: one metric a message, late records, leaps in time, other dialects, silence, a new policy."""

from __future__ import annotations

import itertools
import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tsprune.exceptions import InvalidRecordError
from tsprune.streaming.monitor.alert_policy import AlertPolicy, MetricPolicy
from tsprune.streaming.monitor.monitor import StreamMonitor
from tsprune.streaming.run.journal import Journal, Progress
from tsprune.streaming.run.lines import FileLines, Line
from tsprune.streaming.run.records import Dialect, RefusedLineError, parse_line
from tsprune.streaming.run.row_order import Leap
from tsprune.streaming.run.runner import MonitorRun

PRIME = 60
N_ROWS = 200
STAMPS = pd.date_range("2024-01-01", periods=N_ROWS, freq="min", tz="UTC")
VALUES = np.round(20 + np.random.default_rng(0).normal(size=(N_ROWS, 2)), 3)


def rows() -> list[dict[str, Any]]:
    return [
        {"time": stamp.isoformat(), "values": {"cpu": a, "disk": b}}
        for stamp, (a, b) in zip(STAMPS, VALUES.tolist(), strict=True)
    ]


def run(folder: Path, records: list[Any], *, monitor: StreamMonitor | None = None, **options: Any) -> Progress:
    """One run over records, each a line; the output is in `folder`."""
    folder.mkdir(exist_ok=True)
    source = folder / "in"
    source.write_text("".join(json.dumps(record) + "\n" for record in records))
    with Journal(folder / "state") as journal:
        subject = MonitorRun(
            FileLines(source), journal, folder / "out", monitor or StreamMonitor(), prime=PRIME, **options
        )
        return subject.run()


def readings(folder: Path) -> list[dict[str, Any]]:
    found = [json.loads(line) for line in (folder / "out").read_text().splitlines()]
    for reading in found:
        reading.pop("line")
    return found


def split(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One metric a message."""
    return [
        {"time": record["time"], "values": {name: value}}
        for record in records
        for name, value in record["values"].items()
    ]


def test_one_metric_a_message_is_the_same_stream(tmp_path: Path) -> None:
    """The second message was refused as a duplicate, and its metric never monitored."""
    run(tmp_path / "whole", rows())
    progress = run(tmp_path / "split", split(rows()))
    assert (progress.lines, progress.accepted, progress.readings, progress.bad) == (400, 400, 140, {})
    assert progress.grouped
    assert readings(tmp_path / "split") == readings(tmp_path / "whole")


def test_one_metric_a_message_goes_on_after_a_stop_in_the_middle_of_a_row(tmp_path: Path) -> None:
    messages = split(rows())
    run(tmp_path / "whole", rows())
    folder = tmp_path / "cut"
    folder.mkdir()
    (folder / "in").write_text("".join(json.dumps(message) + "\n" for message in messages))

    class Stopping(FileLines):
        def lines(self, progress: Progress) -> Any:
            for number, line in enumerate(super().lines(progress)):
                if number == ends[-1]:
                    subject.stopping = True
                yield line

    ends = [10_000, 151, 98, 31]
    while ends:
        with Journal(folder / "state") as journal:
            subject = MonitorRun(Stopping(folder / "in"), journal, folder / "out", StreamMonitor(), prime=PRIME)
            subject.run()
        ends.pop()
    assert readings(folder) == readings(tmp_path / "whole")


def test_late_records_are_taken_within_the_lateness(tmp_path: Path) -> None:
    shuffled = rows()
    for k in range(0, N_ROWS - 2, 3):
        shuffled[k], shuffled[k + 2] = shuffled[k + 2], shuffled[k]
    run(tmp_path / "whole", rows())
    progress = run(tmp_path / "late", shuffled, lateness=180.0)
    assert progress.bad == {}
    assert readings(tmp_path / "late") == readings(tmp_path / "whole")
    progress = run(tmp_path / "strict", shuffled, skip=True)
    assert progress.bad["late"] > 50


@pytest.mark.parametrize("when", ["2024-01-04T00:00:00Z", "2099-01-01T00:00:00Z"])
def test_one_stamp_from_the_future_is_held_back_and_counted(tmp_path: Path, when: str) -> None:
    """It made the monitor refuse every record that followed."""
    records = rows()
    records[100] = {**records[100], "time": when}
    progress = run(tmp_path / "skip", records, skip=True)
    assert progress.bad == {"future": 1}
    assert (progress.lines, progress.readings) == (N_ROWS, N_ROWS - 1 - PRIME)
    run(tmp_path / "without", records[:100] + records[101:])
    assert readings(tmp_path / "skip") == readings(tmp_path / "without")
    with pytest.raises(RefusedLineError, match=r"line 101: .*leap.*--max-jump") as caught:
        run(tmp_path / "stop", records)
    assert caught.value.kind == "future"
    assert run(tmp_path / "any", records, skip=True, max_jump=1e12).bad == {"late": 99}


def test_a_leap_that_is_confirmed_is_taken(tmp_path: Path) -> None:
    records = rows()
    for record, stamp in zip(records[100:], STAMPS[100:] + pd.Timedelta("30D"), strict=True):
        record["time"] = stamp.isoformat()
    progress = run(tmp_path / "gap", [*records[:101], "no record", *records[101:]], skip=True)
    assert (progress.readings, progress.bad) == (N_ROWS - PRIME, {"shape": 1})
    after = readings(tmp_path / "gap")[40]
    assert after["reasons"][""] == ["silent"]
    assert "the stream was silent before" in after["text"]


def test_the_pace_is_that_of_the_stream() -> None:
    leap = Leap()
    for _ in range(20):
        assert not leap.is_one(1e9)
        leap.follow(60.0)
        if leap.count >= 10:
            break
    assert leap.is_one(60.0 * 600)
    assert not leap.is_one(60.0 * 400)
    leap.follow(60.0 * 400)
    assert not leap.is_one(60.0 * 1000)
    again = Leap()
    again.restore(leap.memory)
    assert again.memory == leap.memory


@pytest.mark.parametrize(
    "write",
    [
        lambda r: {"timestamp": r["time"], **r["values"]},
        lambda r: {"time": pd.Timestamp(r["time"]).timestamp(), **r["values"], "host": "web-1", "tags": {"a": 1}},
        lambda r: {"ts": int(pd.Timestamp(r["time"]).timestamp() * 1000), "values": r["values"]},
        lambda r: {"@timestamp": str(pd.Timestamp(r["time"]).value), "values": r["values"]},
        lambda r: {"time": r["time"], "values": {name: str(value) for name, value in r["values"].items()}},
    ],
    ids=["flat", "seconds", "milliseconds", "nanoseconds as text", "numbers as text"],
)
def test_records_as_other_tools_write_them(tmp_path: Path, write: Any) -> None:
    run(tmp_path / "plain", rows())
    progress = run(tmp_path / "other", [write(record) for record in rows()])
    assert progress.readings == N_ROWS - PRIME
    numbers = [
        {k: v for k, v in reading.items() if k not in ("time", "text")} for reading in readings(tmp_path / "other")
    ]
    assert numbers == [
        {k: v for k, v in reading.items() if k not in ("time", "text")} for reading in readings(tmp_path / "plain")
    ]


def test_the_first_record_decides_how_the_others_are_read() -> None:
    plain = Dialect.of({"time": "2024-01-01", "values": {"a": 1.0}})
    assert plain == Dialect()
    for later in (b'{"time": 1704067200, "values": {"a": 1}}', b'{"time": "2024-01-01", "values": {"a": "1"}}'):
        with pytest.raises(InvalidRecordError):
            parse_line(later, ("a",), dialect=plain)
    flat = Dialect.of({"timestamp": 1704067200.25, "a": 1.0, "host": "x"})
    record = parse_line(b'{"timestamp": 1704067200.25, "a": 2.5, "host": "y"}', ("a",), dialect=flat)
    assert record.time == 1704067200_250_000_000
    assert dict(record.values) == {"a": 2.5}
    with pytest.raises(InvalidRecordError) as caught:
        parse_line(b'{"timestamp": 1e300, "a": 2.5}', ("a",), dialect=flat)
    assert caught.value.kind == "time"
    assert Dialect.of({"values": {}}) == Dialect()


def test_a_live_source_can_learn_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "past.jsonl").write_text("".join(json.dumps(record) + "\n" for record in rows()[:PRIME]))
    run(tmp_path / "whole", rows())
    progress = run(tmp_path / "live", rows()[PRIME:], history=FileLines(tmp_path / "past.jsonl"))
    assert progress.readings == N_ROWS - PRIME
    assert readings(tmp_path / "live") == readings(tmp_path / "whole")
    (tmp_path / "empty").write_text("")
    with pytest.raises(InvalidRecordError, match="history must hold"):
        run(tmp_path / "none", rows(), history=FileLines(tmp_path / "empty"))


def test_a_policy_can_change_on_a_running_state(tmp_path: Path) -> None:
    """A changed policy demanded a new state."""
    records = rows()
    records[150]["values"]["cpu"] = 29.0
    folder = tmp_path / "run"
    run(folder, records[:120])
    with Journal(folder / "state") as journal:
        (folder / "in").write_text("".join(json.dumps(record) + "\n" for record in records))
        policy = AlertPolicy(metrics={"cpu": MetricPolicy(upper=28.0)})
        progress = MonitorRun(
            FileLines(folder / "in"), journal, folder / "out", StreamMonitor(policy), prime=PRIME
        ).run()
    (alert,) = [reading for reading in readings(folder)[150 - PRIME :] if reading["alert"]]
    assert "above its limit" in alert["reasons"]["cpu"]
    assert alert["text"].startswith("cpu rose to 29 (above its limit, usual: ")
    assert alert["metrics"]["cpu"]["lower"] < alert["metrics"]["cpu"]["expected"] < alert["metrics"]["cpu"]["upper"]
    assert progress.summary()["alerts"] >= 1


class Quiet:
    """A source that gives lines and then falls silent."""

    def __init__(self, texts: list[bytes], silences: int) -> None:
        self.texts, self.silences = texts, silences

    def lines(self, progress: Progress) -> Any:  # noqa: ARG002
        yield from (Line(text, 0, str(k)) for k, text in enumerate(self.texts))
        yield from itertools.repeat(None, self.silences)

    def check(self, progress: Progress) -> None: ...

    def fingerprint(self, offset: int) -> str:  # noqa: ARG002
        return ""

    def acknowledge(self, progress: Progress) -> None: ...


def test_a_stream_that_falls_silent_is_alerted_once_and_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    texts = [json.dumps(record).encode() for record in rows()]
    last = STAMPS[-1].timestamp()
    moments = itertools.chain([last] * (N_ROWS - PRIME), itertools.count(last, 60.0))
    with Journal(tmp_path / "state") as journal, caplog.at_level(logging.INFO, "tsprune.monitor"):
        MonitorRun(
            Quiet(texts, 60), journal, tmp_path / "out", StreamMonitor(), prime=PRIME, clock=lambda: next(moments)
        ).run()
        told = [json.loads(reading) for _, _, reading in journal.alerts()]
    silent = [alert for alert in told if alert.get("kind") == "silent"]
    assert len(silent) == 1
    assert 120 < silent[0]["seconds"] <= 1800
    assert "nothing has come since" in silent[0]["text"]
    messages = [record.getMessage() for record in caplog.records]
    assert messages[0].startswith("started")
    assert any(message.startswith("learnt from 60 rows of 2 metrics") for message in messages)
    assert any("nothing has come" in message for message in messages)
