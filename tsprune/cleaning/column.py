"""Cleaning of one column on a regular grid: every judgement in its order, then the repair."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from tsprune.cleaning.backtest import backtest
from tsprune.cleaning.excursions import Excursion, find_erratic_stretches, find_level_excursions
from tsprune.cleaning.flat_lines import flat_runs
from tsprune.cleaning.imputation import interpolate_rows
from tsprune.cleaning.kernels.patches import innovations
from tsprune.cleaning.level_blocks import LevelBlock, find_lasting_shifts
from tsprune.cleaning.long_season import long_profile
from tsprune.cleaning.model import SeriesModel, fit_model, longer_periods, total_season
from tsprune.cleaning.patches import Patch, find_patches

__all__ = ["LASTING", "Change", "ColumnCleaning", "clean_column", "runs"]

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

LASTING = "lasting level shift"
_JUDGED = ("spike", "burst", "level shift", "erratic stretch", "level excursion")  # what a backtest may withdraw
_SHORTEST = 15  # points; with fewer there is no telling what is normal
_MIN_CYCLES = 3  # of a period that is told
_INTERMITTENT = 0.3  # share of the commonest value in a series of counts with pauses


@dataclass(frozen=True)
class Change:
    """Rows ``start .. stop - 1`` of a column found to be `reason`; `repaired` = they got new values."""

    start: int
    stop: int
    reason: str
    statistic: float
    threshold: float
    size: float = np.nan
    repaired: bool = True


@dataclass
class ColumnCleaning:
    """One column cleaned: `values` and `standard_error` (n_timepoints,), `mask` = judged wrong, `changes`, `guards`."""

    values: Floats
    standard_error: Floats
    mask: Mask
    changes: list[Change] = field(default_factory=list)
    guards: list[str] = field(default_factory=list)
    periods: tuple[int, ...] = ()
    model: SeriesModel | None = None
    offset: Floats = field(default_factory=lambda: np.zeros(0))


def runs(mask: Mask) -> list[tuple[int, int]]:
    """First row and row after the last of every run of True."""
    edges = np.flatnonzero(np.diff(np.r_[False, mask, False].astype(np.int8)))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


def _bounded(x: Floats, lower: float | None, upper: float | None) -> list[Change]:
    """The runs of values outside the bounds the user gave."""
    found = []
    if lower is not None:
        found += [Change(a, b, "below lower bound", float(np.nanmin(x[a:b])), lower) for a, b in runs(x < lower)]
    if upper is not None:
        found += [Change(a, b, "above upper bound", float(np.nanmax(x[a:b])), upper) for a, b in runs(x > upper)]
    return found


def _is_intermittent(x: Floats) -> bool:
    """True for counts with pauses: no value below zero, and zero by far the commonest."""
    seen = x[~np.isnan(x)]
    return bool(seen.size and seen.min() >= 0.0 and np.mean(seen == 0.0) > _INTERMITTENT)


def clean_column(
    x: Floats,
    periods: tuple[int, ...] | None,
    level_shift: str,
    lower: float | None,
    upper: float | None,
) -> ColumnCleaning:
    """Clean `x` (n_timepoints,), NaN = missing; `periods` None = find them."""
    n = x.size
    missing = np.isnan(x)
    changes = [Change(a, b, "gap", np.nan, np.nan) for a, b in runs(missing)]
    changes += _bounded(x, lower, upper)
    changes += [Change(run.start, run.stop, "flat line", run.p_value, 1e-6) for run in flat_runs(x)]
    wrong = np.zeros(n, bool)
    for change in changes:
        wrong[change.start : change.stop] = True
    guards: list[str] = []
    trusted = ~(wrong | missing)
    if not trusted.any():
        return ColumnCleaning(
            x.copy(), np.zeros(n), np.zeros(n, bool), [], ["every value is missing or impossible; nothing is changed"]
        )
    told, periods = periods or (), _periods(x, trusted, periods)
    guards += [
        f"period {p} is not used: {n} rows are fewer than {_MIN_CYCLES} cycles" for p in told if p not in periods
    ]
    patches: list[Patch] = []
    blocks: list[LevelBlock] = []
    model: SeriesModel | None = None
    said: list[str] = []
    if trusted.sum() < _SHORTEST:
        guards.append(f"{int(trusted.sum())} usable values are fewer than {_SHORTEST}: no value is judged an outlier")
    elif _is_intermittent(x[trusted]):
        guards.append("intermittent demand (mostly zeros): no value is judged an outlier")
    elif np.ptp(x[trusted]) > 0:
        patches, blocks, model, said = find_patches(x, wrong, periods)
    guards += said
    for patch in patches:
        changes.append(Change(patch.start, patch.stop, patch.kind, patch.statistic, patch.threshold, patch.size))
        wrong[patch.start : patch.stop] = True
    if model is not None and periods:
        season = total_season(model.seasonal)
        rest, erratic, away, said = _find_excursions(x, wrong, blocks, season, periods)
        wild = [found for found in erratic + away if any(_overlap(found, block) for block in blocks)]
        if wild:  # moved back, the block is still out of all proportion inside: no level explains it
            blocks = [block for block in blocks if not any(_overlap(found, block) for found in wild)]
            rest, erratic, away, said = _find_excursions(x, wrong, blocks, season, periods)
        guards += said
        changes += [Change(e.start, e.stop, "erratic stretch", e.statistic, e.threshold) for e in erratic]
        moved = level_shift == "repair"
        changes += [Change(e.start, e.stop, "level excursion", e.statistic, e.threshold, repaired=moved) for e in away]
        for found in erratic + (away if moved else []):
            wrong[found.start : found.stop] = True
        if erratic or away:
            model = fit_model(rest, wrong, periods)
    offset, shifted = np.zeros(n), np.zeros(n, bool)
    for block in blocks:
        repaired = level_shift != "report"
        size, z = block.size, block.statistic
        changes.append(Change(block.start, block.stop, "level shift", z, block.threshold, size, repaired))
        if repaired:
            offset[block.start : block.stop] += size
            shifted[block.start : block.stop] = True
    if model is not None:
        for shift in find_lasting_shifts(model, ~(wrong | missing), periods[0] if periods else 1):
            evidence = (shift.statistic, shift.threshold, shift.size)
            changes.append(Change(shift.start, shift.stop, LASTING, *evidence, repaired=False))
    raw = x
    x = x - offset
    out, standard_error = x.copy(), np.zeros(n)
    if (wrong | missing).any():
        if model is None and trusted.sum() >= _SHORTEST and np.ptp(x[trusted]) > 0:
            model = fit_model(x, wrong, periods)
        rows = wrong | missing
        if model is not None and _is_multiplicative(x, ~rows, model):
            logs = np.log(np.where(rows, 1.0, x))
            filled, relative = _fill(logs, rows, fit_model(np.where(rows, np.nan, logs), rows, periods), periods)
            filled = np.exp(np.clip(filled, logs[~rows].min() - 1.0, logs[~rows].max() + 1.0))
            standard_error = filled * relative
        else:
            filled, standard_error = _fill(x, rows, model, periods)
        out[wrong | missing] = filled[wrong | missing]
        if lower is not None or upper is not None:
            out = np.where(wrong | missing, np.clip(out, lower, upper), out)
        elif x[~(wrong | missing)].min() >= 0.0:
            out = np.where(wrong | missing, np.maximum(out, 0.0), out)
    flagged = (wrong | shifted) & ~missing
    harmful, said = _harmful(raw, out, changes, ~(flagged | missing), periods[0] if periods else 1)
    if harmful:
        mine, changes = _rows(harmful, n), [change for change in changes if change not in harmful]
        others = _rows([change for change in changes if change.repaired], n) & mine
        out = np.where(mine, np.where(others, out + offset, raw), out)
        standard_error[mine & ~others] = 0.0
        flagged[mine & ~others] = False
        offset[mine] = 0.0
    changes.sort(key=lambda change: (change.start, change.stop))
    return ColumnCleaning(out, standard_error, flagged, changes, guards + said, periods, model, offset)


def _harmful(x: Floats, out: Floats, changes: list[Change], sound: Mask, lag: int) -> tuple[list[Change], list[str]]:
    """The judged changes of every kind after which the series forecasts itself worse, and a sentence a kind."""
    harmful, said = [], []
    for reason in _JUDGED:
        kind = [change for change in changes if change.reason == reason and change.repaired]
        found = backtest(x, out, [(change.start, change.stop) for change in kind], sound, lag)
        if found.is_harmful:
            harmful += kind
            said.append(
                f"backtest: {len(kind)} findings ({reason}) are left alone: {lag} rows later their own values forecast "
                f"better than the repaired ones in {found.worse} of {found.better + found.worse} cases "
                f"(p = {found.p_value:.2g})"
            )
    return harmful, said


def _rows(changes: list[Change], n: int) -> Mask:
    """True (n,) for the rows of any of the changes."""
    mask = np.zeros(n, bool)
    for change in changes:
        mask[change.start : change.stop] = True
    return mask


def _find_excursions(
    x: Floats, wrong: Mask, blocks: list[LevelBlock], season: Floats, periods: tuple[int, ...]
) -> tuple[Floats, list[Excursion], list[Excursion], list[str]]:
    """`x` (n_timepoints,) less the blocks, its erratic stretches and level excursions, and why some were left."""
    rest = x.copy()
    for block in blocks:
        rest[block.start : block.stop] -= block.size
    erratic, said = find_erratic_stretches(rest, wrong, periods)
    return rest, erratic, find_level_excursions(rest, wrong, season, periods[0]), said


def _overlap(found: Excursion, block: LevelBlock) -> bool:
    """True if the two share a row."""
    return found.start < block.stop and block.start < found.stop


def _periods(x: Floats, trusted: Mask, periods: tuple[int, ...] | None) -> tuple[int, ...]:
    """The periods to take off: those told and a longer multiple the data show, or those found."""
    n = x.size
    if periods is None:
        from tsprune.periods.periods import find_periods

        found = tuple(sorted(find_periods(np.where(trusted, x, np.nan), max_periods=2, min_cycles=4).lengths))
        return found + (longer_periods(x, trusted, found[0]) if len(found) == 1 else ())
    usable = tuple(sorted({p for p in periods if 1 < p <= n // _MIN_CYCLES}))
    if len(usable) == 1:
        usable += longer_periods(x, trusted, usable[0])
    return usable


def _fill(x: Floats, rows: Mask, model: SeriesModel | None, periods: tuple[int, ...]) -> tuple[Floats, Floats]:
    """Values for `rows` and their standard errors (n_timepoints,), by the model or, without one, on straight lines."""
    if model is None:
        t = np.arange(x.size)
        return np.interp(t, t[~rows], x[~rows]), np.zeros(x.size)
    season = total_season(model.seasonal) + model.mean
    weights = 1.0 / model.scale**2
    a = np.where(rows, 0.0, x - season)
    season = season + (extra := long_profile(a, model.phi, weights, rows, periods))
    filled, standard_error = interpolate_rows(a - extra, model.phi, weights, rows)
    return filled + season, standard_error


def _is_multiplicative(x: Floats, good: Mask, model: SeriesModel) -> bool:
    """True for positive values whose innovations grow with the level: log-log slope of spread on level above 1/2."""
    if x[good].min() <= 0.0:
        return False
    size = np.abs(innovations(model.adjusted, model.phi))[good]
    level = (x - innovations(model.adjusted, model.phi))[good]
    order = np.argsort(level)
    bins = [part for part in np.array_split(order, 10) if part.size >= 5]
    levels = np.array([np.median(level[part]) for part in bins])
    spreads = np.array([np.median(size[part]) for part in bins])
    fine = (levels > 0.0) & (spreads > 0.0)
    if fine.sum() < 5 or np.ptp(np.log(levels[fine])) < 0.5:
        return False
    return bool(np.polyfit(np.log(levels[fine]), np.log(spreads[fine]), 1)[0] > 0.5)
