"""What labels, a reference or anchor columns change in the decision about features.

Invariant: a block goes only if it shows nothing while another block shows something at the level of all blocks
together; labels that are noise change nothing.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from detectors.features.block_evidence import block_evidence, column_evidence
from detectors.features.decision import INFORMED_LEVEL, Decision
from detectors.features.knowledge import Knowledge
from detectors.tables import dense, is_sparse

__all__ = ["follow_anchors", "follow_knowledge"]

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

_SOME_LEVEL = 0.015  # over all blocks: some block shows something, so that others may go
_COLUMN_LEVEL = 0.01  # of a removed column that labels bring back, over all removed columns


def follow_knowledge(found: Decision, X: Any, known: Knowledge, *, max_rows: int, rng: np.random.Generator) -> None:
    """Change a decision about the columns of `X` (n_rows, n_features) by what is known of its rows, in place."""
    if is_sparse(X):
        found.sentences.append("labels and reference decide about no feature of a sparse table")
        return
    rows, known = _rows_to_ask(known, X.shape[0], max_rows, rng)
    table = _filled(dense(X[rows]))
    if known.labelled:
        removed = np.flatnonzero(np.isin(found.kinds, ("independent noise", "harmful")) & ~found.support)
        if len(removed):
            own = column_evidence(table[:, removed], _columns_of(known, removed))
            back = np.zeros(len(found.support), dtype=bool)
            back[removed[own * len(removed) <= _COLUMN_LEVEL]] = True
            if back.any():
                found.keep(back, f"labels: {int(back.sum())} removed features tell the anomalies apart; they came back")
    numbers = [np.flatnonzero((found.blocks == b) & found.support) for b in np.unique(found.blocks[found.support])]
    if len(numbers) < 2:
        return
    p = block_evidence(table, numbers, _filled_rows(known, table), int(rng.integers(2**31 - 1)))
    source = "labels" if known.labelled else "reference"
    found.figures[f"smallest_p_of_{source}"] = round(float(min(p.min() * len(p), 1.0)), 6)
    if p.min() * len(p) > _SOME_LEVEL:
        found.sentences.append(f"{source}: no block of features shows evidence at level {_SOME_LEVEL:g}; all stay")
        return
    kind = "no evidence of the labels" if known.labelled else "no evidence against the reference"
    found.informed = np.full(len(found.support), np.nan)
    found.support = found.support.copy()
    for columns, value in zip(numbers, p, strict=True):
        found.informed[columns] = np.log(value)
        if value > max(INFORMED_LEVEL, p.min()):
            found.support[columns] = False
            found.kinds[columns] = kind


def follow_anchors(found: Decision, anchors: NDArray[np.intp]) -> None:
    """Keep the blocks of the `anchors` (n_anchors,) and the anchors themselves; other blocks go, in place.

    A block of one column says nothing of what belongs to it: if no anchor shares its block, no block goes.
    """
    named = np.zeros(len(found.support), dtype=bool)
    named[anchors] = True
    shared = np.bincount(found.blocks[found.support], minlength=int(found.blocks.max()) + 1)[found.blocks] > 1
    tied = np.isin(found.blocks, found.blocks[named & found.support])
    lost = named & ~found.support & (found.kinds != "constant")
    if not (tied & found.support & shared).any():
        found.keep(named, "anchors: none of them shares a block with another feature; no block goes for their sake")
        return
    goes = found.support & ~tied
    found.support = found.support & tied
    found.kinds[goes] = "no tie to an anchor"
    if lost.any():
        found.keep(lost, f"anchors: {int(lost.sum())} of them depend on nothing, but were named; they stay")


def _rows_to_ask(
    known: Knowledge, n_rows: int, max_rows: int, rng: np.random.Generator
) -> tuple[NDArray[np.intp], Knowledge]:
    """Rows that evidence is taken from: all that are known, and others at random up to `max_rows`, in their order."""
    if n_rows <= max_rows:
        return np.arange(n_rows), known
    told = known.anomaly | known.normal
    others = np.flatnonzero(~told)
    n_others = min(len(others), max(max_rows - int(told.sum()), max_rows // 2))
    rows = np.sort(np.append(np.flatnonzero(told), rng.choice(others, n_others, replace=False)))
    return rows, Knowledge(known.anomaly[rows], known.normal[rows], known.rows)


def _columns_of(known: Knowledge, columns: NDArray[np.intp]) -> Knowledge:
    """The same knowledge of some columns."""
    return Knowledge(known.anomaly, known.normal, known.rows[:, columns] if len(known.rows) else known.rows)


def _filled(X: Floats) -> Floats:
    """`X` (n_rows, n_features) with the median in place of missing values."""
    missing = np.isnan(X)
    if not missing.any():
        return X
    lost = missing.all(axis=0)
    middle = np.nanmedian(np.where(lost, 0.0, X), axis=0)
    return np.where(missing, middle, X)


def _filled_rows(known: Knowledge, table: Floats) -> Knowledge:
    """The same knowledge without missing values in further rows."""
    if not len(known.rows) or not np.isnan(known.rows).any():
        return known
    filled = np.where(np.isnan(known.rows), np.median(table, axis=0), known.rows)
    return Knowledge(known.anomaly, known.normal, filled)
