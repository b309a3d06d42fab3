"""WordPruner behind vectorizers."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.ensemble import IsolationForest
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.pipeline import make_pipeline

from detectors import WordPruner
from detectors.exceptions import InvalidTableError


def texts(n: int = 900, seed: int = 0) -> list[str]:
    rng = np.random.default_rng(seed)
    made = []
    for _ in range(n):
        words = ["job started now"] * rng.poisson(2) + ["heartbeat"]
        words += [f"moved file to folder{rng.integers(25)}" for _ in range(rng.poisson(1))]
        words += ["disk failure seen on node"] * (rng.random() < 0.01)
        made.append(" ".join(words))
    return made


@pytest.mark.parametrize("vectorizer", [CountVectorizer(), TfidfVectorizer(), TfidfVectorizer(sublinear_tf=True)])
@pytest.mark.parametrize("copies", ["thin", "join", "keep"])
def test_behind_any_vectorizer(vectorizer: object, copies: str) -> None:
    documents = texts()
    pipe = make_pipeline(clone(vectorizer), WordPruner(copies=copies, random_state=0))
    table = pipe.fit_transform(documents)
    names = pipe.get_feature_names_out().tolist()
    assert sparse.issparse(table)
    assert table.shape == (len(documents), len(names))
    assert sum(name.startswith("folder") for name in names) <= 2
    assert {"disk", "failure", "seen", "on", "node"} & set(names)
    if copies != "keep":
        assert len(names) <= 0.5 * len(pipe[0].vocabulary_)


def test_joined_words_keep_distances_where_they_are_exact_copies() -> None:
    rng = np.random.default_rng(0)
    counts = sparse.csr_matrix(np.repeat(rng.poisson([2.0, 0.3, 0.05], size=(300, 3)), [2, 3, 6], axis=1).astype(float))
    pruner = WordPruner(copies="join", random_state=0).fit(counts)
    kept = pruner.transform(counts)
    assert kept.shape == (300, 3)
    assert pruner.weights_[pruner.support_].tolist() == [2.0, 3.0, 6.0]
    one, other = counts.toarray(), kept.toarray()
    whole = np.linalg.norm(one[:, None] - one[None], axis=2)
    np.testing.assert_allclose(np.linalg.norm(other[:, None] - other[None], axis=2), whole, atol=1e-9)
    for table in (kept, other):
        back = pruner.inverse_transform(table)
        back = back.toarray() if sparse.issparse(back) else back
        np.testing.assert_allclose(back[:, pruner.support_], one[:, pruner.support_])
        assert not back[:, ~pruner.support_].any()


def test_weights_are_words_and_add_up() -> None:
    counts = CountVectorizer().fit_transform(texts())
    for copies in ("thin", "join", "keep"):
        pruner = WordPruner(copies=copies, random_state=0).fit(counts)
        kinds = [r.reason for r in pruner.report_.records]
        gone = sum("values that come with" in k or "every document" in k for k in kinds)
        assert pruner.weights_.sum() == pytest.approx(counts.shape[1] - gone)
        assert (pruner.weights_[~pruner.support_] == 0).all()
        assert (pruner.weights_[pruner.support_] >= 1).all()


def test_rare_documents_stay_on_top() -> None:
    documents = texts(seed=3)
    counts = CountVectorizer().fit_transform(documents)
    rare = np.array(["failure" in d for d in documents])
    kept = WordPruner(random_state=0).fit_transform(counts)
    scores = IsolationForest(n_estimators=200, random_state=0).fit(kept).score_samples(kept)
    assert scores[rare].max() < np.quantile(scores, 0.1)


def test_dense_frames_sparse_and_names_agree() -> None:
    counts = CountVectorizer(vocabulary=["job", "started", "moved", "file", "failure"]).fit_transform(texts())
    dense = counts.toarray()
    frame = pd.DataFrame(dense, columns=list("abcde"))
    one, two, three = (WordPruner(random_state=0).fit(x) for x in (counts, dense, frame))
    np.testing.assert_array_equal(one.support_, two.support_)
    np.testing.assert_array_equal(one.support_, three.support_)
    assert set(three.get_feature_names_out()) <= set("abcde")
    assert [r.item for r in three.report_.records] == list("abcde")
    np.testing.assert_allclose(one.transform(counts).toarray(), two.transform(dense))


def test_what_is_no_count_is_refused_and_what_never_varies_stays() -> None:
    with pytest.raises(InvalidTableError, match="at least 0, got -1"):
        WordPruner().fit(np.array([[0.0, -1.0], [1.0, 2.0]]))
    pruner = WordPruner().fit(np.ones((20, 3)))
    assert pruner.support_.all()
    assert "guard evidence" in pruner.report_.guards[0]
