"""Excursions of long records: hours to weeks in which a sensor is not itself, and after which it is again.

Ice in a stilling well, a fouled lens, a sensor that falls dry or loses its supply: what most of these have in common is
neither the level nor the shape but that the record, calm before and after, moves within the cycle as it never does
elsewhere (erratic stretches); others go to a level apart and are back at once (level excursions). Both are judged by
the record itself: by its own calm cycles, and by its own changes of level over as many cycles.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tsprune.cleaning.change import Change, rows_of
from tsprune.cleaning.judgement import LEVEL_SHIFT, Column, Findings
from tsprune.cleaning.kernels.excursions import bridge_roughness, reach_above, running_mean, running_quantile
from tsprune.cleaning.kernels.running_median import running_median
from tsprune.cleaning.kernels.seasonal_smoothing import phase_medians
from tsprune.cleaning.model import fit_model, total_season

__all__ = ["Excursion", "find_erratic_stretches", "find_level_excursions", "judge_excursions"]

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

_FEWEST_CYCLES = 60  # two neighbourhoods: with fewer, days of unrest cannot be told from the character of the series
_FINEST = 24  # rows a cycle, at least: below that a cycle has no inside
_NEIGHBOURHOOD = 30  # cycles on either side that say what is calm
_CALM = 0.1587  # share of a normal variable below mean - 1 standard deviation: the calm cycles
_CALMEST = 0.0228  # ... below mean - 2: the distance of the two is one standard deviation of calm
_ENTER, _LEAVE = 5.0, 2.5  # standard deviations of calm above it
_ENTER_TIMES, _LEAVE_TIMES = 5.0, 2.0  # as rough as calm, at least
_CALM_AT_LEAST = 0.5  # of the typical roughness: a sensor at rest on a bound, or a record mostly wild, has no calm
_FEWEST_ROWS = 96  # to average roughness over, in whole cycles: of fewer rows, a few large ones make the mean
_ONE_ROW = 6  # no row counts for more than a sixth of those, were they calm: spikes and steps are not stretches
_LONGEST = 20  # cycles, and a fifth of the record: what lasts longer is another regime
_LONGEST_SHARE = 5
_OPEN = 2.0  # times the longest stretch that was seen to end: more is not believed of one that reaches an end
_STEADIER = 0.75  # the log scale is taken where the spread of roughness is less than that of the plain scale
_STEADIER_BY = 0.5  # octaves; the spreads of two steady scales do not matter
_STEPS = 8  # parts of a cycle: how often calm is looked up, and the window that finds the ends


_SPANS = (1, 2, 4, 8, 16)  # cycles: the lengths of level excursions that are looked for
_USUAL = 0.9  # quantile of the record's own departures over as many cycles
_APART = 15.0  # times the usual departure
_BACK = 2.0  # times the usual departure, or an eighth of its own: so close, it is back
_MOST_LEVELS = 0.1  # of the rows


@dataclass(frozen=True)
class Excursion:
    """Rows ``start .. stop - 1``; `statistic` times what is calm or usual in the record, beyond `threshold`."""

    start: int
    stop: int
    statistic: float
    threshold: float


def judge_excursions(column: Column) -> Findings:
    """Find erratic stretches and level excursions; level shifts that are still wild inside are taken back."""
    if column.model is None or not column.periods:
        return Findings()
    season = total_season(column.model.seasonal)
    blocks = [change for change in column.changes if change.reason == LEVEL_SHIFT]
    erratic, away, said = _find_excursions(column, blocks, season)
    wild = [b for b in blocks if any(e.start < b.stop and b.start < e.stop for e in erratic + away)]
    if wild:  # moved back, the block is still out of all proportion inside: no level explains it
        blocks = [block for block in blocks if block not in wild]
        erratic, away, said = _find_excursions(column, blocks, season)
    moved = column.level_shift == "repair"
    changes = [Change(e.start, e.stop, "erratic stretch", e.statistic, e.threshold) for e in erratic]
    changes += [Change(e.start, e.stop, "level excursion", e.statistic, e.threshold, repaired=moved) for e in away]
    if not changes:
        return Findings(withdrawn=wild, guards=said)
    wrong = column.wrong | rows_of([c for c in changes if c.repaired], column.x.size)
    model = fit_model(_without(column.x, blocks), wrong | column.protected, column.periods)
    return Findings(changes, wild, said, model)


def _without(x: Floats, blocks: list[Change]) -> Floats:
    """`x` (n_timepoints,) less the level shifts."""
    rest = x.copy()
    for block in blocks:
        rest[block.start : block.stop] -= block.size
    return rest


def _find_excursions(
    column: Column, blocks: list[Change], season: Floats
) -> tuple[list[Excursion], list[Excursion], list[str]]:
    """Erratic stretches and level excursions of a column less the blocks, and why some were left."""
    rest, bad = _without(column.x, blocks), column.wrong | column.protected
    erratic, said = find_erratic_stretches(rest, bad, column.periods)
    return erratic, find_level_excursions(rest, bad, season, column.main_period), said


def find_erratic_stretches(x: Floats, bad: Mask, periods: tuple[int, ...]) -> tuple[list[Excursion], list[str]]:
    """Return the erratic stretches of `x` (n_timepoints,), NaN = missing, in order, and what the gates said.

    `bad` rows (n_timepoints,) have no say. Records of fewer than 60 cycles, or of cycles of fewer than 24 rows,
    have none.

    Roughness is the mean distance, over one cycle and at least 96 rows, of every row from the line between its
    neighbours a 24th of a cycle before and after, on a log scale; calm is the lower sixth of it among the 30 cycles on
    either side. A stretch is entered where roughness is five times that of calm and five standard deviations of calm
    above it, and left where it is no longer twice and 2.5; the rhythm that roughness has in the longest of `periods`
    (busy weekdays, calm weekends) is taken off. It must be left again: one that reaches the first or the last row
    counts only if stretches half as long were seen to end.
    """
    period = periods[0]
    y = _long_record(x, bad, period)
    if y is None:
        return [], []
    window = period * -(-_FEWEST_ROWS // period)
    scale = _steadier_scale(y, window)
    distance = bridge_roughness(scale, period // 24)
    rough = _log_mean(distance, window)
    if not np.isfinite(rough).any():
        return [], []
    rhythm = _rhythm(rough, periods)
    rough = rough - rhythm
    typical = float(np.nanmedian(rough))
    calm = _calm(rough, period)
    spread = -float(np.nanquantile(rough - calm, _CALMEST))
    calm = np.maximum(calm, typical + np.log2(_CALM_AT_LEAST))
    rough = _log_mean(np.minimum(distance, 2.0 ** (calm + rhythm) * window / _ONE_ROW), window) - rhythm
    found, said = _stretches(rough, calm, max(0.0, spread), period, window)
    return _without_smear(found, distance, calm + rhythm, window), said


def find_level_excursions(x: Floats, bad: Mask, seasonal: Floats, period: int) -> list[Excursion]:
    """Return the level excursions of `x` (n_timepoints,), NaN = missing, in order; `bad` rows have no say.

    Records are those of `find_erratic_stretches`; `seasonal` (n_timepoints,) is taken off. For spans of 1, 2, 4, 8 and
    16 cycles, the departure of a span is how far its median lies outside the levels of the cycles before and after
    it, so that slopes and lasting steps have none. A span counts whose departure is 15 times the usual one (the 90 %
    point of the record's own for spans that long or shorter, or the scatter within the cycle), and that ends within an
    eighth of a cycle: what flows or heats and cools goes back by and by.
    """
    y = _long_record(x, bad, period)
    if y is None:
        return []
    scale = _steadier_scale(y, period)
    if scale is y:
        scale = scale - seasonal
    else:
        scale = scale - np.resize(phase_medians(scale - running_median(scale, period // 2), period), y.size)
    scale = _without_gaps(scale)
    near = running_median(scale, period // 16)
    step = max(1, period // _STEPS)
    level = running_median(scale, period // 2)
    usual = float(np.median(np.abs(scale - level)))
    level = level[::step]
    limit = min(_LONGEST * period, y.size // _LONGEST_SHARE)
    spans: list[tuple[float, int, float, float, float]] = []
    for cycles in _SPANS:
        if cycles * period > limit:
            break
        base, departure = _departures(level, cycles * (period // step), period // step)
        usual = max(usual, float(np.quantile(np.abs(departure), _USUAL)), 1e-12 * float(np.ptp(level)))
        spans += [
            (float(abs(departure[i])) / usual, i * step, float(base[i]), float(departure[i]), usual)
            for i in np.flatnonzero(np.abs(departure) > _APART * usual).tolist()
        ]
    taken, found = np.zeros(y.size, bool), []
    for ratio, centre, base_level, departure_here, usual_here in sorted(spans, reverse=True):
        size = abs(departure_here)
        off = (near - base_level) * np.sign(departure_here)
        floor = max(_BACK * usual_here, size / 8.0)
        if taken[centre] or off[centre] <= floor:
            continue
        start, stop = reach_above(off, centre, floor)
        abrupt = off[max(start, stop - period // 8) : stop].max() > 0.5 * size
        if start == 0 or stop == y.size or stop - start > limit or not abrupt or taken[start:stop].any():
            continue
        taken[start:stop] = True
        found.append(Excursion(start, stop, ratio, _APART))
    return sorted(found, key=lambda one: one.start) if taken.sum() <= _MOST_LEVELS * y.size else []


def _departures(level: Floats, span: int, cycle: int) -> tuple[Floats, Floats]:
    """Nearest level beside every span of `level` (n_places,), and how far its median lies outside both sides' levels.

    `span` and `cycle` are in places; a span without a cycle on both sides departs by 0.
    """
    n = level.size
    middle = running_median(level, span // 2) if span > cycle else level
    before, after = np.arange(n) - span // 2 - cycle, np.arange(n) + span // 2 + cycle
    seen = (before >= 0) & (after < n)
    left, right = level[np.maximum(before, 0)], level[np.minimum(after, n - 1)]
    low, high = np.minimum(left, right), np.maximum(left, right)
    departure = np.where(seen, np.maximum(middle - high, 0.0) + np.minimum(middle - low, 0.0), 0.0)
    return np.where(departure > 0.0, high, low), departure


def _without_gaps(x: Floats) -> Floats:
    """`x` (n_timepoints,) with straight lines over its gaps."""
    t, known = np.arange(x.size), np.isfinite(x)
    return np.interp(t, t[known], x[known])


def _long_record(x: Floats, bad: Mask, period: int) -> Floats | None:
    """`x` (n_timepoints,) without `bad` rows and lone spikes; None where the record is too short or too coarse."""
    if period < _FINEST or x.size < _FEWEST_CYCLES * period:
        return None
    y = running_median(np.where(bad, np.nan, x), 1)
    return y if np.isfinite(y).sum() >= _FEWEST_CYCLES * period else None


def _log_mean(distance: Floats, window: int) -> Floats:
    """Log2 of the mean of `distance` over `window` rows (n_timepoints,); NaN without a quarter of them."""
    mean = running_mean(distance, window // 2, window // 4)
    positive = mean[mean > 0.0]
    least = float(np.quantile(positive, 0.01)) if positive.size else 1.0
    return np.asarray(np.log2(np.maximum(mean, least)))


def _steadier_scale(y: Floats, window: int) -> Floats:
    """`y` (n_timepoints,) or, where roughness in proportion to the level is far steadier, its logarithm."""
    least = float(np.nanquantile(y, 0.01))
    if least <= 0.0:
        return y
    logs = np.log(np.maximum(y, least))
    spreads = []
    for scale in (y, logs):
        rough = _log_mean(np.abs(np.diff(scale, prepend=np.nan)), window)
        spreads.append(float(np.ptp(np.nanquantile(rough, [0.1, 0.9]))))
    return logs if spreads[1] < min(_STEADIER * spreads[0], spreads[0] - _STEADIER_BY) else y


def _calm(rough: Floats, period: int) -> Floats:
    """Roughness of the calm cycles around every row (n_timepoints,), in log2."""
    step = max(1, period // _STEPS)
    places = np.arange(0, rough.size, step)
    level = running_quantile(rough[places], _NEIGHBOURHOOD * period // step, _CALM)
    return np.interp(np.arange(rough.size), places, level)


def _rhythm(rough: Floats, periods: tuple[int, ...]) -> Floats:
    """What roughness (n_timepoints,), in log2, has in common with that of other seasons; 0 with one period."""
    if len(periods) == 1:
        return np.zeros(rough.size)
    season = phase_medians(rough, periods[-1])
    return np.resize(season - np.median(season), rough.size)


def _stretches(
    rough: Floats, calm: Floats, spread: float, period: int, window: int
) -> tuple[list[Excursion], list[str]]:
    """The runs of `rough` (n_timepoints,) that pass the thresholds over `calm`, and what the gates on length said."""
    n = rough.size
    enter = max(float(np.log2(_ENTER_TIMES)), _ENTER * spread)
    leave = max(float(np.log2(_LEAVE_TIMES)), _LEAVE * spread)
    excess = np.where(np.isnan(rough), -np.inf, rough - calm)
    sizes: dict[tuple[int, int], float] = {}
    row = 0
    while row < n:
        if excess[row] <= leave:
            row += 1
            continue
        first, after = reach_above(excess, row, leave)
        peak = first + int(np.argmax(excess[first:after]))
        row = after
        if excess[peak] >= enter:  # the calm at the peak is the measure of all of the stretch
            run = reach_above(rough, peak, calm[peak] + leave)
            sizes[run] = max(float(excess[peak]), sizes.get(run, 0.0))
    edge = window // 2
    closed = {run for run in sizes if run[0] > edge and run[1] < n - edge}
    longest = max((stop - start for start, stop in closed), default=0)
    limit = min(_LONGEST * period, n // _LONGEST_SHARE)
    kept = [
        Excursion(*run, statistic=2.0**size, threshold=max(_ENTER_TIMES, 2.0 ** (_ENTER * spread)))
        for run, size in sorted(sizes.items())
        if run[1] - run[0] <= (limit if run in closed else min(limit, _OPEN * longest))
    ]
    left = len(sizes) - len(kept)
    said = f"erratic stretches left alone, too long for a fault or not seen to end: {left}"
    return kept, [said] if left else []


def _without_smear(found: list[Excursion], distance: Floats, calm: Floats, window: int) -> list[Excursion]:
    """`found` less the rows at their ends that are calm: the mean sees a stretch half a window too early."""
    near = running_mean(distance, window // _STEPS // 2, 1) > _LEAVE_TIMES * 2.0**calm
    cut = []
    for one in found:
        inside = one.start + np.flatnonzero(near[one.start : one.stop])
        if inside.size:
            cut.append(Excursion(int(inside[0]), int(inside[-1]) + 1, one.statistic, one.threshold))
    return cut
