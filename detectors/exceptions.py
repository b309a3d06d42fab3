"""Errors of the `detectors` package.

Every message names the rule, the value received, where it stands, and the remedy.
All domain errors are `ValueError`s, so code that catches those keeps working.
"""

from __future__ import annotations

__all__ = [
    "GuardError", "InvalidParameterError", "InvalidTableError", "PruningError", "StoredModelError",
    "StoredStateError", "UnwritablePathError",
]  # fmt: skip


class PruningError(ValueError):
    """Base of every domain error of `detectors` and `tsprune`."""


class InvalidParameterError(PruningError, TypeError):
    """A constructor parameter breaks its rule; raised in `fit`."""


class InvalidTableError(PruningError):
    """A table (rows x features) cannot be used as given."""


class GuardError(PruningError):
    """A guard stopped the work: going on would remove more than the evidence allows."""


class StoredModelError(PruningError):
    """A saved model is corrupted, foreign, or of an unknown format version."""


class StoredStateError(PruningError):
    """A saved state is corrupted, foreign, or of an unknown format version."""


class UnwritablePathError(PruningError, OSError):
    """Nothing can be saved at a path: a folder or a device is there, or its folder is not."""
