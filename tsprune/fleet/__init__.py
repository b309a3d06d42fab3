"""Many series at once, on one core or many machines."""

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from tsprune.fleet.components import decompose_many as decompose_many
    from tsprune.fleet.components import prune_many as prune_many
    from tsprune.fleet.fleet import clean_many as clean_many
    from tsprune.fleet.fleet import detect_many as detect_many

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__, submod_attrs={"components": ["decompose_many", "prune_many"], "fleet": ["clean_many", "detect_many"]}
)
