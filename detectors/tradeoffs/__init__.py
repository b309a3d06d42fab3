"""Smaller models: distillation, and the front of quality, features and latency."""

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from detectors.tradeoffs.distillation import DistilledDetector as DistilledDetector
    from detectors.tradeoffs.distillation import distill as distill
    from detectors.tradeoffs.pareto import ParetoFront as ParetoFront
    from detectors.tradeoffs.pareto import pareto_front as pareto_front

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__, submod_attrs={"distillation": ["DistilledDetector", "distill"], "pareto": ["ParetoFront", "pareto_front"]}
)
