"""Trend, seasons and remainder of a series."""

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from tsprune.decomposition.decomposing import decompose as decompose
    from tsprune.decomposition.decomposition import Decomposition as Decomposition

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__, submod_attrs={"decomposing": ["decompose"], "decomposition": ["Decomposition"]}
)
