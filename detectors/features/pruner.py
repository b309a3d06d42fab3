"""FeaturePruner: which features of an unlabelled table can go before an outlier detector looks at it.

Law: a feature goes only on evidence; without evidence everything stays, and `report_` says so.
"""

from __future__ import annotations

import math
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, clone
from sklearn.feature_selection import SelectorMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from detectors.features.decision import INFORMED_KINDS, Decision, decide
from detectors.features.guards import OverPruningGuard
from detectors.features.informed import follow_anchors, follow_knowledge
from detectors.features.knowledge import read_knowledge
from detectors.features.reports import FEATURE, decision_changes, feature_numbers, read_decisions
from detectors.features.sentinel import MarginalSentinel, SentinelWatch
from detectors.parameters import (
    Rules,
    boolean,
    check_parameters,
    choice,
    either,
    has_methods,
    integer,
    nothing,
    real,
    sequence_of,
)
from detectors.parameters import random_state as random_state_rule
from detectors.report import PruningRecord, PruningReport
from detectors.tables import constant_columns, dense, readable

__all__ = ["FeaturePruner"]

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

_HELD_CELLS = 20_000_000  # cells of the dense row sample at most: 160 MB
_RETENTION_LEVEL = 0.2  # refresh: a kept feature goes only when even this lenient level finds no dependence


class FeaturePruner(SentinelWatch, SelectorMixin, BaseEstimator):
    """Label-free selector of the features an outlier detector should see.

    A feature stays if it depends on others: anomalies of a table are rows that break what its columns have in
    common, or that are extreme in several of them together; a column that is independent of all others can only add
    noise to a score. Blocks of features that depend on each other but are, all together, consistent with a joint
    normal law go as well, as long as some other block is not: nobody is an outlier among normal rows.

    Parameters
    ----------
    alpha : float in (0, 1)
        False discovery rate among the features found to depend on others. Larger keeps more noise, smaller loses
        weakly dependent features; costs no time.
    prune_blocks : bool
        Whether blocks consistent with joint normality go. False keeps everything that depends on anything; saves
        about a third of the time.
    normality_level : float in (0, 1)
        A block stays if joint normality is rejected at this level. Larger keeps more normal blocks, smaller takes
        blocks that deviate little; costs no time.
    prune_duplicates : bool
        Whether copies of an earlier column, up to shift, scale and sign, go. They carry weight, but no information.
        Costs one pass over the table.
    max_rows : int >= 50
        Rows drawn for the tests: time and memory grow with it, the weakest dependence found shrinks with its root.
    screen_above : int >= 2
        Tables with more varying features than this are screened: each feature is first tested against all others
        at once, which costs O(n_rows^2 n_features), and only the best this many go on to the tests pair by pair. A
        feature that depends on a single partner among very many may be lost there.
    guard : "auto", None or OverPruningGuard
        What gives features back; see `OverPruningGuard`. "auto" is one with its defaults, None switches it off. The
        rule that a table without any evidence keeps everything cannot be switched off.
    sentinels : bool
        Whether removed features stay on watch; costs a few quantiles for each.
    anchors : None or sequence of str or int
        Features that are known to matter, by name or number. Only blocks that hold one of them stay.
    random_state : None, int or RandomState
        Draws the rows for the tests and the guard.

    Attributes
    ----------
    support_ : ndarray of bool of shape (n_features,)
        True for features that stay.
    relevance_ : ndarray of shape (n_features,)
        Minus the natural logarithm of the p-value of "depends on nothing"; larger = more relevant.
    blocks_ : ndarray of int of shape (n_features,)
        Features with the same number depend on each other, directly or through others.
    sentinel_ : MarginalSentinel or None
    report_ : PruningReport
        Every feature with its kind ("relevant", "constant", "duplicate", "independent noise", "irrelevant block",
        "harmful", "untested", "no evidence against the reference", "no evidence of the labels", "no tie to an
        anchor"), reason, statistic, threshold and p-value. The statistic is the relevance; for an
        irrelevant block minus the natural logarithm of the p-value of joint normality, for a duplicate the size of
        its correlation with the original. "harmful" is an independent feature whose own extremes would fill the top
        of a ranking; "untested" did not vary in the rows drawn.

        Tables of sparse counts, such as words in documents, have three more kinds. "template copy" comes and goes
        with another column; half of every group of copies stays, because the number of columns is what lets a rare
        template count. "interchangeable" is one of many values of one place, such as a random folder in a path. "rare"
        is an independent column whose rarer state comes in less than 5% of the rows; it stays.

    Raises
    ------
    InvalidParameterError
        In `fit`, if a parameter breaks its rule.

    References
    ----------
    .. [1] Benjamini, Hochberg: Controlling the false discovery rate. JRSS B 57(1), 1995.
    .. [2] Zimek, Schubert, Kriegel: A survey on unsupervised outlier detection in high-dimensional numerical data.
       Statistical Analysis and Data Mining 5(5), 2012, section 2.2 (what irrelevant attributes do).

    Examples
    --------
    >>> import numpy as np
    >>> from detectors import FeaturePruner
    >>> rng = np.random.default_rng(0)
    >>> factor = rng.normal(size=(300, 1))
    >>> X = np.hstack([factor + 0.5 * rng.normal(size=(300, 3)), rng.uniform(size=(300, 5))])
    >>> pruner = FeaturePruner(random_state=0).fit(X)
    >>> pruner.support_.tolist()
    [True, True, True, False, False, False, False, False]
    >>> print(pruner.report_.summary())
    features: 5 of 8 removed (independent noise 5)
    """

    _parameters: ClassVar[Rules] = {
        "alpha": real(0.0, 1.0, open_low=True, open_high=True),
        "prune_blocks": boolean(),
        "normality_level": real(0.0, 1.0, open_low=True, open_high=True),
        "prune_duplicates": boolean(),
        "max_rows": integer(50),
        "screen_above": integer(2),
        "guard": either(choice("auto"), nothing(), has_methods("review")),
        "sentinels": boolean(),
        "anchors": either(nothing(), sequence_of(FEATURE)),
        "random_state": random_state_rule(),
    }

    def __init__(
        self,
        alpha: float = 0.015,
        *,
        prune_blocks: bool = True,
        normality_level: float = 0.005,
        prune_duplicates: bool = True,
        max_rows: int = 2000,
        screen_above: int = 5000,
        guard: Any = "auto",
        sentinels: bool = True,
        anchors: Any = None,
        random_state: Any = None,
    ) -> None:
        self.alpha = alpha
        self.prune_blocks = prune_blocks
        self.normality_level = normality_level
        self.prune_duplicates = prune_duplicates
        self.max_rows = max_rows
        self.screen_above = screen_above
        self.guard = guard
        self.sentinels = sentinels
        self.anchors = anchors
        self.random_state = random_state

    # --------------------------------------------------------------------------------------------- public API

    def fit(self, X: Any, y: Any = None, *, reference: Any = None) -> Self:
        """Decide about every feature of `X`.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_rows, n_features)
            NaN is missing; that a value is missing may itself depend on other features.
        y : array-like of shape (n_rows,), optional
            What is known of the rows: -1 anomaly, +1 normal, 0 or NaN unknown. Other values are no labels of
            anomalies and are left alone, as `report_` then says.
        reference : mask of shape (n_rows,) or array-like of shape (n_reference, n_features), optional
            Rows known to be normal: which rows of `X`, or other rows, in the order of time if they have one.

        Returns
        -------
        self

        Raises
        ------
        InvalidParameterError
            If `y` holds only 0 and 1, or a row is both an anomaly and in the reference.
        """
        check_parameters(self, self._parameters)
        X = self._read(X, reset=True)
        known, sentences = read_knowledge(y, reference, X.shape[0], lambda rows: dense(self._read(rows, reset=False)))
        found = self._decide(X)
        if self.anchors is not None:
            follow_anchors(found, feature_numbers(self.anchors, list(self._names())))
        if known is not None:
            seed = check_random_state(self.random_state).randint(np.iinfo(np.int32).max)
            follow_knowledge(found, X, known, max_rows=self.max_rows, rng=np.random.default_rng(seed))
        found.sentences.extend(sentences)
        self._settle(X, found)
        self._recent: Floats | None = None
        self.changes_ = decision_changes(self._names(), None, self.support_, self.kinds_)
        return self

    def refresh(self, X: Any) -> Self:
        """Test every feature again on new rows, and change the decision only where they contradict it.

        A removed feature returns if the new rows show that it depends on others (at `alpha`). A kept feature goes
        only if the new rows show no dependence even at the lenient level 0.2; in between, it stays.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_rows, n_features)
            New rows of the same table, or of a sibling machine's.

        Returns
        -------
        self
            With `support_`, `report_` and `diff()` brought up to date.
        """
        check_is_fitted(self, "support_")
        check_parameters(self, self._parameters)
        X = self._read(X, reset=False)
        before = self.support_.copy()
        found = self._decide(X)
        hesitant = before & ~found.support & (found.log_p <= math.log(_RETENTION_LEVEL))
        hesitant &= found.kinds == "independent noise"
        if hesitant.any():
            found.keep(hesitant, f"refresh: {int(hesitant.sum())} features stay, the new rows do not contradict them")
        informed = np.isin(self.kinds_, INFORMED_KINDS) & ~before & found.support
        if informed.any() and (found.support & ~informed).any():  # the new rows say nothing about what is known
            found.support = found.support & ~informed
            found.kinds[informed] = self.kinds_[informed]
        self._settle(X, found)
        self.changes_ = decision_changes(self._names(), before, self.support_, self.kinds_)
        return self

    def partial_fit(self, X: Any, y: Any = None) -> Self:
        """Add rows and test again on the most recent `max_rows` of them.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features)
            Dense rows, in the order of time. The first call must bring at least two.
        y : ignored

        Returns
        -------
        self
        """
        del y
        first = not hasattr(self, "support_")
        check_parameters(self, self._parameters)
        rows = self._read(X, reset=first)
        rows = dense(rows)
        held = getattr(self, "_recent", None)
        recent = rows if held is None else np.vstack([held, rows])
        recent = recent[-self.max_rows :].copy()
        if first:
            self.fit(X)
        elif len(recent) > 1:
            self.refresh(recent if not hasattr(self, "feature_names_in_") else self._framed(recent))
        self._recent = recent
        return self

    def diff(self) -> pd.DataFrame:
        """Return what the last `fit`, `refresh` or `partial_fit` changed.

        Returns
        -------
        DataFrame with columns ``item, before, after, kind``; one row per feature whose decision changed.
        """
        check_is_fitted(self, "support_")
        return self.changes_.copy()

    @classmethod
    def from_report(cls, report: PruningReport, *, pruner: FeaturePruner | None = None) -> FeaturePruner:
        """Start from the decisions of another machine's pruner.

        Parameters
        ----------
        report : PruningReport
            What `report_` was there; its items are the features, in order.
        pruner : FeaturePruner, optional
            Gives the parameters; the defaults without it.

        Returns
        -------
        FeaturePruner
            Fitted: it selects the same features at once. `refresh(X)` re-tests them on the sibling's own rows. It has
            no sentinels before that, as a report does not hold the columns' ranges.

        Raises
        ------
        InvalidParameterError
            If it is no report on features.
        InvalidTableError
            If the report keeps nothing.
        """
        names, support, kinds, relevance = read_decisions(report)
        made = cls() if pruner is None else clone(pruner)
        made.support_, made.kinds_, made.relevance_ = support, kinds, relevance
        made.n_features_in_ = len(names)
        if all(isinstance(name, str) for name in names) and names != [f"x{i}" for i in range(len(names))]:
            made.feature_names_in_ = np.array(names, dtype=object)
        made.blocks_ = np.arange(len(names))
        made.sentinel_ = None
        made.report_ = report
        made.changes_ = decision_changes(names, None, made.support_, made.kinds_)
        made._recent = None
        return made

    # ------------------------------------------------------------------------------------------------ private

    def _read(self, X: Any, *, reset: bool) -> Any:
        """Check a table at the door: float64 (n_rows, n_features), NaN allowed, CSR if sparse."""
        return validate_data(
            self,
            readable(X),
            reset=reset,
            dtype=np.float64,
            order="C",  # the same bits, whatever the layout: sums run in one order
            accept_sparse="csr",
            ensure_all_finite="allow-nan",
            ensure_min_samples=2 if reset else 1,
        )

    def _decide(self, X: Any) -> Decision:
        """The decision on a checked table (n_rows, n_features)."""
        rng = np.random.default_rng(check_random_state(self.random_state).randint(np.iinfo(np.int32).max))
        most = max(min(self.max_rows, _HELD_CELLS // max(X.shape[1], 1)), 50)
        rows = np.sort(rng.choice(X.shape[0], most, replace=False)) if X.shape[0] > most else None
        sample = X if rows is None else X[rows]
        sample = dense(sample)
        constant = constant_columns(X)
        guard = OverPruningGuard() if self.guard == "auto" else self.guard
        return decide(
            sample,
            constant,
            X,
            alpha=self.alpha,
            normality_level=self.normality_level if self.prune_blocks else None,
            duplicates=self.prune_duplicates,
            screen_above=self.screen_above,
            guard=guard,
            rng=rng,
        )

    def _settle(self, X: Any, found: Decision) -> None:
        """Store a decision and its report, and set the sentinels."""
        self.support_ = found.support
        self.kinds_ = found.kinds
        self.blocks_ = found.blocks
        self.relevance_ = np.abs(found.log_p)
        names, reasons = self._names(), found.reasons(self._names())
        parts = found.evidence(self.alpha, self.normality_level)
        records = [
            PruningRecord(name, str(kind), bool(kept), reason, *map(float, evidence))
            for name, kind, kept, reason, *evidence in zip(
                names, found.kinds, found.support, reasons, *parts, strict=True
            )
        ]
        figures = {"false_discovery_rate": self.alpha, "rows_tested": found.n_rows, **found.figures}
        self.report_ = PruningReport(records, subject="features", guards=found.sentences, figures=figures)
        self.sentinel_ = MarginalSentinel().fit(X, ~self.support_) if self.sentinels else None

    def _names(self) -> NDArray[Any]:
        """Names (n_features,) of the features: those of the frame, or x0, x1, ..."""
        names = getattr(self, "feature_names_in_", None)
        return np.array([f"x{i}" for i in range(self.n_features_in_)], dtype=object) if names is None else names

    def _framed(self, rows: Floats) -> pd.DataFrame:
        """Checked rows (n_rows, n_features) under the fitted names, for the door."""
        return pd.DataFrame(rows, columns=self.feature_names_in_)

    def _get_support_mask(self) -> Mask:
        """Mask (n_features,) for scikit-learn's selector methods."""
        check_is_fitted(self, "support_")
        return self.support_

    def __sklearn_tags__(self) -> Any:
        """Tags: missing values and sparse tables are taken."""
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.sparse = True
        return tags
