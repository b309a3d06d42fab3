"""WordModel: how surprising the words of a document are, and how far its counts lie from all known ones.

Invariant: words outside `support` have no influence on a score. Larger = more abnormal here; the detector turns the
sign.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from hashlib import blake2b
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from tsprune.logs.severity import level_tail

__all__ = ["WordModel", "distinct_rows"]

Floats = NDArray[np.float64]
Numbers = NDArray[np.int64]
Mask = NDArray[np.bool_]

_SEVERITY = 4.0  # words that the level of a document counts for
_LINE_SEVERITY = 8.0  # the same for a single line, whose level says more than the rarity of its template
_NOVELTY = 50.0  # a change that was never seen outweighs everything that was
_MOST_KNOWN = 4096  # distinct documents to compare with, the most frequent ones
_CANDIDATES = 16  # of them, nearest by the presence of words, for which counts are compared
_BLOCK = 512


@dataclass
class WordModel:
    """Shares of words among the documents fitted, and the distinct documents.

    Parameters
    ----------
    n_documents : int
        Documents that count in the shares.
    by_line : bool
        Documents are single lines: the mean surprise of their words, whatever the length of their template; else
        the sum.
    share : ndarray of shape (n_words,)
        Documents with the word.
    weight : ndarray of shape (n_words,)
        Words that a word stands for, 0 for pruned ones.
    level : ndarray of int of shape (n_words,)
        Severity that the word names, -1 for none.
    tail : ndarray of shape (9,)
        `level_tail` of the documents.
    known_indptr, known_indices, known_counts : ndarray
        Distinct documents on the words that stay, CSR (n_known, n_words).
    known_size : ndarray of int of shape (n_known,)
        Documents with these counts.
    digests : ndarray of uint64 of shape (n_distinct, 2)
        Every distinct document that was fitted, also those beyond the 4096 to compare with.
    """

    n_documents: int
    by_line: bool
    share: Floats
    weight: Floats
    level: Numbers
    tail: Floats
    known_indptr: Numbers
    known_indices: Numbers
    known_counts: Floats
    known_size: Numbers
    digests: NDArray[np.uint64]

    @classmethod
    def of(
        cls, counts: Any, size: Numbers, weight: Floats, level: Numbers, *, by_line: bool,
        usual_size: Numbers | None = None,
    ) -> WordModel:  # fmt: skip
        """Learn from counts of words.

        Parameters
        ----------
        counts : CSR table of shape (n_rows, n_words)
        size : ndarray of int of shape (n_rows,)
            Documents that each row stands for.
        weight, level
            As in the class.
        by_line : bool
        usual_size : ndarray of int of shape (n_rows,), optional
            The same, 0 for rows that are known but do not count in the shares; default `size`.
        """
        usual_size = size if usual_size is None else usual_size
        total = int(usual_size.sum())
        present = _presence(counts)
        share = np.asarray(usual_size @ present).ravel() / total
        rows, group = distinct_rows(counts * (weight > 0))
        known_size = np.bincount(group, size, len(rows)).astype(np.int64)
        order = np.sort(np.argsort(-known_size, kind="stable")[:_MOST_KNOWN])
        known = sparse.csr_array(counts[rows[order]] * (weight > 0))
        known.eliminate_zeros()
        inner = sparse.csr_array(counts[rows] * (weight > 0))
        inner.eliminate_zeros()
        inner.sort_indices()
        raw = b"".join(_key(inner, i) for i in range(inner.shape[0]))
        digests = np.frombuffer(raw, dtype=np.uint64).reshape(-1, 2)
        highest = _highest(present, level)
        return cls(
            total, by_line, share, weight, level, level_tail(highest, usual_size), known.indptr.astype(np.int64),
            known.indices.astype(np.int64), known.data.astype(np.float64), known_size[order], digests,
        )  # fmt: skip

    @property
    def known(self) -> Any:
        """Distinct documents, CSR (n_known, n_words)."""
        shape = (len(self.known_indptr) - 1, len(self.share))
        return sparse.csr_array((self.known_counts, self.known_indices, self.known_indptr), shape=shape)

    def abnormality(self, counts: Any, *, without_self: bool = False) -> Floats:
        """How abnormal documents are.

        Parameters
        ----------
        counts : CSR table of shape (n_rows, n_words or more)
            Words beyond those fitted are new.
        without_self : bool
            Compare the documents that were fitted with all but themselves.

        Returns
        -------
        ndarray of shape (n_rows,)
        """
        return self.surprise(counts) + _NOVELTY * self.novelty(counts, without_self=without_self)

    def surprise(self, counts: Any) -> Floats:
        """Surprise (n_rows,) at words that are there and at words that are not, and at the level."""
        present = _presence(counts[:, : len(self.share)])
        there, gone = self.word_surprise()
        total = np.asarray(present @ (there - gone)).ravel() + gone.sum()
        if self.by_line:
            total = total / np.maximum(np.asarray(present @ self.weight).ravel(), 1.0)
        severity = _LINE_SEVERITY if self.by_line else _SEVERITY
        return np.asarray(total + severity * self.tail[_highest(present, self.level) + 1])

    def word_surprise(self) -> tuple[Floats, Floats]:
        """What every word adds where it is there, and where it is not (n_words,), weighted; 0 for the usual state."""
        least = 0.5 / self.n_documents
        there = np.where(self.share < 0.5, -np.log(np.maximum(self.share, least)), 0.0)
        gone = np.where(self.share >= 0.5, -np.log(np.maximum(1.0 - self.share, least)), 0.0)
        return there * self.weight, gone * self.weight

    def novelty(self, counts: Any, *, without_self: bool = False) -> Floats:
        """Distance (n_rows,) to the nearest known document; 0 for documents like one that is known.

        Each word adds the difference of its log counts, and where it is there in one of the two only, the surprise
        at that; new words add the surprise at a word that was never there.
        """
        n_words = len(self.share)
        inner = sparse.csr_array(counts[:, :n_words] * (self.weight > 0))
        inner.eliminate_zeros()
        rows, group = distinct_rows(inner)
        distance = self._nearest(sparse.csr_array(inner[rows]), without_self)[group]
        if counts.shape[1] > n_words:
            new = sparse.csr_array(counts[:, n_words:], copy=True)
            new.data = np.where(new.data > 0, np.log1p(new.data) + np.log(2.0 * (self.n_documents + 1)), 0.0)
            distance = distance + np.asarray(new.sum(axis=1)).ravel()
        return distance

    def _nearest(self, rows: Any, without_self: bool) -> Floats:
        """Distance (n_rows,) of distinct rows, CSR (n_rows, n_words), to the nearest known document."""
        known = self.known
        names = {_key(known, i): i for i in range(known.shape[0])}
        place = np.array([names.get(_key(rows, i), -1) for i in range(rows.shape[0])], dtype=np.int64)
        single = (place >= 0) & (self.known_size[place] == 1) if without_self else np.zeros(len(place), dtype=bool)
        fitted = {pair.tobytes() for pair in self.digests}
        new = np.array([p < 0 and _key(rows, i) not in fitted for i, p in enumerate(place)], dtype=bool)
        open_ = np.flatnonzero(new | single)
        distance = np.zeros(rows.shape[0])
        rarer = np.minimum(self.share, 1.0 - self.share)
        change = -np.log(np.maximum(rarer, 0.5 / self.n_documents)) * self.weight
        known_there = _presence(known)
        known_sum = np.asarray(known_there @ change).ravel()
        for start in range(0, len(open_), _BLOCK):
            which = open_[start : start + _BLOCK]
            part = sparse.csr_array(rows[which])
            there = _presence(part)
            common = (there * change) @ known_there.T
            apart = np.asarray(there @ change).ravel()[:, None] + known_sum[None, :] - 2.0 * common.toarray()
            apart[np.flatnonzero(single[which]), place[which][single[which]]] = np.inf
            if self.by_line:  # a line holds its words once
                nearest = apart.min(axis=1)
                distance[which] = np.where(np.isfinite(nearest), nearest, change.sum())
                continue
            n_near = min(_CANDIDATES, known.shape[0])
            near = np.argpartition(apart, n_near - 1, axis=1)[:, :n_near]
            for i, row in enumerate(which):
                columns = near[i]
                gap = sparse.csr_array(abs(_log(known[columns]) - _log(_repeated(part, i, n_near))))
                sizes = np.asarray(gap @ self.weight).ravel() + apart[i, columns]
                distance[row] = sizes.min() if np.isfinite(sizes).any() else change.sum()
        return distance

    def stored(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """Numbers and arrays of the model."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        arrays = {name: value for name, value in values.items() if isinstance(value, np.ndarray)}
        return {name: value for name, value in values.items() if name not in arrays}, arrays


def _presence(counts: Any) -> Any:
    """Ones where a count is not 0, CSR."""
    present = sparse.csr_array(counts, copy=True)
    present.data = (present.data != 0).astype(np.float64)
    return present


def _log(counts: Any) -> Any:
    """Log counts, CSR."""
    return sparse.csr_array(counts).log1p()


def _repeated(rows: Any, i: int, times: int) -> Any:
    """Row `i` of a CSR table, `times` times."""
    return sparse.vstack([rows[[i]]] * times, format="csr")


def _highest(present: Any, level: Numbers) -> Numbers:
    """Highest level (n_rows,) among the words of each row; -1 for none."""
    named = np.flatnonzero(level >= 0)
    named = named[named < present.shape[1]]
    if not len(named):
        return np.full(present.shape[0], -1, dtype=np.int64)
    part = present[:, named].toarray()
    return np.asarray(np.where(part > 0, level[named][None, :], -1).max(axis=1), dtype=np.int64)


def _key(rows: Any, i: int) -> bytes:
    """A digest that tells row `i` of a CSR table with sorted indices from all others."""
    cells = slice(rows.indptr[i], rows.indptr[i + 1])
    raw = rows.indices[cells].astype(np.int64).tobytes() + rows.data[cells].astype(np.float64).tobytes()
    return blake2b(raw, digest_size=16).digest()


def distinct_rows(rows: Any) -> tuple[Numbers, Numbers]:
    """First row of every group of equal rows of a table, and the group (n_rows,) of each row."""
    table = sparse.csr_array(rows, copy=True)
    table.eliminate_zeros()
    table.sort_indices()
    groups: dict[bytes, int] = {}
    first = []
    group = np.empty(table.shape[0], dtype=np.int64)
    for i in range(table.shape[0]):
        key = _key(table, i)
        if key not in groups:
            groups[key] = len(groups)
            first.append(i)
        group[i] = groups[key]
    return np.array(first, dtype=np.int64), group
