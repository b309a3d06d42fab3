"""Isolation forest on the kept features, with its trees pruned."""

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from detectors.isolation_forest.detector import PrunedIsolationForest as PrunedIsolationForest

__getattr__, __dir__, __all__ = lazy_loader.attach(__name__, submod_attrs={"detector": ["PrunedIsolationForest"]})
