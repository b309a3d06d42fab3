"""Stored states: `archive` with fast compression, for what is written again every second.

One format serves models and states: a manifest in JSON and arrays of numbers behind a checksum, nothing that could
run, never more bytes after decompression than announced. Errors are `StoredStateError`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from detectors.exceptions import StoredModelError, StoredStateError
from detectors.storage.archive import pack, unpack
from detectors.storage.atomic_file import replace_file

__all__ = ["dump_state", "parse_state", "read_state", "write_state"]

_KIND = "state"
_BEFORE = b"TSPRUNE-STATE "  # how states began up to 0.9
_LARGEST = 1 << 32  # bytes of a state after decompression: thousands of metrics


def dump_state(meta: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """Return `meta` (what JSON can hold) and `arrays` of Booleans, integers and floats as bytes.

    Raises
    ------
    StoredStateError
        If `meta` is no JSON, or an array holds something else.
    """
    try:
        return pack(_KIND, meta, arrays, fast=True)
    except StoredModelError as error:
        raise StoredStateError(str(error)) from None


def parse_state(stored: bytes, *, where: str = "state") -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Return what `dump_state` was given.

    Raises
    ------
    StoredStateError
        Foreign, of an unknown version, cut off, changed, too large, or with a manifest that is none.
    """
    if stored.startswith(_BEFORE):
        raise StoredStateError(f"{where} comes from an older tsprune, whose format is no longer read; prime again.")
    try:
        return unpack(stored, _KIND, largest=_LARGEST)
    except StoredModelError as error:
        raise StoredStateError(f"{where} is damaged or no state that can be read: {error}") from None


def write_state(path: str | os.PathLike[str], stored: bytes) -> None:
    """Replace the file at `path` by `stored`, atomically: a reader sees the old file or the new one."""
    replace_file(path, stored)


def read_state(path: str | os.PathLike[str]) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Return what the file at `path` holds.

    Raises
    ------
    StoredStateError
        If it is no state, or damaged.
    """
    return parse_state(Path(path).read_bytes(), where=f"the state {os.fspath(path)!r}")
