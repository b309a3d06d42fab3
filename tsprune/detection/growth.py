"""Growth: trends and level shifts, removed before detection where held-out rows confirm them.

Invariant: an incident is no growth. A trend must explain the typical held-out block of rows, so that a stretch which
fills less than half of the series cannot carry it, and must continue into rows it was not learnt from. A level shift
must last to the next shift or the end, at least an eighth of the series, and its reversal takes both back. The first
rows after a shift still show it: the new level counts once it has lasted.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detectors.report import PruningRecord
from tsprune.detection.seasonal_profile import unexplained_by_others

__all__ = ["Growth", "Growths"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

_MIN_ROWS = 128  # four rows for each of the blocks
_BLOCKS = 32  # contiguous; those with an even number judge the trend of the others, and the other way round
_PARTS = 8  # medians a block, to which lines are fitted
_PIECES = (1, 2, 4, 8)  # lines; an incident shorter than a sixteenth of the series cannot bend one of them
_PIECE_ROWS = 128  # at least, in a piece
_NO_UNIT = 1e-4  # of the deviations; growth that leaves less leaves no noise to measure a deviation with
_MIN_SHARE = 0.3  # of the mean absolute deviation that the typical block must have for growth to matter
_MIN_GAIN = 0.3  # of the mean absolute deviation of the typical held-out block, as for seasons
_BEND_GAIN = 0.1  # more pieces must explain at least that much more
_STEPS = 20  # reweighting steps towards least absolute deviations
_SHORTEST_LEVEL = 8  # a level lasts at least this share (1/8) of the series
_JUMP = 8.0  # robust deviations of the differences between neighbouring stretches
_REVERSAL = 0.5  # jumps that cancel up to this share of the larger one are an incident
_VISIBLE = 12  # rows after a shift that still show it
_NORMAL = 1.4826  # deviations of a normal distribution in a median absolute deviation


@dataclass(frozen=True)
class Growth:
    """A trend of line pieces and the level shifts of one series; 0 in the middle of training.

    Attributes
    ----------
    knots, heights : ndarray of shape (n_knots,)
        Positions on the grid and the trend there; after the last knot the line goes on up to `horizon`, then level.
    horizon : float
        Last position up to which the continuation was confirmed.
    shifts, jumps : ndarray of shape (n_shifts,)
        Positions at which the level changes for good, and by how much.

    Examples
    --------
    >>> import numpy as np
    >>> position = np.arange(600)
    >>> y = 0.1 * position + np.random.default_rng(0).normal(size=600)
    >>> growth, record = Growth.fit(y, position, "y")
    >>> record.kept, [round(float(v)) for v in growth.at(np.array([0, 300, 700]))]
    (False, [-30, 0, 40])
    """

    knots: Floats
    heights: Floats
    horizon: float
    shifts: Floats
    jumps: Floats

    @classmethod
    def fit(cls, column: Floats, position: Integers, name: str) -> tuple[Growth | None, PruningRecord]:
        """Return the growth, None if held-out rows do not confirm any, and the record of the decision.

        Parameters
        ----------
        column : ndarray of shape (n_timepoints,)
            Without its seasons; NaN is missing.
        position : ndarray of int of shape (n_timepoints,)
            Place of every row on the grid of times.
        name : str
            Of the series, for the record.
        """
        item = f"{name} growth"
        present = ~np.isnan(column)
        y, x = column[present], position[present].astype(np.float64)
        if y.size < _MIN_ROWS:
            reason = f"{y.size} rows; {_MIN_ROWS} are needed to confirm growth on rows it was not learnt from"
            return None, PruningRecord(item, "trend", True, reason, y.size, _MIN_ROWS)
        y = y - np.median(y)
        shifts, jumps = _level_shifts(y, x)
        steps = _steps_at(x, shifts, jumps)
        before = _typical(y - np.median(y))
        by_steps = _typical(_centred(y - steps)) if shifts.size else before
        pieces, after = _held_out_pieces(y - steps, x, by_steps)
        if pieces and _forward_gain(y - steps, x, pieces) < _MIN_GAIN:
            pieces, after = 0, by_steps
        matters = before > _MIN_SHARE * float(np.abs(_centred(y)).mean())
        gain = 1.0 - after / before if matters else 0.0
        if gain < _MIN_GAIN:
            reason = "held-out rows do not confirm a trend or a level shift that goes on"
            return None, PruningRecord(item, "trend", True, reason, gain, _MIN_GAIN)
        if after <= _NO_UNIT * before:
            reason = "the growth leaves no noise: nothing would measure how far a row is off it"
            return None, PruningRecord(item, "trend", True, reason, gain, 1.0 - _NO_UNIT)
        knots, heights = _fit_lines(*_medians(y - steps, x), max(pieces, 1), x)
        if not pieces:
            heights = np.full(2, float(np.median(y - steps)))
        horizon = float(x[-1] + (x[-1] - x[0]) / 2.0)  # as far as the first half told the second
        parts = ([f"{pieces} line piece{'s' * (pieces > 1)}"] if pieces else []) + (
            [f"{shifts.size} level shift{'s' * (shifts.size > 1)}"] if shifts.size else []
        )
        reason = f"{' and '.join(parts)} explain {gain:.0%} of the deviations of held-out rows"
        return cls(knots, heights, horizon, shifts, jumps), PruningRecord(item, "trend", False, reason, gain, _MIN_GAIN)

    def at(self, position: Integers) -> Floats:
        """Return the growth (n_timepoints,) at positions on the grid; a level shift shows for its first rows."""
        x = np.minimum(position.astype(np.float64), self.horizon)
        return _lines_at(x, self.knots, self.heights) + _steps_at(x, self.shifts + _VISIBLE, self.jumps)


@dataclass(frozen=True)
class Growths:
    """The confirmed growth of every series.

    Attributes
    ----------
    growths : tuple of (Growth or None)
        Per series.
    records : tuple of PruningRecord
        Every decision.
    """

    growths: tuple[Growth | None, ...]
    records: tuple[PruningRecord, ...]

    @classmethod
    def fit(cls, values: Floats, position: Integers, names: Sequence[str]) -> Growths:
        """Confirm the growth of `values` (n_timepoints, n_series), without seasons, at `position` (n_timepoints,).

        Of several series, one keeps growth that the others tell as well, as it keeps such a season.
        """
        found = [Growth.fit(values[:, k], position, name) for k, name in enumerate(names)]
        if len(found) > 1 and any(growth is not None for growth, _ in found):
            alone = unexplained_by_others(values)
            for k, (growth, record) in enumerate(found):
                if growth is not None and Growth.fit(alone[:, k], position, names[k])[0] is None:
                    reason = "the other series tell it as well: the relation between them is worth more"
                    found[k] = None, dataclasses.replace(record, kept=True, reason=reason)
        return cls(tuple(growth for growth, _ in found), tuple(record for _, record in found))

    def remove(self, values: Floats, position: Integers) -> Floats:
        """Return `values` (n_timepoints, n_series) less the confirmed growth."""
        if not any(self.growths):
            return values
        rest = values.copy()
        for column, growth in enumerate(self.growths):
            if growth is not None:
                rest[:, column] -= growth.at(position)
        return rest


def rough_growth(column: Floats, position: Integers) -> Floats:
    """Return lines through medians (n_timepoints,), a first guess that shows the season; no evidence is asked for."""
    present = ~np.isnan(column)
    y, x = column[present], position[present].astype(np.float64)
    if y.size < _MIN_ROWS:
        return np.zeros(column.size)
    shifts, jumps = _level_shifts(y, x)
    knots, heights = _fit_lines(*_medians(y - _steps_at(x, shifts, jumps), x), _pieces(y.size)[-1], x)
    where = position.astype(np.float64)
    return _lines_at(where, knots, heights) + _steps_at(where, shifts, jumps)


def _pieces(n: int) -> tuple[int, ...]:
    """Numbers of line pieces that `n` rows can show."""
    return tuple(pieces for pieces in _PIECES if pieces * _PIECE_ROWS <= n)


def _centred(y: Floats) -> Floats:
    """`y` (n,) less its median."""
    return np.asarray(y - np.median(y))


def _medians(y: Floats, x: Floats) -> tuple[Floats, Floats]:
    """Medians of equal stretches of `y` (n,) and the middle of their positions."""
    bounds = np.unique(np.linspace(0, y.size, _BLOCKS * _PARTS + 1).astype(np.int64))
    ends = list(zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True))
    return np.array([np.median(y[a:b]) for a, b in ends]), np.array([x[a:b].mean() for a, b in ends])


def _hats(x: Floats, knots: Floats) -> Floats:
    """Values (n, n_knots) of the piecewise linear functions that are 1 at one knot; the end lines go on."""
    piece = np.clip(np.searchsorted(knots, x, side="right") - 1, 0, knots.size - 2)
    share = (x - knots[piece]) / (knots[piece + 1] - knots[piece])
    basis = np.zeros((x.size, knots.size))
    rows = np.arange(x.size)
    basis[rows, piece], basis[rows, piece + 1] = 1.0 - share, share
    return basis


def _lines_at(x: Floats, knots: Floats, heights: Floats) -> Floats:
    """The lines (n,) at `x`."""
    return np.asarray(_hats(x, knots) @ heights)


def _fit_lines(y: Floats, x: Floats, pieces: int, span: Floats) -> tuple[Floats, Floats]:
    """Knots over the span and heights there, by reweighted least squares towards least absolute deviations."""
    knots = np.linspace(span[0], span[-1], pieces + 1)
    basis, weights = _hats(x, knots), np.ones(y.size)
    heights: Floats = np.zeros(knots.size)
    for _ in range(_STEPS):
        root = np.sqrt(weights)
        heights = np.asarray(np.linalg.lstsq(basis * root[:, None], y * root, rcond=1e-9)[0])
        rest = np.abs(y - basis @ heights)
        least = 0.1 * float(np.median(rest))
        if least <= 0.0:
            break
        weights = 1.0 / np.maximum(rest, least)
    return knots, heights


def _blocks(n: int) -> Integers:
    """Number (n,) of the block of every row."""
    return np.arange(n) * _BLOCKS // n


def _typical(rest: Floats) -> float:
    """Median over blocks of the mean absolute deviation (n,)."""
    block = _blocks(rest.size)
    return float(np.median(np.bincount(block, np.abs(rest)) / np.bincount(block)))


def _held_out_pieces(y: Floats, x: Floats, before: float) -> tuple[int, float]:
    """The fewest line pieces that explain held-out blocks nearly best, 0 for none, and what they leave."""
    block = _blocks(y.size)
    left = []
    for pieces in _pieces(y.size):
        rest = np.empty(y.size)
        for k in (0, 1):
            learn, judge = block % 2 == k, block % 2 != k
            knots, heights = _fit_lines(*_medians(y[learn], x[learn]), pieces, x)
            rest[judge] = y[judge] - _lines_at(x[judge], knots, heights)
        left.append(_typical(rest))
    best = min(left)
    if best > (1.0 - _BEND_GAIN) * before:
        return 0, before
    chosen = next(k for k, value in enumerate(left) if value * (1.0 - _BEND_GAIN) <= best)
    return _PIECES[chosen], left[chosen]


def _forward_gain(y: Floats, x: Floats, pieces: int) -> float:
    """Share of the deviations of later rows that the line learnt before them explains, the least of two forecasts."""
    gains = []
    for learnt in (y.size // 2, 3 * y.size // 4):
        few = max(1, pieces * learnt // y.size)
        knots, heights = _fit_lines(*_medians(y[:learnt], x[:learnt]), few, x[:learnt])
        rest = np.abs(y[learnt:] - _lines_at(x[learnt:], knots, heights))
        level = np.abs(y[learnt:] - np.median(y[:learnt]))
        gains.append(1.0 - float(np.median(rest)) / max(float(np.median(level)), np.finfo(float).tiny))
    return min(gains)


def _level_shifts(y: Floats, x: Floats) -> tuple[Floats, Floats]:
    """Positions and jumps of the shifts that last: differences of neighbouring stretches far beyond the usual."""
    none = np.empty(0), np.empty(0)
    width = max(4, y.size // (2 * _SHORTEST_LEVEL))
    every = max(1, width // 64)
    middles = np.arange(width, y.size - width + 1, every)
    if middles.size < 2 * _SHORTEST_LEVEL:
        return none
    windows = np.lib.stride_tricks.sliding_window_view(y, width)
    levels = np.median(windows[::every], axis=1)
    apart = width // every
    jump = levels[apart:] - levels[: levels.size - apart]
    at = np.arange(jump.size) * every + apart * every
    places = np.median(np.lib.stride_tricks.sliding_window_view(x, width)[::every], axis=1)
    distance = places[apart:] - places[: places.size - apart]
    typical = float(np.median(jump / distance)) * distance  # a slope moves the level across a gap, too
    spread = _NORMAL * float(np.median(np.abs(jump - typical)))
    size = np.abs(jump - typical)
    found: list[tuple[int, float]] = []
    while True:
        free = np.ones(jump.size, dtype=bool)
        for row, _ in found:
            free[np.abs(at - row) < 2 * width] = False
        if not free.any() or len(found) > _SHORTEST_LEVEL:
            break
        best = int(np.argmax(np.where(free, size, -1.0)))
        if size[best] <= _JUMP * spread or spread <= 0.0:
            break
        row = _sharpest(y, int(at[best]), width // 2)
        found.append((int(at[best]), float((jump - typical)[best])))
        found[-1] = (row, found[-1][1])
    return _lasting(sorted(found), x, y.size)


def _sharpest(y: Floats, row: int, reach: int) -> int:
    """The row within `reach` at which the sum of absolute deviations from two levels is least."""
    first, last = max(0, row - reach), min(y.size, row + reach)
    part = y[first:last]
    low, high = np.median(y[max(0, first - reach) : first + 1]), np.median(y[last - 1 : last + reach])
    cost = np.cumsum(np.abs(part - low) - np.abs(part - high))
    return first + int(np.argmin(cost)) + 1


def _lasting(found: list[tuple[int, float]], x: Floats, n: int) -> tuple[Floats, Floats]:
    """Shifts that are not taken back by the next one and leave levels that last."""
    kept: list[tuple[int, float]] = []
    for row, jump in found:
        if kept and kept[-1][1] * jump < 0 and abs(kept[-1][1] + jump) < _REVERSAL * max(abs(kept[-1][1]), abs(jump)):
            kept.pop()
        else:
            kept.append((row, jump))
    bounds = [0, *[row for row, _ in kept], n]
    if any(b - a < n // _SHORTEST_LEVEL for a, b in itertools.pairwise(bounds)):
        kept = [
            (row, jump)
            for k, (row, jump) in enumerate(kept)
            if min(row - bounds[k], bounds[k + 2] - row) >= n // _SHORTEST_LEVEL
        ]
    return x[[row for row, _ in kept]] if kept else np.empty(0), np.array([jump for _, jump in kept])


def _steps_at(x: Floats, shifts: Floats, jumps: Floats) -> Floats:
    """Sum (n,) of the jumps at or before `x`."""
    total = np.concatenate(([0.0], np.cumsum(jumps)))
    return np.asarray(total[np.searchsorted(shifts, x, side="right")])
