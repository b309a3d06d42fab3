"""Memory: decisions on settled rows stand although new rows come.

Two ways. Decisions of an earlier fit that are given are final. Without them, a fit that finds a settled row on the
verge of its threshold asks what the series looked like at an earlier, fixed length: what was changed then stays
changed while a weaker evidence holds, and what was not needs a stronger one (hysteresis). The fixed lengths are the
same for every later fit, so that the answer is the same tomorrow.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from tsprune.cleaning.change import Change
from tsprune.cleaning.imputation import interpolate_rows
from tsprune.cleaning.judgement import LEVEL_SHIFT, Column, Findings
from tsprune.cleaning.kernels.level_blocks import running_sum
from tsprune.cleaning.kernels.patches import best_patches, innovations, patch_fit
from tsprune.cleaning.model import SeriesModel, fit_model, total_season
from tsprune.cleaning.recurrence import departures, recurring

__all__ = ["earlier_length", "is_on_the_verge", "recall", "settled_rows", "uphold"]

Floats = NDArray[np.float64]

_BY_Z = ("spike", "burst", LEVEL_SHIFT)  # whose statistic is a z
_ENTER = 1.3  # times the threshold: evidence for what an earlier look did not find
_LEAVE = 0.7  # times the threshold: evidence for what an earlier look found
_VERGE = 0.85  # times the threshold: what comes so close may pass it with a few more rows
_SHORTEST = 256  # rows of the shortest earlier look
_LONGEST = 10_000  # rows; in longer records a second look costs minutes, and one row more is no news
_LOOKS = 4  # earlier looks in every doubling of the length
_SETTLED = 14  # rows, at least, behind which a decision is settled; two seasons, if that is more


def settled_rows(n: int, periods: tuple[int, ...]) -> int:
    """Return how many of the first of `n` rows are settled."""
    return max(0, n - max(_SETTLED, 2 * max(periods, default=1) if len(periods) < 2 else 2 * periods[0]))


def earlier_length(n: int, periods: tuple[int, ...]) -> int:
    """Return the largest of 256, 320, 384, 448, 512, 640, ... rows below `n`; 0 if none leaves something settled."""
    if not _SHORTEST < n <= _LONGEST:
        return 0
    octave = 1 << ((n - 1).bit_length() - 1)
    length = octave + (n - 1 - octave) * _LOOKS // octave * (octave // _LOOKS)
    return length if settled_rows(length, periods) > 0 else 0


def is_on_the_verge(column: Column, settled: int) -> bool:
    """True where a decision on the first `settled` rows of `column` may be another one with a few more rows."""
    if column.model is None:
        return False
    found = [c for c in column.changes if c.reason in _BY_Z and c.stop <= settled]
    if any(abs(c.statistic) < _ENTER * c.threshold for c in found):
        return True
    strongest = _evidence_left(column, column.model, settled)
    return bool(strongest >= _VERGE * 5.0)


def _evidence_left(column: Column, model: SeriesModel, settled: int) -> float:
    """The largest |z| of one or two rows, among the first `settled`, that were not changed."""
    hidden = ~column.trusted
    a = _filled(column, model)
    v = np.where(hidden, 0.0, 1.0 / model.scale**2)
    e = innovations(a, model.phi)
    z, stop, scratch = np.zeros(a.size), np.zeros(a.size, np.int64), np.empty((5, a.size + 1))
    best_patches(e, v, np.cumsum(model.phi), 0, settled, 1, 2, 9.0, 0.0, 1.0, z, stop, scratch)
    return float(np.abs(z[:settled]).max(initial=0.0))


def _filled(column: Column, model: SeriesModel) -> Floats:
    """The adjusted series of a column (n_timepoints,) with the levels moved back and what is not trusted filled."""
    hidden = ~column.trusted
    a = np.where(hidden, 0.0, column.x - column.offset - total_season(model.seasonal) - model.mean)
    return interpolate_rows(a, model.phi, 1.0 / model.scale**2, hidden)[0] if hidden.any() else a


def recall(column: Column, earlier: Callable[[], Sequence[Change]], settled: int) -> Findings:
    """Weigh the decisions on the first `settled` rows against those of an `earlier` look, where any is on the verge."""
    if not is_on_the_verge(column, settled):
        return Findings()
    then = [c for c in earlier() if c.reason in _BY_Z and c.stop <= settled]
    now = [c for c in column.changes if c.reason in _BY_Z and c.stop <= settled]
    new = [c for c in now if not any(_overlap(c, old) for old in then)]
    dropped = [c for c in new if abs(c.statistic) < _ENTER * c.threshold]
    gone = [c for c in then if not any(_overlap(c, one) for one in column.changes if c.reason != "gap")]
    kept = [c for c in gone if c.repaired and _still_evident(column, c)]
    if kept and column.model is not None:
        known = ~(column.missing | column.protected)
        away = departures(np.where(known, column.x, np.nan), column.model, column.periods)
        habit = recurring([*kept, *now], column.clocks, known, away)[: len(kept)]
        kept = [c for c, is_habit in zip(kept, habit, strict=True) if not is_habit]
    if not dropped and not kept:
        return Findings()
    said = [f"{len(dropped)} findings on settled rows are not beyond doubt, and left alone"] if dropped else []
    return _with_model(column, kept, dropped, said)


def uphold(column: Column, decided: Sequence[Change], settled: int) -> Findings:
    """Put the decisions of an earlier fit in the place of those on the first `settled` rows of `column`."""
    ours = [c for c in column.changes if c.reason != "gap"]
    mine = [c for c in decided if c.reason != "gap" and c.start < settled]
    withdrawn = [c for c in ours if c.start < settled or any(_overlap(c, old) for old in mine)]
    return _with_model(column, mine, withdrawn, [])


def _overlap(one: Change, other: Change) -> bool:
    """True if the two share a row."""
    return one.start < other.stop and other.start < one.stop


def _still_evident(column: Column, change: Change) -> bool:
    """True where `change` still has a weaker evidence in the present model of `column`."""
    model = column.model
    if model is None or not column.trusted[change.start : change.stop].any():
        return False
    e = innovations(_filled(column, model), model.phi)
    v = np.where(column.trusted, 1.0 / model.scale**2, 0.0)
    sums = np.cumsum(model.phi)
    xe, xx, _ = patch_fit(e, v, running_sum(v * e), running_sum(v), sums, change.start, change.stop, 1.0)
    return bool(xx > 0.0 and abs(xe) >= _LEAVE * change.threshold * np.sqrt(xx) and xe * change.size > 0.0)


def _with_model(column: Column, added: list[Change], withdrawn: list[Change], said: list[str]) -> Findings:
    """Findings that change what is wrong, with the model fitted again without it."""
    after = Column(column.x, column.protected)
    after.changes = [c for c in column.changes if c not in withdrawn] + added
    if column.model is None or not after.trusted.any():
        return Findings(added, withdrawn, said)
    model = fit_model(column.x - after.offset, ~after.trusted & ~after.missing, column.periods)
    return Findings(added, withdrawn, said, model)
