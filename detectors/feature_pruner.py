"""FeaturePruner: which features of an unlabelled table can go before an outlier detector looks at it.

Law: a feature goes only on evidence; without evidence everything stays, and `report_` says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.feature_selection import SelectorMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from detectors.parameters import Rules, check_parameters, integer, random_state, real
from detectors.blocks import dependence_blocks, normality_log_p
from detectors.relevance import discoveries, joint_log_p, pair_evidence, rank_basis
from detectors.report import PruningRecord, PruningReport

__all__ = ["FeaturePruner"]

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]


class FeaturePruner(SelectorMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn ships no types
    """Label-free selector of the features an outlier detector should see.

    Parameters
    ----------
    alpha : float in (0, 1)
        False discovery rate among the features found to depend on others. Larger keeps more noise, smaller loses
        weakly dependent features.
    random_state : None, int or RandomState
        Draws the permutations of the null.

    Attributes
    ----------
    support_ : ndarray of bool of shape (n_features,)
        True for features that stay.
    relevance_ : ndarray of shape (n_features,)
        Strength of the evidence for each feature; larger = more relevant.
    report_ : PruningReport
        Every feature with kind, reason and evidence.

    Examples
    --------
    >>> import numpy as np
    >>> from detectors import FeaturePruner
    >>> rng = np.random.default_rng(0)
    >>> factor = rng.normal(size=(300, 1))
    >>> X = np.hstack([factor + 0.5 * rng.normal(size=(300, 3)), rng.uniform(size=(300, 5))])
    >>> FeaturePruner(random_state=0).fit(X).support_.tolist()
    [True, True, True, False, False, False, False, False]
    """

    _parameters: ClassVar[Rules] = {
        "alpha": real(0.0, 1.0, open_low=True, open_high=True),
        "normality_level": real(0.0, 1.0, open_low=True, open_high=True),
        "max_rows": integer(50),
        "random_state": random_state(),
    }

    def __init__(
        self, alpha: float = 0.02, *, normality_level: float = 0.005, max_rows: int = 4000, random_state: Any = None
    ) -> None:
        self.alpha = alpha
        self.normality_level = normality_level
        self.max_rows = max_rows
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None) -> Self:
        """Decide about every feature of `X`.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features)
        y : ignored

        Returns
        -------
        self
        """
        del y
        check_parameters(self, self._parameters)
        X = validate_data(self, X, dtype=np.float64, ensure_min_samples=2)
        rng = np.random.default_rng(check_random_state(self.random_state).randint(np.iinfo(np.int32).max))
        names = getattr(self, "feature_names_in_", None)
        names = [f"x{i}" for i in range(X.shape[1])] if names is None else list(names)
        rows = np.sort(rng.choice(len(X), self.max_rows, replace=False)) if len(X) > self.max_rows else slice(None)
        kind = np.full(X.shape[1], "relevant", dtype=object)
        kind[~(X.max(axis=0) > X.min(axis=0))] = "constant"
        varied = np.flatnonzero(kind == "relevant")
        log_p = np.zeros(X.shape[1])
        if len(varied) > 1:
            sample = X[np.ix_(np.arange(len(X))[rows], varied)]
            log_p[varied], kinds = self._judge(sample)
            kind[varied] = kinds
        relevant = kind == "relevant"
        guards = []
        if not relevant.any():
            relevant[:] = True
            guards.append("no feature depends on another one; without evidence everything stays")
        self.support_ = relevant
        self.relevance_ = -log_p
        records = []
        for name, keep, what, r in zip(names, relevant, kind, self.relevance_, strict=True):
            records.append(PruningRecord(name, what, bool(keep), what, float(r), float("nan"), float(np.exp(-r))))
        self.report_ = PruningReport(records, subject="features", guards=guards)
        return self

    def _judge(self, X: Floats) -> tuple[Floats, NDArray[Any]]:
        """Evidence and kind (n_features,) of columns that vary."""
        n_features = X.shape[1]
        basis = rank_basis(X)
        first = pair_evidence(basis, edge_log_p=np.log(0.01 / (0.5 * n_features * (n_features - 1))))
        log_p, partner = first.log_p, first.partner.copy()
        core = discoveries(log_p, self.alpha)
        for _ in range(3):
            if not core.any():
                break
            again = pair_evidence(basis, core)
            grown = np.minimum(np.minimum(again.log_p, joint_log_p(basis, core)) + np.log(2.0), 0.0)
            closer = (grown < log_p) & ~core
            partner[closer] = again.partner[closer]
            log_p = np.where(core, np.minimum(log_p, grown), grown)
            more = core | discoveries(log_p, self.alpha)
            if (more == core).all():
                break
            core = more
        kind = np.where(core, "relevant", "independent noise").astype(object)
        blocks = dependence_blocks(first.edges, n_features)
        size = np.bincount(blocks)
        for feature in np.flatnonzero(core & (size[blocks] == 1)):
            # a column that is not normal by itself cannot share the fate of a normal block
            if normality_log_p(X[:, [feature]]) > np.log(self.normality_level):
                blocks[feature] = blocks[partner[feature]]
        judged = {b: normality_log_p(X[:, core & (blocks == b)]) for b in np.unique(blocks[core])}
        normal = [b for b, p in judged.items() if p > np.log(self.normality_level)]
        if len(normal) < len(judged):
            kind[core & np.isin(blocks, normal)] = "irrelevant block"
        return log_p, kind

    def _get_support_mask(self) -> Mask:
        """Mask (n_features,) for scikit-learn's selector methods."""
        check_is_fitted(self)
        return self.support_

    @staticmethod
    def report_of_keeping_all(names: Sequence[Any]) -> PruningReport:
        """Report of a table whose features were not examined.

        Parameters
        ----------
        names : sequence of str of length n_features
        """
        return PruningReport([PruningRecord(n, "not examined", True, "pruning is off") for n in names], "features")

    @staticmethod
    def report_of_mask(names: Sequence[Any], support: Mask, selector: str) -> PruningReport:
        """Report of a foreign selector that has none of its own.

        Parameters
        ----------
        names : sequence of str of length n_features
        support : ndarray of bool of shape (n_features,)
        selector : str
            Name of the selector's class.
        """
        words = {True: "kept", False: "deselected"}
        return PruningReport(
            [
                PruningRecord(n, words[bool(s)], bool(s), f"{words[bool(s)]} by {selector}")
                for n, s in zip(names, support, strict=True)
            ],
            "features",
        )

    @staticmethod
    def rename(report: PruningReport, names: Sequence[Any]) -> PruningReport:
        """The same report with the items called `names` (n_features,)."""
        from dataclasses import replace

        return replace(report, records=[replace(r, item=n) for r, n in zip(report.records, names, strict=True)])
