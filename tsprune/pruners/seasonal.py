"""SeasonalPruner: remove the seasons of series, where there is evidence of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

from detectors.parameters import Rules
from tsprune.pruners.component import ComponentPruner, Period

__all__ = ["SeasonalPruner"]


class SeasonalPruner(ComponentPruner):
    """Remove the seasons of series, with an exact inverse (seasonal adjustment).

    A `ComponentPruner` that removes seasons only; the trend stays. A season without significant evidence stays too.

    Parameters
    ----------
    period : "auto", int >= 2, sequence of int or None, default="auto"
        Season lengths, in samples; "auto" finds them per column, None stands for none.
    guard : "evidence" or None, default="evidence"
        "evidence" keeps a season that is not significant; None removes every period named in `period`.
    alpha : float in (0, 1), default=0.01
        Level of significance, per column and period.
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
        Zeros: the trend stays.
    seasonal_ : ndarray of shape (n_timepoints, n_series)
        Sum of the seasons removed from the fitted rows, in the units of the input; 0 where they were kept.
    periods_ : list of n_series tuples of int
        Season lengths of every column, in samples.
    report_ : PruningReport
        One row per column and period: removed or kept, share of variance explained, p-value.
    n_features_in_ : int
        Number of columns, without the time column.
    feature_names_in_ : ndarray of str
        Their names, if they had some.

    See Also
    --------
    ComponentPruner : Says more on times, later rows and `partial_fit`.
    find_periods : Finds the periods.

    References
    ----------
    Cleveland, Cleveland, McRae, Terpenning (1990), Journal of Official Statistics 6(1), section 2.

    Examples
    --------
    >>> import numpy as np
    >>> from tsprune import SeasonalPruner
    >>> t = np.arange(200)
    >>> y = np.sin(2 * np.pi * t / 7) + np.random.default_rng(0).normal(0, 0.2, t.size)
    >>> pruner = SeasonalPruner().fit(y)
    >>> print(pruner.report_.removed, np.round(np.std(pruner.transform(y)), 1))
    ['seasonal_7'] 0.2
    >>> SeasonalPruner(12).fit(y).report_.removed
    []
    """

    _parameters: ClassVar[Rules] = {k: rule for k, rule in ComponentPruner._parameters.items() if k != "remove"}

    def __init__(
        self,
        period: Period = "auto",
        *,
        guard: Literal["evidence"] | None = "evidence",
        alpha: float = 0.01,
        robust: bool = False,
        trend_window: int | None = None,
        seasonal_window: int | Sequence[int] | Literal["periodic"] | None = None,
        time_column: str | None = None,
    ) -> None:
        self.period = period
        self.guard = guard
        self.alpha = alpha
        self.robust = robust
        self.trend_window = trend_window
        self.seasonal_window = seasonal_window
        self.time_column = time_column

    def _removes(self) -> tuple[bool, bool]:
        return False, True
