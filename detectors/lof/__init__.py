"""Local outlier factor on the kept features, with its training rows pruned."""

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from detectors.lof.detector import PrunedLOF as PrunedLOF
    from detectors.lof.row_pruner import RowPruner as RowPruner

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__, submod_attrs={"detector": ["PrunedLOF"], "row_pruner": ["RowPruner"]}
)
