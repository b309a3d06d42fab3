"""Nanoseconds per series of one call that updates a whole fleet, and of `StreamMonitor` for comparison.

Usage: python benchmarks/streaming/fleet_monitor.py [--series N] [--steps N] [--json]
The figure to watch is `fleet.ns_per_series`: at most 200 with 100,000 series.
"""

from __future__ import annotations

import argparse
import json
import time

import numpy as np

from tsprune.streaming.monitor.fleet_monitor import FleetMonitor


def measure(n_series: int, n_steps: int) -> dict[str, float]:
    rng = np.random.default_rng(0)
    fleet = FleetMonitor(n_series)
    rows = [rng.normal(size=n_series) for _ in range(20)]
    for row in rows:  # compiles, and leaves the warm-up behind
        fleet.update(row)
    spent = []
    for step in range(n_steps):
        begin = time.perf_counter()
        fleet.update(rows[step % len(rows)])
        spent.append(1e9 * (time.perf_counter() - begin) / n_series)
    return {
        "fleet.n_series": float(n_series),
        "fleet.ns_per_series": float(np.median(spent)),
        "fleet.mib": fleet.states_.nbytes / 2**20,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--series", type=int, default=100_000)
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    figures = measure(options.series, options.steps)
    if options.json:
        print(json.dumps(figures))
    else:
        print("\n".join(f"{name} = {value:.6g}" for name, value in figures.items()))


if __name__ == "__main__":
    main()
