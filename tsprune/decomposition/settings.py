"""Settings of STL from what the caller gave: default windows, one setting per period, their rules.

Windows are odd. Seasonal windows count cycles, all others samples.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from tsprune.decomposition.stl import STLSetting
from tsprune.exceptions import InvalidParameterError

__all__ = ["next_odd", "stl_settings", "trend_setting"]

# R's forecast::mstl: a window of 7 + 4 k cycles for the k-th shortest period
FIRST_SEASONAL_WINDOW, SEASONAL_WINDOW_STEP = 11, 4
# R's stl: loops without and with robustness weights
INNER_ITER, ROBUST_INNER_ITER, ROBUST_OUTER_ITER = 2, 1, 15
# robustness weights that change by less than this on average have converged
WEIGHT_TOLERANCE = 0.01
# R's stl: "periodic" is a window of ten times the length of the series
PERIODIC_FACTOR = 10
# a trend without season is smoothed over this share of the series, at least over SHORTEST_TREND points
TREND_SHARE, SHORTEST_TREND = 0.1, 7

Window = int | Sequence[int] | Literal["periodic"] | None


def next_odd(value: float) -> int:
    """Return the smallest odd integer >= `value`."""
    rounded = int(-(-value // 1))
    return rounded + 1 - rounded % 2


def stl_settings(
    n_timepoints: int,
    periods: Sequence[int],
    *,
    robust: bool,
    windows: tuple[Window, int | None, Window],
    degrees: tuple[int, int, int],
    loops: tuple[int | None, int | None],
    longer_low_pass: bool = False,
) -> list[STLSetting]:
    """Return one setting per period, shortest period first; `windows` and `degrees`: seasonal, trend, low-pass.

    `longer_low_pass`: statsmodels wants the low-pass window longer than the period, R and the paper at least as long.

    Raises
    ------
    InvalidParameterError
        Even windows, or another number of windows than of periods.
    """
    seasonal_windows = per_period("seasonal_window", windows[0], periods)
    low_pass_windows = per_period("low_pass_window", windows[2], periods)
    inner_iter, outer_iter = loops
    settings = []
    for rank, period in enumerate(sorted(periods)):
        seasonal = seasonal_windows[periods.index(period)]
        degree = degrees[0]
        if seasonal == "periodic":
            seasonal, degree = PERIODIC_FACTOR * n_timepoints + 1, 0
        elif seasonal is None:
            seasonal = FIRST_SEASONAL_WINDOW + SEASONAL_WINDOW_STEP * rank
        low_pass = low_pass_windows[periods.index(period)]
        low_pass = next_odd(period + longer_low_pass) if low_pass is None else int(low_pass)
        settings.append(
            STLSetting(
                period=int(period),
                seasonal_window=odd("seasonal_window", int(seasonal)),
                trend_window=trend_window(windows[1], period, int(seasonal)),
                low_pass_window=odd(
                    "low_pass_window", next_odd(period + longer_low_pass) if low_pass is None else int(low_pass)
                ),
                seasonal_degree=degree,
                trend_degree=degrees[1],
                low_pass_degree=degrees[2],
                inner_iter=(ROBUST_INNER_ITER if robust else INNER_ITER) if inner_iter is None else int(inner_iter),
                outer_iter=(ROBUST_OUTER_ITER if robust else 0) if outer_iter is None else int(outer_iter),
                tolerance=WEIGHT_TOLERANCE if outer_iter is None else None,
            )
        )
    return settings


def trend_setting(
    n_timepoints: int, *, robust: bool, window: int | None, degree: int, outer_iter: int | None
) -> STLSetting:
    """Return the setting of a series without season: only its trend is smoothed."""
    window = max(SHORTEST_TREND, next_odd(TREND_SHARE * n_timepoints)) if window is None else window
    outer = (ROBUST_OUTER_ITER if robust else 0) if outer_iter is None else int(outer_iter)
    tolerance = WEIGHT_TOLERANCE if outer_iter is None else None
    return STLSetting(1, 1, odd("trend_window", int(window)), 1, 0, degree, 1, 1, outer, tolerance)


def trend_window(given: int | None, period: int, seasonal: int) -> int:
    """Return the trend window: section 3.4 of Cleveland et al. (1990), 1.5 p / (1 - 1.5 / seasonal window)."""
    if given is not None:
        return odd("trend_window", int(given))
    return next_odd(1.5 * period / (1.0 - 1.5 / seasonal))


def odd(name: str, window: int) -> int:
    """Return an odd window; raise for an even one."""
    if window % 2 == 0:
        raise InvalidParameterError(
            f"{name} of decompose must be odd, so that a window has a middle, got {window}; pass {window + 1}."
        )
    return window


def per_period(name: str, windows: Window, periods: Sequence[int]) -> list[int | str | None]:
    """Return one window per period."""
    if windows is None or isinstance(windows, str):
        return [windows] * len(periods)
    if isinstance(windows, Sequence):
        if len(windows) != len(periods):
            raise InvalidParameterError(
                f"{name} of decompose must hold one window per period ({len(periods)}), got {len(windows)}; "
                "pass one number for all or one per period."
            )
        return list(windows)
    return [windows] * len(periods)
