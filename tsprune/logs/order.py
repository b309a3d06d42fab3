"""EventOrder: which line type follows which, where documents have an order.

Invariant: an order that even normal documents do not keep proves nothing. The share of normal documents with a step
that no other one has estimates how often the next normal document has a new step (Good and Turing); above 1% the
order is left out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["EventOrder"]

Numbers = NDArray[np.int64]
Floats = NDArray[np.float64]

_MOST_NEW = 0.01


@dataclass
class EventOrder:
    """Steps from one line type to the next that are known.

    Parameters
    ----------
    steps : ndarray of int of shape (n_steps,)
        Sorted numbers of the known steps.
    new_share : float
        Estimated share of normal documents with a step that is not known.
    """

    steps: Numbers
    new_share: float

    @classmethod
    def of(cls, document: Numbers, step: Numbers, n_documents: int) -> EventOrder:
        """Learn from pairs (n_pairs,) of documents and steps, each once.

        Parameters
        ----------
        document, step : ndarray of int of shape (n_pairs,)
        n_documents : int
        """
        steps, inverse, count = np.unique(step, return_inverse=True, return_counts=True)
        alone = count[inverse] == 1
        return cls(steps, len(np.unique(document[alone])) / max(n_documents, 1))

    @property
    def speaks(self) -> bool:
        """Whether a new step is evidence."""
        return len(self.steps) > 0 and self.new_share <= _MOST_NEW

    def new_steps(self, document: Numbers, step: Numbers, n_documents: int) -> Floats:
        """Number (n_documents,) of distinct steps that are not known; zeros where the order proves nothing."""
        if not self.speaks:
            return np.zeros(n_documents)
        return np.bincount(document[~np.isin(step, self.steps)], minlength=n_documents).astype(np.float64)
