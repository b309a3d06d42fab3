"""Labels, references and anchors: read with one sign, refused where they are ambiguous, silent where they are noise."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_array
from scipy.stats import mannwhitneyu
from sklearn.ensemble import IsolationForest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from detectors import FeaturePruner, PrunedDetector
from detectors.exceptions import InvalidParameterError, InvalidTableError
from detectors.features.block_evidence import rank_sum_p
from detectors.features.decision import Decision
from detectors.features.informed import follow_anchors
from detectors.features.knowledge import read_knowledge


def two_blocks(seed: int = 0, n_rows: int = 600, n_anomalies: int = 40) -> tuple[np.ndarray, np.ndarray]:
    """Two independent blocks of five columns with tails of their own; the anomalies lie far out in the first."""
    rng = np.random.default_rng(seed)
    blocks = []
    for _ in range(2):
        size = rng.exponential(size=(n_rows, 1)) + 0.5
        blocks.append(rng.normal(size=(n_rows, 1)) * size + 0.6 * size * rng.normal(size=(n_rows, 5)))
    abnormal = np.zeros(n_rows, dtype=bool)
    abnormal[rng.choice(n_rows, n_anomalies, replace=False)] = True
    blocks[0][abnormal] += 4.0 * rng.choice([-1.0, 1.0], size=(n_anomalies, 5))
    return np.hstack(blocks), abnormal


FIRST = np.arange(10) < 5


def test_nothing_known_changes_no_bit():
    X, _ = two_blocks()
    one, two = FeaturePruner(random_state=0).fit(X), FeaturePruner(random_state=0).fit(X, np.zeros(len(X)))
    np.testing.assert_array_equal(one.support_, two.support_)
    assert one.report_.to_json() == two.report_.to_json()
    assert one.support_.all()


@pytest.mark.parametrize("unknown", [0.0, np.nan])
def test_labels_choose_the_block(unknown):
    X, abnormal = two_blocks()
    y = np.full(len(X), unknown)
    y[np.flatnonzero(abnormal)[:8]] = -1
    y[np.flatnonzero(~abnormal)[:20]] = 1
    pruner = FeaturePruner(random_state=0).fit(X, y)
    np.testing.assert_array_equal(pruner.support_, FIRST)
    frame = pruner.report_.to_frame()
    assert set(frame["kind"][5:]) == {"no evidence of the labels"}
    assert (frame["p_value"][5:] > 0.05).all()
    pruner.refresh(X)
    np.testing.assert_array_equal(pruner.support_, FIRST)


@pytest.mark.parametrize("as_rows", [False, True])
def test_a_reference_chooses_the_block(as_rows):
    X, abnormal = two_blocks(1, 800, 60)
    known = np.zeros(len(X), dtype=bool)
    known[np.flatnonzero(~abnormal)[:250]] = True
    if as_rows:
        pruner = FeaturePruner(random_state=0).fit(X[~known], reference=X[known])
    else:
        pruner = FeaturePruner(random_state=0).fit(X, reference=known)
    np.testing.assert_array_equal(pruner.support_, FIRST)
    assert set(pruner.report_.to_frame()["kind"][5:]) == {"no evidence against the reference"}


def test_noise_prunes_nothing():
    pruned = 0
    for seed in range(20):
        X, _ = two_blocks(seed, 300, 10)
        rng = np.random.default_rng(100 + seed)
        y = np.zeros(300)
        y[rng.choice(300, 15, replace=False)] = np.repeat([-1, 1], [3, 12])
        mask = rng.permutation(300) < 80
        pruned += not FeaturePruner(random_state=0).fit(X, y).support_.all()
        pruned += not FeaturePruner(random_state=0).fit(X, reference=mask).support_.all()
    assert pruned <= 6  # 40 trials at level 0.05: more has probability 0.003


def test_anchors_keep_their_block_alone():
    X, _ = two_blocks()
    frame = pd.DataFrame(X, columns=list("abcdefghij"))
    np.testing.assert_array_equal(FeaturePruner(anchors=["g"], random_state=0).fit(frame).support_, ~FIRST)
    np.testing.assert_array_equal(FeaturePruner(anchors=[0], random_state=0).fit(X).support_, FIRST)
    model = PrunedDetector(IsolationForest(random_state=0), pruner=FeaturePruner(anchors=["b"]), random_state=0)
    report = model.fit(frame).report_
    np.testing.assert_array_equal(model.support_, FIRST)
    assert set(report.to_frame()["kind"][5:]) == {"no tie to an anchor"}
    noise = np.hstack([X, np.random.default_rng(5).normal(size=(len(X), 1))])
    alone = FeaturePruner(anchors=[10], random_state=0).fit(noise)
    assert alone.support_[10]
    assert alone.support_.sum() == 11
    assert FeaturePruner(anchors=[0, 10], random_state=0).fit(noise).support_[10]
    with pytest.raises(InvalidParameterError, match=r"features of the table \(a, b"):
        FeaturePruner(anchors=["z"]).fit(frame)
    with pytest.raises(InvalidParameterError, match="anchors"):
        FeaturePruner(anchors="a").fit(frame)


def test_an_anchor_alone_in_its_block_takes_no_other_block_with_it():
    X, _ = two_blocks()
    table = np.hstack([X, np.random.default_rng(5).normal(size=(len(X), 1))])
    found = decision_of(table)
    found.support[10] = True  # as if it depended on others too weakly for an edge
    follow_anchors(found, np.array([10]))
    assert found.support.all()
    assert "shares a block" in found.sentences[-1]
    found = decision_of(table)
    found.support[10] = True
    follow_anchors(found, np.array([2, 10]))
    np.testing.assert_array_equal(np.flatnonzero(found.support), [0, 1, 2, 3, 4, 10])


def decision_of(X: np.ndarray) -> Decision:
    pruner = FeaturePruner(random_state=0)
    return pruner._decide(pruner._read(X, reset=True))


def test_only_zero_and_one_have_two_readings():
    X, abnormal = two_blocks()
    for y in (abnormal.astype(int), abnormal, pd.Series(abnormal.astype(float))):
        with pytest.raises(InvalidParameterError, match=r"if 1 is an anomaly .* if 1 is normal"):
            FeaturePruner().fit(X, y)
    assert "not read as labels" in FeaturePruner().fit(X, np.arange(len(X)) % 3).report_.guards[-1]
    assert "not read as labels" in FeaturePruner().fit(X, np.array(["a", "b"] * 300)).report_.guards[-1]


def test_what_does_not_fit_is_refused():
    X, abnormal = two_blocks()
    with pytest.raises(InvalidParameterError, match="one value for each of 600 rows"):
        FeaturePruner().fit(X, np.zeros(5))
    with pytest.raises(InvalidParameterError, match="a mask of 600 Booleans"):
        FeaturePruner().fit(X, reference=np.arange(5))
    with pytest.raises(InvalidTableError, match="at least one row"):
        FeaturePruner().fit(X, reference=np.zeros(600, dtype=bool))
    with pytest.raises(ValueError, match="features"):
        FeaturePruner().fit(X, reference=X[:50, :4])
    with pytest.raises(InvalidParameterError, match=f"row {np.flatnonzero(abnormal)[0]}"):
        FeaturePruner().fit(X, np.where(abnormal, -1, 0), reference=abnormal)


def test_missing_values_sparse_tables_and_pipelines():
    X, abnormal = two_blocks()
    y = np.where(abnormal, -1, 0)
    holes = X.copy()
    holes[::7, 3] = np.nan
    np.testing.assert_array_equal(FeaturePruner(random_state=0).fit(holes, y, reference=holes[:5]).support_, FIRST)
    assert "sparse" in FeaturePruner(random_state=0).fit(csr_array(X), y).report_.guards[-1]
    pipeline = make_pipeline(StandardScaler(), FeaturePruner(random_state=0), IsolationForest(random_state=0))
    np.testing.assert_array_equal(pipeline.fit(X, y)[1].support_, FIRST)
    few = FeaturePruner(max_rows=200, random_state=0).fit(X, y)
    np.testing.assert_array_equal(few.support_, FIRST)


def test_labels_bring_back_a_column_that_depends_on_nothing():
    X, abnormal = two_blocks()
    alone = np.random.default_rng(3).normal(size=(len(X), 1))
    alone[np.flatnonzero(abnormal)[:12]] = 3.5
    table = np.hstack([X, alone])
    assert not FeaturePruner(random_state=0).fit(table).support_[10]
    y = np.zeros(len(X))
    y[np.flatnonzero(abnormal)[:12]] = -1
    pruner = FeaturePruner(random_state=0).fit(table, y)
    assert pruner.support_[10]
    assert any("tell the anomalies apart" in sentence for sentence in pruner.report_.guards)


def test_the_rank_sum_has_its_exact_law():
    rng = np.random.default_rng(0)
    for n, k in ((9, 2), (12, 5), (30, 3), (200, 10)):
        scores = rng.permutation(n).astype(float)
        chosen = rng.permutation(n) < k
        exact = mannwhitneyu(scores[chosen], scores[~chosen], alternative="greater", method="exact").pvalue
        assert rank_sum_p(scores, chosen) == pytest.approx(exact, rel=1e-9)
    scores = np.array([3.0, 1.0, 2.0, 5.0, 4.0])
    draws = [sum(pair) for pair in combinations(scores, 2)]
    assert rank_sum_p(scores, scores > 3.5) == pytest.approx(np.mean(np.array(draws) >= 9.0))
    assert rank_sum_p(scores, np.zeros(5, dtype=bool)) == 1.0
    wide = rng.normal(size=500)
    chosen = rng.permutation(500) < 100
    normal = mannwhitneyu(wide[chosen], wide[~chosen], alternative="greater", method="asymptotic").pvalue
    assert rank_sum_p(wide, chosen) == pytest.approx(normal, abs=0.01)


def test_knowledge_of_further_rows():
    known, sentences = read_knowledge(None, np.ones((3, 2)), 5, np.asarray)
    assert known is not None
    table, anomaly, normal = known.table(np.zeros((5, 2)))
    assert table.shape == (8, 2)
    assert not anomaly.any()
    assert normal.tolist() == [False] * 5 + [True] * 3
    assert not sentences
    assert read_knowledge(np.zeros(5), None, 5, np.asarray) == (None, [])
