"""One-class support vector machine on the kept features, with its support vectors pruned."""

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from detectors.one_class_svm.detector import PrunedOneClassSVM as PrunedOneClassSVM

__getattr__, __dir__, __all__ = lazy_loader.attach(__name__, submod_attrs={"detector": ["PrunedOneClassSVM"]})
