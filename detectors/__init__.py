"""detectors: prune the inputs and the models of outlier detectors on tables (rows x features).

Law: an irrelevant feature, a harmful training row, a superfluous tree or support vector is removed only on
evidence; `report_` says what went and why. Scores follow scikit-learn: lower = more abnormal, labels -1 / +1.

Public names load when first used, so that importing this package stays light.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from detectors.features import FeaturePruner, OverPruningGuard
    from detectors.isolation_forest import PrunedIsolationForest
    from detectors.lof import PrunedLOF, RowPruner
    from detectors.networks import PrunedAutoencoder, PrunedPredictor
    from detectors.one_class_svm import PrunedOneClassSVM
    from detectors.report import PruningReport
    from detectors.tradeoffs import DistilledDetector, ParetoFront, distill, pareto_front
    from detectors.words import WordPruner
    from detectors.wrappers import PrunedDetector

__all__ = [
    "DistilledDetector",
    "FeaturePruner",
    "OverPruningGuard",
    "ParetoFront",
    "PrunedAutoencoder",
    "PrunedDetector",
    "PrunedIsolationForest",
    "PrunedLOF",
    "PrunedOneClassSVM",
    "PrunedPredictor",
    "PruningReport",
    "RowPruner",
    "WordPruner",
    "distill",
    "pareto_front",
]

_HOME = {
    "DistilledDetector": "detectors.tradeoffs",
    "FeaturePruner": "detectors.features",
    "OverPruningGuard": "detectors.features",
    "ParetoFront": "detectors.tradeoffs",
    "PrunedAutoencoder": "detectors.networks",
    "PrunedDetector": "detectors.wrappers",
    "PrunedIsolationForest": "detectors.isolation_forest",
    "PrunedLOF": "detectors.lof",
    "PrunedOneClassSVM": "detectors.one_class_svm",
    "PrunedPredictor": "detectors.networks",
    "PruningReport": "detectors.report",
    "RowPruner": "detectors.lof",
    "WordPruner": "detectors.words",
    "distill": "detectors.tradeoffs",
    "pareto_front": "detectors.tradeoffs",
}

_DISTRIBUTION = "tsprune"  # what `tsprune` looks for, to tell this package from a foreign one of the same name


def __getattr__(name: str) -> Any:
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module 'detectors' has no attribute {name!r}; public names: {', '.join(__all__)}")
    value = getattr(importlib.import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(set(globals()) | set(__all__))
