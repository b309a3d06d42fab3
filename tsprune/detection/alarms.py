"""Alarms in people's terms: how many episodes a person wants to hear of, or how many false ones are bearable."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd

from tsprune.exceptions import InvalidParameterError

__all__ = ["AlarmBudget", "FalseAlarmRate", "ThresholdReport", "rows_of"]


@dataclass(frozen=True)
class AlarmBudget:
    """At most that many episodes, the worst first: `SeriesDetector(contamination=AlarmBudget(2, per="1D"))`.

    Use it where somebody looks at every alarm and has time for so many. For alarms on evidence alone, however many,
    use `FalseAlarmRate`.

    Parameters
    ----------
    episodes : float > 0
        Episodes that may be flagged; larger flags more.
    per : int or timedelta-like, default=1000
        In so many rows, or so much time.

    Examples
    --------
    >>> AlarmBudget(2, per="1D")
    AlarmBudget(episodes=2, per='1D')
    """

    episodes: float
    per: Any = 1000

    def __post_init__(self) -> None:
        _check(self)


@dataclass(frozen=True)
class FalseAlarmRate:
    """As many episodes as there is evidence for, with so many false ones: `contamination=FalseAlarmRate(1, per="7D")`.

    Use it where a missed incident costs more than a look. Where the number of alarms matters, use `AlarmBudget`.

    Parameters
    ----------
    episodes : float > 0
        False episodes to be expected in an ordinary series; larger flags more.
    per : int or timedelta-like, default=1000
        In so many rows, or so much time.

    Examples
    --------
    >>> FalseAlarmRate(0.5, per=10_000)
    FalseAlarmRate(episodes=0.5, per=10000)
    """

    episodes: float
    per: Any = 1000

    def __post_init__(self) -> None:
        _check(self)


@dataclass(frozen=True)
class ThresholdReport:
    """How the threshold of a `SeriesDetector` came about.

    Attributes
    ----------
    rule : str
        What was asked for, in words.
    threshold : float
        Abnormality of a row from which it belongs to an episode: median of training 0, its 90 % quantile 1.
    ordinary_location, ordinary_scale : float
        Of the largest abnormality in a block of ordinary rows (Gumbel distribution).
    block : float
        Rows of a block.
    suspected_share : float
        Share of the fitted rows that the ordinary tail leaves out.
    n_episodes : int
        Episodes found in training.
    false_per_1000 : float
        False episodes to be expected in 1000 ordinary rows, before the number of episodes is limited.
    """

    rule: str
    threshold: float
    ordinary_location: float
    ordinary_scale: float
    block: float
    suspected_share: float
    n_episodes: int
    false_per_1000: float

    def summary(self) -> str:
        """Return it in a sentence."""
        return (
            f"{self.rule}: rows above {self.threshold:.3g}, where {self.false_per_1000:.2g} episodes in 1000 ordinary "
            f"rows are expected; {self.n_episodes} found in training"
        )


def rows_of(per: Any, steps_per_day: float) -> float:
    """Return how many rows `per` is.

    Parameters
    ----------
    per : int or timedelta-like
        A number of rows, or a time.
    steps_per_day : float
        Of the series; 0 where it has no timestamps.

    Raises
    ------
    InvalidParameterError
        A time is asked for and the series has none.

    Examples
    --------
    >>> rows_of("1D", 24.0), rows_of(500, 0.0)
    (24.0, 500.0)
    """
    if isinstance(per, int | float):
        return float(per)
    if not steps_per_day:
        raise InvalidParameterError(
            f"per={per!r} is a time, but the series has no timestamps; give a number of rows, or a series with times."
        )
    return max(1.0, pd.Timedelta(per) / pd.Timedelta(days=1) * steps_per_day)


def _check(choice: AlarmBudget | FalseAlarmRate) -> None:
    """Raise unless both fields can be used."""
    name = type(choice).__name__
    if not choice.episodes > 0:
        raise InvalidParameterError(f"episodes of {name} must be positive, got {choice.episodes!r}.")
    try:
        positive = choice.per > 0 if isinstance(choice.per, int | float) else pd.Timedelta(choice.per).value > 0
    except (ValueError, TypeError) as error:
        raise InvalidParameterError(
            f"per of {name} must be a number of rows or a time such as '1D', got {choice.per!r}: {error}."
        ) from error
    if not positive:
        raise InvalidParameterError(f"per of {name} must be positive, got {choice.per!r}.")
