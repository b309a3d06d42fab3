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

_counting = threading.Lock()
_inside: list[Any] = []  # the limit, once for everybody who is inside


@functools.cache
def _blas() -> Any:
    """The BLAS libraries of this process; to look for them takes milliseconds."""
    return ThreadpoolController().select(user_api="blas")


@contextlib.contextmanager
def one_blas_thread() -> Iterator[None]:
    """Run with one thread in BLAS, as many as before when the last one has left.

    The number belongs to the process. Who finds nobody inside sets it, who leaves nobody inside sets it back: sums
    are made in one order, whoever works beside.
    """
    with _counting:
        if not _inside:
            limit = _blas().limit(limits=1)
            limit.__enter__()
            _inside.append(limit)
        else:
            _inside.append(None)
    try:
        yield
    finally:
        with _counting:
            last = _inside.pop()
            if last is not None:
                last.__exit__(None, None, None)
