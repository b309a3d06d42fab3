"""Season lengths of a series, with p-values."""

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from tsprune.periods.periods import Period as Period
    from tsprune.periods.periods import find_periods as find_periods

__getattr__, __dir__, __all__ = lazy_loader.attach(__name__, submod_attrs={"periods": ["Period", "find_periods"]})
