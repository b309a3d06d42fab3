"""Jobs that are killed go on where they stopped and end with the same bytes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tsprune import SeriesCleaner, clean_many, detect_many
from tsprune.exceptions import InvalidParameterError

N_KILLS = 20 if os.environ.get("TSPRUNE_SLOW") == "all" else 3
CLEANER = SeriesCleaner(period=12)
JOB = """
import sys
import pandas as pd
from tsprune import SeriesCleaner, clean_many

folder, n_jobs = sys.argv[1], int(sys.argv[2])
rows, cleaner = pd.read_pickle(folder + "/rows.pkl"), SeriesCleaner(period=12)
result = clean_many(rows, cleaner, checkpoint=folder + "/kept", n_jobs=n_jobs)
result.frame.to_csv(folder + "/out.csv", index=False)
result.changes.to_csv(folder + "/changes.csv", index=False)
result.summary.drop(columns="seconds").to_csv(folder + "/summary.csv", index=False)
"""
RESULTS = ("out.csv", "changes.csv", "summary.csv")


def long_frame(n_series: int = 5, n: int = 120) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    parts = []
    for k in range(n_series):
        y = 5 + np.sin(np.arange(n) * 2 * np.pi / 12) + rng.normal(0, 0.1, n)
        y[50] += 9.0
        parts.append(pd.DataFrame({"unique_id": f"s{k}", "ds": np.arange(n), "y": np.nan if k == 2 else y}))
    return pd.concat(parts, ignore_index=True)


def counted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The blocks that are really worked on."""
    from tsprune.fleet import blocks

    done: list[int] = []
    call = blocks.BlockWork.__call__

    def count(self: Any, block: Any) -> Any:
        done.append(len(block.edges) - 1)
        return call(self, block)

    monkeypatch.setattr(blocks.BlockWork, "__call__", count)
    return done


@pytest.mark.parametrize("detects", [False, True])
def test_finished_blocks_are_not_done_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, detects: bool) -> None:
    def run(**options: Any) -> Any:
        return detect_many(frame, period=12, **options) if detects else clean_many(frame, CLEANER, **options)

    frame = long_frame(4)
    expected = run()
    done = counted(monkeypatch)
    run(checkpoint=tmp_path)
    assert sum(done) == 4
    (tmp_path / "block_0000001.npz").unlink()
    whole = (tmp_path / "block_0000003.npz").read_bytes()
    (tmp_path / "block_0000003.npz").write_bytes(whole[: len(whole) // 2])
    result = run(checkpoint=tmp_path)
    assert sum(done) == 6
    again = run(checkpoint=tmp_path)
    assert sum(done) == 6
    for got in (result, again):
        pd.testing.assert_frame_equal(got.frame, expected.frame, check_exact=True)
        left, right = (r.summary.drop(columns="seconds") for r in (got, expected))
        pd.testing.assert_frame_equal(left, right, check_exact=True)
        listed = (got.episodes, expected.episodes) if detects else (got.changes, expected.changes)
        pd.testing.assert_frame_equal(*listed, check_exact=True)


def test_a_folder_of_another_job_is_refused(tmp_path: Path) -> None:
    frame = long_frame(2)
    clean_many(frame, CLEANER, checkpoint=tmp_path / "kept")
    frame.loc[0, "y"] += 1e-9
    with pytest.raises(InvalidParameterError, match="other rows or options"):
        clean_many(frame, CLEANER, checkpoint=tmp_path / "kept")
    with pytest.raises(InvalidParameterError, match="other rows or options"):
        clean_many(long_frame(2), SeriesCleaner(period=12, lower=0.0), checkpoint=tmp_path / "kept")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("dear")
    with pytest.raises(InvalidParameterError, match="with other files in it"):
        clean_many(frame, CLEANER, checkpoint=tmp_path / "mine")


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_a_killed_job_ends_with_the_same_bytes(tmp_path: Path) -> None:
    straight, killed = tmp_path / "straight", tmp_path / "killed"
    for folder in (straight, killed):
        folder.mkdir()
        long_frame(130, 200).to_pickle(folder / "rows.pkl")
    subprocess.run([sys.executable, "-c", JOB, str(straight), "1"], check=True)
    rng = np.random.default_rng(0)
    n_killed, kept = 0, killed / "kept"
    for _ in range(N_KILLS):
        before = len(list(kept.glob("*.npz")))
        job = subprocess.Popen([sys.executable, "-c", JOB, str(killed), "1"])
        deadline = time.monotonic() + 120
        while job.poll() is None and len(list(kept.glob("*.npz"))) <= before and time.monotonic() < deadline:
            time.sleep(0.002)
        time.sleep(float(rng.uniform(0, 0.05)))
        job.send_signal(signal.SIGKILL)
        n_killed += job.wait() == -signal.SIGKILL
    assert n_killed >= N_KILLS - 1
    subprocess.run([sys.executable, "-c", JOB, str(killed), "2"], check=True)
    for name in RESULTS:
        assert (killed / name).read_bytes() == (straight / name).read_bytes()
