"""What is done to one series of a fleet.

A series that cannot be used is a fact of its own row of the summary, never the end of the others.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import pandas as pd
from sklearn.base import clone

from tsprune.exceptions import InvalidParameterError, InvalidSeriesError
from tsprune.series.times import times_of_column

__all__ = ["FleetTask", "SeriesDone"]

Kind = Literal["clean", "detect", "decompose", "prune"]

_ADDED: dict[str, dict[str, type]] = {  # columns of the result; a cleaner and a pruner replace the values too
    "clean": {"changed": bool},
    "detect": {"score": float, "anomaly": bool},
    "decompose": {"trend": float, "seasonal": float, "remainder": float},
    "prune": {},
}
_FACTS: dict[str, dict[str, Any]] = {  # columns of the summary, and what they hold for a series that failed
    "clean": {"n_changed": 0, "changes": "", "periods": "", "guards": ""},
    "detect": {"n_anomalies": 0, "n_episodes": 0, "lowest_score": np.nan, "periods": ""},
    "decompose": {"periods": "", "trend_strength": np.nan, "seasonal_strength": np.nan},
    "prune": {"removed": "", "guards": ""},
}
_DETAILS: dict[str, dict[str, type]] = {  # what is told about single points or episodes; int = a row of the table
    "clean": {"time": int, "old": float, "new": float, "reason": str, "statistic": float, "threshold": float},
    "detect": {
        "start": int, "end": int, "peak": int, "n_rows": float, "p_value": float, "cause": str, "expected": float,
        "lower": float, "upper": float, "found": float,
    },
    "decompose": {},
    "prune": {},
}  # fmt: skip


@dataclass
class SeriesDone:
    """One series worked on: new columns (n_rows,) for the rows `order` of the table, facts, and lists of details."""

    order: np.ndarray[Any, np.dtype[np.int64]]
    columns: dict[str, Any]
    facts: dict[str, Any]
    details: dict[str, list[Any]] = field(default_factory=dict)
    fitted: Any = None


@dataclass(frozen=True)
class FleetTask:
    """What to do with every series, and where its cells stand.

    Attributes
    ----------
    kind : {"clean", "detect", "decompose", "prune"}
    estimator : SeriesCleaner, SeriesDetector, pruner, or dict of options of `decompose`
        An estimator is cloned for every series.
    id_columns : tuple of str
    time_column, value_column : str
    day_first : bool, optional
        Whether ``05/01/2024`` is the fifth of January; None lets the column decide.
    on_error : {"record", "raise"}
        Whether a series that fails is a row of the summary or an error.
    """

    kind: Kind
    estimator: Any
    id_columns: tuple[str, ...]
    time_column: str
    value_column: str
    day_first: bool | None = None
    on_error: str = "record"

    def __post_init__(self) -> None:
        if self.on_error not in ("record", "raise"):
            raise InvalidParameterError(f"on_error must be 'record' or 'raise', got {self.on_error!r}.")

    @property
    def replaces(self) -> bool:
        """Whether the values are replaced."""
        return self.kind in ("clean", "prune")

    @property
    def added(self) -> dict[str, type]:
        """Columns of the result that are new or replaced, float or bool."""
        return {**({self.value_column: float} if self.replaces else {}), **_ADDED[self.kind]}

    @property
    def facts(self) -> dict[str, type]:
        """Columns of the summary after those of the ids: int, float or str."""
        own = {name: type(nothing) for name, nothing in _FACTS[self.kind].items()}
        return {"n_timepoints": int, "n_missing": int, **own, "seconds": float, "error": str}

    @property
    def details(self) -> dict[str, type]:
        """Columns of `changes` or `episodes`; int = the time of that row of the table."""
        return _DETAILS[self.kind]

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that are read."""
        return tuple(dict.fromkeys((*self.id_columns, self.time_column, self.value_column)))

    def check_columns(self, columns: Iterable[str]) -> None:
        """Raise unless a frame with the columns can be worked on and keeps them."""
        for column in self.columns:
            if column not in columns:
                raise InvalidSeriesError(
                    f"frame must have the column {column!r}, got {list(columns)[:8]}; name yours in `id_column=`, "
                    "`time_column=` or `value_column=`."
                )
        taken = set(self.columns) & (_ADDED[self.kind].keys() | self.details.keys() - {"time"})
        if taken:
            raise InvalidSeriesError(f"the result has a column {min(taken)!r} of its own; rename yours.")

    def do(self, part: pd.DataFrame) -> SeriesDone:
        """Work on the rows of one series, whose index counts the rows of the table."""
        start = time.perf_counter()
        facts = {"n_timepoints": len(part), "n_missing": int(part[self.value_column].isna().sum())}
        try:
            if part[list(self.id_columns)].isna().any(axis=None):
                names = " and ".join(self.id_columns)
                raise InvalidSeriesError(f"{names} must name the series, got rows without; fill or drop them.")
            done = self._done(self._sorted(part))
            done.facts = {**facts, **done.facts, "error": None}
        except (ValueError, ArithmeticError) as error:
            if self.on_error == "raise":
                name = ", ".join(str(part[column].iloc[0]) for column in self.id_columns)
                raise InvalidSeriesError(f"series {name}: {type(error).__name__}: {error}") from error
            empty = {
                n: np.zeros(len(part), bool) if t is bool else np.full(len(part), np.nan) for n, t in self.added.items()
            }
            said = {**facts, **_FACTS[self.kind], "error": f"{type(error).__name__}: {error}"}
            done = SeriesDone(part.index.to_numpy(), empty, said)
        done.facts["seconds"] = time.perf_counter() - start
        done.facts = {name: done.facts[name] for name in self.facts}
        return done

    def _sorted(self, part: pd.DataFrame) -> pd.DataFrame:
        """The rows in order of time; text is read as times first, never sorted as text."""
        times = self.times_of(part[self.time_column])
        return part.assign(**{self.time_column: times}).sort_values(self.time_column, kind="stable")

    def times_of(self, column: pd.Series) -> pd.Index:
        """Return the times (n_rows,) that a column holds, text and dates as timestamps.

        Raises
        ------
        TimeIndexError
            If a cell is no time, or may be two.
        """
        return times_of_column(column, day_first=self.day_first, mixed_zones="utc", where=self.time_column)

    def _done(self, part: pd.DataFrame) -> SeriesDone:
        """Work on the sorted rows of one series."""
        y = pd.Series(part[self.value_column].to_numpy(float), index=pd.Index(part[self.time_column]))
        done = {"clean": self._clean, "detect": self._detect, "decompose": self._decompose, "prune": self._prune}
        return done[self.kind](y, part.index.to_numpy())

    def _clean(self, y: pd.Series, order: Any) -> SeriesDone:
        """Clean a series (n_timepoints,)."""
        mine = clone(self.estimator)
        values = np.asarray(mine.fit_transform(y), float)
        changed = np.asarray(mine.mask_).ravel() | np.isnan(y.to_numpy())
        facts = {"n_changed": int(changed.sum()), "periods": _listed(mine.periods_[0])}
        facts["guards"] = "; ".join(mine.report_.guards)
        details = self._listed_of(getattr(mine, "changes_", None), y, order)
        counts = Counter(details.get("reason", ()))
        facts["changes"] = ", ".join(f"{reason}: {counts[reason]}" for reason in sorted(counts))
        return SeriesDone(order, {self.value_column: values, "changed": changed}, facts, details)

    def _detect(self, y: pd.Series, order: Any) -> SeriesDone:
        """Score a series (n_timepoints,)."""
        mine = clone(self.estimator)
        mine.fit(y)
        scores, marked = np.asarray(mine.score_samples(y), float), np.asarray(mine.predict(y)) < 0
        facts: dict[str, Any] = {"n_anomalies": int(marked.sum()), "lowest_score": float(scores.min())}
        facts["periods"] = _listed(getattr(mine, "periods_", ()))
        details = self._listed_of(getattr(mine, "episodes_", None), y, order)
        facts["n_episodes"] = len(details.get("start", ()))
        return SeriesDone(order, {"score": scores, "anomaly": marked}, facts, details)

    def _decompose(self, y: pd.Series, order: Any) -> SeriesDone:
        """Split a series (n_timepoints,)."""
        from tsprune.decomposition.decomposing import decompose

        parts = decompose(y, **self.estimator)
        strength = {name: float(share) for name, share in parts.strength().items()}
        trend = strength.pop("trend", np.nan)
        facts = {"periods": _listed(parts.periods), "trend_strength": trend}
        facts["seasonal_strength"] = max(strength.values(), default=np.nan)
        columns = {"trend": parts.trend, "seasonal": parts.seasonal.sum(axis=1), "remainder": parts.remainder}
        return SeriesDone(order, columns, facts)

    def _prune(self, y: pd.Series, order: Any) -> SeriesDone:
        """Prune a series (n_timepoints,) and keep the pruner."""
        mine = clone(self.estimator)
        values = np.asarray(mine.fit_transform(y), float)
        removed = [str(record.kind) for record in mine.report_.records if not record.kept]
        facts = {"removed": ", ".join(dict.fromkeys(removed)), "guards": "; ".join(mine.report_.guards)}
        return SeriesDone(order, {self.value_column: values}, facts, fitted=mine)

    def _listed_of(self, table: pd.DataFrame | None, y: pd.Series, order: Any) -> dict[str, list[Any]]:
        """The details as lists, times as rows of the table that holds the series; an own estimator may have none."""
        listed: dict[str, list[Any]] = {}
        if table is None or not set(self.details) <= set(table.columns):
            return listed
        for name, kind in self.details.items():
            if kind is int:
                listed[name] = order[np.minimum(y.index.searchsorted(pd.Index(table[name])), len(y) - 1)].tolist()
            else:
                listed[name] = [kind(cell) for cell in table[name].tolist()]
        return listed


def _listed(periods: Iterable[int]) -> str:
    """Periods as text."""
    return ", ".join(str(int(period)) for period in periods)
