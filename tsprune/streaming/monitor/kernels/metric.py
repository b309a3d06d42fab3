"""One metric of a monitor: a value becomes level, season and remainder, and evidence of how new it is.

Evidence is -log10 of a p-value: higher = more abnormal. The memory of a metric is one row of `metrics`, laid out in
`layout`.

Two kinds of evidence come out of a value. What is *new* was never met before. What is *alarming* is new, or was met
only in episodes that were abnormal and ended: what is known to be bad is not known to be ordinary. An abnormal state
that lasts longer than an episode is a new ordinary one.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

import tsprune.streaming.monitor.kernels.layout as at
from detectors.kernels.compilation import njit
from detectors.kernels.leaf import leaf
from detectors.kernels.median import median
from tsprune.streaming.monitor.kernels.extremes import EXTREMES_SIZE, rarity, standing
from tsprune.streaming.monitor.kernels.novelty import BOOK_SIZE, NOWHERE, ROWS, accept_since, meet, row_of
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

__all__ = ["VIEW_WEIGHT", "absence_strength", "follow_episode", "increase", "metric_step", "start_metric", "strength"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

_RATE_LEVEL = 0.1
_KEEP, _DROP = 0.9, 1.0  # a season is kept below, dropped above this ratio of its error to the plain one
_PERSISTENT = 32.0
_MOST_VALUE = 1e150  # the views see nothing beyond: squares of it and sums of those are still finite
VIEW_WEIGHT = 0.85  # evidence of every view but the value itself: their number is the number of chances to be wrong
_SECOND_WEIGHT = 0.2  # of the second best view: two that agree weigh more than one
_STRANGE = 0.003  # p-value of the distance to what is ordinary, of a value that counts as bad once its episode ends
_NEARER = 0.3  # of the distance to what is ordinary, within which a value must be of one that is bad
_ORDINARY = -2  # less a place: what was written there is near to something ordinary
_CALM, _RETURNED = 0.05, 3.0  # an episode is over after so many values in a row with at least such a p-value
_LASTS = 3.0  # values of an episode that are far from everything ordinary: fewer are a chance, not a state
_AFTER = 64.0  # values for which the views still see the episode
_RANGE_GAIN, _RANGE_START = 0.06, 2.2  # relative step of the range; about that of normal noise, in scales
_MOST_STRENGTH = 12.0
_STUCK, _GONE = 6.0, 4.0  # strength of the evidence that gives a run of equal or of missing values its name
_TIMES_LONGER = 1.5  # a run of equal values is judged by chance where it is so many times longer than every one before


@njit(cache=True, error_model="numpy")
def start_metric(row: Floats, values: Floats) -> None:
    """Set level and scale of a metric (at.METRIC_SIZE,) from the finite values of its history (n_values,)."""
    n = values.shape[0]
    row[at.M_VISITS + SLOT] = row[at.M_WEEK + SLOT] = -1.0
    row[at.M_LOW], row[at.M_HIGH], row[at.M_LAST] = -_RANGE_START, _RANGE_START, math.nan
    if n == 0:
        return
    row[at.M_LEVEL] = median(values[: min(n, 20)])
    row[at.M_SLOW] = median(values)
    steps = np.empty(n - 1)
    for i in range(n - 1):
        steps[i] = abs(values[i + 1] - values[i])
    scale = median(steps) * 1.0484 if n > 1 else 0.0  # 1.4826 / sqrt(2)
    row[at.M_SCALE] = scale if scale > 0.0 else np.std(values)


@leaf
def _follow_range(row: Floats, remainder: float, scale: float, coverage: float, result: Floats) -> None:
    """Write the range of ordinary values, from what was known before this one; then move its bounds.

    A bound grows where a value is beyond it and shrinks where it is not, in the proportion that holds the coverage
    asked (Gibbs, Candes, "Adaptive conformal inference under distribution shift", NeurIPS 2021, section 2); values
    far beyond it are not ordinary, and move it less.
    """
    expected = result[at.R_TREND] + result[at.R_SEASONAL]
    low, high = row[at.M_LOW], row[at.M_HIGH]
    result[at.R_LOWER], result[at.R_UPPER] = expected + low * scale, expected + high * scale
    if math.isnan(remainder):
        return
    outside = 0.5 * (1.0 - coverage)
    position = remainder / scale
    step = _RANGE_GAIN * (1.0 - outside)
    if position > high:
        row[at.M_HIGH] *= math.exp(step if position < 3.0 * high + 3.0 else 0.2 * step)
    else:
        row[at.M_HIGH] = max(high * math.exp(-_RANGE_GAIN * outside), 1e-6)
    if position < low:
        row[at.M_LOW] *= math.exp(step if position > 3.0 * low - 3.0 else 0.2 * step)
    else:
        row[at.M_LOW] = min(low * math.exp(-_RANGE_GAIN * outside), -1e-6)


@leaf
def _decompose(row: Floats, value: float, typical: float, horizon: float, coverage: float, result: Floats) -> bool:
    """Split a value into level, season and remainder (result[:3]); learn; True if the season came or went."""
    seen, level, slow = row[at.M_SEEN], row[at.M_LEVEL], row[at.M_SLOW]
    known = not math.isnan(typical)
    kept = row[at.M_KEPT] > 0.0 and known
    season = typical - slow if kept else 0.0
    remainder = value - level - season
    result[at.R_TREND], result[at.R_SEASONAL], result[at.R_REMAINDER] = level, season, remainder
    scale = max(row[at.M_SCALE], 1e-12 * abs(level) + 1e-150)
    _follow_range(row, remainder, scale, coverage, result)
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
def absence_strength(rows: float, longest: float, seen: float) -> float:
    """Return the strength of the evidence that `rows` missing in a row are no chance; 0 if so many were missing before.

    Beyond the longest gap so far, of `seen` rows, lengths have the tail of a power law with exponent 2.
    """
    if rows <= longest or seen < 1.0:
        return 0.0
    found: float = min(math.log10(seen + 1.0) + 2.0 * math.log10(rows / max(longest, 1.0)), _MOST_STRENGTH)
    return found


@leaf
def _stuck_strength(row: Floats, value: float) -> float:
    """Count how often a value repeats; return the strength of the evidence that it is stuck, 0 where that is usual."""
    if value != row[at.M_LAST]:
        if row[at.M_SAME] > 0.0 and row[at.M_STUCK_TOLD] != 1.0:  # a sensor that was stuck once is no usual one
            row[at.M_SAME_LONGEST] = max(row[at.M_SAME_LONGEST], row[at.M_SAME])
            row[at.M_SAME_TOTAL] += row[at.M_SAME]
        if row[at.M_STUCK_TOLD] == 1.0:
            row[at.M_STUCK_TOLD] = 2.0  # the next time it is what the metric does
        row[at.M_LAST], row[at.M_SAME] = value, 0.0
        return 0.0
    row[at.M_SAME] += 1.0
    same, seen = row[at.M_SAME], row[at.M_SEEN]
    if same < 2.0 or same <= _TIMES_LONGER * row[at.M_SAME_LONGEST] + 1.0 or seen < same + 30.0:
        return 0.0
    share = (row[at.M_SAME_TOTAL] + 1.0) / (seen - same + 2.0)
    found: float = min(-same * math.log10(min(share, 1.0)), _MOST_STRENGTH)
    if found < _STUCK:
        return 0.0
    if row[at.M_STUCK_TOLD] == 0.0:
        row[at.M_STUCK_TOLD] = 1.0
    return found


@leaf
def _evidence(row: Floats, view: int, value: float, memory: float, since: float,
              places: Integers) -> tuple[float, float, float]:  # fmt: skip
    """Return how new a view's value is, how alarming, and the p-value of its distance to what is ordinary; learn it.

    The first two are strengths of p-values.
    """
    distance, apart, is_old, place = meet(row, at.M_BOOKS + view * BOOK_SIZE, value, row[at.M_SEEN], memory, since)
    extremes = at.M_EXTREMES + view * EXTREMES_SIZE
    p = rarity(row, extremes, max(distance, 0.0), memory)
    new = alarming = strength(p)
    if apart != distance:
        p = standing(row, extremes, apart)
        if is_old and p <= _STRANGE and distance <= _NEARER * apart:
            alarming = max(new, row[at.M_BAD], strength(p))
    places[view] = place if p <= _STRANGE or place == NOWHERE else _ORDINARY - place
    return new, alarming, p


@leaf
def follow_episode(row: Floats, is_alarm: bool, evidence: float, is_calm: bool, longest: float, first: float,
                   places: Integers) -> None:  # fmt: skip
    """Move the episode of a metric by one value; what was written of it into the books becomes bad, or ordinary.

    Before value `first` everything is new, and nothing stays bad.
    """
    seen = row[at.M_SEEN]
    if row[at.M_SINCE] == 0.0:
        if is_alarm:
            row[at.M_SINCE], row[at.M_QUIET], row[at.M_LASTED] = seen, 0.0, 0.0
            row[at.M_BEGAN] = evidence
    else:
        row[at.M_QUIET] = row[at.M_QUIET] + 1.0 if is_calm or row[at.M_QUIET] >= _RETURNED else 0.0
        if is_alarm:
            row[at.M_QUIET] = 0.0
        is_over = row[at.M_QUIET] >= _RETURNED + _AFTER
        is_new_state = row[at.M_QUIET] < _RETURNED and seen - row[at.M_SINCE] >= longest
        if is_over and row[at.M_LASTED] >= _LASTS and row[at.M_SINCE] >= first:
            row[at.M_BAD] = row[at.M_BEGAN]
        elif is_over or is_new_state:
            for view in range(at.N_VIEWS):
                accept_since(row, at.M_BOOKS + view * BOOK_SIZE, row[at.M_SINCE])
        if is_over or is_new_state:
            row[at.M_SINCE] = 0.0
    if row[at.M_SINCE] > 0.0 and row[at.M_QUIET] < _RETURNED and not is_calm:
        row[at.M_LASTED] += 1.0
    for view in range(at.N_VIEWS):
        place = places[view]
        if place == NOWHERE:
            continue
        is_strange = place > NOWHERE
        place = at.M_BOOKS + view * BOOK_SIZE + ROWS + (place if is_strange else _ORDINARY - place)
        met = row_of(row[place])
        row[place] = -1.0 - met if is_strange and row[at.M_SINCE] > 0.0 else met


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
                look: Floats, work: Floats, places: Integers,
                result: Floats) -> tuple[float, float, int, bool]:  # fmt: skip
    """One value of one metric: fills result (at.PER_METRIC,).

    Returns how new and how alarming it is, which parts changed, as bits, and whether the value is an ordinary one.
    `places` (N_VIEWS,) becomes where the views were written into the books.
    """
    memory = params[at.P_HORIZON]
    is_missing = math.isnan(value)
    before = row[at.M_ABSENT]
    absent = before + n_steps if is_missing else n_steps - 1.0
    row[at.M_ABSENT] = absent if is_missing else 0.0
    for k in range(at.R_REASONS, at.PER_METRIC):
        result[k] = 0.0
    places[:] = NOWHERE
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
        result[at.R_TREND], result[at.R_REMAINDER] = row[at.M_LEVEL], math.nan
        season = typical - row[at.M_SLOW] if row[at.M_KEPT] > 0.0 and not math.isnan(typical) else 0.0
        result[at.R_SEASONAL] = season
        _follow_range(row, math.nan, row[at.M_SCALE], params[at.P_COVERAGE], result)
        gone = absence_strength(absent, row[at.M_ABSENT_LONGEST], row[at.M_SEEN])
        if gone >= _GONE:
            result[at.R_REASONS] = at.WHY_GONE
            row[at.M_GONE_TOLD] = max(row[at.M_GONE_TOLD], 1.0)
            result[at.C_MISSING] = max(best, gone)
            return best, max(best, gone), 0, False
        return best, best, 0, True
    if row[at.M_GONE_TOLD] == 1.0:
        row[at.M_GONE_TOLD] = 2.0  # the next time it is what the metric does
    elif before > 0.0:
        row[at.M_ABSENT_LONGEST] = max(row[at.M_ABSENT_LONGEST], before)
    if row[at.M_SEEN] == 0.0 and row[at.M_SCALE] == 0.0:  # a metric without history begins with its first value
        row[at.M_VISITS + SLOT] = row[at.M_WEEK + SLOT] = -1.0
        row[at.M_LEVEL] = row[at.M_SLOW] = value
    if row[at.M_HIGH] == 0.0:
        row[at.M_LOW], row[at.M_HIGH], row[at.M_LAST] = -_RANGE_START, _RANGE_START, math.nan
    limited, changed = min(max(value, -_MOST_VALUE), _MOST_VALUE), 0
    if params[at.P_SEASON] > 0.0:
        visit(row, at.M_VISITS, slot, limited, N_SLOTS, N_VISITS)
        if not math.isnan(usual):
            visit(row, at.M_WEEK, hour, limited - usual, N_HOURS, N_WEEKS)
            if not math.isnan(beyond) and _follow_week(row, limited, usual, beyond, memory, tests):
                changed = 1 << at.PART_WEEK
    stuck = _stuck_strength(row, value)
    if _decompose(row, value, typical, memory, params[at.P_COVERAGE], result):
        changed |= 1 << at.PART_SEASON
    window = row[at.M_WINDOW : at.M_WINDOW + WINDOW_SIZE]
    push(window, limited)
    views(window, look)
    if row[at.M_CLIPPED] >= _PERSISTENT:  # so many in a row are no anomaly but a new level
        row[at.M_LEVEL] = look[at.V_MEDIAN] - result[at.R_SEASONAL]
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
    since = row[at.M_SINCE] if row[at.M_SINCE] > 0.0 else math.inf
    is_echo = row[at.M_SINCE] > 0.0 and row[at.M_QUIET] >= _RETURNED  # the views still see what is over
    second, alarm, second_alarm, is_calm = 0.0, best, 0.0, True
    for view in range(n_views):
        new, alarming, p = _evidence(row, view, look[view], memory, since, places)
        if is_echo and view != at.V_VALUE and view != at.V_SEASON:
            alarming = 0.0
        if view == at.V_VALUE:
            is_calm = p > _CALM
        else:
            new *= VIEW_WEIGHT
            alarming *= VIEW_WEIGHT
        second = max(second, min(best, new))
        best = max(best, new)
        second_alarm = max(second_alarm, min(alarm, alarming))
        alarm = max(alarm, alarming)
        cause = at.C_LEVEL
        if view == at.V_SLOPE:
            cause = at.C_SLOPE
        elif view == at.V_DEVIATION:
            cause = at.C_NOISE
        elif view == at.V_SEASON:
            cause = at.C_SEASON
        result[cause] = max(result[cause], alarming)
    alarm += _SECOND_WEIGHT * second_alarm
    if stuck > 0.0:
        result[at.R_REASONS] = at.WHY_STUCK
        result[at.C_NOISE] = max(result[at.C_NOISE], stuck)
        alarm = max(alarm, stuck)
    return best + _SECOND_WEIGHT * second, alarm, changed, is_calm
