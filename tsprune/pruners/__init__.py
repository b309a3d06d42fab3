"""Component pruners: transformers that remove trend, season and noise, with an exact inverse."""

from __future__ import annotations

from tsprune.pruners.component import ComponentPruner
from tsprune.pruners.noise import NoisePruner
from tsprune.pruners.seasonal import SeasonalPruner
from tsprune.pruners.trend import TrendPruner

__all__ = ["ComponentPruner", "NoisePruner", "SeasonalPruner", "TrendPruner"]
