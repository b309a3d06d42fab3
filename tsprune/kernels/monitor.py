"""Kernel of the stream monitor: rows in, readings out, every bit of memory in flat arrays.

`advance` takes any number of rows; one call with n rows does what n calls with one row do, because each row goes
through the same compiled code and touches nothing but the state arrays. Layouts are the constants below.

State
-----
integers : int64 (N_INTEGERS,)
metrics : float64 (n_metrics, METRIC_SIZE), one row per metric
joint : float64 (JOINT_SIZE,), what belongs to all metrics together

Sign: inside, evidence is -log10 of a p-value, higher = more abnormal; `OUT_SCORE` and `OUT_ONSET` are lower = more
abnormal.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from tsprune.kernels.calibration import HISTOGRAM_SIZE, N_BINS, add_count, tail_probability
from tsprune.kernels.extremes import EXTREMES_SIZE, rarity
from tsprune.kernels.novelty import BOOK_SIZE, novelty
from tsprune.kernels.visits import N_SLOTS, N_VISITS, SLOT, VISITS_SIZE, slot_median, visit
from tsprune.kernels.windows import QUARTILE_HIGH, QUARTILE_LOW, WINDOW_SIZE, push, views

__all__ = ["advance", "start_metric"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

DAY = 86_400_000_000_000

# one row of `out`
OUT_SCORE, OUT_ONSET, OUT_P_VALUE, OUT_ANOMALY, OUT_ALERT, OUT_REPRUNED, OUT_METRICS = 0, 1, 2, 3, 4, 5, 6
PER_METRIC = 8  # trend, seasonal, remainder, then evidence: level, slope, season, noise variance, missing

# integers
I_LAST_TIME, I_STEP, I_ROWS, I_OPEN, I_CALM, I_RUN, I_SUPPRESSED, I_GAPS, I_MISSING, I_ALERTS, I_REPRUNED, I_PRIMING = (
    0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11)  # fmt: skip
I_EPISODE, I_FIRST, I_HELD, I_RESETS = 12, 13, 14, 15
I_LOG_COUNT, I_LOG = 16, 17
N_LOG, LOG_WIDTH = 16, 4  # time, metric, part, kept
N_INTEGERS = I_LOG + N_LOG * LOG_WIDTH

# params: the policy, then the monitor
P_RATE, P_PER_DAY, P_RELEASE, P_DURATION, P_DIRECTION, P_SIZE, P_HORIZON, P_SEASON = 0, 1, 2, 3, 4, 5, 6, 7
N_PARAMS = 8

# joint
MAX_EPISODE = 1024
J_TOKENS, J_STATE = 0, 1
J_HISTOGRAM = 8
J_QUEUE = J_HISTOGRAM + HISTOGRAM_SIZE  # a queue of falling evidence: rows, then values
J_ENERGY = J_QUEUE + 2 * MAX_EPISODE
J_RANKS = J_ENERGY + EXTREMES_SIZE
JOINT_SIZE = J_RANKS + EXTREMES_SIZE

# metrics: scalars
(M_LEVEL, M_SCALE, M_SLOW, M_SEEN, M_ERROR_PLAIN, M_ERROR_SEASON, M_KEPT, M_ABSENT, M_COUNTER, M_LAST_RAW,
 M_LAST_SECOND, M_GONE, M_CLIPPED) = range(13)  # fmt: skip
M_SEASON_RING = 16  # the last four seasonal remainders
# metrics: visits of the slots of the day, window, then one book and one list of extremes per view
M_VISITS = 20
M_WINDOW = M_VISITS + VISITS_SIZE
N_VIEWS = 8
M_BOOKS = M_WINDOW + WINDOW_SIZE
M_EXTREMES = M_BOOKS + N_VIEWS * BOOK_SIZE
M_ABSENCES = M_EXTREMES + N_VIEWS * EXTREMES_SIZE
METRIC_SIZE = M_ABSENCES + EXTREMES_SIZE

V_VALUE, V_MEAN, V_MEDIAN, V_HIGH, V_LOW, V_SLOPE, V_DEVIATION, V_SEASON = 0, 1, 2, 3, 4, 5, 6, 7
C_LEVEL, C_SLOPE, C_SEASON, C_NOISE, C_MISSING = 3, 4, 5, 6, 7  # places of the causes in a metric's part of `out`
PART_SEASON, PART_METRIC = 0, 1

_RATE_LEVEL = 0.1
_KEEP, _DROP = 0.9, 1.0  # a season is kept below, dropped above this ratio of its error to the plain one
_PERSISTENT = 32.0
_MOST_VALUE = 1e150  # the views see nothing beyond: squares of it and sums of those are still finite
_ANOMALY_COUNTS = 0.25  # of an ordinary row, in the calibration: the false-alarm rate is met within this factor
_VIEW_WEIGHT = 0.85  # evidence of every view but the value itself: their number is the number of chances to be wrong
_RANK_WEIGHT = 0.5  # the plain average
_MOST_DEVIATION = 5.0  # of one metric, in scales, that counts in the mean over all: no metric alone is all
_SECOND_WEIGHT = 0.2  # of the second best view: two that agree weigh more than one
_PLACES_PER_DECADE = 10.0


@njit(cache=True, error_model="numpy")
def _local_time(time: int, zone: Integers) -> int:
    """Return wall-clock nanoseconds of a time in UTC; `zone` (2, n): moments of change and offsets after them."""
    low, high = 0, zone.shape[1] - 1
    while low < high:
        middle = (low + high + 1) // 2
        if zone[0, middle] <= time:
            low = middle
        else:
            high = middle - 1
    offset: int = zone[1, low]
    return time + offset


@njit(cache=True, error_model="numpy")
def start_metric(row: Floats, values: Floats) -> None:
    """Set level and scale of a metric (METRIC_SIZE,) from the finite values of its history (n_values,)."""
    n = values.shape[0]
    row[M_VISITS + SLOT] = -1.0
    if n == 0:
        return
    row[M_LEVEL] = np.median(values[: min(n, 20)])
    row[M_SLOW] = np.median(values)
    scale = np.median(np.abs(np.diff(values))) * 1.0484 if n > 1 else 0.0  # 1.4826 / sqrt(2)
    row[M_SCALE] = scale if scale > 0.0 else np.std(values)


@njit(cache=True, error_model="numpy")
def _decompose(row: Floats, value: float, typical: float, horizon: float, result: Floats) -> bool:
    """Split a value into level, season and remainder (result[:3]); learn; True if the season came or went."""
    seen, level, slow = row[M_SEEN], row[M_LEVEL], row[M_SLOW]
    known = not math.isnan(typical)
    kept = row[M_KEPT] > 0.0 and known
    season = typical - slow if kept else 0.0
    remainder = value - level - season
    result[0], result[1], result[2] = level, season, remainder
    scale = max(row[M_SCALE], 1e-12 * abs(level) + 1e-150)
    row[M_CLIPPED] = row[M_CLIPPED] + 1.0 if abs(remainder) > 3.0 * scale else 0.0
    # learning is limited to three deviations: an anomaly must not teach the monitor
    row[M_LEVEL] = level + max(_RATE_LEVEL, 1.0 / (seen + 1.0)) * min(max(remainder, -3.0 * scale), 3.0 * scale)
    rate = max(1.0 / horizon, 1.0 / (seen + 2.0))
    row[M_SCALE] += min(3.0 * rate, 1.0) * (min(abs(remainder) * 1.25, 3.0 * scale) - row[M_SCALE])
    row[M_SLOW] = slow + max(rate, 1e-3) * min(max(value - slow, -5.0 * scale), 5.0 * scale)
    row[M_SEEN] = seen + 1.0
    if not known:
        return False
    bound = 10.0 * scale
    rate = min(4.0 * rate, 1.0)
    row[M_ERROR_PLAIN] += rate * (min(abs(value - slow), bound) - row[M_ERROR_PLAIN])
    row[M_ERROR_SEASON] += rate * (min(abs(value - typical), bound) - row[M_ERROR_SEASON])
    was_kept = row[M_KEPT] > 0.0
    if not was_kept and row[M_ERROR_SEASON] < _KEEP * row[M_ERROR_PLAIN]:
        row[M_KEPT], row[M_LEVEL] = 1.0, row[M_SLOW]
        return True
    if was_kept and row[M_ERROR_SEASON] > _DROP * row[M_ERROR_PLAIN]:
        row[M_KEPT], row[M_LEVEL] = 0.0, value
        return True
    return False


@njit(cache=True, error_model="numpy")
def _strength(p: float) -> float:
    """Return -log10(p) below 0.1; above, where nobody looks, the straight line to 0 at p = 1."""
    return -math.log10(p) if p < 0.1 else (1.0 - p) / 0.9


@njit(cache=True, error_model="numpy")
def _evidence(row: Floats, view: int, value: float, memory: float) -> float:
    """Return how new a view's value is, as the strength of its p-value, and learn it."""
    distance = novelty(row, M_BOOKS + view * BOOK_SIZE, value, row[M_SEEN], memory)
    return _strength(rarity(row, M_EXTREMES + view * EXTREMES_SIZE, max(distance, 0.0), memory))


@njit(cache=True, error_model="numpy")
def _increase(row: Floats, value: float, second: float, integers: Integers) -> float:
    """Return the increase per second of a counter, NaN for its first value; a fall is a restart from 0."""
    last, moment = row[M_LAST_RAW], row[M_LAST_SECOND]
    is_first = row[M_COUNTER] == 1.0
    row[M_LAST_RAW], row[M_LAST_SECOND], row[M_COUNTER] = value, second, 2.0
    if is_first:
        return math.nan
    if value < last:
        integers[I_RESETS] += 1
        last = 0.0
    rate: float = (value - last) / (second - moment)
    return rate


@njit(cache=True, error_model="numpy")
def _metric_step(value: float, slot: int, n_steps: int, row: Floats, params: Floats, look: Floats, work: Floats,
                 result: Floats) -> tuple[float, bool]:  # fmt: skip
    """One value of one metric: fills result (PER_METRIC,); returns its evidence and whether its parts changed."""
    memory = params[P_HORIZON]
    is_missing = math.isnan(value)
    absent = row[M_ABSENT] + n_steps if is_missing else n_steps - 1.0
    row[M_ABSENT] = absent
    for k in range(3, PER_METRIC):
        result[k] = 0.0
    p = rarity(row, M_ABSENCES, absent, memory)
    best = _VIEW_WEIGHT * _strength(p) if absent > 0.0 else 0.0
    result[C_MISSING] = best
    typical = slot_median(row, M_VISITS, slot, work) if params[P_SEASON] > 0.0 else math.nan
    if is_missing:
        result[0], result[2] = row[M_LEVEL], math.nan
        result[1] = typical - row[M_SLOW] if row[M_KEPT] > 0.0 and not math.isnan(typical) else 0.0
        return best, False
    if row[M_SEEN] == 0.0 and row[M_SCALE] == 0.0:  # a metric without history begins with its first value
        start_metric(row, np.array([value]))
    if params[P_SEASON] > 0.0:
        visit(row, M_VISITS, slot, min(max(value, -_MOST_VALUE), _MOST_VALUE))
    changed = _decompose(row, value, typical, memory, result)
    window = row[M_WINDOW : M_WINDOW + WINDOW_SIZE]
    push(window, min(max(value, -_MOST_VALUE), _MOST_VALUE))
    views(window, look)
    if row[M_CLIPPED] >= _PERSISTENT:  # so many in a row are no anomaly but a new level
        row[M_LEVEL] = look[V_MEDIAN] - result[1]
        row[M_SCALE] = max(row[M_SCALE], (window[QUARTILE_HIGH] - window[QUARTILE_LOW]) / 1.349)
        row[M_CLIPPED] = 0.0
    n_views = N_VIEWS - 1
    if not math.isnan(typical):
        row[M_SEASON_RING + (int(row[M_SEEN]) & 3)] = min(max(value - typical, -_MOST_VALUE), _MOST_VALUE)
        total = 0.0
        for k in range(4):
            total += row[M_SEASON_RING + k]
        look[V_SEASON] = 0.25 * total
        n_views = N_VIEWS
    second = 0.0
    for view in range(n_views):
        evidence = _evidence(row, view, look[view], memory)
        if view != V_VALUE:
            evidence *= _VIEW_WEIGHT
        second = max(second, min(best, evidence))
        best = max(best, evidence)
        cause = C_LEVEL
        if view == V_SLOPE:
            cause = C_SLOPE
        elif view == V_DEVIATION:
            cause = C_NOISE
        elif view == V_SEASON:
            cause = C_SEASON
        result[cause] = max(result[cause], evidence)
    return best + _SECOND_WEIGHT * second, changed


@njit(cache=True, error_model="numpy")
def _recent_highest(joint: Floats, integers: Integers, evidence: float) -> float:
    """Return the highest evidence of the rows of one episode before this one, and take this one in."""
    row, episode = integers[I_ROWS], integers[I_EPISODE]
    first, held = integers[I_FIRST], integers[I_HELD]
    rows, values = J_QUEUE, J_QUEUE + MAX_EPISODE
    while held > 0 and joint[rows + first] < row - episode:
        first = (first + 1) % MAX_EPISODE
        held -= 1
    highest = joint[values + first] if held > 0 else 0.0
    while held > 0 and joint[values + (first + held - 1) % MAX_EPISODE] <= evidence:
        held -= 1
    if held == MAX_EPISODE:
        first = (first + 1) % MAX_EPISODE
        held -= 1
    joint[rows + (first + held) % MAX_EPISODE] = row
    joint[values + (first + held) % MAX_EPISODE] = evidence
    integers[I_FIRST], integers[I_HELD] = first, held + 1
    return highest


@njit(cache=True, error_model="numpy")
def _alert(way: float, size: float, days: float, params: Floats, integers: Integers, joint: Floats,
           out: Floats) -> None:  # fmt: skip
    """Apply the policy to one row: fills is_anomaly and alert of `out`, moves episode and budget."""
    p_value = out[OUT_P_VALUE]
    anomalous = p_value <= params[P_RATE]
    out[OUT_ANOMALY] = 1.0 if anomalous else 0.0
    out[OUT_ALERT] = 0.0
    per_day = params[P_PER_DAY]
    has_budget = math.isfinite(per_day)
    if has_budget:
        joint[J_TOKENS] = min(joint[J_TOKENS] + per_day * days, max(per_day, 1.0))
    integers[I_RUN] = integers[I_RUN] + 1 if anomalous else 0
    if integers[I_OPEN] == 1:
        integers[I_CALM] = integers[I_CALM] + 1 if p_value > params[P_RELEASE] else 0
        if integers[I_CALM] >= 3:
            integers[I_OPEN] = 0
    fits = params[P_DIRECTION] * way >= 0.0 and size >= params[P_SIZE]
    if integers[I_OPEN] == 1 or integers[I_PRIMING] == 1 or not fits or integers[I_RUN] < params[P_DURATION]:
        return
    if not anomalous:
        return
    integers[I_OPEN], integers[I_CALM] = 1, 0
    if not has_budget or joint[J_TOKENS] >= 1.0:
        out[OUT_ALERT] = 1.0
        integers[I_ALERTS] += 1
        if has_budget:
            joint[J_TOKENS] -= 1.0
    else:
        integers[I_SUPPRESSED] += 1


@njit(cache=True, error_model="numpy")
def _log_change(integers: Integers, time: int, metric: int, part: int, kept: int) -> None:
    """Write a change of the parts in use into the log, a ring."""
    place = I_LOG + (integers[I_LOG_COUNT] % N_LOG) * LOG_WIDTH
    integers[place], integers[place + 1], integers[place + 2], integers[place + 3] = time, metric, part, kept
    integers[I_LOG_COUNT] += 1


@njit(cache=True, error_model="numpy")
def advance(times: Integers, values: Floats, zone: Integers, params: Floats, integers: Integers, joint: Floats,
            metrics: Floats, out: Floats) -> None:  # fmt: skip
    """Take rows `values` (n_rows, n_metrics) at `times` (n_rows,) into the state; fill `out` (n_rows, n_fields)."""
    n_metrics = values.shape[1]
    look, work = np.empty(N_VIEWS), np.empty(N_VISITS)
    chances = math.log10(n_metrics)
    fade = 0.5 ** (1.0 / integers[I_EPISODE])
    histogram = joint[J_HISTOGRAM : J_HISTOGRAM + HISTOGRAM_SIZE]
    for i in range(times.shape[0]):
        time, step = times[i], integers[I_STEP]
        n_steps, days = 1, 0.0
        if integers[I_ROWS] > 0:
            apart = time - integers[I_LAST_TIME]
            n_steps = max(1, (apart + step // 2) // step)
            days = apart / DAY
        if n_steps > 1:
            integers[I_GAPS] += 1
        slot = (_local_time(time, zone) % DAY) * N_SLOTS // DAY
        row_out = out[i]
        worst, way, size = -1.0, 0.0, 0.0
        energy, n_present = 0.0, 0
        repruned, any_missing = False, False
        for m in range(n_metrics):
            row, value = metrics[m], values[i, m]
            result = row_out[OUT_METRICS + m * PER_METRIC : OUT_METRICS + (m + 1) * PER_METRIC]
            scale = row[M_SCALE]
            if math.isnan(value):
                any_missing = True
            elif row[M_COUNTER] > 0.0:
                value = _increase(row, value, time * 1e-9, integers)
            evidence, changed = _metric_step(value, slot, n_steps, row, params, look, work, result)
            if changed:
                repruned = True
                _log_change(integers, time, m, PART_SEASON, 1 if row[M_KEPT] > 0.0 else 0)
            gone = row[M_ABSENT] >= integers[I_EPISODE]
            if gone != (row[M_GONE] > 0.0):
                row[M_GONE] = 1.0 if gone else 0.0
                repruned = True
                _log_change(integers, time, m, PART_METRIC, 0 if gone else 1)
            if gone:  # a metric that stays away is left out, and its absence is no news any more
                result[C_MISSING] = 0.0
                continue
            deviation = 0.0
            if not math.isnan(value):
                deviation = abs(result[2]) / scale if scale > 0.0 else (math.inf if result[2] != 0.0 else 0.0)
                energy += min(deviation, _MOST_DEVIATION)
                n_present += 1
            if evidence > worst:
                worst = evidence
                way, size = 0.0, deviation
                if not math.isnan(value):
                    way = 1.0 if result[2] > 0.0 else -1.0
        if any_missing:
            integers[I_MISSING] += 1
        # several metrics: as many chances to be wrong; and all may be a little off at once
        evidence = max(worst - chances, 0.0)
        if n_present > 1:
            p = rarity(joint, J_ENERGY, energy / n_present, params[P_HORIZON])
            evidence = max(evidence, _VIEW_WEIGHT * _strength(p))
        # a stream that often has strong evidence must have more of it: its rank among all rows so far counts as well
        p = rarity(joint, J_RANKS, evidence, params[P_HORIZON])
        evidence = (1.0 - _RANK_WEIGHT) * evidence + _RANK_WEIGHT * _strength(p)
        place = min(evidence * _PLACES_PER_DECADE, N_BINS - 1e-6)
        p_value = tail_probability(histogram, place)
        # an anomaly must not excuse the next one, but what comes often is no anomaly
        add_count(histogram, place, _ANOMALY_COUNTS if p_value <= params[P_RATE] else 1.0, params[P_HORIZON])
        joint[J_STATE] = max(joint[J_STATE] * fade, evidence)
        highest = _recent_highest(joint, integers, evidence)
        row_out[OUT_SCORE] = -joint[J_STATE]
        row_out[OUT_ONSET] = -evidence if evidence > highest else 0.0
        row_out[OUT_P_VALUE] = p_value
        row_out[OUT_REPRUNED] = 1.0 if repruned else 0.0
        integers[I_REPRUNED] += 1 if repruned else 0
        _alert(way, size, days, params, integers, joint, row_out)
        integers[I_LAST_TIME] = time
        integers[I_ROWS] += 1
