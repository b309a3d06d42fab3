"""Level shifts: temporary ones, blocks that leave and come back with both ends seen, and lasting ones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tsprune.cleaning_model import SeriesModel
from tsprune.kernels.hampel import running_median
from tsprune.kernels.patches import best_level, innovations, step_evidence

__all__ = ["LevelBlock", "find_lasting_shifts", "find_level_blocks"]

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

LEVEL_THRESHOLD = 6.0  # |z| of the block: some 1e5 pairs of edges are looked at
_EDGE = 3.5  # |z| of each of its two ends
_MISFIT = 9.0  # chi-square, 1 degree of freedom: it comes back to where it left within 3 standard errors
_CHANCE = 0.1  # expected number of such blocks among the innovations left
_LONE_EDGE = 6.0  # standard deviations: steps that large may stand alone
_MOST_EDGES = 120
_LONGEST_SHARE = 5  # a block longer than a fifth of the series is another regime, not a fault
_MOST_BLOCKS = 3
_MOST_SHIFTS = 5
_SIDE = 12  # rows, at least, that must be seen on both sides of a lasting shift
_WANDERING = 6.0  # times the typical change of the level over as many rows: a random walk has no lasting shifts
_MAD = 1.4826


@dataclass(frozen=True)
class LevelBlock:
    """Rows ``start .. stop - 1`` stand `size` too high; `statistic` is the z of the block."""

    start: int
    stop: int
    size: float
    statistic: float
    threshold: float = LEVEL_THRESHOLD


def find_level_blocks(
    rest: Floats, model: SeriesModel, weights: Floats, patch_steps: Floats, shortest: int, least: float
) -> list[LevelBlock]:
    """Return temporary levels in `rest` (n_timepoints,), the adjusted series without its spikes and bursts.

    A block counts where both steps stand out, sizes agree, and chance would not pair innovations as large that far
    apart; `weights` are 1 / variance of the innovations, `patch_steps` (n_patches,) the steps of the spikes and bursts
    taken out, in standard deviations, `least` is the smallest size that matters.
    """
    n = rest.size
    blocks: list[LevelBlock] = []
    longest = n // _LONGEST_SHARE
    work = rest.copy()
    sums = np.cumsum(model.phi)
    for _ in range(_MOST_BLOCKS):
        e = innovations(work, model.phi)
        z = step_evidence(e, weights, sums)
        edges = np.flatnonzero(np.abs(z) >= _EDGE)
        edges = np.sort(edges[np.argsort(-np.abs(z[edges]))][:_MOST_EDGES])
        if edges.size < 2:
            break
        start, stop, size, strength = best_level(e, weights, sums, edges, z, shortest, longest, _MISFIT, least)
        if abs(strength) < LEVEL_THRESHOLD:
            break
        steps = np.abs(e) * np.sqrt(weights)
        steps[[start, stop]] = 0.0
        step = min(abs(z[start]), abs(z[stop]))
        alike = int((steps >= 0.8 * step).sum())
        larger = int((patch_steps >= step).sum())  # what is left of them may look like an edge
        chance = 0.125 * (alike + larger) ** 2 * (stop - start) / n
        inside = strength**2 - z[start] ** 2 - z[stop] ** 2  # evidence of the rows between the edges
        if (step < _LONE_EDGE or chance > _CHANCE) and inside < LEVEL_THRESHOLD**2:
            break
        blocks.append(LevelBlock(start, stop, size, strength))
        work[start:stop] -= size
    return blocks


def find_lasting_shifts(model: SeriesModel, trusted: Mask, period: int) -> list[LevelBlock]:
    """Return the steps of the adjusted series (n_timepoints,) that last: a row from which on the level is another.

    A step counts where its innovation stands out, and where the medians of the rows before and after it differ
    far more than they do elsewhere in the series; only rows `trusted` (n_timepoints,) have a say. The shift ends at the
    last row, or where the next one begins.
    """
    side = max(_SIDE, min(period, 48))
    n = trusted.size
    if n < 6 * side:
        return []
    t = np.arange(n)
    work = np.interp(t, t[trusted], model.adjusted[trusted])
    weights, sums = model.weights(~trusted), np.cumsum(model.phi)
    found: list[LevelBlock] = []
    half = side // 2
    for _ in range(_MOST_SHIFTS):
        level = running_median(work, half)
        change = np.zeros(n)
        change[half + 1 : n - half] = level[2 * half + 1 :] - level[: n - 2 * half - 1]
        sound = np.zeros(n, bool)
        sound[side : n - side] = True
        spread = _MAD * float(np.median(np.abs(change[sound])))
        evidence = np.abs(step_evidence(innovations(work, model.phi), weights, sums))
        fits = sound & (evidence >= LEVEL_THRESHOLD) & (np.abs(change) >= _WANDERING * spread)
        fits &= np.abs(change) >= 3.0 * np.median(model.scale)
        if not fits.any() or spread <= 0.0:
            break
        start = int(np.argmax(np.where(fits, evidence, 0.0)))
        found.append(LevelBlock(start, n, float(change[start]), float(evidence[start])))
        work[start:] -= change[start]
    found.sort(key=lambda shift: shift.start)
    stops = [shift.start for shift in found[1:]] + [n] * bool(found)
    return [LevelBlock(s.start, stop, s.size, s.statistic) for s, stop in zip(found, stops, strict=True)]
