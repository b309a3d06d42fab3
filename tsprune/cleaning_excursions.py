"""Erratic stretches of long records: hours to weeks in which a sensor is rough out of all proportion.

Ice in a stilling well, a fouled lens, a sensor that falls dry or loses its supply: what they have in common is neither
the level nor the shape but that the record, calm before and after, moves within the cycle as it never does
elsewhere. Roughness is judged by the record's own calm cycles.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tsprune.kernels.excursions import bridge_roughness, reach_above, running_mean, running_quantile
from tsprune.kernels.hampel import running_median

__all__ = ["ErraticStretch", "find_erratic_stretches"]

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

_FEWEST_CYCLES = 60  # two neighbourhoods: with fewer, days of unrest cannot be told from the character of the series
_FINEST = 24  # rows a cycle, at least: below that a cycle has no inside
_NEIGHBOURHOOD = 30  # cycles on either side that say what is calm
_CALM = 0.1587  # share of a normal variable below mean - 1 standard deviation: the calm cycles
_CALMEST = 0.0228  # ... below mean - 2: the distance of the two is one standard deviation of calm
_ENTER, _LEAVE = 5.0, 2.5  # standard deviations of calm above it
_ENTER_TIMES, _LEAVE_TIMES = 5.0, 2.0  # as rough as calm, at least
_CALM_AT_LEAST = 0.5  # of the typical roughness of the record: a sensor that rests at a bound says nothing of calm
_ONE_ROW = 6  # no row counts for more than a sixth of a calm cycle: spikes and steps are not stretches
_LONGEST = 20  # cycles, and a fifth of the record: what lasts longer is another regime
_LONGEST_SHARE = 5
_OPEN = 2.0  # times the longest stretch that was seen to end: more is not believed of one that reaches an end
_MOST = 0.5  # of the rows; more is the nature of the series
_STEADIER = 0.75  # the log scale is taken where the spread of roughness is less than that of the plain scale
_STEPS = 8  # parts of a cycle: how often calm is looked up, and the window that finds the ends


@dataclass(frozen=True)
class ErraticStretch:
    """Rows ``start .. stop - 1`` are `statistic` times as rough as calm cycles around them, beyond `threshold`."""

    start: int
    stop: int
    statistic: float
    threshold: float


def find_erratic_stretches(x: Floats, bad: Mask, period: int) -> tuple[list[ErraticStretch], list[str]]:
    """Return the erratic stretches of `x` (n_timepoints,), NaN = missing, in order, and what the gates said.

    `bad` rows (n_timepoints,) have no say.

    Records of fewer than 60 cycles, or of fewer than 24 rows a cycle, have none.

    Roughness is the mean distance, over one cycle, of every row from the line between its neighbours a 24th of a
    cycle before and after, on a log scale; calm is the lower sixth of it among the 30 cycles on either side. A stretch
    is entered where roughness is five times that of calm and five standard deviations of calm above it, and left
    where it is no longer twice and 2.5. It must be left again: one that reaches the first or the last row
    counts only if stretches half as long were seen to end.
    """
    if period < _FINEST or x.size < _FEWEST_CYCLES * period:
        return [], []
    y = running_median(np.where(bad, np.nan, x), 1)
    if np.isfinite(y).sum() < _FEWEST_CYCLES * period:
        return [], []
    scale = _steadier_scale(y, period)
    distance = bridge_roughness(scale, period // 24)
    rough = _log_mean(distance, period)
    typical = float(np.nanmedian(rough))
    if not np.isfinite(typical):
        return [], []
    calm = _calm(rough, period)
    spread = -float(np.nanquantile(rough - calm, _CALMEST))
    calm = np.maximum(calm, typical + np.log2(_CALM_AT_LEAST))
    rough = _log_mean(np.minimum(distance, 2.0**calm * (period / _ONE_ROW)), period)
    found, said = _stretches(rough, calm, max(0.0, spread), period)
    found = _without_smear(found, distance, calm, period)
    if sum(one.stop - one.start for one in found) > _MOST * x.size:
        return [], [f"more than {_MOST:.0%} of the record is erratic, which is its nature: it is left as it is"]
    return found, said


def _log_mean(distance: Floats, period: int) -> Floats:
    """Log2 of the mean of `distance` over one cycle around every row (n_timepoints,); NaN without half of its rows."""
    mean = running_mean(distance, period // 2, period // 4)
    positive = mean[mean > 0.0]
    least = float(np.quantile(positive, 0.01)) if positive.size else np.nan
    return np.asarray(np.log2(np.maximum(mean, least)))


def _steadier_scale(y: Floats, period: int) -> Floats:
    """`y` (n_timepoints,) or, where roughness in proportion to the level is far steadier, its logarithm."""
    least = float(np.nanquantile(y, 0.01))
    if least <= 0.0:
        return y
    logs = np.log(np.maximum(y, least))
    spreads = []
    for scale in (y, logs):
        rough = _log_mean(np.abs(np.diff(scale, prepend=np.nan)), period)
        spreads.append(float(np.ptp(np.nanquantile(rough, [0.1, 0.9]))))
    return logs if spreads[1] < _STEADIER * spreads[0] else y


def _calm(rough: Floats, period: int) -> Floats:
    """Roughness of the calm cycles around every row (n_timepoints,), in log2."""
    step = max(1, period // _STEPS)
    places = np.arange(0, rough.size, step)
    level = running_quantile(rough[places], _NEIGHBOURHOOD * period // step, _CALM)
    return np.interp(np.arange(rough.size), places, level)


def _stretches(rough: Floats, calm: Floats, spread: float, period: int) -> tuple[list[ErraticStretch], list[str]]:
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
    edge = period // 2
    closed = {run for run in sizes if run[0] > edge and run[1] < n - edge}
    longest = max((stop - start for start, stop in closed), default=0)
    limit = min(_LONGEST * period, n // _LONGEST_SHARE)
    kept = [
        ErraticStretch(*run, statistic=2.0**size, threshold=2.0**enter)
        for run, size in sorted(sizes.items())
        if run[1] - run[0] <= (limit if run in closed else min(limit, _OPEN * longest))
    ]
    left = len(sizes) - len(kept)
    said = f"{left} rough stretches are left alone: too long for a fault, or not seen to end"
    return kept, [said] if left else []


def _without_smear(found: list[ErraticStretch], distance: Floats, calm: Floats, period: int) -> list[ErraticStretch]:
    """`found` less the rows at their ends that are calm: a window of a cycle sees a stretch half a cycle too early."""
    near = running_mean(distance, period // _STEPS // 2, 1) > 2.0**calm
    cut = []
    for one in found:
        inside = one.start + np.flatnonzero(near[one.start : one.stop])
        if inside.size:
            cut.append(ErraticStretch(int(inside[0]), int(inside[-1]) + 1, one.statistic, one.threshold))
    return cut
