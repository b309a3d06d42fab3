"""Reading: what the monitor says about one point in time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tsprune.streaming.monitor.kernels.layout import (
    OUT_ALERT,
    OUT_ANOMALY,
    OUT_METRICS,
    OUT_ONSET,
    OUT_P_VALUE,
    OUT_REPRUNED,
    OUT_SCORE,
    PER_METRIC,
)

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["CAUSES", "COMPONENTS", "FIELDS", "Reading", "readings_frame"]

FIELDS = ("score", "onset", "p_value", "is_anomaly", "alert", "repruned")
COMPONENTS = ("trend", "seasonal", "remainder")
CAUSES = ("level", "slope", "season", "noise variance", "missing", "relation")


class Reading:
    """What the monitor says about one point in time.

    Attributes
    ----------
    time : pandas.Timestamp
        The point in time, as given.
    score : float
        How abnormal the state is now, a log10 of a p-value: 0 = ordinary, -3 = one point in a thousand.
        Low through a whole abnormal episode.
    onset : float
        How abnormal the change is, on the same scale; low at the first points of a change only.
    p_value : float in (0, 1]
        The state's p-value among the points so far.
    is_anomaly, alert, repruned : bool
        Whether the p-value is below the false-alarm rate; whether the policy raises an alert here; whether the
        monitor changed which parts it uses (`StreamMonitor.diff` says which).
    """

    __slots__ = ("_names", "_row", "time")

    def __init__(self, time: Any, row: NDArray[np.float64], names: tuple[str, ...]) -> None:
        self.time = time
        self._row = row
        self._names = names

    @property
    def score(self) -> float:
        """How abnormal the state is now; lower = more abnormal."""
        return float(self._row[OUT_SCORE])

    @property
    def onset(self) -> float:
        """How abnormal the change is; lower = more abnormal."""
        return float(self._row[OUT_ONSET])

    @property
    def p_value(self) -> float:
        """The p-value of the state among the points so far."""
        return float(self._row[OUT_P_VALUE])

    @property
    def is_anomaly(self) -> bool:
        """Whether the p-value is at most the policy's false-alarm rate."""
        return bool(self._row[OUT_ANOMALY])

    @property
    def alert(self) -> bool:
        """Whether the policy raises an alert at this point."""
        return bool(self._row[OUT_ALERT])

    @property
    def repruned(self) -> bool:
        """Whether the monitor changed at this point which parts it uses."""
        return bool(self._row[OUT_REPRUNED])

    @property
    def components(self) -> dict[str, float]:
        """``<metric>.trend``, ``<metric>.seasonal``, ``<metric>.remainder``, in the units of the metric.

        Their sum is the value; the remainder of a missing value is NaN.
        """
        found = {}
        for k, name in enumerate(self._names):
            start = OUT_METRICS + k * PER_METRIC
            for j, part in enumerate(COMPONENTS):
                found[f"{name}.{part}"] = float(self._row[start + j])
        return found

    def explain(self) -> pd.DataFrame:
        """Return metrics x causes: each cell's share of the abnormality; all cells sum to 1, or all are 0.

        Returns
        -------
        DataFrame of shape (n_metrics, 6)
            Columns ``level, slope, season, noise variance, missing, relation`` (to the other metrics), most abnormal
            metric first.
        """
        import pandas as pd

        start = OUT_METRICS + len(COMPONENTS)
        cells = np.array([
            self._row[start + k * PER_METRIC : start + k * PER_METRIC + len(CAUSES)] for k in range(len(self._names))
        ])  # fmt: skip
        beyond = np.maximum(cells - 1.0, 0.0)  # what is rarer than one point in ten; the rest is ordinary
        cells = beyond if beyond.any() else cells
        total = cells.sum()
        shares = cells / total if total > 0 else np.zeros_like(cells)
        frame = pd.DataFrame(shares, index=pd.Index(self._names, name="metric"), columns=list(CAUSES))
        order = np.argsort(-shares.sum(axis=1), kind="stable")
        return frame.iloc[order]

    def __repr__(self) -> str:
        """Show the fields."""
        shown = ", ".join(f"{name}={getattr(self, name)!r}" for name in FIELDS)
        return f"Reading(time={self.time}, {shown})"


def readings_frame(rows: NDArray[np.float64], names: tuple[str, ...], index: pd.Index) -> pd.DataFrame:
    """Return the kernel's rows (n_rows, n_fields) as a frame: the fields, and the components of every metric."""
    import pandas as pd

    columns: dict[str, Any] = {}
    for k, field in enumerate(FIELDS):
        columns[field] = rows[:, k] if k <= OUT_P_VALUE else rows[:, k] != 0.0
    for k, name in enumerate(names):
        for j, part in enumerate(COMPONENTS):
            columns[f"{name}.{part}"] = rows[:, OUT_METRICS + k * PER_METRIC + j]
    return pd.DataFrame(columns, index=index)
