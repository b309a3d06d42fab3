"""One metric of a monitor: a value becomes level, season and remainder, and evidence of how new it is.

Evidence is -log10 of a p-value: higher = more abnormal. The memory of a metric is one row of `metrics`, laid out in
`monitor_layout`.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

import tsprune.streaming.monitor.kernels.layout as at
from detectors.kernels.compilation import njit
from detectors.kernels.leaf import leaf
from tsprune.streaming.monitor.kernels.extremes import EXTREMES_SIZE, rarity
from tsprune.streaming.monitor.kernels.novelty import BOOK_SIZE, novelty
from tsprune.streaming.monitor.kernels.visits import (
    N_HOURS,
    N_SLOTS,
    N_VISITS,
    N_WEEKS,
    SLOT,
    slot_median,
    visit,
    week_median,
)
from tsprune.streaming.monitor.kernels.windows import QUARTILE_HIGH, QUARTILE_LOW, WINDOW_SIZE, push, views

__all__ = ["VIEW_WEIGHT", "increase", "metric_step", "start_metric", "strength"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

_RATE_LEVEL = 0.1
_KEEP, _DROP = 0.9, 1.0  # a season is kept below, dropped above this ratio of its error to the plain one
_PERSISTENT = 32.0
_MOST_VALUE = 1e150  # the views see nothing beyond: squares of it and sums of those are still finite
VIEW_WEIGHT = 0.85  # evidence of every view but the value itself: their number is the number of chances to be wrong
_SECOND_WEIGHT = 0.2  # of the second best view: two that agree weigh more than one


@njit(cache=True, error_model="numpy")
def start_metric(row: Floats, values: Floats) -> None:
    """Set level and scale of a metric (at.METRIC_SIZE,) from the finite values of its history (n_values,)."""
    n = values.shape[0]
    row[at.M_VISITS + SLOT] = row[at.M_WEEK + SLOT] = -1.0
    if n == 0:
        return
    row[at.M_LEVEL] = np.median(values[: min(n, 20)])
    row[at.M_SLOW] = np.median(values)
    scale = np.median(np.abs(np.diff(values))) * 1.0484 if n > 1 else 0.0  # 1.4826 / sqrt(2)
    row[at.M_SCALE] = scale if scale > 0.0 else np.std(values)


@leaf
def _decompose(row: Floats, value: float, typical: float, horizon: float, result: Floats) -> bool:
    """Split a value into level, season and remainder (result[:3]); learn; True if the season came or went."""
    seen, level, slow = row[at.M_SEEN], row[at.M_LEVEL], row[at.M_SLOW]
    known = not math.isnan(typical)
    kept = row[at.M_KEPT] > 0.0 and known
    season = typical - slow if kept else 0.0
    remainder = value - level - season
    result[0], result[1], result[2] = level, season, remainder
    scale = max(row[at.M_SCALE], 1e-12 * abs(level) + 1e-150)
    row[at.M_CLIPPED] = row[at.M_CLIPPED] + 1.0 if abs(remainder) > 3.0 * scale else 0.0
    # learning is limited to three deviations: an anomaly must not teach the monitor
    row[at.M_LEVEL] = level + max(_RATE_LEVEL, 1.0 / (seen + 1.0)) * min(max(remainder, -3.0 * scale), 3.0 * scale)
    rate = max(1.0 / horizon, 1.0 / (seen + 2.0))
    row[at.M_SCALE] += min(3.0 * rate, 1.0) * (min(abs(remainder) * 1.25, 3.0 * scale) - row[at.M_SCALE])
    row[at.M_SLOW] = slow + max(rate, 1e-3) * min(max(value - slow, -5.0 * scale), 5.0 * scale)
    row[at.M_SEEN] = seen + 1.0
    if not known:
        return False
    bound = 10.0 * scale
    rate = min(4.0 * rate, 1.0)
    row[at.M_ERROR_PLAIN] += rate * (min(abs(value - slow), bound) - row[at.M_ERROR_PLAIN])
    row[at.M_ERROR_SEASON] += rate * (min(abs(value - typical), bound) - row[at.M_ERROR_SEASON])
    was_kept = row[at.M_KEPT] > 0.0
    if not was_kept and row[at.M_ERROR_SEASON] < _KEEP * row[at.M_ERROR_PLAIN]:
        row[at.M_KEPT], row[at.M_LEVEL] = 1.0, row[at.M_SLOW]
        return True
    if was_kept and row[at.M_ERROR_SEASON] > _DROP * row[at.M_ERROR_PLAIN]:
        row[at.M_KEPT], row[at.M_LEVEL] = 0.0, value
        return True
    return False


@leaf
def _follow_week(row: Floats, value: float, typical: float, beyond: float, horizon: float, tests: float) -> bool:
    """Learn whether a value is nearer to what is typical of day and week than of the day; True if that changes it.

    `typical` belongs to the time of day, `beyond` is what the hour of the week adds.
    """
    rate = min(4.0 * max(1.0 / horizon, 1.0 / (row[at.M_SEEN] + 2.0)), 1.0)
    bound = 10.0 * max(row[at.M_SCALE], 1e-12 * abs(row[at.M_LEVEL]) + 1e-150)
    row[at.M_ERROR_DAY] += rate * (min(abs(value - typical), bound) - row[at.M_ERROR_DAY])
    row[at.M_ERROR_WEEK] += rate * (min(abs(value - typical - beyond), bound) - row[at.M_ERROR_WEEK])
    row[at.M_WEEKS_TESTED] += 1.0
    kept = row[at.M_WEEK_KEPT] > 0.0
    limit = _DROP if kept else _KEEP
    row[at.M_WEEK_KEPT] = (
        1.0 if row[at.M_WEEKS_TESTED] >= tests and row[at.M_ERROR_WEEK] < limit * row[at.M_ERROR_DAY] else 0.0
    )
    return bool(kept != (row[at.M_WEEK_KEPT] > 0.0))


@leaf
def strength(p: float) -> float:
    """Return -log10(p) below 0.1; above, where nobody looks, the straight line to 0 at p = 1."""
    return -math.log10(p) if p < 0.1 else (1.0 - p) / 0.9


@leaf
def _evidence(row: Floats, view: int, value: float, memory: float) -> float:
    """Return how new a view's value is, as the strength of its p-value, and learn it."""
    distance = novelty(row, at.M_BOOKS + view * BOOK_SIZE, value, row[at.M_SEEN], memory)
    return strength(rarity(row, at.M_EXTREMES + view * EXTREMES_SIZE, max(distance, 0.0), memory))


@leaf
def increase(row: Floats, value: float, second: float, integers: Integers) -> float:
    """Return the increase per second of a counter, NaN for its first value; a fall is a restart from 0."""
    last, moment = row[at.M_LAST_RAW], row[at.M_LAST_SECOND]
    is_first = row[at.M_COUNTER] == 1.0
    row[at.M_LAST_RAW], row[at.M_LAST_SECOND], row[at.M_COUNTER] = value, second, 2.0
    if is_first:
        return math.nan
    if value < last:
        integers[at.I_RESETS] += 1
        last = 0.0
    rate: float = (value - last) / (second - moment)
    return rate


@leaf
def metric_step(value: float, slot: int, hour: int, n_steps: int, tests: float, row: Floats, params: Floats,
                 look: Floats, work: Floats, result: Floats) -> tuple[float, int]:  # fmt: skip
    """One value of one metric: fills result (at.PER_METRIC,); returns its evidence and which parts changed, as bits."""
    memory = params[at.P_HORIZON]
    is_missing = math.isnan(value)
    absent = row[at.M_ABSENT] + n_steps if is_missing else n_steps - 1.0
    row[at.M_ABSENT] = absent
    for k in range(3, at.PER_METRIC):
        result[k] = 0.0
    p = rarity(row, at.M_ABSENCES, absent, memory)
    best = VIEW_WEIGHT * strength(p) if absent > 0.0 else 0.0
    result[at.C_MISSING] = best
    usual, beyond = math.nan, math.nan  # what is typical of the time of day, what the hour of the week adds
    if params[at.P_SEASON] > 0.0:
        usual = slot_median(row, at.M_VISITS, slot, work)
        beyond = week_median(row, at.M_WEEK, hour)
    typical = usual
    if row[at.M_WEEK_KEPT] > 0.0 and not math.isnan(beyond):
        typical += beyond
    if is_missing:
        result[0], result[2] = row[at.M_LEVEL], math.nan
        result[1] = typical - row[at.M_SLOW] if row[at.M_KEPT] > 0.0 and not math.isnan(typical) else 0.0
        return best, 0
    if row[at.M_SEEN] == 0.0 and row[at.M_SCALE] == 0.0:  # a metric without history begins with its first value
        row[at.M_VISITS + SLOT] = row[at.M_WEEK + SLOT] = -1.0
        row[at.M_LEVEL] = row[at.M_SLOW] = value
    limited, changed = min(max(value, -_MOST_VALUE), _MOST_VALUE), 0
    if params[at.P_SEASON] > 0.0:
        visit(row, at.M_VISITS, slot, limited, N_SLOTS, N_VISITS)
        if not math.isnan(usual):
            visit(row, at.M_WEEK, hour, limited - usual, N_HOURS, N_WEEKS)
            if not math.isnan(beyond) and _follow_week(row, limited, usual, beyond, memory, tests):
                changed = 1 << at.PART_WEEK
    if _decompose(row, value, typical, memory, result):
        changed |= 1 << at.PART_SEASON
    window = row[at.M_WINDOW : at.M_WINDOW + WINDOW_SIZE]
    push(window, limited)
    views(window, look)
    if row[at.M_CLIPPED] >= _PERSISTENT:  # so many in a row are no anomaly but a new level
        row[at.M_LEVEL] = look[at.V_MEDIAN] - result[1]
        row[at.M_SCALE] = max(row[at.M_SCALE], (window[QUARTILE_HIGH] - window[QUARTILE_LOW]) / 1.349)
        row[at.M_CLIPPED] = 0.0
    n_views = at.N_VIEWS - 1
    if not math.isnan(typical):
        row[at.M_SEASON_RING + (int(row[at.M_SEEN]) & 3)] = min(max(value - typical, -_MOST_VALUE), _MOST_VALUE)
        total = 0.0
        for k in range(4):
            total += row[at.M_SEASON_RING + k]
        look[at.V_SEASON] = 0.25 * total
        n_views = at.N_VIEWS
    second = 0.0
    for view in range(n_views):
        evidence = _evidence(row, view, look[view], memory)
        if view != at.V_VALUE:
            evidence *= VIEW_WEIGHT
        second = max(second, min(best, evidence))
        best = max(best, evidence)
        cause = at.C_LEVEL
        if view == at.V_SLOPE:
            cause = at.C_SLOPE
        elif view == at.V_DEVIATION:
            cause = at.C_NOISE
        elif view == at.V_SEASON:
            cause = at.C_SEASON
        result[cause] = max(result[cause], evidence)
    return best + _SECOND_WEIGHT * second, changed
