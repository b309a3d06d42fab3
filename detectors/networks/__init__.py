"""Small networks for tables and series: neurons, filters and connections pruned, distilled, exported."""

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from detectors.networks.autoencoder import PrunedAutoencoder as PrunedAutoencoder
    from detectors.networks.predictor import PrunedPredictor as PrunedPredictor

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__, submod_attrs={"autoencoder": ["PrunedAutoencoder"], "predictor": ["PrunedPredictor"]}
)
