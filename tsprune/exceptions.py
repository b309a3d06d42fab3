"""Errors and warnings of the `tsprune` package.

All domain errors are `ValueError`s by way of `detectors.exceptions.PruningError`. Messages name the rule, the
value received, where (column, row, time), and the remedy.
"""

from __future__ import annotations

from detectors.exceptions import GuardError, InvalidParameterError, PruningError, StoredStateError

__all__ = [
    "GuardError", "InvalidParameterError", "InvalidRecordError", "InvalidSeriesError", "NotNumericError",
    "PruningError", "StoredStateError", "TimeIndexError",
]  # fmt: skip


class InvalidSeriesError(PruningError):
    """A series cannot be used as given (wrong type, shape, or values)."""


class NotNumericError(InvalidSeriesError, TypeError):
    """A series holds text or other objects that are no numbers."""


class TimeIndexError(InvalidSeriesError):
    """Times are missing, unsorted, duplicated, of mixed zones, or outside what was fitted."""


class InvalidRecordError(PruningError):
    """One record of a stream breaks the format; carries the kind for the counters."""

    def __init__(self, message: str, kind: str) -> None:
        super().__init__(message)
        self.kind = kind
