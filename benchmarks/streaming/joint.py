"""What the forest on the joint remainders is worth: average precision with it and without.

Usage: python benchmarks/streaming/joint.py [--series N] [--skab FILE] [--json]
Generated: eight metrics from three hidden causes, one of three autocorrelations; in the abnormal rows two metrics have
the values of another time (`swap`) or the opposite sign (`flip`), so that every metric by itself is ordinary. With
`--skab` the labelled series of that file (columns series, datetime, anomaly and sensors; 400 rows prime).
Figures: `KIND.with`, `KIND.without`: mean average precision of -log10 of the p-value; `KIND.prevalence`.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator

import numpy as np
import pandas as pd
from sklearn.metrics import average_precision_score

from tsprune import StreamMonitor

_PRIME = 2000
_SKAB_PRIME = 400


class Separate(StreamMonitor):
    """The monitor without its forest."""

    def _grow(self) -> None:
        self._forest.sample = self._forest.sample[:0]
        self._bind()


def generated(seed: int, kind: str, n_rows: int = 6000) -> tuple[pd.DataFrame, np.ndarray, int]:
    """Return a frame, its labels (n_rows,) and the rows to prime with."""
    rng, n = np.random.default_rng(seed), _PRIME + n_rows
    hidden, memory = rng.normal(size=(n, 3)), (0.0, 0.6, 0.95)[seed % 3]
    for t in range(1, n):
        hidden[t] = memory * hidden[t - 1] + np.sqrt(1 - memory**2) * hidden[t]
    values = hidden @ rng.normal(size=(3, 8))
    values = values / values.std(axis=0) + 0.25 * rng.normal(size=values.shape)
    label = np.zeros(n, dtype=bool)
    for _ in range(12):
        start, length = int(rng.integers(_PRIME + 200, n - 100)), int(rng.integers(5, 40))
        if label[start - 60 : start + length + 60].any():
            continue
        rows, metrics = slice(start, start + length), rng.choice(8, size=2, replace=False)
        label[rows] = True
        other = int(rng.integers(0, _PRIME - 50))
        for metric in metrics.tolist():
            elsewhere = values[other : other + length, metric]
            values[rows, metric] = elsewhere if kind == "swap" else -values[rows, metric]
    index = pd.date_range("2024-01-01", periods=n, freq="1min", name="time")
    return pd.DataFrame(values, index=index, columns=list("abcdefgh")), label, _PRIME


def stored(path: str) -> Iterator[tuple[pd.DataFrame, np.ndarray, int]]:
    """Yield the labelled series of a file."""
    table = pd.read_parquet(path)
    sensors = [name for name in table.columns if name not in ("series", "datetime", "anomaly", "changepoint")]
    for _, group in table.groupby("series", sort=True):
        if group["anomaly"].notna().all() and len(group) > _SKAB_PRIME:
            rows = group.groupby("datetime").agg(dict.fromkeys(sensors, "mean") | {"anomaly": "max"})
            rows.index = pd.DatetimeIndex(rows.index, name="time")
            label = rows["anomaly"].to_numpy() > 0
            if label[_SKAB_PRIME:].any():
                yield rows[sensors].astype(float), label, _SKAB_PRIME


def precision(monitor: StreamMonitor, frame: pd.DataFrame, label: np.ndarray, prime: int) -> float:
    p_values = monitor.prime(frame[:prime]).update_many(frame[prime:])["p_value"].to_numpy()
    return float(average_precision_score(label[prime:], -np.log10(p_values)))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--series", type=int, default=6)
    parser.add_argument("--skab")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    kinds = {kind: [generated(seed, kind) for seed in range(options.series)] for kind in ("swap", "flip")}
    if options.skab:
        kinds["skab"] = list(stored(options.skab))
    figures = {}
    for kind, cases in kinds.items():
        for name, subject in (("with", StreamMonitor), ("without", Separate)):
            figures[f"{kind}.{name}"] = float(np.mean([precision(subject(), *case) for case in cases]))
        figures[f"{kind}.prevalence"] = float(np.mean([label[prime:].mean() for _, label, prime in cases]))
    if options.json:
        print(json.dumps(figures))
    else:
        print("\n".join(f"{name} = {value:.3f}" for name, value in figures.items()))


if __name__ == "__main__":
    main()
