"""Feature pruning: which columns of a table can go before scoring, on what evidence."""

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from detectors.features.guards import OverPruningGuard as OverPruningGuard
    from detectors.features.pruner import FeaturePruner as FeaturePruner

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__, submod_attrs={"guards": ["OverPruningGuard"], "pruner": ["FeaturePruner"]}
)
