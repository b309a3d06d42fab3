"""Templates, mined to show and never to score: line types that differ in few words are one.

Fixed depth, as in Drain: types of equal length and with the same first word are compared position by position with
the templates of that leaf, and join the most similar one if enough words agree.

References
----------
.. [1] He, Zhu, Zheng, Lyu: Drain: an online log parsing approach with fixed depth tree. ICWS 2017.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["mine_templates"]

_ALIKE = 0.7  # of the words must agree
_MOST_IN_LEAF = 30  # templates; a full leaf joins the most similar one, however similar


def mine_templates(types: Sequence[tuple[int, ...]], words: Sequence[str]) -> tuple[list[str], NDArray[np.int64]]:
    """Join line types into templates.

    Parameters
    ----------
    types : sequence of tuple of int
        Numbers of the words of every line type.
    words : sequence of str

    Returns
    -------
    templates : list of str
        Words separated by blanks; ``*`` where they differ.
    member : ndarray of int of shape (n_types,)
        The template of every type.

    Examples
    --------
    >>> mine_templates([(0, 1, 2, 3), (0, 1, 2, 4), (5,)], ["user", "has", "logged", "in", "out", "stop"])
    (['user has logged *', 'stop'], array([0, 0, 1]))
    """
    leaves: dict[tuple[int, int], list[int]] = {}
    made: list[list[int]] = []
    member = np.zeros(len(types), dtype=np.int64)
    for number, kind in enumerate(types):
        leaf = leaves.setdefault((len(kind), kind[0] if kind else -1), [])
        best, most = -1, 0.0
        for candidate in leaf:
            same = sum(a == b for a, b in zip(made[candidate], kind, strict=True)) / max(len(kind), 1)
            if same > most:
                best, most = candidate, same
        if best >= 0 and (most >= _ALIKE or len(leaf) >= _MOST_IN_LEAF):
            made[best] = [a if a == b else -1 for a, b in zip(made[best], kind, strict=True)]
        else:
            best = len(made)
            made.append(list(kind))
            leaf.append(best)
        member[number] = best
    return [" ".join("*" if w < 0 else words[w] for w in template) for template in made], member
