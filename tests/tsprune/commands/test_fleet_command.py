"""`tsprune fleet`: both ways to say the task, several id columns, changes, checkpoints, progress."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tsprune import clean_many
from tsprune.cli import main


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as stop:
        main(["fleet", *words])
    said = capsys.readouterr()
    return int(stop.value.code or 0), said.out, said.err


@pytest.fixture
def file(tmp_path: Path) -> Path:
    rng = np.random.default_rng(1)
    t = np.arange(240)
    parts = []
    for k in range(3):
        y = 10 + 3 * np.sin(2 * np.pi * t / 24) + rng.normal(0, 0.1, t.size)
        y[100 + k] += 20
        parts.append(pd.DataFrame({"site": "ab"[k // 2], "meter": k % 2, "ds": t, "y": y, "note": "x"}))
    path = tmp_path / "long.csv"
    pd.concat(parts).to_csv(path, index=False)
    return path


IDS = ("--id-column", "site", "--id-column", "meter", "--period", "24")


def test_the_task_is_the_first_word_or_an_option(capsys: pytest.CaptureFixture[str], file: Path) -> None:
    outs = []
    for k, words in enumerate(([str(file)], ["clean", str(file)], [str(file), "--task", "clean"])):
        out = file.parent / f"out{k}.csv"
        assert run(capsys, *words, *IDS, "-o", str(out))[0] == 0
        outs.append(out.read_bytes())
    assert outs[0] == outs[1] == outs[2]
    rows = pd.read_csv(file.parent / "out0.csv")
    assert list(rows.columns) == ["site", "meter", "ds", "y", "note", "changed"]
    assert np.flatnonzero(rows["changed"]).tolist() == [100, 341, 582]
    expected = clean_many(pd.read_csv(file), period=24, id_column=["site", "meter"]).frame
    np.testing.assert_allclose(rows["y"], expected["y"], rtol=1e-12)  # pandas 2 reads some last digits otherwise


def test_changes_and_episodes_are_files(capsys: pytest.CaptureFixture[str], file: Path) -> None:
    listed = file.parent / "changes.csv"
    assert run(capsys, "clean", str(file), *IDS, "--changes", str(listed))[0] == 0
    changes = pd.read_csv(listed)
    assert changes[["site", "meter", "ds", "reason"]].values.tolist() == [
        ["a", 0, 100, "spike"], ["a", 1, 101, "spike"], ["b", 0, 102, "spike"],
    ]  # fmt: skip
    assert run(capsys, "detect", str(file), *IDS, "--changes", str(listed))[0] == 0
    assert {"start", "end", "p_value", "cause"} <= set(pd.read_csv(listed).columns)
    status, _, error = run(capsys, "decompose", str(file), *IDS, "--changes", str(listed))
    assert status == 2
    assert "--changes needs clean or detect" in error


def test_decompose(capsys: pytest.CaptureFixture[str], file: Path) -> None:
    out = file.parent / "parts.csv"
    status, text, _ = run(capsys, "decompose", str(file), *IDS, "-o", str(out), "--json")
    assert status == 0
    assert json.loads(text.splitlines()[-1])["series"][0]["periods"] == "24"
    rows = pd.read_csv(out)
    np.testing.assert_allclose(rows["trend"] + rows["seasonal"] + rows["remainder"], rows["y"], atol=1e-9)


def test_a_checkpoint_gives_the_same_bytes(capsys: pytest.CaptureFixture[str], file: Path) -> None:
    kept, outs = file.parent / "kept", [file.parent / "one.csv", file.parent / "two.csv"]
    for out in outs:
        assert run(capsys, "clean", str(file), *IDS, "-o", str(out), "--checkpoint", str(kept), "--jobs", "1")[0] == 0
    assert outs[0].read_bytes() == outs[1].read_bytes()
    status, _, error = run(capsys, "detect", str(file), *IDS, "--checkpoint", str(kept))
    assert status == 2
    assert "that of the same job" in error


def test_progress_on_a_terminal_only(
    capsys: pytest.CaptureFixture[str], file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "3/3" not in run(capsys, "clean", str(file), *IDS)[2]
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert "3/3" in run(capsys, "clean", str(file), *IDS)[2]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["sing", "FILE"], "fleet takes [clean|detect|decompose] INPUT, got 'sing"),
        (["clean", "FILE", "FILE"], "name one file"),
        (["clean", "FILE", "--task", "detect"], "must not contradict 'clean', got detect"),
        (["FILE", "--id-column", "site", "--jobs", "0"], "n_jobs must be"),
        (["FILE", "--id-column", "site", "--on-error", "raise"], "series a: "),
        (["clean", "absent.csv"], "must be a file that can be read"),
    ],
)
def test_wrong_words(capsys: pytest.CaptureFixture[str], file: Path, words: list[str], said: str) -> None:
    status, _, error = run(capsys, *(str(file) if word == "FILE" else word for word in words))
    assert status == 2
    assert said in error


def test_no_words(capsys: pytest.CaptureFixture[str]) -> Any:
    assert run(capsys)[0] == 2
