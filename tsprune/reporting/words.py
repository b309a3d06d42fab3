"""Sentences of reports: what was done, in words that fit the case, and what it rests on.

A gap is filled, a spike replaced, a level shift moved back, a column dropped: never "removed: kept".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

__all__ = [
    "cleaning_verdict",
    "counted",
    "detection_verdict",
    "listed",
    "pruning_verdict",
    "repaired",
    "sentence_of_change",
]

# what the cleaner does about each kind of fault, and its plural
_REPAIRS = {
    "gap": ("missing value", "missing values", "filled"),
    "spike": ("spike", "spikes", "replaced"),
    "burst": ("value of a burst", "values of bursts", "replaced"),
    "flat line": ("value of a flat line", "values of flat lines", "replaced"),
    "level shift": ("value of a level shift", "values of level shifts", "moved back"),
    "lasting level shift": ("value of a lasting level shift", "values of lasting level shifts", "moved back"),
    "below lower bound": ("value below the lower bound", "values below the lower bound", "replaced"),
    "above upper bound": ("value above the upper bound", "values above the upper bound", "replaced"),
}


def counted(number: int, one: str, many: str) -> str:
    """Return a number with the noun that fits it."""
    return f"{number:,} {one if number == 1 else many}"


def listed(parts: Sequence[str]) -> str:
    """Return parts as a sentence lists them."""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}" if parts else ""


def repaired(reasons: Mapping[str, int]) -> list[str]:
    """Return what was done for each reason, such as ``59 missing values filled``."""
    found = []
    for reason, number in reasons.items():
        one, many, verb = _REPAIRS.get(str(reason), (f"value ({reason})", f"values ({reason})", "replaced"))
        found.append(f"{counted(int(number), one, many)} {verb}")
    return found


def cleaning_verdict(name: str, n_rows: int, reasons: Mapping[str, int], guards: Sequence[str] = ()) -> str:
    """Return one or two sentences on what a cleaner changed in one series."""
    total = int(sum(reasons.values()))
    if not total:
        sentence = f"{name}: nothing was changed. No value stood out clearly enough to be called a fault."
    else:
        done = listed(repaired(reasons))
        sentence = f"{name}: {total:,} of {n_rows:,} values changed: {done}. All other values are as they were."
    return " ".join([sentence, *(f"{guard[0].upper()}{guard[1:].rstrip('.')}." for guard in guards[:3])])


def detection_verdict(n_rows: int, n_episodes: int, n_anomalies: int, worst: str = "") -> str:
    """Return one or two sentences on what a detector found."""
    if not n_episodes:
        return f"No anomaly among {n_rows:,} time points: no score lies below the threshold."
    found = counted(n_episodes, "abnormal episode", "abnormal episodes")
    return f"{found}, {counted(n_anomalies, 'time point', 'time points')} of {n_rows:,}. {worst}".strip()


def pruning_verdict(n_columns: int, dropped: Mapping[str, str], guards: Sequence[str] = ()) -> str:
    """Return one or two sentences on which columns of a table went."""
    if not dropped:
        why = f" {guards[0]}" if guards else " No column is shown to be useless."
        return f"All {n_columns:,} columns stay.{why}"
    kinds = pd.Series(list(dropped.values())).value_counts()
    reasons = listed([f"{number:,} {kind}" for kind, number in kinds.items()])
    return f"{len(dropped):,} of {counted(n_columns, 'column', 'columns')} dropped: {reasons}."


def sentence_of_change(change: Any) -> str:
    """Return what happened to one value, for the tip of a mark."""
    _, _, verb = _REPAIRS.get(str(change.reason), ("", "", "replaced"))
    old = "missing" if pd.isna(change.old) else f"{change.old:.6g}"
    return f"{change.time}: {change.reason} {verb}, {old} became {change.new:.6g}"


def sentence_of_episode(row: Mapping[str, Any]) -> str:
    """Return one episode as a sentence, in the units of the series."""
    name = row["series"] or "the series together"
    when = f"at {row['time']}" if row["rows"] == 1 else f"from {row['start']} to {row['end']} ({row['rows']} rows)"
    p = row.get("p_value") or 1.0
    rare = "" if p >= 1.0 else f"; by chance once in {1.0 / p:,.0f} such series" if p > 1e-6 else "; not by chance"
    if row["found"] is None or row["found"] != row["found"]:
        return f"{name} was abnormal {when}{rare}."
    usual = f"{row['lower']:.4g} to {row['upper']:.4g}"
    found = f"{row['found']:.4g} where {usual} is usual (expected {row['expected']:.4g})"
    return f"{name} was {found} {when}{rare}."
