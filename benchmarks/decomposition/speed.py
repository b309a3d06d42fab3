"""Time decompositions per point and in Fourier pairs, against statsmodels and R, and write the table of the docs.

    OMP_NUM_THREADS=1 python benchmarks/decomposition/speed.py [--output docs/benchmarks/decomposition.md]

One thread, processor time (another load does not count). Ratios are taken within one run: every subject is timed next
to one rfft + irfft of the same array. R is
timed by its own clock if `Rscript` is found. Cells that would take more than `LIMIT_S` are left out.
"""

from __future__ import annotations

import argparse
import platform
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from statsmodels.tsa.seasonal import MSTL, STL

from tsprune import decompose

SIZES, PERIODS = (10_000, 100_000), ((24,), (168,), (1440,), (24, 168))
LIMIT_S = 4.0
MARKERS = ("<!-- table from here -->", "<!-- table to here -->")
R_SCRIPT = """
arguments <- commandArgs(TRUE)
y <- ts(scan(arguments[1], quiet = TRUE), frequency = as.integer(arguments[2]))
robust <- arguments[3] == "TRUE"
jumps <- if (arguments[4] == "exact") list(s.jump = 1, t.jump = 1, l.jump = 1) else list()
taken <- system.time(do.call(stl, c(list(y, s.window = 11, robust = robust), jumps)))
cat(sum(taken[c("user.self", "sys.self")]))
"""


def series(n: int, periods: tuple[int, ...]) -> np.ndarray:
    rng, t = np.random.default_rng(1), np.arange(n)
    season = sum(np.sin(2 * np.pi * t / p) for p in periods)
    return np.cumsum(rng.normal(0, 0.02, n)) + season + rng.normal(0, 0.3, n)


def seconds(action: Callable[[], object], rounds: int = 5) -> float:
    action()
    taken = []
    for _ in range(rounds):
        start = time.process_time()
        action()
        taken.append(time.process_time() - start)
    return float(np.median(taken))


def by_statsmodels(y: np.ndarray, periods: tuple[int, ...], robust: bool) -> float | None:
    # measured: 30 microseconds a point at period 24, in proportion to the period, times the passes
    passes = (3 if robust else 1) * 2 * len(periods)
    if 15e-6 * max(periods) / 24 * len(y) * passes > LIMIT_S:
        return None
    loops = {"inner_iter": 1, "outer_iter": 15} if robust else {"inner_iter": 2, "outer_iter": 0}
    if len(periods) > 1:
        keywords = {"robust": robust, "seasonal_deg": 0, **loops}
        return seconds(lambda: MSTL(y, periods=periods, stl_kwargs=keywords).fit(), 1)
    model = STL(y, period=periods[0], seasonal=11, seasonal_deg=0, robust=robust)
    return seconds(lambda: model.fit(**loops), 1)


def by_r(y: np.ndarray, periods: tuple[int, ...], robust: bool, jumps: str) -> float | None:
    if len(periods) > 1 or shutil.which("Rscript") is None:
        return None
    if jumps == "exact" and 3e-6 * max(periods) / 24 * len(y) * (12 if robust else 2) > LIMIT_S:
        return None
    with tempfile.TemporaryDirectory() as folder:
        script, values = Path(folder, "time.R"), Path(folder, "y.txt")
        script.write_text(R_SCRIPT)
        np.savetxt(values, y)
        command = ["Rscript", str(script), str(values), str(periods[0]), str(robust).upper(), jumps]
        return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def cell(taken: float | None, n: int) -> str:
    return "-" if taken is None else f"{1e9 * taken / n:,.0f}"


def rows() -> list[str]:
    table = [
        "| periods | robust | points | Fourier pair | tsprune | in Fourier pairs | statsmodels | R, every point "
        "| R, default jumps |",
        "|---|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for robust in (False, True):
        for periods in PERIODS:
            for n in SIZES:
                if n < 4 * max(periods):
                    continue
                y = series(n, periods)
                period = periods[0] if len(periods) == 1 else periods
                ours = seconds(lambda y=y, period=period, robust=robust: decompose(y, period, robust=robust))
                pair = seconds(lambda y=y: np.fft.irfft(np.fft.rfft(y), len(y)), 15)
                others = [
                    by_statsmodels(y, periods, robust),
                    *(by_r(y, periods, robust, j) for j in ("exact", "default")),
                ]
                cells = [cell(ours, n), f"{ours / pair:.1f}", *(cell(other, n) for other in others)]
                name = " + ".join(map(str, periods))
                table.append(
                    f"| {name} | {'yes' if robust else 'no'} | {n:,} | {cell(pair, n)} | {' | '.join(cells)} |"
                )
                print(table[-1], flush=True)
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--output", type=Path, help="page whose table is replaced")
    output = parser.parse_args().output
    machine = f"Measured with Python {platform.python_version()}, numpy {np.__version__} on {platform.machine()}."
    text = "\n".join([MARKERS[0], "", *rows(), "", machine, "", MARKERS[1]])
    if output is None:
        return
    page = output.read_text(encoding="utf-8")
    before, _, rest = page.partition(MARKERS[0])
    output.write_text(before + text + rest.partition(MARKERS[1])[2], encoding="utf-8")


if __name__ == "__main__":
    main()
