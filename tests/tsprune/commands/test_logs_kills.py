"""`tsprune logs --follow --state` as a process: killed at any moment, it loses and doubles nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

COMMAND = [sys.executable, "-c", "from tsprune.cli import main; main()", "logs"]
N_LINES = 6000


def log_lines() -> list[str]:
    """One line every ten seconds; a rare failure."""
    begin = np.datetime64("2024-01-01T00:00:00")
    return [
        f"{begin + np.timedelta64(10 * i, 's')} "
        + (f"ERROR disk {i % 4} failed" if i % 397 == 396 else f"INFO request {i} took {i % 13} ms")
        for i in range(N_LINES)
    ]


def arguments(folder: Path, window: list[str]) -> list[str]:
    state, output = str(folder / "state"), str(folder / "out.jsonl")
    return [str(folder / "a.log"), *window, "--state", state, "--output", output, "--prime", "300"]


def call(arguments: list[str]) -> None:
    subprocess.run([*COMMAND, *arguments], check=True, stdout=subprocess.DEVNULL, timeout=300)


@pytest.mark.slow
@pytest.mark.parametrize("window", [["--window", "5min"], []], ids=["windows", "lines"])
def test_kills_lose_and_double_nothing(tmp_path: Path, window: list[str]) -> None:
    n_kills = int(os.environ.get("TSPRUNE_KILLS", 0) or 3)
    text = "".join(line + "\n" for line in log_lines())
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    for folder in (whole, parts):
        folder.mkdir()
    (whole / "a.log").write_text(text)
    call(arguments(whole, window))
    rng = np.random.default_rng(len(window))
    log, output = parts / "a.log", parts / "out.jsonl"
    log.write_text(text[:15_000])
    ends = np.sort(rng.integers(30_000, len(text), n_kills))
    lengths = []
    for number, end in enumerate(ends.tolist()):
        before = output.stat().st_size if output.exists() else 0
        with subprocess.Popen(
            [*COMMAND, *arguments(parts, window), "--follow"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as process:
            with log.open("a") as file:  # the log grows while it is followed, and a line is cut in half
                here = file.tell()
                while here < end and process.poll() is None:
                    file.write(text[here : min(here + 4000, end)])
                    file.flush()
                    here = min(here + 4000, end)
            deadline = time.monotonic() + 60
            while number % 3 and time.monotonic() < deadline and process.poll() is None:
                if (output.stat().st_size if output.exists() else 0) > before:
                    break
                time.sleep(0.01)
            time.sleep(float(rng.uniform(0.0, 0.3)))
            assert process.poll() is None
            process.kill()
        lengths.append(output.stat().st_size if output.exists() else 0)
    log.write_text(text)
    call(arguments(parts, window))
    assert max(lengths) > 0  # a run was killed after it had written
    assert [json.loads(line) for line in output.read_text().splitlines()] == [
        json.loads(line) for line in (whole / "out.jsonl").read_text().splitlines()
    ]
