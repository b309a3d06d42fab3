"""Every value that every constructor parameter can take: kinds of values for numbers, each word for choices."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from contract.subjects import PUBLIC, small_forest

_PERIOD = ["auto", None, 12, np.int64(12), [12, 30]]
_PRUNER = {"period": _PERIOD, "guard": ["evidence", None], "alpha": [0.05], "time_column": [None, "when"]}
_WINDOWS = {"robust": [False, True], "trend_window": [None, 25], "seasonal_window": [None, "periodic", 7, [7, 9]]}
_SHARED = {"contamination": ["auto", 0.1], "random_state": [None, 3, np.random.RandomState(3)]}


def _largest_gap(one: Any, other: Any) -> float:
    """A distance that no library names."""
    return float(np.abs(one - other).max())


def options() -> dict[str, dict[str, list[Any]]]:
    """Return the values to build, by class and parameter."""
    pruner = PUBLIC["FeaturePruner"]
    return {
        "FeaturePruner": {
            "alpha": [0.05], "prune_blocks": [True, False], "normality_level": [0.01],
            "prune_duplicates": [True, False], "max_rows": [100], "screen_above": [3], "guard": ["auto", None],
            "sentinels": [True, False], "anchors": [None, [0], (1, np.int64(2))],
            "random_state": _SHARED["random_state"],
        },
        "PrunedAutoencoder": {
            "hidden_layer_sizes": ["auto", "grow", (6, 2, 6), [5]], "activation": ["tanh", "relu"], "alpha": [1e-2],
            "learning_rate_init": [1e-3], "max_iter": ["auto", 3], "n_iter_no_change": [2], "variance": [0.8],
            "prune": [True, False], "prune_connections": [True, False], "fidelity": [0.9],
            "prune_features": [True, False], **_SHARED,
        },
        "PrunedPredictor": {
            "n_filters": [3], "taps": [2], "alpha": [1e-2], "learning_rate_init": [1e-3], "max_iter": [2],
            "n_iter_no_change": [2], "prune": [True, False], "fidelity": [0.9], "prune_features": [True, False],
            **_SHARED,
        },
        "PrunedDetector": {"detector": [small_forest()], "pruner": [None, pruner(alpha=0.05)], **_SHARED},
        "PrunedIsolationForest": {
            "n_estimators": [3], "max_samples": ["auto", 64, 0.5], "max_features": [1.0, 2], "bootstrap": [False, True],
            "n_jobs": [None, 1], "verbose": [0], "warm_start": [True, False], "prune_features": [True, False],
            "weight_features": [True, False], "prune_trees": [True, False],
            "tree_fidelity": [0.95], "reliability": [None, 0.5], **_SHARED,
        },
        "PrunedLOF": {
            "n_neighbors": [5], "algorithm": ["auto", "ball_tree", "kd_tree", "brute"], "leaf_size": [10],
            "metric": ["minkowski", "euclidean", "l2", "manhattan", "cityblock", "l1", "chebyshev", "cosine",
                       _largest_gap], "p": [1, 2, 3.5],
            "metric_params": [None, {}], "novelty": [True, False], "n_jobs": [None, 1],
            "prune_features": [True, False], "prune_rows": [True, False], "max_reference_rows": [None, 60], **_SHARED,
        },
        "PrunedOneClassSVM": {
            "kernel": ["rbf", "linear", "poly", "sigmoid"], "degree": [2], "gamma": ["scale", "auto", 0.5],
            "coef0": [0.1], "tol": [1e-2], "nu": [0.2], "shrinking": [True, False], "cache_size": [50],
            "verbose": [False], "max_iter": [-1], "n_jobs": [None, 1], "prune_features": [True, False],
            "weight_features": [True, False], "prune_support_vectors": [True, False],
            "vector_fidelity": [0.99], "max_fit_rows": [None, 100], **_SHARED,
        },
        "WordPruner": {
            "alpha": [0.05], "copies": ["thin", "join", "keep"], "random_state": _SHARED["random_state"],
        },
        "LogDetector": {
            "by": [None, r"session=(s\d+)", re.compile(r"s\d+")], "window": [None, "5min"], "prune": [True, False],
            "reference": [None, "2024-01-01T01:00:00", [True] * 60 + [False] * 60],
            "random_state": _SHARED["random_state"],
        },
        "RowPruner": {
            "n_neighbors": [5], "metric": ["minkowski", "euclidean", "l2", "manhattan", "cityblock", "l1", "chebyshev",
                       "canberra", _largest_gap],
            "p": [1, 2, 3.5], "metric_params": [None, {}], "max_share": [None, 0.2], "max_rows": [None, 60],
            "random_state": _SHARED["random_state"],
        },
        "ComponentPruner": {"remove": [("trend",), ["seasonal"], ("trend", "seasonal")], **_PRUNER, **_WINDOWS},
        "TrendPruner": {**_PRUNER, "robust": [False, True], "trend_window": [None, 25]},
        "SeasonalPruner": {**_PRUNER, **_WINDOWS},
        "NoisePruner": {**_PRUNER, "method": ["auto", "kalman", "wavelet"], "wavelet": ["db4", "haar"]},
        "SeriesCleaner": {
            "period": _PERIOD, "level_shift": ["repair", "keep", "report"], "lower": [None, -10.0],
            "upper": [None, 99.0], "duplicates": ["error", "mean", "first", "last"], "causal": [False, True],
            "time_column": [None, "when"], "holidays": [None], "protect": [None, [5, (20, 30)]],
        },
        "SeriesDetector": {
            "detector": [None, small_forest()], "period": _PERIOD, "trend": ["auto", None], "window": ["auto", 8],
            "smoothing": ["auto", None, 4], "energy": ["auto", True, False], "shapes": ["auto", True, False],
            "time_column": [None, "when"],
            "contamination": ["auto", "labels", 0.1, PUBLIC["AlarmBudget"](2), PUBLIC["FalseAlarmRate"](1)],
            "random_state": _SHARED["random_state"],
        },
        "OnlineDecomposer": {
            "period": [None, 12], "shift_window": ["auto", 0, 2], "level_window": ["auto", 50], "season_memory": [5],
        },
        "FleetMonitor": {"n_series": [2], "memory": [50], "episode": [5]},
        "OnlineFleet": {
            "n_series": [2], "period": [None, 12, [12, 0]], "shift_window": ["auto", 0], "level_window": ["auto", 50],
            "season_memory": [5],
        },
        "OverPruningGuard": {"max_removed": [0.5], "level": [0.05], "n_subsamples": [0, 2]},
        "StreamMonitor": {
            "alerts": [None], "horizon": [500], "episode": ["auto", 5], "season": ["auto", None],
            "time_zone": [None, "Europe/Berlin"], "counters": [(), ("s0",)], "new_metrics": ["refuse", "adopt"],
            "coverage": [0.9],
        },
    }  # fmt: skip
