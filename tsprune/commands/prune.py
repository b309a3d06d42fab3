"""`tsprune prune`: remove the columns of a table that do not help an outlier detector.

Invariant: every column given is kept, removed with its reason, or carried along and named as not judged.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

import numpy as np
import pandas as pd
import typer
from numpy.typing import NDArray

from detectors.features.pruner import FeaturePruner
from detectors.report import PruningReport
from tsprune.commands.cells import InputFileError, truth_values
from tsprune.commands.files import check_not_input, read_table_file, write_table_file
from tsprune.commands.options import (
    Decimal,
    Header,
    Input,
    Json,
    Output,
    Overwrite,
    Report,
    Seed,
    console,
    finish,
    print_table,
)
from tsprune.commands.series_file import column_numbers
from tsprune.commands.time_columns import find_time_column, is_row_counter
from tsprune.exceptions import PruningError
from tsprune.reporting.page import Page
from tsprune.reporting.words import pruning_verdict

__all__ = ["prune"]


class Detector(StrEnum):
    """Detectors that can score the table."""

    iforest = "iforest"
    lof = "lof"
    ocsvm = "ocsvm"


_CLASSES = {
    Detector.iforest: "PrunedIsolationForest",
    Detector.lof: "PrunedLOF",
    Detector.ocsvm: "PrunedOneClassSVM",
}


def prune(
    path: Input,
    drop: Annotated[list[str] | None, typer.Option(help="Column to leave out, such as a label; repeatable.")] = None,
    ignore: Annotated[
        list[str] | None, typer.Option(help="Column to carry along without judging it; repeatable.")
    ] = None,
    score: Annotated[Detector | None, typer.Option(help="Add the score of a detector (lower = more abnormal).")] = None,
    seed: Seed = 0,
    header: Header = True,
    decimal: Decimal = None,
    output: Output = None,
    overwrite: Overwrite = False,
    report: Report = None,
    json: Json = False,
) -> None:
    """Remove irrelevant columns of a table, and say why."""
    check_not_input(path, output, overwrite)
    table = read_table_file(path, header=header)
    unknown = [name for name in [*(drop or []), *(ignore or [])] if name not in table.columns]
    if unknown:
        raise InputFileError(f"column {unknown[0]!r} must be in {path.name}, got {list(map(str, table.columns))[:12]}.")
    table = table.drop(columns=drop or [])
    numbers, not_judged = _numbers(table, ignore or [], path.name, decimal)
    try:
        support, decisions, scores = _pruned(numbers, score, seed)
    except ValueError as error:
        if isinstance(error, PruningError):
            raise
        raise InputFileError(f"{path.name} must hold a table that can be pruned, got: {error}") from error
    gone = set(numbers.columns[~support])
    stays = [name for name in table.columns if name not in gone]
    if output is not None:
        result = table[stays] if scores is None else table[stays].assign(score=scores)
        write_table_file(result, output, with_index=False, header=header)
    frame = decisions.to_frame()
    removed = frame[~frame["kept"]]
    if report is not None:
        page = Page(f"Pruning of {path.name}", lead=f"{len(numbers)} rows, {numbers.shape[1]} columns")
        page.verdict(
            pruning_verdict(
                numbers.shape[1], dict(zip(removed["item"], removed["kind"], strict=True)), decisions.guards
            )
        )
        page.section("Decisions").report(decisions)
        if not_judged:
            page.section("Not judged, carried along").table(
                pd.DataFrame({"column": list(not_judged), "because it holds": list(not_judged.values())})
            )
        page.write(report)
    if not json:
        console.print(decisions.summary())
        print_table("Removed", removed.drop(columns="kept").head(20).to_dict("records"))
        for name, kind in not_judged.items():
            console.print(f"not judged, carried along: {name} ({kind})", markup=False)
    summary = {
        "n_rows": len(table),
        "n_columns": table.shape[1],
        "kept": stays,
        "removed": {str(item): kind for item, kind in zip(removed["item"], removed["kind"], strict=True)},
        "not_judged": not_judged,
        "guards": list(decisions.guards),
    }
    finish(summary, as_json=json, output=output, report=report)


def _numbers(
    table: pd.DataFrame, ignore: list[str], file: str, decimal: str | None
) -> tuple[pd.DataFrame, dict[str, str]]:
    """The columns that can be judged, as floats, and why the others cannot: true and false count 1 and 0."""
    found: dict[Any, NDArray[np.float64]] = {}
    not_judged = dict.fromkeys(ignore, "to be ignored")
    time = find_time_column(table.drop(columns=ignore), file)
    for name in table.columns:
        if name in not_judged:
            continue
        if name == time:
            not_judged[str(name)] = "times"
        elif is_row_counter(table[name]):
            not_judged[str(name)] = "a counter of rows"
        elif pd.api.types.is_timedelta64_dtype(table[name].dtype):
            found[name] = table[name].dt.total_seconds().to_numpy(dtype=np.float64)
        else:
            numbers, kind = column_numbers(table[name], file, decimal)
            if kind == "true and false":
                numbers = truth_values(table[name])
            if numbers is None:
                not_judged[str(name)] = kind
            else:
                found[name] = numbers
    if not found:
        raise InputFileError(f"{file} must have a column of numbers, got {not_judged}.")
    return pd.DataFrame(found), not_judged


def _pruned(
    numbers: pd.DataFrame, score: Detector | None, seed: int
) -> tuple[NDArray[np.bool_], PruningReport, NDArray[np.float64] | None]:
    """Which columns stay (n_columns,), why, and the scores (n_rows,) if asked for."""
    if score is None:
        pruner = FeaturePruner(random_state=seed).fit(numbers)
        return pruner.get_support(), pruner.report_, None
    import detectors

    model = getattr(detectors, _CLASSES[score])
    model = model(random_state=seed) if "random_state" in model().get_params() else model()
    model.fit(numbers)
    return model.support_, model.report_, np.asarray(model.score_samples(numbers), dtype=np.float64)
