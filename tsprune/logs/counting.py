"""DocumentCounter: lines become documents, documents become sparse counts of words and of line types.

Memory: distinct words x documents and distinct line types x documents; it does not grow with the number of lines. Where
every line is a document, equal lines are one.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from tsprune.logs.line_times import as_seconds, found_seconds
from tsprune.logs.sources import LineBlock
from tsprune.logs.vocabulary import Vocabulary

__all__ = ["DocumentCounter", "LineType"]

Numbers = NDArray[np.int64]

_HELD = 400_000  # cells that wait before they are merged with those that are
_MOST_TYPES = 20_000  # line types told apart for explanations; further ones count for words only
_SHOWN = 3


@dataclass
class LineType:
    """Lines with the same masked words in the same order.

    Parameters
    ----------
    words : tuple of int
        Numbers in the vocabulary.
    examples : list of (str, int, str)
        File, number and text of the first three lines.
    count : int
        Lines seen.
    """

    words: tuple[int, ...]
    examples: list[tuple[str, int, str]]
    count: int = 0


class _Cells:
    """Counts of (document, item) pairs, added in blocks."""

    def __init__(self) -> None:
        self.keys: list[Numbers] = []
        self.counts: list[NDArray[np.int32]] = []
        self.held = 0

    def add(self, documents: NDArray[Any], items: NDArray[Any]) -> None:
        keys, counts = np.unique((documents.astype(np.int64) << 32) | items.astype(np.int64), return_counts=True)
        self.keys.append(keys)
        self.counts.append(counts.astype(np.int32))
        self.held += len(keys)
        if self.held > max(_HELD, len(self.keys[0]) // 2) and len(self.keys) > 1:
            self.merge()

    def merge(self) -> tuple[Numbers, NDArray[np.int32]]:
        """All keys, once each, and their counts."""
        if len(self.keys) != 1:
            keys = np.concatenate([*self.keys, np.empty(0, dtype=np.int64)])
            counts = np.concatenate([*self.counts, np.empty(0, dtype=np.int32)])
            self.keys, self.counts = [], []
            order = np.argsort(keys, kind="stable")
            keys, counts = keys[order], counts[order]
            del order
            start = np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]])) if len(keys) else keys
            total = np.add.reduceat(counts, start) if len(keys) else counts
            self.keys, self.counts = [keys[start]], [total.astype(np.int32)]
        self.held = 0
        return self.keys[0], self.counts[0]

    def table(self, n_rows: int, n_columns: int) -> Any:
        """The counts as a CSR table (n_rows, n_columns)."""
        keys, counts = self.merge()
        rows, columns = keys >> 32, keys & 0xFFFFFFFF
        return sparse.csr_array((counts.astype(np.float64), (rows, columns)), shape=(n_rows, max(n_columns, 1)))


class DocumentCounter:
    """Counts words and line types of documents while lines stream by.

    Parameters
    ----------
    by : re.Pattern or None
        Its first group (or the whole match) is the document of a line; lines without a match belong to none.
    window : float or None
        Seconds; documents are windows of time.
    vocabulary : Vocabulary
        Grows with new words.
    types : dict
        Line types known so far, by hash; grows.
    """

    def __init__(
        self, by: re.Pattern[str] | None, window: float | None, vocabulary: Vocabulary, types: dict[int, LineType]
    ) -> None:
        self.by, self.window, self.vocabulary, self.types = by, window, vocabulary, types
        self.documents: dict[Hashable, int] = {}
        self.named = False  # documents have names that were given
        self.n_lines = 0
        self.unassigned = 0
        self.line_document: list[Numbers] = []  # only where every line is a document
        self._words, self._kinds, self._steps = _Cells(), _Cells(), _Cells()
        self._type_number: dict[int, int] = {key: number for number, key in enumerate(types)}
        self._last: dict[int, int] = {}

    @property
    def by_line(self) -> bool:
        """Whether every line is a document."""
        return self.by is None and self.window is None and not self.named

    def add(self, block: LineBlock, sessions: Sequence[Any] | None = None, seconds: Any = None) -> None:
        """Count a block of lines; `sessions` (n_lines,) names their documents, `seconds` (n_lines,) their times."""
        self.named = self.named or sessions is not None
        document = self._documents_of(block, sessions, seconds)
        token_line, token_word, line_hash = self.vocabulary.read(block.lines)
        unique, first, inverse, size = np.unique(line_hash, return_index=True, return_inverse=True, return_counts=True)
        number = self._type_numbers(block, unique, first, size, token_line, token_word)
        kind = number[inverse]
        if self.by_line:
            document = self._line_documents(unique)[inverse]
            self.line_document.append(document)
            chosen = np.zeros(len(block.lines), dtype=bool)
            chosen[first[self._fresh]] = True
        else:
            chosen = document >= 0
            self.unassigned += int((~chosen).sum())
            self._follow(document, kind)
            known = chosen & (kind >= 0)
            self._kinds.add(document[known], kind[known])
        self.n_lines += len(block.lines)
        tokens = chosen[token_line]
        self._words.add(document[token_line[tokens]], token_word[tokens])

    def sizes(self) -> Numbers:
        """Documents (n_documents,) that each row of `counts` stands for: equal lines are one."""
        if not self.by_line:
            return np.ones(len(self.documents), dtype=np.int64)
        lines = np.concatenate([*self.line_document, np.empty(0, dtype=np.int64)])
        return np.bincount(lines, minlength=len(self.documents)).astype(np.int64)

    def counts(self) -> Any:
        """Counts of words, CSR (n_documents, n_words)."""
        return self._words.table(len(self.documents), len(self.vocabulary))

    def type_counts(self) -> Any:
        """Counts of line types, CSR (n_documents, n_types)."""
        if self.by_line:
            return sparse.csr_array((len(self.documents), max(len(self.types), 1)))
        return self._kinds.table(len(self.documents), len(self.types))

    def steps(self) -> tuple[Numbers, Numbers]:
        """Documents and steps from one line type to the next, each pair once; a step is a number."""
        keys, _ = self._steps.merge()
        return keys >> 32, keys & 0xFFFFFFFF

    def named_documents(
        self, block: LineBlock, sessions: Sequence[Any] | None, seconds: Any, known: dict[Hashable, int]
    ) -> Numbers:
        """Number among the `known` documents (n_lines,) of every line; -1 for none and for others."""
        names = self._names_of(block, sessions, seconds)
        return np.array([-1 if name is None else known.get(name, -1) for name in names], dtype=np.int64)

    def _documents_of(self, block: LineBlock, sessions: Sequence[Any] | None, seconds: Any) -> Numbers:
        """Number of the document (n_lines,) of every line, new ones added; -1 for none."""
        if self.by_line:
            return np.zeros(len(block.lines), dtype=np.int64)
        known = self.documents
        names = self._names_of(block, sessions, seconds)
        return np.array([-1 if n is None else known.setdefault(n, len(known)) for n in names], dtype=np.int64)

    def _names_of(self, block: LineBlock, sessions: Sequence[Any] | None, seconds: Any) -> Sequence[Any]:
        """Name of the document of every line; None for none."""
        if sessions is not None:
            return sessions
        if self.by is not None:
            search, group = self.by.search, 1 if self.by.groups else 0
            return [found[group] if (found := search(line)) else None for line in block.lines]
        if self.window is not None:
            if seconds is None:
                seconds = as_seconds(block.times) if block.times else found_seconds(block.lines)
            start = np.floor(np.asarray(seconds, dtype=np.float64) / self.window) * self.window
            return [None if value != value else value for value in start.tolist()]
        return [None] * len(block.lines)

    def _line_documents(self, unique: NDArray[np.uint64]) -> Numbers:
        """Documents (n_unique,) of distinct lines; remembers which are new."""
        self._fresh = np.array([int(key) not in self.documents for key in unique], dtype=bool)
        known = self.documents
        return np.array([known.setdefault(int(key), len(known)) for key in unique], dtype=np.int64)

    def _type_numbers(
        self, block: LineBlock, unique: Any, first: Any, size: Any, token_line: Any, token_word: Any
    ) -> Numbers:
        """Numbers (n_unique,) of the line types, -1 for those beyond the limit; keeps examples of each."""
        start = np.searchsorted(token_line, first), np.searchsorted(token_line, first, side="right")
        numbers = np.empty(len(unique), dtype=np.int64)
        for i, key in enumerate(map(int, unique)):
            kind = self.types.get(key)
            if kind is None:
                if len(self.types) >= _MOST_TYPES:
                    numbers[i] = -1
                    continue
                words = tuple(token_word[start[0][i] : start[1][i]].tolist())
                kind = self.types[key] = LineType(words, [])
                self._type_number[key] = len(self._type_number)
            if len(kind.examples) < _SHOWN:
                kind.examples.append((block.where, block.number(int(first[i])), block.lines[first[i]]))
            kind.count += int(size[i])
            numbers[i] = self._type_number[key]
        return numbers

    def _follow(self, document: Numbers, kind: Numbers) -> None:
        """Count which line type follows which in every document."""
        lines = np.flatnonzero((document >= 0) & (kind >= 0))
        if not len(lines):
            return
        order = lines[np.argsort(document[lines], kind="stable")]
        d, k = document[order], kind[order]
        before = np.empty_like(k)
        before[1:] = np.where(d[1:] == d[:-1], k[:-1], -1)
        starts = np.flatnonzero(np.concatenate([[True], d[1:] != d[:-1]]))
        for start in starts:
            before[start] = self._last.get(int(d[start]), -1)
        for start, stop in zip(starts, [*starts[1:], len(d)], strict=True):
            self._last[int(d[start])] = int(k[stop - 1])
        steps = (before >= 0) & (before < 1 << 15) & (k < 1 << 15)
        self._steps.add(d[steps], (before[steps] << 15) | k[steps])
