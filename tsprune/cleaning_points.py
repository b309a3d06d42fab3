"""Spikes and bursts: which points do not belong, and the gates that keep the cleaner's hands off the others."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tsprune.cleaning_levels import LevelBlock, find_level_blocks
from tsprune.cleaning_model import SeriesModel, fit_model, seasonal_scale
from tsprune.imputation import interpolate_rows
from tsprune.kernels.patches import innovations, search_patches

__all__ = ["Patch", "find_patches"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Mask = NDArray[np.bool_]

THRESHOLD = 5.0  # |z|: beyond the largest of 1e5 normal values, so that a few thousand tests stay quiet
_MISFIT = 9.0  # chi-square, 1 degree of freedom: a patch comes back to where it left within 3 standard errors
import os
_MATERIAL = float(os.environ.get('MT','2.5'))  # times the typical unpredictability a season ahead: what is smaller does not hurt a forecast
_PAIR_COST = 7.0  # chi-square that the second size of a pair must earn: log(n) of a long series
_FDR = 0.1
_MOST = 0.1  # share of points; a series with more "outliers" has another distribution, not outliers


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


def find_patches(
    x: Floats, bad: Mask, periods: tuple[int, ...], n_rounds: int = 3
) -> tuple[list[Patch], list[LevelBlock], SeriesModel, list[str]]:
    """Return the patches of `x` (n_timepoints,), the model fitted without them, and what the gates said.

    `bad` rows (n_timepoints,) are left out of everything, as missing ones are.
    """
    missing = np.isnan(x) | bad
    period = periods[0] if periods else 1
    longest = max(6, min(period, 48))
    most = max(4, int(0.3 * x.size))
    out = np.zeros(x.size, bool)
    patches: list[Patch] = []
    said: list[str] = []
    work = np.where(missing, np.nan, x)
    least = 2.0 * seasonal_scale(work, period, robust=True)
    blocks: list[LevelBlock] = []
    offset = np.zeros(x.size)
    for turn in range(n_rounds + 1):
        model = fit_model(work, out, periods)
        starts, stops, sizes, zs, _rest = search_patches(
            model.adjusted, model.phi, model.weights(missing), 1, longest, THRESHOLD, _MISFIT, least, _PAIR_COST, 1.0, most
        )
        edges = np.abs(innovations(_rest, model.phi)) / model.scale
        edges[missing] = 0.0
        likely = _beyond_chance(starts, stops, np.abs(sizes) / model.scale[starts], np.abs(zs), edges)
        likely &= _returns(starts, stops, np.abs(sizes) / model.scale[starts], likely, edges)
        patches = [
            Patch(int(a), int(b), float(s), float(z), THRESHOLD)
            for a, b, s, z, kept in sorted(zip(starts, stops, sizes, zs, likely, strict=True))
            if kept
        ]
        patches, said = _within_limit(patches, x.size)
        now = np.zeros(x.size, bool)
        for patch in patches:
            now[patch.start : patch.stop] = True
        fit = fit_model(work, now, periods)
        fl = interpolate_rows(np.where(now, 0.0, fit.adjusted), fit.phi, 1.0 / fit.scale**2, now)[0] + fit.seasonal.sum(axis=1) + fit.mean
        least = _MATERIAL * seasonal_scale(np.where(now, fl, work), period, robust=False)
        if turn == n_rounds - 1:
            steps = np.array([abs(patch.size) / model.scale[patch.start] for patch in patches])
            found = find_level_blocks(_rest, model, model.weights(missing | now), steps, longest + 1, least)
            for block in found:
                offset[block.start : block.stop] += block.size
            blocks = found
            if not blocks:
                out = now
                break
            work = np.where(missing, np.nan, x - offset)
        out = now
    return patches, blocks, fit_model(work, out, periods), said


def _within_limit(patches: list[Patch], n: int) -> tuple[list[Patch], list[str]]:
    """The largest patches that fit into the share of points a cleaner may call wrong, and what the gate says."""
    room, kept = int(_MOST * n), []
    for patch in sorted(patches, key=lambda p: -abs(p.size)):
        room -= patch.stop - patch.start
        if room < 0:
            break
        kept.append(patch)
    if len(kept) == len(patches):
        return patches, []
    said = (
        f"{len(patches)} spikes and bursts would be more than {_MOST:.0%} of the points, which is no longer the "
        f"exception: only the {len(kept)} largest are changed"
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


def _returns(starts: Integers, stops: Integers, steps: Floats, kept: Mask, edges: Floats) -> Mask:
    """False for patches that reach the last row where the past does not show that such steps go back (n_patches,).

    A step at the end may be a spike or a new level; the odds are those of the past: patches as large and of the same
    class of length, against innovations as large that no patch explains.
    """
    fine = np.ones(starts.size, bool)
    n, lengths = edges.size, stops - starts
    for k in np.flatnonzero(stops >= n):
        alike = kept & (stops < n) & (steps >= 0.8 * steps[k]) & ((lengths <= 2) if lengths[k] <= 2 else (lengths > 2))
        back = int(alike.sum())
        stayed = int((edges >= 0.8 * steps[k]).sum())
        fine[k] = back + 1 >= 0.75 * (back + stayed + 2)  # Laplace's rule of succession: at least three in four go back
    return fine
