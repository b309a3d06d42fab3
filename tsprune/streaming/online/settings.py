"""What online decomposers share: the numbers behind their parameters, and bytes that hold their memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from detectors.storage.state_file import dump_state, parse_state
from tsprune.exceptions import StoredStateError

__all__ = ["OnlineSettings", "pack", "unpack"]

_SHIFT_MAX = 20
_WINDOW_MIN = 1000


@dataclass(frozen=True)
class OnlineSettings:
    """Parameters of the compiled step: period 0 is no season."""

    period: int
    shift: int
    window: float
    gain: float

    @classmethod
    def of(
        cls, period: int | None, shift_window: int | str, level_window: int | str, season_memory: int
    ) -> OnlineSettings:
        """Resolve "auto"; a shift is less than half a period, or it would be a shift the other way round."""
        length = 0 if period is None else int(period)
        shift = min(_SHIFT_MAX, length // 8) if isinstance(shift_window, str) else int(shift_window)
        window = max(_WINDOW_MIN, 4 * length) if isinstance(level_window, str) else int(level_window)
        return cls(length, min(shift, max(0, (length - 1) // 2)), float(window), 1.0 / int(season_memory))


def pack(kind: str, stored: Mapping[str, Any]) -> bytes:
    """Return parameters and arrays as bytes, marked with what they are the memory of."""
    arrays = {name: value for name, value in stored.items() if isinstance(value, np.ndarray)}
    plain = {name: value for name, value in stored.items() if name not in arrays}
    return dump_state({"kind": kind, "plain": plain}, arrays)


def unpack(kind: str, stored: bytes) -> dict[str, Any]:
    """Return what `pack` was given.

    Raises
    ------
    StoredStateError
        If the bytes are foreign, damaged, or of another kind.
    """
    meta, arrays = parse_state(stored, where="the stored decomposer")
    if meta.get("kind") != kind:
        raise StoredStateError(f"stored bytes must be of kind {kind!r}, got {meta.get('kind')!r}.")
    return {**meta["plain"], **arrays}
