"""LogDetector: abnormal sessions, windows or lines of a log, from raw lines.

Conventions: lower score = more abnormal, labels -1 / +1.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from detectors.parameters import Rule, Rules, anything, boolean, check_parameters, either, nothing
from detectors.parameters import random_state as random_state_rule
from tsprune.exceptions import InvalidRecordError, TimeIndexError
from tsprune.logs.counting import DocumentCounter, LineType
from tsprune.logs.document_pruning import SuspectDocuments, suspect_documents
from tsprune.logs.explanation import explain_documents
from tsprune.logs.line_times import window_seconds
from tsprune.logs.lines_beside import lines_beside
from tsprune.logs.log_file import read_log_model, write_log_model
from tsprune.logs.order import EventOrder
from tsprune.logs.severity import word_levels
from tsprune.logs.templates import mine_templates
from tsprune.logs.vocabulary import Vocabulary
from tsprune.logs.word_model import WordModel, distinct_rows
from tsprune.logs.word_pruning import document_records, line_records, prune_words, words_report

__all__ = ["LogDetector"]

Floats = NDArray[np.float64]

_LEVEL = 0.01  # p-value below which `predict` says -1
_CALIBRATED = 4000  # distinct documents that are compared with all but themselves, for p-values
_STEP = 50.0  # abnormality of one step in the order of events that was never seen


def _is_pattern(value: Any) -> bool:
    if isinstance(value, re.Pattern):
        return True
    try:
        return isinstance(value, str) and bool(re.compile(value) or True)
    except re.error:
        return False


def _is_length(value: Any) -> bool:
    try:
        return isinstance(value, str) and window_seconds(value) > 0
    except TimeIndexError:
        return False


@dataclass
class _Read:
    """Documents that were read: their counter and the vocabulary it extended."""

    counter: DocumentCounter
    vocabulary: Vocabulary


class LogDetector(BaseEstimator):
    r"""Detector of abnormal documents in logs: sessions, windows of time, or single lines.

    Use it on raw log lines when nobody has labelled any: fitted and scored on the same lines it ranks documents by how
    surprising the presence and absence of their words is; fitted on normal lines it also tells what was never seen.
    It is no search engine: what a word means plays no role, except for the level a line names (``ERROR``).

    Numbers, addresses, hashes and dates are masked, words are counted per document, and words that carry nothing are
    pruned with reasons. Words that come and go together are one that keeps the weight of all. Without a reference,
    documents that lie together as suspects do not count as usual.

    Parameters
    ----------
    by : str, re.Pattern or None, default=None
        Regular expression; its first group (or the whole match) names the session of a line. Lines without a match
        belong to no session and are left out.
    window : str or None, default=None
        Length of the windows that are documents, such as ``"5min"``; the time is `time=` or found in the line. Larger
        windows hide short bursts, smaller ones compare less with less.
    prune : bool, default=True
        False keeps every word and document.
    reference : None, time or array of bool of shape (n_lines,), default=None
        Lines known to be normal: those marked, or those before a time. `fit` learns from them alone.
    random_state : None, int or RandomState, default=None
        Random seed; draws documents for the tests of words where there are more than 20,000.

    Attributes
    ----------
    vocabulary_ : list of str
        Masked words seen in `fit`.
    support_ : ndarray of bool of shape (n_words,)
        True for words that stay.
    weights_ : ndarray of shape (n_words,)
        Words that each word stands for; 0 for pruned ones.
    templates_ : list of str
        Line templates, for explanations.
    offset_ : float
        Score below which `predict` says -1: a p-value of 0.01.
    report_ : PruningReport
        Every word, line template and distinct document with its kind (``"word"``, ``"line"``, ``"document"``).

    See Also
    --------
    detectors.RowPruner : finds the suspects among the documents.
    detectors.WordPruner : the pruning of words alone, behind a scikit-learn vectorizer.

    Notes
    -----
    The score of a document is minus the sum of -log(share of documents in the same state) over the words whose state
    is the rarer one (for single lines the mean), four times the surprise at the level (single lines: eight times),
    and 50 times the distance to the nearest known document: differences of log counts, and the surprise at each word
    that is there in one of the two only or in none that was fitted. Documents that were fitted have distance 0. The
    order of events counts as well: new steps where at most 1% of the fitted documents have a step of their own, and
    rare ones where at most a tenth have one.

    References
    ----------
    .. [1] Nyyssola, Mantyla: Speed and performance of parserless and unsupervised anomaly detection methods on
       software logs. QRS 2024.

    Examples
    --------
    Three sessions of one kind and one that fails:

    >>> lines = [f"{what} job {job}" for job in (1, 2, 3) for what in ("start", "run", "stop")]
    >>> lines += ["start job 4", "ERROR lost job 4"]
    >>> model = LogDetector(by=r"job (\d+)").fit(lines)
    >>> model.score_samples(lines).idxmin()
    '4'
    """

    _parameters: ClassVar[Rules] = {
        "by": either(nothing(), Rule("a regular expression", _is_pattern)),
        "window": either(nothing(), Rule("a length of time such as '5min'", _is_length)),
        "prune": boolean(),
        "reference": anything(),
        "random_state": random_state_rule(),
    }

    def __init__(
        self,
        by: Any = None,
        *,
        window: str | None = None,
        prune: bool = True,
        reference: Any = None,
        random_state: Any = None,
    ) -> None:
        self.by = by
        self.window = window
        self.prune = prune
        self.reference = reference
        self.random_state = random_state

    # --------------------------------------------------------------------------------------------- public API

    def fit(self, lines: Any, sessions: Any = None, time: Any = None, reference: Any = None) -> Self:
        """Learn the usual words of documents.

        Parameters
        ----------
        lines : path, or iterable of str
            Text, gzip, JSON lines or a journald export; a list, Series or frame. See `tsprune.logs.line_blocks`.
        sessions : sequence of length n_lines, optional
            Name of the document of every line, instead of `by`; None for no document.
        time : sequence of length n_lines, optional
            Time of every line, for `window` and for a `reference` that is a time.
        reference : optional
            Instead of the constructor's.

        Returns
        -------
        self

        Raises
        ------
        InvalidParameterError
            If a parameter breaks its rule.
        InvalidRecordError
            If there are fewer than two documents, or something is no line.
        """
        check_parameters(self, self._parameters)
        seed = int(check_random_state(self.random_state).randint(np.iinfo(np.int32).max))
        normal = self.reference if reference is None else reference
        read = self._read(lines, sessions, time, Vocabulary(), {}, normal)
        counter = read.counter
        n_documents = int(counter.sizes().sum())
        if n_documents < 2:
            raise InvalidRecordError(
                f"a log must have at least two documents, got {n_documents} in {counter.n_lines} lines "
                f"({counter.unassigned} of no document); check `by`, `window`, `sessions` and `reference`.",
                "shape",
            )
        self._vocabulary, self._types = read.vocabulary, counter.types
        counts, size = counter.counts(), counter.sizes()
        self.vocabulary_ = read.vocabulary.texts()
        weight, records, sentences, figures = prune_words(counts, self.vocabulary_, prune=self.prune, seed=seed)
        self.weights_, self.support_ = weight, weight > 0
        level = word_levels(self.vocabulary_)
        suspects = SuspectDocuments.none(counts.shape[0])
        if not counter.by_line:
            first, group = distinct_rows(counts)
        if self.prune and normal is None and not counter.by_line:
            suspects = suspect_documents(counts, group, weight, seed)
        usual_size = size * suspects.keep
        self._model = WordModel.of(counts, size, weight, level, by_line=counter.by_line, usual_size=usual_size)
        self._order = EventOrder.of(*counter.steps(), len(counter.documents))
        kinds = [kind.words for kind in counter.types.values()]
        self.templates_, self._member = mine_templates(kinds, self.vocabulary_)
        type_counts = counter.type_counts()
        self._usual = _usual_counts(type_counts, self._member, len(self.templates_))
        records += line_records(self.templates_, type_counts, self._member)
        if not counter.by_line:
            records += document_records(list(counter.documents), first, np.bincount(group), suspects.suspicion[first])
            figures["n_suspects"] = int((~suspects.keep).sum())
        figures |= {"n_lines": counter.n_lines, "n_documents": n_documents}
        self.report_ = words_report(records, [*sentences, *suspects.guards], figures)
        rows = np.arange(0, counts.shape[0], max(1, counts.shape[0] // _CALIBRATED))
        usual = -self._model.abnormality(counts[rows], without_self=True)
        usual = np.repeat(usual - self._order.surprise(*counter.steps(), len(counter.documents))[rows], size[rows])
        self._fitted_scores = np.sort(usual)
        self.offset_ = float(np.quantile(self._fitted_scores, _LEVEL))
        return self

    def score_samples(self, lines: Any, sessions: Any = None, time: Any = None) -> pd.Series:
        """Score documents; lower = more abnormal.

        Parameters
        ----------
        lines, sessions, time
            As in `fit`.

        Returns
        -------
        Series of shape (n_documents,)
            Index: the sessions in the order of their first line, the starts of windows, or the numbers of lines.
        """
        check_is_fitted(self, "support_")
        return self._scores(self._scored(lines, sessions, time))

    def decision_function(self, lines: Any, sessions: Any = None, time: Any = None) -> pd.Series:
        """Score documents relative to `offset_`: below 0 is abnormal."""
        return self.score_samples(lines, sessions, time) - self.offset_

    def predict(self, lines: Any, sessions: Any = None, time: Any = None) -> pd.Series:
        """Label documents: -1 abnormal (p-value below 0.01), +1 normal."""
        scores = self.score_samples(lines, sessions, time)
        return pd.Series(np.where(scores.to_numpy() < self.offset_, -1, 1), index=scores.index, name="label")

    def p_values(self, scores: Any) -> Floats:
        """Share of the fitted documents that are at least as abnormal, each compared with all but itself.

        Parameters
        ----------
        scores : array-like of shape (n_documents,)

        Returns
        -------
        ndarray of shape (n_documents,), at least 1 / (fitted documents + 1)
        """
        check_is_fitted(self, "support_")
        below = np.searchsorted(self._fitted_scores, np.asarray(scores, dtype=np.float64), side="right")
        return np.asarray((below + 1.0) / (len(self._fitted_scores) + 1.0))

    def explain(self, lines: Any, sessions: Any = None, time: Any = None, *, n: int = 5) -> pd.DataFrame:
        """Say what is unusual in the most abnormal documents, as an engineer reads it.

        Parameters
        ----------
        lines, sessions, time
            As in `fit`; read twice, so no iterator that can be read only once.
        n : int
            Documents to explain.

        Returns
        -------
        DataFrame with columns ``document, score, p_value, kind, item, count, usual, share, strength, lines``
            One row a finding, the strongest first: a template that comes too often or too rarely, is missing or
            unknown, a word never seen before, a level, a step in the order. `usual` is the median count, `share` the
            share of documents with it, and `lines` up to three raw lines as ``file:number: text``.
        """
        check_is_fitted(self, "support_")
        if hasattr(lines, "__next__"):
            lines = list(lines)
        read = self._scored(lines, sessions, time)
        scores = self._scores(read)
        return explain_documents(self, read, scores, lines_beside(lines, sessions, time, None), n)

    def template_counts(self, lines: Any, time: Any = None, *, window: str | None = None) -> pd.DataFrame:
        """Count the lines of every template in every window, for `StreamMonitor` and other metrics.

        Parameters
        ----------
        lines, time
            As in `fit`.
        window : str, optional
            Length of a window; default that of the constructor.

        Returns
        -------
        DataFrame of shape (n_windows, n_templates + 1)
            Index: starts of the windows, none left out; the last column, ``other``, counts lines of no known template.
        """
        check_is_fitted(self, "support_")
        length = window or self.window or "1min"
        twin = LogDetector(window=length)
        types = {key: LineType(kind.words, list(kind.examples)) for key, kind in self._types.items()}
        read = twin._read(lines, None, time, self._vocabulary.copy(), types, None)
        table = read.counter.type_counts().toarray()
        n_known, n_templates = len(self._member), len(self.templates_)
        counts = np.zeros((len(table), n_templates + 1))
        member = np.concatenate([self._member, np.full(table.shape[1] - n_known, n_templates)])
        np.add.at(counts.T, member[: table.shape[1]], table.T)
        frame = pd.DataFrame(counts, index=_index(read.counter), columns=[*self.templates_, "other"])
        return frame.sort_index().asfreq(pd.tseries.frequencies.to_offset(pd.Timedelta(length)), fill_value=0.0)

    def save(self, path: Any) -> None:
        """Write the fitted detector to a file that executes nothing when it is read."""
        check_is_fitted(self, "support_")
        write_log_model(path, self)

    @classmethod
    def load(cls, path: Any) -> LogDetector:
        """Read what `save` wrote.

        Raises
        ------
        StoredModelError
            If the file is foreign or damaged.
        """
        made: LogDetector = read_log_model(path, cls())
        return made

    def __sklearn_tags__(self) -> Any:
        """Tags: lines of text, no table."""
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.input_tags.string = True
        return tags

    # ------------------------------------------------------------------------------------------------ private

    def _read(
        self, lines: Any, sessions: Any, time: Any, vocabulary: Vocabulary, types: dict[int, LineType], normal: Any
    ) -> _Read:
        """Count the documents of `lines`."""
        by = re.compile(self.by) if isinstance(self.by, str) else self.by
        window = None if self.window is None else window_seconds(self.window)
        counter = DocumentCounter(by, window, vocabulary, types)
        for block, names, seconds in lines_beside(lines, sessions, time, normal):
            counter.add(block, names, seconds)
        return _Read(counter, vocabulary)

    def _scored(self, lines: Any, sessions: Any, time: Any) -> _Read:
        """Documents to score, counted with copies of what was fitted."""
        types = {key: LineType(kind.words, []) for key, kind in self._types.items()}
        return self._read(lines, sessions, time, self._vocabulary.copy(), types, None)

    def _scores(self, read: _Read) -> pd.Series:
        """Scores of the documents that were read."""
        counter = read.counter
        values = -self._model.abnormality(counter.counts())
        steps = (*counter.steps(), len(counter.documents))
        values = values - _STEP * self._order.new_steps(*steps) - self._order.surprise(*steps)
        if counter.by_line:
            line = np.concatenate([*counter.line_document, np.empty(0, dtype=np.int64)])
            return pd.Series(values[line], index=pd.RangeIndex(len(line), name="line"), name="score")
        return pd.Series(values, index=_index(counter), name="score")


def _index(counter: DocumentCounter) -> pd.Index:
    """Names of the documents: times for windows."""
    names = list(counter.documents)
    if counter.window is not None and counter.by is None and not counter.named:
        return pd.DatetimeIndex(pd.to_datetime(np.array(names, dtype=np.float64), unit="s"), name="window")
    return pd.Index(names, name="session")


def _usual_counts(type_counts: Any, member: NDArray[np.int64], n_templates: int) -> Floats:
    """Median count of each template a document, and the share of documents with it: (2, n_templates)."""
    usual = np.zeros((2, n_templates))
    n_documents = type_counts.shape[0]
    table = type_counts.tocsc()
    for template in range(n_templates):
        columns = np.flatnonzero(member == template)
        values = np.asarray(table[:, columns].sum(axis=1)).ravel()
        usual[0, template] = np.median(values)
        usual[1, template] = np.count_nonzero(values) / n_documents
    return usual
