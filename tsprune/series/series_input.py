"""SeriesInput: a validated series, whose results can go back into the container that it came in.

Times are `int64` nanoseconds since the epoch in UTC for timestamps (naive ones count as UTC) and durations, plain
integers for integer times, and None where the caller gave no times at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, Self

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tsprune.exceptions import InvalidSeriesError
from tsprune.series.times import Timeline

__all__ = ["Floats", "Integers", "Kind", "SeriesInput"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Kind = Literal["numpy", "pandas_series", "pandas_frame", "polars_series", "polars_frame"]


@dataclass(frozen=True)
class SeriesInput:
    """A validated series.

    Attributes
    ----------
    values : ndarray of shape (n_timepoints, n_series)
        float64; NaN is a missing value.
    timeline : Timeline or None
        The times of the rows; None if the caller gave none.
    names : tuple of str
        One per column; ``("y",)`` for an unnamed series.
    n_dims : int
        Dimensions of the input: 1 or 2.
    """

    values: Floats
    timeline: Timeline | None
    names: tuple[str, ...]
    n_dims: int
    kind: Kind
    _original: Any
    _time_column: str | None

    @property
    def time(self) -> Integers | None:
        """Times (n_timepoints,), strictly increasing: nanoseconds since the epoch, or integers as given."""
        return None if self.timeline is None else self.timeline.ticks

    @property
    def is_stamped(self) -> bool:
        """True if `time` counts nanoseconds."""
        return self.timeline is not None and self.timeline.kind != "integers"

    @property
    def n_timepoints(self) -> int:
        """Number of rows."""
        return int(self.values.shape[0])

    @property
    def n_series(self) -> int:
        """Number of columns."""
        return int(self.values.shape[1])

    @property
    def has_named_columns(self) -> bool:
        """True if the columns came with names of their own."""
        return self.kind in ("pandas_frame", "polars_frame")

    def column(self) -> Floats:
        """Return the only column (n_timepoints,).

        Raises
        ------
        InvalidSeriesError
            If there are several.
        """
        if self.n_series != 1:
            raise InvalidSeriesError(
                f"one series is needed here, got {self.n_series} columns {list(self.names)[:5]}; "
                "pass one column, or use the estimators, which take several."
            )
        return self.values[:, 0]

    def within(self, most: float) -> Self:
        """Return the series itself.

        Raises
        ------
        InvalidSeriesError
            If a value is larger in size than `most`, beyond which squares or sums are no numbers any more.
        """
        size = np.abs(self.values)
        if np.nanmax(size, initial=0.0) > most:
            row, column = np.unravel_index(int(np.nanargmax(size)), size.shape)
            raise InvalidSeriesError(
                f"values must be at most {most:.3g} in size, got {self.values[row, column]:.3g} at row {row}, column "
                f"{self.names[column]!r}; replace it by NaN if it stands for a missing value."
            )
        return self

    def time_index(self) -> pd.Index:
        """Return the times as a pandas index, as they were given (zone and labels kept); row numbers without times."""
        if self.timeline is not None:
            return self.timeline.index
        if self.kind in ("pandas_series", "pandas_frame") and self._time_column is None and self._original is not None:
            index: pd.Index = self._original.index
            return index
        return pd.RangeIndex(self.n_timepoints)

    def detached(self) -> Self:
        """Return the series without its container, which cannot be restored then: what an estimator remembers."""
        return replace(self, _original=None)

    def followed_by(self, later: Self) -> Self:
        """Return this series with the rows of `later` after its own, detached; `later` has the same columns.

        Rows without times follow timed ones as unknown times do: the result has no times if either has none.
        """
        values = np.vstack([self.values, later.values])
        known = self.timeline is not None and later.timeline is not None
        timeline = self.timeline.followed_by(later.timeline) if known else None  # type: ignore[union-attr,arg-type]
        return replace(self, values=values, timeline=timeline, _original=None)

    def restore(self, values: NDArray[Any], *, names: Sequence[str] | None = None) -> Any:
        """Return `values` in the container of the input, with its index, order and time column.

        Parameters
        ----------
        values : ndarray of shape (n_timepoints,) or (n_timepoints, k)
        names : sequence of str, optional
            Column names for a result whose columns are not those of the input.
        """
        values = np.asarray(values)
        same_columns = names is None
        names = self.names if names is None else tuple(names)
        table = values.reshape(self.n_timepoints, -1)
        one_dimensional = self.n_dims == 1 and table.shape[1] == 1 and same_columns
        if self.kind == "numpy":
            return table[:, 0] if one_dimensional else table
        if self.kind in ("pandas_series", "pandas_frame"):
            if one_dimensional and self.kind == "pandas_series":
                return pd.Series(table[:, 0], index=self._original.index, name=self._original.name)
            labels: Any = list(names)
            if same_columns and self.kind == "pandas_frame":
                labels = [c for c in self._original.columns if c != self._time_column]
            frame = pd.DataFrame(table, index=self._original.index, columns=labels)
            if self._time_column is not None:
                frame.insert(0, self._time_column, self._original[self._time_column])
            return frame
        native = nw.get_native_namespace(nw.from_native(self._original, allow_series=True))
        if one_dimensional and self.kind == "polars_series":
            return nw.new_series(self._original.name, table[:, 0], backend=native).to_native()
        columns: dict[str, Any] = {}
        if self._time_column is not None:
            columns[self._time_column] = nw.from_native(self._original)[self._time_column]
        for name, column in zip(names, table.T, strict=True):
            columns[name] = nw.new_series(name, np.ascontiguousarray(column), backend=native)
        return nw.from_dict(columns, backend=native).to_native()
