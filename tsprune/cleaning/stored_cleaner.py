"""Stored cleaners: parameters, the series that was judged, and what was decided, in one file that runs no code."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from detectors.exceptions import StoredModelError
from detectors.storage.archive import CONTRADICTIONS, plain_parameter, read_model, write_model
from tsprune.cleaning.change import Change, ColumnCleaning
from tsprune.series.times import Timeline

if TYPE_CHECKING:
    from tsprune.cleaning.cleaner import SeriesCleaner

__all__ = ["read_cleaner", "write_cleaner"]

_KIND = "SeriesCleaner"
_NOT_STORED = ("holidays", "protect")  # may be functions, or change from year to year: the caller gives them again


def write_cleaner(cleaner: SeriesCleaner, path: Any) -> None:
    """Write a fitted cleaner to `path`, all or nothing."""
    given = {k: v for k, v in cleaner.get_params(deep=False).items() if k not in _NOT_STORED}
    seen, results = cleaner._seen, cleaner._results
    timeline = seen.timeline
    manifest: dict[str, Any] = {
        "parameters": {name: plain_parameter(name, value) for name, value in given.items()},
        "left_out": [name for name in _NOT_STORED if getattr(cleaner, name) is not None],
        "names": list(seen.names),
        "has_named_columns": seen.has_named_columns,
        "n_dims": seen.n_dims,
        "time_column_at": cleaner._time_column_at,
        "times": None if timeline is None else _manifest_of(timeline),
        "columns": [
            {
                "changes": [_plain(change) for change in result.changes],
                "guards": result.guards,
                "periods": list(result.periods),
            }
            for result in results
        ],
    }
    arrays: dict[str, NDArray[Any]] = {"seen": seen.values, "since": np.column_stack(cleaner._since)}
    for name in ("values", "standard_error", "mask", "offset"):
        arrays[name] = np.column_stack([getattr(result, name) for result in results])
    if timeline is not None:
        arrays["ticks"] = timeline.ticks
    write_model(path, _KIND, manifest, arrays)


def read_cleaner(kind: type[SeriesCleaner], path: Any, *, holidays: Any, protect: Any) -> SeriesCleaner:
    """Return the cleaner stored in `path`; known events that it had must be given again."""
    manifest, arrays = read_model(path, _KIND)
    try:
        missing = [n for n in manifest["left_out"] if {"holidays": holidays, "protect": protect}[n] is None]
        if missing:
            raise StoredModelError(
                f"{path}: {' and '.join(missing)} of a cleaner are not stored; pass them to load again, as they were."
            )
        cleaner = kind(**manifest["parameters"], holidays=holidays, protect=protect)
        cleaner._check()
        series = _frame(manifest, arrays)
        cleaner._take_series(series, None if cleaner.time_column is not None else _index(manifest["times"], arrays))
        columns = manifest["columns"]
        if len(columns) != arrays["seen"].shape[1]:
            raise ValueError("findings of another number of columns")
        cleaner._results = [_column(one, arrays, k) for k, one in enumerate(columns)]
        cleaner._since = [np.ascontiguousarray(column) for column in arrays["since"].T]
        n = int(cleaner._rows.max()) + 1
        if any(result.values.shape != (n,) for result in cleaner._results):
            raise ValueError(f"the results are not of {n} rows")
        if cleaner.causal:
            cleaner._refilter()
        cleaner._publish(None, None, [])
    except StoredModelError:
        raise
    except CONTRADICTIONS as error:
        raise StoredModelError(f"{path}: the stored cleaner contradicts itself ({error!r}); save it again.") from error
    return cleaner


def _plain(change: Change) -> dict[str, Any]:
    """A change as JSON holds it."""
    return {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in asdict(change).items()}


def _change(stored: Mapping[str, Any]) -> Change:
    """A change from what JSON held of it."""
    statistic, threshold, size = (
        math.nan if stored[name] is None else float(stored[name]) for name in ("statistic", "threshold", "size")
    )
    start, stop, reason = int(stored["start"]), int(stored["stop"]), str(stored["reason"])
    return Change(start, stop, reason, statistic, threshold, size, bool(stored["repaired"]))


def _column(stored: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]], k: int) -> ColumnCleaning:
    """One column cleaned."""
    changes = [_change(one) for one in stored["changes"]]
    values, error, mask, offset = (
        np.ascontiguousarray(arrays[name][:, k]) for name in ("values", "standard_error", "mask", "offset")
    )
    guards, periods = [str(g) for g in stored["guards"]], tuple(int(p) for p in stored["periods"])
    return ColumnCleaning(values, error, mask.astype(bool), changes, guards, periods, None, offset)


def _manifest_of(timeline: Timeline) -> dict[str, Any]:
    """What tells of the times beside their ticks."""
    periods = timeline.index.freqstr if isinstance(timeline.index, pd.PeriodIndex) else None
    zone = None if timeline.zone is None else str(timeline.zone)
    unit = getattr(timeline.index, "unit", "ns")
    return {"kind": timeline.kind, "zone": zone, "periods": periods, "unit": unit}


def _index(times: Mapping[str, Any] | None, arrays: Mapping[str, NDArray[Any]]) -> pd.Index | None:
    """The times as an index, None for none."""
    if times is None:
        return None
    ticks = arrays["ticks"]
    if times["kind"] == "integers":
        integers: pd.Index = pd.Index(ticks)
        return integers
    if times["kind"] == "durations":
        spent: pd.Index = pd.TimedeltaIndex(ticks.astype("timedelta64[ns]")).as_unit(times["unit"])
        return spent
    index: pd.DatetimeIndex = pd.DatetimeIndex(ticks.astype("datetime64[ns]"))
    if times["periods"] is not None:
        spans: pd.Index = index.to_period(times["periods"])
        return spans
    index = index.as_unit(times["unit"])
    zoned: pd.Index = index if times["zone"] is None else index.tz_localize("UTC").tz_convert(times["zone"])
    return zoned


def _frame(manifest: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Any:
    """The series that was judged, with names where it had any, and its time column where it had one."""
    values, names = arrays["seen"], manifest["names"]
    if manifest["has_named_columns"] or manifest["time_column_at"] is not None:
        frame = pd.DataFrame(values, columns=names)
        if manifest["time_column_at"] is not None:
            times = _index(manifest["times"], arrays)
            frame.insert(manifest["time_column_at"], manifest["parameters"]["time_column"], times)
        return frame
    return pd.Series(values[:, 0], name=names[0]) if manifest["n_dims"] == 1 else values
