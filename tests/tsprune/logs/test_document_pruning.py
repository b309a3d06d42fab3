"""Suspect documents: a group goes on evidence only, and its words no longer look usual."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from tsprune import LogDetector
from tsprune.logs.document_pruning import suspect_documents
from tsprune.logs.word_model import distinct_rows

FAILURE = ("disk", "retry", "corrupt", "remount", "checksum", "quarantine")
EVENTS = ("write", "sync", "close", "cache", "read", "list", "open", "stat", "lock", "free", "move", "link")


def sessions(n_failed: int, n: int = 600) -> list[str]:
    """Sessions of some kinds of events; the last `n_failed` fail alike."""
    rng = np.random.default_rng(0)
    rate = np.linspace(0.05, 0.6, len(EVENTS))
    lines = []
    for k in range(n):
        lines.append(f"session=s{k}x begin")
        lines += [f"session=s{k}x {e}" for e, r in zip(EVENTS, rate, strict=True) for _ in range(rng.poisson(r))]
        if k >= n - n_failed:
            lines += [f"session=s{k}x {word} {word}ed" for word in FAILURE]
    return lines


def test_a_group_of_failed_sessions_goes_and_is_scored_as_new() -> None:
    lines = sessions(20)
    model = LogDetector(by=r"session=(\w+)", random_state=0).fit(lines)
    gone = {r.item for r in model.report_.records if r.kind == "document" and not r.kept}
    failed = {f"s{k}x" for k in range(580, 600)}
    assert gone
    assert gone <= failed
    assert model.report_.figures["n_suspects"] == 20
    scores = model.score_samples(lines)
    assert set(scores.nsmallest(20).index) == failed
    unpruned = LogDetector(by=r"session=(\w+)", prune=False, random_state=0).fit(lines)
    assert unpruned.report_.figures["n_suspects"] == 0
    known = model._model.share[[model.vocabulary_.index(word) for word in FAILURE]]
    assert (known == 0.0).all()


def test_without_a_group_or_with_a_reference_every_document_stays() -> None:
    lines = sessions(0)
    model = LogDetector(by=r"session=(\w+)", random_state=0).fit(lines)
    assert all(r.kept for r in model.report_.records if r.kind == "document")
    lines = sessions(20)
    model = LogDetector(by=r"session=(\w+)", random_state=0).fit(lines, reference=np.ones(len(lines), dtype=bool))
    assert all(r.kept for r in model.report_.records if r.kind == "document")


def test_equal_documents_go_together_and_few_documents_stay() -> None:
    rng = np.random.default_rng(1)
    usual = rng.poisson(1.0, size=(7000, 8)) * np.array([1, 1, 1, 1, 1, 1, 0, 0])
    counts = sparse.csr_array(np.vstack([usual, np.tile([0, 0, 0, 0, 0, 0, 3, 3], (200, 1))]).astype(float))
    _, group = distinct_rows(counts)
    found = suspect_documents(counts, group, np.ones(8), 0)
    for number in np.unique(group[~found.keep]):
        assert not found.keep[group == number].any()
    assert (found.suspicion[found.keep] == 0).all()
    assert suspect_documents(counts[:50], group[:50], np.ones(8), 0).keep.all()
