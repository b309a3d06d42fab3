"""Bytes of lines to numbers of masked words.

A word ends at white space, at one of ``= : , ; ( ) [ ] { } " ' < > |`` and at two or more equal marks in a row. Within
a word

* a run of digits becomes ``#``, with a sign if no letter or digit stands before it;
* ``0x...`` and runs of six or more hexadecimal digits, at least one of them a digit from 0 to 9, become ``#``;
* ``#`` behind ``#`` with one of ``. , - + `` between is one ``#`` (addresses, dates, versions, UUIDs);
* a full stop at either end goes.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from detectors.kernels.compilation import njit

__all__ = ["BYTE_KIND", "fill_table", "scan_words"]

Bytes = NDArray[np.uint8]
Hashes = NDArray[np.uint64]
Numbers = NDArray[np.int32]
Counters = NDArray[np.int64]

_DIGIT, _HEX, _LETTER, _MARK, _SPACE, _END = 0, 1, 2, 3, 4, 5


def _byte_kinds() -> Bytes:
    """What every byte (256,) is."""
    kinds = np.full(256, _MARK, dtype=np.uint8)
    kinds[128:] = _LETTER
    for low, high, kind in ((48, 58, _DIGIT), (65, 91, _LETTER), (97, 123, _LETTER), (65, 71, _HEX), (97, 103, _HEX)):
        kinds[low:high] = kind
    kinds[:33] = _SPACE
    kinds[127] = _SPACE
    kinds[[ord(c) for c in "=:,;()[]{}\"'<>|"]] = _SPACE
    kinds[10] = _END
    return kinds


BYTE_KIND = _byte_kinds()


@njit(cache=True)
def scan_words(
    text: Bytes,
    kinds: Bytes,
    keys: Hashes,
    numbers: Numbers,
    arena: Bytes,
    offsets: Counters,
    token_line: Numbers,
    token_word: Numbers,
    line_hash: Hashes,
    counters: Counters,
) -> None:
    """Read lines until the text, the table or the arena ends.

    Parameters
    ----------
    text : ndarray of uint8 of shape (n_bytes,)
        Lines, each ended by a newline.
    kinds : ndarray of uint8 of shape (256,)
        `BYTE_KIND`.
    keys, numbers : ndarray of shape (n_slots,)
        Open hash table from the hash of a masked word to its number; a slot with number -1 is free. A power of two.
    arena : ndarray of uint8
        Masked words one after another.
    offsets : ndarray of int64
        Where each word starts in `arena`; one more than there are words.
    token_line, token_word : ndarray of int32
        Written: line and word of every token.
    line_hash : ndarray of uint64 of shape (n_lines,)
        Written: hash of the sequence of words of every line.
    counters : ndarray of int64 of shape (4,)
        Position in the text, lines, tokens, words so far; brought up to date.
    """
    position, line, n_tokens, n_words = counters[0], counters[1], counters[2], counters[3]
    prime, basis = np.uint64(1099511628211), np.uint64(14695981039346656037)
    mask = np.uint64(keys.size - 1)
    most_words = min(keys.size // 2, offsets.size - 1)
    n = text.size
    word = np.empty(256, dtype=np.uint8)
    while position < n:
        stop = position
        while stop < n and kinds[text[stop]] != 5:
            stop += 1
        most_new = (stop - position) // 2 + 1
        if n_words + most_new > most_words or offsets[n_words] + stop - position + 1 > arena.size:
            break
        sequence = basis
        i = position
        while i < stop:
            if kinds[text[i]] == 4:
                i += 1
                continue
            length, i = _next_word(text, kinds, i, stop, word)
            if length == 0:
                continue
            key = basis
            for k in range(length):
                key = (key ^ np.uint64(word[k])) * prime
            slot = (key ^ (key >> np.uint64(32))) & mask
            while numbers[slot] >= 0 and keys[slot] != key:
                slot = (slot + np.uint64(1)) & mask
            if numbers[slot] < 0:
                keys[slot] = key
                numbers[slot] = n_words
                start = offsets[n_words]
                for k in range(length):
                    arena[start + k] = word[k]
                n_words += 1
                offsets[n_words] = start + length
            token_line[n_tokens] = line
            token_word[n_tokens] = numbers[slot]
            n_tokens += 1
            sequence = (sequence ^ key) * prime
        line_hash[line] = sequence
        line += 1
        position = stop + 1
    counters[0], counters[1], counters[2], counters[3] = position, line, n_tokens, n_words


@njit(cache=True)
def _next_word(text: Bytes, kinds: Bytes, start: int, stop: int, word: Bytes) -> tuple[int, int]:
    """Mask the word at `start` into `word`; its length and where the next one may start."""
    length = 0
    i = start
    while i < stop and kinds[text[i]] < 4:
        byte = text[i]
        if kinds[byte] == 3:
            if i + 1 < stop and text[i + 1] == byte:  # two equal marks end a word
                while i < stop and text[i] == byte:
                    i += 1
                break
            if length < 256 and not (byte == 46 and length == 0):
                word[length] = byte
                length += 1
            i += 1
            continue
        end = i
        all_hex, digits = True, 0
        while end < stop and kinds[text[end]] < 3:
            all_hex = all_hex and kinds[text[end]] < 2
            digits += 1 if kinds[text[end]] == 0 else 0
            end += 1
        prefixed = end - i > 2 and text[i] == 48 and (text[i + 1] == 120 or text[i + 1] == 88)
        if prefixed:
            for k in range(i + 2, end):
                prefixed = prefixed and kinds[text[k]] < 2
        if prefixed or (all_hex and digits > 0 and (digits == end - i or end - i >= 6)):
            length = _number(word, length)
            i = end
            continue
        while i < end:
            if kinds[text[i]] == 0:
                if length < 256:
                    word[length] = 35
                    length += 1
                while i < end and kinds[text[i]] == 0:
                    i += 1
            else:
                if length < 256:
                    word[length] = text[i]
                    length += 1
                i += 1
    while length > 0 and word[length - 1] == 46:
        length -= 1
    return length, i


@njit(cache=True)
def _number(word: Bytes, length: int) -> int:
    """Append ``#`` for a whole number, joined to a number before it, its sign left out; the new length."""
    if length > 0:
        last = word[length - 1]
        joins = last == 46 or last == 44 or last == 45 or last == 43
        if joins and length > 1 and word[length - 2] == 35:
            return length - 1
        if last == 45 or last == 43:
            before = word[length - 2] if length > 1 else 32
            letter = (48 <= before <= 57) or (65 <= before <= 90) or (97 <= before <= 122) or before >= 128
            if not letter:
                length -= 1
    if length < 256:
        word[length] = 35
        length += 1
    return length


@njit(cache=True)
def fill_table(old_keys: Hashes, old_numbers: Numbers, keys: Hashes, numbers: Numbers) -> None:
    """Move the words of a table into an empty, larger one."""
    mask = np.uint64(keys.size - 1)
    for old in range(old_keys.size):
        if old_numbers[old] >= 0:
            key = old_keys[old]
            slot = (key ^ (key >> np.uint64(32))) & mask
            while numbers[slot] >= 0:
                slot = (slot + np.uint64(1)) & mask
            keys[slot] = key
            numbers[slot] = old_numbers[old]
