"""Seconds, memory and error of shape evidence on long series, as ratios to an isolation forest on the same rows.

Usage: python benchmarks/detection/shapes_cost.py [--rows N]... [--period P] [--json]
A heartbeat of `rows` rows, one beat in the second half turned round; the first half is fitted, the second scored.

    ROWS.ratio        processor seconds of `SeriesDetector` over those of scikit-learn's isolation forest on windows of
                      16 rows (fit on the first half, score the second): at most 20 at 1e5 rows
    ROWS.shapes_share share of those seconds that shapes take
    ROWS.found        1 if the lowest score lies at the beat
    ROWS.peak_mib     largest memory of the process so far: below 2048 at 1e6 rows
    sample.SHARE      median, over rows, of the distances with a SHARE of the windows of training to compare with, over
                      those with all: the error of sampling training
"""

from __future__ import annotations

import argparse
import json
import resource
import time

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import IsolationForest

from tsprune import SeriesDetector
from tsprune.detection.shape_view import ShapeView

Floats = NDArray[np.float64]


def heartbeat(n: int, period: int, seed: int = 0) -> tuple[Floats, int]:
    rng = np.random.default_rng(seed)
    lengths = np.round(period * (1 + 0.04 * rng.normal(size=n // period * 2 + 9))).astype(int)
    phase = np.concatenate([np.arange(m) / m for m in lengths])[:n]
    parts = ((0.2, 0.03, 0.15), (0.37, 0.011, -0.2), (0.4, 0.012, 1.2), (0.43, 0.012, -0.3), (0.68, 0.05, 0.35))
    y = 0.03 * rng.normal(size=n)
    for place, width, height in parts:
        y += height * np.exp(-0.5 * ((phase - place) / width) ** 2)
    at = int(0.8 * n)
    y[at : at + period] = y[at : at + period][::-1]
    return y, at


def windows(y: Floats) -> Floats:
    return np.lib.stride_tricks.sliding_window_view(np.concatenate((np.full(15, y[0]), y)), 16)


def measure(n: int, period: int) -> dict[str, float]:
    y, at = heartbeat(n, period)
    half, seconds = n // 2, {}
    for shapes in (True, False):
        begin = time.process_time()
        model = SeriesDetector(shapes=shapes, random_state=0).fit(y[:half])
        scores = model.score_samples(y[half:], time=np.arange(half, n))
        seconds[shapes] = time.process_time() - begin
        if shapes:
            lowest = half + int(scores.argmin())
    begin = time.process_time()
    IsolationForest(random_state=0).fit(windows(y[:half])).score_samples(windows(y[half:]))
    forest = time.process_time() - begin
    return {
        f"{n}.ratio": seconds[True] / forest,
        f"{n}.shapes_share": 1.0 - seconds[False] / seconds[True],
        f"{n}.found": float(at - 100 <= lowest <= at + period + 100),
        f"{n}.peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def sampling(period: int, n: int = 20_000) -> dict[str, float]:
    y, _ = heartbeat(2 * n, period, seed=1)
    train, test = y[:n], y[n:]
    whole = ShapeView(period, n).fit(train)
    full = whole.spread(whole.of(test, n)[0][0], n)
    figures = {}
    for share in (0.5, 0.25, 0.1):
        view = ShapeView(period, int(share * n / whole.every_)).fit(train)
        figures[f"sample.{share}"] = float(np.median(view.spread(view.of(test, n)[0][0], n) / full))
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--rows", type=int, action="append", help="default 1e4 and 1e5")
    parser.add_argument("--period", type=int, default=200)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    SeriesDetector(random_state=0).fit(heartbeat(2000, 50)[0])  # compiles
    figures: dict[str, float] = {}
    for n in options.rows or [10_000, 100_000]:
        figures |= measure(n, options.period)
    figures |= sampling(options.period)
    print(json.dumps(figures) if options.json else "\n".join(f"{k} = {v:.6g}" for k, v in figures.items()))


if __name__ == "__main__":
    main()
