"""Repair of gaps, spikes, bursts, level shifts and other faults before forecasting."""

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from tsprune.cleaning.cleaner import SeriesCleaner as SeriesCleaner

__getattr__, __dir__, __all__ = lazy_loader.attach(__name__, submod_attrs={"cleaner": ["SeriesCleaner"]})
