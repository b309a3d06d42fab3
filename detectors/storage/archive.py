"""Stored models: a manifest in JSON and arrays of numbers, nothing that could run.

One file: the magic line, a SHA-256 checksum, the compression, the length, and the compressed body (manifest, then
the arrays). Reading it back never executes code; a file that was changed, cut off, or written by something else is
a `StoredModelError`.
"""

from __future__ import annotations

import hashlib
import json
import lzma
import struct
import zlib
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detectors.exceptions import StoredModelError
from detectors.storage.atomic_file import replace_file

__all__ = ["CONTRADICTIONS", "pack", "plain_parameter", "read_model", "stored_columns", "unpack", "write_model"]

_MAGIC = b"TSPRUNE\n"
_FORMAT = 1
_HEAD = struct.Struct("<8s32sBQ")  # magic, SHA-256 of all that follows it, compression, bytes of the body
_LENGTH = struct.Struct("<I")  # bytes of the manifest
_STORED, _ZLIB, _LZMA = 0, 1, 2
_LARGEST = 1 << 40  # bytes of a body; a larger number is a damaged one
CONTRADICTIONS = (
    KeyError,
    TypeError,
    IndexError,
    ValueError,
    AttributeError,
    OverflowError,
)  # what a forged file raises
_MOST_COLUMNS = int(np.iinfo(np.int32).max)
_DTYPES = frozenset({"|b1", "|u1", "|i1", "<u2", "<u4", "<u8", "<i2", "<i4", "<i8", "<f4", "<f8"})
_LZMA_FILTERS = [{"id": lzma.FILTER_LZMA2, "preset": 6}]


def pack(kind: str, manifest: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]], *, fast: bool = False) -> bytes:
    """Turn a model into the bytes of a file.

    Parameters
    ----------
    kind : str
        What is stored; `unpack` asks for it by this name.
    manifest : mapping
        Anything JSON can hold.
    arrays : mapping of str to ndarray of Booleans or numbers
    fast : bool, default=False
        Whether time matters more than size: one quick compression instead of the smallest of three. Equal manifests
        then give equal bytes, whatever the order of their keys.

    Returns
    -------
    bytes

    Raises
    ------
    StoredModelError
        If the manifest is no JSON, or an array holds anything but Booleans, integers and floats.

    Examples
    --------
    >>> text = pack("demo", {"k": 3}, {"x": np.arange(4.0)})
    >>> manifest, arrays = unpack(text, "demo")
    >>> manifest["k"], float(arrays["x"].sum())
    (3, 6.0)
    """
    specs, blocks = [], []
    for name, array in arrays.items():
        fixed = np.ascontiguousarray(array)
        fixed = fixed.astype(fixed.dtype.newbyteorder("<"), copy=False)
        if fixed.dtype.str not in _DTYPES:
            raise StoredModelError(
                f"a stored array must hold Booleans, integers or floats, {name!r} has dtype {array.dtype}."
            )
        specs.append([name, fixed.dtype.str, list(np.shape(array))])
        # bytes of equal weight lie together: signs and exponents repeat, so they compress
        blocks.append(np.ascontiguousarray(fixed.reshape(-1).view(np.uint8).reshape(-1, fixed.itemsize).T).tobytes())
    body = {"format": _FORMAT, "kind": kind, "version": _own_version(), "manifest": dict(manifest), "arrays": specs}
    try:
        text = json.dumps(body, allow_nan=False, separators=(",", ":"), sort_keys=fast).encode()
    except (TypeError, ValueError) as error:
        raise StoredModelError(f"the manifest of a stored model must be JSON: {error}.") from error
    raw = _LENGTH.pack(len(text)) + text + b"".join(blocks)
    packed = (
        {_ZLIB: zlib.compress(raw, 1)}
        if fast
        else {
            _STORED: raw,
            _ZLIB: zlib.compress(raw, 9),
            _LZMA: lzma.compress(raw, format=lzma.FORMAT_RAW, filters=_LZMA_FILTERS),
        }
    )
    code = min(packed, key=lambda c: (len(packed[c]), c))
    tail = struct.pack("<BQ", code, len(raw)) + packed[code]
    return _MAGIC + hashlib.sha256(tail).digest() + tail


def unpack(stored: bytes, kind: str, *, largest: int = _LARGEST) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Read the bytes that `pack` wrote; executes nothing.

    Parameters
    ----------
    stored : bytes
    kind : str
        What the caller expects to find.
    largest : int
        Bytes after decompression that are read at most.

    Returns
    -------
    manifest : dict
    arrays : dict of str to ndarray

    Raises
    ------
    StoredModelError
        If the bytes are foreign, damaged, of an unknown format, or another kind of model.
    """
    if stored[: len(_MAGIC)] != _MAGIC or len(stored) < _HEAD.size:
        raise StoredModelError(
            f"a stored model starts with {_MAGIC!r}, got {stored[:8]!r} ({len(stored)} bytes): this file was not "
            "written by `save`, or it was cut off."
        )
    _, checksum, code, length = _HEAD.unpack_from(stored)
    if hashlib.sha256(stored[len(_MAGIC) + 32 :]).digest() != checksum:
        raise StoredModelError(
            f"the checksum of the stored model does not fit its {len(stored)} bytes: the file was changed or cut off "
            "after it was written; write it again with `save`."
        )
    try:
        raw = _decompressed(stored[_HEAD.size :], code, length, largest)
        (n_text,) = _LENGTH.unpack_from(raw)
        body = json.loads(raw[_LENGTH.size : _LENGTH.size + n_text])
        if body["format"] != _FORMAT:
            raise StoredModelError(f"a stored model must have format {_FORMAT}, got {body['format']!r}; upgrade.")
        if body["kind"] != kind:
            raise StoredModelError(f"the file must hold a {kind}, it holds a {body['kind']}; load it with that class.")
        arrays = _arrays(raw, _LENGTH.size + n_text, body["arrays"])
        manifest = dict(body["manifest"])
    except StoredModelError:
        raise
    except (KeyError, TypeError, ValueError, IndexError, RecursionError, struct.error, zlib.error, lzma.LZMAError,
            OverflowError) as error:  # fmt: skip
        raise StoredModelError(
            f"the stored model contradicts itself ({error!r}); write it again with `save`."
        ) from error
    return manifest, arrays


def write_model(path: Any, kind: str, manifest: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write `pack(kind, manifest, arrays)` to `path`, all or nothing: a crash leaves the old file.

    Parameters
    ----------
    path : path-like
    kind, manifest, arrays
        As for `pack`.
    """
    replace_file(path, pack(kind, manifest, arrays))


def read_model(path: Any, kind: str) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Read what `write_model` wrote.

    Parameters
    ----------
    path : path-like
    kind : str

    Returns
    -------
    manifest : dict
    arrays : dict of str to ndarray

    Raises
    ------
    StoredModelError
        As for `unpack`; the message names the path.
    """
    try:
        return unpack(Path(path).read_bytes(), kind)
    except StoredModelError as error:
        raise StoredModelError(f"{path}: {error}") from error


def stored_columns(manifest: Mapping[str, Any]) -> tuple[int, NDArray[np.object_] | None]:
    """Number and names (n_features,) of the columns that a stored model was fitted on; None without names.

    Raises
    ------
    KeyError, ValueError
        If `n_features` is no number of columns, or `names` are not as many texts.
    """
    n_features, names = manifest["n_features"], manifest["names"]
    if type(n_features) is not int or not 0 < n_features <= _MOST_COLUMNS:
        raise ValueError(f"n_features must be a number of columns, got {n_features!r}")
    if names is None:
        return n_features, None
    if type(names) is not list or len(names) != n_features or not all(type(name) is str for name in names):
        raise ValueError(f"names must be {n_features} texts")
    return n_features, np.array(names, dtype=object)


def _own_version() -> str:
    """Version of the distribution, "unknown" in a bare source tree."""
    try:
        return version("tsprune")
    except PackageNotFoundError:
        return "unknown"


def _decompressed(packed: bytes, code: int, length: int, largest: int) -> bytes:
    """The body, never more than the `length` bytes announced, and those never more than `largest`."""
    if length > largest:
        raise StoredModelError(f"a stored model must have at most {largest} bytes, the file announces {length}.")
    if code == _STORED:
        raw = packed
    elif code == _ZLIB:
        raw = zlib.decompressobj().decompress(packed, length + 1)
    elif code == _LZMA:
        reader = lzma.LZMADecompressor(format=lzma.FORMAT_RAW, filters=_LZMA_FILTERS)
        raw = reader.decompress(packed, max_length=length + 1)
    else:
        raise StoredModelError(f"the compression of a stored model must be 0, 1 or 2, got {code}.")
    if len(raw) != length:
        raise StoredModelError(f"the body of the stored model must have {length} bytes, got {len(raw)}.")
    return raw


def _arrays(raw: bytes, start: int, specs: Any) -> dict[str, NDArray[Any]]:
    """The arrays behind the manifest, which must fill the body to its last byte."""
    arrays = {}
    for name, dtype, shape in specs:
        if dtype not in _DTYPES:
            raise StoredModelError(f"array {name!r} of a stored model has the unknown dtype {dtype!r}.")
        if any(not isinstance(n, int) or n < 0 for n in shape):
            raise StoredModelError(f"array {name!r} of a stored model has the impossible shape {shape!r}.")
        kind = np.dtype(dtype)
        size = int(np.prod(shape, dtype=object)) * kind.itemsize
        if start + size > len(raw):
            raise StoredModelError(f"array {name!r} of a stored model is cut off.")
        bytes_ = np.frombuffer(raw, np.uint8, size, start).reshape(kind.itemsize, -1)
        arrays[name] = (
            np.ascontiguousarray(bytes_.T).reshape(-1).view(kind).reshape(shape).astype(kind.newbyteorder("="))
        )
        start += size
    if start != len(raw):
        raise StoredModelError(f"the stored model has {len(raw) - start} bytes that belong to no array.")
    return arrays


def plain_parameter(name: str, value: Any) -> Any:
    """A constructor parameter as JSON holds it; a RandomState is not stored."""
    if isinstance(value, np.random.RandomState):
        return None
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Mapping):
        return {str(k): plain_parameter(name, v) for k, v in value.items()}
    if isinstance(value, list | tuple | np.ndarray):  # weights of a distance
        return [plain_parameter(name, v) for v in value]
    if value is None or isinstance(value, str | int | float | bool):
        return value
    raise StoredModelError(
        f"a stored parameter must be a number, a text, True, False, None or a list of them, {name} is {value!r}; "
        "keep this detector in memory, or choose a parameter that can be stored."
    )
