"""Reports on features: of foreign selectors, under other names, and on what changed between two decisions."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from numbers import Integral
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from detectors.exceptions import InvalidParameterError, InvalidTableError
from detectors.parameters import Rule, check_value
from detectors.report import PruningRecord, PruningReport

__all__ = ["FEATURE", "decision_changes", "feature_numbers", "mask_report", "read_decisions", "renamed_report"]

Mask = NDArray[np.bool_]

FEATURE = Rule(
    "a name or a number of a feature",
    lambda value: isinstance(value, str) or (isinstance(value, Integral) and not isinstance(value, bool)),
)
_ON_FEATURES = Rule(
    "a PruningReport on features, as the report_ of a FeaturePruner",
    lambda value: isinstance(value, PruningReport) and value.subject == "features",
)


def mask_report(names: Sequence[Any], support: Mask, selector: str | None) -> PruningReport:
    """Report of a selector that has none of its own, or (None) of features nobody examined.

    Parameters
    ----------
    names : sequence of str of length n_features
    support : ndarray of bool of shape (n_features,)
    selector : str or None
        Name of the selector's class.
    """
    records = []
    for name, kept in zip(names, support, strict=True):
        if selector is None:
            records.append(PruningRecord(name, "not examined", True, "feature pruning is switched off"))
        else:
            word = "kept" if kept else "deselected"
            records.append(PruningRecord(name, word, bool(kept), f"{word} by {selector}"))
    return PruningReport(records, subject="features")


def read_decisions(report: PruningReport) -> tuple[list[Any], Mask, NDArray[Any], NDArray[np.float64]]:
    """Names, support, kinds and relevance (n_features,) that a report on features tells of.

    Raises
    ------
    InvalidParameterError
        If it is no report on features.
    InvalidTableError
        If it keeps nothing.
    """
    check_value("report", report, _ON_FEATURES, owner="from_report")
    names = [record.item for record in report.records]
    support = np.array([record.kept for record in report.records], dtype=bool)
    if not support.any():
        raise InvalidTableError(
            f"a report to start from must keep at least one feature, got {len(names)} records that keep none; "
            "fit a FeaturePruner on the table instead."
        )
    kinds = np.array([record.kind for record in report.records], dtype=object)
    tested = ~np.isin(
        kinds, ("duplicate", "irrelevant block", "template copy", "interchangeable")
    )  # their statistics tell something else
    statistics = np.array([record.statistic for record in report.records])
    return names, support, kinds, np.where(tested, np.nan_to_num(statistics, nan=0.0), 0.0)


def renamed_report(report: PruningReport, names: Sequence[Any]) -> PruningReport:
    """The same report with the features called `names` (n_features,), in reasons as well where they are x0, x1, ..."""
    unnamed = [str(r.item) for r in report.records] == [f"x{i}" for i in range(len(names))]

    def told(reason: str) -> str:
        return re.sub(r"\bx(\d+)\b", lambda found: str(names[int(found[1])]), reason) if unnamed else reason

    pairs = zip(report.records, names, strict=True)
    return replace(report, records=[replace(r, item=n, reason=told(r.reason)) for r, n in pairs])


def decision_changes(names: Any, before: Mask | None, after: Mask, kinds: NDArray[Any]) -> pd.DataFrame:
    """Frame (n_changes, 4) of the features whose decision changed; `before` None stands for all kept."""
    before = np.ones(len(after), dtype=bool) if before is None else before
    words = np.array(["removed", "kept"])
    which = np.flatnonzero(before != after)
    return pd.DataFrame(
        {
            "item": [names[i] for i in which],
            "before": words[before[which].astype(int)],
            "after": words[after[which].astype(int)],
            "kind": [kinds[i] for i in which],
        }
    )


def feature_numbers(wanted: Sequence[Any], names: list[Any]) -> NDArray[np.intp]:
    """Numbers (n_wanted,) of features given by name or number.

    Raises
    ------
    InvalidParameterError
        If one of them is no feature of the table.
    """
    numbers = []
    for item in wanted:
        if isinstance(item, str) and item in names:
            numbers.append(names.index(item))
        elif not isinstance(item, str) and -len(names) <= int(item) < len(names):
            numbers.append(int(item) % len(names))
        else:
            known = ", ".join(map(str, names[:8])) + (", ..." if len(names) > 8 else "")
            raise InvalidParameterError(f"anchors must be features of the table ({known}), got {item!r}.")
    return np.array(numbers, dtype=np.intp)
