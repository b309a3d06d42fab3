"""Changes: what a monitor began or ceased to use, read from the log in its memory."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

import tsprune.streaming.monitor.kernels.layout as at

__all__ = ["read_changes"]

_PARTS = {at.PART_SEASON: "season", at.PART_METRIC: "metric", at.PART_WEEK: "week", at.PART_RELATION: "relation"}


def read_changes(integers: NDArray[np.int64], names: Sequence[str]) -> pd.DataFrame:
    """Return the changes that the log still holds, oldest first: columns ``time, metric, part, kept``."""
    count = int(integers[at.I_LOG_COUNT])
    entries = []
    for number in range(max(0, count - at.N_LOG), count):
        start = at.I_LOG + number % at.N_LOG * at.LOG_WIDTH
        time, metric, part, kept = (int(v) for v in integers[start : start + at.LOG_WIDTH])
        entries.append((pd.Timestamp(time), names[metric], _PARTS[part], bool(kept)))
    return pd.DataFrame(entries, columns=["time", "metric", "part", "kept"])
