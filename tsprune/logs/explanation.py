"""What is unusual in a document, as an engineer reads it: templates, counts, new words, and the raw lines."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from tsprune.logs.counting import DocumentCounter, LineType
from tsprune.logs.sources import LineBlock
from tsprune.logs.vocabulary import Vocabulary

__all__ = ["explain_documents"]

_COLUMNS = ["document", "score", "p_value", "kind", "item", "count", "usual", "share", "strength", "lines"]
_SHOWN_LINES = 3
_SHOWN_FINDINGS = 6
_SHOWN_WORDS = 12
_LEAST_STRENGTH = 0.3


@dataclass
class _Finding:
    """One thing that is unusual in a document; `templates` (numbers) tell which lines show it."""

    kind: str
    item: str
    count: float
    usual: float
    share: float
    strength: float
    types: frozenset[int]
    words: frozenset[int] = frozenset()


def explain_documents(
    model: Any, read: Any, scores: pd.Series, blocks: Iterable[tuple[LineBlock, Any, Any]], n: int
) -> pd.DataFrame:
    """Findings of the `n` most abnormal documents.

    Parameters
    ----------
    model : LogDetector
    read : documents that were counted
    scores : Series of shape (n_documents,)
    blocks : iterable of blocks of the same lines
    n : int

    Returns
    -------
    DataFrame, see `LogDetector.explain`
    """
    counter: DocumentCounter = read.counter
    vocabulary: Vocabulary = read.vocabulary
    kinds = list(counter.types.values())
    member = _members(model, len(kinds))
    order = np.argsort(scores.to_numpy(), kind="stable")[:n]
    p_values = model.p_values(scores.to_numpy()[order])
    rows = _rows_of(counter, order)
    words = vocabulary.texts()
    counts = counter.counts()
    types = _line_types(counter) if counter.by_line else counter.type_counts()
    of_steps, steps = counter.steps()
    found = {}
    for place, row in zip(order.tolist(), rows.tolist(), strict=True):
        findings = _findings(model, counts, types, row, kinds, member, words)
        findings += _order_findings(model, steps[of_steps == row], kinds, words)
        found[place] = sorted(findings, key=lambda f: -f.strength)[:_SHOWN_FINDINGS]
    shown = _raw_lines(
        counter, vocabulary.copy(), blocks, dict(zip(map(int, rows), map(int, order), strict=True)), found
    )
    records = []
    for place, p_value in zip(map(int, order), p_values, strict=True):
        for number, finding in enumerate(found[place]):
            told = [finding.kind, finding.item, finding.count, finding.usual, finding.share, finding.strength]
            lines = shown.get((place, number), [])
            records.append([scores.index[place], float(scores.iloc[place]), float(p_value), *told, lines])
    return pd.DataFrame(records, columns=_COLUMNS)


def _rows_of(counter: DocumentCounter, order: NDArray[np.intp]) -> NDArray[np.int64]:
    """Rows of the tables for places in the scores."""
    if not counter.by_line:
        return order.astype(np.int64)
    return np.concatenate(counter.line_document)[order]


def _line_types(counter: DocumentCounter) -> Any:
    """Line types of documents that are lines: a table with one cell a row."""
    number = {key: i for i, key in enumerate(counter.types)}
    column = np.array([number.get(int(str(key)), -1) for key in counter.documents], dtype=np.int64)
    rows = np.flatnonzero(column >= 0)
    shape = (len(column), max(len(number), 1))
    return sparse.csr_array((np.ones(len(rows)), (rows, column[rows])), shape=shape)


def _members(model: Any, n_types: int) -> NDArray[np.int64]:
    """Template (n_types,) of line types; -1 for those that `fit` did not see."""
    known = model._member
    return np.concatenate([known, np.full(max(n_types - len(known), 0), -1, dtype=np.int64)])


def _findings(
    model: Any, counts: Any, types: Any, row: int, kinds: list[LineType], member: NDArray[np.int64], words: list[str]
) -> list[_Finding]:
    """What is unusual in the words and templates of one document."""
    n = model._model.n_documents
    cells = types[[row]].tocoo()
    here = dict(zip(cells.coords[1].tolist(), cells.data.tolist(), strict=True))
    found: list[_Finding] = []
    by_template: dict[int, float] = {}
    for kind, count in here.items():
        if member[kind] >= 0:
            by_template[int(member[kind])] = by_template.get(int(member[kind]), 0.0) + count
        else:
            text = " ".join(words[w] for w in kinds[kind].words)
            found.append(_Finding("unknown template", text, count, 0.0, 0.0, math.log(n + 1), frozenset([kind])))
    usual, share = model._usual if not model._model.by_line else (np.zeros(len(model.templates_)), _line_share(model))
    for template, text in enumerate(model.templates_):
        count = by_template.get(template, 0.0)
        rarity = -math.log(max(share[template] if count else 1.0 - share[template], 0.5 / n))
        gap = abs(math.log1p(count) - math.log1p(usual[template]))
        strength = (rarity if (count > 0) != (share[template] >= 0.5) else 0.0) + gap
        if strength < _LEAST_STRENGTH or (model._model.by_line and not count):
            continue
        kind = "missing template" if not count else "more than usual" if count > usual[template] else "fewer than usual"
        kind = "rare template" if count and share[template] < 0.5 else kind
        which = frozenset(k for k in here if member[k] == template)
        found.append(_Finding(kind, text, count, float(usual[template]), float(share[template]), strength, which))
    found += _word_findings(model, counts[[row]].tocoo(), words, n)
    return found


def _order_findings(model: Any, steps: NDArray[np.int64], kinds: list[LineType], words: list[str]) -> list[_Finding]:
    """Steps from one known line type to another that no fitted document made, where the order is evidence."""
    if not model._order.speaks:
        return []
    found = []
    n_known = len(model._member)
    for step in steps[~np.isin(steps, model._order.steps)].tolist():
        before, after = step >> 15, step & 0x7FFF
        if before < n_known and after < n_known:
            first, second = (" ".join(words[w] for w in kinds[k].words) for k in (before, after))
            strength = math.log(model._model.n_documents + 1)
            found.append(_Finding("new order", f"{first} -> {second}", 1.0, 0.0, 0.0, strength, frozenset([after])))
    return found


def _line_share(model: Any) -> NDArray[np.float64]:
    """Share of lines (n_templates,) of each template."""
    sizes = np.array([kind.count for kind in model._types.values()], dtype=np.float64)
    return np.asarray(np.bincount(model._member, sizes, len(model.templates_)) / max(sizes.sum(), 1.0))


def _word_findings(model: Any, cells: Any, words: list[str], n: int) -> list[_Finding]:
    """New words, the level, and sentinels: pruned words that come although they never vary, or the like."""
    found = []
    n_known = len(model.vocabulary_)
    columns, values = cells.coords[1], cells.data
    for column, count in zip(columns.tolist(), values.tolist(), strict=True):
        if column >= n_known:
            continue
        level = int(model._model.level[column])
        surprise = float(model._model.tail[level + 1]) if level >= 3 else 0.0
        if surprise >= _LEAST_STRENGTH:
            share = float(model._model.share[column])
            found.append(
                _Finding("level", words[column], count, 0.0, share, surprise, frozenset(), frozenset([column]))
            )
    new = [(c, v) for c, v in zip(columns.tolist(), values.tolist(), strict=True) if c >= n_known]
    if new:
        listed = ", ".join(words[c] for c, _ in new[:_SHOWN_WORDS]) + (", ..." if len(new) > _SHOWN_WORDS else "")
        total = sum(v for _, v in new)
        strength = sum(math.log1p(v) for _, v in new) + len(new) * math.log(2.0 * (n + 1))
        found.append(_Finding("new word", listed, total, 0.0, 0.0, strength, frozenset(), frozenset(c for c, _ in new)))
    there = set(columns.tolist())
    for column in np.flatnonzero((model._model.share == 1.0) & ~model.support_).tolist():
        if column not in there:
            strength = math.log(n + 1)
            found.append(_Finding("missing word", words[column], 0.0, 1.0, 1.0, strength, frozenset()))
    return found


def _raw_lines(
    counter: DocumentCounter,
    vocabulary: Vocabulary,
    blocks: Iterable[tuple[LineBlock, Any, Any]],
    wanted: dict[int, int],
    found: dict[int, list[_Finding]],
) -> dict[tuple[int, int], list[str]]:
    """Up to three raw lines, ``file:number: text``, for every (document, finding)."""
    types = {key: LineType(kind.words, []) for key, kind in counter.types.items()}
    again = DocumentCounter(counter.by, counter.window, vocabulary, types)
    number = {key: i for i, key in enumerate(counter.types)}
    shown: dict[tuple[int, int], list[str]] = {}
    documents: dict[Hashable, int] = counter.documents
    place = 0
    for block, names, seconds in blocks:
        document = again.named_documents(block, names, seconds, documents)
        token_line, token_word, line_hash = vocabulary.read(block.lines)
        for i in range(len(block.lines)):
            row = documents.get(int(line_hash[i]), -1) if counter.by_line else int(document[i])
            position = place + i if counter.by_line else wanted.get(row, -1)
            if position not in found or row not in wanted:
                continue
            kind = number.get(int(line_hash[i]), -1)
            inside = slice(np.searchsorted(token_line, i), np.searchsorted(token_line, i, side="right"))
            words = set(token_word[inside].tolist())
            for k, finding in enumerate(found[position]):
                lines = shown.setdefault((position, k), [])
                if len(lines) < _SHOWN_LINES and (kind in finding.types or words & finding.words):
                    where = f"{block.where or 'line'}:{block.number(i)}"
                    time = f" [{block.times[i]}]" if block.times else ""
                    lines.append(f"{where}:{time} {block.lines[i]}")
        place += len(block.lines)
    return shown
