"""tsprune: prune what does not help from time series and anomaly-detection inputs.

Law: a pruner removes what does not help, says what it removed and why, and never removes more than the
evidence allows. Time is axis 0. Scores follow scikit-learn: lower = more abnormal, labels -1 / +1.

Public names load when first used: `import tsprune` stays light.
"""

from __future__ import annotations

import importlib
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

import detectors as _detectors

if getattr(_detectors, "_DISTRIBUTION", None) != "tsprune":
    raise ImportError(
        "tsprune needs its own package `detectors`, but another package of that name is in the way: "
        f"{getattr(_detectors, '__file__', None) or 'a folder without __init__.py'}. Remove it (the "
        "distribution `detectors` is unrelated to tsprune) or install tsprune into an environment of its own."
    )

if TYPE_CHECKING:
    from detectors.report import PruningReport
    from tsprune.cleaning import SeriesCleaner
    from tsprune.decomposition import Decomposition, decompose
    from tsprune.detection import AlarmBudget, FalseAlarmRate, SeriesDetector, ThresholdReport
    from tsprune.fleet import clean_many, decompose_many, detect_many, prune_many
    from tsprune.logs import LogDetector
    from tsprune.periods import Period, find_periods
    from tsprune.pruners import ComponentPruner, NoisePruner, SeasonalPruner, TrendPruner
    from tsprune.streaming.monitor import AlertPolicy, FleetMonitor, MetricPolicy, Reading, StreamMonitor
    from tsprune.streaming.online import OnlineDecomposer, OnlineFleet

__all__ = [
    "AlarmBudget",
    "AlertPolicy",
    "ComponentPruner",
    "Decomposition",
    "FalseAlarmRate",
    "FleetMonitor",
    "LogDetector",
    "MetricPolicy",
    "NoisePruner",
    "OnlineDecomposer",
    "OnlineFleet",
    "Period",
    "PruningReport",
    "Reading",
    "SeasonalPruner",
    "SeriesCleaner",
    "SeriesDetector",
    "StreamMonitor",
    "ThresholdReport",
    "TrendPruner",
    "clean_many",
    "decompose",
    "decompose_many",
    "detect_many",
    "find_periods",
    "prune_many",
]

_HOME = {
    "AlarmBudget": "tsprune.detection",
    "AlertPolicy": "tsprune.streaming.monitor",
    "MetricPolicy": "tsprune.streaming.monitor",
    "ComponentPruner": "tsprune.pruners",
    "Decomposition": "tsprune.decomposition",
    "FalseAlarmRate": "tsprune.detection",
    "FleetMonitor": "tsprune.streaming.monitor",
    "LogDetector": "tsprune.logs",
    "NoisePruner": "tsprune.pruners",
    "OnlineDecomposer": "tsprune.streaming.online",
    "OnlineFleet": "tsprune.streaming.online",
    "Period": "tsprune.periods",
    "PruningReport": "detectors.report",
    "Reading": "tsprune.streaming.monitor",
    "SeasonalPruner": "tsprune.pruners",
    "SeriesCleaner": "tsprune.cleaning",
    "SeriesDetector": "tsprune.detection",
    "StreamMonitor": "tsprune.streaming.monitor",
    "ThresholdReport": "tsprune.detection",
    "TrendPruner": "tsprune.pruners",
    "clean_many": "tsprune.fleet",
    "decompose": "tsprune.decomposition",
    "decompose_many": "tsprune.fleet",
    "detect_many": "tsprune.fleet",
    "find_periods": "tsprune.periods",
    "prune_many": "tsprune.fleet",
}

try:
    __version__ = version("tsprune")
except PackageNotFoundError:  # run from a source folder that was never installed
    __version__ = "0.0.0"


def __getattr__(name: str) -> Any:
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module 'tsprune' has no attribute {name!r}; public names: {', '.join(__all__)}")
    value = getattr(importlib.import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(set(globals()) | set(__all__))
