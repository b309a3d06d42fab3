"""WordPruner: which words of a sparse table carry nothing.

Invariant: rare words stay, and words that stand for others keep their weight; should the most abnormal documents change
nevertheless, the copies come back.
"""

from __future__ import annotations

import math
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.base import BaseEstimator
from sklearn.feature_selection import SelectorMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from detectors.exceptions import InvalidTableError
from detectors.features.sparse_counts import (
    LEAST_TOP_AGREEMENT,
    ColumnRoles,
    column_roles,
    state_surprise,
    thinned_copies,
    top_agreement,
)
from detectors.parameters import Rules, check_parameters, choice, real
from detectors.parameters import random_state as random_state_rule
from detectors.report import PruningRecord, PruningReport
from detectors.tables import constant_columns, is_sparse, readable

__all__ = ["WordPruner"]

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
Numbers = NDArray[np.int64]


class WordPruner(SelectorMixin, BaseEstimator):
    """Selector of words behind a `CountVectorizer` or `TfidfVectorizer`, without labels.

    Use it between a vectorizer and an outlier detector. Words of one template are copies of each other, values of a
    random place (folders, ports, names) tell nothing; both go without taking weight from what stays. Rare words always
    stay. It is no feature selection for classification, which knows labels, and knows no stop words: a word in every
    document that varies in number stays.

    Parameters
    ----------
    alpha : float in (0, 1), default=0.015
        False discovery rate of "this value comes with another word". Larger keeps more values of random places.
    copies : "thin", "join" or "keep", default="thin"
        What becomes of words that nearly always come together. "thin" keeps half of every group, so that groups keep
        their share of the columns: for detectors that draw columns, such as forests. "join" keeps one, multiplied by
        the root of the size of its group, which leaves Euclidean distances and linear kernels as they were: for
        neighbours and support vectors. "keep" leaves copies alone.
    random_state : None, int or RandomState, default=None
        Draws 20,000 documents of a longer table for the tests.

    Attributes
    ----------
    support_ : ndarray of bool of shape (n_words,)
        True for words that stay.
    weights_ : ndarray of shape (n_words,)
        Words that each word stands for; 0 for pruned ones.
    report_ : PruningReport
        Every word, kind ``"word"``, with its reason.

    Raises
    ------
    InvalidParameterError
        In `fit`, if a parameter breaks its rule.
    InvalidTableError
        In `fit`, if a value is negative.

    See Also
    --------
    FeaturePruner : for tables of measurements; does the same where a table looks like sparse counts.

    Examples
    --------
    Two templates, the second with a random folder at its end:

    >>> import numpy as np
    >>> from sklearn.feature_extraction.text import CountVectorizer
    >>> from sklearn.pipeline import make_pipeline
    >>> from detectors import WordPruner
    >>> rng = np.random.default_rng(0)
    >>> move = lambda: f"moved file to folder{rng.integers(20)}"
    >>> texts = [" ".join(["job started now"] * rng.poisson(2) + [move() for _ in range(rng.poisson(1))])
    ...          for _ in range(800)]
    >>> words = make_pipeline(CountVectorizer(), WordPruner(random_state=0)).fit(texts)
    >>> words.get_feature_names_out().tolist()
    ['file', 'job', 'moved', 'now']
    """

    _parameters: ClassVar[Rules] = {
        "alpha": real(0.0, 1.0, open_low=True, open_high=True),
        "copies": choice("thin", "join", "keep"),
        "random_state": random_state_rule(),
    }

    def __init__(self, alpha: float = 0.015, *, copies: str = "thin", random_state: Any = None) -> None:
        self.alpha = alpha
        self.copies = copies
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None) -> Self:
        """Decide about every word.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_documents, n_words)
            Counts, or anything else that is 0 where a word is absent and positive where it is not.
        y : ignored

        Returns
        -------
        self
        """
        del y
        check_parameters(self, self._parameters)
        table = self._read(X, reset=True)
        rng = np.random.default_rng(check_random_state(self.random_state).randint(np.iinfo(np.int32).max))
        constant = constant_columns(table)
        roles = column_roles(table, self.alpha, rng)
        open_ = ~constant & (roles.place < 0)
        sentences: list[str] = []
        gone, agreement = self._copies_gone(table, roles, open_)
        if agreement < LEAST_TOP_AGREEMENT:
            sentences.append(
                f"guard top: without {int(gone.sum())} copies the most abnormal documents are found with an average "
                f"precision of {agreement:.2f} only, {LEAST_TOP_AGREEMENT} is asked for; the copies came back"
            )
            gone = np.zeros_like(gone)
        support = open_ & ~gone
        if not support.any():
            sentences.append("guard evidence: no word varies between the documents; all of them stay")
            support = np.ones_like(support)
        self.support_ = support
        self.weights_ = support.astype(np.float64)
        for copy in np.flatnonzero(gone & open_):
            stand_in = np.flatnonzero(support & (roles.original == roles.original[copy]))
            self.weights_[stand_in] += 1.0 / len(stand_in)
        figures = {"false_discovery_rate": self.alpha, "top_agreement": round(agreement, 4)}
        self.report_ = PruningReport(self._records(constant, roles), "words", sentences, figures)
        return self

    def transform(self, X: Any) -> Any:
        """Return the words that stay; with ``copies="join"``, multiplied by the root of their weight.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_documents, n_words)

        Returns
        -------
        array or CSR matrix of shape (n_documents, n_kept)
        """
        kept = super().transform(X)
        if self.copies != "join":
            return kept
        return kept * self._scale() if not is_sparse(kept) else _scaled(kept, self._scale())

    def inverse_transform(self, X: Any) -> Any:
        """Return the table with zeros for the words that went.

        Parameters
        ----------
        X : array or sparse matrix of shape (n_documents, n_kept)

        Returns
        -------
        array or sparse matrix of shape (n_documents, n_words)
        """
        if self.copies == "join":
            check_is_fitted(self, "support_")
            scale = 1.0 / self._scale()
            kept = _scaled(X, scale) if is_sparse(X) else np.asarray(X, dtype=np.float64) * scale
            places = np.flatnonzero(self.support_)
            whole = sparse.csr_matrix((np.ones(len(places)), (np.arange(len(places)), places)),
                                      shape=(len(places), self.n_features_in_))  # fmt: skip
            return kept @ whole
        return super().inverse_transform(X)

    def _scale(self) -> Floats:
        """Root of the weight (n_kept,) of the words that stay."""
        return np.sqrt(self.weights_[self.support_])

    def _copies_gone(self, table: Any, roles: ColumnRoles, open_: Mask) -> tuple[Mask, float]:
        """Copies (n_words,) that may go, and how well the top of the ranking survives that."""
        if self.copies == "keep" or not open_.any():
            return np.zeros(len(open_), dtype=bool), 1.0
        if self.copies == "thin":
            gone = thinned_copies(roles, open_)
            weight = (open_ & ~gone).astype(np.float64)
        else:
            first = np.full(len(open_), -1, dtype=np.int64)
            places = np.flatnonzero(open_)[::-1]
            first[roles.original[places]] = places  # the first word of its group that is still there
            gone = open_ & (first[roles.original] != np.arange(len(open_)))
            weight = np.bincount(first[roles.original[open_]], minlength=len(open_)).astype(np.float64)
        whole = state_surprise(table, open_.astype(np.float64))
        return gone, top_agreement(whole, state_surprise(table, weight))

    def _records(self, constant: Mask, roles: ColumnRoles) -> list[PruningRecord]:
        """One record per word."""
        names = self.get_feature_names_in()
        records = []
        for number, (name, kept) in enumerate(zip(names, self.support_, strict=True)):
            if kept:
                stands = self.weights_[number]
                reason = "tells documents apart" + (f"; weighs {stands:.3g} words" if stands > 1 else "")
            elif constant[number]:
                reason = "the same in every document: carries nothing"
            elif roles.place[number] >= 0:
                reason = (
                    f"one of {roles.siblings[number]} values that come with {names[roles.place[number]]}; which of "
                    "them depends on nothing else"
                )
            else:
                reason = f"comes and goes with {names[roles.original[number]]}, whose group keeps its weight"
            statistic = float(roles.siblings[number]) if roles.place[number] >= 0 else math.nan
            records.append(PruningRecord(name, "word", bool(kept), reason, statistic))
        return records

    def get_feature_names_in(self) -> list[str]:
        """Names (n_words,) of the words that came in: those of the frame, or x0, x1, ..."""
        names = getattr(self, "feature_names_in_", None)
        return [f"x{i}" for i in range(self.n_features_in_)] if names is None else [str(name) for name in names]

    def _read(self, X: Any, *, reset: bool) -> Any:
        """Check a table at the door: CSR or dense, float64, nothing negative."""
        table = validate_data(
            self, readable(X), reset=reset, dtype=np.float64, accept_sparse="csr", ensure_min_samples=2 if reset else 1
        )
        values = table.data if is_sparse(table) else table
        if values.size and values.min() < 0:
            raise InvalidTableError(
                f"Negative values in data passed to {type(self).__name__}: counts of words must be at least 0, got "
                f"{values.min():g}; put it before any centring, or use FeaturePruner."
            )
        return table

    def _get_support_mask(self) -> Mask:
        """Mask (n_words,) for scikit-learn's selector methods."""
        check_is_fitted(self, "support_")
        return self.support_

    def __sklearn_tags__(self) -> Any:
        """Tags: sparse tables are taken, negative values are not."""
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.input_tags.positive_only = True
        return tags


def _scaled(table: Any, scale: Floats) -> Any:
    """A sparse table with its columns multiplied by `scale` (n_columns,)."""
    return sparse.csr_matrix(table.multiply(scale[None, :]))
