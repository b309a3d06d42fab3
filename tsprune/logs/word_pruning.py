"""Which words, lines and documents of a log carry nothing, and why.

Invariant: what stands for others takes over their weight, so pruning does not change what a template counts; should
the most abnormal documents change nevertheless, only exact copies are joined.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from detectors.features.sparse_counts import LEAST_TOP_AGREEMENT, column_roles, state_surprise, top_agreement
from detectors.report import PruningRecord, PruningReport

__all__ = ["document_records", "line_records", "prune_words", "words_report"]

Floats = NDArray[np.float64]
Numbers = NDArray[np.int64]

_ALPHA = 0.015  # false discovery rate of "this value comes with another word"
_MOST_RECORDS = 1000


def prune_words(
    counts: Any, words: Sequence[str], *, prune: bool, seed: int
) -> tuple[Floats, list[PruningRecord], list[str], dict[str, float]]:
    """Decide about every word.

    Parameters
    ----------
    counts : CSR table of shape (n_documents, n_words)
    words : sequence of str of length n_words
    prune : bool
        False keeps every word.
    seed : int
        Draws documents where there are many.

    Returns
    -------
    weight : ndarray of shape (n_words,)
        Words that each word stands for; 0 for pruned ones.
    records : list of PruningRecord
    sentences : list of str
        What the guard said.
    figures : dict
    """
    n_words = len(words)
    if not prune:
        untouched = [PruningRecord(word, "word", True, "pruning is switched off") for word in words]
        return np.ones(n_words), untouched, [], {}
    log_counts = sparse.csr_array(counts).log1p()
    roles = column_roles(log_counts, _ALPHA, np.random.default_rng(seed))
    constant = _constant(counts)
    open_ = ~constant & (roles.place < 0)
    whole = state_surprise(counts, open_.astype(np.float64))
    original, sentences = roles.original, []
    weight = np.bincount(original[open_], minlength=n_words).astype(np.float64)
    agreement = top_agreement(whole, state_surprise(counts, weight)) if open_.any() else 1.0
    if agreement < LEAST_TOP_AGREEMENT:
        sentences.append(
            f"guard top: words that nearly always come together stand for each other only if the most abnormal "
            f"documents stay the same (average precision {agreement:.2f}, {LEAST_TOP_AGREEMENT} is asked for); only "
            "exact copies are joined"
        )
        original = _exact_copies(counts)
        weight = np.bincount(original[open_], minlength=n_words).astype(np.float64)
    if not open_.any():
        sentences.append("guard evidence: no word varies between the documents; all of them stay")
        weight = np.ones(n_words)
    records = []
    for number, word in enumerate(words):
        kept = bool(weight[number] > 0)
        if constant[number] and not kept:
            reason = "comes equally often in every document: carries nothing"
        elif roles.place[number] >= 0:
            reason = (
                f"one of {roles.siblings[number]} values that come with {words[roles.place[number]]}; which of them "
                "depends on nothing else"
            )
        elif not kept:
            reason = f"comes and goes with {words[original[number]]}, which takes over its weight"
        else:
            also = f", also for {int(weight[number]) - 1} words that come and go with it" if weight[number] > 1 else ""
            reason = f"tells documents apart{also}"
        records.append(PruningRecord(word, "word", kept, reason))
    return weight, records, sentences, {"top_agreement": round(agreement, 4)}


def line_records(templates: Sequence[str], type_counts: Any, member: Numbers) -> list[PruningRecord]:
    """Records of templates: one that comes equally often in every document carries nothing.

    Parameters
    ----------
    templates : sequence of str
    type_counts : CSR table of shape (n_documents, n_types)
    member : ndarray of int of shape (n_types,)
        Template of each line type.
    """
    if type_counts.nnz == 0 or not len(member):
        return []
    joined = sparse.csr_array(
        (np.ones(len(member)), (np.arange(len(member)), member)), shape=(type_counts.shape[1], len(templates))
    )
    counts = type_counts @ joined
    constant = _constant(counts)
    usual = np.asarray(counts.sum(axis=0)).ravel() / counts.shape[0]
    return [
        PruningRecord(
            template, "line", not constant[i],
            f"comes {usual[i]:.3g} times in every document: a constant rate carries nothing" if constant[i]
            else f"comes {usual[i]:.3g} times a document on average, not in all alike",
        )
        for i, template in enumerate(templates[:_MOST_RECORDS])
    ]  # fmt: skip


def document_records(
    names: Sequence[Hashable], first: Numbers, size: Numbers, suspicion: Floats
) -> list[PruningRecord]:
    """Records of documents: those with equal counts are one that stands for all; suspects go.

    Parameters
    ----------
    names : sequence
        Names of the documents.
    first : ndarray of int of shape (n_distinct,)
        One document of each group of equal ones.
    size : ndarray of int of shape (n_distinct,)
        Documents in the group.
    suspicion : ndarray of shape (n_distinct,)
        How many times less dense than the core a suspect lies; 0 for documents that stay.
    """
    records = []
    suspects_first = np.argsort(-suspicion, kind="stable")[:_MOST_RECORDS]
    for row in suspects_first.tolist():
        count, name = int(size[row]), str(names[first[row]])
        reason = "no other document has these counts" if count == 1 else f"stands for {count} documents of equal counts"
        if suspicion[row] > 0:
            reason = f"suspect, with others it would make its words look usual: does not count ({reason})"
            records.append(PruningRecord(name, "document", False, reason, float(suspicion[row])))
        else:
            records.append(PruningRecord(name, "document", True, reason, float(count)))
    return records


def words_report(
    records: Sequence[PruningRecord], sentences: Sequence[str], figures: dict[str, float]
) -> PruningReport:
    """The report of a log's pruning."""
    return PruningReport(records, subject="words, lines and documents", guards=sentences, figures=figures)


def _constant(counts: Any) -> NDArray[np.bool_]:
    """Columns (n_columns,) of a table of counts that are the same in every row."""
    table = sparse.csc_array(counts)
    n_rows = table.shape[0]
    filled = np.diff(table.indptr)
    high = table.max(axis=0).toarray().ravel() if table.nnz else np.zeros(table.shape[1])
    total = np.asarray(table.sum(axis=0)).ravel()
    return np.asarray((filled == 0) | ((filled == n_rows) & (total == high * n_rows)))


def _exact_copies(counts: Any) -> Numbers:
    """First column (n_columns,) with the same counts."""
    table = sparse.csc_array(counts)
    table.sort_indices()
    seen: dict[bytes, int] = {}
    original = np.arange(table.shape[1])
    for column in range(table.shape[1]):
        cells = slice(table.indptr[column], table.indptr[column + 1])
        original[column] = seen.setdefault(table.indices[cells].tobytes() + table.data[cells].tobytes(), column)
    return original
