"""Students of slow detectors: faithful, or refused."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.neighbors import LocalOutlierFactor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import OneClassSVM

from detectors import PrunedIsolationForest, distill
from detectors.exceptions import GuardError, InvalidParameterError, InvalidTableError, StoredModelError
from detectors.rank_correlation import rank_correlation
from detectors.storage.archive import read_model, write_model
from detectors.tradeoffs.distillation import DistilledDetector


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(0)
    return rng.normal(size=(500, 3)) * rng.uniform(0.5, 2.0, size=(500, 1))


@pytest.mark.parametrize(
    "teacher",
    [LocalOutlierFactor(60, novelty=True), OneClassSVM(nu=0.2), PrunedIsolationForest(50, random_state=0)],
    ids=lambda t: type(t).__name__,
)
def test_students_are_faithful(teacher, table, tmp_path):
    teacher.fit(table)
    student = distill(teacher, table, random_state=0)
    new = np.random.default_rng(1).normal(size=(300, 3)) * 1.5
    reached = rank_correlation(student.score_samples(new), teacher.score_samples(new))
    assert student.fidelity_ > 0.9
    assert reached > 0.85
    share = (teacher.predict(table) == -1).mean()
    assert (student.predict(table) == -1).mean() == pytest.approx(share, abs=0.02)
    student.save(tmp_path / "student")
    loaded = DistilledDetector.load(tmp_path / "student")
    np.testing.assert_array_equal(loaded.decision_function(new), student.decision_function(new))
    assert loaded.fidelity_ == student.fidelity_
    with pytest.raises(StoredModelError):
        PrunedIsolationForest.load(tmp_path / "student")


def test_pyod_teachers_have_the_other_sign(table):
    from pyod.models.knn import KNN

    teacher = KNN().fit(table)
    student = distill(teacher, table, random_state=0)
    assert rank_correlation(student.score_samples(table), -teacher.decision_function(table)) > 0.9
    assert (student.predict(table) == -1).mean() == pytest.approx(0.1, abs=0.02)


def test_bad_students_are_refused(table):
    class Coin:
        def decision_function(self, X):
            return np.sin(1e6 * X.sum(axis=1))

    with pytest.raises(GuardError, match=r"Spearman correlation 0\.9"):
        distill(Coin(), table, random_state=0)
    assert distill(Coin(), table, min_fidelity=-1.0, n_estimators=3, random_state=0).fidelity_ < 0.5


def test_names_are_kept(table, tmp_path):
    frame = pd.DataFrame(table, columns=list("abc"))
    teacher = PrunedIsolationForest(30, random_state=0, prune_features=False).fit(frame)
    student = distill(teacher, frame, min_fidelity=0.5, random_state=0)
    student.save(tmp_path / "student")
    loaded = DistilledDetector.load(tmp_path / "student")
    assert list(loaded.feature_names_in_) == list("abc")
    with pytest.raises(ValueError, match="feature names"):
        loaded.score_samples(frame[list("cba")])


TEACHERS = {
    "forest": PrunedIsolationForest(10, random_state=0),
    "factor": LocalOutlierFactor(novelty=True),
    "pipeline": make_pipeline(StandardScaler(), OneClassSVM()),
}


@pytest.mark.parametrize("asked", ["array", "frame", "polars", "list"])
@pytest.mark.parametrize("fitted", ["array", "frame"])
@pytest.mark.parametrize("name", sorted(TEACHERS))
def test_teacher_and_rows_may_come_in_different_containers(name, fitted, asked, table):
    """Warnings are errors here: scikit-learn's about names that are there or not would be raised."""
    frame = pd.DataFrame(table, columns=list("abc"))
    tables = {"array": table, "frame": frame, "polars": pl.from_pandas(frame), "list": table.tolist()}
    teacher = clone(TEACHERS[name]).fit(tables[fitted])
    options = {"min_fidelity": -1.0, "n_synthetic": 100, "n_estimators": 5, "random_state": 0}
    student = distill(teacher, tables[asked], **options)
    expected = distill(clone(TEACHERS[name]).fit(table), table, **options)
    np.testing.assert_allclose(student.score_samples(tables[asked]), expected.score_samples(table), rtol=1e-6)
    assert hasattr(student, "feature_names_in_") == (asked in ("frame", "polars"))


def test_pyod_teachers_are_asked_without_names(table):
    from pyod.models.iforest import IForest

    frame = pd.DataFrame(table, columns=list("abc"))
    student = distill(IForest(random_state=0).fit(frame), frame, min_fidelity=0.5, random_state=0)
    assert list(student.feature_names_in_) == list("abc")


def test_other_columns_than_the_teachers_are_refused(table):
    frame = pd.DataFrame(table, columns=list("abc"))
    teacher = PrunedIsolationForest(10, random_state=0).fit(frame)
    with pytest.raises(ValueError, match="feature names"):
        distill(teacher, frame[list("cba")])
    with pytest.raises(InvalidTableError, match="the 3 features that the PrunedIsolationForest was fitted with, got 2"):
        distill(teacher, table[:, :2])


@pytest.mark.parametrize("answer", [np.nan, -np.inf, 1e300, None, "two columns"])
def test_teachers_without_a_finite_score_are_refused(answer, table):
    class Odd:
        def score_samples(self, X):
            if isinstance(answer, str):
                return np.zeros((len(X), 2))
            return np.zeros(3) if answer is None else np.full(len(X), answer)

    with pytest.raises(InvalidTableError, match="every row one finite score"):
        distill(Odd(), table)


def test_what_cannot_be_distilled_is_told(table):
    with pytest.raises(InvalidParameterError, match="novelty=True"):
        distill(LocalOutlierFactor().fit(table), table)
    with pytest.raises(InvalidParameterError, match="fitted outlier detector"):
        distill(OneClassSVM, table)
    with pytest.raises(InvalidTableError, match="single precision"):
        distill(OneClassSVM().fit(table), table * 1e300)
    with pytest.raises(InvalidTableError, match="collect"):
        distill(OneClassSVM().fit(table), pl.DataFrame(table).lazy())


def test_a_teacher_without_outliers(table):
    class Calm:
        offset_ = -1e9

        def score_samples(self, X):
            return -np.abs(X).sum(axis=1)

    student = distill(Calm(), table, random_state=0)
    assert (student.predict(table) == 1).all()


def test_students_whose_arrays_do_not_fit_together(table, tmp_path):
    path = tmp_path / "student"
    distill(OneClassSVM(nu=0.2).fit(table), table, min_fidelity=0.5, n_estimators=5, random_state=0).save(path)
    manifest, arrays = read_model(path, "DistilledDetector")
    whole = {**arrays}
    for spoiled in (
        {**whole, "feature": np.full_like(whole["feature"], 200)},
        {**whole, "feature": whole["feature"][:-1]},
        {k: v for k, v in whole.items() if k != "value"},
    ):
        write_model(path, "DistilledDetector", manifest, spoiled)
        with pytest.raises(StoredModelError, match="lacks what it needs"):
            DistilledDetector.load(path)


def test_bad_calls(table):
    with pytest.raises(NotFittedError, match="distill"):
        DistilledDetector().score_samples(table)
    teacher = OneClassSVM().fit(table)
    with pytest.raises(InvalidTableError, match="20 rows"):
        distill(teacher, table[:10])
    with pytest.raises(InvalidParameterError, match="max_depth"):
        distill(teacher, table, max_depth=0)
    with pytest.raises(InvalidParameterError, match="decision_function"):
        distill(object(), table)


def test_a_teacher_is_called_with_the_names_it_knows(table):
    """Warnings are errors here: scikit-learn warns of names that come or go."""
    frame = pd.DataFrame(table, columns=["a", "b", "c"])
    by_array, by_frame = OneClassSVM(nu=0.2).fit(table), OneClassSVM(nu=0.2).fit(frame)
    expected = distill(by_array, table, random_state=0).score_samples(table)
    for teacher, given in ((by_array, frame), (by_frame, table), (by_frame, frame)):
        student = distill(teacher, given, random_state=0)
        assert (student.score_samples(given) == expected).all()
        assert list(getattr(student, "feature_names_in_", [])) == (list("abc") if given is frame else [])
    with pytest.raises(ValueError, match="feature names"):
        distill(by_frame, frame[["c", "a", "b"]], random_state=0)


def test_a_teacher_without_finite_scores_is_refused(table):
    class Blind:
        def decision_function(self, X):
            return np.where(np.arange(len(X)) == 3, np.nan, 0.0)

    with pytest.raises(InvalidTableError, match=r"every row one finite score, .* got nan for"):
        distill(Blind(), table, random_state=0)
