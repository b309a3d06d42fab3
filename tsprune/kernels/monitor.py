"""Kernel of the stream monitor: rows in, readings out, every bit of memory in flat arrays.

`advance` takes any number of rows; one call with n rows does what n calls with one row do, because each row goes
through the same compiled code and touches nothing but the state arrays. Layouts are the constants below.

State
-----
integers : int64 (N_INTEGERS,)
metrics : float64 (n_metrics, METRIC_SIZE), one row per metric: scalars, season tables, calibration histograms
joint : float64 (JOINT_SIZE,), what belongs to all metrics together

Sign: inside, evidence is higher = more abnormal; `OUT_SCORE` and `OUT_ONSET` are log10 of p-values, lower = more
abnormal.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from tsprune.kernels.calibration import HISTOGRAM_SIZE, add_count, tail_probability

__all__ = ["advance", "start_metric"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

DAY = 86_400_000_000_000
WEEK = 7 * DAY
WEEK_START = 4 * DAY  # the epoch was a Thursday; weeks begin on Monday

# one row of `out`
OUT_SCORE, OUT_ONSET, OUT_P_VALUE, OUT_ANOMALY, OUT_ALERT, OUT_REPRUNED, OUT_METRICS = 0, 1, 2, 3, 4, 5, 6
PER_METRIC = 8  # trend, seasonal, remainder, then evidence: level, slope, season, noise variance, missing

# integers
I_LAST_TIME, I_STEP, I_ROWS, I_OPEN, I_CALM, I_RUN, I_SUPPRESSED, I_GAPS, I_MISSING, I_ALERTS, I_REPRUNED, I_PRIMING = (
    0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11)  # fmt: skip
N_INTEGERS = 16

# params: the policy, then the monitor
P_RATE, P_PER_DAY, P_RELEASE, P_DURATION, P_DIRECTION, P_SIZE, P_HORIZON, P_SEASON = 0, 1, 2, 3, 4, 5, 6, 7
N_PARAMS = 8

# joint
J_TOKENS, J_QUIET = 0, 1
J_SCORE = 8
J_ONSET = J_SCORE + HISTOGRAM_SIZE
JOINT_SIZE = J_ONSET + HISTOGRAM_SIZE

# metrics
M_LEVEL, M_SCALE, M_SLOPE, M_FAST, M_SEEN, M_ERROR_PLAIN, M_ERROR_SEASON, M_KEPT, M_VARIANCE, M_ABSENT, M_DEVIATION = (
    0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10)  # fmt: skip
M_LEVEL_PLAIN = 11
N_SLOTS = 288
M_DAY = 16
M_DAY_COUNT = M_DAY + N_SLOTS
N_FEATURES = 3
M_HISTOGRAMS = M_DAY_COUNT + N_SLOTS
METRIC_SIZE = M_HISTOGRAMS + N_FEATURES * HISTOGRAM_SIZE

_RATE_LEVEL = 0.1
_KEEP, _DROP = 0.9, 1.0  # the season is kept below, dropped above this ratio of its error to the plain one


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
    return time + zone[1, low]


@njit(cache=True, error_model="numpy")
def start_metric(row: Floats, values: Floats) -> None:
    """Set level and scale of a metric (METRIC_SIZE,) from the finite values of its history (n_values,)."""
    n = values.shape[0]
    if n == 0:
        return
    row[M_LEVEL] = np.median(values[: min(n, 20)])
    row[M_LEVEL_PLAIN] = row[M_LEVEL]
    scale = 0.0
    if n > 1:
        scale = np.median(np.abs(np.diff(values))) * 1.0484  # 1.4826 / sqrt(2)
    if scale == 0.0:
        scale = np.std(values)
    row[M_SCALE] = scale


@njit(cache=True, error_model="numpy")
def _metric_step(
    value: float, slot: int, n_steps: int, row: Floats, horizon: float, evidence: Floats, result: Floats
) -> bool:
    """One value of one metric; fills evidence (N_FEATURES,) and result (PER_METRIC,); True if its parts changed."""
    seen = row[M_SEEN]
    season = row[M_DAY + slot] if row[M_KEPT] > 0.0 else 0.0
    level = row[M_LEVEL]
    result[0], result[1] = level, season
    if math.isnan(value):
        row[M_ABSENT] += n_steps
        result[2] = math.nan
        for k in range(N_FEATURES):
            evidence[k] = 0.0
        for k in range(3, 7):
            result[k] = 0.0
        result[7] = min(row[M_ABSENT], 20.0)
        return False
    absent = row[M_ABSENT]
    row[M_ABSENT] = 0.0
    remainder = value - level - season
    result[2] = remainder
    scale = max(row[M_SCALE], 1e-12 * (abs(level) + abs(value)) + 1e-300)
    z = remainder / scale
    limited = min(max(z, -1e6), 1e6)
    # learning is limited to three deviations: an anomaly must not teach the monitor
    step = min(max(remainder, -3.0 * scale), 3.0 * scale)
    rate = max(_RATE_LEVEL, 1.0 / (seen + 1.0))
    row[M_LEVEL] = level + rate * step
    row[M_FAST] += 0.2 * (limited - row[M_FAST])
    row[M_VARIANCE] += 0.1 * (math.log1p(abs(limited)) - row[M_VARIANCE])
    slow = max(1.0 / horizon, 1.0 / (seen + 2.0))
    row[M_SCALE] = row[M_SCALE] + slow * 3.0 * (min(abs(remainder) * 1.25, 3.0 * scale) - row[M_SCALE])
    row[M_DEVIATION] += slow * (row[M_VARIANCE] - row[M_DEVIATION])
    evidence[0] = abs(limited)
    evidence[1] = abs(row[M_FAST])
    evidence[2] = abs(row[M_VARIANCE] - row[M_DEVIATION])
    # the season, learned beside the plain level and kept while it predicts better
    plain_error = value - row[M_LEVEL_PLAIN]
    bound = 5.0 * scale
    plain_step = min(max(plain_error, -bound), bound)
    count = row[M_DAY_COUNT + slot]
    table_error = value - row[M_LEVEL_PLAIN] - row[M_DAY + slot]
    if count >= 1.0:
        row[M_ERROR_PLAIN] += slow * 2.0 * (min(abs(plain_error), 10.0 * scale) - row[M_ERROR_PLAIN])
        row[M_ERROR_SEASON] += slow * 2.0 * (min(abs(table_error), 10.0 * scale) - row[M_ERROR_SEASON])
    row[M_LEVEL_PLAIN] += max(slow, 0.001) * plain_step
    row[M_DAY + slot] += max(0.2, 1.0 / (count + 1.0)) * (plain_error - row[M_DAY + slot])
    row[M_DAY_COUNT + slot] = min(count + 1.0, 1e6)
    row[M_SEEN] = seen + 1.0
    kept = row[M_KEPT] > 0.0
    ratio = row[M_ERROR_SEASON] / max(row[M_ERROR_PLAIN], 1e-300)
    changed = False
    if not kept and count >= 3.0 and ratio < _KEEP:
        row[M_KEPT], row[M_LEVEL], changed = 1.0, row[M_LEVEL_PLAIN], True
    elif kept and ratio > _DROP:
        row[M_KEPT], row[M_LEVEL], changed = 0.0, value, True
    result[3] = evidence[1]
    result[4] = 0.0
    result[5] = max(abs(table_error) - abs(plain_error), 0.0) / scale if kept else 0.0
    result[6] = evidence[2]
    result[7] = min(absent, 20.0)
    return changed


@njit(cache=True, error_model="numpy")
def _alert(score: float, onset: float, way: float, size: float, n_steps: int, params: Floats, integers: Integers,
           joint: Floats, out: Floats, day_share: float) -> None:  # fmt: skip
    """Apply the policy to one row: fills is_anomaly and alert of `out`, moves episode and budget."""
    p_value = out[OUT_P_VALUE]
    anomalous = p_value <= params[P_RATE]
    out[OUT_ANOMALY] = 1.0 if anomalous else 0.0
    out[OUT_ALERT] = 0.0
    per_day = params[P_PER_DAY]
    if math.isfinite(per_day):
        joint[J_TOKENS] = min(joint[J_TOKENS] + per_day * day_share, max(per_day, 1.0))
    integers[I_RUN] = integers[I_RUN] + 1 if anomalous else 0
    if integers[I_OPEN] == 1:
        integers[I_CALM] = integers[I_CALM] + 1 if p_value > params[P_RELEASE] else 0
        if integers[I_CALM] >= 3:
            integers[I_OPEN] = 0
    elif integers[I_PRIMING] == 0 and integers[I_RUN] >= params[P_DURATION]:
        fits = params[P_DIRECTION] * way >= 0.0 and size >= params[P_SIZE]
        if fits and anomalous:
            integers[I_OPEN], integers[I_CALM] = 1, 0
            if joint[J_TOKENS] >= 1.0 or not math.isfinite(per_day):
                joint[J_TOKENS] -= 1.0 if math.isfinite(per_day) else 0.0
                out[OUT_ALERT] = 1.0
                integers[I_ALERTS] += 1
            else:
                integers[I_SUPPRESSED] += 1


@njit(cache=True, error_model="numpy")
def advance(times: Integers, values: Floats, zone: Integers, params: Floats, integers: Integers, joint: Floats,
            metrics: Floats, out: Floats) -> None:  # fmt: skip
    """Take rows `values` (n_rows, n_metrics) at `times` (n_rows,) into the state; fill `out` (n_rows, n_fields)."""
    n_metrics = values.shape[1]
    evidence = np.empty(N_FEATURES)
    for i in range(times.shape[0]):
        time, step = times[i], integers[I_STEP]
        n_steps = 1
        if integers[I_ROWS] > 0:
            n_steps = max(1, (2 * (time - integers[I_LAST_TIME]) + step) // (2 * step))
            day_share = (time - integers[I_LAST_TIME]) / DAY
        else:
            day_share = 0.0
        if n_steps > 1:
            integers[I_GAPS] += 1
        local = _local_time(time, zone)
        slot = (local % DAY) * N_SLOTS // DAY
        row_out = out[i]
        worst, worst_fast = 1.0, 1.0
        way, size = 0.0, 0.0
        repruned, any_missing = False, False
        for m in range(n_metrics):
            row = metrics[m]
            result = row_out[OUT_METRICS + m * PER_METRIC : OUT_METRICS + (m + 1) * PER_METRIC]
            repruned |= _metric_step(values[i, m], slot, n_steps, row, params[P_HORIZON], evidence, result)
            if math.isnan(values[i, m]):
                any_missing = True
                continue
            lowest = 1.0
            for k in range(N_FEATURES):
                start = M_HISTOGRAMS + k * HISTOGRAM_SIZE
                histogram = row[start : start + HISTOGRAM_SIZE]
                p = tail_probability(histogram, evidence[k])
                add_count(histogram, evidence[k], params[P_HORIZON])
                if k == 0:
                    worst_fast = min(worst_fast, p)
                lowest = min(lowest, p)
            if lowest < worst:
                worst = lowest
                way = 1.0 if result[2] > 0.0 else -1.0
                size = evidence[0]
        if any_missing:
            integers[I_MISSING] += 1
        joint[J_QUIET] = max(joint[J_QUIET] * 0.9, -math.log10(worst))
        state = joint[J_QUIET]
        score_histogram = joint[J_SCORE : J_SCORE + HISTOGRAM_SIZE]
        p_value = tail_probability(score_histogram, state)
        add_count(score_histogram, state, params[P_HORIZON])
        change = -math.log10(worst_fast)
        onset_histogram = joint[J_ONSET : J_ONSET + HISTOGRAM_SIZE]
        onset = math.log10(tail_probability(onset_histogram, change))
        add_count(onset_histogram, change, params[P_HORIZON])
        row_out[OUT_SCORE] = math.log10(p_value)
        row_out[OUT_ONSET] = onset
        row_out[OUT_P_VALUE] = p_value
        row_out[OUT_REPRUNED] = 1.0 if repruned else 0.0
        integers[I_REPRUNED] += 1 if repruned else 0
        _alert(row_out[OUT_SCORE], onset, way, size, n_steps, params, integers, joint, row_out, day_share)
        integers[I_LAST_TIME] = time
        integers[I_ROWS] += 1
