"""Blocks of series: what travels to a worker, and what comes back.

A block holds about a second of work, so that what it costs to send one does not count. How the series are cut into
blocks depends on the rows only, never on the number of workers: a job that goes on after a kill finds the same blocks.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from detectors.blas import one_blas_thread
from tsprune.fleet.task import FleetTask, SeriesDone

__all__ = ["Block", "BlockWork", "blocks_of", "cut_into_blocks"]

_ROWS = 20_000  # of a block at most, if it has more than one series
_SERIES = 500
_LEAST_BLOCKS = 32  # unless there are fewer series: enough for an even load of several cores


@dataclass(frozen=True)
class Block:
    """Rows of several series, one after the other; series k has the rows ``edges[k] .. edges[k + 1] - 1``."""

    table: pd.DataFrame
    edges: tuple[int, ...]


@dataclass(frozen=True)
class BlockWork:
    """The work of a task on a block; a callable that can be pickled."""

    task: FleetTask

    def __call__(self, block: Block) -> list[SeriesDone]:
        """Work on every series, with one thread for BLAS: its results depend on how many it has."""
        with one_blas_thread():
            return [self.task.do(block.table.iloc[a:b]) for a, b in pairwise(block.edges)]


def cut_into_blocks(sizes: Any, *, single: bool) -> list[tuple[int, int]]:
    """Return the first series, and the one after the last, of every block.

    Parameters
    ----------
    sizes : ndarray of int of shape (n_series,)
        Rows of the series.
    single : bool
        One series a block, for engines that spread the load themselves.
    """
    n_series, cuts = len(sizes), [0]
    if single:
        return [(k, k + 1) for k in range(n_series)]
    rows, series = min(_ROWS, int(np.sum(sizes)) // _LEAST_BLOCKS), min(_SERIES, -(-n_series // _LEAST_BLOCKS))
    n_rows = 0
    for k, size in enumerate(sizes):
        if k > cuts[-1] and (n_rows + size > max(rows, 1) or k - cuts[-1] >= series):
            cuts.append(k)
            n_rows = 0
        n_rows += int(size)
    return list(pairwise([*cuts, n_series])) if n_series else []


def blocks_of(table: pd.DataFrame, starts: Any, spans: list[tuple[int, int]]) -> Iterator[Block]:
    """Yield the blocks; `table` has series after series, `starts` (n_series + 1,) says where each begins."""
    for a, b in spans:
        yield Block(table.iloc[starts[a] : starts[b]], tuple(int(e) for e in starts[a : b + 1] - starts[a]))
