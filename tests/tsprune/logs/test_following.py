"""LogFollower: every document once, whatever happens in between."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path

import pandas as pd
import pytest

from detectors.exceptions import StoredModelError, StoredStateError
from tsprune.exceptions import GuardError, InvalidRecordError
from tsprune.logs import LogFollower


def lines(n: int, start: int = 0) -> list[str]:
    """One line every ten seconds; a rare failure."""
    begin = pd.Timestamp("2024-01-01")
    return [
        f"{(begin + pd.Timedelta(seconds=10 * i)).isoformat()} "
        + (f"ERROR disk {i % 4} failed" if i % 397 == 396 else f"INFO request {i} took {i % 13} ms")
        for i in range(start, start + n)
    ]


def follower(folder: Path, *, window: str | None = "5min", prime: int = 300) -> LogFollower:
    return LogFollower(folder / "a.log", folder / "state", folder / "out.jsonl", window=window, prime=prime, seed=0)


def written(folder: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (folder / "out.jsonl").read_text().splitlines()]


def test_windows_after_the_first_lines_are_written_once(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_text("\n".join(lines(1200)) + "\n")
    run = follower(tmp_path)
    run.run(follow=False)
    found = written(tmp_path)
    assert [r["window"] for r in found] == [
        t.isoformat() for t in pd.date_range("2024-01-01T00:50:00", "2024-01-01T03:15:00", freq="5min")
    ]
    bad = [r for r in found if r["label"] == -1]
    assert {r["window"] for r in bad} == {"2024-01-01T01:05:00", "2024-01-01T02:10:00", "2024-01-01T03:15:00"}
    assert "failed" in json.dumps(bad[0]["findings"])
    assert (run.lines, run.documents, run.abnormal) == (1200, 30, 3)


@pytest.mark.parametrize("window", ["5min", None])
def test_a_run_in_pieces_writes_what_one_run_writes(tmp_path: Path, window: str | None) -> None:
    text = "\n".join(lines(1500)) + "\n"
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    for folder in (whole, parts):
        folder.mkdir()
    (whole / "a.log").write_text(text)
    follower(whole, window=window).run(follow=False)
    for end in (32_000, 50_000, len(text)):
        (parts / "a.log").write_text(text[:end])
        run = follower(parts, window=window)
        thread = threading.Thread(target=run.run, kwargs={"follow": True})
        thread.start()
        while thread.is_alive() and not (parts / "state").exists():
            time.sleep(0.05)
        time.sleep(0.5)
        run.stopping = True
        thread.join()
        with (parts / "out.jsonl").open("a") as file:
            file.write('{"half of a reco')  # as a kill leaves it
    follower(parts, window=window).run(follow=False)
    assert written(parts) == written(whole)


def test_what_does_not_belong_together_is_refused(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    log.write_text("\n".join(lines(900)) + "\n")
    follower(tmp_path).run(follow=False)
    with pytest.raises(StoredStateError, match="same --window"):
        follower(tmp_path, window=None).run(follow=False)
    (tmp_path / "out.jsonl").write_text("")
    with pytest.raises(StoredStateError, match="bytes its state knows"):
        follower(tmp_path).run(follow=False)
    (tmp_path / "state").write_text("no json")
    with pytest.raises(StoredStateError, match="must be a state"):
        follower(tmp_path).run(follow=False)
    (tmp_path / "state").unlink()
    follower(tmp_path).run(follow=False)
    (tmp_path / "state.model").unlink()
    with pytest.raises(StoredModelError, match="beside its state"):
        follower(tmp_path).run(follow=False)
    log.write_text("short\n")
    with pytest.raises(InvalidRecordError, match="must only grow"):
        follower(tmp_path).run(follow=False)


def test_too_little_and_packed_logs(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_text("one line\n")
    with pytest.raises(GuardError, match="not enough to learn from"):
        follower(tmp_path).run(follow=False)
    with pytest.raises(InvalidRecordError, match="plain text"):
        LogFollower(tmp_path / "a.gz", tmp_path / "s", tmp_path / "o", window=None, prime=5, seed=0).run(follow=False)
