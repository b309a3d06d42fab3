"""Which documents of a log are not what others are measured by: suspects that lie together.

Invariant: documents that lie together make their words look usual. They leave the shares of words only if
`RowPruner` finds evidence against them, they are abnormal even while they count, and the most abnormal of the others
stay the same; otherwise every document stays.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from detectors import RowPruner
from detectors.features.sparse_counts import LEAST_TOP_AGREEMENT, state_surprise, top_agreement

__all__ = ["SuspectDocuments", "suspect_documents"]

Floats = NDArray[np.float64]
Numbers = NDArray[np.int64]
Mask = NDArray[np.bool_]

_FEWEST = 100  # documents below which no group is told from chance
_MOST_ROWS = 4000  # documents that are compared, a random part of more
_MOST_WORDS = 256  # the most frequent words that stay: a group of documents has words in common
_ABNORMAL = 0.98  # share of the documents that stay which a suspect is more surprising than, with its own words counted


@dataclass(frozen=True)
class SuspectDocuments:
    """Documents that go, and what was decided about them.

    Parameters
    ----------
    keep : ndarray of bool of shape (n_documents,)
    suspicion : ndarray of shape (n_documents,)
        Of `RowPruner`; 0 for documents that stay.
    guards : tuple of str
    """

    keep: Mask
    suspicion: Floats
    guards: tuple[str, ...] = ()

    @classmethod
    def none(cls, n_documents: int, *guards: str) -> SuspectDocuments:
        """Every document stays."""
        return cls(np.ones(n_documents, dtype=bool), np.zeros(n_documents), guards)


def suspect_documents(counts: Any, group: Numbers, weight: Floats, seed: int) -> SuspectDocuments:
    """Find documents that lie together as suspects.

    Parameters
    ----------
    counts : CSR table of shape (n_documents, n_words)
    group : ndarray of int of shape (n_documents,)
        Number of the distinct document; documents of equal counts go together or not at all.
    weight : ndarray of shape (n_words,)
        Words that each word stands for, 0 for pruned ones.
    seed : int
        Draws 4000 of more documents.

    Returns
    -------
    SuspectDocuments
    """
    n_documents = counts.shape[0]
    if n_documents < _FEWEST or not (weight > 0).any():
        return SuspectDocuments.none(n_documents)
    rows = np.arange(n_documents)
    if n_documents > _MOST_ROWS:
        rows = np.sort(np.random.default_rng(seed).choice(n_documents, _MOST_ROWS, replace=False))
    table = sparse.csr_array(counts[rows])
    filled = np.bincount(table.indices, minlength=counts.shape[1]) * (weight > 0)
    words = np.sort(np.argsort(-filled, kind="stable")[: min(_MOST_WORDS, int((weight > 0).sum()))])
    dense = table[:, words].log1p().toarray() * np.sqrt(weight[words])
    pruner = RowPruner(random_state=seed).fit(dense)
    seen = np.bincount(group[rows], minlength=int(group.max()) + 1)
    gone = np.bincount(group[rows], ~pruner.support_rows_, minlength=len(seen))
    suspected = ((seen > 0) & (gone == seen))[group]
    if not suspected.any():
        return SuspectDocuments.none(n_documents)
    surprise = state_surprise(counts, weight)
    keep = ~suspected | (surprise <= np.quantile(surprise[~suspected], _ABNORMAL))
    if keep.all():
        guard = "guard documents: suspects that are no more surprising than the others stay"
        return SuspectDocuments.none(n_documents, guard)
    after = state_surprise(counts[np.flatnonzero(keep)], weight)
    agreement = top_agreement(surprise[keep], after)
    if agreement < LEAST_TOP_AGREEMENT:
        guard = (
            f"guard documents: {int((~keep).sum())} suspects stay, without them the most abnormal of the other "
            f"documents change (average precision {agreement:.2f}, {LEAST_TOP_AGREEMENT} is asked for)"
        )
        return SuspectDocuments.none(n_documents, guard)
    highest = np.zeros(len(seen))
    np.maximum.at(highest, group[rows], pruner.suspicion_)
    return SuspectDocuments(keep, np.where(keep, 0.0, highest[group]))
