"""Spikes and bursts: which points do not belong, and the gates that keep the cleaner's hands off the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tsprune.cleaning.change import Change
from tsprune.cleaning.clocks import Clock
from tsprune.cleaning.heavy_tail import largest_of_tail
from tsprune.cleaning.imputation import interpolate_rows
from tsprune.cleaning.judgement import LEVEL_SHIFT, Column, Findings
from tsprune.cleaning.kernels.patches import innovations, search_patches
from tsprune.cleaning.level_blocks import LevelBlock, find_level_blocks
from tsprune.cleaning.model import SeriesModel, fit_model, seasonal_scale, total_season
from tsprune.cleaning.nature import is_beyond_nature, nature_of, resolution
from tsprune.cleaning.recurrence import departures, recurring

__all__ = ["Patch", "find_patches", "judge_patches"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Mask = NDArray[np.bool_]

THRESHOLD = 5.0  # |z|: beyond the largest of 1e5 normal values, so that a few thousand tests stay quiet
_MISFIT = 9.0  # chi-square, 1 degree of freedom: a patch comes back to where it left within 3 standard errors
_MATERIAL = 2.5  # times the typical unpredictability a season ahead: what is smaller does not hurt a forecast
_PAIR_COST = 7.0  # chi-square that the second size of a pair must earn: log(n) of a long series
_NOTHING = 1e-3  # of the standard deviation of the series: no fault, however regular the series is
_QUANTUM = 1.5  # steps of a coarse sensor: rounding makes one of them
_FIRST_MATERIAL = 2.0  # the same in the first round, when only a robust scale is at hand
_LONGEST = 48  # rows; longer blocks are levels
_ROUNDS = 3
_END = 7.0  # |z| of more than one row at the end, where the way back is not seen
_EVENTS = 10  # large steps of the past that tell whether such steps go back
_SURE = 3.0  # standard errors of what would replace a patch at the end
_ABOVE_END = 2.0  # times a large step at the end that is left alone
_FAR_ABOVE_END = 3.0  # the same where spikes are few
_FEW = 0.02  # share of points
_LAST = 3  # rows a forecaster hangs on most
_FDR = 0.1
_FEWEST = 15  # usable points
_INTERMITTENT = 0.3  # share of zeros in a series of counts with pauses
_MOST = 0.1  # share of points that may be changed: a fault is the exception
_MOST_LEVELS = 0.2  # share of points: a longer block is another regime, not a fault
_RULE = 0.2  # share of points; a series with more "outliers" has another distribution, not outliers


@dataclass(frozen=True)
class Patch:
    """Rows ``start .. stop - 1`` are off by `size`; `statistic` is its z, beyond `threshold`."""

    start: int
    stop: int
    size: float
    statistic: float
    threshold: float

    @property
    def kind(self) -> str:
        """``"spike"`` (one or two rows) or ``"burst"``."""
        return "spike" if self.stop - self.start <= 2 else "burst"


def judge_patches(column: Column) -> Findings:
    """Find spikes, bursts and temporary level shifts, unless the series has too few points or is mostly zeros."""
    usable = int(column.trusted.sum())
    if not column.is_modelled:
        few = f"{usable} usable values are fewer than 15: no value is judged an outlier"
        return Findings(guards=[few] if usable < _FEWEST else [])
    if _is_intermittent(column.x[column.trusted]):
        return Findings(guards=["intermittent demand (mostly zeros): no value is judged an outlier"])
    bad = column.wrong | column.protected
    patches, blocks, model, said = find_patches(column.x, bad, column.periods, column.clocks)
    moved = column.level_shift != "report"
    changes = [Change(p.start, p.stop, p.kind, p.statistic, p.threshold, p.size) for p in patches]
    changes += [Change(b.start, b.stop, LEVEL_SHIFT, b.statistic, b.threshold, b.size, moved) for b in blocks]
    return Findings(changes, guards=said, model=model)


def _is_intermittent(seen: Floats) -> bool:
    """True for counts with pauses: no value below zero, and zero by far the commonest."""
    return bool(seen.size and seen.min() >= 0.0 and np.mean(seen == 0.0) > _INTERMITTENT)


def find_patches(
    x: Floats, bad: Mask, periods: tuple[int, ...], clocks: Sequence[Clock] = ()
) -> tuple[list[Patch], list[LevelBlock], SeriesModel, list[str]]:
    """Return the patches and level blocks of `x` (n_timepoints,), the model fitted without them, and what gates said.

    `bad` rows (n_timepoints,) are left out of everything, as missing ones are.
    """
    missing = np.isnan(x) | bad
    period = periods[0] if periods else 1
    longest = max(6, min(period, _LONGEST))
    work = np.where(missing, np.nan, x)
    least_of_all = _NOTHING * float(np.nanstd(np.clip(work, *np.nanquantile(work, (0.05, 0.95)))))
    least_of_all = max(least_of_all, _QUANTUM * resolution(work))
    least = max(_FIRST_MATERIAL * seasonal_scale(work, period, robust=True), least_of_all)
    model = fit_model(work, np.zeros(x.size, bool), periods)
    nature = nature_of(work, model)
    around = departures(work, model, periods)
    blocks: list[LevelBlock] = []
    said: list[str] = []
    told: list[str] = []
    patches: list[Patch] = []
    for turn in range(_ROUNDS + 1):
        patches, said = _search(model, missing, longest, least, clocks, around)
        patches = [patch for patch in patches if is_beyond_nature(work, patch, nature)]
        out, spikes = np.zeros(x.size, bool), np.zeros(x.size, bool)
        for patch in patches:
            out[patch.start : patch.stop] = True
            spikes[patch.start : patch.stop] = patch.kind == "spike"
        model = fit_model(work, out, periods)
        least = _MATERIAL * seasonal_scale(np.where(out, _filled(model, out), work), period, robust=False)
        least = max(least, least_of_all)
        if turn == _ROUNDS - 1:
            blocks, model = find_level_blocks(work, out, spikes, model, periods, longest, least)
            blocks, told = _unusual_blocks(work, blocks, patches, clocks, model, periods)
            if not blocks:
                break
            for block in blocks:
                work[block.start : block.stop] -= block.size
    said = [*said, *told]
    kept = _sure_beside_the_end(patches, model, missing)
    if len(kept) < len(patches):
        said = [*said, "the series ends in large steps that are left alone: only far larger spikes are changed"]
    return kept, blocks, model, said


def _unusual_blocks(
    x: Floats,
    blocks: list[LevelBlock],
    patches: list[Patch],
    clocks: Sequence[Clock],
    model: SeriesModel,
    periods: tuple[int, ...],
) -> tuple[list[LevelBlock], list[str]]:
    """The level blocks that do not recur and are, together, no more than a fifth of the points, and what is said."""
    missing = np.isnan(x)
    around = departures(x, model, periods, max((block.stop - block.start for block in blocks), default=0))
    habit = recurring([*blocks, *patches], clocks, ~missing, around)[: len(blocks)]
    room, kept = int(_MOST_LEVELS * missing.size), []
    for block, is_habit in sorted(zip(blocks, habit, strict=True), key=lambda pair: -abs(pair[0].statistic)):
        if not is_habit and block.stop - block.start <= room:
            room -= block.stop - block.start
            kept.append(block)
    if len(kept) == len(blocks):
        return blocks, []
    left = len(blocks) - len(kept)
    return kept, [f"{left} temporary levels are left alone: they recur, or are more than a fifth of the points"]


def _sure_beside_the_end(patches: list[Patch], model: SeriesModel, missing: Mask) -> list[Patch]:
    """The patches that may be changed although the last rows hold steps as large that are left alone.

    A forecaster learns from the past how far to trust the newest rows. Taking the spikes out of the past and leaving
    one at the end makes it follow the end, so that then only spikes twice as large as that step are changed. Where
    spikes are few, so that they do little harm, a climb in several steps counts too, and three times its size is asked.
    """
    out = np.zeros(missing.size, bool)
    for patch in patches:
        out[patch.start : patch.stop] = True
    a = interpolate_rows(np.where(out, 0.0, model.adjusted), model.phi, 1.0 / model.scale**2, out)[0]
    steps = np.where(missing | out, 0.0, innovations(a, model.phi) / model.scale)[-_LAST:]
    moves = np.cumsum(steps[::-1]) / np.sqrt(np.arange(1, _LAST + 1))
    end, times = float(np.abs(steps).max()), _ABOVE_END
    if out.mean() < _FEW:
        end, times = max(end, float(np.abs(moves).max())), _FAR_ABOVE_END
    if end < THRESHOLD:
        return patches
    return [patch for patch in patches if abs(patch.size) / model.scale[patch.start] >= times * end]


def _filled(model: SeriesModel, out: Mask) -> Floats:
    """The series of `model` (n_timepoints,) with the rows that are `out` filled."""
    a = interpolate_rows(np.where(out, 0.0, model.adjusted), model.phi, 1.0 / model.scale**2, out)[0]
    return np.asarray(a + total_season(model.seasonal) + model.mean)


def _search(
    model: SeriesModel, missing: Mask, longest: int, least: float, clocks: Sequence[Clock], around: Floats
) -> tuple[list[Patch], list[str]]:
    """One search through the adjusted series: patches past all gates, and what the gates said."""
    n = missing.size
    starts, stops, sizes, zs, rest = search_patches(
        model.adjusted,
        model.phi,
        model.weights(missing),
        1,
        longest,
        THRESHOLD,
        _MISFIT,
        least,
        _PAIR_COST,
        1.0,
        max(4, int(3 * _MOST * n)),
    )
    edges = np.where(missing, 0.0, np.abs(innovations(rest, model.phi)) / model.scale)
    steps = np.abs(sizes) / model.scale[starts]
    likely = _beyond_chance(starts, stops, steps, np.abs(zs), edges)
    by_chance = int((~likely).sum())
    clear = np.abs(zs) > _largest_of_own_tail(starts, stops, edges, missing)
    by_tail = int((likely & ~clear).sum())
    likely &= clear
    likely &= _seen_from_behind(starts, stops, sizes, model)
    returning = _returns(starts, stops, steps, np.abs(zs), likely, edges) & _foreseen(starts, stops, sizes, model)
    patches = [
        Patch(int(a), int(b), float(s), float(z), THRESHOLD)
        for a, b, s, z, kept in sorted(zip(starts, stops, sizes, zs, likely & returning, strict=True))
        if kept
    ]
    habit = recurring(patches, clocks, ~missing, around)
    patches = [patch for patch, is_habit in zip(patches, habit, strict=True) if not is_habit]
    patches, said = _within_limit(patches, n)
    if habit.any():
        said.append(f"{int(habit.sum())} candidates are left alone: they recur with the season or the calendar")
    if by_chance:
        said.append(f"{by_chance} candidates are left alone: large changes of both signs are common in this series")
    if by_tail:
        said.append(f"{by_tail} candidates are left alone: the heavy tail of this series makes such peaks")
    if not returning.all():
        said.append("a step at the very end is left alone: the past does not show that such steps go back")
    return patches, said


def _largest_of_own_tail(starts: Integers, stops: Integers, edges: Floats, missing: Mask) -> float:
    """The |z| that the tail of the innovations away from the candidates, and theirs, makes once; 0 = no limit."""
    ordinary = ~missing
    for start, stop in zip(starts, stops, strict=True):
        ordinary[start : stop + 1] = False
    return largest_of_tail(edges[ordinary], starts.size)


def _within_limit(patches: list[Patch], n: int) -> tuple[list[Patch], list[str]]:
    """The patches that fit into the share of points a cleaner may call wrong, none where they are the rule, and why."""
    rows = sum(patch.stop - patch.start for patch in patches)
    if rows <= _MOST * n:
        return patches, []
    is_rule = rows > _RULE * n
    room, kept = 0 if is_rule else int(_MOST * n), []
    for patch in sorted(patches, key=lambda p: -abs(p.size)):
        room -= patch.stop - patch.start
        if room < 0:
            break
        kept.append(patch)
    said = (
        f"{len(patches)} spikes and bursts would be {rows / n:.0%} of the points, more than {_MOST:.0%}, which is no "
        f"longer the exception: {f'only the {len(kept)} largest are' if kept else 'none is'} changed"
    )
    return sorted(kept, key=lambda p: p.start), [said]


def _beyond_chance(starts: Integers, stops: Integers, steps: Floats, zs: Floats, edges: Floats) -> Mask:
    """True for the patches that chance does not make of two innovations of opposite signs (n_patches,).

    In a series with heavy tails large innovations of both signs meet within the length of a patch, and look like
    one. With N innovations left that are as large, N^2 length / n pairs are that close, an eighth of them of opposite
    sign and like size. `steps` are the sizes of the patches and `edges` the innovations left, in standard
    deviations. Lengths are judged in classes; a class is cut where more than a tenth would be chance.
    """
    kept = np.ones(starts.size, bool)
    lengths = stops - starts
    ordered = np.sort(edges)
    for low, high in ((1, 1), (2, 4), (5, np.inf)):
        mine = np.flatnonzero((lengths >= low) & (lengths <= high))
        mine = mine[2.0 * steps[mine] ** 2 > 0.5 * zs[mine] ** 2]
        mine = mine[np.argsort(-steps[mine])]
        if mine.size == 0:
            continue
        as_large = ordered.size - np.searchsorted(ordered, 0.8 * steps[mine])
        chance = 0.125 * as_large**2.0 * np.maximum.accumulate(lengths[mine]) / ordered.size
        fine = np.flatnonzero(chance <= _FDR * np.arange(1, mine.size + 1))
        kept[mine[(fine[-1] + 1 if fine.size else 0) :]] = False
    return kept


def _seen_from_behind(starts: Integers, stops: Integers, sizes: Floats, model: SeriesModel) -> Mask:
    """False for patches in the first rows that are no step from the rows behind them (n_patches,).

    Before the first row nothing is known; the rows after it stand in, mirrored, and a trend looks like a step there.
    Behind the patch the autoregression holds backwards as well (Box & Jenkins, Time Series Analysis, section 6.4).
    """
    seen = np.ones(starts.size, bool)
    order = model.phi.size
    for k in np.flatnonzero((starts < order - 1) & (stops + order <= model.adjusted.size)):
        last = int(stops[k]) - 1
        seen[k] = abs(model.phi @ model.adjusted[last : last + order]) >= 0.5 * abs(sizes[k])
    return seen


def _foreseen(starts: Integers, stops: Integers, sizes: Floats, model: SeriesModel) -> Mask:
    """False for patches that reach the last row and are not far larger than what would replace them is uncertain."""
    fine = np.ones(starts.size, bool)
    n = model.scale.size
    for k in np.flatnonzero(stops >= n):
        response = np.zeros(n - int(starts[k]))  # of the series to one innovation (Brockwell & Davis 1991, section 3.3)
        for lag in range(response.size):
            order = min(lag, model.phi.size - 1)
            response[lag] = float(lag == 0) - model.phi[1 : order + 1] @ response[lag - order : lag][::-1]
        spread = float(np.median(model.scale[starts[k] :])) * np.sqrt(np.cumsum(response**2))
        fine[k] = abs(sizes[k]) >= _SURE * spread.max()
    return fine


def _returns(starts: Integers, stops: Integers, steps: Floats, zs: Floats, kept: Mask, edges: Floats) -> Mask:
    """False for patches that reach the last row where the past does not show that such steps go back (n_patches,).

    A step at the end may be a spike or a new level; the odds are those of the past: patches as large and of the same
    class of length, against innovations as large that no patch explains; where few were
    as large, the largest there were.
    """
    fine = np.ones(starts.size, bool)
    n, lengths = edges.size, stops - starts
    past = kept & (stops < n)
    for k in np.flatnonzero(stops >= n):
        same = past & ((lengths <= 2) if lengths[k] <= 2 else (lengths > 2))
        events = np.sort(np.r_[steps[same], edges[edges >= THRESHOLD]])
        if events.size == 0 or (lengths[k] > 1 and zs[k] < _END):
            fine[k] = False
            continue
        cut = min(0.8 * steps[k], events[-min(_EVENTS, events.size)])
        back, stayed = int((steps[same] >= cut).sum()), int((edges >= cut).sum())
        fine[k] = back + 1 >= 0.75 * (back + stayed + 2)  # Laplace's rule of succession: three in four go back
    return fine
