"""Values outside the bounds that the user gave."""

from __future__ import annotations

import numpy as np

from tsprune.cleaning.change import Change, runs
from tsprune.cleaning.judgement import Column, Findings

__all__ = ["judge_bounds"]


def judge_bounds(column: Column) -> Findings:
    """Find the runs of values below `lower` and above `upper`."""
    x, free = column.x, ~column.protected
    found = []
    if column.lower is not None:
        for a, b in runs((x < column.lower) & free):
            found.append(Change(a, b, "below lower bound", float(np.nanmin(x[a:b])), column.lower))
    if column.upper is not None:
        for a, b in runs((x > column.upper) & free):
            found.append(Change(a, b, "above upper bound", float(np.nanmax(x[a:b])), column.upper))
    return Findings(found)
