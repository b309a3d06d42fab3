"""Finished blocks of a job in a folder: after a kill the same job goes on with the blocks that are missing.

A file holds numbers and JSON, never code. It appears under its name only when it is whole.
"""

from __future__ import annotations

import hashlib
import json
import os
import zipfile
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tsprune.exceptions import InvalidParameterError
from tsprune.fleet.task import FleetTask, SeriesDone

__all__ = ["Checkpoint"]

_JOB = "job.json"


class Checkpoint:
    """The folder of one job.

    Parameters
    ----------
    folder : path-like
        Made if it is not there.
    task : FleetTask
    table : DataFrame of shape (n_rows, n_columns)
        The columns that are read.
    spans : sequence of (int, int)
        Series of every block.

    Raises
    ------
    InvalidParameterError
        The folder belongs to another job: other rows, options, or another version of tsprune.
    """

    def __init__(self, folder: Any, task: FleetTask, table: pd.DataFrame, spans: Sequence[tuple[int, int]]) -> None:
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        job = {"job": _fingerprint(task, table, spans), "blocks": len(spans)}
        path = self.folder / _JOB
        if not path.exists():
            if any(self.folder.iterdir()) and not all(f.name.endswith(".part") for f in self.folder.iterdir()):
                raise InvalidParameterError(
                    f"checkpoint must be an empty folder or that of the same job, got {str(folder)!r} with other files "
                    "in it; name another folder."
                )
            _write(path, json.dumps(job).encode())
        elif json.loads(path.read_text(encoding="utf-8")) != job:
            raise InvalidParameterError(
                f"checkpoint must be an empty folder or that of the same job, got {str(folder)!r}, begun with "
                "other rows or options, or another version of tsprune; name another folder, or delete this one."
            )

    def has(self, number: int) -> bool:
        """Whether a block is finished and can be read."""
        return self._path(number).exists() and self.read(number) is not None

    def read(self, number: int) -> list[SeriesDone] | None:
        """Return a finished block, or None if it is to be done."""
        try:
            with self._path(number).open("rb") as file, np.load(file, allow_pickle=False) as stored:
                told = json.loads(bytes(stored["told"]).decode())
                names = told["columns"]
                return [
                    SeriesDone(
                        stored[f"order_{k}"], {n: stored[f"{k}_{j}"] for j, n in enumerate(names)}, facts, details
                    )
                    for k, (facts, details) in enumerate(told["series"])
                ]
        except (FileNotFoundError, zipfile.BadZipFile, KeyError, EOFError, ValueError):
            return None  # not there, or spoilt by the disk: done again

    def write(self, number: int, block: list[SeriesDone]) -> None:
        """Keep a finished block."""
        names = list(block[0].columns)
        told = {"columns": names, "series": [(done.facts, done.details) for done in block]}
        arrays: dict[str, Any] = {"told": np.frombuffer(json.dumps(told).encode(), np.uint8)}
        for k, done in enumerate(block):
            arrays[f"order_{k}"] = done.order
            arrays |= {f"{k}_{j}": done.columns[name] for j, name in enumerate(names)}
        path = self._path(number)
        with path.with_suffix(".part").open("wb") as file:
            np.savez(file, **arrays)
            file.flush()
            os.fsync(file.fileno())
        path.with_suffix(".part").replace(path)

    def _path(self, number: int) -> Path:
        """The file of a block."""
        return self.folder / f"block_{number:07d}.npz"


def _write(path: Path, content: bytes) -> None:
    """Write a file that appears whole or not at all."""
    part = path.with_suffix(".part")
    with part.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)


def _fingerprint(task: FleetTask, table: pd.DataFrame, spans: Sequence[tuple[int, int]]) -> str:
    """A hash of all that decides the result: rows, options, blocks, version."""
    import joblib

    try:
        ours = version("tsprune")
    except PackageNotFoundError:  # run from a source folder that was never installed
        ours = "source"
    said = hashlib.sha256(f"{ours} {table.columns.tolist()} {table.dtypes.tolist()} {list(spans)}".encode())
    said.update(joblib.hash(task).encode())
    for name in table.columns:
        column = table[name]
        try:
            hashed = pd.util.hash_pandas_object(column, index=False)
        except TypeError:  # cells of several kinds
            hashed = pd.util.hash_pandas_object(column.map(repr), index=False)
        said.update(hashed.to_numpy().tobytes())
    return said.hexdigest()
