"""`tsprune monitor`: follow a stream of records, score every point once, survive a crash."""

from __future__ import annotations

__all__ = ["monitor"]


def monitor() -> None:
    """Follow a stream of records."""
    raise NotImplementedError("the monitor command is being written")
