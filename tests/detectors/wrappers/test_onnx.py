"""ONNX graphs: scored by onnxruntime alone, they answer like the detector."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from detectors import PrunedIsolationForest, PrunedLOF, PrunedOneClassSVM
from detectors.exceptions import InvalidParameterError, UnwritablePathError

onnxruntime = pytest.importorskip("onnxruntime", reason="the extra `onnx` is not installed")
pytest.importorskip("onnx", reason="the extra `onnx` is not installed")


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(0)
    factor = rng.normal(size=(200, 1))
    return np.hstack([factor + 0.4 * rng.normal(size=(200, 4)), rng.uniform(size=(200, 3))])


MODELS = {
    "forest": lambda: PrunedIsolationForest(20, random_state=0),
    "forest, share of outliers": lambda: PrunedIsolationForest(20, random_state=0, contamination=0.1),
    "forest, trees pruned": lambda: PrunedIsolationForest(20, random_state=0, prune_features=False, prune_trees=True),
    "lof": lambda: PrunedLOF(random_state=0),
    "lof, rows not pruned": lambda: PrunedLOF(prune_rows=False, random_state=0),
    "lof, manhattan": lambda: PrunedLOF(p=1, prune_features=False),
    "lof, chebyshev": lambda: PrunedLOF(metric="chebyshev", prune_features=False),
    "lof, p = 3": lambda: PrunedLOF(p=3, prune_features=False),
    "svm": lambda: PrunedOneClassSVM(random_state=0),
    "svm, reduced": lambda: PrunedOneClassSVM(random_state=0, prune_support_vectors=True, prune_features=False),
    "svm, linear": lambda: PrunedOneClassSVM("linear", nu=0.2, prune_features=False),
    "svm, poly": lambda: PrunedOneClassSVM("poly", coef0=0.5, degree=2, prune_features=False),
    "svm, sigmoid": lambda: PrunedOneClassSVM("sigmoid", gamma=0.05, prune_features=False),
}


@pytest.mark.parametrize("name", list(MODELS))
def test_scores_and_labels(name, table):
    model = MODELS[name]().fit(table)
    session = onnxruntime.InferenceSession(model.to_onnx(), providers=["CPUExecutionProvider"])
    for rows in (table, np.random.default_rng(1).normal(size=(80, 7)) * 2.0, table[:1]):
        scores, labels = session.run(None, {"X": rows})
        expected = model.score_samples(rows)
        np.testing.assert_allclose(scores, expected, rtol=1e-5, atol=1e-5)
        clear = abs(expected - model.offset_) > 1e-6  # a float32 sum of path lengths is not sharper
        np.testing.assert_array_equal(labels[clear], model.predict(rows)[clear])
        assert clear.mean() > 0.9


def test_missing_values_take_the_same_way(table):
    X = table.copy()
    X[::7, 1] = np.nan
    model = PrunedIsolationForest(20, prune_features=False, random_state=0).fit(X)
    session = onnxruntime.InferenceSession(model.to_onnx(), providers=["CPUExecutionProvider"])
    np.testing.assert_allclose(session.run(None, {"X": X})[0], model.score_samples(X), atol=1e-5)


@pytest.mark.parametrize("name", ["forest", "lof", "svm"])
def test_onnxruntime_alone_scores_the_file(name, table, tmp_path):
    """A process that never imports this package, scikit-learn or numba; the selector is part of the graph."""
    model = MODELS[name]().fit(table)
    assert not model.support_.all()
    model.to_onnx(tmp_path / "model.onnx")
    np.save(tmp_path / "rows.npy", table)
    program = (
        "import sys, numpy as np, onnxruntime as ort\n"
        "session = ort.InferenceSession(sys.argv[1], providers=['CPUExecutionProvider'])\n"
        "scores, labels = session.run(None, {'X': np.load(sys.argv[2])})\n"
        "assert not {'sklearn', 'numba', 'detectors', 'scipy', 'pandas'} & set(sys.modules), sorted(sys.modules)\n"
        "np.save(sys.argv[3], scores)\n"
    )
    files = [str(tmp_path / name) for name in ("model.onnx", "rows.npy", "scores.npy")]
    subprocess.run([sys.executable, "-c", program, *files], check=True, cwd=tmp_path)
    np.testing.assert_allclose(np.load(files[2]), model.score_samples(table), atol=1e-5)


@pytest.mark.parametrize("metric", ["cosine", "canberra"])
def test_distances_that_only_scikit_learn_knows_are_refused(metric, table):
    with pytest.raises(InvalidParameterError, match=f"Minkowski's family, got metric='{metric}'"):
        PrunedLOF(metric=metric).fit(table).to_onnx()


def test_without_the_extra(table, monkeypatch):
    model = PrunedIsolationForest(5, random_state=0).fit(table)
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ImportError, match="tsprune\\[onnx\\]"):
        model.to_onnx()


def test_paths_that_cannot_be_written_are_told(table, tmp_path):
    model = PrunedIsolationForest(5, random_state=0).fit(table)
    for path in (tmp_path, tmp_path / "no folder" / "model.onnx"):
        with pytest.raises(UnwritablePathError, match=r"name a file|make it first"):
            model.to_onnx(path)
    (tmp_path / "model.onnx").write_bytes(b"old")
    assert model.to_onnx(tmp_path / "model.onnx") == (tmp_path / "model.onnx").read_bytes()


@pytest.mark.parametrize("name", list(MODELS))
def test_every_constant_of_a_graph_is_used(name, table):
    """onnxruntime prints a warning for each one that is not, at every start."""
    import onnx

    graph = onnx.load_from_string(MODELS[name]().fit(table).to_onnx()).graph
    used = {entry for node in graph.node for entry in node.input}
    assert {constant.name for constant in graph.initializer} <= used


@pytest.mark.parametrize("name", ["forest", "lof", "svm"])
def test_no_rows_and_rows_after_set_params(name, table):
    model = MODELS[name]().fit(table)
    before = model.to_onnx()
    model.set_params(contamination=0.3, n_jobs=2)
    assert model.to_onnx() == before
    if tuple(map(int, onnxruntime.__version__.split(".")[:2])) < (1, 21):
        pytest.skip("onnxruntime 1.20 itself ends the process on an empty table")
    scores, labels = onnxruntime.InferenceSession(before, providers=["CPUExecutionProvider"]).run(
        None, {"X": table[:0]}
    )
    assert scores.shape == labels.shape == (0,)
