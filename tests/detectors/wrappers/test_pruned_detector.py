"""PrunedDetector around the detectors of scikit-learn and PyOD: contract, offsets, labels, explanation, errors."""

from __future__ import annotations

import pickle
import re

import numpy as np
import pandas as pd
import polars as pl
import pytest
import sklearn
from contract.refused_labels import refused_labels
from scipy import sparse
from sklearn.covariance import EllipticEnvelope
from sklearn.ensemble import IsolationForest
from sklearn.feature_selection import VarianceThreshold
from sklearn.linear_model import SGDOneClassSVM
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import LocalOutlierFactor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import OneClassSVM
from sklearn.utils.estimator_checks import parametrize_with_checks

from detectors import FeaturePruner, PrunedDetector, PrunedIsolationForest
from detectors.exceptions import InvalidParameterError, InvalidTableError
from detectors.report import PruningReport

NO_WEIGHTED_ROWS = (
    "a dependence test counts rows, a forest draws them: n rows of weight 2 are no sample of 2 n rows, so p-values and "
    "trees differ"
)


NO_WEIGHTED_ENGINE = (
    "neighbour densities are defined for rows that count once; ignoring weights silently would be wrong, so they are "
    "refused"
)


def expected_failures(estimator) -> dict[str, str]:
    names = ("check_sample_weight_equivalence_on_dense_data", "check_sample_weight_equivalence_on_sparse_data")
    reasons = dict.fromkeys(names, NO_WEIGHTED_ROWS)
    if isinstance(estimator.detector, LocalOutlierFactor):
        kinds = ("pandas_series", "not_an_array", "list", "shape", "not_overwritten")
        reasons |= {f"check_sample_weights_{kind}": NO_WEIGHTED_ENGINE for kind in kinds}
    return reasons | refused_labels(estimator)


@parametrize_with_checks(
    [
        PrunedDetector(IsolationForest(n_estimators=10, random_state=0)),
        PrunedDetector(LocalOutlierFactor(n_neighbors=3, novelty=True)),
        PrunedDetector(OneClassSVM()),
    ],
    expected_failed_checks=expected_failures,
)
def test_scikit_learn_checks(estimator, check) -> None:
    check(estimator)


def table(n_rows: int = 250, seed: int = 0) -> np.ndarray:
    """Columns 0-3 follow a skewed factor, 4-7 depend on nothing."""
    rng = np.random.default_rng(seed)
    factor = rng.exponential(size=(n_rows, 1))
    return np.hstack([factor + 0.4 * rng.normal(size=(n_rows, 4)), rng.uniform(size=(n_rows, 4))])


ENGINES = {
    "IsolationForest": lambda: IsolationForest(n_estimators=20, random_state=0),
    "LocalOutlierFactor": lambda: LocalOutlierFactor(novelty=True),
    "OneClassSVM": OneClassSVM,
    "SGDOneClassSVM": lambda: SGDOneClassSVM(random_state=0),
    "EllipticEnvelope": lambda: EllipticEnvelope(random_state=0),
}


@pytest.mark.parametrize("name", ENGINES)
def test_scores_and_labels_are_those_of_the_engine_on_the_kept_columns(name: str) -> None:
    X, new = table(), table(seed=1)
    model = PrunedDetector(ENGINES[name](), random_state=0).fit(X)
    assert model.support_.tolist() == [True] * 4 + [False] * 4
    by_hand = ENGINES[name]().fit(X[:, :4])
    assert np.array_equal(model.score_samples(new), by_hand.score_samples(new[:, :4]))
    assert model.offset_ == pytest.approx(float(np.ravel(by_hand.offset_)[0]))
    assert np.array_equal(model.predict(new), by_hand.predict(new[:, :4]))
    changed = new.copy()
    changed[:, 4:] = 1e9
    assert np.array_equal(model.score_samples(changed), model.score_samples(new))
    assert np.array_equal(pickle.loads(pickle.dumps(model)).score_samples(new), model.score_samples(new))


def pyod_engine(name: str):
    from importlib import import_module

    return getattr(import_module(f"pyod.models.{name.lower()}"), name)()


@pytest.mark.parametrize("name", ["ECOD", "HBOS", "KNN", "COPOD", "PCA"])
@pytest.mark.filterwarnings("ignore")  # PyOD's own deprecations are not ours to answer
def test_pyod_detectors_turn_their_sign(name: str) -> None:
    X, new = table(), table(seed=1)
    model = PrunedDetector(pyod_engine(name), random_state=0).fit(X)
    by_hand = pyod_engine(name).fit(X[:, :4])
    np.testing.assert_allclose(model.score_samples(new), -by_hand.decision_function(new[:, :4]))
    assert np.array_equal(model.predict(new) == -1, by_hand.predict(new[:, :4]) == 1)
    odd = X[:1].copy()
    odd[0, :4] = 30.0
    assert model.score_samples(odd)[0] <= model.score_samples(X).min()


@pytest.mark.filterwarnings("ignore")
def test_pyod_checks_columns_too() -> None:
    frame = pd.DataFrame(table(), columns=list("abcdefgh"))
    model = PrunedDetector(pyod_engine("ECOD"), random_state=0).fit(frame)
    with pytest.raises(ValueError, match="feature names should match"):
        model.score_samples(frame[list("bacdefgh")])
    with pytest.raises(ValueError, match="feature names should match"):
        model.score_samples(frame[list("abcdefg")])


def test_a_pipeline_keeps_the_threshold_of_its_last_step() -> None:
    X = table(2000)
    pipeline = make_pipeline(StandardScaler(), OneClassSVM(nu=0.02))
    model = PrunedDetector(pipeline, pruner=VarianceThreshold()).fit(X)
    alone = pipeline.fit(X)
    np.testing.assert_array_equal(model.predict(X), alone.predict(X))
    assert 0.01 < (model.predict(X) == -1).mean() < 0.03


def test_contamination_sets_the_share_of_outliers() -> None:
    X = table()
    model = PrunedDetector(ENGINES["IsolationForest"](), contamination=0.08).fit(X)
    assert (model.predict(X) == -1).mean() == pytest.approx(0.08, abs=0.005)
    assert np.array_equal(model.fit_predict(X), model.predict(X))


class _Bare:
    """A detector with nothing but a decision function; not scikit-learn's."""

    def __init__(self, power: float = 2.0) -> None:
        self.power = power

    def get_params(self, deep: bool = True) -> dict[str, float]:  # noqa: ARG002  # scikit-learn's signature
        return {"power": self.power}

    def set_params(self, **parameters: float) -> _Bare:
        self.power = parameters["power"]
        return self

    def fit(self, X: np.ndarray) -> _Bare:
        self.middle_ = X.mean(axis=0)
        return self

    def decision_function(self, X: np.ndarray) -> np.ndarray:
        return 3.0 - (np.abs(X - self.middle_) ** self.power).sum(axis=1)


class _OffsetFree(_Bare):
    def score_samples(self, X: np.ndarray) -> np.ndarray:
        return self.decision_function(X)


def test_thresholds_of_detectors_without_offset() -> None:
    X = table()
    bare = PrunedDetector(_Bare(), random_state=0).fit(X)
    assert bare.offset_ == 0.0
    free = PrunedDetector(_OffsetFree(), random_state=0).fit(X)
    assert (free.predict(X) == -1).mean() == pytest.approx(0.1, abs=0.005)


@pytest.mark.parametrize("kind", ["pandas", "polars"])
def test_frames_names_and_explanation(kind: str) -> None:
    X = table()
    names = [f"f{k}" for k in range(8)]
    frame = pd.DataFrame(X, columns=names, index=np.arange(250) + 1000) if kind == "pandas" else pl.DataFrame(X, names)
    model = PrunedDetector(ENGINES["IsolationForest"](), random_state=0).fit(frame)
    shares = model.explain(frame[:5])
    assert list(shares.columns) == names
    assert shares.index[0] == (1000 if kind == "pandas" else 0)
    np.testing.assert_allclose(shares.sum(axis=1), 1.0)
    assert (shares[names[4:]] == 0).all().all()
    assert model.report_.removed == names[4:]


@pytest.mark.parametrize("name", ["IsolationForest", "OneClassSVM"])
def test_explanation_points_at_the_odd_feature(name: str) -> None:
    X = table()
    model = PrunedDetector(ENGINES[name](), random_state=0).fit(X)
    odd = np.tile(np.median(X, axis=0), (4, 1))
    odd[np.arange(4), np.arange(4)] = 9.0
    shares = model.explain(odd).to_numpy()
    assert shares.argmax(axis=1).tolist() == [0, 1, 2, 3]
    assert (shares.max(axis=1) > 0.5).all()


def test_sentinels_say_what_the_score_does_not_see() -> None:
    X = table()
    model = PrunedDetector(ENGINES["IsolationForest"](), random_state=0).fit(X)
    odd = X[:2].copy()
    odd[1, 6] = 50.0
    assert np.array_equal(model.score_samples(odd), model.score_samples(X[:2]))
    assert model.sentinel_flags(odd).nonzero()[1].tolist() == [6]
    explained = model.explain(odd, sentinels=True)
    assert explained["sentinels"].tolist() == ["", "x6"]
    assert list(explained.columns)[:-1] == [f"x{k}" for k in range(8)]
    foreign = PrunedDetector(ENGINES["IsolationForest"](), pruner=VarianceThreshold()).fit(X)
    assert not foreign.sentinel_flags(odd).any()


def test_foreign_selectors_get_a_report_and_must_keep_something() -> None:
    X = table()
    X[:, 7] = 1.0
    model = PrunedDetector(OneClassSVM(), pruner=VarianceThreshold()).fit(X)
    assert model.report_.removed == ["x7"]
    assert "deselected by VarianceThreshold" in model.report_.records[7].reason

    class Nothing(VarianceThreshold):
        def get_support(self, indices: bool = False) -> np.ndarray:  # noqa: ARG002  # scikit-learn's signature
            return np.zeros(8, dtype=bool)

    with pytest.raises(InvalidTableError, match="Nothing keeps 0 of 8"):
        PrunedDetector(OneClassSVM(), pruner=Nothing()).fit(X)


def test_sparse_and_missing_where_the_engine_takes_them() -> None:
    rng = np.random.default_rng(0)
    topic = rng.integers(0, 2, size=(300, 1))
    words = np.hstack([rng.poisson(0.2 + topic * np.ones(5)), rng.poisson(0.3, size=(300, 10))]).astype(float)
    thin = sparse.csr_array(words)
    model = PrunedDetector(ENGINES["IsolationForest"](), random_state=0).fit(thin)
    np.testing.assert_allclose(
        model.score_samples(thin),
        PrunedDetector(ENGINES["IsolationForest"](), random_state=0).fit(words).score_samples(words),
    )
    assert model.explain(thin[:3]).shape == (3, 15)
    X = table()
    X[::9, 1] = np.nan
    gappy = PrunedDetector(ENGINES["IsolationForest"](), random_state=0).fit(X)
    assert np.isfinite(gappy.score_samples(X)).all()
    assert np.isfinite(gappy.explain(X[:12]).to_numpy()).all()
    with pytest.raises(ValueError, match="NaN"):
        PrunedDetector(OneClassSVM()).fit(X)
    with pytest.raises(TypeError, match="parse"):
        PrunedDetector(EllipticEnvelope()).fit(thin)


def test_seeds_reach_the_parts_that_have_none() -> None:
    X = table()
    one = PrunedDetector(IsolationForest(n_estimators=5), random_state=3).fit(X)
    two = PrunedDetector(IsolationForest(n_estimators=5, random_state=3), random_state=7).fit(X)
    assert np.array_equal(one.score_samples(X), two.score_samples(X))
    state = PrunedDetector(IsolationForest(n_estimators=5), random_state=np.random.RandomState(1)).fit(X)
    again = PrunedDetector(IsolationForest(n_estimators=5), random_state=np.random.RandomState(1)).fit(X)
    assert np.array_equal(state.score_samples(X), again.score_samples(X))


def test_weights_go_to_the_engine() -> None:
    X = table()
    weights = np.linspace(0.5, 1.5, len(X))
    model = PrunedDetector(OneClassSVM(), random_state=0).fit(X, sample_weight=weights)
    assert np.array_equal(
        model.score_samples(X), OneClassSVM().fit(X[:, :4], sample_weight=weights).score_samples(X[:, :4])
    )
    with pytest.raises(InvalidParameterError, match="must be None for LocalOutlierFactor"):
        PrunedDetector(LocalOutlierFactor(novelty=True)).fit(X, sample_weight=weights)
    for wrong in (weights[:-1], np.zeros(len(X)), -weights, np.full(len(X), np.nan)):
        with pytest.raises(InvalidParameterError, match="sample_weight must hold 250 finite"):
            PrunedDetector(OneClassSVM()).fit(X, sample_weight=wrong)


def test_weights_are_routed_through_a_pipeline() -> None:
    X = table()
    weights = np.linspace(0.5, 1.5, len(X))
    with sklearn.config_context(enable_metadata_routing=True):
        model = PrunedDetector(OneClassSVM(), random_state=0).set_fit_request(sample_weight=True)
        scaler = StandardScaler().set_fit_request(sample_weight=False)
        routed = make_pipeline(scaler, model).fit(X, sample_weight=weights)
    Z = StandardScaler().fit_transform(X)
    direct = PrunedDetector(OneClassSVM(), random_state=0).fit(Z, sample_weight=weights)
    assert np.array_equal(routed.score_samples(X), direct.score_samples(Z))


def test_grid_search_over_pruner_and_engine() -> None:
    X = table()
    odd = np.arange(len(X)) % 12 == 0
    y = np.where(odd, -1, 1)
    X[odd, :4] *= 3.0
    search = GridSearchCV(
        PrunedDetector(ENGINES["IsolationForest"](), pruner=FeaturePruner()),
        {"pruner__alpha": [0.01, 0.05], "detector__max_samples": [32, 64]},
        scoring="roc_auc",
        cv=2,
    ).fit(X, y)
    assert search.best_score_ > 0.6


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"detector": IsolationForest}, "detector of PrunedDetector must be an outlier detector"),
        ({"detector": 3}, "got 3"),
        ({"pruner": "all"}, "pruner of PrunedDetector must be None, or an object with fit, get_support"),
        ({"contamination": 0.7}, "contamination of PrunedDetector must be 'auto', or a finite number > 0 and <= 0.5"),
        ({"random_state": -1}, "random_state"),
    ],
)
def test_parameters_are_checked(parameters: dict, message: str) -> None:
    with pytest.raises(InvalidParameterError, match=message):
        PrunedDetector(**({"detector": OneClassSVM()} | parameters)).fit(table())


def test_report_is_a_pruning_report() -> None:
    model = PrunedDetector(OneClassSVM(), random_state=0).fit(table())
    assert isinstance(model.report_, PruningReport)
    assert model.report_.summary().startswith("features: 4 of 8 removed")


def test_reasons_name_the_columns_of_a_frame() -> None:
    rng = np.random.default_rng(0)
    load = rng.normal(size=300)
    table = pd.DataFrame(
        {"load": load, "copy": 2 * load, "noise": rng.normal(size=300), "x0": load + rng.normal(size=300)}
    )
    reasons = " ".join(PrunedIsolationForest(n_estimators=10, random_state=0).fit(table).report_.to_frame()["reason"])
    assert "load" in reasons
    assert not set(re.findall(r"\bx\d+\b", reasons)) - {"x0"}
