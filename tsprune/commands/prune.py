"""`tsprune prune`: remove the columns of a table that do not help an outlier detector."""

from __future__ import annotations

from typing import Annotated

import numpy as np
import pandas as pd
import typer
from numpy.typing import NDArray

from detectors.features.pruner import FeaturePruner
from detectors.report import PruningReport
from tsprune.commands.files import InputFileError, read_table_file, write_table_file
from tsprune.commands.options import Input, Json, Output, Report, Seed, console, finish, print_table
from tsprune.exceptions import InvalidParameterError, PruningError
from tsprune.reporting.page import Page

__all__ = ["prune"]

_DETECTORS = {"iforest": "PrunedIsolationForest", "lof": "PrunedLOF", "ocsvm": "PrunedOneClassSVM"}


def prune(
    path: Input,
    drop: Annotated[list[str] | None, typer.Option(help="Column to leave out, such as a label; repeatable.")] = None,
    score: Annotated[
        str | None, typer.Option(help="Add a score (lower = more abnormal): iforest, lof or ocsvm.")
    ] = None,
    seed: Seed = 0,
    output: Output = None,
    report: Report = None,
    json: Json = False,
) -> None:
    """Remove irrelevant columns of a table, and say why."""
    if score is not None and score not in _DETECTORS:
        raise InvalidParameterError(f"--score must be {', '.join(_DETECTORS)}, got {score!r}.")
    table = read_table_file(path)
    unknown = [name for name in drop or [] if name not in table.columns]
    if unknown:
        raise InputFileError(f"column {unknown[0]!r} must be in {path.name}, got {list(map(str, table.columns))[:12]}.")
    numbers = table.drop(columns=drop or []).select_dtypes("number")
    if numbers.shape[1] == 0:
        raise InputFileError(f"{path.name} must have a column of numbers, got {dict(table.dtypes.astype(str))}.")
    numbers = numbers.astype(np.float64)
    try:
        result, support, decisions = _pruned(numbers, score, seed)
    except ValueError as error:
        if isinstance(error, PruningError):
            raise
        raise InputFileError(f"{path.name} must hold a table that can be pruned, got: {error}") from error
    if output is not None:
        write_table_file(result, output, with_index=False)
    if report is not None:
        page = Page(f"Pruning of {path.name}", lead=f"{len(numbers)} rows, {numbers.shape[1]} columns")
        page.section("Decisions").report(decisions)
        page.write(report)
    frame = decisions.to_frame()
    gone = frame[~frame["kept"]]
    if not json:
        console.print(decisions.summary())
        print_table("Removed", gone.drop(columns="kept").head(20).to_dict("records"))
    summary = {
        "n_rows": len(numbers),
        "n_columns": numbers.shape[1],
        "kept": list(numbers.columns[support]),
        "removed": {str(item): kind for item, kind in zip(gone["item"], gone["kind"], strict=True)},
        "guards": list(decisions.guards),
    }
    finish(summary, as_json=json, output=output, report=report)


def _pruned(
    numbers: pd.DataFrame, score: str | None, seed: int
) -> tuple[pd.DataFrame, NDArray[np.bool_], PruningReport]:
    """The columns kept, with scores if asked for, which those are (n_columns,), and why."""
    if score is None:
        pruner = FeaturePruner(random_state=seed).fit(numbers)
        support = pruner.get_support()
        return numbers.loc[:, support], support, pruner.report_
    import detectors

    model = getattr(detectors, _DETECTORS[score])
    model = model(random_state=seed) if "random_state" in model().get_params() else model()
    model.fit(numbers)
    return numbers.loc[:, model.support_].assign(score=model.score_samples(numbers)), model.support_, model.report_
