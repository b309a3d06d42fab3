"""FeaturePruner: what stays, what goes and why; options; refresh; warm start; frames, sparse, missing."""

from __future__ import annotations

import os
import pickle

import numpy as np
import pandas as pd
import pytest
from contract.refused_labels import refused_labels
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from sklearn.datasets import load_breast_cancer, load_wine
from sklearn.feature_selection import SelectorMixin
from sklearn.utils.estimator_checks import parametrize_with_checks

from detectors import FeaturePruner
from detectors.exceptions import InvalidParameterError, InvalidTableError
from detectors.features.duplicates import duplicate_columns
from detectors.report import PruningReport

SEEDS = range(40) if os.environ.get("TSPRUNE_SLOW") else range(4)
KINDS = {"untested", "relevant", "constant", "duplicate", "independent noise", "irrelevant block", "harmful"}


@parametrize_with_checks(
    [FeaturePruner(random_state=0), FeaturePruner(guard=None, prune_blocks=False)],
    expected_failed_checks=refused_labels,
)
def test_scikit_learn_checks(estimator, check) -> None:
    check(estimator)


def planted(n_rows: int = 400, n_noise: int = 12, seed: int = 0) -> np.ndarray:
    """Four columns of one skewed factor, then independent columns of several laws."""
    rng = np.random.default_rng(seed)
    factor = rng.exponential(size=(n_rows, 1))
    laws = [rng.uniform, rng.normal, rng.exponential, lambda size: rng.integers(0, 2, size=size)]
    noise = [laws[k % 4](size=n_rows) for k in range(n_noise)]
    return np.column_stack([factor + 0.5 * rng.normal(size=(n_rows, 4)), *noise]).astype(float)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("n_noise", [4, 40])
def test_relevant_stays_and_noise_goes(seed: int, n_noise: int) -> None:
    support = FeaturePruner(random_state=0).fit(planted(n_noise=n_noise, seed=seed)).support_
    assert support[:4].all()
    assert support[4:].sum() <= 2  # one chance pair at most


def test_real_tables_keep_their_columns_among_permuted_copies() -> None:
    rng = np.random.default_rng(0)
    for load in (load_wine, load_breast_cancer):
        X = load().data
        noisy = np.hstack([X, rng.permuted(X, axis=0), rng.permuted(X, axis=0)])
        support = FeaturePruner(random_state=0).fit(noisy).support_
        assert support[: X.shape[1]].all()
        assert support[X.shape[1] :].mean() <= 0.06


def test_normal_factor_blocks_go_and_measured_blocks_stay() -> None:
    rng = np.random.default_rng(0)
    X = load_wine().data
    block = 0.8 * rng.normal(size=(len(X), 3)) @ rng.normal(size=(3, 13)) + 0.6 * rng.normal(size=(len(X), 13))
    both = np.hstack([block, X])
    fitted = FeaturePruner(random_state=0).fit(both)
    assert fitted.support_.tolist() == [False] * 13 + [True] * 13
    assert set(fitted.kinds_[:13]) <= {"irrelevant block", "independent noise"}
    kept = FeaturePruner(random_state=0, prune_blocks=False).fit(both)
    assert kept.support_.sum() > 20


def test_a_normal_table_keeps_its_subject_against_a_chance_pair() -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(500, 2)) @ rng.normal(size=(2, 30)) + 0.5 * rng.normal(size=(500, 30))
    pair = rng.uniform(size=(500, 1)) + 0.05 * rng.uniform(size=(500, 2))  # 2 of 32: less than a tenth
    assert FeaturePruner(random_state=0).fit(np.hstack([X, pair])).support_[:30].all()


def test_without_evidence_everything_that_varies_stays() -> None:
    X = np.random.default_rng(0).uniform(size=(200, 5))
    X[:, 2] = 1.0
    fitted = FeaturePruner(random_state=0).fit(X)
    assert fitted.support_.tolist() == [True, True, False, True, True]
    assert "without evidence" in fitted.report_.guards[0]
    constant = FeaturePruner().fit(np.ones((20, 3)))
    assert constant.support_.all()


def test_report_tells_kind_reason_and_evidence() -> None:
    rng = np.random.default_rng(1)
    X = planted(seed=1)
    X = np.column_stack([X, np.full(len(X), 7.0), 2.0 - 3.0 * X[:, 0], rng.standard_cauchy(len(X))])
    fitted = FeaturePruner(random_state=0).fit(X)
    frame = fitted.report_.to_frame()
    assert set(frame["kind"]) <= KINDS
    assert frame["kind"].tolist()[-3:] == ["constant", "duplicate", "harmful"]
    assert frame["reason"].iloc[-2] == "copy of x0 up to shift, scale and sign"
    tested = ~frame["kind"].isin(["constant", "duplicate", "irrelevant block"])
    np.testing.assert_allclose(frame["statistic"][tested], fitted.relevance_[tested])
    np.testing.assert_allclose(frame["p_value"][tested], np.exp(-fitted.relevance_[tested]))
    np.testing.assert_allclose(frame["threshold"][tested], -np.log(0.015))
    assert frame[frame["kind"] == "constant"][["statistic", "threshold", "p_value"]].isna().all(axis=None)
    assert frame.loc[frame["kind"] == "duplicate", ["statistic", "threshold"]].to_numpy().tolist() == [[1.0, 1.0]]
    assert frame["kept"].tolist() == fitted.support_.tolist()
    assert PruningReport.from_json(fitted.report_.to_json()).removed == fitted.report_.removed


def test_a_normal_block_goes_on_the_evidence_of_its_normality() -> None:
    """Its members depend on each other beyond doubt: that p-value is not why they go."""
    rng = np.random.default_rng(0)
    tails = rng.standard_t(3, size=(600, 1)) + 0.4 * rng.standard_t(4, size=(600, 3))
    normal = rng.normal(size=(600, 1)) + 0.5 * rng.normal(size=(600, 3))
    fitted = FeaturePruner(random_state=0).fit(np.hstack([tails, normal]))
    frame = fitted.report_.to_frame()
    assert frame["kind"].tolist() == ["relevant"] * 3 + ["irrelevant block"] * 3
    block = frame.iloc[3:]
    np.testing.assert_allclose(block["threshold"], -np.log(0.005))
    np.testing.assert_allclose(block["statistic"], -np.log(block["p_value"]), atol=1e-12)
    assert (block["statistic"] < block["threshold"]).all()
    assert (fitted.relevance_[3:] > 50).all()
    assert "joint normal law (p = " in block["reason"].iloc[0]
    assert FeaturePruner.from_report(fitted.report_).relevance_[3:].tolist() == [0.0] * 3


@settings(deadline=None, max_examples=10)
@given(st.permutations(range(8)), st.floats(0.01, 100), st.floats(-50, 50))
def test_order_shift_and_scale_of_columns_do_not_matter(order: list[int], scale: float, shift: float) -> None:
    X = planted(300, 4)
    expected = FeaturePruner(random_state=0).fit(X).support_
    moved = FeaturePruner(random_state=0).fit(scale * X[:, order] + shift).support_
    assert moved.tolist() == expected[order].tolist()


def test_duplicates_are_found_once_and_can_be_kept() -> None:
    X = planted(100, 2)
    X = np.column_stack([X, X[:, 1], -4.0 * X[:, 0] + 1.0, X[:, 1] * 2.0])
    assert duplicate_columns(X).tolist() == [-1] * 6 + [1, 0, 1]
    assert FeaturePruner(prune_duplicates=False).fit(X).support_[-3:].all()
    assert not FeaturePruner().fit(X).support_[-3:].any()
    X[3, 6] = np.nan  # no copy any more: it is missing elsewhere
    assert duplicate_columns(X).tolist() == [-1] * 7 + [0, 1]


def test_copies_and_rare_events_are_judged_on_the_whole_table() -> None:
    X = planted(3000, 2)
    rare = np.zeros((3000, 2))
    rare[17, 0] = rare[2900, 1] = 1.0
    X = np.hstack([X, rare, X[:, :1]])
    drawn = FeaturePruner(max_rows=60, random_state=0).fit(X)
    assert drawn.kinds_[6:8].tolist() == ["untested", "untested"]
    assert drawn.support_[6:8].all()
    assert drawn.kinds_[8] == "duplicate"
    twins = np.hstack([X[:, :6], rare[:, :1], X[:, :1]])
    twins[5, 7] += 1.0  # a copy in nearly every sample, but not in the table
    assert FeaturePruner(max_rows=60, random_state=0).fit(twins).kinds_[7] != "duplicate"
    thin = FeaturePruner(max_rows=60, random_state=0).fit(sparse.csr_array(X))
    assert thin.kinds_[8] == "duplicate"


@pytest.mark.parametrize("scale", [1e-300, 1e-12, 1e12, 1e300])
def test_huge_and_tiny_units(scale: float) -> None:
    support = FeaturePruner(random_state=0).fit(planted(n_noise=4) * scale).support_
    assert support.tolist() == [True] * 4 + [False] * 4


def test_missing_values_and_binary_columns() -> None:
    rng = np.random.default_rng(0)
    X = planted(600, 8)
    X[:, 3] = X[:, 3] > 1.0
    X[rng.uniform(size=X.shape) < 0.1] = np.nan
    support = FeaturePruner(random_state=0).fit(X).support_
    assert support[:4].all()
    assert support[4:].sum() <= 1


def test_sparse_words_like_dense_ones() -> None:
    rng = np.random.default_rng(0)
    topic = rng.integers(0, 2, size=(500, 1))
    words = np.hstack([rng.poisson(0.2 + 0.8 * topic * np.ones(6)), rng.poisson(0.3, size=(500, 30))]).astype(float)
    dense = FeaturePruner(random_state=0).fit(words)
    thin = FeaturePruner(random_state=0).fit(sparse.csr_array(words))
    assert dense.support_.tolist() == thin.support_.tolist()
    assert thin.support_[:6].all()
    assert thin.support_[6:].sum() <= 2
    assert sparse.issparse(thin.transform(sparse.csr_array(words)))


def test_wide_tables_are_screened() -> None:
    X = planted(200, 60)
    support = FeaturePruner(screen_above=20, random_state=0).fit(X).support_
    assert support[:4].all()
    assert support.sum() <= 6
    wide = np.random.default_rng(0).normal(size=(40, 3000))
    wide[:, 1] = wide[:, 0]
    assert FeaturePruner(screen_above=200, random_state=0).fit(wide).support_.shape == (3000,)


@pytest.mark.parametrize("screen_above", [5000, 400])
def test_many_weak_partners_are_found_where_no_pair_is_strong(screen_above: int) -> None:
    rng = np.random.default_rng(0)
    factors = rng.normal(size=(200, 15))
    flags = factors @ rng.normal(size=(15, 150)) + rng.normal(size=(200, 150))
    flags = (flags > np.quantile(flags, 0.85, axis=0)).astype(float)
    X = np.hstack([flags, rng.uniform(size=(200, 900))])
    support = FeaturePruner(screen_above=screen_above, random_state=0).fit(X).support_
    assert support[:150].mean() > 0.9
    assert support[150:].mean() < 0.02


def test_noise_wider_than_long_is_left_alone() -> None:
    fits = [FeaturePruner().fit(np.random.default_rng(seed).uniform(size=(300, 400))) for seed in range(5)]
    assert [bool(model.support_.all()) for model in fits].count(True) >= 4


def test_rows_are_drawn_and_the_draw_is_reproducible() -> None:
    X = planted(500)
    one = FeaturePruner(max_rows=200, random_state=3).fit(X)
    assert one.report_.figures["rows_tested"] == 200
    assert np.array_equal(one.relevance_, FeaturePruner(max_rows=200, random_state=3).fit(X).relevance_)
    state = FeaturePruner(random_state=np.random.RandomState(3), max_rows=200).fit(X)
    assert np.array_equal(one.relevance_, state.relevance_)


def test_selector_api_names_and_pickle() -> None:
    frame = pd.DataFrame(planted(), columns=[f"c{k}" for k in range(16)])
    fitted = FeaturePruner(random_state=0).set_output(transform="pandas").fit(frame)
    assert isinstance(fitted, SelectorMixin)
    assert list(fitted.transform(frame).columns)[:4] == ["c0", "c1", "c2", "c3"]
    assert fitted.report_.records[5].item == "c5"
    copy = pickle.loads(pickle.dumps(fitted))
    assert copy.transform(frame).equals(fitted.transform(frame))


def test_sentinels_speak_for_removed_features_only() -> None:
    X = planted()
    fitted = FeaturePruner(random_state=0).fit(X)
    odd = X[:3].copy()
    odd[0, 5] = 40.0
    odd[1, 0] = 40.0
    flags = fitted.sentinel_flags(odd)
    assert flags[0, 5]
    assert not flags[:, fitted.support_].any()
    moved = X.copy()
    moved[:, 5] += 10
    assert fitted.sentinel_alarms(moved) == ["x5"]
    silent = FeaturePruner(sentinels=False, random_state=0).fit(X)
    assert silent.sentinel_ is None
    assert not silent.sentinel_flags(odd).any()
    assert silent.sentinel_alarms(moved) == []


def drifted(seed: int = 5) -> np.ndarray:
    """As `planted`, but column 5 now follows the factor and column 3 no longer does."""
    X = planted(seed=seed)
    X[:, 5] = X[:, 0] + 0.3 * X[:, 5]
    X[:, 3] = np.random.default_rng(seed).permutation(X[:, 3])
    return X


def test_refresh_follows_drift_and_diff_tells() -> None:
    fitted = FeaturePruner(random_state=0).fit(planted())
    assert set(fitted.diff()["after"]) == {"removed"}
    fitted.refresh(drifted())
    assert fitted.support_[5]
    changes = fitted.diff().set_index("item")
    assert changes.loc["x5", "after"] == "kept"
    fitted.refresh(drifted(6))
    assert "x5" not in fitted.diff()["item"].tolist()


def test_refresh_hesitates_to_remove() -> None:
    rng = np.random.default_rng(0)
    weak = np.hstack([planted(300, 6), rng.normal(size=(300, 1))])
    weak[:, 10] += 0.35 * weak[:, 0]
    fitted = FeaturePruner(random_state=0).fit(weak)
    assert fitted.support_[10]
    few = weak[:80]
    again = FeaturePruner(random_state=0).fit(few)
    fitted.refresh(few)
    assert not again.support_[10]  # 80 rows alone do not show it
    assert fitted.support_[10]  # but they do not contradict it either
    assert any("refresh" in sentence for sentence in fitted.report_.guards)


def test_partial_fit_sees_the_recent_rows() -> None:
    pruner = FeaturePruner(max_rows=400, random_state=0)
    old, new = planted(), drifted()
    for part in np.array_split(old, 4):
        pruner.partial_fit(part)
    assert pruner.support_[:4].all()
    assert not pruner.support_[5]
    for part in np.array_split(new, 4):
        pruner.partial_fit(part)
    assert pruner.support_[5]
    frame = pd.DataFrame(old, columns=[f"c{k}" for k in range(16)])
    named = FeaturePruner(random_state=0).partial_fit(frame[:200]).partial_fit(frame[200:])
    assert named.support_[:4].all()
    assert named.report_.figures["rows_tested"] == 400


def test_warm_start_from_a_siblings_report() -> None:
    frame = pd.DataFrame(planted(), columns=[f"c{k}" for k in range(16)])
    first = FeaturePruner(random_state=0).fit(frame)
    report = PruningReport.from_json(first.report_.to_json())
    sibling = FeaturePruner.from_report(report, pruner=FeaturePruner(alpha=0.05, random_state=0))
    assert sibling.support_.tolist() == first.support_.tolist()
    assert sibling.alpha == 0.05
    assert list(sibling.get_feature_names_out()) == list(first.get_feature_names_out())
    assert sibling.sentinel_alarms(frame) == []
    own = pd.DataFrame(drifted(), columns=frame.columns)
    sibling.refresh(own)
    assert sibling.support_[5]
    assert "c5" in sibling.diff()["item"].tolist()
    with pytest.raises(ValueError, match="feature names should match"):
        sibling.refresh(own[own.columns[::-1]])
    plain = FeaturePruner.from_report(FeaturePruner(random_state=0).fit(planted()).report_)
    assert not hasattr(plain, "feature_names_in_")
    assert plain.transform(planted()).shape[1] == plain.support_.sum()


def test_a_report_that_keeps_nothing_is_refused() -> None:
    report = PruningReport([], "features")
    with pytest.raises(InvalidTableError, match="must keep at least one feature, got 0 records"):
        FeaturePruner.from_report(report)


@pytest.mark.parametrize(
    ("parameter", "value"), [("alpha", 0), ("max_rows", 10), ("guard", 3), ("normality_level", 1.0), ("sentinels", 1)]
)
def test_parameters_are_checked(parameter: str, value: object) -> None:
    with pytest.raises(InvalidParameterError, match=f"{parameter} of FeaturePruner must be"):
        FeaturePruner(**{parameter: value}).fit(planted(60))


def test_few_rows_and_one_column_keep_everything() -> None:
    assert FeaturePruner().fit(np.array([[1.0, 2.0], [3.0, 4.0]])).support_.any()
    assert FeaturePruner().fit(np.arange(30.0)[:, None]).support_.all()


def test_two_rows_are_no_evidence_for_copies() -> None:
    two = np.random.default_rng(0).normal(size=(2, 16))
    assert FeaturePruner().fit(two).get_support().all()


def test_calls_of_a_fitted_pruner_check_their_arguments() -> None:
    fitted = FeaturePruner(random_state=0).fit(planted())
    for level in (0.0, 1.0, 5, -1, "high", None):
        with pytest.raises(InvalidParameterError, match="level of sentinel_alarms must be"):
            fitted.sentinel_alarms(planted(), level=level)  # type: ignore[arg-type]  # wrong types are the test
    rows = PruningReport([], "training rows")
    for report in ("x", None, fitted.report_.to_json(), rows):
        with pytest.raises(InvalidParameterError, match="report of from_report must be a PruningReport on features"):
            FeaturePruner.from_report(report)  # type: ignore[arg-type]  # wrong types are the test
    with pytest.raises(InvalidTableError, match="keep at least one"):
        FeaturePruner.from_report(PruningReport([], "features"))
