"""What the contract suite runs on: every public name, found from `__all__`, and small data.

A public name that stands in no group below fails `test_every_public_name_is_under_contract`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.ensemble import IsolationForest
from sklearn.neighbors import LocalOutlierFactor
from sklearn.svm import OneClassSVM

import detectors
import tsprune

Floats = NDArray[np.float64]

ALL_NAMES = {name: package for package in (detectors, tsprune) for name in package.__all__}


def _present() -> dict[str, Any]:
    """The public names that can be imported; `test_every_public_name_is_under_contract` fails for the others."""
    found = {}
    for name, package in ALL_NAMES.items():
        try:
            found[name] = getattr(package, name)
        except ModuleNotFoundError:
            continue
    return found


PUBLIC = _present()
STUDENTS = {"DistilledDetector"}  # made by `distill`, never built by a caller
GUARDS = {"OverPruningGuard"}  # asked by `FeaturePruner`, never fitted by itself
ESTIMATORS = {
    n: c
    for n, c in PUBLIC.items()
    if inspect.isclass(c) and issubclass(c, BaseEstimator) and n not in STUDENTS | GUARDS
}
FUNCTIONS = {
    "decompose",
    "find_periods",
    "clean_many",
    "decompose_many",
    "detect_many",
    "prune_many",
    "distill",
    "pareto_front",
}
RECORDS = {
    "AlarmBudget",
    "AlertPolicy",
    "Decomposition",
    "FalseAlarmRate",
    "MetricPolicy",
    "ParetoFront",
    "Period",
    "PruningReport",
    "Reading",
    "ThresholdReport",
}
STREAMS = {"OnlineDecomposer", "StreamMonitor"}
FLEET_STREAMS = {"FleetMonitor", "OnlineFleet"}
TABLE_DETECTORS = {
    "PrunedAutoencoder", "PrunedDetector", "PrunedIsolationForest", "PrunedLOF", "PrunedOneClassSVM",
}  # fmt: skip
ROWS_IN_ORDER = {"PrunedPredictor"}  # tables whose rows are times
TABLE_SELECTORS = {"FeaturePruner"}
ROW_SELECTORS = {"RowPruner"}
WORD_SELECTORS = {"WordPruner"}
LOG_DETECTORS = {"LogDetector"}
SERIES_PRUNERS = {"ComponentPruner", "NoisePruner", "SeasonalPruner", "TrendPruner"}
SERIES_CLEANERS = {"SeriesCleaner"}
SERIES_DETECTORS = {"SeriesDetector"}
GROUPS = [
    FUNCTIONS, RECORDS, STREAMS, TABLE_DETECTORS, TABLE_SELECTORS, ROW_SELECTORS, SERIES_PRUNERS, SERIES_CLEANERS,
    SERIES_DETECTORS, STUDENTS, GUARDS, FLEET_STREAMS, WORD_SELECTORS, LOG_DETECTORS, ROWS_IN_ORDER,
]  # fmt: skip


def small_forest() -> Any:
    return IsolationForest(n_estimators=10, random_state=0)


def build(name: str, **parameters: Any) -> Any:
    """An estimator with default parameters, kept small and deterministic."""
    if name == "PrunedDetector":
        parameters.setdefault("detector", small_forest())
    if name == "PrunedIsolationForest":
        parameters.setdefault("n_estimators", 10)
    if name == "PrunedAutoencoder":
        parameters.setdefault("hidden_layer_sizes", (12, 4, 12))
        parameters.setdefault("max_iter", 8)
    if name == "PrunedPredictor":
        parameters.setdefault("n_filters", 4)
        parameters.setdefault("max_iter", 3)
    if name == "SeriesDetector":
        parameters.setdefault("detector", PUBLIC["PrunedIsolationForest"](n_estimators=5, random_state=0))
    if "random_state" in inspect.signature(ESTIMATORS[name]).parameters:
        parameters.setdefault("random_state", 0)
    return ESTIMATORS[name](**parameters)


def by_hand(name: str) -> Any:
    """The engine that a table detector wraps, as its user would build it."""
    return {
        "PrunedAutoencoder": lambda: build("PrunedAutoencoder", prune_features=False),
        "PrunedDetector": small_forest,
        "PrunedIsolationForest": small_forest,
        "PrunedLOF": lambda: LocalOutlierFactor(novelty=True),
        "PrunedOneClassSVM": OneClassSVM,
    }[name]()


def table(n_rows: int = 300, seed: int = 0) -> Floats:
    """Columns 0 to 3 follow one factor, 4 to 6 depend on nothing: (n_rows, 7)."""
    rng = np.random.default_rng(seed)
    factor = rng.normal(size=(n_rows, 1))
    related = factor + 0.4 * rng.normal(size=(n_rows, 4)) + 0.3 * factor**2
    return np.hstack([related, rng.uniform(-2, 2, size=(n_rows, 3))])


def word_counts(n_rows: int = 120, seed: int = 0) -> Floats:
    """Counts of 12 words of three templates: (n_rows, 12)."""
    rng = np.random.default_rng(seed)
    return np.repeat(rng.poisson([2.0, 0.3, 0.05], size=(n_rows, 3)), [3, 4, 5], axis=1).astype(np.float64)


def log_lines(n: int = 120, seed: int = 0) -> list[str]:
    """Lines of 12 sessions, one a minute, with a time."""
    rng = np.random.default_rng(seed)
    texts = ["INFO opened file {}", "INFO read {} bytes", "WARN retry after {} ms"]
    return [
        f"2024-01-01T{i // 60:02d}:{i % 60:02d}:00 {texts[rng.choice(3, p=[0.4, 0.5, 0.1])].format(rng.integers(99))} "
        f"session=s{rng.integers(12)}"
        for i in range(n)
    ]


def series(n: int = 240, n_series: int = 1, seed: int = 0) -> Floats:
    """A trend, a season of 12 and noise: (n,) or (n, n_series)."""
    rng = np.random.default_rng(seed)
    t = np.arange(n)[:, None]
    phase = np.arange(n_series)
    y = 0.05 * t + 2.0 * np.sin(2 * np.pi * t / 12 + phase) + rng.normal(0, 0.3, (n, n_series))
    return y[:, 0] if n_series == 1 else y


def containers() -> dict[str, Callable[[Floats], Any]]:
    """Kinds of input for a table (n, k), k > 1, by name."""
    import pandas as pd
    import polars as pl

    def names(x: Floats) -> list[str]:
        return [f"s{k}" for k in range(x.shape[1])]

    return {
        "numpy": lambda x: x.copy(),
        "pandas": lambda x: pd.DataFrame(
            x, columns=names(x), index=pd.date_range("2024-01-01", periods=len(x), freq="h")
        ),
        "polars": lambda x: pl.DataFrame(x, schema=names(x)),
    }
