"""EventOrder: which line type follows which, where documents have an order.

Invariant: an order that even normal documents do not keep proves nothing. The share of normal documents with a step
that no other one has estimates how often the next normal document has a new step (Good and Turing); above 1% new
steps are left out. Rare steps are left out where more than a tenth of the documents have one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["EventOrder"]

Numbers = NDArray[np.int64]
Floats = NDArray[np.float64]

_MOST_NEW = 0.01
_RARE = 0.05  # of the documents: a step that fewer have is rare
_MOST_RARE = 0.1


@dataclass
class EventOrder:
    """Steps from one line type to the next that are known.

    Parameters
    ----------
    steps : ndarray of int of shape (n_steps,)
        Sorted numbers of the known steps.
    new_share : float
        Estimated share of normal documents with a step that is not known.
    share : ndarray of shape (n_steps,)
        Documents with each step.
    rare_share : float
        Documents with a rare step.
    """

    steps: Numbers
    new_share: float
    share: Floats
    rare_share: float

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
        n_documents = max(n_documents, 1)
        share = count / n_documents
        rare = len(np.unique(document[share[inverse] < _RARE])) / n_documents
        return cls(steps, len(np.unique(document[alone])) / n_documents, share, rare)

    @property
    def speaks(self) -> bool:
        """Whether a new step is evidence."""
        return len(self.steps) > 0 and self.new_share <= _MOST_NEW

    def new_steps(self, document: Numbers, step: Numbers, n_documents: int) -> Floats:
        """Number (n_documents,) of distinct steps that are not known; zeros where the order proves nothing."""
        if not self.speaks:
            return np.zeros(n_documents)
        return np.bincount(document[~np.isin(step, self.steps)], minlength=n_documents).astype(np.float64)

    def surprise(self, document: Numbers, step: Numbers, n_documents: int) -> Floats:
        """Surprise (n_documents,) at rare steps that are known; zeros where documents keep no order."""
        if not len(self.steps) or self.rare_share > _MOST_RARE:
            return np.zeros(n_documents)
        place = np.minimum(np.searchsorted(self.steps, step), len(self.steps) - 1)
        rare = (self.steps[place] == step) & (self.share[place] < _RARE)
        return np.bincount(document[rare], -np.log(self.share[place[rare]]), n_documents).astype(np.float64)
