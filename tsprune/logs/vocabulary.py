"""Vocabulary: the masked words of log lines, numbered in the order in which they come."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tsprune.logs.kernels.word_scan import BYTE_KIND, fill_table, scan_words

__all__ = ["Vocabulary"]

Numbers = NDArray[np.int32]
Hashes = NDArray[np.uint64]

_FIRST_SLOTS = 4096
_FIRST_BYTES = 1 << 16


class Vocabulary:
    """Numbers of masked words; grows while lines are read.

    Numbers, addresses, hashes, dates and identifiers become ``#``, so that lines of one template have the same words.

    Examples
    --------
    >>> words = Vocabulary()
    >>> lines, numbers, _ = words.read(["took 12 ms at 10.0.0.1:80", "took -3.5 ms at 0xFF3A"])
    >>> words.texts()
    ['took', '#', 'ms', 'at']
    >>> numbers.tolist()
    [0, 1, 2, 3, 1, 1, 0, 1, 2, 3, 1]
    """

    def __init__(self) -> None:
        self._keys = np.zeros(_FIRST_SLOTS, dtype=np.uint64)
        self._numbers = np.full(_FIRST_SLOTS, -1, dtype=np.int32)
        self._arena = np.zeros(_FIRST_BYTES, dtype=np.uint8)
        self._offsets = np.zeros(_FIRST_SLOTS, dtype=np.int64)
        self._n_words = 0

    def __len__(self) -> int:
        return self._n_words

    def read(self, lines: Sequence[str]) -> tuple[Numbers, Numbers, Hashes]:
        """Split and mask lines.

        Parameters
        ----------
        lines : sequence of str of length n_lines

        Returns
        -------
        token_line, token_word : ndarray of int32 of shape (n_tokens,)
            Line and number of every word, in order.
        line_hash : ndarray of uint64 of shape (n_lines,)
            Equal for lines with the same words in the same order.
        """
        joined = "\n".join(lines)
        if joined.count("\n") != max(len(lines) - 1, 0):
            joined = "\n".join(line.replace("\n", " ") for line in lines)
        text = np.frombuffer((joined + "\n").encode("utf-8", "replace"), dtype=np.uint8)
        token_line = np.empty(len(text) // 2 + 1, dtype=np.int32)
        token_word = np.empty_like(token_line)
        line_hash = np.zeros(max(len(lines), 1), dtype=np.uint64)
        counters = np.array([0, 0, 0, self._n_words], dtype=np.int64)
        while lines and counters[0] < len(text):
            before = counters[0]
            scan_words(
                text, BYTE_KIND, self._keys, self._numbers, self._arena, self._offsets, token_line, token_word,
                line_hash, counters,
            )  # fmt: skip
            self._n_words = int(counters[3])
            if counters[0] < len(text):
                self._grow(len(text) if counters[0] == before else 0)
        n_tokens = int(counters[2])
        return token_line[:n_tokens], token_word[:n_tokens], line_hash[: len(lines)]

    def texts(self) -> list[str]:
        """The masked words, in the order of their numbers."""
        raw = self._arena[: self._offsets[self._n_words]].tobytes()
        ends = self._offsets[: self._n_words + 1].tolist()
        return [raw[a:b].decode("utf-8", "replace") for a, b in pairwise(ends)]

    def copy(self) -> Vocabulary:
        """A vocabulary of the same words that may grow apart."""
        made = type(self)()
        made._keys, made._numbers = self._keys.copy(), self._numbers.copy()
        made._arena, made._offsets = self._arena.copy(), self._offsets.copy()
        made._n_words = self._n_words
        return made

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What a stored vocabulary holds."""
        return {
            "word_bytes": self._arena[: self._offsets[self._n_words]].copy(),
            "word_offsets": self._offsets[: self._n_words + 1].copy(),
        }

    @classmethod
    def restored(cls, word_bytes: NDArray[np.uint8], word_offsets: NDArray[np.int64]) -> Vocabulary:
        """The vocabulary that `arrays` described: the same words under the same numbers."""
        made = cls()
        raw, ends = word_bytes.tobytes(), word_offsets.tolist()
        words = [raw[a:b] for a, b in pairwise(ends)]
        made._n_words = len(words)
        made._offsets = np.concatenate([word_offsets, np.zeros(_FIRST_SLOTS, dtype=np.int64)])
        made._arena = np.concatenate([word_bytes, np.zeros(_FIRST_BYTES, dtype=np.uint8)])
        slots = max(_FIRST_SLOTS, 1 << (4 * len(words)).bit_length())
        keys = np.array([_hash(word) for word in words], dtype=np.uint64)
        made._keys, made._numbers = np.zeros(slots, dtype=np.uint64), np.full(slots, -1, dtype=np.int32)
        fill_table(keys, np.arange(len(words), dtype=np.int32), made._keys, made._numbers)
        return made

    def _grow(self, least: int) -> None:
        """Double table and arena, which then take at least `least` further words and bytes."""
        slots = 2 * len(self._keys)
        while slots // 2 < self._n_words + least // 2 + 1:
            slots *= 2
        keys, numbers = np.zeros(slots, dtype=np.uint64), np.full(slots, -1, dtype=np.int32)
        fill_table(self._keys, self._numbers, keys, numbers)
        self._keys, self._numbers = keys, numbers
        self._offsets = np.concatenate([self._offsets[: self._n_words + 1], np.zeros(slots, dtype=np.int64)])
        room = max(2 * len(self._arena), int(self._offsets[self._n_words]) + least + 1)
        arena = np.zeros(room, dtype=np.uint8)
        arena[: self._offsets[self._n_words]] = self._arena[: self._offsets[self._n_words]]
        self._arena = arena


def _hash(word: bytes) -> int:
    """FNV-1a of a word, 64 bits."""
    key = 14695981039346656037
    for byte in word:
        key = ((key ^ byte) * 1099511628211) % (1 << 64)
    return key
