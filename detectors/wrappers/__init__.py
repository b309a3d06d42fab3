"""Pruning around any scikit-learn or PyOD detector."""

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from detectors.wrappers.pruned_detector import PrunedDetector as PrunedDetector

__getattr__, __dir__, __all__ = lazy_loader.attach(__name__, submod_attrs={"pruned_detector": ["PrunedDetector"]})
