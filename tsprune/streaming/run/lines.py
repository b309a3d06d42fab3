"""Lines of a file: from a place on, also those that are written later, through rotation, also compressed ones."""

from __future__ import annotations

import gzip
import hashlib
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from detectors.exceptions import InvalidParameterError
from tsprune.exceptions import StoredStateError
from tsprune.streaming.run.journal import Progress

__all__ = ["FileLines", "Line"]

_FINGERPRINT_BYTES = 4096


@dataclass(frozen=True)
class Line:
    """One line of a source; `offset` and `cursor` say where the source stands once it is done."""

    text: bytes
    offset: int = 0
    cursor: str = ""


class FileLines:
    """The lines of a file from a place on; with `follow`, also those that are written later.

    Iterating gives a `Line`, or None where nothing has come for now. A file that is rotated (renamed, and begun anew
    under its name) is read to its end, then the new one from its beginning; after a restart the old one is looked for
    beside it. A name that ends with ``.gz`` is decompressed.

    Parameters
    ----------
    path : path
    follow : bool, default=False
        Whether to wait for more; an unfinished last line is then waited for, otherwise it counts as a line.
    pause : float, default=0.2
        Seconds between two looks.
    """

    def __init__(self, path: str | os.PathLike[str], *, follow: bool = False, pause: float = 0.2) -> None:
        self.path = Path(path)
        self.follow = follow
        self.pause = pause
        self._tail = b""  # of what was read, where reading it again would take long
        if follow and self._is_packed:
            raise InvalidParameterError(
                f"--follow needs a file that grows, got the compressed {str(path)!r}; read it without."
            )

    @property
    def _is_packed(self) -> bool:
        return self.path.name.lower().endswith(".gz")

    def open(self, path: Path | None = None) -> IO[bytes]:
        """Return the file, open for reading from its beginning."""
        here = self.path if path is None else path
        opener: Any = gzip.open if here.name.lower().endswith(".gz") else open
        opened: IO[bytes] = opener(here, "rb")
        return opened

    def fingerprint(self, offset: int) -> str:
        """Return the SHA-256 of the last bytes before `offset`."""
        if self._is_packed and self._tail:
            return hashlib.sha256(self._tail).hexdigest()
        return self._fingerprint(self.path, offset)

    def _fingerprint(self, path: Path, offset: int) -> str:
        with self.open(path) as file:
            start = max(0, offset - _FINGERPRINT_BYTES)
            file.seek(start)
            return hashlib.sha256(file.read(offset - start)).hexdigest()

    def _holds(self, path: Path, progress: Progress) -> bool:
        """Return whether a file begins with what was read."""
        if not self._is_packed and path.stat().st_size < progress.offset:
            return False
        return self._fingerprint(path, progress.offset) == progress.fingerprint

    def _rotated(self, progress: Progress) -> Path | None:
        """Return the file beside this one that holds what was read: what this one was called before."""
        beside = sorted(self.path.parent.glob(f"{self.path.name}.*"), key=lambda path: -path.stat().st_mtime)
        for path in beside:
            if path.is_file() and path.suffix != ".gz" and self._holds(path, progress):
                return path
        return None

    def check(self, progress: Progress) -> None:
        """Raise `StoredStateError` unless the file still begins with what was read, or was rotated."""
        if self._holds(self.path, progress) or (self.follow and self._rotated(progress) is not None):
            return
        raise StoredStateError(
            f"the input {str(self.path)!r} must still hold the {progress.lines} lines that the state counts, got "
            "another file; use another state for it, or remove the state to start over."
        )

    def lines(self, progress: Progress) -> Iterator[Line | None]:
        """Yield the lines after `progress`."""
        offset = progress.offset
        if self.follow and progress.lines and not self._holds(self.path, progress):
            old = self._rotated(progress)
            if old is not None:  # the rest of the old file belongs to the new one's beginning: its offset is 0
                with self.open(old) as file:
                    file.seek(offset)
                    for text in file:
                        yield Line(text, 0)
                offset = 0
        while True:
            file = self.open()
            try:
                file.seek(offset)
                yield from self._of(file, offset)
            finally:
                file.close()
            if not self.follow:
                return
            offset = 0  # rotated

    def _of(self, file: IO[bytes], offset: int) -> Iterator[Line | None]:
        """Yield the lines of one open file until it ends, or has been rotated away."""
        begun = b""
        while True:
            text = begun + file.readline()
            if text.endswith(b"\n") or (text and not self.follow):
                begun, offset = b"", offset + len(text)
                if self._is_packed:
                    self._tail = (self._tail + text)[-_FINGERPRINT_BYTES:]
                yield Line(text, offset)
            elif not self.follow:
                return
            else:
                begun = text
                yield None
                if self._is_replaced(file, offset + len(begun)):
                    rest = begun + file.read()  # what was written between the last look and the rotation
                    for whole in rest.splitlines(keepends=True):
                        yield Line(whole, 0)
                    return
                time.sleep(self.pause)

    def _is_replaced(self, file: IO[bytes], offset: int) -> bool:
        """Return whether another file has the name now, or this one was cut back to be written anew."""
        try:
            there, here = os.stat(self.path), os.fstat(file.fileno())
        except FileNotFoundError:  # between renaming and beginning anew
            return False
        return (there.st_ino, there.st_dev) != (here.st_ino, here.st_dev) or there.st_size < offset

    def acknowledge(self, progress: Progress) -> None:
        """Nobody to tell: a file keeps everything."""

    def close(self) -> None:
        """Nothing to let go of: the file is open only while `lines` is read."""
