"""Policy of alerts: limits and gates of every metric, incidents, and a budget that goes to the worst.

An incident is the time during which anything is abnormal; metrics that depart together are part of one. It raises one
alert, and another one where a metric joins late, or where more is at stake than was alerted. Where there are more
incidents than the budget allows, one is alerted only if it is among the worst of the last ones.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

import tsprune.streaming.monitor.kernels.layout as at
from detectors.kernels.leaf import leaf

__all__ = ["broken_limits", "decide", "passes"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

_CALM_ROWS = 3  # that end an incident
_TOGETHER = 12  # rows from the first alert on within which a metric that departs belongs to it
_WORSE = 1.0  # strength by which a metric that joins must exceed what was alerted, to be alerted within those rows
_FEW_PEAKS = 4  # incidents before the worst of them are told from the rest
_SURE, _LASTS = 0.1, 3  # of the false-alarm rate, at which one row is enough for an alert; rows in a row that are, too
_ENOUGH = 2.0  # rows times the false-alarm rate, from which that holds
_SPREAD = 0.5  # of the budget that a nearly empty bucket still gives


@leaf
def broken_limits(value: float, last: float, gates: Floats) -> int:
    """Return which limits (N_GATES,) a value breaks after `last` (NaN: none before), as bits of reasons."""
    found = 0
    if value < gates[at.G_LOWER]:  # a limit that is NaN is never broken
        found |= at.WHY_LOWER
    if value > gates[at.G_UPPER]:
        found |= at.WHY_UPPER
    if abs(value - last) > gates[at.G_MAX_STEP]:
        found |= at.WHY_STEP
    return found


@leaf
def passes(deviation: float, scale: float, expected: float, params: Floats, gates: Floats) -> bool:
    """Return whether a deviation from `expected`, both in the metric's unit, is one to be alerted."""
    size = abs(deviation)
    direction = gates[at.G_DIRECTION] if not math.isnan(gates[at.G_DIRECTION]) else params[at.P_DIRECTION]
    if direction * deviation < 0.0 or size < params[at.P_SIZE] * scale:
        return False
    if size < gates[at.G_MIN_ABS]:
        return False
    return not size < gates[at.G_MIN_REL] * abs(expected)


@leaf
def _is_among_the_worst(evidence: float, params: Floats, integers: Integers, joint: Floats, today: float) -> bool:
    """Return whether an incident deserves a part of the budget that is left."""
    count = min(integers[at.I_PEAKS], at.N_PEAKS)
    if count < _FEW_PEAKS:
        return True
    oldest, milder = math.inf, 0
    for k in range(count):
        oldest = min(oldest, joint[at.J_PEAKS + 2 * k])
        milder += joint[at.J_PEAKS + 2 * k + 1] < evidence
    per_day = params[at.P_PER_DAY]
    a_day = count / max(today - oldest, 1.0)
    if a_day <= per_day:
        return True
    share = per_day / a_day * (_SPREAD + joint[at.J_TOKENS] / max(per_day, 1.0))
    return bool(milder >= (1.0 - share) * count)


@leaf
def decide(evidence: float, p_value: float, is_forced: bool, joins: bool, is_quiet: bool, today: float, days: float,
           params: Floats, integers: Integers, joint: Floats, out: Floats) -> bool:  # fmt: skip
    """Apply the policy to one row: fills alert, held and incident of `out`; returns whether an incident is open.

    Parameters
    ----------
    evidence : float
        Strongest evidence that passes its gates; negative if there is none.
    p_value : float
        Its p-value.
    is_forced : bool
        Whether a limit was broken that was not broken before: it always speaks.
    joins : bool
        Whether a metric departs that is not part of the open incident.
    is_quiet : bool
        Whether nothing is abnormal any more.
    today, days : float
        Days since the epoch; days since the row before.
    """
    per_day = params[at.P_PER_DAY]
    has_budget = math.isfinite(per_day)
    if has_budget:
        joint[at.J_TOKENS] = min(joint[at.J_TOKENS] + per_day * days, max(per_day, 1.0))
    out[at.OUT_ALERT] = out[at.OUT_HELD] = 0.0
    integers[at.I_RUN] = integers[at.I_RUN] + 1 if out[at.OUT_ANOMALY] > 0.0 else 0
    if integers[at.I_OPEN] > 0:
        integers[at.I_CALM] = integers[at.I_CALM] + 1 if is_quiet else 0
        if integers[at.I_CALM] >= _CALM_ROWS:
            integers[at.I_OPEN] = 0
    may_speak = integers[at.I_PRIMING] == 0
    rate = params[at.P_RATE]  # so small a part cannot be told from it before there are enough rows
    sure = _SURE * rate if integers[at.I_ROWS] * rate >= _ENOUGH else rate
    is_sure = p_value <= sure or integers[at.I_RUN] >= _LASTS
    wants = may_speak and evidence >= 0.0 and is_sure and integers[at.I_RUN] >= params[at.P_DURATION]
    forced = may_speak and is_forced
    is_new = integers[at.I_OPEN] == 0
    if is_new and (wants or forced):
        integers[at.I_OPEN], integers[at.I_CALM] = 2, 0  # open, nothing alerted yet
        integers[at.I_INCIDENT] += 1
        integers[at.I_OPENED] = integers[at.I_ROWS]
        joint[at.J_PEAK] = -1.0
    speaks = forced
    if wants and not is_new and integers[at.I_OPEN] == 1:
        late = integers[at.I_ROWS] - integers[at.I_OPENED] > _TOGETHER
        wants = joins and (late or evidence >= joint[at.J_PEAK] + _WORSE)
    if wants and not forced:
        if is_new or evidence > joint[at.J_PEAK]:  # of a held one, each worsening is another chance
            affordable = joint[at.J_TOKENS] >= 1.0 and _is_among_the_worst(evidence, params, integers, joint, today)
            speaks = not has_budget or affordable
            if has_budget and speaks:
                joint[at.J_TOKENS] -= 1.0
            if not speaks and is_new:
                out[at.OUT_HELD] = 1.0
                integers[at.I_SUPPRESSED] += 1
        if is_new:
            place = at.J_PEAKS + 2 * (integers[at.I_PEAKS] % at.N_PEAKS)
            joint[place], joint[place + 1] = today, evidence
            integers[at.I_PEAKS] += 1
    if wants or forced:
        joint[at.J_PEAK] = max(joint[at.J_PEAK], evidence)
    if speaks:
        if integers[at.I_OPEN] == 2 and not is_new and not forced:
            integers[at.I_SUPPRESSED] -= 1  # it was held back until now
        out[at.OUT_ALERT] = 1.0
        integers[at.I_OPEN] = 1
        integers[at.I_ALERTS] += 1
    out[at.OUT_INCIDENT] = integers[at.I_INCIDENT] if integers[at.I_OPEN] > 0 else 0.0
    return bool(integers[at.I_OPEN] > 0)
