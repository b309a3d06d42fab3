"""One thread for BLAS where many small matrix products are made one after another.

A BLAS library starts all its threads for each of them, and they wait for each other: with one core busy with something
else, scores of a local outlier factor took several times as long. Whoever asks for threads gets numba's, which share
the rows among them.
"""

from __future__ import annotations

import contextlib
import functools
import threading
from collections.abc import Iterator
from typing import Any

import scipy.linalg  # noqa: F401  # loads the libraries that are to be limited
from threadpoolctl import ThreadpoolController

__all__ = ["one_blas_thread"]

_limiting = threading.Lock()


@functools.cache
def _blas() -> Any:
    """The BLAS libraries of this process; to look for them takes milliseconds."""
    return ThreadpoolController().select(user_api="blas")


@contextlib.contextmanager
def one_blas_thread() -> Iterator[None]:
    """Run with one thread in BLAS, as many as before afterwards.

    The number belongs to the process. Only who finds nobody inside changes it: the others would take that limit for
    the number to come back. If they stay longer they lose time, nothing else.
    """
    if not _limiting.acquire(blocking=False):
        yield
        return
    try:
        with _blas().limit(limits=1):
            yield
    finally:
        _limiting.release()
