"""Stored models: the same scores back, and every damaged file refused."""

from __future__ import annotations

import json
import pickle

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.exceptions import NotFittedError

from detectors import PrunedIsolationForest, PrunedLOF, PrunedOneClassSVM, distill
from detectors.exceptions import StoredModelError
from detectors.storage.archive import pack, read_model, unpack, write_model
from detectors.tradeoffs.distillation import DistilledDetector

MODELS = {
    "forest": lambda: PrunedIsolationForest(20, random_state=0),
    "small forest": lambda: PrunedIsolationForest(20, random_state=0, prune_trees=True, prune_features=False),
    "lof": lambda: PrunedLOF(random_state=np.random.RandomState(0)),
    "whole lof": lambda: PrunedLOF(np.int64(7), prune_rows=False, prune_features=False, p=1),
    "svm": lambda: PrunedOneClassSVM(nu=0.2, random_state=0),
    "small svm": lambda: PrunedOneClassSVM(prune_support_vectors=True, prune_features=False, random_state=0),
}


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(0)
    factor = rng.normal(size=(250, 1))
    return np.hstack([factor + 0.4 * rng.normal(size=(250, 4)), rng.uniform(size=(250, 3))])


@pytest.fixture(scope="module", params=list(MODELS))
def fitted(request, table):
    return MODELS[request.param]().fit(table)


def test_a_loaded_model_answers_bit_by_bit(fitted, table, tmp_path):
    fitted.save(tmp_path / "model")
    loaded = type(fitted).load(tmp_path / "model")
    new = np.random.default_rng(1).normal(size=(60, 7)) * 2.0
    for rows in (table, new):
        np.testing.assert_array_equal(loaded.score_samples(rows), fitted.score_samples(rows))
        np.testing.assert_array_equal(loaded.predict(rows), fitted.predict(rows))
    pd.testing.assert_frame_equal(loaded.explain(new), fitted.explain(new))
    np.testing.assert_array_equal(loaded.support_, fitted.support_)
    assert loaded.get_params().keys() == fitted.get_params().keys()
    assert len(loaded.report_) == 0
    assert loaded.model_report_.figures == pytest.approx(fitted.model_report_.figures, nan_ok=True)
    loaded.save(tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == (tmp_path / "model").read_bytes()
    assert (tmp_path / "model").stat().st_size < 0.5 * len(pickle.dumps(fitted))


def test_names_and_reports_come_back(table, tmp_path):
    frame = pd.DataFrame(table, columns=[f"sensor {i}" for i in range(7)])
    model = PrunedIsolationForest(10, random_state=0, prune_trees=True).fit(frame)
    model.save(tmp_path / "model", include_report=True)
    loaded = PrunedIsolationForest.load(tmp_path / "model")
    np.testing.assert_array_equal(loaded.score_samples(frame), model.score_samples(frame))
    pd.testing.assert_frame_equal(loaded.report_.to_frame(), model.report_.to_frame())
    pd.testing.assert_frame_equal(loaded.model_report_.to_frame(), model.model_report_.to_frame())
    with pytest.raises(ValueError, match="feature names"):
        loaded.score_samples(frame[frame.columns[::-1]])


def test_what_cannot_be_stored(table, tmp_path):
    with pytest.raises(NotFittedError):
        PrunedLOF().save(tmp_path / "model")
    with pytest.raises(StoredModelError, match="dtype"):
        pack("demo", {}, {"x": np.array([object()])})
    with pytest.raises(StoredModelError, match="JSON"):
        pack("demo", {"x": np.nan}, {})
    model = PrunedIsolationForest(5).fit(table)
    model.verbose = object()
    with pytest.raises(StoredModelError, match="verbose"):
        model.save(tmp_path / "model")
    assert not list(tmp_path.iterdir())


def test_foreign_files(fitted, tmp_path):
    path = tmp_path / "model"
    for content in (b"", b"PK\x03\x04 a zip", pickle.dumps({"a": 1}), b"TSPRUNE\n"):
        path.write_bytes(content)
        with pytest.raises(StoredModelError, match="TSPRUNE"):
            type(fitted).load(path)
    with pytest.raises(FileNotFoundError):
        type(fitted).load(tmp_path / "nothing")
    fitted.save(path)
    other = PrunedLOF if not isinstance(fitted, PrunedLOF) else PrunedIsolationForest
    with pytest.raises(StoredModelError, match="load it with that class"):
        other.load(path)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_no_changed_byte_goes_unseen(data):
    stored = bytearray(pack("demo", {"k": 1}, {"x": np.arange(40.0), "m": np.ones((3, 2), bool)}))
    at = data.draw(st.integers(0, len(stored) - 1))
    stored[at] ^= data.draw(st.integers(1, 255))
    with pytest.raises(StoredModelError):
        unpack(bytes(stored), "demo")
    cut = data.draw(st.integers(0, len(stored) - 1))
    with pytest.raises(StoredModelError):
        unpack(bytes(stored[:cut]), "demo")


def resealed(body, *, code=0, length=None, arrays=b""):
    """A file with a right checksum around any body: what a clever forger would write."""
    import hashlib
    import struct

    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    raw = struct.pack("<I", len(text)) + text + arrays
    tail = struct.pack("<BQ", code, len(raw) if length is None else length) + raw
    return b"TSPRUNE\n" + hashlib.sha256(tail).digest() + tail


GOOD = {"format": 1, "kind": "demo", "version": "0", "manifest": {}, "arrays": []}


@pytest.mark.parametrize(
    ("stored", "message"),
    [
        (resealed({**GOOD, "format": 9}), "format 1, got 9"),
        (resealed({**GOOD, "kind": "other"}), "holds a other"),
        (resealed({**GOOD, "arrays": [["x", "|O8", [1]]]}), "unknown dtype"),
        (resealed({**GOOD, "arrays": [["x", "<f8", [-1]]]}), "impossible shape"),
        (resealed({**GOOD, "arrays": [["x", "<f8", [10**12, 10**12]]]}), "cut off"),
        (resealed(GOOD, arrays=b"123"), "belong to no array"),
        (resealed({"format": 1}), "contradicts itself"),
        (resealed(b"no json"), "contradicts itself"),
        (resealed(GOOD, code=7), "compression"),
        (resealed(GOOD, code=1), "contradicts itself"),
        (resealed(GOOD, code=2), "contradicts itself|bytes"),
        (resealed(GOOD, length=5), "5 bytes"),
        (resealed(GOOD, length=1 << 50), "at most"),
    ],
)
def test_files_that_contradict_themselves(stored, message):
    with pytest.raises(StoredModelError, match=message):
        unpack(stored, "demo")
    assert unpack(resealed(GOOD), "demo") == ({}, {})


def test_a_bomb_is_not_unpacked():
    import zlib

    packed = zlib.compress(bytes(50_000_000), 9)
    import hashlib
    import struct

    tail = struct.pack("<BQ", 1, 100) + packed
    with pytest.raises(StoredModelError, match="must have 100 bytes, got 101"):
        unpack(b"TSPRUNE\n" + hashlib.sha256(tail).digest() + tail, "demo")


def test_models_whose_arrays_do_not_fit_together(table, tmp_path):
    path = tmp_path / "model"
    for make, spoil in (
        (MODELS["small svm"], lambda a: {**a, "weights": a["weights"][:-1]}),
        (MODELS["lof"], lambda a: {**a, "rows": a["rows"][:-1]}),
        (MODELS["whole lof"], lambda a: {**a, "kth": a["kth"][:-1]}),
        (MODELS["forest"], lambda a: {**a, "feature": a["feature"][:-1]}),
        (MODELS["forest"], lambda a: {k: v for k, v in a.items() if k != "value"}),
        (MODELS["forest"], lambda a: {**a, "feature": np.full_like(a["feature"], 200)}),
    ):
        model = make().fit(table)
        model.save(path)
        manifest, arrays = read_model(path, type(model).__name__)
        write_model(path, type(model).__name__, manifest, spoil(arrays))
        with pytest.raises(StoredModelError, match="lacks what it needs"):
            type(model).load(path)


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.integers(0, 4), min_size=0, max_size=3),
    st.sampled_from(["?", "u1", "u2", "u4", "i8", ">i4", "f4", "f8", ">f8"]),
)
def test_every_array_comes_back(shape, dtype):
    array = np.arange(int(np.prod(shape)), dtype=np.int64).reshape(shape).astype(dtype)
    _, arrays = unpack(pack("demo", {}, {"x": array}), "demo")
    assert arrays["x"].shape == array.shape
    assert arrays["x"].dtype == array.dtype.newbyteorder("=")
    np.testing.assert_array_equal(arrays["x"], array)


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "model"
    write_model(path, "demo", {"k": 1}, {})

    def broken(*_):
        raise OSError("disk full")

    monkeypatch.setattr("detectors.storage.atomic_file.os.replace", broken)
    with pytest.raises(OSError, match="disk full"):
        write_model(path, "demo", {"k": 2}, {})
    assert read_model(path, "demo")[0] == {"k": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["model"]


def test_version_of_a_bare_source_tree(monkeypatch):
    from importlib.metadata import PackageNotFoundError

    def missing(_):
        raise PackageNotFoundError

    monkeypatch.setattr("detectors.storage.archive.version", missing)
    assert unpack(pack("demo", {}, {}), "demo") == ({}, {})


@pytest.mark.parametrize(
    ("made_with", "changed_to"),
    [
        ({"prune_rows": False}, {"prune_rows": True}),
        ({"prune_rows": True}, {"prune_rows": False}),
        ({}, {"metric": "cosine"}),
        ({"metric": "cosine"}, {"metric": "minkowski"}),
        ({"metric": "canberra"}, {"metric": "cosine"}),
        ({"p": 1}, {"p": 3, "n_neighbors": 5}),
        ({"metric": "minkowski", "metric_params": {"w": [1.0, 2, 3, 4, 5, 6, 7]}}, {"metric_params": None}),
    ],
)
def test_what_is_stored_is_what_was_fitted_not_what_was_set_since(made_with, changed_to, table, tmp_path):
    model = PrunedLOF(prune_features=False, random_state=0, **made_with).fit(table)
    expected = model.score_samples(table)
    model.set_params(**changed_to)
    np.testing.assert_array_equal(model.score_samples(table), expected)
    model.save(tmp_path / "model")
    loaded = PrunedLOF.load(tmp_path / "model")
    np.testing.assert_array_equal(loaded.score_samples(table), expected)
    assert {name: loaded.get_params()[name] for name in changed_to} == changed_to


def test_a_file_that_does_not_tell_how_its_references_were_made_is_read_by_its_parameters(table, tmp_path):
    """As versions before wrote them."""
    for options in ({}, {"prune_rows": False}, {"metric": "cosine"}):
        model = PrunedLOF(random_state=0, **options).fit(table)
        model.save(tmp_path / "model")
        manifest, arrays = read_model(tmp_path / "model", "PrunedLOF")
        for name in ("derived", "measure", "measure_parameters"):
            manifest.pop(name, None)
        write_model(tmp_path / "model", "PrunedLOF", manifest, arrays)
        np.testing.assert_array_equal(
            PrunedLOF.load(tmp_path / "model").score_samples(table), model.score_samples(table)
        )


BAD = (None, -1, "x", [], {}, 1e300, 10**30)
BAD_ARRAYS = (np.zeros(0), np.zeros((3, 3)), np.array(1.0), np.array([10**6]))


@pytest.mark.parametrize("name", list(MODELS))
def test_a_forged_file_is_refused_or_scores(name, table, tmp_path):
    """Whatever one entry is replaced by: an error of ours at `load`, or a model that scores - nothing in between."""
    path, model = tmp_path / "model", MODELS[name]().fit(table)
    kind = type(model).__name__
    model.save(path)
    manifest, arrays = read_model(path, kind)
    forged = [({**manifest, key: value}, arrays) for key in manifest for value in BAD]
    forged += [({k: v for k, v in manifest.items() if k != key}, arrays) for key in manifest]
    forged += [(manifest, {**arrays, key: value}) for key in arrays for value in BAD_ARRAYS]
    forged += [(manifest, {k: v for k, v in arrays.items() if k != key}) for key in arrays]
    refused = 0
    for entries in forged:
        write_model(path, kind, *entries)
        try:
            loaded = type(model).load(path)
        except StoredModelError:
            refused += 1
        else:
            with np.errstate(all="ignore"):
                assert loaded.score_samples(table).shape == (len(table),)
    assert refused > len(forged) / 2


def test_a_forged_student_is_refused(table, tmp_path):
    path = tmp_path / "student"
    distill(PrunedLOF().fit(table), table, min_fidelity=-1.0, n_estimators=3, n_synthetic=50, random_state=0).save(path)
    manifest, arrays = read_model(path, "DistilledDetector")
    for key in ("n_features", "names", "fidelity", "offset"):
        for value in ({}, "x", -(10**400) if key == "n_features" else [1]):
            write_model(path, "DistilledDetector", {**manifest, key: value}, arrays)
            with pytest.raises(StoredModelError, match="lacks what it needs"):
                DistilledDetector.load(path)
