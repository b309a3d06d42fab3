"""TrendPruner: remove the trend of series, where there is evidence of one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

from detectors.parameters import Rules
from tsprune.pruners.component import ComponentPruner, Period

__all__ = ["TrendPruner"]


class TrendPruner(ComponentPruner):
    """Remove the trend of series, level and shifts included, with an exact inverse.

    A `ComponentPruner` that removes the trend only: a season is estimated beside it, so that it does not disturb,
    and stays. Without evidence of a moving level (stationary noise) the trend stays too, mean included.

    Parameters
    ----------
    period : "auto", int >= 2, sequence of int or None, default="auto"
        Season lengths to set aside, in samples; "auto" finds them per column, None stands for none.
    guard : "evidence" or None, default="evidence"
        "evidence" keeps a trend that is not significant; None removes it in any case.
    alpha : float in (0, 1), default=0.01
        Level of significance, per column.
    robust : bool, default=False
        Whether outliers are given less weight in the decomposition.
    trend_window : odd int >= 3, optional
        Window of the trend's LOESS, in samples; see `decompose`.
    time_column : str, optional
        Column of a frame that holds the times; it goes through `transform` unchanged.

    Attributes
    ----------
    trend_ : ndarray of shape (n_timepoints, n_series)
        Trend removed from the fitted rows, in the units of the input; 0 where it was kept.
    seasonal_ : ndarray of shape (n_timepoints, n_series)
        Zeros: seasons stay.
    periods_ : list of n_series tuples of int
        Season lengths of every column, in samples.
    report_ : PruningReport
        One row per column: removed or kept, KPSS statistic, p-value.
    n_features_in_ : int
        Number of columns, without the time column.
    feature_names_in_ : ndarray of str
        Their names, if they had some.

    See Also
    --------
    ComponentPruner : Says more on times, later rows and `partial_fit`.

    References
    ----------
    Kwiatkowski, Phillips, Schmidt, Shin (1992), J. Econometrics 54, eq. 6.

    Examples
    --------
    >>> import numpy as np
    >>> from tsprune import TrendPruner
    >>> noise = np.random.default_rng(0).normal(size=300)
    >>> print(TrendPruner().fit(noise).report_.summary())
    components: 0 of 1 removed
    guard: trend kept in 1 of 1 columns (y): no evidence at 0.01
    >>> pruner = TrendPruner().fit(noise + np.linspace(0, 10, 300))
    >>> print(pruner.report_.removed, np.round(pruner.trend_[-1, 0] - pruner.trend_[0, 0]))
    ['trend'] 10.0
    """

    _parameters: ClassVar[Rules] = {
        k: rule for k, rule in ComponentPruner._parameters.items() if k not in ("remove", "seasonal_window")
    }

    def __init__(
        self,
        period: Period = "auto",
        *,
        guard: Literal["evidence"] | None = "evidence",
        alpha: float = 0.01,
        robust: bool = False,
        trend_window: int | None = None,
        time_column: str | None = None,
    ) -> None:
        self.period = period
        self.guard = guard
        self.alpha = alpha
        self.robust = robust
        self.trend_window = trend_window
        self.time_column = time_column

    def _removes(self) -> tuple[bool, bool]:
        return True, False

    def _season_windows(self) -> int | Sequence[int] | Literal["periodic"] | None:
        return None
