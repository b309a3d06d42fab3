"""ComponentPruner: remove trend and season from series, where there is evidence of them, and put them back.

Law: without significant evidence a component stays. ``X == transform(X) + trend + season`` at every time, so the
inverse is exact; later rows get the continued components, which depend on the fitted span and the time alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from detectors.parameters import (
    Rules,
    boolean,
    check_parameters,
    choice,
    either,
    instance_of,
    integer,
    nothing,
    real,
    sequence_of,
)
from detectors.report import PruningRecord, PruningReport
from tsprune.decomposition.decomposing import decompose
from tsprune.exceptions import InvalidParameterError, InvalidSeriesError
from tsprune.periods.periods import periods_on_grid
from tsprune.pruners.continuation import Continuation
from tsprune.pruners.evidence import SHORTEST, Evidence, season_evidence, trend_evidence
from tsprune.pruners.series_transformer import SeriesTransformer

__all__ = ["ComponentPruner"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

Period = int | Sequence[int] | Literal["auto"] | None
_NAMED = 5  # columns that a guard sentence names


@dataclass
class _Column:
    """What was found in one column: the components removed from the grid (n_positions,), and how they go on."""

    trend: Floats
    seasonal: Floats
    periods: tuple[int, ...]
    records: list[PruningRecord]
    continuation: Continuation | None
    removes: tuple[bool, bool]  # trend, season


class ComponentPruner(SeriesTransformer):
    """Remove trend and season from series, with an exact inverse.

    Every column is decomposed by `decompose`. A component is removed only where the series shows it: a season that
    `find_periods` finds significant, a trend that moves more than stationary noise does. Rows of the fitted span get
    the two-sided components; later rows get the trend's last level (and slope, where one predicted the span better)
    and the last season again, whichever way the rows are split over calls. `partial_fit` takes later rows into the
    span: their components follow the rows causally. Nothing is re-estimated from them; `fit` again for that.

    Parameters
    ----------
    remove : sequence of {"trend", "seasonal"}, default=("trend", "seasonal")
        Components to remove.
    period : "auto", int >= 2, sequence of int or None, default="auto"
        Season lengths, in samples; "auto" finds them per column, None stands for none.
    guard : "evidence" or None, default="evidence"
        "evidence" keeps what is not significant; None removes whatever is asked for.
    alpha : float in (0, 1), default=0.01
        Level of significance, per column and component.
    robust : bool, default=False
        Whether outliers are given less weight in the decomposition.
    trend_window : odd int >= 3, optional
        Window of the trend's LOESS, in samples; see `decompose`.
    seasonal_window : odd int >= 3, sequence of int, or "periodic", optional
        Window of the season's LOESS, in cycles; see `decompose`.
    time_column : str, optional
        Column of a frame that holds the times; it goes through `transform` unchanged.

    Attributes
    ----------
    trend_ : ndarray of shape (n_timepoints, n_series)
        Trend removed from the fitted rows, in the units of the input; 0 where it was kept.
    seasonal_ : ndarray of shape (n_timepoints, n_series)
        Sum of the seasons removed, in the units of the input; 0 where they were kept.
    periods_ : list of n_series tuples of int
        Season lengths of every column, in samples.
    report_ : PruningReport
        One row per column and component: removed or kept, statistic, p-value. The statistic of a trend is that of
        the KPSS test, of a season the share of variance explained.
    n_features_in_ : int
        Number of columns, without the time column.
    feature_names_in_ : ndarray of str
        Their names, if they had some.

    Raises
    ------
    InvalidParameterError
        In `fit`, if a parameter breaks its rule.

    See Also
    --------
    decompose : The decomposition.
    NoisePruner : Removes noise.

    References
    ----------
    Cleveland, Cleveland, McRae, Terpenning (1990), Journal of Official Statistics 6(1), section 2.
    Kwiatkowski, Phillips, Schmidt, Shin (1992), J. Econometrics 54, eq. 6, for the evidence of a trend.

    Examples
    --------
    >>> import numpy as np
    >>> from tsprune import ComponentPruner
    >>> t = np.arange(480)
    >>> y = 0.01 * t + np.sin(2 * np.pi * t / 24) + np.random.default_rng(0).normal(0, 0.1, t.size)
    >>> pruner = ComponentPruner().fit(y)
    >>> print(pruner.periods_, pruner.report_.removed)
    [(24,)] ['trend', 'seasonal_24']
    >>> pruned = pruner.transform(y)
    >>> bool(np.abs(pruner.inverse_transform(pruned) - y).max() < 1e-12)
    True
    >>> forecast = pruner.inverse_transform(np.zeros(24), time=np.arange(480, 504))  # trend and season put back
    >>> print(np.round(forecast[6] - forecast[18], 1))
    1.9
    """

    _parameters: ClassVar[Rules] = {
        "remove": sequence_of(choice("trend", "seasonal")),
        "period": either(choice("auto"), nothing(), integer(2), sequence_of(integer(2))),
        "guard": either(choice("evidence"), nothing()),
        "alpha": real(0, 1, open_low=True, open_high=True),
        "robust": boolean(),
        "trend_window": either(nothing(), integer(3)),
        "seasonal_window": either(nothing(), choice("periodic"), integer(3), sequence_of(integer(3))),
        "time_column": either(nothing(), instance_of(str)),
    }

    def __init__(
        self,
        remove: Sequence[Literal["trend", "seasonal"]] = ("trend", "seasonal"),
        *,
        period: Period = "auto",
        guard: Literal["evidence"] | None = "evidence",
        alpha: float = 0.01,
        robust: bool = False,
        trend_window: int | None = None,
        seasonal_window: int | Sequence[int] | Literal["periodic"] | None = None,
        time_column: str | None = None,
    ) -> None:
        self.remove = remove
        self.period = period
        self.guard = guard
        self.alpha = alpha
        self.robust = robust
        self.trend_window = trend_window
        self.seasonal_window = seasonal_window
        self.time_column = time_column

    def _check_parameters(self) -> None:
        check_parameters(self, self._parameters)

    def _removes(self) -> tuple[bool, bool]:
        """Return whether trend and season are asked to go."""
        return "trend" in self.remove, "seasonal" in self.remove

    def _season_windows(self) -> int | Sequence[int] | Literal["periodic"] | None:
        """Return the seasonal windows; a subclass may have none."""
        return self.seasonal_window

    def _windows_of(self, periods: tuple[int, ...]) -> int | Sequence[int] | Literal["periodic"] | None:
        """Return the seasonal windows of those periods that are used; one per period as the caller listed them."""
        windows = self._season_windows()
        if isinstance(windows, str | int | np.integer | None) or isinstance(self.period, str | None):
            return windows
        asked = [self.period] if isinstance(self.period, int | np.integer) else list(self.period)
        if len(asked) != len(windows):
            raise InvalidParameterError(
                f"seasonal_window must hold one window per period ({len(asked)}), got {len(windows)}; "
                "pass one number for all or one per period."
            )
        window_of = dict(zip(asked, windows, strict=True))
        return [window_of[period] for period in periods] or None

    def _fit_grid(self, table: Floats, names: tuple[str, ...]) -> None:
        n = table.shape[0]
        if self.guard is None and n < 2:
            raise InvalidSeriesError("X must have at least 2 rows if guard=None, got 1 sample; pass a longer series.")
        asked = self._asked_periods(n)
        self._columns = [
            self._fit_column(np.ascontiguousarray(column), "" if table.shape[1] == 1 else f"{name}.", asked)
            for name, column in zip(names, table.T, strict=True)
        ]
        self.periods_ = [column.periods for column in self._columns]
        self.report_ = PruningReport(
            [record for column in self._columns for record in column.records],
            subject="components",
            guards=_guard_sentences([column.records for column in self._columns], names, self.alpha),
        )
        self._publish()

    def _publish(self) -> None:
        self.trend_ = np.column_stack([column.trend[self._rows] for column in self._columns]) * self._units
        self.seasonal_ = np.column_stack([column.seasonal[self._rows] for column in self._columns]) * self._units

    def _asked_periods(self, n: int) -> tuple[int, ...] | None:
        """Return the periods asked for, shortest first, or None if they are to be found."""
        if isinstance(self.period, str):
            return None
        if self.period is None:
            return ()
        asked = [self.period] if isinstance(self.period, int | np.integer) else list(self.period)
        for period in asked:
            if 2 * period > n:
                raise InvalidSeriesError(
                    f"period must be at most n_timepoints // 2 = {n // 2}, got {period}; "
                    "pass a longer series or a smaller period."
                )
        return tuple(sorted({int(period) for period in asked}))

    def _fit_column(self, y: Floats, prefix: str, asked: tuple[int, ...] | None) -> _Column:
        """Decompose one column (n_positions,) and decide on its components."""
        wants_trend, wants_season = self._removes()
        zeros = np.zeros(y.shape[0])
        n_known = int(np.isfinite(y).sum())
        flat = n_known == 0 or bool(np.nanmin(y) == np.nanmax(y))
        if self.guard is not None and (n_known < SHORTEST or flat):
            why = "it is constant" if flat else f"{n_known} values are too few to tell"
            names = ["trend"] * wants_trend + ["seasonal"] * wants_season
            kept = [PruningRecord(f"{prefix}{name}", name, True, why, 0.0, self.alpha, 1.0) for name in names]
            return _Column(zeros, zeros, (), kept, None, (False, False))
        found, rejected = self._seasons(y, asked)
        windows = self._windows_of(tuple(found))
        parts = decompose(
            y,
            period=list(found) or None,
            robust=self.robust,
            trend_window=self.trend_window,
            seasonal_window=windows if found else None,
        )
        records = []
        removes_trend = False
        if wants_trend:
            evidence = trend_evidence(y - parts.seasonal.sum(axis=1))
            removes_trend = self.guard is None or evidence.p_value < self.alpha
            why = "its level moves more than stationary noise" if removes_trend else "its level may be constant"
            records.append(self._record(f"{prefix}trend", "trend", removes_trend, why, evidence))
        if wants_season:
            for period, evidence in found.items():
                why = f"a season of {period} steps"
                records.append(self._record(f"{prefix}seasonal_{period}", "seasonal", True, why, evidence))
            for period, evidence in rejected.items():
                why = f"no evidence of a season of {period} steps"
                records.append(self._record(f"{prefix}seasonal_{period}", "seasonal", False, why, evidence))
            if not found and not rejected:
                why = "no period was found" if asked is None else "no period was asked for"
                records.append(self._record(f"{prefix}seasonal", "seasonal", False, why, Evidence(0.0, 1.0)))
        removes = removes_trend, wants_season and bool(found)
        continuation = None
        if any(removes):
            continuation = Continuation.after(y, parts.trend, parts.seasonal, tuple(found))
        trend = parts.trend if removes[0] else zeros
        seasonal = parts.seasonal.sum(axis=1) if removes[1] else zeros
        return _Column(trend, seasonal, tuple(found), records, continuation, removes)

    def _record(self, item: str, kind: str, removed: bool, why: str, evidence: Evidence) -> PruningRecord:
        """Return one row of the report."""
        if removed and self.guard is None:
            why = f"{why} (asked for, guard off)" if evidence.p_value < self.alpha else "asked for, guard off"
        return PruningRecord(item, kind, not removed, why, evidence.statistic, self.alpha, evidence.p_value)

    def _seasons(self, y: Floats, asked: tuple[int, ...] | None) -> tuple[dict[int, Evidence], dict[int, Evidence]]:
        """Return the periods of a column (n_positions,) with their evidence: those to use, those rejected."""
        if asked is None:
            periods = periods_on_grid(y, steps_per_day=self._grid.steps_per_day, alpha=self.alpha)
            usable = [found for found in periods if 2 * found.period <= y.shape[0]]
            return {found.period: Evidence(found.strength, found.p_value) for found in usable}, {}
        found: dict[int, Evidence] = {}
        rejected: dict[int, Evidence] = {}
        rest = y
        for period in asked:
            evidence = season_evidence(rest, period, self.alpha)
            if evidence.p_value < self.alpha and period != asked[-1]:
                rest = rest - decompose(rest, period=period, seasonal_window="periodic").seasonal.sum(axis=1)
            (found if self.guard is None or evidence.p_value < self.alpha else rejected)[period] = evidence
        return found, rejected

    def _extend_grid(self, block: Floats) -> None:
        for column, y in zip(self._columns, block.T, strict=True):
            trend = seasonal = np.zeros(block.shape[0])
            if column.continuation is not None:
                trend, seasonal = column.continuation.update(y)
            nothing_removed = np.zeros(block.shape[0])
            column.trend = np.concatenate([column.trend, trend if column.removes[0] else nothing_removed])
            column.seasonal = np.concatenate([column.seasonal, seasonal if column.removes[1] else nothing_removed])

    def _is_identity(self) -> bool:
        return not any(any(column.removes) for column in self._columns)

    def _components(self, rows: Integers) -> Floats:
        """Return what is removed at the positions (m,): (m, n_series)."""
        inside = rows < self._table.shape[0]
        out = np.zeros((rows.shape[0], len(self._columns)))
        for k, column in enumerate(self._columns):
            out[inside, k] = column.trend[rows[inside]] + column.seasonal[rows[inside]]
            if column.continuation is not None:
                trend, seasonal = column.continuation.extrapolate(rows[~inside])
                out[~inside, k] = trend * column.removes[0] + seasonal * column.removes[1]
        return out

    def _prune(self, values: Floats, rows: Integers) -> Floats:
        return values - self._components(rows)

    def _restore(self, values: Floats, rows: Integers) -> Floats:
        return values + self._components(rows)


def _guard_sentences(records: list[list[PruningRecord]], names: tuple[str, ...], alpha: float) -> list[str]:
    """Return one sentence per kind of component that stays for lack of evidence, naming the columns."""
    sentences = []
    for kind in ("trend", "seasonal"):
        columns = [n for n, rows in zip(names, records, strict=True) if any(r.kept and r.kind == kind for r in rows)]
        if columns:
            named = ", ".join(columns[:_NAMED]) + (", ..." if len(columns) > _NAMED else "")
            sentences.append(
                f"{kind} kept in {len(columns)} of {len(names)} columns ({named}): no evidence at {alpha:g}"
            )
    return sentences
