"""Level shifts: lasting steps of a series, found on what is left once the seasons are gone.

The statistic at a point is the jump between two straight lines, one through the `window` points before it and one
through those from it on, divided by the typical jump of the same series. Trends cancel, and because the yardstick is
the series' own jumps, autocorrelated noise and random walks raise no alarm: their jumps are large everywhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tsprune.decomposition.kernels.level_shifts import best_break, jumps, largest
from tsprune.decomposition.kernels.loess import fill_along
from tsprune.decomposition.kernels.medians import median_of_seven

__all__ = ["LevelShift", "Step", "find_steps", "steps_of"]

Floats = NDArray[np.float64]

# significance of one shift, corrected for every place where it might have been
ALPHA = 0.001
SHORTEST_WINDOW = 12
# standard normal quantiles of |jump|: the median, and the share of the series that shifts may occupy
MEDIAN_QUANTILE, MEDIAN_NORMAL = 0.5, 0.6745
WIDE_QUANTILE, WIDE_NORMAL = 0.8, 1.2816
TINY = float(np.finfo(np.float64).tiny)
# a step happens within this share of the window, and most of its size must
ABRUPT_SHARE, ABRUPT_SIZE, ABRUPT_DEVIATIONS = 0.125, 0.6, 4.0
# a jump that comes again with this share of its size, one or two periods away, belongs to the season
SEASONAL_SHARE = 0.5
# two steps that cancel to less than this share are an episode, not a shift
EPISODE_REST = 0.5


@dataclass(frozen=True)
class Step:
    """One step: the row of the first point on the new level, its size, the evidence."""

    position: int
    size: float
    statistic: float
    p_value: float


@dataclass(frozen=True)
class LevelShift:
    """One lasting step of a decomposed series.

    Attributes
    ----------
    position : int
        Row of the first point on the new level.
    time : object
        The time of that row: a stamp, an integer, or the row number.
    size : float
        New level minus old level, in the units of the series.
    statistic : float
        Jump between the two sides, in typical jumps of the series.
    p_value : float
        Probability of a statistic that large anywhere in a series without shifts.
    """

    position: int
    time: Any
    size: float
    statistic: float
    p_value: float


def find_steps(x: Floats, window: int, lasting: int, periods: Sequence[int] = ()) -> list[Step]:
    """Return the significant steps of `x` (n_timepoints,), NaN where missing, in the order of time.

    `window`: points per side that are compared; `lasting`: points a step must outlive; `periods`: seasons that were
    removed, maybe not entirely.
    """
    n = x.shape[0]
    window = max(window, SHORTEST_WINDOW)
    if n < 6 * window:
        return []
    missing = np.isnan(x)
    filled = x.copy()
    fill_along(filled, 1)
    smooth = np.empty(n)
    median_of_seven(filled, 1, smooth)
    smooth[missing] = np.nan
    steps: list[Step] = []
    jump, error = np.empty(n), np.empty(n)
    candidate = np.ones(n, dtype=bool)
    least = max(4, window // 3)
    jumps(smooth, window, least, jump, error)
    while len(steps) < n // (2 * window):
        peak = largest(jump, error, candidate)
        if peak < 0:
            break
        statistic = abs(jump[peak]) / (error[peak] * typical(jump, smooth))
        p_value = tail_probability(statistic, n, window)
        if p_value > ALPHA:
            break
        first, last = max(0, peak - window), min(n, peak + window)
        where = best_break(smooth, first, last, least)
        candidate[max(0, peak - window // 2) : peak + window // 2 + 1] = False
        if where < 0 or is_seasonal(jump, peak, periods) or not is_abrupt(smooth, where, window, jump[peak]):
            continue
        height = height_at(filled, missing, where, window)
        if height * np.sign(jump[peak]) < ABRUPT_SIZE * abs(jump[peak]):
            continue
        steps.append(Step(where, height, float(statistic), p_value))
        smooth[where:] -= height
        filled[where:] -= height
        jumps(smooth, window, least, jump, error)
    return without_episodes(sorted(steps, key=lambda step: step.position), lasting)


def height_at(x: Floats, missing: NDArray[np.bool_], where: int, window: int) -> float:
    """Return the height of the step just before `where`: the line of the side after, minus that of the side before.

    `x` (n_timepoints,) as observed. Each side has running medians of its own, mirrored at the step: medians across the
    step would pull its two sides together.
    """
    ends = []
    for first, last in ((max(0, where - window), where), (where, min(x.shape[0], where + window))):
        known = first + np.flatnonzero(~missing[first:last])
        padded = np.pad(x[known], 3, mode="symmetric")
        medians = np.empty_like(padded)
        median_of_seven(padded, 1, medians)
        ends.append(float(np.polynomial.polynomial.polyfit(known - (where - 0.5), medians[3:-3], 1)[0]))
    return ends[1] - ends[0]


def typical(jump: Floats, x: Floats) -> float:
    """Return the standard deviation of the jumps (n_timepoints,) that no shift is part of."""
    size = np.abs(jump[np.isfinite(jump)])
    ranks = [int(MEDIAN_QUANTILE * (size.size - 1)), int(WIDE_QUANTILE * (size.size - 1))]
    middle, wide = np.partition(size, ranks)[ranks]
    rounding = 1e3 * np.finfo(np.float64).eps * float(np.nanmax(np.abs(x)))
    return float(max(middle / MEDIAN_NORMAL, wide / WIDE_NORMAL, rounding, TINY))


def tail_probability(statistic: float, n_timepoints: int, window: int) -> float:
    """Return the probability of a larger jump anywhere, in noise of any autocorrelation.

    Student's tail, as the yardstick is itself estimated from n / window stretches of which two neighbours share
    points, times twice the number of stretches (Bonferroni).
    """
    from scipy.special import stdtr

    stretches = n_timepoints / window
    return float(min(1.0, 2.0 * 2.0 * stretches * stdtr(0.5 * stretches, -statistic)))


def is_seasonal(jump: Floats, peak: int, periods: Sequence[int]) -> bool:
    """True if the jump comes again one or two periods before or after: what is left of a season does."""
    near = [peak + k * period for period in periods for k in (-2, -1, 1, 2)]
    # of the same sign: a step has lobes of the other sign around it
    others = [jump[i] * np.sign(jump[peak]) for i in near if 0 <= i < jump.shape[0] and np.isfinite(jump[i])]
    return bool(others) and max(others) > SEASONAL_SHARE * abs(jump[peak])


def is_abrupt(x: Floats, where: int, window: int, jump: float) -> bool:
    """True if most of the jump happens within a few points of `where`: a ramp or a bend does not."""
    short = max(5, int(ABRUPT_SHARE * window))
    known = np.isfinite(x)
    totals = np.concatenate([[0.0], np.cumsum(np.where(known, x, 0.0))])
    counts = np.concatenate([[0], np.cumsum(known)])

    def means(first: NDArray[np.int64]) -> Floats:
        size = counts[first + short] - counts[first]
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(size > 0, (totals[first + short] - totals[first]) / size, np.nan)

    everywhere = np.arange(short, x.shape[0] - short + 1)
    around = means(everywhere) - means(everywhere - short)
    if not short <= where <= x.shape[0] - short:
        return False
    here = around[where - short]
    if not np.isfinite(here):
        # a gap: the nearest known points of both sides
        before, after = np.flatnonzero(known[:where])[-short:], where + np.flatnonzero(known[where:])[:short]
        here = x[after].mean() - x[before].mean()
    # the whole series and the neighbourhood: what is left of a season may be rough here only
    local = np.abs(around[max(0, where - short - 2 * window) : where - short + 2 * window])
    rough = max(float(np.nanmedian(np.abs(around))), float(np.nanmedian(local)) if np.isfinite(local).any() else 0.0)
    scale = rough / MEDIAN_NORMAL
    return bool(here * jump > 0 and abs(here) >= ABRUPT_SIZE * abs(jump) and abs(here) >= ABRUPT_DEVIATIONS * scale)


def without_episodes(steps: list[Step], lasting: int) -> list[Step]:
    """Drop pairs of neighbouring steps, less than `lasting` apart, that undo each other."""
    kept: list[Step] = []
    for step in steps:
        if kept and step.position - kept[-1].position < lasting:
            rest = abs(step.size + kept[-1].size)
            if rest < EPISODE_REST * max(abs(step.size), abs(kept[-1].size)):
                kept.pop()
                continue
        kept.append(step)
    return kept


def steps_of(shifts: list[Step], n_timepoints: int) -> Floats:
    """Return the sum of the steps (n_timepoints,), 0 before the first."""
    total = np.zeros(n_timepoints)
    for step in shifts:
        total[step.position :] += step.size
    return total
