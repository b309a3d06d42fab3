"""PruningReport: what was removed, what was kept, and on which evidence.

One row per item (a feature, a training row, a tree, a component, a point). A row that was kept because a
guard spoke says so in its reason; guards that spoke for the whole table are listed in `guards`.
"""

from __future__ import annotations

import html
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any

import numpy as np
import pandas as pd

from detectors.exceptions import PruningError

__all__ = ["PruningRecord", "PruningReport", "merge"]

_FORMAT = 1
_SHOWN_ROWS = 200


@dataclass(frozen=True, slots=True)
class PruningRecord:
    """The decision about one item.

    Parameters
    ----------
    item : str or int
        Name of the feature, number of the row or tree, name of the component, time of the point.
    kind : str
        What the item is found to be: ``"constant"``, ``"independent noise"``, ``"trend"``, ``"relevant"``, ...
    kept : bool
        True if the item stays.
    reason : str
        One sentence for a person.
    statistic, threshold, p_value : float
        The evidence; NaN where the decision used none.
    """

    item: str | int
    kind: str
    kept: bool
    reason: str
    statistic: float = math.nan
    threshold: float = math.nan
    p_value: float = math.nan


_COLUMNS = [f.name for f in fields(PruningRecord)]


def _number(value: float) -> float | None:
    """A float for JSON: None stands for NaN and infinities."""
    return float(value) if math.isfinite(value) else None


def _record(row: dict[str, Any]) -> PruningRecord:
    """A record from its JSON form; null stands for NaN in the evidence."""
    evidence = {k: math.nan if row[k] is None else float(row[k]) for k in ("statistic", "threshold", "p_value")}
    return PruningRecord(row["item"], row["kind"], bool(row["kept"]), row["reason"], **evidence)


def _plain(value: Any) -> Any:
    """NumPy scalars as Python ones, times as text, for JSON."""
    if isinstance(value, np.generic):
        value = value.item()
    return value if isinstance(value, str | int | float | bool | type(None)) else str(value)


@dataclass(frozen=True)
class PruningReport:
    """Every decision of a pruner.

    Parameters
    ----------
    records : sequence of PruningRecord
        One per item, in the order of the input.
    subject : str
        What was pruned: ``"features"``, ``"training rows"``, ``"trees"``, ``"components"``, ...
    guards : sequence of str
        One sentence per guard that held something back; empty if none spoke.
    figures : mapping of str to number or text
        Totals worth telling, such as the level of the false discovery rate.
    verb : str
        What became of the items that were not kept: ``"removed"``, or ``"repaired"`` where values were replaced.

    Examples
    --------
    >>> report = PruningReport(
    ...     [PruningRecord("cpu", "relevant", True, "depends on disk", 0.4, 0.1, 0.001),
    ...      PruningRecord("dice", "independent noise", False, "depends on nothing", 0.02, 0.1, 0.8)],
    ...     subject="features")
    >>> report.removed
    ['dice']
    >>> print(report.summary())
    features: 1 of 2 removed (independent noise 1)
    """

    records: Sequence[PruningRecord]
    subject: str = "items"
    guards: Sequence[str] = ()
    figures: Mapping[str, Any] = field(default_factory=dict)
    verb: str = "removed"

    def __post_init__(self) -> None:
        object.__setattr__(self, "records", tuple(self.records))
        object.__setattr__(self, "guards", tuple(self.guards))
        object.__setattr__(self, "figures", dict(self.figures))

    def __repr__(self) -> str:
        """One line: the counts, not the records."""
        return f"PruningReport({self.summary().splitlines()[0]})"

    def __len__(self) -> int:
        return len(self.records)

    @property
    def removed(self) -> list[str | int]:
        """Items that go, in the order of the input."""
        return [r.item for r in self.records if not r.kept]

    @property
    def kept(self) -> list[str | int]:
        """Items that stay, in the order of the input."""
        return [r.item for r in self.records if r.kept]

    def to_frame(self) -> pd.DataFrame:
        """Return the decisions as a DataFrame (n_items, 7).

        Returns
        -------
        DataFrame with columns ``item, kind, kept, reason, statistic, threshold, p_value``.
        """
        frame = pd.DataFrame([[getattr(r, c) for c in _COLUMNS] for r in self.records], columns=_COLUMNS)
        floats = dict.fromkeys(("statistic", "threshold", "p_value"), np.float64)
        return frame.astype({"kept": bool, **floats})

    def summary(self) -> str:
        """Return one line on what went, and one line per guard that spoke."""
        kinds: dict[str, int] = {}
        for record in self.records:
            if not record.kept:
                kinds[record.kind] = kinds.get(record.kind, 0) + 1
        listed = ", ".join(f"{kind} {count}" for kind, count in kinds.items())
        head = f"{self.subject}: {sum(kinds.values())} of {len(self.records)} {self.verb}"
        return "\n".join([f"{head} ({listed})" if listed else head, *(f"guard: {g}" for g in self.guards)])

    def to_json(self, *, indent: int | None = None) -> str:
        """Return the report as JSON text; NaN becomes null."""
        rows = []
        for record in self.records:
            row = {k: _plain(v) for k, v in asdict(record).items()}
            row |= {k: _number(row[k]) for k in ("statistic", "threshold", "p_value")}
            rows.append(row)
        figures = {
            k: _number(v) if isinstance(v, float) else v for k, v in ((k, _plain(v)) for k, v in self.figures.items())
        }
        body = {
            "format": _FORMAT,
            "subject": self.subject,
            "verb": self.verb,
            "guards": list(self.guards),
            "figures": figures,
            "records": rows,
        }
        return json.dumps(body, indent=indent, allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> PruningReport:
        """Read what `to_json` wrote.

        Raises
        ------
        PruningError
            If the text is no report of a known format.
        """
        try:
            body = json.loads(text)
            if body["format"] != _FORMAT:
                raise PruningError(f"a pruning report must have format {_FORMAT}, got {body['format']!r}.")
            records = [_record(row) for row in body["records"]]
            return cls(
                records,
                subject=body["subject"],
                guards=body["guards"],
                figures=body["figures"],
                verb=body.get("verb", "removed"),
            )
        except (KeyError, TypeError, json.JSONDecodeError) as error:
            raise PruningError(f"this is no pruning report as `to_json` writes it: {error!r}.") from error

    def plot(self, ax: Any = None) -> Any:
        """Draw one bar per item, the statistic over its threshold; needs the extra ``plots``.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Where to draw; a new figure without it.

        Returns
        -------
        matplotlib Axes
        """
        try:
            import matplotlib.pyplot as plt
        except ImportError as error:
            raise ImportError("plot needs matplotlib: install the extra, `pip install 'tsprune[plots]'`.") from error
        frame = self.to_frame()
        if ax is None:
            _, ax = plt.subplots(figsize=(7, max(2.0, min(0.28 * len(frame) + 1, 40))), layout="constrained")
        colours = ["#2a6f97" if kept else "#c1121f" for kept in frame["kept"]]
        ax.barh(frame["item"].astype(str), frame["statistic"].fillna(0.0), color=colours)
        ax.scatter(frame["threshold"], frame["item"].astype(str), marker="|", s=120, color="black", zorder=3)
        ax.invert_yaxis()
        ax.set(xlabel=f"statistic (bar) and threshold (mark); red: {self.verb}", title=self.summary().splitlines()[0])
        return ax

    def _repr_html_(self) -> str:
        """HTML for notebooks and reports: the summary and the first rows."""
        frame = self.to_frame()
        red = " style='color:#c1121f'"
        rows = "".join(
            f"<tr{'' if kept else red}>" + "".join(f"<td>{_cell(v, self.verb)}</td>" for v in row) + "</tr>"
            for kept, row in zip(frame["kept"], frame.head(_SHOWN_ROWS).itertuples(index=False), strict=False)
        )
        more = f"<p>… and {len(frame) - _SHOWN_ROWS} more</p>" if len(frame) > _SHOWN_ROWS else ""
        head = "".join(f"<th>{c}</th>" for c in _COLUMNS)
        text = html.escape(self.summary()).replace("\n", "<br>")
        return f"<div class='pruning-report'><p>{text}</p><table><tr>{head}</tr>{rows}</table>{more}</div>"


def _cell(value: Any, verb: str) -> str:
    """One cell of the HTML table."""
    if isinstance(value, float):
        return "" if math.isnan(value) else f"{value:.4g}"
    if isinstance(value, bool | np.bool_):
        return "kept" if value else verb
    return html.escape(str(value))


def merge(reports: Iterable[PruningReport], subject: str) -> PruningReport:
    """Join the records, guards and figures of several reports under one subject."""
    reports = list(reports)
    figures: dict[str, Any] = {}
    for report in reports:
        figures |= {f"{report.subject}.{k}": v for k, v in report.figures.items()}
    return PruningReport(
        [r for report in reports for r in report.records],
        subject=subject,
        guards=[g for report in reports for g in report.guards],
        figures=figures,
    )
