"""Kernel of the stream monitor: rows in, readings out, every bit of memory in flat arrays.

`advance` takes any number of rows; one call with n rows does what n calls with one row do, because each row goes
through the same compiled code and touches nothing but the state arrays. What stands
where is in `layout`, what happens to one metric in `metric`, what becomes an alert in `policy`.

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
from tsprune.streaming.monitor.kernels.extremes import rarity, standing
from tsprune.streaming.monitor.kernels.metric import (
    VIEW_WEIGHT,
    absence_strength,
    follow_episode,
    increase,
    metric_step,
    strength,
)
from tsprune.streaming.monitor.kernels.policy import broken_limits, decide, passes
from tsprune.streaming.monitor.kernels.relations import keep_row, unexplained
from tsprune.streaming.monitor.kernels.visits import N_HOURS, N_SLOTS, N_VISITS

__all__ = ["advance", "log_change"]

Floats = NDArray[np.float64]
Narrow = NDArray[np.float32]
Integers = NDArray[np.int64]

_WEEK_TESTS = 14  # values at least, and those of one day, before the season of the week may be used
_ANOMALY_COUNTS = 0.25  # of an ordinary row, in the calibration: the false-alarm rate is met within this factor
_GOES_ON_COUNTS = 0.02  # of a row of an episode that goes on
_STRONG = 3.0
_KNOWN_COUNTS = 0.5  # of the evidence of something that is known to be bad, in the score
_MOST_SPREAD = 2.0
_KNOWN_DAYS = 2.0  # before which nothing is known to be bad
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
def log_change(integers: Integers, time: int, metric: int, part: int, kept: int) -> None:
    """Write a change of the parts in use into the log, a ring."""
    place = at.I_LOG + (integers[at.I_LOG_COUNT] % at.N_LOG) * at.LOG_WIDTH
    integers[place], integers[place + 1], integers[place + 2], integers[place + 3] = time, metric, part, kept
    integers[at.I_LOG_COUNT] += 1


@leaf
def _calibrated(state: Floats, ranks: int, histogram: Floats, evidence: float, goes_on: bool,
                params: Floats) -> tuple[float, float]:  # fmt: skip
    """Return evidence averaged with its own rank among all so far, and the p-value of that; learn both.

    A stream that often has strong evidence must have more of it.
    """
    if goes_on and evidence >= _STRONG:  # what goes on was counted when it began
        p = standing(state, ranks, evidence)
    else:
        p = rarity(state, ranks, evidence, params[at.P_HORIZON])
    found = (1.0 - _RANK_WEIGHT) * evidence + _RANK_WEIGHT * strength(p)
    place = min(found * _PLACES_PER_DECADE, N_BINS - 1e-6)
    p_value = tail_probability(histogram, place)
    # an anomaly must not excuse the next one, but what comes often is no anomaly
    weight = 1.0
    if p_value <= params[at.P_RATE]:
        weight = _GOES_ON_COUNTS if goes_on else _ANOMALY_COUNTS
    add_count(histogram, place, weight, params[at.P_HORIZON])
    return found, p_value


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
def advance(times: Integers, values: Floats, out: Floats, zone: Integers, params: Floats, gates: Floats,
            integers: Integers, joint: Floats, metrics: Floats, sample: Narrow, relations: Floats,
            forest: Any) -> int:  # fmt: skip
    """Take rows `values` (n_rows, n_metrics) at `times` (n_rows,) into the state; fill `out` (n_rows, n_fields).

    Returns the rows done: it ends early where the sample is full, so that a forest can be grown from it. `relations`
    and `forest` (`detectors.kernels.packed_forest`) are what was grown before; an empty forest is not looked at.
    """
    n_metrics = values.shape[1]
    recent, apart_from, odd = np.empty(2 * n_metrics), np.empty((1, 2 * n_metrics)), np.zeros(1)
    is_joint = sample.shape[0] > 0
    look, work, places = np.empty(at.N_VIEWS), np.empty(N_VISITS), np.empty(at.N_VIEWS, np.int64)
    passed = np.zeros(n_metrics, np.bool_)
    chances = math.log10(n_metrics)
    spread = min(math.sqrt(n_metrics), _MOST_SPREAD)  # so that alerts grow slower than metrics
    fade = 0.5 ** (1.0 / integers[at.I_EPISODE])
    histogram = joint[at.J_HISTOGRAM : at.J_HISTOGRAM + HISTOGRAM_SIZE]
    tests = max(_WEEK_TESTS, at.DAY / integers[at.I_STEP])
    memory, rate = params[at.P_HORIZON], params[at.P_RATE]
    known_from = max(1.0 / rate, _KNOWN_DAYS * at.DAY / integers[at.I_STEP])
    for i in range(times.shape[0]):
        time, step = times[i], integers[at.I_STEP]
        n_steps, days = 1, 0.0
        if integers[at.I_ROWS] > 0:
            apart = time - integers[at.I_LAST_TIME]
            n_steps = max(1, (apart + step // 2) // step)
            days = apart / at.DAY
        silent = 0.0
        if n_steps > 1:
            silent = absence_strength(n_steps - 1.0, joint[at.J_SILENCE], integers[at.I_ROWS])
            joint[at.J_SILENCE] = max(joint[at.J_SILENCE], n_steps - 1.0)
            integers[at.I_GAPS] += 1
        moment = _local_time(time, zone)
        slot, hour = (moment % at.DAY) * N_SLOTS // at.DAY, (moment // at.HOUR) % N_HOURS
        row_out = out[i]
        worst, worst_new, leading = -1.0, -1.0, 0
        energy, n_present = 0.0, 0
        best, surest = -1.0, 1.0  # strongest evidence that passes its gates, and its p-value
        alone, is_calm = 1.0, True  # the smallest p-value of a metric by itself
        is_forced, joins, goes_on = False, False, False
        repruned, any_missing = integers[at.I_CHANGED] > 0, False
        integers[at.I_CHANGED] = 0
        for m in range(n_metrics):
            row, value = metrics[m], values[i, m]
            result = row_out[at.OUT_METRICS + m * at.PER_METRIC : at.OUT_METRICS + (m + 1) * at.PER_METRIC]
            scale, slow, last = row[at.M_SCALE], row[at.M_SLOW], row[at.M_LAST]
            passed[m] = False
            if row[at.M_SEEN] == 0.0:
                last = math.nan
            if math.isnan(value):
                any_missing = True
            elif row[at.M_COUNTER] > 0.0:
                value = increase(row, value, time * 1e-9, integers)
            new, evidence, changed, is_usual = metric_step(
                value, slot, hour, n_steps, tests, row, params, look, work, places, result
            )
            if changed & (1 << at.PART_WEEK):
                repruned = True
                log_change(integers, time, m, at.PART_WEEK, 1 if row[at.M_WEEK_KEPT] > 0.0 else 0)
            if changed & (1 << at.PART_SEASON):
                repruned = True
                log_change(integers, time, m, at.PART_SEASON, 1 if row[at.M_KEPT] > 0.0 else 0)
            is_known = not math.isnan(value) and scale > 0.0
            if is_joint:
                recent[m] = result[at.R_REMAINDER] / scale if is_known else math.nan
                recent[n_metrics + m] = (value - slow - result[at.R_SEASONAL]) / scale if is_known else math.nan
            gone = row[at.M_ABSENT] >= integers[at.I_EPISODE]
            if gone != (row[at.M_GONE] > 0.0):
                row[at.M_GONE] = 1.0 if gone else 0.0
                repruned = True
                log_change(integers, time, m, at.PART_METRIC, 0 if gone else 1)
            if gone:  # a metric that stays away is left out, and its absence is no news any more
                result[at.C_MISSING] = result[at.R_REASONS] = 0.0
                continue
            remainder, deviation = 0.0, 0.0
            if not math.isnan(value):
                remainder = result[at.R_REMAINDER]
                deviation = abs(remainder) / scale if scale > 0.0 else (math.inf if remainder != 0.0 else 0.0)
                energy += min(deviation, _MOST_DEVIATION)
                n_present += 1
            # the metric by itself
            goes_on = goes_on or row[at.M_SINCE] > 0.0
            reasons = int(result[at.R_REASONS])
            found, p = _calibrated(
                row, at.M_RANKS, row[at.M_HISTOGRAM : at.M_HISTOGRAM + HISTOGRAM_SIZE], evidence,
                row[at.M_SINCE] > 0.0, params,
            )  # fmt: skip
            if reasons != 0:  # stuck or gone: their strength is a p-value already
                found = max(found, max(result[at.C_NOISE], result[at.C_MISSING]))
                p = min(p, 10.0**-found)
            result[at.R_STRENGTH] = found
            is_alarm = p <= rate
            if not math.isnan(value):
                follow_episode(row, is_alarm, evidence, is_usual, float(integers[at.I_EPISODE]), known_from,
                               places)  # fmt: skip
                limits = broken_limits(value, last, gates[m])
                if limits != 0 and int(row[at.M_LIMITED]) & limits != limits:
                    is_forced = True
                row[at.M_LIMITED] = limits
                reasons |= limits
            alone = min(alone, p)
            expected = result[at.R_TREND] + result[at.R_SEASONAL]
            far = remainder
            if is_known:  # from where it was for long, where that is farther: a slow change is a change
                longer = value - slow - result[at.R_SEASONAL]
                far = longer if abs(longer) > abs(far) else far
            passed[m] = math.isnan(value) or passes(far, scale, expected, params, gates[m])
            if is_alarm:
                reasons |= at.WHY_MODEL if reasons == 0 else 0
                if passed[m]:
                    best = max(best, found)
                    surest = min(surest, p)
                    joins = joins or row[at.M_JOINED] != integers[at.I_INCIDENT]
                    row[at.M_JOINED] = integers[at.I_INCIDENT] if integers[at.I_OPEN] > 0 else -1.0
            if reasons != 0:
                is_calm = is_calm and reasons == at.WHY_MODEL and p > params[at.P_RELEASE]
            result[at.R_REASONS] = reasons
            worst_new = max(worst_new, new)
            if evidence > worst:
                worst, leading = evidence, m
        if any_missing:
            integers[at.I_MISSING] += 1
        # several metrics: as many chances to be wrong; and all may be a little off at once
        evidence, new = max(worst - chances, 0.0), max(worst_new - chances, 0.0)
        if n_present > 1:
            p = rarity(joint, at.J_ENERGY, energy / n_present, memory)
            together = VIEW_WEIGHT * strength(p)
            evidence, new = max(evidence, together), max(new, together)
        if forest.shape[0] > 0 and n_present > 1:  # or they may no longer move with each other as they did
            unexplained(recent, relations, apart_from[0])
            packed_scores(apart_from, forest, odd)
            together = VIEW_WEIGHT * strength(rarity(joint, at.J_FOREST, -odd[0], memory))
            behind, _ = _share_out(together, apart_from[0], row_out)
            if together > evidence:
                evidence, leading = together, behind % n_metrics
            new = max(new, together)
        row_p = rarity(joint, at.J_NEW_RANKS, new, memory)
        new = (1.0 - _RANK_WEIGHT) * new + _RANK_WEIGHT * strength(row_p)
        found, p_value = _calibrated(joint, at.J_RANKS, histogram, evidence, goes_on, params)
        if p_value <= rate and passed[leading]:
            best, surest = max(best, found), min(surest, p_value)
        if alone <= rate:  # a metric that is abnormal by itself is so in company
            p_value, found = min(p_value, alone), max(found, -math.log10(alone))
        if silent > 0.0:
            p_value, found = min(p_value, 10.0**-silent), max(found, silent)
            if p_value <= rate:
                best, surest = max(best, silent), p_value
        joint[at.J_STATE] = max(joint[at.J_STATE] * fade, new)
        before = _recent_highest(joint, integers, new)
        row_out[at.OUT_ONSET] = -new if new > before else 0.0
        row_out[at.OUT_P_VALUE] = p_value
        row_out[at.OUT_SILENT] = silent
        row_out[at.OUT_REPRUNED] = 1.0 if repruned else 0.0
        row_out[at.OUT_ANOMALY] = 1.0 if p_value <= rate else 0.0
        integers[at.I_REPRUNED] += 1 if repruned else 0
        ends = is_calm and p_value > params[at.P_RELEASE]
        decide(best, surest * spread, is_forced, joins, ends, time / at.DAY, days, params, integers, joint, row_out)
        # what is known to be bad is abnormal while it is there; what is new, for the length of an episode
        row_out[at.OUT_SCORE] = (
            -max(joint[at.J_STATE], _KNOWN_COUNTS * found) if p_value <= rate else -joint[at.J_STATE]
        )
        for m in range(n_metrics):
            if metrics[m, at.M_JOINED] == -1.0:
                metrics[m, at.M_JOINED] = integers[at.I_INCIDENT]
        integers[at.I_LAST_TIME] = time
        integers[at.I_ROWS] += 1
        if is_joint and integers[at.I_ROWS] % integers[at.I_STRIDE] == 0:
            keep_row(sample, recent, integers[at.I_SAMPLED])
            integers[at.I_SAMPLED] += 1
            if integers[at.I_SAMPLED] == sample.shape[0]:
                return int(i) + 1
    n_rows: int = times.shape[0]
    return n_rows
