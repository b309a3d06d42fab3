"""Guards: what holds a pruner back.

Law: a guard only gives features back, never takes more; each time it does, it says so in one sentence.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata
from sklearn.base import BaseEstimator

from detectors.features.relevance import RankBasis, association_log_p, discoveries
from detectors.parameters import Rules, check_parameters, integer, real

__all__ = ["GuardVerdict", "OverPruningGuard"]

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class GuardVerdict:
    """What a guard decides.

    Parameters
    ----------
    support : ndarray of bool of shape (n_features,)
        The features that stay: those proposed and those given back.
    returned : ndarray of bool of shape (n_features,)
        The features given back.
    sentences : tuple of str
        Why, one sentence per rule that spoke.
    agreement : float
        Spearman correlation of the abnormality of rows before and after pruning, in [-1, 1].
    """

    support: Mask
    returned: Mask
    sentences: tuple[str, ...]
    agreement: float


class OverPruningGuard(BaseEstimator):
    """Looks at what pruning does to the ranking of the rows and gives back what was taken without right.

    Three rules, in this order:

    1. *Ranking.* Rows are ranked by how extreme they are in the features that stay. A removed feature whose own
       values depend on that ranking (at false discovery rate `level`) says something about abnormality: it returns.
    2. *Stability.* The pruner judges `n_subsamples` random halves of the rows as well. A removed feature that a
       majority of them would keep returns.
    3. *Limit.* At most the share `max_removed` may go; the removed features with the best evidence return.

    Parameters
    ----------
    max_removed : float in (0, 1]
        Largest share of the features that varies and may go. Costs nothing; a small value keeps noise by decree.
    level : float in (0, 1)
        False discovery rate of the ranking rule. Larger gives noise back more often.
    n_subsamples : int >= 0
        Half-samples of the stability rule; each costs nearly as much as the pruning itself. 0 leaves it out.

    Examples
    --------
    >>> from detectors import FeaturePruner
    >>> X = np.random.default_rng(0).normal(size=(200, 6))
    >>> X[:, 1] += X[:, 0]
    >>> pruner = FeaturePruner(guard=OverPruningGuard(max_removed=0.5), random_state=0).fit(X)
    >>> int(pruner.support_.sum()), pruner.report_.guards[-1]
    (3, 'guard limit: at most 50% of the features may go; the 1 removed with the best evidence came back')
    """

    _parameters: ClassVar[Rules] = {
        "max_removed": real(0.0, 1.0, open_low=True),
        "level": real(0.0, 1.0, open_low=True, open_high=True),
        "n_subsamples": integer(0),
    }

    def __init__(self, max_removed: float = 0.99, *, level: float = 0.01, n_subsamples: int = 0) -> None:
        self.max_removed = max_removed
        self.level = level
        self.n_subsamples = n_subsamples

    def review(
        self,
        basis: RankBasis,
        support: Mask,
        log_p: Floats,
        judge: Callable[[NDArray[np.intp]], Mask],
        rng: np.random.Generator,
    ) -> GuardVerdict:
        """Judge a proposed support.

        Parameters
        ----------
        basis : RankBasis
            Rank functions of all features.
        support : ndarray of bool of shape (n_features,)
            What the pruner proposes to keep; at least one feature.
        log_p : ndarray of shape (n_features,)
            Evidence of every feature; smaller = better.
        judge : callable
            Maps row numbers to the support (n_features,) the pruner finds on them alone.
        rng : numpy Generator

        Returns
        -------
        GuardVerdict
        """
        check_parameters(self, self._parameters)
        kept = support.copy()
        sentences = []
        after = row_abnormality(basis, kept)
        evidence = association_log_p(basis, after)
        removed = np.flatnonzero(~kept)
        back = removed[discoveries(evidence[removed], self.level)]
        if len(back):
            kept[back] = True
            sentences.append(
                f"guard ranking: {len(back)} removed features vary with the abnormality of the rows "
                f"(false discovery rate {self.level:g}); they came back"
            )
        if self.n_subsamples:
            votes = np.zeros(len(kept))
            for _ in range(self.n_subsamples):
                votes += judge(np.sort(rng.choice(basis.n_rows, basis.n_rows // 2, replace=False)))
            steady = ~kept & (votes > 0.5 * self.n_subsamples)
            if steady.any():
                kept |= steady
                sentences.append(
                    f"guard stability: {int(steady.sum())} removed features are kept in most of "
                    f"{self.n_subsamples} half-samples; they came back"
                )
        least = int(np.ceil((1.0 - self.max_removed) * len(kept)))
        missing = least - int(kept.sum())
        if missing > 0:
            gone = np.flatnonzero(~kept)
            kept[gone[np.argsort(log_p[gone], kind="stable")[:missing]]] = True
            sentences.append(
                f"guard limit: at most {self.max_removed:.0%} of the features may go; "
                f"the {missing} removed with the best evidence came back"
            )
        before = row_abnormality(basis, np.ones(len(kept), dtype=bool))
        agreement = _correlation(rankdata(before), rankdata(row_abnormality(basis, kept)))
        return GuardVerdict(kept, kept & ~support, tuple(sentences), agreement)


def row_abnormality(basis: RankBasis, group: Mask) -> Floats:
    """How extreme every row is (n_rows,): the mean of the spread functions of the features in `group`.

    The spread function of a rank is its squared normal score, so the sum over independent features is the exponent
    of their joint normal density: a copula version of the Mahalanobis distance. Binary and constant features have
    none; without any, rows are scored by their level functions' squares.
    """
    spread = basis.functions[1][group & basis.active[1]]
    if len(spread):
        return np.asarray(spread.sum(axis=0), dtype=np.float64)
    level = basis.functions[0][group & basis.active[0]]
    return np.asarray((level * level).sum(axis=0), dtype=np.float64)


def _correlation(a: Floats, b: Floats) -> float:
    """Correlation of two vectors (n_rows,); 1 where one of them does not vary."""
    a, b = a - a.mean(), b - b.mean()
    norm = np.sqrt((a @ a) * (b @ b))
    return float(a @ b / norm) if norm > 0 else 1.0
