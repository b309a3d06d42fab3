"""The command `tsprune logs`."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from tsprune.cli import main


def shop(path: Path) -> Path:
    lines = []
    for i in range(120):
        t = f"2024-01-01T{i // 60:02d}:{i % 60:02d}"
        lines += [f"{t}:00 INFO login session=s{i}", f"{t}:10 INFO view item {i * 7} session=s{i}"]
        lines += [f"{t}:20 ERROR payment {i} refused session=s{i}" if i == 77 else f"{t}:20 INFO logout session=s{i}"]
    path.write_text("\n".join(lines) + "\n")
    return path


def run(*words: object) -> int:
    with pytest.raises(SystemExit) as stopped:
        main(["logs", *map(str, words)])
    return int(stopped.value.code or 0)


def test_sessions_are_scored_and_explained(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log, table, page, counts = (tmp_path / n for n in ("a.log", "s.csv", "r.html", "m.csv"))
    shop(log)
    words = ["--by", r"session=(s\d+)", "--output", table, "--report", page, "--metrics", counts, "--json"]
    assert run(log, *words) == 0
    summary = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert summary["n_documents"] == 120
    assert summary["most_abnormal"][0]["document"] == "s77"
    assert any("refused" in f["item"] for f in summary["most_abnormal"][0]["findings"])
    scores = pd.read_csv(table)
    assert scores.loc[scores["score"].idxmin(), "session"] == "s77"
    assert "s77" in page.read_text()
    assert pd.read_csv(counts).drop(columns="window").to_numpy().sum() == 360


def test_windows_lines_and_a_reference_in_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = shop(tmp_path / "a.log")
    assert run(log, "--window", "10min", "--reference", "2024-01-01T01:00:00", "--top", 1) == 0
    assert "2024-01-01 01:10:00" in capsys.readouterr().out
    assert run(log, "--top", 1) == 0
    assert "payment" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "status", "text"),
    [
        (["--by", "("], 2, "regular expression"),
        (["--by", "x", "--window", "5min"], 2, "must not stand together"),
        (["--report", "a.log"], 2, "another file than INPUT"),
        (["--window", "soon"], 2, "length of time"),
        (["--follow"], 2, "needs --state and --output"),
        (["--by", "nothing"], 2, "at least two documents"),
        (["--state", "s", "--output", "o", "--by", "x"], 2, "use --window"),
        (["--state", "s", "--output", "s"], 2, "different files"),
    ],
)
def test_what_cannot_be_done_is_said(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    words: list[str],
    status: int,
    text: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    log = shop(tmp_path / "a.log")
    assert run(log, *words) == status
    assert text in capsys.readouterr().err


def test_no_file_and_too_short_a_log(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path / "none.log") == 2
    assert "must be a file" in capsys.readouterr().err
    (tmp_path / "b.log").write_text("one\n")
    assert run(tmp_path / "b.log", "--state", tmp_path / "s", "--output", tmp_path / "o") == 1
    assert "not enough to learn from" in capsys.readouterr().err


def test_a_state_goes_on_where_it_stands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = shop(tmp_path / "a.log")
    words = [log, "--window", "5min", "--state", tmp_path / "s", "--output", tmp_path / "o", "--prime", 150, "--json"]
    assert run(*words) == 0
    first = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert run(*words) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1]) == first
    assert first["n_documents"] == len((tmp_path / "o").read_text().splitlines())
