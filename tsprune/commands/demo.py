"""`tsprune demo`: the whole chain on real series and a real table that ship inside the dependencies.

Series: weekly carbon dioxide at Mauna Loa with its gaps (`statsmodels.datasets.co2`, 1958-2001) and monthly sea
surface temperatures of the El Niño region (`statsmodels.datasets.elnino`, 1950-2010). Table: scikit-learn's breast
cancer measurements; benign rows with a few malignant ones as outliers, and shuffled copies of the columns added as
irrelevant inputs. Labels are used to judge only.
"""

from __future__ import annotations

import time as clock
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
import typer
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from tsprune.commands.clean import add_cleaning
from tsprune.commands.decompose import add_decomposition, describe
from tsprune.commands.detect import add_detection, in_words, score_file
from tsprune.commands.options import Json, console, finish, print_table
from tsprune.reporting.page import Page
from tsprune.reporting.svg import Line, line_chart

__all__ = ["demo"]

_SEED = 0
_N_OUTLIERS, _N_DRAWS = 20, 5
_N_SINGLE, _N_HIDDEN, _HIDDEN_WEEKS = 60, 12, 8
_STEPS = ("periods", "decomposition", "pruning", "cleaning", "detection", "feature pruning", "report")


def demo(
    report: Annotated[Path, typer.Option(help="The HTML file to write.")] = Path("tsprune-report.html"),
    json: Json = False,
) -> None:
    """Run the whole chain on real data that ships with the dependencies."""
    start = clock.perf_counter()
    page = Page("tsprune demo", lead="Real series and a real table that ship inside statsmodels and scikit-learn")
    summary: dict[str, Any] = {}
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=json) as progress:
        task = progress.add_task("loading", total=len(_STEPS))

        def step(name: str) -> None:
            progress.update(task, description=name, advance=0 if name == _STEPS[0] else 1)

        step("periods")
        co2, sea = _co2(), _sea_temperature()
        summary["series"] = _decompose(page, {"CO2": co2, "sea temperature": sea}, step)
        step("pruning")
        summary["pruned"] = _prune(page, co2)
        step("cleaning")
        summary["cleaning"] = _clean(page, co2)
        step("detection")
        summary["anomalies"] = _detect(page, sea)
        step("feature pruning")
        summary["table"] = _table(page)
        step("report")
        page.write(report)
    if not json:
        print_table("1. Periods and components", summary["series"])
        print_table("2. What the component pruners removed from CO2", summary["pruned"])
        print_table("3. Cleaning CO2: gaps filled, and known values hidden to check the filling", summary["cleaning"])
        print_table("4. Most abnormal times of the sea temperature", [in_words(row) for row in summary["anomalies"]])
        print_table(
            f"5. Outliers among benign breast-cancer rows, irrelevant columns added (mean of {_N_DRAWS} draws)",
            summary["table"],
        )
        console.print(f"{clock.perf_counter() - start:.1f} s")
    finish(summary, as_json=json, output=None, report=report.resolve())


def _co2() -> pd.Series:
    """Weekly CO2 in ppm (2284,), 59 gaps."""
    from statsmodels.datasets import co2

    series: pd.Series = co2.load_pandas().data["co2"]
    return series.rename("co2")


def _sea_temperature() -> pd.Series:
    """Monthly sea surface temperature in degrees Celsius (732,)."""
    from statsmodels.datasets import elnino

    table = elnino.load_pandas().data.set_index("YEAR")
    start = f"{int(table.index[0])}-01-01"
    values = table.to_numpy(dtype=np.float64).ravel()
    return pd.Series(values, index=pd.date_range(start, periods=values.size, freq="MS"), name="sea_temperature")


def _decompose(page: Page, series: dict[str, pd.Series], step: Any) -> list[dict[str, Any]]:
    """Find periods and decompose; one row per series."""
    from tsprune.decomposition.decomposing import decompose
    from tsprune.periods.periods import find_periods

    rows = []
    for name, values in series.items():
        step("periods")
        found = find_periods(values)
        step("decomposition")
        result = decompose(values, tuple(int(p) for p in found) or None)
        p_value = float(found[0].p_value) if len(found) else float("nan")
        rows.append({**describe(name, result), "p-value": p_value, "missing": int(values.isna().sum())})
        add_decomposition(page, f"{name}: periods and components", result, values.index)
    return rows


def _prune(page: Page, series: pd.Series) -> list[dict[str, Any]]:
    """Remove trend and season; what is left, and that the inverse is exact."""
    from tsprune.pruners import ComponentPruner

    pruner = ComponentPruner(remove=("trend", "seasonal")).fit(series)
    pruned = pruner.transform(series)
    back = pruner.inverse_transform(pruned)
    page.section("CO2 without trend and season")
    page.chart(line_chart([Line("pruned", pruned.to_numpy())], series.index, title="CO2, pruned (ppm)"))
    page.report(pruner.report_)
    error = float((back - series).abs().max())
    rows = [
        {"component": r.item, "kind": r.kind, "removed": not r.kept, "statistic": r.statistic, "p-value": r.p_value}
        for r in pruner.report_.records
    ]
    spread = {"before (sd, ppm)": float(series.std()), "after (sd, ppm)": float(pruned.std()), "inverse error": error}
    return [{**row, **spread} for row in rows]


def _clean(page: Page, series: pd.Series) -> list[dict[str, Any]]:
    """Fill the gaps; hide single weeks, then longer gaps, and fill them too: one row for each, better or worse."""
    from tsprune.cleaning.cleaner import SeriesCleaner

    cleaner = SeriesCleaner()
    cleaned = cleaner.fit_transform(series)
    add_cleaning(page, "CO2: gaps filled", series, cleaned.to_numpy(), cleaner)
    reasons = cleaner.changes_["reason"].value_counts()
    known = np.flatnonzero(series.notna())
    single = np.sort(np.random.default_rng(_SEED).choice(known[1:-1], _N_SINGLE, replace=False))
    starts = np.random.default_rng(_SEED).choice(len(series) // 16 - 2, _N_HIDDEN, replace=False) * 16 + 16
    longer = np.concatenate([np.arange(start, start + _HIDDEN_WEEKS) for start in np.sort(starts)])
    rows = []
    for what, places in (("single weeks", single), (f"gaps of {_HIDDEN_WEEKS} weeks", np.intersect1d(longer, known))):
        holed = series.copy()
        holed.iloc[places] = np.nan
        filled = SeriesCleaner().fit_transform(holed)
        rows.append(
            {
                "changes": ", ".join(f"{k} {v}" for k, v in reasons.items()),
                "hidden": what,
                "values": len(places),
                "error of cleaner (ppm)": float((filled - series).iloc[places].abs().mean()),
                "error of a straight line (ppm)": float((holed.interpolate() - series).iloc[places].abs().mean()),
            }
        )
    return rows


def _detect(page: Page, series: pd.Series) -> list[dict[str, Any]]:
    """Score every month and explain the most abnormal ones."""
    from tsprune.detection.detector import SeriesDetector

    detector = SeriesDetector(random_state=_SEED).fit(series)
    frame = series.to_frame()
    scored = score_file(detector, frame, 5)
    add_detection(page, frame, scored)
    page.section("Inputs of the detector").report(detector.report_)
    return scored.found


def _table(page: Page) -> list[dict[str, Any]]:
    """Isolation forest on the table: real columns, irrelevant ones added, and those pruned away again."""
    from sklearn.datasets import load_breast_cancer
    from sklearn.ensemble import IsolationForest
    from sklearn.metrics import roc_auc_score

    from detectors.isolation_forest.detector import PrunedIsolationForest

    table = load_breast_cancer(as_frame=True)
    found: dict[str, list[tuple[int, float]]] = {}
    for draw in range(_N_DRAWS):
        real, is_outlier = _contaminated_rows(table, draw)
        rng = np.random.default_rng(_N_DRAWS + draw)
        shuffled = [real.apply(rng.permutation).add_suffix(f" shuffled {k}") for k in range(3)]
        noisy = pd.concat([real, *shuffled], axis=1)
        pruned = PrunedIsolationForest(random_state=_SEED).fit(noisy)
        if draw == 0:
            page.section("Breast cancer: irrelevant columns removed").report(pruned.report_)
        plain = IsolationForest(random_state=_SEED)
        for name, used, scores in (
            ("all columns, plain forest", noisy.shape[1], plain.fit(noisy).score_samples(noisy)),
            ("all columns, pruned forest", int(pruned.support_.sum()), pruned.score_samples(noisy)),
            ("real columns only (oracle)", real.shape[1], plain.fit(real).score_samples(real)),
        ):
            found.setdefault(name, []).append((used, float(roc_auc_score(is_outlier, -scores))))
    return [
        {
            "input": name,
            "columns used": float(np.mean([u for u, _ in pairs])),
            "AUC": float(np.mean([a for _, a in pairs])),
        }
        for name, pairs in found.items()
    ]


def _contaminated_rows(table: Any, draw: int) -> tuple[pd.DataFrame, np.ndarray]:
    """All benign rows and a few malignant ones: features (n_rows, 30) and who is malignant (n_rows,)."""
    rng = np.random.default_rng(draw)
    malignant = rng.choice(np.flatnonzero(table.target == 0), _N_OUTLIERS, replace=False)
    rows = np.concatenate([np.flatnonzero(table.target == 1), malignant])
    return table.data.iloc[rows].reset_index(drop=True), table.target.to_numpy()[rows] == 0
