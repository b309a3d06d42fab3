"""Every line of the tables in docs/bad_input.md is tried."""

from __future__ import annotations

import itertools
import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.exceptions import NotFittedError

from contract.subjects import PUBLIC, build, series, table
from detectors import exceptions as table_exceptions
from tsprune import exceptions

PAGE = Path(__file__).parents[2] / "docs" / "bad_input.md"
ERRORS: dict[str, type[Exception]] = {
    "NotFittedError": NotFittedError,
    "TypeError": TypeError,
    "ValueError": ValueError,
    **{name: getattr(module, name) for module in (table_exceptions, exceptions) for name in module.__all__},
}
SERIES_FUNCTIONS = ("decompose", "find_periods")
SERIES_CALLS = {
    *SERIES_FUNCTIONS, "TrendPruner", "SeasonalPruner", "NoisePruner", "ComponentPruner", "SeriesCleaner",
    "SeriesDetector", "StreamMonitor", "OnlineDecomposer", "clean_many", "detect_many",
}  # fmt: skip
TABLE_CALLS = {
    "FeaturePruner", "PrunedDetector", "PrunedIsolationForest", "PrunedLOF", "PrunedOneClassSVM", "RowPruner",
    "distill", "pareto_front",
}  # fmt: skip
N_WIDE = 1_000_000 if os.environ.get("TSPRUNE_SLOW") == "all" else 20_000


def lines(heading: str) -> list[tuple[str, str, str, str]]:
    """Input, call, answer and words of one section, one call each."""
    section = PAGE.read_text(encoding="utf-8").split(f"\n## {heading}\n")[1].split("\n## ")[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in section.splitlines() if line[:1] == "|"]
    return [(row[0], call.strip(), row[2], row[3]) for row in rows[2:] for call in row[1].split(",")]


SERIES_LINES, TABLE_LINES = lines("Series"), lines("Tables")


def hours(n: int) -> pd.DatetimeIndex:
    return pd.date_range("2024-01-01", periods=n, freq="h")


def series_input(kind: str) -> tuple[Any, dict[str, Any]]:
    """The input of a kind, and the times that go with it."""
    y = series(240)
    if kind in ("duplicate times", "unsorted times"):
        stamps = hours(240).to_numpy().copy()
        if kind == "duplicate times":
            stamps[5] = stamps[4]
        else:
            stamps[[5, 6]] = stamps[[6, 5]]
        return pd.Series(y, index=pd.DatetimeIndex(stamps)), {}
    if kind == "gaps in the times":
        return pd.Series(y, index=hours(240)).drop(hours(240)[100:150]), {}
    if kind == "mixed time zones":
        zones = [t.tz_localize("UTC" if k % 2 else "Europe/Berlin") for k, t in enumerate(hours(240))]
        return y, {"time": zones}
    given = {
        "empty": np.empty(0),
        "one row": np.array([1.0]),
        "constant": np.full(240, 3.0),
        "all NaN": np.full(240, np.nan),
        "infinite": np.concatenate([[np.inf], y[1:]]),
        "text": np.array(["a"] * 240),
        "more series than rows": series(30, 60),
        "three dimensions": np.zeros((3, 3, 3)),
        "wrong type": {"a": 1},
        "not fitted": y,
    }
    return given[kind], {}


def table_input(kind: str) -> Any:
    rng = np.random.default_rng(0)
    return {
        "empty": np.empty((0, 3)),
        "one row": np.ones((1, 3)),
        "constant": np.ones((100, 3)),
        "all NaN": np.full((100, 3), np.nan),
        "infinite": np.vstack([[np.inf] * 3, rng.normal(size=(99, 3))]),
        "text": np.array([["a", "b"]] * 50),
        "one dimension": np.arange(9.0),
        "more features than rows": rng.normal(size=(20, 60)),
        "very wide": rng.normal(size=(10, N_WIDE if kind == "very wide" else 1)),
        "wrong type": {"a": 1},
        "not fitted": rng.normal(size=(20, 3)),
    }[kind]


def frame_of(X: Any, times: dict[str, Any]) -> Any:
    """What a user of the monitor would make of the input."""
    if isinstance(X, pd.Series):
        return X.to_frame("s0")
    if not isinstance(X, np.ndarray) or X.ndim > 2:
        return X
    values = X.reshape(len(X), -1) if len(X) else np.empty((0, 1))
    index = pd.Index(times["time"]) if times else hours(len(X))
    return pd.DataFrame(values, index=index, columns=[f"s{k}" for k in range(values.shape[1])])


def long_frame_of(X: Any, times: dict[str, Any]) -> Any:
    """What a user of the functions for many series would make of the input."""
    if isinstance(X, pd.Series):
        return pd.DataFrame({"unique_id": "a", "ds": X.index, "y": X.to_numpy()})
    if not isinstance(X, np.ndarray) or X.ndim > 1:
        return X
    return pd.DataFrame({"unique_id": "a", "ds": times.get("time", hours(len(X))), "y": X})


def answer_to_many(call: str, X: Any, times: dict[str, Any]) -> Any:
    estimator = build("SeriesCleaner" if call == "clean_many" else "SeriesDetector")
    found = PUBLIC[call](long_frame_of(X, times), estimator)
    errors = [error for error in found.summary["error"] if error is not None]
    return errors[0] if errors else found.frame["y" if call == "clean_many" else "score"].to_numpy()


def answer_to_series(call: str, X: Any, times: dict[str, Any], fits: bool) -> Any:
    if call in ("clean_many", "detect_many"):
        return answer_to_many(call, X, times)
    if call == "find_periods":
        return np.array(PUBLIC[call](X, **times).lengths)
    if call == "decompose":
        return PUBLIC[call](X, **times).trend
    if call == "OnlineDecomposer":
        return PUBLIC[call](12).update_many(X)
    if call == "StreamMonitor":
        monitor, history = PUBLIC[call](), frame_of(X, times)
        if fits:
            monitor.prime(history)
        return np.array([monitor.update(pd.Timestamp("2030-01-01"), {"s0": 1.0}).score])
    estimator = build(call)
    if fits:
        estimator.fit(X, **times)
    return (estimator.score_samples if call == "SeriesDetector" else estimator.transform)(X, **times)


def answer_to_table_function(call: str, X: Any, fits: bool) -> Any:
    detector = build("PrunedIsolationForest")
    if call == "pareto_front":
        return PUBLIC[call]({"forest": detector}, X, random_state=0).table.select_dtypes(float).to_numpy()
    if fits:
        width = X.shape[1] if isinstance(X, np.ndarray) and X.ndim == 2 else 3
        detector.fit(X if width > 7 else table(60)[:, :width])
    return PUBLIC[call](detector, X, random_state=0).score_samples(X)


def answer_to_table(call: str, X: Any, fits: bool) -> Any:
    if call in ("distill", "pareto_front"):
        return answer_to_table_function(call, X, fits)
    estimator = build(call)
    if fits:
        estimator.fit(X)
    if hasattr(estimator, "score_samples"):
        assert np.isfinite(estimator.score_samples(X)).all()
    if call == "RowPruner":
        return estimator.support_rows_ if fits else estimator.fit_resample(X)[:, 0] != np.inf
    return estimator.support_ if fits else estimator.transform(X)


def check_result(result: Any, X: Any, says: str) -> None:
    """The words of the table, as assertions: the first of them decide."""
    if says.startswith("told in the summary: "):
        assert isinstance(result, str)
        assert says.removeprefix("told in the summary: ") in result
        return
    values = np.asarray(result)
    if says.startswith("unchanged"):
        np.testing.assert_array_equal(values, np.asarray(X))
    elif says.startswith("finite"):
        assert values.size > 0
        assert np.isfinite(values).all()
    elif says.startswith("same rows"):
        assert len(values) == len(X)
        assert np.isfinite(values).all()
    elif says.startswith("the period 12"):
        assert values.tolist() == [12]
    elif says.startswith(("no period", "no rows")):
        assert values.size == 0
    elif says.startswith("missing"):
        assert np.isnan(values[:, 2]).all()
        assert (values[:, 1] == 0).all()
    else:
        assert says.startswith("kept")
        assert values.all()


def test_the_tables_have_every_input_and_call() -> None:
    for found, calls in ((SERIES_LINES, SERIES_CALLS), (TABLE_LINES, TABLE_CALLS)):
        pairs = [(kind, call) for kind, call, _, _ in found]
        assert len(pairs) == len(set(pairs)), "a line twice"
        wide = {("very wide", call) for call in calls}  # takes time: on the two calls that are made for it
        assert set(pairs) | wide == set(itertools.product({kind for kind, _ in pairs}, calls)) | wide
    assert set(PUBLIC) >= SERIES_CALLS | TABLE_CALLS


@pytest.mark.parametrize(
    ("kind", "call", "answer", "says"), SERIES_LINES, ids=[f"{k}-{c}" for k, c, _, _ in SERIES_LINES]
)
def test_series(kind: str, call: str, answer: str, says: str) -> None:
    X, times = series_input(kind)
    fits = kind != "not fitted" or call in SERIES_FUNCTIONS
    if answer == "works":
        check_result(answer_to_series(call, X, times, fits), X, says)
        return
    with pytest.raises(ERRORS[answer]) as caught:
        answer_to_series(call, X, times, fits)
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("kind", "call", "answer", "says"), TABLE_LINES, ids=[f"{k}-{c}" for k, c, _, _ in TABLE_LINES]
)
def test_tables(kind: str, call: str, answer: str, says: str) -> None:
    X = table_input(kind)
    if answer == "works":
        check_result(answer_to_table(call, X, kind != "not fitted"), X, says)
        return
    with pytest.raises(ERRORS[answer]) as caught:
        answer_to_table(call, X, kind != "not fitted")
    assert says in str(caught.value)
