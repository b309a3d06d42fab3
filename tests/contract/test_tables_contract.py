"""What every detector and selector of tables promises beyond scikit-learn's checks."""

from __future__ import annotations

import pickle
from concurrent.futures import ThreadPoolExecutor
from inspect import signature

import numpy as np
import pandas as pd
import polars as pl
import pytest

from contract.subjects import ESTIMATORS, PUBLIC, TABLE_DETECTORS, TABLE_SELECTORS, build, by_hand, table
from detectors.report import PruningReport

NAMES = [f"f{k}" for k in range(7)]
DETECTORS = sorted(TABLE_DETECTORS & set(PUBLIC))
ALL = sorted((TABLE_DETECTORS | TABLE_SELECTORS) & set(PUBLIC))


@pytest.mark.parametrize("name", ALL)
def test_planted_features_stay_and_noise_goes(name: str) -> None:
    fitted = build(name).fit(table())
    assert fitted.support_.tolist() == [True] * 4 + [False] * 3
    assert isinstance(fitted.report_, PruningReport)
    assert len(fitted.report_.removed) >= 3


@pytest.mark.parametrize("name", ALL)
def test_without_evidence_everything_stays(name: str) -> None:
    noise = np.random.default_rng(1).uniform(size=(200, 5))
    fitted = build(name).fit(noise)
    assert fitted.support_.all()
    assert fitted.report_.guards


@pytest.mark.parametrize("name", DETECTORS)
def test_a_pruned_feature_has_no_influence(name: str) -> None:
    X = table()
    fitted = build(name).fit(X)
    changed = X.copy()
    changed[:, ~fitted.support_] = 1e6 * np.random.default_rng(5).normal(size=(len(X), int((~fitted.support_).sum())))
    for method in ("score_samples", "decision_function", "predict"):
        assert np.array_equal(getattr(fitted, method)(X), getattr(fitted, method)(changed)), method


@pytest.mark.parametrize("name", DETECTORS)
def test_scores_are_those_of_the_engine_fitted_by_hand(name: str) -> None:
    """With the switches off that restate the table: what is left is the wrapped engine on fewer columns."""
    X, new = table(), table(seed=9)
    switches = {"weight_features", "prune_rows"} & set(signature(ESTIMATORS[name]).parameters)
    fitted = build(name, **dict.fromkeys(switches, False)).fit(X)
    assert not fitted.support_.all()
    engine = by_hand(name).fit(X[:, fitted.support_])
    np.testing.assert_allclose(
        fitted.score_samples(new), engine.score_samples(new[:, fitted.support_]), rtol=1e-7, atol=1e-9
    )


@pytest.mark.parametrize("name", DETECTORS)
def test_sign_labels_and_explanation(name: str) -> None:
    X = table()
    fitted = build(name, contamination=0.1).fit(X)
    odd = X[:1].copy()
    odd[0, :4] = [6.0, -6.0, 6.0, -6.0]
    assert fitted.score_samples(odd)[0] < np.median(fitted.score_samples(X))
    assert np.array_equal(fitted.predict(X) == -1, fitted.decision_function(X) < 0)
    np.testing.assert_allclose(fitted.decision_function(X), fitted.score_samples(X) - fitted.offset_)
    shares = fitted.explain(X[:5])
    assert isinstance(shares, pd.DataFrame)
    assert shares.shape == (5, 7)
    assert (shares.to_numpy()[:, ~fitted.support_] == 0).all()
    assert np.isfinite(shares.to_numpy()).all()


@pytest.mark.parametrize("kind", ["pandas", "polars"])
@pytest.mark.parametrize("name", ALL)
def test_frames_score_like_arrays_and_columns_are_checked(name: str, kind: str) -> None:
    X = table(150)
    frame = pd.DataFrame(X, columns=NAMES) if kind == "pandas" else pl.DataFrame(X, schema=NAMES)
    fitted = build(name).fit(frame)
    assert fitted.feature_names_in_.tolist() == NAMES
    method = fitted.score_samples if name in TABLE_DETECTORS else fitted.transform
    plain = build(name).fit(X)
    expected = (plain.score_samples if name in TABLE_DETECTORS else plain.transform)(X)
    assert np.array_equal(np.asarray(method(frame)), np.asarray(expected))
    swapped = frame[[*NAMES[1:], NAMES[0]]]
    with pytest.raises(ValueError, match="feature names should match"):
        method(swapped)
    with pytest.raises(ValueError, match="feature names should match"):
        method(frame[NAMES[:-1]])
    plain_method = plain.score_samples if name in TABLE_DETECTORS else plain.transform
    with pytest.raises(ValueError, match="features"):
        plain_method(X[:, :-1])


@pytest.mark.parametrize("name", ALL)
def test_pickle_and_refit_give_the_same_bits_and_input_stays(name: str) -> None:
    X = table(150)
    before = X.copy()
    fitted = build(name).fit(X)
    method = "score_samples" if name in TABLE_DETECTORS else "transform"
    scores = getattr(fitted, method)(X)
    assert np.array_equal(X, before)
    assert np.array_equal(getattr(pickle.loads(pickle.dumps(fitted)), method)(X), scores)
    assert np.array_equal(getattr(build(name).fit(X), method)(X), scores)


@pytest.mark.parametrize("output", ["pandas", "polars"])
def test_feature_pruner_set_output(output: str) -> None:
    frame = pd.DataFrame(table(150), columns=NAMES)
    fitted = build("FeaturePruner").set_output(transform=output).fit(frame)
    result = fitted.transform(frame)
    assert list(result.columns) == [n for n, kept in zip(NAMES, fitted.support_, strict=True) if kept]
    assert list(fitted.get_feature_names_out()) == list(result.columns)


@pytest.mark.parametrize("name", DETECTORS)
def test_threads_of_the_caller_change_no_bit(name: str) -> None:
    X, new = table(), np.vstack([table(seed=s) for s in range(4)])
    fitted = build(name).fit(X)
    scores, shares = fitted.score_samples(new), fitted.explain(new[:50])
    with ThreadPoolExecutor(8) as threads:
        for again in threads.map(fitted.score_samples, [new] * 24):
            np.testing.assert_array_equal(again, scores)
        pieces = threads.map(fitted.score_samples, np.split(new, np.arange(7, len(new), 7)))
        np.testing.assert_array_equal(np.concatenate(list(pieces)), scores)
        for again in threads.map(fitted.explain, [new[:50]] * 8):
            pd.testing.assert_frame_equal(again, shares)
        for other in threads.map(lambda _: build(name).fit(X), range(8)):
            np.testing.assert_array_equal(other.score_samples(new), scores)
