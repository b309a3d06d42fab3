"""Decomposition of a stream, one value at a time."""

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from tsprune.streaming.online.decomposer import OnlineDecomposer as OnlineDecomposer
    from tsprune.streaming.online.fleet import OnlineFleet as OnlineFleet

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__, submod_attrs={"decomposer": ["OnlineDecomposer"], "fleet": ["OnlineFleet"]}
)
