"""The output of a run: a file that is cut back to what the state counts."""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO

from tsprune.exceptions import StoredStateError
from tsprune.streaming.run.journal import Progress

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

__all__ = ["open_output"]


def open_output(path: Path, state: Path, progress: Progress, *, is_begun: bool) -> BinaryIO:
    """Open the output of a run, cut back to what the state counts.

    Raises
    ------
    StoredStateError
        If output and state do not belong together, or another run writes the output.
    """
    if path.exists() and not path.is_file():
        raise StoredStateError(
            f"the output {str(path)!r} must be a regular file, because it is cut back after a crash; write "
            "to one, and follow that."
        )
    out: BinaryIO = path.open("r+b") if path.exists() else path.open("w+b")
    if not _lock(out):
        out.close()
        raise StoredStateError(
            f"the output {str(path)!r} is being written by another run; end that one, or name another file."
        )
    held = out.seek(0, os.SEEK_END)
    if not is_begun and held:
        out.close()
        raise StoredStateError(
            f"the output {str(path)!r} must be empty where the state {str(state)!r} is new, got "
            f"{held} bytes; give the state that belongs to it, name another file, or remove it."
        )
    if held < progress.output_bytes:
        out.close()
        raise StoredStateError(
            f"the output {str(path)!r} must hold the {progress.output_bytes} bytes that the state "
            f"counts, got {held}; restore it, or remove the state to start over."
        )
    out.truncate(progress.output_bytes)
    out.seek(progress.output_bytes)
    return out


def _lock(file: BinaryIO) -> bool:
    """Hold a file until it is closed; False if another process does. Where there are no such locks, always True."""
    if fcntl is None:
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks
        return True
    return True
