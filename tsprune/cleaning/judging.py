"""How a `SeriesCleaner` judges: its parameters, its times, its known events, and the columns one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from detectors.parameters import Rules, check_parameters
from detectors.report import PruningReport
from tsprune.cleaning.causal_filter import CausalFilter, clean_causally
from tsprune.cleaning.change import Change, ColumnCleaning, rows_of
from tsprune.cleaning.clocks import calendar_clocks
from tsprune.cleaning.column import clean_column
from tsprune.cleaning.duplicate_times import settle_stamps, with_remedy
from tsprune.cleaning.findings import list_changes, write_report
from tsprune.cleaning.known_events import KnownEvent, find_known_events
from tsprune.cleaning.nightly import since_when
from tsprune.exceptions import InvalidParameterError, TimeIndexError
from tsprune.series.estimator import SeriesEstimator
from tsprune.series.series_input import Floats, Integers, SeriesInput
from tsprune.series.time_grid import on_grid

__all__ = ["JudgingEstimator"]


class JudgingEstimator(SeriesEstimator):
    """What a cleaner does behind its public methods.

    Private state: `_results`, one `ColumnCleaning` a column; `_since`, per column the row up to which the series was
    known when each decision was made (n_positions,); `_filters`, one `CausalFilter` a column with ``causal=True``.
    """

    _parameters: ClassVar[Rules]
    period: Any
    level_shift: str
    lower: float | None
    upper: float | None
    duplicates: str
    causal: bool
    holidays: Any
    protect: Any

    mask_: NDArray[np.bool_]
    changes_: pd.DataFrame
    report_: PruningReport
    periods_: list[tuple[int, ...]]
    series_names_: list[str]
    _results: list[ColumnCleaning]
    _since: list[Integers]
    _filters: list[CausalFilter]

    def _check(self) -> None:
        """Raise unless the parameters are right, each and together."""
        check_parameters(self, self._parameters)
        if self.lower is not None and self.upper is not None and not self.lower < self.upper:
            raise InvalidParameterError(
                f"lower of SeriesCleaner must be below upper, got lower={self.lower} and upper={self.upper}; swap them."
            )

    def _take_series(self, X: Any, time: Any) -> None:
        """Read `X` as the series that was judged."""
        self._begin(self._read(X, time, reset=True), None, self.period)
        self.series_names_ = list(self._seen.names)

    def _judge(self, decided: list[Sequence[Change]], settled: list[int]) -> None:
        """Judge the fitted columns; on the first `settled` rows of each, the changes `decided` stand."""
        if self.causal:
            self._refilter()
            self._results = [clean_causally(x, f) for x, f in zip(self._columns(), self._filters, strict=True)]
            return
        n = int(self._rows.max()) + 1
        times, kept, before = self._wall_times(0, n), self._protected(0, n), self._results
        calendar = [] if times is None else calendar_clocks(times)
        bounds = (self._told_periods(), self.level_shift, self.lower, self.upper)
        self._results = [
            clean_column(x, *bounds, protected=kept, calendar=calendar, decided=decided[k], settled=settled[k])
            for k, x in enumerate(self._columns())
        ]
        since: list[Any] = self._since or [None] * len(self._results)
        changed = [rows_of([c for c in r.changes if c.repaired], r.values.size) for r in self._results]
        was = [rows_of([c for c in r.changes if c.repaired], r.values.size) for r in before] or changed
        self._since = [since_when(*each) for each in zip(since, was, changed, strict=True)]

    def _refilter(self) -> None:
        """Run causal filters over the fitted columns."""
        kept = self._protected(0, int(self._rows.max()) + 1)
        self._filters = []
        for x in self._columns():
            self._filters.append(CausalFilter(self._told_periods(), self.lower, self.upper))
            self._filters[-1].extend(x, kept)

    def _events(self, start: int, stop: int) -> list[KnownEvent]:
        """The known events at the grid positions from `start` to `stop` - 1."""
        if self.holidays is None and self.protect is None:
            return []
        times = self._wall_times(start, stop)
        grid = self._grid.times(np.arange(start, stop)) if times is None else times
        return find_known_events(grid, self.holidays, self.protect)

    def _protected(self, start: int, stop: int) -> NDArray[np.bool_]:
        """Which grid positions from `start` to `stop` - 1 belong to known events."""
        kept = np.zeros(stop - start, bool)
        for event in self._events(start, stop):
            kept[event.start : event.stop] = True
        return kept

    def _told_periods(self) -> tuple[int, ...] | None:
        """The periods the user told, or None to find them."""
        if isinstance(self.period, str):
            return None
        if self.period is None:
            return ()
        return tuple(int(p) for p in np.atleast_1d(self.period))

    def _read_settled(
        self, X: Any, time: Any, *, reset: bool
    ) -> tuple[Any, SeriesInput, Integers | None, list[tuple[int, str]]]:
        """Return `X` settled, the series read from it, the settled row of every given row, and what was wrong where."""
        column = self._time_column_in(X, required=reset)
        settled, spread, stamps = (X, None, []) if time is not None or column else settle_stamps(X, self.duplicates)
        try:
            return settled, self._read(settled, time, reset=reset), spread, stamps
        except TimeIndexError as error:
            raise with_remedy(error, X, time) from error

    def _wall_times(self, start: int, stop: int) -> pd.DatetimeIndex | None:
        """What the wall clock shows at the grid positions from `start` to `stop` - 1; None without timestamps."""
        times = self._grid.times(np.arange(start, stop))
        if not isinstance(times, pd.DatetimeIndex):
            return None
        zone = None if self._seen.timeline is None else self._seen.timeline.zone
        if zone is not None and times.tz is None:
            times = times.tz_localize("UTC").tz_convert(zone)
        return times.tz_localize(None)

    def _columns(self) -> list[Floats]:
        """The fitted columns on the grid, each (n_positions,)."""
        table = on_grid(self._seen.values, self._rows, int(self._rows.max()) + 1)
        return [np.ascontiguousarray(column) for column in table.T]

    def _publish(self, given: Any, spread: Integers | None, stamps: list[tuple[int, str]]) -> None:
        """Write the fitted attributes; `spread` maps given rows to settled ones."""
        self.periods_ = [result.periods for result in self._results]
        mask = np.column_stack([result.mask[self._rows] for result in self._results])
        mask = mask if spread is None else mask[spread]
        self.mask_ = mask[:, 0] if self._seen.n_dims == 1 else mask
        n = int(self._rows.max()) + 1
        if self.causal:  # every row was decided when it came
            self._since = [np.arange(n, dtype=np.int64) for _ in self._results]
        self.changes_ = list_changes(self._seen, self._rows, self._results, self._since)
        events = self._events(0, n)
        self.report_ = write_report(self._seen, self._rows, self._results, given, stamps, events)

    def _continue(self, k: int, x: Floats) -> Floats:
        """Clean the rows `x` (n_new,) that follow the fitted ones of column `k`, by the past."""
        end = int(self._rows.max()) + 1
        if self.causal:
            again = CausalFilter(self._told_periods(), self.lower, self.upper)
            again.extend(self._columns()[k], self._protected(0, end))
        else:
            again = CausalFilter(self._results[k].periods, self.lower, self.upper)
            again.seed(self._results[k].values)
        n = len(again.output)
        again.extend(x, self._protected(end, end + x.size))
        return np.array(again.output[n:])
