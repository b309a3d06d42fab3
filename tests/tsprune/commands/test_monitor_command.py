"""`tsprune monitor` as a process: killed, terminated, fed with dirt."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from tsprune.cli import main

COMMAND = [sys.executable, "-c", "from tsprune.cli import main; main()", "monitor"]


def write_lines(path: Path, n_lines: int, bad_at: int | None = None) -> Path:
    rng = np.random.default_rng(0)
    stamps = np.datetime64("2024-01-01T00:00:00") + np.arange(n_lines) * np.timedelta64(5, "m")
    lines = [
        json.dumps({"time": f"{stamp}Z", "values": {"cpu": value}})
        for stamp, value in zip(stamps, np.round(rng.normal(size=n_lines), 3).tolist(), strict=True)
    ]
    if bad_at is not None:
        lines.insert(bad_at - 1, "{")
    path.write_text("\n".join(lines) + "\n")
    return path


def arguments(folder: Path, source: Path, *options: str) -> list[str]:
    folder.mkdir(exist_ok=True)
    return [str(source), "--state", str(folder / "state"), "--output", str(folder / "out.jsonl"), *options]


def call(*args: str) -> tuple[int, str, str]:
    done = subprocess.run([*COMMAND, *args], capture_output=True, text=True, timeout=120, check=False)
    return done.returncode, done.stdout, done.stderr


def inside(capsys: pytest.CaptureFixture[str], *args: str) -> tuple[int, str, str]:
    """The command in this process; the handlers of signals are put back."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        with pytest.raises(SystemExit) as caught:
            main(["monitor", *args])
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    shown = capsys.readouterr()
    return int(caught.value.code or 0), shown.out, shown.err


def test_the_summary_and_the_readings(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = write_lines(tmp_path / "in", 700)
    status, stdout, _ = inside(capsys, *arguments(tmp_path, source, "--json"))
    assert status == 0
    summary = json.loads(stdout.splitlines()[-1])
    assert summary == {
        "lines": 700, "accepted": 700, "readings": 200, "missing": 0, "bad": {}, "alerts": 0, "held_back": 0,
    }  # fmt: skip
    readings = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [reading["line"] for reading in readings] == list(range(501, 701))
    assert all(np.isfinite([reading[name] for name in ("score", "onset", "p_value")]).all() for reading in readings)
    status, _, message = inside(capsys, *arguments(tmp_path, source, "--watch"))
    assert status == 0
    assert "200 readings of 700 accepted lines; 0 alerts; refused: none" in message
    status, _, message = inside(capsys, *arguments(tmp_path, source, "--prime", "9"))
    assert status == 2
    assert "prime was 500, is 9" in message


def test_stop_exits_with_two_and_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = write_lines(tmp_path / "in", 120, bad_at=111)
    status, _, message = inside(capsys, *arguments(tmp_path, source, "--prime", "100"))
    assert status == 2
    assert "line 111" in message
    assert "Traceback" not in message
    assert (tmp_path / "out.jsonl").read_text().count("\n") == 10
    options = ("--prime", "100", "--on-error", "skip", "--json")
    status, stdout, _ = inside(capsys, *arguments(tmp_path, source, *options))
    assert status == 0
    assert json.loads(stdout)["bad"] == {"syntax": 1}
    status, _, message = inside(capsys, *arguments(tmp_path, tmp_path / "nowhere"))
    assert status == 2
    assert "nowhere" in message
    words = list(arguments(tmp_path, source))
    words[words.index("--state") + 1] = str(tmp_path / "no folder" / "state")
    status, _, message = inside(capsys, *words)
    assert status == 2
    assert "must be a file that can be written" in message


@pytest.mark.slow
def test_kills_change_nothing(tmp_path: Path) -> None:
    n_kills = int(os.environ.get("TSPRUNE_SLOW", 0) or 1)
    source = write_lines(tmp_path / "in", 3000)
    begin = time.monotonic()
    assert call(*arguments(tmp_path / "whole", source))[0] == 0
    usual = time.monotonic() - begin
    rng = np.random.default_rng(1)
    for number in range(n_kills):
        args = arguments(tmp_path / f"kill{number}", source)
        with subprocess.Popen([*COMMAND, *args], stderr=subprocess.DEVNULL) as process:
            time.sleep(rng.uniform(0.3, 1.0) * usual)
            process.kill()
        assert call(*args)[0] == 0
        assert Path(args[4]).read_bytes() == (tmp_path / "whole" / "out.jsonl").read_bytes()


def test_sigterm_ends_a_follower_gracefully(tmp_path: Path) -> None:
    source = write_lines(tmp_path / "in", 300)
    args = arguments(tmp_path, source, "--prime", "100", "--follow", "--json")
    with subprocess.Popen([*COMMAND, *args], stdout=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + 100
        out = Path(args[4])
        while time.monotonic() < deadline and (not out.exists() or out.read_text().count("\n") < 200):
            time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        stdout, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert json.loads(stdout)["readings"] == 200


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE run SET monitor = NULL",
        "UPDATE run SET monitor = CAST('{\"x\": 1}' AS BLOB)",
        "UPDATE run SET monitor = substr(monitor, 1, 100)",
        "UPDATE run SET progress = '{'",
        "UPDATE run SET progress = '{\"later_idea\": 1}'",
        "UPDATE run SET options = 'null'",
        "DROP TABLE run",
    ],
)
def test_a_state_that_was_altered_is_told_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], damage: str
) -> None:
    source = write_lines(tmp_path / "in", 30)
    words = arguments(tmp_path, source, "--prime", "20")
    assert inside(capsys, *words)[0] == 0
    output = (tmp_path / "out.jsonl").read_bytes()
    with closing(sqlite3.connect(tmp_path / "state")) as connection, connection:
        connection.execute(damage)
    status, _, told = inside(capsys, *words)
    assert status == 2
    assert "damaged" in told
    assert told.count("\n") == 1
    assert (tmp_path / "out.jsonl").read_bytes() == output


def test_a_byte_order_mark_before_the_first_record(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = write_lines(tmp_path / "in", 30)
    source.write_bytes(b"\xef\xbb\xbf" + source.read_bytes())
    status, stdout, _ = inside(capsys, *arguments(tmp_path, source, "--prime", "20", "--json"))
    assert status == 0
    assert json.loads(stdout)["readings"] == 10


def test_too_few_lines_to_learn_from_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = write_lines(tmp_path / "in", 30)
    _, _, told = inside(capsys, *arguments(tmp_path, source))
    assert "0 readings of 30 accepted lines, still learning from the first 500" in told


@pytest.mark.skipif(os.name != "posix", reason="locks and limits of POSIX")
def test_an_output_that_another_run_writes_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import fcntl

    source = write_lines(tmp_path / "in", 30)
    output = tmp_path / "out.jsonl"
    output.write_bytes(b"readings of the other run")
    with output.open("r+b") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        status, _, told = inside(capsys, *arguments(tmp_path, source, "--prime", "20"))
    assert status == 2
    assert "is being written by another run" in told
    assert output.read_bytes() == b"readings of the other run"


def test_an_output_that_holds_something_else_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Twice: the refusal itself must not make the output the run's own."""
    source = write_lines(tmp_path / "in", 30)
    output = tmp_path / "out.jsonl"
    output.write_bytes(b"notes of last year")
    for _ in range(2):
        status, _, told = inside(capsys, *arguments(tmp_path, source, "--prime", "20"))
        assert status == 2
        assert "must be empty where the state" in told
        assert output.read_bytes() == b"notes of last year"
    output.unlink()
    assert inside(capsys, *arguments(tmp_path, source, "--prime", "20"))[0] == 0
    assert len(output.read_bytes().splitlines()) == 10


@pytest.mark.skipif(os.name != "posix", reason="devices and pipes of POSIX")
def test_an_output_that_cannot_be_cut_back_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = write_lines(tmp_path / "in", 30)
    for output in ("/dev/null", str(tmp_path)):
        status, _, told = inside(capsys, str(source), "--state", str(tmp_path / "state"), "--output", output)
        assert (status, "must be a regular file" in told) == (2, True)


def test_what_was_written_before_the_first_commit_is_written_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A state that counts no line yet owns its output, and is bound to no options."""
    source = write_lines(tmp_path / "in", 30, bad_at=1)
    assert inside(capsys, *arguments(tmp_path, source, "--prime", "15"))[0] == 2
    output = tmp_path / "out.jsonl"
    output.write_bytes(b'{"line": 1, "sco')
    assert inside(capsys, *arguments(tmp_path, source, "--prime", "20", "--on-error", "skip"))[0] == 0
    assert [json.loads(line)["line"] for line in output.read_bytes().splitlines()] == list(range(22, 32))


def test_an_input_without_a_single_record_is_bad_input(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = tmp_path / "in"
    source.write_text("no record\nno record either\n")
    for _ in range(2):
        status, out, told = inside(capsys, *arguments(tmp_path, source, "--on-error", "skip", "--json"))
        assert status == 2
        assert json.loads(out)["bad"] == {"syntax": 2}
        assert "got none in 2 lines (refused: 2 syntax)" in told


@pytest.mark.skipif(os.name != "posix", reason="locks and limits of POSIX")
def test_no_room_for_the_output_is_told_and_nothing_is_lost(tmp_path: Path) -> None:
    source = write_lines(tmp_path / "in", 6000)
    words = arguments(tmp_path, source, "--prime", "100", "--json")
    limited = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000)); " + COMMAND[2]
    done = subprocess.run(
        [sys.executable, "-c", limited, "monitor", *words], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 2
    assert "out.jsonl' cannot be written" in done.stderr
    status, stdout, _ = call(*words)
    assert status == 0
    assert json.loads(stdout)["readings"] == 5900
    assert len((tmp_path / "out.jsonl").read_text().splitlines()) == 5900
