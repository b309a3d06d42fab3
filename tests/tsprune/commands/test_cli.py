"""The command line: what it prints, what it writes, and its exit status."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import tsprune
from tsprune.cli import main

COMMANDS = ["demo", "clean", "detect", "decompose", "prune", "monitor", "fleet", "logs", "report", "warmup"]


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as caught:
        main(words)
    out = capsys.readouterr()
    code = caught.value.code
    return (0 if code is None else int(code)), out.out, out.err


def last_json(text: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(text.splitlines()[-1])
    return found


@pytest.fixture
def series_file(tmp_path: Path) -> Path:
    """Hourly load with a daily season, a trend, a gap and one spike."""
    rng = np.random.default_rng(0)
    t = np.arange(24 * 20)
    y = 50 + 0.01 * t + 5 * np.sin(2 * np.pi * t / 24) + rng.normal(0, 0.3, t.size)
    y[200] += 12
    y[300:304] = np.nan
    frame = pd.DataFrame({"when": pd.date_range("2024-01-01", periods=t.size, freq="h"), "load": y})
    path = tmp_path / "load.csv"
    frame.to_csv(path, index=False)
    return path


def test_help_lists_every_command_and_imports_none(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run(capsys, "--help")
    assert status == 0
    for name in COMMANDS:
        assert name in out


@pytest.mark.parametrize(
    "name", ["demo", "clean", "detect", "decompose", "prune", "monitor", "fleet", "logs", "report", "warmup"]
)
def test_every_command_has_help(capsys: pytest.CaptureFixture[str], name: str) -> None:
    status, out, _ = run(capsys, name, "--help")
    assert status == 0
    assert f"tsprune {name}" in re.sub(r"\s+", " ", out)


def test_version_and_unknown_commands(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "--version")[1].strip() == tsprune.__version__
    assert run(capsys, "nonsense")[0] == 2


def test_decompose_writes_components_that_add_up(
    capsys: pytest.CaptureFixture[str], series_file: Path, tmp_path: Path
) -> None:
    out, page = tmp_path / "parts.csv", tmp_path / "page.html"
    status, text, _ = run(
        capsys, "decompose", str(series_file), "--period", "24", "--output", str(out), "--report", str(page), "--json"
    )
    assert status == 0
    summary = last_json(text)
    assert summary["series"][0]["periods"] == "24"
    parts = pd.read_csv(out)
    total = parts["trend"] + parts.filter(like="seasonal").sum(axis=1) + parts["remainder"]
    known = parts["observed"].notna()
    np.testing.assert_allclose(total[known], parts["observed"][known], atol=1e-9)
    assert "<svg" in page.read_text(encoding="utf-8")
    assert "Components" in run(capsys, "decompose", str(series_file))[1]


def test_clean_fills_the_gap_and_lists_every_change(
    capsys: pytest.CaptureFixture[str], series_file: Path, tmp_path: Path
) -> None:
    out, changes, page = tmp_path / "clean.parquet", tmp_path / "changes.csv", tmp_path / "page.html"
    words = ["clean", str(series_file), "--output", str(out), "--changes", str(changes), "--report", str(page)]
    status, text, _ = run(capsys, *words, "--json")
    assert status == 0
    cleaned, listed = pd.read_parquet(out)["load"], pd.read_csv(changes)
    old = pd.read_csv(series_file)["load"]
    assert cleaned.notna().all()
    changed = np.flatnonzero(~np.isclose(cleaned, old, equal_nan=True))
    assert {200, 300, 301, 302, 303} <= set(changed.tolist())
    assert len(listed) == len(changed) == last_json(text)["series"][0]["changed"]
    assert page.read_text(encoding="utf-8").count("<circle") == len(changed)  # every change is marked, gaps too
    assert "Cleaning" in run(capsys, *words)[1]


def test_clean_takes_bounds(capsys: pytest.CaptureFixture[str], series_file: Path, tmp_path: Path) -> None:
    out = tmp_path / "clean.csv"
    words = [
        "clean",
        str(series_file),
        "--period",
        "24",
        "--lower",
        "46",
        "--upper",
        "60",
        "--output",
        str(out),
        "--json",
    ]
    status, text, _ = run(capsys, *words, "--output", str(out), "--json")
    assert status == 0
    assert last_json(text)["series"][0]["reasons"]["below lower bound"] > 0
    assert pd.read_csv(out)["load"].between(46, 60).all()


def test_detect_finds_the_spike(capsys: pytest.CaptureFixture[str], series_file: Path, tmp_path: Path) -> None:
    out, page = tmp_path / "scores.json", tmp_path / "page.html"
    words = [
        "detect",
        str(series_file),
        "--output",
        str(out),
        "--report",
        str(page),
        "--top",
        "2",
        "--train-rows",
        "400",
    ]
    status, text, _ = run(capsys, *words, "--json")
    assert status == 0
    tops = [pd.Timestamp(row["time"]) for row in last_json(text)["top"]]
    spike = pd.Timestamp("2024-01-01") + pd.Timedelta(hours=200)
    assert min(abs(top - spike) for top in tops) <= pd.Timedelta(hours=24)
    assert set(json.loads(out.read_text())[0]) == {"when", "score", "is_anomaly"}
    assert "Episodes" in run(capsys, *words)[1]


def test_prune_removes_noise_and_keeps_what_depends(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    base = rng.normal(size=(600, 2))
    table = pd.DataFrame({f"x{k}": base @ rng.normal(size=2) + 0.3 * rng.normal(size=600) for k in range(6)})
    for k in range(6):
        table[f"noise{k}"] = rng.uniform(size=600)
    table["label"] = "a"
    path, out, page = tmp_path / "t.csv", tmp_path / "kept.csv", tmp_path / "page.html"
    table.to_csv(path, index=False)
    status, text, _ = run(
        capsys, "prune", str(path), "--drop", "label", "--output", str(out), "--report", str(page), "--json"
    )
    assert status == 0
    summary = last_json(text)
    assert {f"x{k}" for k in range(6)} <= set(summary["kept"])
    assert sum(name.startswith("noise") for name in summary["removed"]) >= 5
    assert list(pd.read_csv(out).columns) == summary["kept"]
    for score in ("iforest", "lof", "ocsvm"):
        status, text, _ = run(capsys, "prune", str(path), "--drop", "label", "--score", score, "--output", str(out))
        assert status == 0
        assert "removed" in text
        assert "score" in pd.read_csv(out).columns


def test_periods_that_are_not_used_are_named(series_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = [str(series_file), "--period", "24,400"]
    status, out, _ = run(capsys, "clean", *words)
    assert (status, "load: period 400 is not used: 480 rows are fewer than 3 cycles" in out) == (0, True)
    (found,) = last_json(run(capsys, "clean", *words, "--json")[1])["series"]
    assert found["periods"] == [24]
    assert any("period 400 is not used" in note for note in found["notes"])
    status, out, _ = run(capsys, "detect", *words)
    assert status == 0
    assert "load season 400" in out
    assert "cycles; 4 are needed" in out
    assert last_json(run(capsys, "detect", *words, "--json")[1])["periods"] == [24]


@pytest.mark.parametrize("task", ["clean", "detect"])
def test_fleet_has_one_row_of_summary_per_series(capsys: pytest.CaptureFixture[str], tmp_path: Path, task: str) -> None:
    rng = np.random.default_rng(1)
    t = np.arange(240)
    long = pd.concat(
        pd.DataFrame({"unique_id": name, "ds": t, "y": 10 + np.sin(2 * np.pi * t / 24) + rng.normal(0, 0.1, t.size)})
        for name in ("a", "b")
    )
    path, out, per_series = tmp_path / "long.csv", tmp_path / "out.csv", tmp_path / "summary.csv"
    long.to_csv(path, index=False)
    words = ["fleet", str(path), "--task", task, "--period", "24", "--output", str(out), "--summary", str(per_series)]
    status, text, _ = run(capsys, *words, "--json")
    assert status == 0
    assert last_json(text)["n_series"] == 2
    assert len(pd.read_csv(out)) == len(long)
    assert pd.read_csv(per_series).iloc[:, 0].tolist() == ["a", "b"]
    assert task in run(capsys, *words)[1]


def test_report_is_one_page(capsys: pytest.CaptureFixture[str], series_file: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    status, text, _ = run(capsys, "report", str(series_file), "--output", str(page), "--json")
    assert status == 0
    assert last_json(text)["report"] == str(page)
    html = page.read_text(encoding="utf-8")
    for heading in ("load: components", "load: repairs", "Series and anomalies"):
        assert heading in html
    assert "Episodes" in run(capsys, "report", str(series_file), "--output", str(page))[1]


BAD = [
    (["decompose", "missing.csv"], "INPUT must be a file"),
    (["decompose", "FILE", "--period", "often"], "--period must be"),
    (["decompose", "FILE", "--column", "nope"], "column 'nope' must be in"),
    (["decompose", "FILE", "--output", "x.xls"], "--output must end in"),
    (["clean", "FILE", "--level-shift", "maybe"], "'maybe' is not one of"),
    (["detect", "FILE", "--train-rows", "100000"], "--train-rows must be"),
    (["prune", "FILE", "--score", "magic"], "'magic' is not one of"),
    (["prune", "FILE", "--drop", "nope"], "column 'nope' must be in"),
    (["prune", "FILE", "--drop", "load"], "column of numbers"),
    (["fleet", "FILE", "--task", "sing"], "'sing' is not one of"),
    (["fleet", "FILE"], "unique_id"),
    (
        ["fleet", "FILE", "--id-column", "load", "--time-column", "when", "--engine", "x", "--value-column", "load"],
        "'spark'",
    ),
    (["prune", "INFINITE"], "that can be pruned, got: Input X contains infinity"),
]


@pytest.mark.parametrize(("words", "message"), BAD)
def test_bad_input_is_status_2_and_one_line(
    capsys: pytest.CaptureFixture[str], series_file: Path, words: list[str], message: str
) -> None:
    infinite = series_file.with_name("infinite.csv")
    infinite.write_text("a,b\n1,2\ninf,3\n4,1\n")
    files = {"FILE": str(series_file), "INFINITE": str(infinite)}
    status, _, err = run(capsys, *[files.get(word, word) for word in words])
    assert status == 2
    assert message in err
    assert "Traceback" not in err


def test_a_guard_is_status_1(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, series_file: Path
) -> None:
    import tsprune.commands.decompose as command
    from tsprune.exceptions import GuardError

    def refuse(*_: object, **__: object) -> None:
        raise GuardError("nothing may go")

    monkeypatch.setattr(command, "decompose_series", refuse)
    status, _, err = run(capsys, "decompose", str(series_file))
    assert status == 1
    assert "nothing may go" in err


def test_demo_tells_the_story(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    page = tmp_path / "demo.html"
    status, text, _ = run(capsys, "demo", "--report", str(page), "--json")
    assert status == 0
    summary = last_json(text)
    assert summary["series"][0]["periods"].split(", ")[0] == "52"
    assert summary["series"][1]["periods"].split(", ")[0] == "12"
    single, longer = summary["cleaning"]  # a line across one week is hard to beat, and the demo says so
    assert single["hidden"] == "single weeks"
    assert single["error of cleaner (ppm)"] > 0
    assert longer["error of cleaner (ppm)"] < longer["error of a straight line (ppm)"]
    plain, pruned, oracle = summary["table"]
    assert pruned["AUC"] > plain["AUC"]
    assert pruned["columns used"] < plain["columns used"]
    assert oracle["AUC"] - pruned["AUC"] < 0.02
    years = {row["time"][:4] for row in summary["anomalies"]}
    assert years & {"1982", "1983", "1997", "1998"}
    assert page.read_text(encoding="utf-8").count("<svg") >= 8


def test_warmup_compiles_once(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from tsprune.commands import warmup as command

    monkeypatch.setattr(command, "_PATHS", {"online": command._online, "decompose": command._decompose})
    status, out, _ = run(capsys, "warmup", "--jobs", "1", "--json")
    assert status == 0
    assert last_json(out).keys() >= {"compiled", "folder"}
    assert "2 paths ready" in run(capsys, "warmup", "--jobs", "1")[1].replace("\n", " ")


@pytest.mark.parametrize("name", ["clean", "detect", "monitor", "decompose", "isolation forest", "local outlier factor",
                                  "one-class support vectors", "online"])  # fmt: skip
def test_every_path_of_warmup_runs(name: str) -> None:
    from tsprune.commands.warmup import _PATHS, _compile

    assert name in _PATHS
    assert _compile(name) >= 0


def test_python_m_tsprune_and_short_help(capsys: pytest.CaptureFixture[str]) -> None:
    done = subprocess.run([sys.executable, "-m", "tsprune", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == tsprune.__version__
    assert "Usage" in run(capsys, "clean", "-h")[1]
    status, out, _ = run(capsys)
    assert status == 0
    assert "tsprune clean sales.csv" in out


def test_completion_offers_commands_and_options() -> None:
    def offered(words: str, n: int) -> str:
        environment = {**os.environ, "_TSPRUNE_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(n)}
        done = subprocess.run(
            [sys.executable, "-m", "tsprune"], env=environment, capture_output=True, text=True, check=False
        )
        return done.stdout

    assert "decompose" in offered("tsprune dec", 1)
    assert "--level-shift" in offered("tsprune clean --lev", 2)
