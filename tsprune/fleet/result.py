"""What a job on many series gives back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

__all__ = ["FleetResult"]


@dataclass(frozen=True)
class FleetResult:
    """The result of a job on many series; unpacks as ``frame, summary = result``.

    Attributes
    ----------
    frame : DataFrame of the kind given
        The rows given, in their order, with the results.
    summary : DataFrame of the kind given
        One row per series, in order of first appearance; `error` says why a series failed, else it is None.
        Everything but `seconds` is the same in every run.
    changes : DataFrame of the kind given, or None
        Of `clean_many`: one row per changed point, ``<id>, <time>, old, new, reason, statistic, threshold``; series in
        the order of `summary`, times as they stand in the input. None for a Spark DataFrame.
    episodes : DataFrame of the kind given, or None
        Of `detect_many`: one row per episode, ``<id>, start, end, peak, n_rows, p_value, cause, expected, lower, upper,
        found``. None for a Spark DataFrame.
    pruners : dict, or None
        Of `prune_many`: the fitted pruner of every series that did not fail, by its id (a tuple if there are several
        id columns).
    """

    frame: Any
    summary: Any
    changes: Any = None
    episodes: Any = None
    pruners: dict[Any, Any] | None = field(default=None, repr=False)

    def __iter__(self) -> Iterator[Any]:
        return iter((self.frame, self.summary))

    def __len__(self) -> int:
        return 2

    def __getitem__(self, key: int) -> Any:
        return (self.frame, self.summary)[key]
