"""MonitorRun and its journal: nothing lost, nothing doubled, whatever interrupts."""

from __future__ import annotations

import io
import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from tsprune.exceptions import StoredStateError
from tsprune.streaming.monitor.monitor import StreamMonitor
from tsprune.streaming.run.journal import Journal, Progress
from tsprune.streaming.run.lines import FileLines, Line
from tsprune.streaming.run.live_view import LiveView
from tsprune.streaming.run.records import RefusedLineError
from tsprune.streaming.run.runner import MonitorRun

PRIME = 60


def good_lines(n_lines: int, seed: int = 0) -> list[bytes]:
    rng = np.random.default_rng(seed)
    stamps = np.datetime64("2024-01-01T00:00:00") + np.arange(n_lines) * np.timedelta64(5, "m")
    values = np.round(20 + rng.normal(size=(n_lines, 2)), 3)
    values[90::40] += 30
    return [
        json.dumps({"time": f"{stamp}Z", "values": {"cpu": row[0], "disk": row[1]}}).encode()
        for stamp, row in zip(stamps, values.tolist(), strict=True)
    ]


def write(path: Path, lines: list[bytes]) -> Path:
    path.write_bytes(b"".join(line + b"\n" for line in lines))
    return path


class CrashError(Exception):
    """The power went."""


def start(folder: Path, source: Path, crash_after: int | None = None, **options: object) -> Progress:
    """One run; after `crash_after` lines it dies without a word."""

    class Dying(FileLines):
        def lines(self, progress: Progress) -> Iterator[Line | None]:
            for number, line in enumerate(super().lines(progress)):
                if number == crash_after:
                    raise CrashError
                yield line

    folder.mkdir(exist_ok=True)
    with Journal(folder / "state") as journal:
        run = MonitorRun(
            Dying(source), journal, folder / "out", StreamMonitor(), prime=PRIME, options={"prime": PRIME}, **options
        )
        return run.run()


@pytest.fixture
def small_commits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tsprune.streaming.run.runner._COMMIT_LINES", 17)


@pytest.mark.usefixtures("small_commits")
def test_crashes_lose_and_double_nothing(tmp_path: Path) -> None:
    source = write(tmp_path / "in", good_lines(300))
    expected_progress = start(tmp_path / "whole", source)
    expected = (tmp_path / "whole" / "out").read_bytes()
    assert expected.count(b"\n") == 300 - PRIME == expected_progress.readings
    for crash_after in (1, 16, 30, 59, 61, 100):
        folder = tmp_path / f"crash{crash_after}"
        deaths = 0
        while True:
            try:
                progress = start(folder, source, crash_after)
                break
            except CrashError:
                deaths += 1
                with (folder / "out").open("ab") as out:  # what was written and never counted
                    out.write(b'{"line": 1, "half a rea')
            if deaths > 3 and crash_after < 17:  # never reaches a commit
                progress = start(folder, source)
                break
        assert deaths > 0
        assert (folder / "out").read_bytes() == expected
        assert progress == expected_progress


@pytest.mark.usefixtures("small_commits")
def test_the_journal_holds_the_alerts(tmp_path: Path) -> None:
    source = write(tmp_path / "in", good_lines(300))
    start(tmp_path, source)
    readings = [json.loads(line) for line in (tmp_path / "out").read_bytes().splitlines()]
    alerts = [reading for reading in readings if reading["alert"]]
    assert alerts
    assert all(reading["because"] for reading in alerts)
    with Journal(tmp_path / "state") as journal:
        assert [line for line, _, _ in journal.alerts()] == [reading["line"] for reading in alerts]
        assert json.loads(journal.alerts()[0][2]) == alerts[0]


def test_a_second_run_goes_on_and_a_third_finds_nothing(tmp_path: Path) -> None:
    lines = good_lines(200)
    source = write(tmp_path / "in", lines[:150])
    start(tmp_path, source)
    write(source, lines)
    grown = start(tmp_path, source)
    assert (grown.lines, grown.readings) == (200, 200 - PRIME)
    whole = tmp_path / "whole"
    start(whole, source)
    assert (tmp_path / "out").read_bytes() == (whole / "out").read_bytes()
    assert start(tmp_path, source) == grown


def test_a_run_that_ends_while_priming_goes_on_priming(tmp_path: Path) -> None:
    lines = good_lines(200)
    source = write(tmp_path / "in", lines[:30])
    assert start(tmp_path, source).readings == 0
    write(source, lines)
    assert start(tmp_path, source).readings == 200 - PRIME


def test_refused_lines_are_counted_and_change_nothing_else(tmp_path: Path) -> None:
    lines = good_lines(200)
    late = lines[50]
    dirty = [*lines[:40], b"", *lines[40:100], lines[99], late, b"{", *lines[100:]]
    progress = start(tmp_path / "dirty", write(tmp_path / "in1", dirty), skip=True)
    start(tmp_path / "clean", write(tmp_path / "in2", lines))
    assert progress.bad == {"empty": 1, "duplicate": 1, "late": 1, "syntax": 1}
    assert progress.summary() == {
        "lines": 204, "accepted": 200, "readings": 140, "missing": 0,
        "bad": {"duplicate": 1, "empty": 1, "late": 1, "syntax": 1}, "alerts": progress.alerts, "held_back": 0,
    }  # fmt: skip

    def without(folder: str) -> list[dict[str, object]]:
        found = [json.loads(line) for line in (tmp_path / folder / "out").read_bytes().splitlines()]
        return [{key: value for key, value in reading.items() if key != "line"} for reading in found]

    assert without("dirty") == without("clean")


def test_stop_keeps_what_came_before_and_says_where(tmp_path: Path) -> None:
    lines = good_lines(120)
    lines.insert(100, b'{"time": "2024-01-01", "values": {"net": 1}}')
    source = write(tmp_path / "in", lines)
    for _ in range(2):  # a restart stops at the same line
        with pytest.raises(RefusedLineError, match=r"line 101: .*net") as caught:
            start(tmp_path, source)
        assert caught.value.number == 101
        assert caught.value.kind == "shape"
        assert (tmp_path / "out").read_bytes().count(b"\n") == 100 - PRIME
    del lines[100]
    assert start(tmp_path, write(source, lines)).accepted == 120


def test_things_that_do_not_belong_together_are_refused(tmp_path: Path) -> None:
    lines = good_lines(100)
    source = write(tmp_path / "in", lines)
    start(tmp_path, source)
    with Journal(tmp_path / "state") as journal, pytest.raises(StoredStateError, match="prime was 60, is 61"):
        MonitorRun(FileLines(source), journal, tmp_path / "out", StreamMonitor(), options={"prime": 61}).run()
    kept = (tmp_path / "out").read_bytes()
    (tmp_path / "out").write_bytes(kept[:-5])
    with pytest.raises(StoredStateError, match="output"):
        start(tmp_path, source)
    (tmp_path / "out").write_bytes(kept)
    write(source, good_lines(100, seed=1))
    with pytest.raises(StoredStateError, match="another file"):
        start(tmp_path, source)
    write(source, lines[:50])
    with pytest.raises(StoredStateError, match="another file"):
        start(tmp_path, source)


def test_a_journal_is_held_by_one_and_is_no_other_file(tmp_path: Path) -> None:
    with Journal(tmp_path / "state") as journal:
        assert journal.read() is None
        with pytest.raises(StoredStateError, match="another `tsprune monitor`"):
            Journal(tmp_path / "state")
    (tmp_path / "text").write_text("no data base at all, but long enough to be looked at" * 20)
    with pytest.raises(StoredStateError, match="another file"):
        Journal(tmp_path / "text")
    other = sqlite3.connect(tmp_path / "other")
    other.execute("CREATE TABLE mine (x)")
    other.commit()
    other.close()
    with pytest.raises(StoredStateError, match="another program"):
        Journal(tmp_path / "other")
    newer = sqlite3.connect(tmp_path / "state")
    newer.execute("PRAGMA user_version=99")
    newer.close()
    with pytest.raises(StoredStateError, match="format version"):
        Journal(tmp_path / "state")


def test_a_failed_commit_leaves_the_last_one(tmp_path: Path) -> None:
    with Journal(tmp_path / "state") as journal:
        journal.commit({}, Progress(lines=1), b"one", [])
        with pytest.raises(sqlite3.IntegrityError):
            journal.commit({}, Progress(lines=2), b"two", [(1, None, "text")])  # type: ignore[list-item]  # that is the point
        stored = journal.read()
    assert stored is not None
    assert (stored[1].lines, stored[2]) == (1, b"one")


def test_an_unfinished_last_line_counts_unless_more_is_awaited(tmp_path: Path) -> None:
    source = tmp_path / "in"
    source.write_bytes(b"one\ntwo")
    assert [line.text for line in FileLines(source).lines(Progress()) if line] == [b"one\n", b"two"]
    waiting = FileLines(source, follow=True, pause=0.0).lines(Progress())
    assert next(waiting) == Line(b"one\n", 4)
    assert next(waiting) is None
    with source.open("ab") as file:
        file.write(b" and more\n")
    assert next(waiting) == Line(b"two and more\n", 17)
    assert next(waiting) is None


def test_stopping_ends_a_run_that_follows(tmp_path: Path) -> None:
    source = write(tmp_path / "in", good_lines(100))
    with Journal(tmp_path / "state") as journal:
        run = MonitorRun(
            FileLines(source, follow=True, pause=0.0), journal, tmp_path / "out", StreamMonitor(), prime=PRIME
        )

        def stop(_reading: object, progress: Progress) -> None:
            run.stopping = progress.lines == 80

        run.listeners.append(stop)
        assert run.run().lines == 80
    assert (tmp_path / "out").read_bytes().count(b"\n") == 80 - PRIME


def test_adopted_names_join(tmp_path: Path) -> None:
    lines = good_lines(120)
    record = json.loads(lines[80])
    record["values"]["net"] = 3.0
    lines[80] = json.dumps(record).encode()
    source = write(tmp_path / "in", lines)
    with Journal(tmp_path / "state") as journal:
        subject = StreamMonitor(new_metrics="adopt")
        run = MonitorRun(FileLines(source), journal, tmp_path / "out", subject, prime=PRIME)
        assert run.run().missing == 39  # the lines after it lack the new name
        assert run.monitor.names_ == ("cpu", "disk", "net")


def test_the_live_view_draws_what_it_sees(tmp_path: Path) -> None:
    source = write(tmp_path / "in", good_lines(200))
    console = Console(file=io.StringIO(), width=100, force_terminal=True)
    with Journal(tmp_path / "state") as journal:
        run = MonitorRun(FileLines(source), journal, tmp_path / "out", StreamMonitor(), prime=PRIME)
        view = LiveView(run, console=console)
        empty = Console(file=io.StringIO(), width=100)
        empty.print(view.picture(Progress()))
        with view:
            progress = run.run()
        final = Console(file=io.StringIO(), width=100)
        final.print(view.picture(progress))
    drawn = console.file.getvalue()  # type: ignore[attr-defined]  # a StringIO
    assert "tsprune monitor" in drawn
    assert "140 readings" in drawn  # the last picture is no old one
    shown = final.file.getvalue()  # type: ignore[attr-defined]  # a StringIO
    assert "140 readings" in shown
    assert "level" in shown
    assert "0 readings" in empty.file.getvalue()  # type: ignore[attr-defined]  # a StringIO
