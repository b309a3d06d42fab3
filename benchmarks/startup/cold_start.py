"""Processor seconds of the first and of the second run of every command, each alone with an empty kernel cache.

The unit u is the processor time of ``python -c "import numpy, pandas, scipy.signal, sklearn.ensemble"`` in the same
environment, measured before and after every command, so that a slow minute slows both. Bytecode must be compiled
(pip does it when it installs; with uv: ``uv sync --compile-bytecode``), else every import is several times as dear.

    python benchmarks/startup/cold_start.py [--demo] [--output table.md]
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

UNIT = "import numpy, pandas, scipy.signal, sklearn.ensemble"
SERIES = """
import numpy as np, pandas as pd
n = 700
t = np.arange(n)
y = 50 + .01 * t + 5 * np.sin(2 * np.pi * t / 24) + np.random.default_rng(0).normal(0, .3, n)
y[200] += 12; y[300:304] = np.nan; y[400:460] += 8
s = pd.Series(y, pd.date_range("2024-01-01", periods=n, freq="h"), name="load")
"""
MONITOR = (
    SERIES
    + """
from tsprune import StreamMonitor
f = pd.DataFrame({"a": s.ffill(), "b": s.ffill()[::-1].to_numpy()})
m = StreamMonitor().prime(f.iloc[:500])
m.update(f.index[500], {"a": 50.0, "b": 50.0})
"""
)
FOREST = """
import numpy as np
from detectors import PrunedIsolationForest
X = np.random.default_rng(0).normal(size=(400, 8))
PrunedIsolationForest(random_state=0).fit(X).score_samples(X)
"""
# name -> (words behind the interpreter, bound of warm in u, bound of cold over warm); None: no bound
WARM_ONLY = {
    "`import tsprune`": (["-c", "import tsprune"], 0.1),
    "`tsprune --help`": (["-m", "tsprune", "--help"], 0.35),
    "`from tsprune import SeriesCleaner`": (["-c", "from tsprune import SeriesCleaner"], 1.25),
}


def commands(csv: str, demo: bool) -> dict[str, tuple[list[str], float | None, float]]:
    found: dict[str, tuple[list[str], float | None, float]] = {
        "`tsprune clean`, 700 rows": (["-m", "tsprune", "clean", csv], 1.25, 2.5),
        "`tsprune detect`, 700 rows": (["-m", "tsprune", "detect", csv], 1.25, 2.5),
        "`tsprune decompose`, 700 rows": (["-m", "tsprune", "decompose", csv], None, 2.0),
        "`StreamMonitor.prime` + `update`": (["-c", MONITOR], None, 2.5),
        "`PrunedIsolationForest.fit` + score": (["-c", FOREST], None, 2.5),
    }
    if demo:
        found["`tsprune demo`"] = (["-m", "tsprune", "demo"], None, 2.5)
    return found


def cost(words: list[str], cache: str, folder: str) -> float:
    """Processor seconds, user and system, of one process and its children."""
    environment = {**os.environ, "TSPRUNE_CACHE_DIR": cache, "OMP_NUM_THREADS": "1"}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *words], env=environment, cwd=folder, capture_output=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def warm(words: list[str], cache: str, folder: str, repeats: int) -> tuple[float, float]:
    """The least processor seconds of some runs, and the least of the unit in between."""
    seconds, unit = [], []
    for _ in range(repeats):
        unit.append(cost(["-c", UNIT], cache, folder))
        seconds.append(cost(words, cache, folder))
    return min(seconds), min(unit)


def verdict(value: float, bound: float | None) -> str:
    return "" if bound is None else f" (<= {bound:g}: {'yes' if value <= bound else 'no'})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--demo", action="store_true", help="the demo as well: a minute more")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--output", type=Path)
    given = parser.parse_args()
    lines = ["| | cold, s | warm, s | warm / u | cold / warm |", "|---|---|---|---|---|"]
    with tempfile.TemporaryDirectory() as folder:
        csv = str(Path(folder) / "load.csv")
        subprocess.run([sys.executable, "-c", SERIES + f"s.to_csv({csv!r}, index_label='when')"], check=True)
        for name, (words, bound) in WARM_ONLY.items():
            seconds, unit = warm(words, str(Path(folder) / "none"), folder, given.repeats)
            lines.append(f"| {name} | | {seconds:.2f} | {seconds / unit:.2f}{verdict(seconds / unit, bound)} | |")
            print(lines[-1], flush=True)
        for k, (name, (words, bound, most)) in enumerate(commands(csv, given.demo).items()):
            cache = str(Path(folder) / f"cache{k}")
            cold = cost(words, cache, folder)
            seconds, unit = warm(words, cache, folder, given.repeats)
            share = f"{seconds / unit:.2f}{verdict(seconds / unit, bound)}"
            times = f"{cold / seconds:.1f}{verdict(cold / seconds, most)}"
            lines.append(f"| {name} | {cold:.1f} | {seconds:.2f} | {share} | {times} |")
            print(lines[-1], flush=True)
    if given.output:
        given.output.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
