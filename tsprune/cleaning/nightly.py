"""The nightly job: new rows judged with what was decided before, and the decisions kept in a file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self, cast

import numpy as np
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from tsprune.cleaning.memory import settled_rows
from tsprune.cleaning.stored_cleaner import read_cleaner, write_cleaner

if TYPE_CHECKING:
    from tsprune.cleaning.cleaner import SeriesCleaner

__all__ = ["NightlyUpdates"]


def _is_two_sided(cleaner: Any) -> bool:
    """True where points are judged by the past and the future."""
    return not cleaner.causal


class NightlyUpdates:
    """`update`, `save` and `load` of a `SeriesCleaner`."""

    @available_if(_is_two_sided)
    def update(self, X: Any, y: Any = None, *, time: Any = None) -> Self:
        """Judge further rows with the old ones; decisions on settled rows stand.

        A row is settled when at least 14 rows, and two seasons, were known behind it. The rows after the last settled
        one are judged anew with all that is known now. `changes_` says in `since` up to which row the series was known
        when a decision was made.

        Parameters
        ----------
        X : as in `fit`
            The rows that follow; without times, the very next ones.
        y : ignored
        time : array-like of shape (n_new,), optional

        Returns
        -------
        self

        Raises
        ------
        AttributeError
            With ``causal=True``: every decision stands there, and `partial_fit` adds rows.
        InvalidSeriesError
            If the columns are not those fitted.
        TimeIndexError
            If a row is not later than those judged.
        """
        cleaner = cast("SeriesCleaner", self)
        if not hasattr(cleaner, "report_"):
            cleaner.fit(X, y, time=time)
            return self
        n_before = int(cleaner._rows.max()) + 1
        cleaner._follow(cleaner._read(X, time, reset=False))
        before = cleaner._results
        settled = [settled_rows(n_before, result.periods) for result in before]
        cleaner._judge([result.changes for result in before], settled)
        cleaner._publish(None, None, [])
        return self

    def save(self, path: Any) -> None:
        """Write the cleaner with its decisions to one file, which `load` reads without running code from it.

        Parameters
        ----------
        path : path-like

        Raises
        ------
        NotFittedError
            If nothing was judged yet.
        """
        check_is_fitted(self, "report_")
        write_cleaner(cast("SeriesCleaner", self), path)

    @classmethod
    def load(cls, path: Any, *, holidays: Any = None, protect: Any = None) -> Self:
        """Return the cleaner that `save` wrote.

        Parameters
        ----------
        path : path-like
        holidays, protect
            Known events are not stored: give those the cleaner had.

        Returns
        -------
        SeriesCleaner

        Raises
        ------
        StoredModelError
            If the file is foreign or damaged, or known events are missing.
        """
        return cast("Self", read_cleaner(cast("type[SeriesCleaner]", cls), path, holidays=holidays, protect=protect))


def since_when(old: np.ndarray[Any, np.dtype[np.int64]] | None, was: Any, now: Any) -> Any:
    """Row up to which the series was known when each decision was made (n_timepoints,).

    `old` are those of the fit before, `was` and `now` whether a row is changed; what stays changed keeps its row.
    """
    since = np.full(now.size, now.size - 1, np.int64)
    if old is not None:
        same = was & now[: was.size]
        since[: was.size] = np.where(same, old, since[: was.size])
    return since
