"""Files that are replaced as a whole: a reader sees the old one or the new one, never a part."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path

from detectors.exceptions import UnwritablePathError

__all__ = ["replace_file"]

_MODE = 0o600  # of a file that was not there before: only its owner reads it


def replace_file(path: str | os.PathLike[str], content: bytes) -> None:
    """Make `content` the file at `path`, atomically and for good; a link goes on pointing to it.

    Parameters
    ----------
    path : path
        A regular file, whose permissions are kept, or a name in a folder that is there.
    content : bytes

    Raises
    ------
    UnwritablePathError
        If there is a folder, a device or a pipe at `path`, or no folder for it.
    OSError
        If there is no room or no right to write; the old file is there as it was.
    """
    target = Path(os.path.realpath(path))
    if not target.parent.is_dir():
        raise UnwritablePathError(f"the folder of {os.fspath(path)!r} must be there, it is not; make it first.")
    mode = target.stat().st_mode if target.exists() else stat.S_IFREG | _MODE
    if not stat.S_ISREG(mode):
        what = "a folder" if stat.S_ISDIR(mode) else "a device or a pipe"
        raise UnwritablePathError(f"{os.fspath(path)!r} must be a file or a new name, got {what}; name a file.")
    descriptor, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if stat.S_IMODE(mode) != _MODE:
            os.chmod(name, stat.S_IMODE(mode))
        os.replace(name, target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
