"""The regular lattice under jittering times: its step and phase.

A lattice is taken if it places times at most a third of a step from its points. The step is the most frequent
difference where times are exact, and otherwise the one with which the phases of the times agree best; steps that clocks
have (5 minutes, an hour) win over others nearby.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["LARGEST_OFFSET", "find_lattice", "offsets"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

LARGEST_OFFSET = 0.35  # of a step: a third, and what the estimate of the phase is off

_EXACT = 0.9  # share of differences that are multiples of the most frequent one, if times are exact
_NEAR = 0.03  # a step that clocks have is tried if it is this near
_FIRST, _FACTOR = 64, 4  # times of the first search for a step, and how many more each further one takes
_TRIALS = 8  # steps tried on either side
_SECOND = 10**9
_CLOCK_STEPS = np.array(
    sorted(
        {ms * 10**6 for ms in (1, 2, 5, 10, 20, 50, 100, 200, 250, 500)}
        | {s * unit * _SECOND for unit in (1, 60) for s in (1, 2, 3, 4, 5, 6, 10, 12, 15, 20, 30)}
        | {h * 3600 * _SECOND for h in (1, 2, 3, 4, 6, 8, 12, 24, 7 * 24)}
    ),
    dtype=np.float64,
)


def find_lattice(ticks: Integers, *, has_clock: bool) -> tuple[int, int]:
    """Return start and step of the lattice under the times.

    Parameters
    ----------
    ticks : ndarray of shape (n_timepoints,)
        At least 2 times, strictly increasing.
    has_clock : bool
        True if they count nanoseconds, so that a clock has steps.
    """
    differences = np.diff(ticks)
    steps, counts = np.unique(differences, return_counts=True)
    step = int(steps[np.argmax(counts)])
    if (differences % step == 0).mean() >= _EXACT:
        return _anchored(ticks, step), step
    tried = [float(step)] if counts.max() > 0.25 * differences.size else []
    cycles = np.maximum(1.0, np.rint(differences / np.median(differences)))
    centre = float((ticks[-1] - ticks[0]) / cycles.sum())
    if has_clock:
        near = _CLOCK_STEPS[np.abs(_CLOCK_STEPS / centre - 1.0) <= _NEAR]
        tried = [float(near[np.argmin(np.abs(near / centre - 1.0))]), *tried] if near.size else tried
    tried.append(_agreeing_step(ticks, centre))
    spread = []
    for candidate in tried:
        whole = max(1, round(candidate))
        offset = np.abs(offsets(ticks, _anchored(ticks, whole), whole))
        if offset.max() <= LARGEST_OFFSET:
            return _anchored(ticks, whole), whole
        spread.append(float(np.quantile(offset, 0.9)))
    best = max(1, round(tried[int(np.argmin(spread))]))
    return _anchored(ticks, best), best


def offsets(ticks: Integers, start: int, step: int) -> Floats:
    """Return how far times (n,) are from the nearest point of a lattice (n,), in steps: -0.5 to 0.5."""
    part = np.mod(ticks - start, step) / step
    return np.asarray(np.where(part >= 0.5, part - 1.0, part))


def _anchored(ticks: Integers, step: int) -> int:
    """Return the point of the lattice next to the first time: the first time itself where most times agree with it."""
    first = int(ticks[0])
    around = offsets(ticks, first, step)
    if (around == 0.0).mean() > 0.5:
        return first
    angle = np.angle(np.exp(2j * np.pi * around).mean()) / (2.0 * np.pi)
    left = np.mod(around - angle + 0.5, 1.0) - 0.5
    shift = angle + 0.5 * (left.max() + left.min()) if np.ptp(left) < 2 * LARGEST_OFFSET else angle
    return first + round(float(shift * step))


def _agreeing_step(ticks: Integers, centre: float) -> float:
    """Return the step near `centre` with which the phases of the times agree best: on few of them, then on more."""
    step, n = centre, min(_FIRST, ticks.size)
    width = 1.0 / 16.0
    while True:
        part = (ticks[:n] - ticks[0]).astype(np.float64)
        finest = step / (4.0 * max(part[-1] / step, 1.0))  # a quarter of a turn at the end
        reach = min(64 * _TRIALS, max(_TRIALS, int(np.ceil(width * step / finest))))
        trials = step + finest * np.arange(-reach, reach + 1)
        agreement = [abs(np.exp(2j * np.pi * (part / trial % 1.0)).mean()) for trial in trials]
        step = float(trials[int(np.argmax(agreement))])
        if n == ticks.size:
            return step
        width = 2.0 * finest / step
        n = min(ticks.size, n * _FACTOR)
