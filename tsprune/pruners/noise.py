"""NoisePruner: remove noise from series, where it can be told from signal, and put it back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from detectors.parameters import (
    Rules,
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
from tsprune.periods.periods import find_periods, periods_on_grid
from tsprune.pruners.denoising import SHORTEST, Denoised, LocalLevel, choose_denoiser, is_white
from tsprune.pruners.kernels.continuation import filter_level, invert_level_filter
from tsprune.pruners.series_transformer import SeriesTransformer
from tsprune.series.series_input import Floats, Integers
from tsprune.series.time_grid import on_grid

__all__ = ["NoisePruner"]

_METHODS = ("kalman", "wavelet")
_ROUNDING = 1e-9  # of the largest value


@dataclass
class _Column:
    """One column: noise on the grid (n_positions,), the filter's state at its end, one season each of the season."""

    noise: Floats
    method: str
    level: LocalLevel
    state: tuple[float, float]  # filtered level without season, and its variance
    season: list[Floats]  # the last season of every period
    n_fitted: int

    def seasonal(self, rows: Integers) -> Floats:
        """Return the season repeated at positions (m,) after the fit."""
        out = np.zeros(rows.shape[0])
        for cycle in self.season:
            out += cycle[(rows - self.n_fitted) % cycle.shape[0]]
        return out


class NoisePruner(SeriesTransformer):
    """Remove noise from series, where it can be told from signal; the inverse puts it back exactly.

    The season, if there is one, is set aside; it is signal. What is left is denoised by a local-level Kalman smoother
    or by wavelet shrinkage, whichever predicts left-out values better. Two guards ask whether there is noise at all:
    a moving level seen through white noise has to explain the series clearly better than any autoregression does
    (which has no noise to remove), and the denoiser has to predict left-out values better than their neighbours do. So
    white noise without season, AR processes and random walks stay as they are. Beside a significant season, white
    noise is noise.

    Rows of the fitted span lose the noise found in them. Later rows go through the causal filter of the fitted local
    level, row by row; rows of the span's end up to the first row of a call that are not in that call count as
    missing, so carry new rows into the span with `partial_fit` if they come in blocks. The inverse of later rows is
    the series whose filtered levels are the rows given: exact for `transform`'s own output, and for a forecast it
    undoes the lag of the filter. It does not invent noise: a constant forecast comes back constant.

    Parameters
    ----------
    method : {"auto", "kalman", "wavelet"}, default="auto"
        Denoiser; "auto" takes the one that predicts left-out values better.
    period : "auto", int >= 2, sequence of int or None, default="auto"
        Season lengths to set aside, in samples; "auto" finds them per column, None stands for none.
    guard : "evidence" or None, default="evidence"
        "evidence" keeps what cannot be told from signal; None denoises in any case.
    alpha : float in (0, 1), default=0.01
        Level of significance, per column.
    wavelet : str, default="sym8"
        Orthogonal wavelet of PyWavelets.
    time_column : str, optional
        Column of a frame that holds the times; it goes through `transform` unchanged.

    Attributes
    ----------
    noise_ : ndarray of shape (n_timepoints, n_series)
        Noise removed from the fitted rows, in the units of the input; 0 where it was kept, NaN at missing values.
    methods_ : list of n_series str
        Denoiser of every column: ``"kalman"``, ``"wavelet"``, ``"season"`` (all beside the season is noise) or
        ``"none"``.
    periods_ : list of n_series tuples of int
        Season lengths of every column, in samples.
    report_ : PruningReport
        One row per column. The statistic is the share of the error of predicting left-out values that the denoiser
        saves (with ``"season"``: the share of variance that the season explains).
    n_features_in_ : int
        Number of columns, without the time column.
    feature_names_in_ : ndarray of str
        Their names, if they had some.

    Raises
    ------
    InvalidParameterError
        In `fit`, if a parameter breaks its rule.

    References
    ----------
    Harvey (1989), Forecasting, structural time series models and the Kalman filter, sections 2.3 and 3.6.
    Donoho, Johnstone (1995), J. American Statistical Association 90, section 2.4.
    Nason (1996), J. Royal Statistical Society B 58, section 3, for leaving out values of a denoised series.

    Examples
    --------
    >>> import numpy as np
    >>> from tsprune import NoisePruner
    >>> rng = np.random.default_rng(0)
    >>> walk = np.cumsum(rng.normal(size=500))
    >>> print(NoisePruner().fit(walk).report_.summary())
    noise: 0 of 1 removed
    guard: noise kept in 1 of 1 columns (y): it cannot be told from signal
    >>> noisy = walk + rng.normal(0, 3, 500)
    >>> pruned = NoisePruner().fit_transform(noisy)
    >>> print(np.round([np.std(noisy - walk), np.std(pruned - walk)], 1))
    [2.8 1.2]
    """

    _needs_fitted_values: ClassVar[bool] = True  # the noise of other values is not known
    _parameters: ClassVar[Rules] = {
        "method": choice("auto", *_METHODS),
        "period": either(choice("auto"), nothing(), integer(2), sequence_of(integer(2))),
        "guard": either(choice("evidence"), nothing()),
        "alpha": real(0, 1, open_low=True, open_high=True),
        "wavelet": instance_of(str),
        "time_column": either(nothing(), instance_of(str)),
    }

    def __init__(
        self,
        method: Literal["auto", "kalman", "wavelet"] = "auto",
        *,
        period: int | Sequence[int] | Literal["auto"] | None = "auto",
        guard: Literal["evidence"] | None = "evidence",
        alpha: float = 0.01,
        wavelet: str = "sym8",
        time_column: str | None = None,
    ) -> None:
        self.method = method
        self.period = period
        self.guard = guard
        self.alpha = alpha
        self.wavelet = wavelet
        self.time_column = time_column

    def _check_parameters(self) -> None:
        import pywt

        check_parameters(self, self._parameters)
        orthogonal = pywt.wavelist(kind="discrete")
        if self.wavelet not in orthogonal or not pywt.Wavelet(self.wavelet).orthogonal:
            raise InvalidParameterError(
                f"wavelet of NoisePruner must be an orthogonal wavelet of PyWavelets, got {self.wavelet!r}; "
                'for example "sym8", "db4", "haar".'
            )

    def _fit_grid(self, table: Floats, names: tuple[str, ...]) -> None:
        columns, records, self.periods_ = [], [], []
        for name, y in zip(names, table.T, strict=True):
            item = "noise" if len(names) == 1 else f"{name}.noise"
            column, record, periods = self._fit_column(np.ascontiguousarray(y), item)
            columns.append(column)
            records.append(record)
            self.periods_.append(periods)
        self._columns = columns
        self.methods_ = [column.method for column in columns]
        kept = [name for name, record in zip(names, records, strict=True) if record.kept]
        guards = []
        if kept:
            named = ", ".join(kept[:5]) + (", ..." if len(kept) > 5 else "")
            guards.append(f"noise kept in {len(kept)} of {len(names)} columns ({named}): it cannot be told from signal")
        self.report_ = PruningReport(records, subject="noise", guards=guards)
        self._publish()

    def _publish(self) -> None:
        self.noise_ = np.column_stack([column.noise[self._rows] for column in self._columns]) * self._units

    def _fit_column(self, y: Floats, item: str) -> tuple[_Column, PruningRecord, tuple[int, ...]]:
        """Decide on one column (n_positions,): state, row of the report, periods."""
        n = y.shape[0]
        n_known = int(np.isfinite(y).sum())
        if n_known < SHORTEST or np.nanmax(y) - np.nanmin(y) <= _ROUNDING * np.nanmax(np.abs(y)):
            if self.guard is None and n_known < SHORTEST:
                raise InvalidSeriesError(
                    f"every column needs at least {SHORTEST} values to be denoised with guard=None, got "
                    f"{n_known if n_known > 1 else '1 sample'}; pass a longer series."
                )
            why = f"{n_known} values are too few to tell" if n_known < SHORTEST else "it is constant"
            record = PruningRecord(item, "noise", True, why, 0.0, self.alpha, 1.0)
            return _Column(np.zeros(n), "none", LocalLevel(0.0, 0.0), (0.0, 0.0), [], n), record, ()
        season, strength, p_season, periods = self._season(y)
        rest = y - season.sum(axis=1)
        methods = _METHODS if self.method == "auto" else (self.method,)
        if float(np.nanstd(rest)) <= _ROUNDING * float(np.nanmax(np.abs(y))):
            found = Denoised("none", rest, 0.0, 1.0, LocalLevel(0.0, 0.0))
        elif periods and p_season < self.alpha and is_white(rest):
            level = LocalLevel(0.0, float(np.nanvar(rest)))
            found = Denoised("season", np.full(n, float(np.nanmean(rest))), strength, p_season, level)
        else:
            alpha = None if self.guard is None else self.alpha
            found = choose_denoiser(rest, methods=methods, alpha=alpha, wavelet=self.wavelet)
        if found.method == "none":
            why = "it cannot be told from signal"
            record = PruningRecord(item, "noise", True, why, found.gain, self.alpha, found.p_value)
            return _Column(np.zeros(n), "none", found.level, (0.0, 0.0), [], n), record, periods
        why = {
            "season": "what is left beside the season is white",
            "kalman": "local level through white noise",
            "wavelet": "wavelet shrinkage",
        }[found.method]
        state = _filter_state(rest, found)
        cycles = [season[n - period :, k] for k, period in enumerate(periods)]
        record = PruningRecord(item, "noise", False, why, found.gain, self.alpha, found.p_value)
        return _Column(rest - found.signal, found.method, found.level, state, cycles, n), record, periods

    def _season(self, y: Floats) -> tuple[Floats, float, float, tuple[int, ...]]:
        """Return the seasons (n, n_periods), the strength and p-value of the strongest, the periods."""
        n = y.shape[0]
        if self.period is None:
            return np.zeros((n, 0)), 0.0, 1.0, ()
        if isinstance(self.period, str):
            candidates = periods_on_grid(y, steps_per_day=self._grid.steps_per_day, alpha=self.alpha)
            found = [p for p in candidates if 2 * p.period <= n]
        else:
            asked = [self.period] if isinstance(self.period, int | np.integer) else list(self.period)
            found = []
            for period in map(int, asked):
                if 2 * period > n:
                    raise InvalidSeriesError(
                        f"period must be at most n_timepoints // 2 = {n // 2}, got {period}; "
                        "pass a longer series or a smaller period."
                    )
                found += find_periods(y, alpha=self.alpha, min_period=period, max_period=period, min_cycles=2)
        if not found:
            return np.zeros((n, 0)), 0.0, 1.0, ()
        periods = tuple(dict.fromkeys(p.period for p in found))
        seasonal = decompose(y, period=list(periods), seasonal_window="periodic").seasonal
        return seasonal, found[0].strength, found[0].p_value, periods

    def _extend_grid(self, block: Floats) -> None:
        for column, y in zip(self._columns, block.T, strict=True):
            noise = np.zeros(y.shape[0])
            if column.method != "none":
                end = column.noise.shape[0]
                rest = y - column.seasonal(np.arange(end, end + y.shape[0], dtype=np.int64))
                out = filter_level(rest, *column.state, column.level.step, column.level.noise)
                noise = rest - out[:, 0]
                column.state = float(out[-1, 0]), float(out[-1, 1])
            column.noise = np.concatenate([column.noise, noise])

    def _is_identity(self) -> bool:
        return all(column.method == "none" for column in self._columns)

    def _prune(self, values: Floats, rows: Integers) -> Floats:
        return self._apply(values, rows, forward=True)

    def _restore(self, values: Floats, rows: Integers) -> Floats:
        return self._apply(values, rows, forward=False)

    def _apply(self, values: Floats, rows: Integers, *, forward: bool) -> Floats:
        """Remove (forward) or put back the noise at the positions (m,)."""
        end = self._table.shape[0]
        inside = rows < end
        out = values.copy()
        for k, column in enumerate(self._columns):
            if column.method == "none":
                continue
            noise = column.noise[rows[inside]]
            out[inside, k] += np.where(np.isnan(noise), 0.0, -noise if forward else noise)
            if inside.all():
                continue
            later, given = rows[~inside] - end, values[~inside, k]
            path = on_grid(given[:, None], later, int(later.max()) + 1)[:, 0]
            season = column.seasonal(np.arange(end, end + path.size, dtype=np.int64))
            change = invert_level_filter if not forward else _filtered
            changed = change(path - season, *column.state, column.level.step, column.level.noise) + season
            out[~inside, k] = changed[later]
            repeated = later <= np.r_[-1, np.maximum.accumulate(later)[:-1]]  # of an hour that comes twice
            difference = np.nan_to_num(changed - path)
            out[~inside, k] = np.where(repeated, given + difference[later], out[~inside, k])
        return out


def _filtered(path: Floats, level: float, variance: float, step: float, noise: float) -> Floats:
    """Return the levels (m,) of the causal filter along a path (m,), NaN where it is missing."""
    levels = filter_level(path, level, variance, step, noise)[:, 0]
    levels[np.isnan(path)] = np.nan
    return np.asarray(levels)


def _filter_state(rest: Floats, found: Denoised) -> tuple[float, float]:
    """Return level and variance of the causal filter at the end of `rest` (n,)."""
    level = found.level
    first = int(np.flatnonzero(np.isfinite(rest))[0])
    start = float(rest[first]), level.noise
    if first + 1 == rest.size:
        return start
    out = filter_level(np.ascontiguousarray(rest[first + 1 :]), *start, level.step, level.noise)
    return float(out[-1, 0]), float(out[-1, 1])
