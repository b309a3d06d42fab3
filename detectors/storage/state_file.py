"""Stored states: a manifest in JSON and the arrays behind it, checksummed; nothing in it is ever executed.

Layout: the line ``TSPRUNE-STATE 1``, the SHA-256 of all that follows (32 bytes), the length of the manifest
(8 bytes, little-endian), the manifest (UTF-8 JSON with ``meta`` and the name, dtype and shape of every array), and
the arrays one after another, C order, little-endian, compressed with zlib.
"""

from __future__ import annotations

import hashlib
import json
import os
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detectors.exceptions import StoredStateError
from detectors.storage.atomic_file import replace_file

__all__ = ["dump_state", "parse_state", "read_state", "write_state"]

_FAMILY = b"TSPRUNE-STATE "
_MAGIC = _FAMILY + b"1\n"
_DTYPES = ("<f8", "<f4", "<i8", "<u4", "<u2", "|u1")
_HEAD = len(_MAGIC) + 32 + 8


def dump_state(meta: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """Return `meta` (what JSON can hold) and `arrays` (float64, float32, int64, uint32, uint16, uint8) as bytes."""
    listed, parts = [], []
    for name, array in arrays.items():
        dtype = array.dtype.newbyteorder("<").str
        if dtype not in _DTYPES:
            raise StoredStateError(
                f"arrays of a state must be floats, int64 or unsigned, got {array.dtype} for {name!r}."
            )
        listed.append({"name": name, "dtype": dtype, "shape": list(array.shape)})
        parts.append(np.ascontiguousarray(array, dtype=dtype).tobytes())
    manifest = json.dumps({"meta": meta, "arrays": listed}, sort_keys=True).encode()
    body = len(manifest).to_bytes(8, "little") + manifest + zlib.compress(b"".join(parts), 1)
    return _MAGIC + hashlib.sha256(body).digest() + body


def parse_state(stored: bytes, *, where: str = "state") -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Return what `dump_state` was given.

    Raises
    ------
    StoredStateError
        Foreign, of an unknown version, cut off or changed.
    """
    if not stored.startswith(_MAGIC):
        if stored.startswith(_FAMILY):
            version = stored[len(_FAMILY) :].split(b"\n", 1)[0][:8].decode("ascii", "replace")
            raise StoredStateError(f"{where} must have format version 1, got {version}; upgrade tsprune.")
        raise StoredStateError(f"{where} must be a state saved by tsprune, got {stored[:16]!r}...; check the path.")
    body = stored[len(_MAGIC) + 32 :]
    if hashlib.sha256(body).digest() != stored[len(_MAGIC) : len(_MAGIC) + 32]:
        raise StoredStateError(f"{where} is damaged: its checksum differs; restore a copy or prime again.")
    length = int.from_bytes(body[:8], "little")
    manifest = json.loads(body[8 : 8 + length])
    raw = zlib.decompress(body[8 + length :])
    arrays: dict[str, NDArray[Any]] = {}
    start = 0
    for entry in manifest["arrays"]:
        dtype, shape = np.dtype(entry["dtype"]), tuple(entry["shape"])
        stop = start + dtype.itemsize * int(np.prod(shape, dtype=np.int64))
        arrays[entry["name"]] = (
            np.frombuffer(raw[start:stop], dtype=dtype).reshape(shape).astype(dtype.newbyteorder("="))
        )
        start = stop
    return manifest["meta"], arrays


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
