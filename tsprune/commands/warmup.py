"""`tsprune warmup`: compile every kernel of the public paths ahead, for images, CI and functions in the cloud."""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from typing import Annotated

import numpy as np
import pandas as pd
import typer
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from detectors.kernels import compilation
from tsprune.commands.options import Json, console, finish

__all__ = ["warmup"]

_N_ROWS = 700  # long enough for every judge of the cleaner to be asked


def warmup(
    jobs: Annotated[int | None, typer.Option(min=1, help="Processes; default: one for each core.")] = None,
    into_package: Annotated[
        bool,
        typer.Option(
            "--into-package",
            help="Keep the machine code beside the installed package, where every user of an image finds it.",
        ),
    ] = False,
    json: Json = False,
) -> None:
    """Compile all kernels now, so that the first result comes at once."""
    if into_package:
        os.environ[compilation.BESIDE_PACKAGE] = "1"
    workers = jobs or os.cpu_count() or 1
    n_compiled = 0
    columns = (TextColumn("compiling kernels, once per machine"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=json or not sys.stdout.isatty()) as progress:
        bar = progress.add_task("", total=len(_PATHS))
        context = multiprocessing.get_context("spawn")  # a process of its own compiles, whatever this one has loaded
        with ProcessPoolExecutor(workers, mp_context=context) as pool:
            for done in as_completed([pool.submit(_compile, name) for name in _PATHS]):
                n_compiled += done.result()
                progress.update(bar, advance=1)
    folder = compilation.SHIPPED if into_package else compilation.cache_folder()
    if not json:
        console.print(f"{n_compiled} kernels compiled, {len(_PATHS)} paths ready; kept in {folder}", markup=False)
        if folder is None:
            console.print("nothing could be kept: no folder that only this user can write; set TSPRUNE_CACHE_DIR")
    finish({"compiled": n_compiled, "folder": folder and str(folder)}, as_json=json, output=None, report=None)


def _compile(name: str) -> int:
    """Walk one public path; the number of kernels that had to be compiled."""
    compiled: list[str] = []
    compilation.on_compiled.append(compiled.append)
    try:
        _PATHS[name]()
    finally:
        compilation.on_compiled.remove(compiled.append)
    return len(compiled)


def _series() -> pd.Series:
    """Hourly values with a daily season, a trend, gaps, a spike, a burst and a level shift."""
    hours = np.arange(_N_ROWS)
    y = 50 + 0.01 * hours + 5 * np.sin(2 * np.pi * hours / 24) + np.random.default_rng(0).normal(0, 0.3, _N_ROWS)
    y[200] += 12
    y[260:266] -= 6
    y[300:304], y[320:360] = np.nan, np.nan
    y[400:460] += 8
    return pd.Series(y, pd.date_range("2024-01-01", periods=_N_ROWS, freq="h"))


def _table() -> pd.DataFrame:
    """Columns of one factor beside irrelevant ones."""
    rng = np.random.default_rng(0)
    factor = rng.normal(size=(400, 1))
    values = np.hstack([factor + 0.3 * rng.normal(size=(400, 4)), rng.uniform(size=(400, 4))])
    return pd.DataFrame(values, columns=[f"x{k}" for k in range(8)])


def _clean() -> None:
    from tsprune.cleaning import SeriesCleaner

    SeriesCleaner().fit_transform(_series())
    SeriesCleaner(24, causal=True).fit(_series().iloc[:400]).partial_fit(_series().iloc[400:])


def _decompose() -> None:
    from tsprune.decomposition import decompose
    from tsprune.pruners import ComponentPruner

    decompose(_series())
    decompose(_series().ffill(), 24, robust=True)
    pruner = ComponentPruner(period=24).fit(_series().ffill().iloc[:600])
    pruner.transform(_series().ffill().iloc[600:])


def _detect() -> None:
    from tsprune.detection import SeriesDetector

    y = _series()
    detector = SeriesDetector(random_state=0).fit(y)
    detector.score_samples(y)
    detector.explain(y)


def _monitor() -> None:
    from tsprune.streaming.monitor import StreamMonitor

    y = _series().ffill()
    frame = pd.DataFrame({"a": y, "b": y[::-1].to_numpy()})
    monitor = StreamMonitor().prime(frame.iloc[:500])
    monitor.update_many(frame.iloc[500:600])
    monitor.update(frame.index[600], {"a": 50.0, "b": 50.0})


def _online() -> None:
    from tsprune.streaming.online import OnlineDecomposer

    decomposer = OnlineDecomposer(24)
    decomposer.update_many(_series().to_numpy()[:300])
    decomposer.update(50.0)


def _detector(name: str) -> Callable[[], None]:
    def walk() -> None:
        import detectors

        table = _table()
        model = getattr(detectors, name)().fit(table)
        model.score_samples(table)
        model.score_samples(table.iloc[:1])

    return walk


def _logs() -> None:
    """Words of lines, and a vocabulary that is restored."""
    from tsprune.logs.vocabulary import Vocabulary

    words = Vocabulary()
    words.read(["took 12 ms at 10.0.0.1"])
    Vocabulary.restored(*words.arrays().values())


_PATHS: dict[str, Callable[[], None]] = {
    "clean": _clean,
    "detect": _detect,
    "monitor": _monitor,
    "decompose": _decompose,
    "isolation forest": _detector("PrunedIsolationForest"),
    "local outlier factor": _detector("PrunedLOF"),
    "one-class support vectors": _detector("PrunedOneClassSVM"),
    "online": _online,
    "logs": _logs,
}
