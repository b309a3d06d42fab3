"""The cores of this machine: joblib's rules for `n_jobs`, results in order, few blocks in flight."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from tsprune.exceptions import InvalidParameterError

__all__ = ["in_processes", "n_workers"]

_WORTH_IT = 1_000_000  # rows, some 20 s of cleaning; with fewer, starting workers (seconds) would eat what they save
_IN_FLIGHT = "4*n_jobs"  # blocks, so that no worker waits for this process


def n_workers(n_jobs: int | None, n_rows: int, n_blocks: int) -> int:
    """Return how many workers to use.

    Parameters
    ----------
    n_jobs : int, optional
        As in joblib: -1 = all cores, -2 = all but one. None: what `joblib.parallel_config` says, where one is active;
        else all cores from 1,000,000 rows on, and one below.
    n_rows, n_blocks : int
        Size of the whole job.

    Raises
    ------
    InvalidParameterError
        `n_jobs` is 0 or no integer.
    """
    if n_jobs is not None and (isinstance(n_jobs, bool) or not hasattr(n_jobs, "__index__") or n_jobs == 0):
        raise InvalidParameterError(f"n_jobs must be None or an integer other than 0, got {n_jobs!r}; -1 = all cores.")
    if n_blocks <= 1:
        return 1
    if n_jobs is None and n_rows < _WORTH_IT and not _is_told():
        return 1
    from joblib import effective_n_jobs

    asked = -1 if n_jobs is None and not _is_told() else n_jobs
    return max(1, min(int(effective_n_jobs(asked)), n_blocks))


def _is_told() -> bool:
    """Whether joblib has a say: a context is active, or this is one of its workers."""
    from joblib.parallel import get_active_backend

    backend, n_jobs = get_active_backend()
    return n_jobs is not None or bool(backend.nesting_level) or "JOBLIB_SPAWNED_PROCESS" in os.environ


def in_processes(work: Callable[[Any], Any], jobs: Iterable[Any], workers: int) -> Iterator[Any]:
    """Yield what `work` makes of every job, in order; `jobs` are drawn as workers take them.

    A worker keeps numba's compiled code from the disk cache of this process and has one thread for BLAS.
    """
    if workers == 1:
        yield from map(work, jobs)
        return
    from joblib import Parallel, delayed, parallel_config
    from joblib.parallel import get_active_backend

    spread = delayed(work)
    if _is_told():
        streams = getattr(get_active_backend()[0], "supports_return_generator", False)
        pool = Parallel(n_jobs=workers, return_as="generator" if streams else "list", pre_dispatch=_IN_FLIGHT)
        yield from pool(spread(job) for job in jobs)
        return
    with parallel_config("loky", inner_max_num_threads=1):
        pool = Parallel(n_jobs=workers, return_as="generator", pre_dispatch=_IN_FLIGHT)
        results = pool(spread(job) for job in jobs)
    yield from results
