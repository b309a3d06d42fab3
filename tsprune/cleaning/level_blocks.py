"""Level shifts: temporary ones, blocks that leave and come back with both ends seen, and lasting ones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tsprune.cleaning.change import LASTING, Change
from tsprune.cleaning.imputation import interpolate_rows
from tsprune.cleaning.judgement import Column, Findings
from tsprune.cleaning.kernels.level_blocks import level_pairs, refine_level
from tsprune.cleaning.kernels.patches import innovations, search_patches, step_evidence
from tsprune.cleaning.kernels.running_median import running_median
from tsprune.cleaning.model import SeriesModel, fit_model, total_season

__all__ = ["LevelBlock", "find_lasting_shifts", "find_level_blocks", "judge_lasting_shifts"]

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

LEVEL_THRESHOLD = 6.0  # |z| of the block: some 1e5 pairs of edges are looked at
_EDGE = 3.5  # |z| of each of its two ends
_MISFIT = 9.0  # chi-square, 1 degree of freedom: it comes back to where it left within 3 standard errors
_CHANCE = 0.1  # expected number of such blocks among the innovations left
_DEGREES = 4.0  # of freedom of the t distribution innovations are judged by: one large step is no wonder
_DOUBT = 8.0  # nats: one series in some thousands has such a block
_MOST_EDGES = 60
_WORTH = 12.0  # nats of both ends before the model is fitted again: half of what a block must save
_MOST_TRIALS = 4  # candidates for which the model is fitted again
_REFINED = 3  # rows by which an edge may move then
_LONGEST_SHARE = 5  # a block longer than a fifth of the series is another regime, not a fault
_MOST_BLOCKS = 3
_MOST_SHIFTS = 5
_SIDE = 12  # rows, at least, that must be seen on both sides of a block or of a lasting shift
_WANDERING = 6.0  # times the typical change of the level over as many rows: a random walk has no lasting shifts
_MAD = 1.4826
_PATCH, _PAIR = 5.0, 7.0  # |z| of a patch, and chi-square for the second size of a pair, as in `cleaning_points`


@dataclass(frozen=True)
class LevelBlock:
    """Rows ``start .. stop - 1`` stand `size` too high; `statistic` is the z of the block."""

    start: int
    stop: int
    size: float
    statistic: float
    threshold: float = LEVEL_THRESHOLD


def find_level_blocks(
    work: Floats, out: Mask, spikes: Mask, model: SeriesModel, periods: tuple[int, ...], longest: int, least: float
) -> tuple[list[LevelBlock], SeriesModel]:
    """Return temporary levels of `work` (n_timepoints,), the strongest first, and the model without them.

    Pairs of opposite steps are candidates. For the best of them the model is fitted again without the rows in between,
    so that a season cannot have learned the block, and two accounts of the series are compared: all its spikes and
    bursts with the block moved back, and without. The block counts where its account is the likelier by more than
    its three numbers cost, and chance would not pair steps as large that far apart.

    `out` (n_timepoints,) are the rows of spikes and bursts, `spikes` those of spikes only: an end of a block may look
    like a burst beside it. `longest` is the length of bursts, `least` the smallest size that matters.
    """
    blocks: list[LevelBlock] = []
    missing = np.isnan(work)
    while len(blocks) < _MOST_BLOCKS:
        best, most = None, 0.0
        without_patches = _candidates(model, missing, out, longest + 1, least)[: _MOST_TRIALS // 2]
        with_bursts = _candidates(model, missing, spikes, longest + 1, least)
        for start, stop in list(dict.fromkeys(without_patches + with_bursts))[:_MOST_TRIALS]:
            tried, gain = _try(work, out, spikes, periods, (start, stop), longest, least)
            if gain > most:
                best, most = tried, gain
        if best is None:
            break
        blocks.append(best)
        work = work.copy()
        work[best.start : best.stop] -= best.size
        model = fit_model(work, out, periods)
    return blocks, model


def _candidates(model: SeriesModel, missing: Mask, spikes: Mask, shortest: int, least: float) -> list[tuple[int, int]]:
    """Starts and stops of the pairs of opposite steps with the most evidence, at most `_MOST_TRIALS`."""
    n = missing.size
    a, weights, sums = model.adjusted, model.weights(missing), np.cumsum(model.phi)
    if spikes.any():
        a = interpolate_rows(np.where(spikes, 0.0, a), model.phi, 1.0 / model.scale**2, spikes)[0]
    e = innovations(a, model.phi)
    z = step_evidence(e, weights, sums)
    edges = np.flatnonzero(np.abs(z) >= _EDGE)
    edges = np.sort(edges[np.argsort(-np.abs(z[edges]))][:_MOST_EDGES])
    pairs, found = level_pairs(e, weights, sums, edges, z, shortest, n // _LONGEST_SHARE, 0.5 * least)
    chosen: list[tuple[int, int]] = []
    for k in np.argsort(-np.abs(found)):
        start, stop = int(pairs[k, 0]), int(pairs[k, 1])
        if abs(found[k]) < LEVEL_THRESHOLD or len(chosen) == _MOST_TRIALS:
            break
        worth = _surprise(z[[start, stop]]).sum() > _WORTH
        if worth and all(max(abs(start - s), abs(stop - t)) > 2 * _REFINED for s, t in chosen):
            chosen.append((start, stop))
    return chosen


def _try(
    work: Floats, out: Mask, spikes: Mask, periods: tuple[int, ...], rows: tuple[int, int], longest: int, least: float
) -> tuple[LevelBlock, float]:
    """The block of `work` (n_timepoints,) near `rows` by a model that does not know them, and what it saves, in nats.

    Where a gate says no, nothing is saved.
    """
    n = work.size
    missing = np.isnan(work)
    bare, bad = work.copy(), out.copy()
    bare[rows[0] : rows[1]] = np.nan
    bad[rows[0] : rows[1]] = False
    model = fit_model(bare, bad, periods)
    weights, sums = model.weights(missing), np.cumsum(model.phi)
    hidden = missing | spikes
    a = np.where(hidden, 0.0, work - total_season(model.seasonal) - model.mean)
    if hidden.any():
        a = interpolate_rows(a, model.phi, 1.0 / model.scale**2, hidden)[0]
    e = innovations(a, model.phi)
    start, stop, size, z, free = refine_level(e, weights, sums, rows[0], rows[1], _REFINED)
    block = LevelBlock(start, stop, size, z)
    weak = abs(z) < LEVEL_THRESHOLD or abs(size) < least or stop - start <= longest or min(start, n - stop) < _SIDE
    if weak or free - z * z > max(_MISFIT, 0.05 * z * z):
        return block, 0.0
    near = stop - start
    inside = float(np.median(a[start:stop]))
    around = float(np.median(np.r_[a[max(0, start - near) : start], a[stop : stop + near]]))
    if abs(inside - size - around) > 0.5 * abs(size):  # moved back, it must stand where its neighbours do
        return block, 0.0
    moved = a.copy()
    moved[start:stop] -= size
    ends = [start, stop]
    if (np.abs(innovations(moved, model.phi)[ends]) > 0.8 * np.abs(e[ends])).any():  # both ends must be calmer then
        return block, 0.0
    without, _ = _account(a, model, weights, longest, least)
    cost, steps = _account(moved, model, weights, longest, least)
    doubt = _DOUBT if periods else 2.0 * _DOUBT  # without a season, steps are all there is to judge by
    gain = without - cost - _price(n, n // _LONGEST_SHARE) - doubt
    edges = np.abs(e[ends]) * np.sqrt(weights[ends])
    alike = int((steps >= 0.8 * edges.min()).sum())
    between = z * z - float(edges @ edges)  # evidence of the rows between the edges
    if 0.125 * alike**2 * (stop - start) / n > _CHANCE and between < LEVEL_THRESHOLD**2:
        gain = 0.0
    return block, gain


def _account(a: Floats, model: SeriesModel, weights: Floats, longest: int, least: float) -> tuple[float, Floats]:
    """What it takes to write `a` (n_timepoints,) down: its patches, and the innovations left, in nats; the latter too.

    The second value are the innovations left (n_timepoints,), absolute, in standard deviations.
    """
    n = a.size
    starts, _, _, _, rest = search_patches(
        a, model.phi, weights, 1, longest, _PATCH, _MISFIT, least, _PAIR, 1.0, max(4, n // 4)
    )
    steps = np.abs(innovations(rest, model.phi)) * np.sqrt(weights)
    return float(_surprise(steps).sum()) + starts.size * _price(n, longest), steps


def _surprise(steps: Floats) -> Floats:
    """Nats that innovations of `steps` (n_steps,) standard deviations cost more than none, by the t distribution."""
    return np.asarray(0.5 * (_DEGREES + 1.0) * np.log1p(steps**2 / _DEGREES))


def _price(n: int, lengths: int) -> float:
    """Nats for a start, a length and a size: log of the choices, and half a log of the rows (BIC) for the size."""
    return float(1.5 * np.log(n) + np.log(max(lengths, 2)))


def judge_lasting_shifts(column: Column) -> Findings:
    """Tell of the steps after which the level stays another; they are the series' own, and kept."""
    if column.model is None:
        return Findings()
    found = find_lasting_shifts(column.model, column.trusted, column.main_period)
    return Findings([Change(s.start, s.stop, LASTING, s.statistic, s.threshold, s.size, repaired=False) for s in found])


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
