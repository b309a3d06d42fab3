"""The front: what beats what, and where the knee is."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import IsolationForest
from sklearn.neighbors import LocalOutlierFactor
from sklearn.preprocessing import StandardScaler

from detectors import PrunedIsolationForest, PrunedLOF, pareto_front
from detectors.exceptions import InvalidParameterError, InvalidTableError
from detectors.tradeoffs.pareto import ParetoFront, _knee, _undominated


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(0)
    X = np.vstack([rng.normal(size=(280, 3)), rng.uniform(-6, 6, size=(20, 3))])
    return X, (np.arange(300) >= 280).astype(int)


CANDIDATES = {
    "forest": PrunedIsolationForest(30, random_state=0),
    "plain forest": IsolationForest(n_estimators=30, random_state=0),
    "lof": PrunedLOF(random_state=0),
}


@pytest.mark.parametrize("with_labels", [False, True])
def test_measured(table, with_labels):
    X, y = table
    front = pareto_front(CANDIDATES, X, y if with_labels else None, n_rounds=1, random_state=0)
    measured = front.table
    assert list(measured.index) == list(CANDIDATES)
    assert (measured[["seconds_per_row", "size_bytes", "n_features"]] > 0).all().all()
    assert measured["quality"].between(0.5, 1.0).all()
    assert measured["knee"].sum() == 1
    assert front.knee in front.front.index
    assert front.front["quality"].is_monotonic_decreasing


def test_dominance_and_knee_by_hand():
    measured = pd.DataFrame(
        {
            "quality": [0.9, 0.89, 0.6, 0.5],
            "n_features": [10, 5, 5, 5],
            "seconds_per_row": [1.0, 0.1, 0.05, 0.06],
            "size_bytes": [1000, 100, 90, 95],
        },
        index=["best", "balanced", "fast", "beaten"],
    )
    measured["on_front"] = _undominated(measured)
    assert measured["on_front"].tolist() == [True, True, True, False]
    assert _knee(measured) == "balanced"


def test_plot(table):
    matplotlib = pytest.importorskip("matplotlib", reason="the extra `plots` is not installed")
    matplotlib.use("Agg")
    front = pareto_front(CANDIDATES, table[0], n_rounds=1, random_state=0)
    for cost in ("seconds_per_row", "n_features", "size_bytes"):
        ax = front.plot(cost=cost)
        assert ax.get_ylabel() == "quality"
        assert {t.get_text() for t in ax.texts} == set(CANDIDATES)
        assert front.plot(ax, cost=cost) is ax
        matplotlib.pyplot.close(ax.figure)
    with pytest.raises(InvalidParameterError, match="cost"):
        front.plot(cost="money")


def test_without_the_extra(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(ImportError, match="plots"):
        ParetoFront(pd.DataFrame()).plot()


def test_bad_calls(table):
    X, y = table
    with pytest.raises(InvalidParameterError, match="at least one"):
        pareto_front({}, X)
    with pytest.raises(InvalidTableError, match="20 rows"):
        pareto_front(CANDIDATES, X[:10])
    with pytest.raises(InvalidTableError, match="both classes"):
        pareto_front(CANDIDATES, X, 0 * y)
    with pytest.raises(InvalidParameterError, match="n_rounds"):
        pareto_front(CANDIDATES, X, n_rounds=0)


def test_one_detector_without_a_name_is_refused() -> None:
    with pytest.raises(InvalidParameterError, match="must map names to detectors"):
        pareto_front(IsolationForest(), np.zeros((30, 2)))  # type: ignore[arg-type]  # the wrong type is the test


def test_labels_are_one_and_zero_one_for_every_row(table):
    X, y = table
    expected = pareto_front(CANDIDATES, X, y, n_rounds=1, random_state=0).table["quality"]
    for same in (y == 1, y.astype(float), y[:, None], pd.Series(y, index=np.arange(len(y)) + 7)):
        assert pareto_front(CANDIDATES, X, same, n_rounds=1, random_state=0).table["quality"].equals(expected)
    signs = np.where(y == 1, -1, 1)
    for labels, message in (
        (signs, r"pass `y == -1`"),
        (np.where(y == 1, "bad", "good"), "1 for outliers"),
        (np.where(y == 1, np.nan, 0.0), "nan"),
        (y[:-1], "one label per row"),
        (np.concatenate([y, y]), "one label per row"),
    ):
        with pytest.raises(InvalidTableError, match=message):
            pareto_front(CANDIDATES, X, labels)
    assert pareto_front(CANDIDATES, X, signs == -1, n_rounds=1, random_state=0).table["quality"].equals(expected)


def manhattan(a, b):
    return float(np.abs(a - b).sum())


def test_candidates_that_no_file_holds_are_pickled_or_refused():
    X = np.random.default_rng(0).normal(size=(60, 2))
    front = pareto_front({"lof": PrunedLOF(5, metric=manhattan)}, X, n_rounds=1)
    assert front.table.loc["lof", "size_bytes"] > 100
    with pytest.raises(InvalidParameterError, match="in a module"):
        pareto_front({"lof": PrunedLOF(5, metric=lambda a, b: manhattan(a, b))}, X, n_rounds=1)


@pytest.mark.parametrize("candidate", [LocalOutlierFactor(), StandardScaler(), IsolationForest])
def test_candidates_have_to_score(candidate):
    with pytest.raises(InvalidParameterError, match=r"candidates\['x'\] of pareto_front must be an outlier detector"):
        pareto_front({"x": candidate}, np.zeros((30, 2)))
