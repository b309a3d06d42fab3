"""Cleaning of one column on a regular grid: the judges one after the other, then the repair and the backtest.

A judge is a function ``judge(column) -> Findings`` in a file of its own; a new kind of fault is one file and one entry
in `JUDGES`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from tsprune.cleaning.backtest import backtest
from tsprune.cleaning.bounds import judge_bounds
from tsprune.cleaning.change import Change, ColumnCleaning, rows_of, runs
from tsprune.cleaning.clocks import Clock, season_clocks
from tsprune.cleaning.excursions import judge_excursions
from tsprune.cleaning.flat_lines import judge_flat_lines
from tsprune.cleaning.judgement import LEVEL_SHIFT, Column, Findings
from tsprune.cleaning.level_blocks import judge_lasting_shifts
from tsprune.cleaning.memory import earlier_length, recall, settled_rows, uphold
from tsprune.cleaning.model import fit_model
from tsprune.cleaning.nature import resolution
from tsprune.cleaning.patches import judge_patches
from tsprune.cleaning.recurrence import repeated_exactly
from tsprune.cleaning.repair import repair
from tsprune.cleaning.seasons import choose_periods, modelled_periods

__all__ = ["JUDGES", "clean_column"]

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

JUDGES: tuple[Callable[[Column], Findings], ...] = (
    judge_bounds,
    judge_flat_lines,
    judge_patches,
    judge_excursions,
    judge_lasting_shifts,
)
_FORECAST = ("flat line", "spike", "burst", LEVEL_SHIFT, "erratic stretch", "level excursion")  # may be withdrawn
_REPEATED = 0.9  # of the rows of a finding


def clean_column(
    x: Floats,
    periods: tuple[int, ...] | None,
    level_shift: str,
    lower: float | None,
    upper: float | None,
    *,
    protected: Mask | None = None,
    calendar: Sequence[Clock] = (),
    decided: Sequence[Change] = (),
    settled: int = 0,
    looks_back: bool = True,
) -> ColumnCleaning:
    """Clean `x` (n_timepoints,), NaN = missing; `periods` None = find them.

    Rows that are `protected` (n_timepoints,) keep their values; `calendar` are the clocks of its times. On the first
    `settled` rows the changes `decided` by an earlier fit stand; without them, an earlier look is asked where needed
    (`looks_back`).
    """
    n = x.size
    protected = np.zeros(n, bool) if protected is None else protected
    gaps = [Change(a, b, "gap", np.nan, np.nan) for a, b in runs(np.isnan(x))]
    column = Column(x, protected, level_shift=level_shift, lower=lower, upper=upper)
    column.take(judge_bounds(column))
    if not column.trusted.any():
        none = ["every value is missing, impossible or protected; nothing is changed"]
        return ColumnCleaning(x.copy(), np.zeros(n), np.zeros(n, bool), [], none)
    used = choose_periods(x, column.trusted, periods)
    left = [f"period {p} is not used: {n} rows are fewer than 3 cycles" for p in periods or () if p not in used]
    column.periods = modelled_periods(used)
    column.clocks = (*season_clocks(n, column.periods), *calendar)
    column.guards, column.changes = left, gaps
    for judge in JUDGES:
        column.take(judge(column))
    column.take(_exact_repeats(column))
    if settled:
        column.take(uphold(column, decided, settled))
    elif looks_back and (length := earlier_length(n, column.periods)):

        def earlier() -> Sequence[Change]:
            """What a fit of the first rows found."""
            clocks = [clock.first(length) for clock in calendar]
            first = clean_column(
                x[:length],
                periods,
                level_shift,
                lower,
                upper,
                protected=protected[:length],
                calendar=clocks,
                looks_back=False,
            )
            return first.changes

        column.take(recall(column, earlier, settled_rows(length, column.periods)))
    return _repaired(column, used, settled)


def _exact_repeats(column: Column) -> Findings:
    """Take back what was found where the series holds, row by row, exactly what it holds in other cycles."""
    found = [c for c in column.changes if c.repaired and c.reason in _FORECAST and c.reason != "flat line"]
    if not found or not column.periods:
        return Findings()
    repeated = repeated_exactly(column.x, column.periods)
    own = [change for change in found if repeated[change.start : change.stop].mean() >= _REPEATED]
    said = f"{len(own)} findings are left alone: other cycles hold exactly the same values"
    return Findings(withdrawn=own, guards=[said] if own else [])


def _repaired(column: Column, used: tuple[int, ...], settled: int) -> ColumnCleaning:
    """The column with the findings of the judges repaired, less the kinds that the backtest withdraws."""
    x, missing, wrong, offset = column.x, column.missing, column.wrong, column.offset
    rows, level = wrong | missing, x - column.offset
    out, standard_error, model = level.copy(), np.zeros(x.size), column.model
    if rows.any():
        if model is None and column.is_modelled:
            model = fit_model(level, wrong | column.protected, column.periods)
        out, standard_error = repair(level, rows, model, column.periods, column.lower, column.upper)
    shifted = rows_of([c for c in column.changes if c.reason == LEVEL_SHIFT and c.repaired], x.size)
    flagged = (wrong | shifted) & ~missing
    open_ones = [change for change in column.changes if change.start >= settled]
    harmful, said = _harmful(x, out, open_ones, ~(flagged | missing), column.main_period)
    harmful += [change for change in open_ones if change not in harmful and _is_rounding(column, out, change)]
    changes = [change for change in column.changes if change not in harmful]
    if harmful:
        mine = rows_of(harmful, x.size)
        others = rows_of([change for change in changes if change.repaired], x.size) & mine
        out = np.where(mine, np.where(others, out + offset, x), out)
        standard_error[mine & ~others] = 0.0
        flagged[mine & ~others] = False
        offset[mine] = 0.0
    changes.sort(key=lambda change: (change.start, change.stop))
    return ColumnCleaning(out, standard_error, flagged, changes, column.guards + said, used, model, offset)


def _is_rounding(column: Column, out: Floats, change: Change) -> bool:
    """True where a coarse series would be moved by less than its own step."""
    rows = slice(change.start, change.stop)
    if not change.repaired or change.reason not in ("spike", "burst"):
        return False
    return bool(np.abs(out[rows] + column.offset[rows] - column.x[rows]).max() < resolution(column.x))


def _harmful(x: Floats, out: Floats, changes: list[Change], sound: Mask, lag: int) -> tuple[list[Change], list[str]]:
    """The judged changes of every kind after which the series forecasts itself worse, and a sentence a kind."""
    harmful, said = [], []
    for reason in _FORECAST:
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
