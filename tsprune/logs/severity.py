"""Severity of words: the names that loggers give their levels, in order."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["N_LEVELS", "level_tail", "word_levels"]

Floats = NDArray[np.float64]
Numbers = NDArray[np.int64]

N_LEVELS = 8
_LEVELS = {  # syslog's order (RFC 5424, section 6.2.1), and what other loggers call the same
    "TRACE": 0, "DEBUG": 0, "INFO": 1, "INFORMATION": 1, "NOTICE": 2, "WARN": 3, "WARNING": 3, "ERR": 4, "ERROR": 4,
    "SEVERE": 4, "FAILURE": 4, "CRIT": 5, "CRITICAL": 5, "ALERT": 6, "FATAL": 7, "PANIC": 7, "EMERG": 7,
    "EMERGENCY": 7,
}  # fmt: skip


def word_levels(words: Sequence[str]) -> Numbers:
    """Level (n_words,) that a word names in capitals, 0 (lowest) to 7; -1 for all others."""
    return np.array([_LEVELS.get(word, -1) for word in words], dtype=np.int64)


def level_tail(levels: Numbers, weight: Numbers) -> Floats:
    """Surprise (9,) of "a level at least as high", for no level and the levels 0 to 7.

    Minus the logarithm of the share of documents with at least that level, no document less than half a one.

    Parameters
    ----------
    levels : ndarray of int of shape (n_documents,)
        Highest level of every document, -1 for none.
    weight : ndarray of int of shape (n_documents,)
        Documents that each stands for.
    """
    total = weight.sum()
    at_least = np.array([weight[levels >= level].sum() for level in range(-1, N_LEVELS)], dtype=np.float64)
    return np.asarray(-np.log(np.maximum(at_least, 0.5) / total))
