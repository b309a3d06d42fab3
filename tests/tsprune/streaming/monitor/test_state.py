"""Stored states: exact, checked, replaced atomically."""

from __future__ import annotations

import hashlib
import os
import stat
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest

from detectors.exceptions import UnwritablePathError
from detectors.storage.state_file import dump_state, parse_state, read_state, write_state
from tsprune.exceptions import InvalidParameterError, StoredStateError
from tsprune.streaming.monitor.local_time import zone_offsets

META = {"names": ["a", "ü"], "number": 3}
ARRAYS = {
    "floats": np.array([[1.5, np.nan], [-0.0, np.inf]]),
    "integers": np.array([2**62, -1]),
    "bytes": np.arange(3, dtype=np.uint8),
    "empty": np.zeros((0, 4)),
}


def test_what_goes_in_comes_out_bit_for_bit(tmp_path: Path) -> None:
    write_state(tmp_path / "state", dump_state(META, ARRAYS))
    meta, arrays = read_state(tmp_path / "state")
    assert meta == META
    for name, array in ARRAYS.items():
        assert arrays[name].tobytes() == array.tobytes()
        assert arrays[name].shape == array.shape
        assert arrays[name].dtype == array.dtype
        assert arrays[name].flags.writeable
    assert [path.name for path in tmp_path.iterdir()] == ["state"]


def test_equal_states_are_equal_bytes() -> None:
    assert dump_state(META, ARRAYS) == dump_state(dict(reversed(META.items())), ARRAYS)


def test_every_changed_byte_is_noticed() -> None:
    stored = dump_state(META, {"x": np.arange(20.0)})
    for place in range(len(stored)):
        changed = bytearray(stored)
        changed[place] ^= 1
        with pytest.raises(StoredStateError):
            parse_state(bytes(changed))
    for length in (0, 5, 20, len(stored) - 1):
        with pytest.raises(StoredStateError):
            parse_state(stored[:length])


def test_other_versions_and_types_are_named() -> None:
    with pytest.raises(StoredStateError, match="older tsprune"):
        parse_state(b"TSPRUNE-STATE 1\n" + bytes(50))
    with pytest.raises(StoredStateError, match="complex128"):
        dump_state({}, {"z": np.zeros(2, dtype=complex)})


def signed(code: int, length: int, packed: bytes) -> bytes:
    """A file whose checksum is right, whatever it holds."""
    tail = struct.pack("<BQ", code, length) + packed
    return b"TSPRUNE\n" + hashlib.sha256(tail).digest() + tail


@pytest.mark.parametrize("manifest", [b"no json", b"[]", b"null", b'{"format": 1}', b'"' + b"[" * 50_000])
def test_a_right_checksum_over_a_wrong_manifest_is_a_stored_state_error(manifest: bytes) -> None:
    """It left as a bare JSONDecodeError."""
    raw = struct.pack("<I", len(manifest)) + manifest
    with pytest.raises(StoredStateError, match="no state that can be read"):
        parse_state(signed(0, len(raw), raw))
    with pytest.raises(StoredStateError, match="no state that can be read"):
        parse_state(signed(0, 2, b"ab"))


def test_what_a_state_unpacks_to_is_bounded() -> None:
    bomb = zlib.compress(bytes(10_000_000), 9)
    with pytest.raises(StoredStateError, match="must have 100 bytes"):
        parse_state(signed(1, 100, bomb))
    with pytest.raises(StoredStateError, match="at most"):
        parse_state(signed(1, 1 << 39, bomb))


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "state"
    write_state(path, b"old")

    def fail(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr("os.replace", fail)
    with pytest.raises(OSError, match="disk full"):
        write_state(path, b"new")
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["state"]


def test_offsets_of_time_zones() -> None:
    hour = 3_600_000_000_000
    assert zone_offsets(None).tolist() == zone_offsets("UTC").tolist() == [[0], [0]]
    berlin = zone_offsets("Europe/Berlin")
    summer = np.datetime64("2024-03-31T01:00:00", "ns").astype(np.int64)
    place = np.searchsorted(berlin[0], summer)
    assert berlin[0, place] == summer
    assert berlin[1, place - 1 : place + 1].tolist() == [hour, 2 * hour]
    with pytest.raises(InvalidParameterError, match="IANA"):
        zone_offsets("Nowhere/At all")


def test_only_files_are_replaced_and_links_stay_links(tmp_path: Path) -> None:
    """A device or a pipe was replaced by a file, a link cut off from what it pointed to."""
    pipe, link, file = tmp_path / "pipe", tmp_path / "link", tmp_path / "file"
    os.mkfifo(pipe)
    file.write_bytes(b"old")
    file.chmod(0o640)
    link.symlink_to(file)
    write_state(link, b"new")
    assert link.is_symlink()
    assert file.read_bytes() == b"new"
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    for path, what in ((pipe, "a device or a pipe"), (tmp_path, "a folder"), (tmp_path / "no" / "x", "make it first")):
        with pytest.raises(UnwritablePathError, match=what):
            write_state(path, b"new")
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "link", "pipe"]
