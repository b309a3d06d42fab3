"""Causal cleaning: the newest point judged by the past only, the same whichever way points arrive.

The model is fitted on the cleaned past at fixed rows; between them a point is compared with its prediction. A point
too far off is replaced by the prediction; a run of them on one side that lasts is a new level, and is believed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from tsprune.cleaning.change import Change, ColumnCleaning, runs
from tsprune.cleaning.column import clean_column
from tsprune.cleaning.model import SeriesModel, fit_model, seasonal_scale

__all__ = ["CausalFilter", "clean_causally"]

Floats = NDArray[np.float64]

_THRESHOLD = 5.0  # as in two-sided cleaning
_MATERIAL = 2.5
_HISTORY = 20  # cycles a fit looks back
_LEAST_HISTORY = 400  # rows
_AUTO_WARM_UP = 200  # rows in which periods are looked for
_CALIBRATION = 200  # rows whose predictions calibrate the spread of the next one
_PRIOR = 4.0  # rows: predictions whose spread is what the model says, before there are others
_CLIP = 3.0  # standard deviations: what is farther off does not widen the spread any more
_HELD_OUT = 0.25  # of the warm-up, predicted before there are rows to be judged


@dataclass
class CausalFilter:
    """State of one column: rows seen, their cleaned values, and the model of the past.

    Parameters
    ----------
    periods : tuple of int
        Season lengths, in samples; empty for none, None to look for them in the warm-up.
    lower, upper : float or None
        Values outside are impossible.
    """

    periods: tuple[int, ...] | None = ()
    lower: float | None = None
    upper: float | None = None
    output: list[float] = field(default_factory=list)
    cleaned: list[float] = field(default_factory=list)
    flags: list[bool] = field(default_factory=list)
    statistics: list[float] = field(default_factory=list)
    errors: list[float] = field(default_factory=list)
    _model: SeriesModel | None = None
    _start: int = 0
    _least: float = 0.0
    _run: int = 0
    _errors_of_predictions: list[float] = field(default_factory=list)  # squares, in units of the model's spread
    _raw: list[float] = field(default_factory=list)

    @property
    def warm_up(self) -> int:
        """Rows that are believed as they are, because there is no past to judge them by."""
        return _AUTO_WARM_UP if self.periods is None else max(30, 4 * self._longest)

    @property
    def _longest(self) -> int:
        """The longest season, 1 for none."""
        return max(self.periods or (), default=1)

    def seed(self, cleaned: Floats) -> None:
        """Take `cleaned` (n_timepoints,) as the past, all of it judged already."""
        self.cleaned = [float(value) for value in cleaned]
        self.output = list(self.cleaned)
        self._raw = list(self.cleaned)
        self.flags, self.statistics, self.errors = [False] * len(cleaned), [np.nan] * len(cleaned), [0.0] * len(cleaned)
        if len(self.cleaned) >= self.warm_up:
            self._calibrate(np.array(self.cleaned[-max(_LEAST_HISTORY, _HISTORY * self._longest) :]))
            self._fit()

    def extend(self, x: Floats, protected: NDArray[np.bool_] | None = None) -> None:
        """Judge the rows of `x` (n_new,), one after the other; those `protected` (n_new,) keep their values."""
        kept = np.zeros(x.size, bool) if protected is None else protected
        for value, is_kept in zip(x.tolist(), kept.tolist(), strict=True):
            self._one(value)
            if is_kept and not np.isnan(value):  # what was expected is what the future learns from
                self.output[-1], self.flags[-1], self.errors[-1], self.statistics[-1] = value, False, 0.0, np.nan

    def _one(self, value: float) -> None:
        """Judge one row and remember it."""
        row = len(self.cleaned)
        if row == self.warm_up:
            self._clean_warm_up()
        elif self._model is not None and (row - self._start) >= max(50, self._longest):
            self._fit()
        impossible = (self.lower is not None and value < self.lower) or (self.upper is not None and value > self.upper)
        if self._model is None:
            believed = np.nan if impossible else value
            if np.isnan(believed):  # the last value known, or 0 before the first
                believed = self.cleaned[-1] if self.cleaned else 0.0
            self._remember(value, believed, impossible, np.nan, 0.0)
            return
        expected, spread = self._predict()
        nominal, spread = spread, spread * self._widening()
        z = (value - expected) / spread
        odd = bool(abs(z) > _THRESHOLD and abs(value - expected) >= self._least)
        if np.isnan(value) or impossible or odd:
            run = self._run + int(odd)
            if odd and not impossible and run > max(3, self._longest // 2):
                self._remember(value, value, False, z, 0.0)  # it lasts: a new level, believed from here on
                self._run = 0
                self._model, self._start = None, row
                self._refit_after_shift()
                return
            self._run = run
            self._remember(
                value,
                float(np.clip(expected, self.lower, self.upper)) if self._bounded else expected,
                not np.isnan(value),
                z,
                spread,
            )
            return
        self._run = 0
        self._learn((value - expected) / nominal)
        self._remember(value, value, False, z, 0.0)

    @property
    def _bounded(self) -> bool:
        return self.lower is not None or self.upper is not None

    def _widening(self) -> float:
        """How much wider predictions spread than the model says, which was fitted to few cycles: at least 1."""
        squares = self._errors_of_predictions
        n = _PRIOR + len(squares)
        return float(np.sqrt(max(1.0, (_PRIOR + sum(squares)) / n))) * _threshold_of_student(n) / _THRESHOLD

    def _learn(self, z: float) -> None:
        """Take in the error of a prediction, in units of the spread that the model says."""
        self._errors_of_predictions = [*self._errors_of_predictions[1 - _CALIBRATION :], min(z * z, _CLIP**2)]

    def _calibrate(self, past: Floats) -> None:
        """Predict the last rows of a cleaned past (n,) from the others, to see how far predictions are off."""
        n_known = past.size - int(_HELD_OUT * past.size)
        trial = CausalFilter(self.periods, cleaned=past[:n_known].tolist())
        trial._fit()
        for value in past[n_known:].tolist() if trial._model is not None else ():
            expected, spread = trial._predict()
            self._learn((value - expected) / spread)
            trial._remember(value, value, False, np.nan, 0.0)

    def _remember(self, raw: float, cleaned: float, flag: bool, z: float, error: float) -> None:
        self._raw.append(raw)
        self.output.append(cleaned)
        self.cleaned.append(cleaned)
        self.flags.append(flag)
        self.statistics.append(z)
        self.errors.append(error)

    def _clean_warm_up(self) -> None:
        """Let the two-sided cleaner look over the warm-up before it becomes the past; its output stays as it was."""
        past = np.array(self._raw)
        if self.periods is None:
            from tsprune.periods.periods import find_periods

            known = np.isfinite(past).any()
            self.periods = tuple(sorted(find_periods(past, max_periods=2, min_cycles=4).lengths)) if known else ()
        if np.isfinite(past).sum() > 0:
            self.cleaned[:] = clean_column(past, self.periods, "report", self.lower, self.upper).values.tolist()
        self._calibrate(np.array(self.cleaned))
        self._fit()

    def _refit_after_shift(self) -> None:
        """Move the past to the new level, so that the next rows are judged by it."""
        depth = max(3, self._longest // 2)
        recent = np.array(self._raw[-depth:]) - np.array(self.cleaned[-depth:])
        shift = float(np.nanmedian(recent[:-1])) if depth > 1 else 0.0
        self.cleaned = [value + shift for value in self.cleaned[:-1]] + [self.cleaned[-1]]
        self._fit()

    def _fit(self) -> None:
        """Fit the model on the cleaned past."""
        depth = max(_LEAST_HISTORY, _HISTORY * self._longest)
        past = np.array(self.cleaned[-depth:])
        self._start = len(self.cleaned)
        usable = tuple(p for p in self.periods or () if p <= past.size // 3)
        if np.ptp(past) == 0.0:
            self._model = None
            return
        self._model = fit_model(past, np.zeros(past.size, bool), usable)
        self._least = _MATERIAL * seasonal_scale(past, max(usable, default=1), robust=False)

    def _season(self, back: int) -> float:
        """Seasonals of the row `back` rows before the next one; the last cycle of the fit is repeated."""
        if self._model is None or self._model.seasonal.shape[1] == 0:
            return 0.0
        total, n = 0.0, self._model.seasonal.shape[0]
        for j, period in enumerate(p for p in self.periods or () if p <= n // 3):
            place = n - 1 + (len(self.cleaned) - back - (self._start - 1))
            while place >= n:
                place -= period
            total += self._model.seasonal[place, j]
        return total

    def _predict(self) -> tuple[float, float]:
        """Prediction of the next row and its standard deviation."""
        assert self._model is not None
        model = self._model
        a = 0.0
        for k in range(1, model.phi.size):
            a -= model.phi[k] * (self.cleaned[-k] - self._season(k) - model.mean)
        place = model.scale.size - 1
        period = max((p for p in self.periods or () if p <= model.scale.size // 3), default=0)
        if period:
            place = model.scale.size - period + (len(self.cleaned) - self._start) % period
        return a + model.mean + self._season(0), float(model.scale[place])


@lru_cache(maxsize=2 * _CALIBRATION)
def _threshold_of_student(n: float) -> float:
    """Return what a normal deviate of the threshold is for a spread that was estimated from `n` values."""
    from scipy.stats import norm, t

    return float(t.isf(norm.sf(_THRESHOLD), n))


def clean_causally(x: Floats, state: CausalFilter) -> ColumnCleaning:
    """Return what the causal filter decided on `x` (n_timepoints,), all of whose rows it has seen."""
    missing = np.isnan(x)
    flags = np.array(state.flags, bool) & ~missing
    z = np.array(state.statistics)
    changes = [Change(a, b, "gap", np.nan, np.nan) for a, b in runs(missing)]
    for row in np.flatnonzero(flags).tolist():
        low = state.lower is not None and x[row] < state.lower
        high = state.upper is not None and x[row] > state.upper
        reason = "below lower bound" if low else "above upper bound" if high else "spike"
        changes.append(Change(row, row + 1, reason, float(z[row]), _THRESHOLD, float(x[row] - state.output[row])))
    guards = []
    if x.size <= state.warm_up:
        guards.append(f"the first {state.warm_up} rows are believed: there is no past to judge them by")
    values, errors = np.array(state.output), np.array(state.errors)
    changes.sort(key=lambda change: change.start)
    return ColumnCleaning(values, errors, flags, changes, guards, state.periods or (), None, np.zeros(x.size))
