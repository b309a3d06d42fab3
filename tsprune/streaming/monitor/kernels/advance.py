"""Kernel of the stream monitor: rows in, readings out, every bit of memory in flat arrays.

`advance` takes any number of rows; one call with n rows does what n calls with one row do, because each row goes
through the same compiled code and touches nothing but the state arrays. What stands
where is in `monitor_layout`, what happens to one metric in `monitor_metric`.

Sign: inside, evidence is -log10 of a p-value, higher = more abnormal; `OUT_SCORE` and `OUT_ONSET` are lower = more
abnormal.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

import tsprune.streaming.monitor.kernels.layout as at
from detectors.isolation_forest.kernels.packed_forest import packed_scores
from detectors.kernels.compilation import njit
from detectors.kernels.leaf import leaf
from tsprune.streaming.monitor.kernels.calibration import HISTOGRAM_SIZE, N_BINS, add_count, tail_probability
from tsprune.streaming.monitor.kernels.extremes import rarity
from tsprune.streaming.monitor.kernels.metric import VIEW_WEIGHT, increase, metric_step, strength
from tsprune.streaming.monitor.kernels.relations import keep_row, unexplained
from tsprune.streaming.monitor.kernels.visits import N_HOURS, N_SLOTS, N_VISITS

__all__ = ["advance", "log_change"]

Floats = NDArray[np.float64]
Narrow = NDArray[np.float32]
Integers = NDArray[np.int64]

_WEEK_TESTS = 14  # values at least, and those of one day, before the season of the week may be used
_ANOMALY_COUNTS = 0.25  # of an ordinary row, in the calibration: the false-alarm rate is met within this factor
_RANK_WEIGHT = 0.5  # the plain average
_MOST_DEVIATION = 5.0  # of one metric, in scales, that counts in the mean over all: no metric alone is all
_PLACES_PER_DECADE = 10.0


@leaf
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


@leaf
def _recent_highest(joint: Floats, integers: Integers, evidence: float) -> float:
    """Return the highest evidence of the rows of one episode before this one, and take this one in."""
    row, episode = integers[at.I_ROWS], integers[at.I_EPISODE]
    first, held = integers[at.I_FIRST], integers[at.I_HELD]
    rows, values = at.J_QUEUE, at.J_QUEUE + at.MAX_EPISODE
    while held > 0 and joint[rows + first] < row - episode:
        first = (first + 1) % at.MAX_EPISODE
        held -= 1
    highest = joint[values + first] if held > 0 else 0.0
    while held > 0 and joint[values + (first + held - 1) % at.MAX_EPISODE] <= evidence:
        held -= 1
    if held == at.MAX_EPISODE:
        first = (first + 1) % at.MAX_EPISODE
        held -= 1
    joint[rows + (first + held) % at.MAX_EPISODE] = row
    joint[values + (first + held) % at.MAX_EPISODE] = evidence
    integers[at.I_FIRST], integers[at.I_HELD] = first, held + 1
    return highest


@leaf
def _alert(way: float, size: float, days: float, params: Floats, integers: Integers, joint: Floats,
           out: Floats) -> None:  # fmt: skip
    """Apply the policy to one row: fills is_anomaly and alert of `out`, moves episode and budget."""
    p_value = out[at.OUT_P_VALUE]
    anomalous = p_value <= params[at.P_RATE]
    out[at.OUT_ANOMALY] = 1.0 if anomalous else 0.0
    out[at.OUT_ALERT] = 0.0
    per_day = params[at.P_PER_DAY]
    has_budget = math.isfinite(per_day)
    if has_budget:
        joint[at.J_TOKENS] = min(joint[at.J_TOKENS] + per_day * days, max(per_day, 1.0))
    integers[at.I_RUN] = integers[at.I_RUN] + 1 if anomalous else 0
    if integers[at.I_OPEN] == 1:
        integers[at.I_CALM] = integers[at.I_CALM] + 1 if p_value > params[at.P_RELEASE] else 0
        if integers[at.I_CALM] >= 3:
            integers[at.I_OPEN] = 0
    fits = params[at.P_DIRECTION] * way >= 0.0 and size >= params[at.P_SIZE]
    if (
        integers[at.I_OPEN] == 1
        or integers[at.I_PRIMING] == 1
        or not fits
        or integers[at.I_RUN] < params[at.P_DURATION]
    ):
        return
    if not anomalous:
        return
    integers[at.I_OPEN], integers[at.I_CALM] = 1, 0
    if not has_budget or joint[at.J_TOKENS] >= 1.0:
        out[at.OUT_ALERT] = 1.0
        integers[at.I_ALERTS] += 1
        if has_budget:
            joint[at.J_TOKENS] -= 1.0
    else:
        integers[at.I_SUPPRESSED] += 1


@leaf
def log_change(integers: Integers, time: int, metric: int, part: int, kept: int) -> None:
    """Write a change of the parts in use into the log, a ring."""
    place = at.I_LOG + (integers[at.I_LOG_COUNT] % at.N_LOG) * at.LOG_WIDTH
    integers[place], integers[place + 1], integers[place + 2], integers[place + 3] = time, metric, part, kept
    integers[at.I_LOG_COUNT] += 1


@leaf
def _share_out(evidence: float, unexplained: Floats, out: Floats) -> tuple[int, float]:
    """Give every metric its share of the forest's evidence; return the remainder farthest off, and how far."""
    behind, highest = 0, 0.0
    for j in range(unexplained.shape[0]):
        if abs(unexplained[j]) > highest:
            behind, highest = j, abs(unexplained[j])
    n_metrics = unexplained.shape[0] // 2
    for m in range(n_metrics):
        far = max(abs(unexplained[m]), abs(unexplained[n_metrics + m]))
        out[at.OUT_METRICS + m * at.PER_METRIC + at.C_RELATION] = evidence * far / highest if highest > 0.0 else 0.0
    return behind, highest


@njit(cache=True, error_model="numpy")
def advance(times: Integers, values: Floats, out: Floats, zone: Integers, params: Floats, integers: Integers,
            joint: Floats, metrics: Floats, sample: Narrow, relations: Floats, forest: Any) -> int:  # fmt: skip
    """Take rows `values` (n_rows, n_metrics) at `times` (n_rows,) into the state; fill `out` (n_rows, n_fields).

    Returns the rows done: it ends early where the sample is full, so that a forest can be grown from it. `relations`
    and `forest` (`detectors.kernels.packed_forest`) are what was grown before; an empty forest is not looked at.
    """
    n_metrics = values.shape[1]
    recent, apart_from, odd = np.empty(2 * n_metrics), np.empty((1, 2 * n_metrics)), np.zeros(1)
    is_joint = sample.shape[0] > 0
    look, work = np.empty(at.N_VIEWS), np.empty(N_VISITS)
    chances = math.log10(n_metrics)
    fade = 0.5 ** (1.0 / integers[at.I_EPISODE])
    histogram = joint[at.J_HISTOGRAM : at.J_HISTOGRAM + HISTOGRAM_SIZE]
    tests = max(_WEEK_TESTS, at.DAY / integers[at.I_STEP])
    for i in range(times.shape[0]):
        time, step = times[i], integers[at.I_STEP]
        n_steps, days = 1, 0.0
        if integers[at.I_ROWS] > 0:
            apart = time - integers[at.I_LAST_TIME]
            n_steps = max(1, (apart + step // 2) // step)
            days = apart / at.DAY
        if n_steps > 1:
            integers[at.I_GAPS] += 1
        moment = _local_time(time, zone)
        slot, hour = (moment % at.DAY) * N_SLOTS // at.DAY, (moment // at.HOUR) % N_HOURS
        row_out = out[i]
        worst, way, size = -1.0, 0.0, 0.0
        energy, n_present = 0.0, 0
        repruned, any_missing = integers[at.I_CHANGED] > 0, False
        integers[at.I_CHANGED] = 0
        for m in range(n_metrics):
            row, value = metrics[m], values[i, m]
            result = row_out[at.OUT_METRICS + m * at.PER_METRIC : at.OUT_METRICS + (m + 1) * at.PER_METRIC]
            scale, slow = row[at.M_SCALE], row[at.M_SLOW]
            if math.isnan(value):
                any_missing = True
            elif row[at.M_COUNTER] > 0.0:
                value = increase(row, value, time * 1e-9, integers)
            evidence, changed = metric_step(value, slot, hour, n_steps, tests, row, params, look, work, result)
            if changed & (1 << at.PART_WEEK):
                repruned = True
                log_change(integers, time, m, at.PART_WEEK, 1 if row[at.M_WEEK_KEPT] > 0.0 else 0)
            if changed & (1 << at.PART_SEASON):
                repruned = True
                log_change(integers, time, m, at.PART_SEASON, 1 if row[at.M_KEPT] > 0.0 else 0)
            if is_joint:
                is_known = not math.isnan(value) and scale > 0.0
                recent[m] = result[2] / scale if is_known else math.nan
                recent[n_metrics + m] = (value - slow - result[1]) / scale if is_known else math.nan
            gone = row[at.M_ABSENT] >= integers[at.I_EPISODE]
            if gone != (row[at.M_GONE] > 0.0):
                row[at.M_GONE] = 1.0 if gone else 0.0
                repruned = True
                log_change(integers, time, m, at.PART_METRIC, 0 if gone else 1)
            if gone:  # a metric that stays away is left out, and its absence is no news any more
                result[at.C_MISSING] = 0.0
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
            integers[at.I_MISSING] += 1
        # several metrics: as many chances to be wrong; and all may be a little off at once
        evidence = max(worst - chances, 0.0)
        if n_present > 1:
            p = rarity(joint, at.J_ENERGY, energy / n_present, params[at.P_HORIZON])
            evidence = max(evidence, VIEW_WEIGHT * strength(p))
        if forest.shape[0] > 0 and n_present > 1:  # or they may no longer move with each other as they did
            unexplained(recent, relations, apart_from[0])
            packed_scores(apart_from, forest, odd)
            together = VIEW_WEIGHT * strength(rarity(joint, at.J_FOREST, -odd[0], params[at.P_HORIZON]))
            behind, highest = _share_out(together, apart_from[0], row_out)
            if together > evidence:
                evidence, way, size = together, math.copysign(1.0, recent[behind]), highest
        # a stream that often has strong evidence must have more of it: its rank among all rows so far counts as well
        p = rarity(joint, at.J_RANKS, evidence, params[at.P_HORIZON])
        evidence = (1.0 - _RANK_WEIGHT) * evidence + _RANK_WEIGHT * strength(p)
        place = min(evidence * _PLACES_PER_DECADE, N_BINS - 1e-6)
        p_value = tail_probability(histogram, place)
        # an anomaly must not excuse the next one, but what comes often is no anomaly
        add_count(histogram, place, _ANOMALY_COUNTS if p_value <= params[at.P_RATE] else 1.0, params[at.P_HORIZON])
        joint[at.J_STATE] = max(joint[at.J_STATE] * fade, evidence)
        before = _recent_highest(joint, integers, evidence)
        row_out[at.OUT_SCORE] = -joint[at.J_STATE]
        row_out[at.OUT_ONSET] = -evidence if evidence > before else 0.0
        row_out[at.OUT_P_VALUE] = p_value
        row_out[at.OUT_REPRUNED] = 1.0 if repruned else 0.0
        integers[at.I_REPRUNED] += 1 if repruned else 0
        _alert(way, size, days, params, integers, joint, row_out)
        integers[at.I_LAST_TIME] = time
        integers[at.I_ROWS] += 1
        if is_joint and integers[at.I_ROWS] % integers[at.I_STRIDE] == 0:
            keep_row(sample, recent, integers[at.I_SAMPLED])
            integers[at.I_SAMPLED] += 1
            if integers[at.I_SAMPLED] == sample.shape[0]:
                return int(i) + 1
    n_rows: int = times.shape[0]
    return n_rows
