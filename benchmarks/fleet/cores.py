"""What the fleet layer costs over a plain loop, and what a second process brings; ratios within one run.

uv run python benchmarks/fleet/cores.py [N_SERIES [N_ROWS [JOBS]]]
"""

from __future__ import annotations

import os
import sys
import time

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pandas as pd

from tsprune import SeriesCleaner, clean_many

PERIOD = 24


def long_frame(n_series: int, n_rows: int) -> pd.DataFrame:
    """Hourly series with a daily season, noise, and two spikes each."""
    rng = np.random.default_rng(0)
    hours = pd.date_range("2024-01-01", periods=n_rows, freq="h")
    season = np.sin(np.arange(n_rows) * 2 * np.pi / PERIOD)
    parts = []
    for k in range(n_series):
        y = 10 + 3 * season + rng.normal(0, 0.3, n_rows)
        y[rng.integers(0, n_rows, 2)] += 8.0
        parts.append(pd.DataFrame({"unique_id": f"s{k:06d}", "ds": hours, "y": y}))
    return pd.concat(parts, ignore_index=True)


def plain_loop(frame: pd.DataFrame) -> np.ndarray:
    """The same calls, one series after the other, on series cut out beforehand."""
    series = [part.set_index("ds")["y"] for _, part in frame.groupby("unique_id", sort=False)]
    return np.concatenate([SeriesCleaner(PERIOD).fit_transform(y).to_numpy() for y in series])


def main(n_series: int = 600, n_rows: int = 1000, jobs: int = 2) -> None:
    """Print seconds and ratios."""
    frame = long_frame(n_series, n_rows)
    warm = long_frame(2 * jobs, n_rows)
    plain_loop(warm)
    clean_many(warm, SeriesCleaner(PERIOD), n_jobs=jobs)
    ways = {
        "plain loop": lambda: plain_loop(frame),
        "clean_many, one process": lambda: clean_many(frame, SeriesCleaner(PERIOD), n_jobs=1).frame["y"].to_numpy(),
    }
    if jobs > 1:
        ways[f"clean_many, {jobs} processes"] = lambda: (
            clean_many(frame, SeriesCleaner(PERIOD), n_jobs=jobs).frame["y"].to_numpy()
        )
    print(f"{n_series} series x {n_rows} rows, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    seconds, own, results = [], [], []
    for name, way in ways.items():
        start, cpu = time.perf_counter(), time.process_time()
        results.append(way())
        seconds.append(time.perf_counter() - start)
        own.append(time.process_time() - cpu)
        print(f"  {name:26s} {seconds[-1]:8.2f} s, {own[-1]:8.2f} s of CPU of this process")
    print(f"  fleet layer over plain loop: {own[1] / own[0] - 1:+.1%} of CPU, time {seconds[1] / seconds[0] - 1:+.1%}")
    if jobs > 1:
        print(f"  {jobs} processes: {seconds[1] / seconds[2]:.2f} times as fast as one")
    print(f"  values bit-identical: {all(np.array_equal(v, results[0], equal_nan=True) for v in results)}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
