"""Reading: what the monitor says about one point in time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

import tsprune.streaming.monitor.kernels.layout as at

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["CAUSES", "COMPONENTS", "FIELDS", "RANGE", "Reading", "readings_frame"]

FIELDS = ("score", "onset", "p_value", "is_anomaly", "alert", "repruned")
COMPONENTS = ("trend", "seasonal", "remainder")
RANGE = ("expected", "lower", "upper")
CAUSES = ("level", "slope", "season", "noise variance", "missing", "relation")
_REASONS = {
    at.WHY_MODEL: "unusual", at.WHY_LOWER: "below its limit", at.WHY_UPPER: "above its limit",
    at.WHY_STEP: "step beyond its limit", at.WHY_STUCK: "stuck", at.WHY_GONE: "gone",
}  # fmt: skip
_SILENT, _NO_METRIC = "silent", ""
_SILENCE = 4.0  # strength of the evidence that a gap is no chance, from which it has a name


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
    held_back : bool
        Whether an alert was due here that the budget kept back.
    incident : int
        Number of the incident that is open, counted from 1; 0 if none is.
    components, ranges, values : dict of float
        What each metric is made of; what is expected of it and between which bounds; what it was. By name.
    reasons : dict of list of str
        By metric, why it is reported: ``"unusual"``, ``"below its limit"``, ``"above its limit"``, ``"step beyond
        its limit"``, ``"stuck"``, ``"gone"``; and ``"silent"`` under the name ``""``, for a stream that was away.
    """

    __slots__ = ("_names", "_row", "time")

    def __init__(self, time: Any, row: NDArray[np.float64], names: tuple[str, ...]) -> None:
        self.time = time
        self._row = row
        self._names = names

    @property
    def score(self) -> float:
        """How abnormal the state is now; lower = more abnormal."""
        return float(self._row[at.OUT_SCORE])

    @property
    def onset(self) -> float:
        """How abnormal the change is; lower = more abnormal."""
        return float(self._row[at.OUT_ONSET])

    @property
    def p_value(self) -> float:
        """The p-value of the state among the points so far."""
        return float(self._row[at.OUT_P_VALUE])

    @property
    def is_anomaly(self) -> bool:
        """Whether the p-value is at most the policy's false-alarm rate."""
        return bool(self._row[at.OUT_ANOMALY])

    @property
    def alert(self) -> bool:
        """Whether the policy raises an alert at this point."""
        return bool(self._row[at.OUT_ALERT])

    @property
    def repruned(self) -> bool:
        """Whether the monitor changed at this point which parts it uses."""
        return bool(self._row[at.OUT_REPRUNED])

    @property
    def held_back(self) -> bool:
        """Whether an alert was due here that the budget kept back."""
        return bool(self._row[at.OUT_HELD])

    @property
    def incident(self) -> int:
        """Number of the open incident, 0 if there is none."""
        return int(self._row[at.OUT_INCIDENT])

    def _part(self, metric: int, place: int) -> float:
        return float(self._row[at.OUT_METRICS + metric * at.PER_METRIC + place])

    @property
    def components(self) -> dict[str, float]:
        """``<metric>.trend``, ``<metric>.seasonal``, ``<metric>.remainder``, in the units of the metric.

        Their sum is the value; the remainder of a missing value is NaN.
        """
        return {
            f"{name}.{part}": self._part(k, j)
            for k, name in enumerate(self._names)
            for j, part in enumerate(COMPONENTS)
        }

    @property
    def values(self) -> dict[str, float]:
        """The values by metric, as the sum of their components; NaN if missing."""
        return {name: sum(self._part(k, j) for j in range(len(COMPONENTS))) for k, name in enumerate(self._names)}

    @property
    def ranges(self) -> dict[str, float]:
        """``<metric>.expected``, ``<metric>.lower``, ``<metric>.upper``, in the units of the metric.

        What was expected before the value came, and the bounds between which the monitor's `coverage` of ordinary
        values lies.
        """
        found = {}
        for k, name in enumerate(self._names):
            found[f"{name}.expected"] = self._part(k, at.R_TREND) + self._part(k, at.R_SEASONAL)
            found[f"{name}.lower"], found[f"{name}.upper"] = self._part(k, at.R_LOWER), self._part(k, at.R_UPPER)
        return found

    @property
    def reasons(self) -> dict[str, list[str]]:
        """Why each metric is reported; a metric about which there is nothing to report is left out."""
        found = {_NO_METRIC: [_SILENT]} if self._row[at.OUT_SILENT] >= _SILENCE else {}
        for k, name in enumerate(self._names):
            bits = int(self._part(k, at.R_REASONS))
            if bits:
                found[name] = [text for bit, text in _REASONS.items() if bits & bit]
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

        start = at.OUT_METRICS + at.C_LEVEL
        cells = np.array([
            self._row[start + k * at.PER_METRIC :][: len(CAUSES)] for k in range(len(self._names))
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
    """Return the kernel's rows (n_rows, n_fields) as a frame: the fields, then components and range of every metric."""
    import pandas as pd

    columns: dict[str, Any] = {}
    for k, field in enumerate(FIELDS):
        columns[field] = rows[:, k] if k <= at.OUT_P_VALUE else rows[:, k] != 0.0
    columns["held_back"] = rows[:, at.OUT_HELD] != 0.0
    columns["incident"] = rows[:, at.OUT_INCIDENT].astype(np.int64)
    for k, name in enumerate(names):
        part = rows[:, at.OUT_METRICS + k * at.PER_METRIC :]
        for j, component in enumerate(COMPONENTS):
            columns[f"{name}.{component}"] = part[:, j]
        columns[f"{name}.expected"] = part[:, at.R_TREND] + part[:, at.R_SEASONAL]
        columns[f"{name}.lower"], columns[f"{name}.upper"] = part[:, at.R_LOWER], part[:, at.R_UPPER]
    return pd.DataFrame(columns, index=index)
