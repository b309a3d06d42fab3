"""Decision: from evidence to flagged rows, for `SeriesDetector.predict`.

The windows of the features carry a short incident far into the ordinary rows around it. So the decision looks twice:
rows whose values alone are abnormal stand for themselves; without them the evidence is gathered anew, and what is
still abnormal is so in its own right. The ordinary tail is fitted to evidence of that second kind: a few incidents,
or many spikes, neither raise the threshold nor hide each other.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tsprune.detection.alarms import AlarmBudget, FalseAlarmRate
from tsprune.detection.episodes import EpisodeRule, fill_holes, peaks, runs
from tsprune.detection.evidence import SeriesRows
from tsprune.detection.scores import ScoreUnit
from tsprune.detection.thresholds import OrdinaryTail
from tsprune.detection.window_energy import WindowEnergy
from tsprune.exceptions import InvalidSeriesError

__all__ = ["EpisodeDecision"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Mask = NDArray[np.bool_]
Again = Callable[[SeriesRows, Mask], Floats]

_FALSE_EPISODES = 0.2  # in an ordinary series as long as training, for contamination="auto"
_LIMIT_FIXED = 3.0  # peaks in a batch of n rows of k series: 3 + sqrt(n) / 100 * (1 + log2(k))
_LIMIT_ROOT = 0.01
_OWN_BLOCK = 4  # rows: with spikes in a twentieth of the rows most blocks are still ordinary
_OWN_SHIFT = 3.0  # units; beyond it distances count by their logarithm
_OWN_MOST = 0.1  # of the rows; more are no exception
_OWN_FALSE = 0.05  # ordinary rows in 1000 that stand for themselves, next to abnormal ones
_HOLE = 2  # rows


@dataclass(frozen=True)
class EpisodeDecision:
    """The fitted decision.

    Attributes
    ----------
    rule : EpisodeRule
    levels : WindowEnergy
        Distance of the values of a row, without any window.
    unit : ScoreUnit
        Of that distance.
    own_bar : float
        The distance from which a row stands for itself.
    reach : int
        Rows on either side that an abnormal value raises.
    """

    rule: EpisodeRule
    levels: WindowEnergy
    unit: ScoreUnit
    own_bar: float
    reach: int

    @classmethod
    def fit(
        cls,
        rows: SeriesRows,
        evidence: Floats,
        *,
        levels: NDArray[np.intp],
        reach: int,
        again: Again,
        choice: Any = "auto",
        labels: Integers | None = None,
        rows_per: float = 1000.0,
    ) -> EpisodeDecision:
        """Learn what is ordinary.

        Parameters
        ----------
        rows : SeriesRows
            Of training.
        evidence : ndarray of shape (n_rows,)
            Joined and held out.
        levels : ndarray of int
            Columns of the features that are values.
        reach : int
        again : callable
            Evidence (n_rows,) of rows without the values of those in a mask (n_rows,).
        choice : "auto", AlarmBudget, FalseAlarmRate or "labels"
        labels : ndarray of int of shape (n_rows,), optional
            -1 abnormal, +1 normal, 0 unknown; needed for "labels".
        rows_per : float
            Rows that `choice.per` stands for.
        """
        n = evidence.size
        energy = WindowEnergy([levels]).fit(rows.features)
        unit = ScoreUnit.fit(energy.held_out_[:, 0])
        own = unit.of(energy.held_out_[:, 0])
        suspected = OrdinaryTail.fit(_logarithm(own), block=min(_OWN_BLOCK, n)).suspected
        suspected &= suspected.mean() <= _OWN_MOST
        energy = WindowEnergy([levels]).fit(rows.features[~suspected])  # what is abnormal widens no distance
        unit = ScoreUnit.fit(energy.held_out_[:, 0])
        own_tail = OrdinaryTail.fit(unit.of(energy.held_out_[:, 0]))
        rest = again(rows, suspected) if suspected.any() else evidence
        tail = OrdinaryTail.fit(rest, reach=min(reach, n // 10))
        rule = _rule(tail, n, levels.size, evidence, choice, labels, rows_per)
        return cls(rule, energy, unit, own_tail.level(_OWN_FALSE, 1000.0), reach)

    def flags(self, rows: SeriesRows, evidence: Floats, again: Again) -> Mask:
        """Return which rows (n_rows,) belong to an episode; `evidence` (n_rows,) is that of all values."""
        hot = self.rule.flags(evidence)
        if not hot.any():
            return hot
        near = np.convolve(hot, np.ones(2 * self.reach + 1), mode="full")[self.reach : self.reach + hot.size] > 0.5
        own = near & (self.unit.of(self.levels.of(rows.features)[:, 0]) > self.own_bar)
        if not own.any():
            return hot
        rest = again(rows, own)
        return fill_holes(hot & (own | (rest > self.rule.base)), _HOLE)

    def held(self, evidence: Floats, flags: Mask) -> Floats:
        """Return the evidence (n_rows,) held above the threshold inside episodes and at most there outside."""
        base = self.rule.base
        inside = np.maximum(evidence, base + 1e-9 * (1.0 + abs(base)))
        return np.where(flags, inside, np.minimum(evidence, base))


def _logarithm(own: Floats) -> Floats:
    """Logarithm (n_rows,) of distances: heavy tails become straight ones, and only what is beyond them is suspected."""
    return np.asarray(np.log(np.maximum(own + _OWN_SHIFT, 0.1 * _OWN_SHIFT)))


def _rule(
    tail: OrdinaryTail, n: int, n_series: int, evidence: Floats, choice: Any, labels: Integers | None, rows_per: float
) -> EpisodeRule:
    """The rule that was asked for."""
    if isinstance(choice, FalseAlarmRate):
        return EpisodeRule(tail, tail.level(choice.episodes, rows_per))
    if isinstance(choice, AlarmBudget):
        share = choice.episodes / rows_per
        heights = peaks(evidence)
        few = max(1, int(share * n))
        base = float(heights[few - 1] + heights[few]) / 2.0 if heights.size > few else tail.location
        return EpisodeRule(tail, base, 0.0, 0.0, share)
    if choice == "labels":
        return EpisodeRule(tail, _base_by_labels(tail, n, evidence, labels))
    root = _LIMIT_ROOT * (1.0 + float(np.log2(n_series)))
    return EpisodeRule(tail, tail.level(_FALSE_EPISODES, n), _LIMIT_FIXED, root)


def _base_by_labels(tail: OrdinaryTail, n: int, evidence: Floats, labels: Integers | None) -> float:
    """The level that finds most labelled episodes with fewest labelled normal rows; the strictest of equals."""
    if labels is None or not (np.asarray(labels) != 0).any():
        raise InvalidSeriesError(
            "contamination='labels' needs y with -1 (abnormal), +1 (normal) and 0 (unknown) for every row, got none; "
            "pass y, or another contamination."
        )
    given = np.asarray(labels)
    highest = [float(evidence[a:b].max()) for a, b in runs(given < 0)]
    normal = evidence[given > 0]
    start = tail.level(_FALSE_EPISODES, n)
    options = np.unique(np.concatenate((highest, [normal.max()] if normal.size else [], [start])))
    middles = np.concatenate(([options[0] - 1e-6], (options[1:] + options[:-1]) / 2.0, [options[-1] + 1e-6, start]))
    wrong = [sum(h <= level for h in highest) + len(runs((given > 0) & (evidence > level))) for level in middles]
    best = np.flatnonzero(np.asarray(wrong) == min(wrong))
    return float(middles[best][np.argmin(np.abs(middles[best] - start))])
