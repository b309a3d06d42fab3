"""Streams: one by one, in blocks and at once are the same to the last bit; memory stays flat."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import pytest

from contract.subjects import series
from tsprune import OnlineDecomposer, StreamMonitor
from tsprune.exceptions import InvalidSeriesError, StoredStateError


def stream(n: int) -> pd.DataFrame:
    y = series(n, 2)
    y[60:63, 0] = np.nan
    y[90] += 30.0
    return pd.DataFrame(y, columns=["s0", "s1"], index=pd.date_range("2024-01-01", periods=n, freq="h"))


def test_decomposer_batch_is_stream() -> None:
    y = series(200)
    y[50:53] = np.nan
    whole = OnlineDecomposer(12).update_many(y)
    single = OnlineDecomposer(12)
    assert np.array_equal(whole, np.array([single.update(v) for v in y]), equal_nan=True)
    blocks = OnlineDecomposer(12)
    parts = np.vstack([blocks.update_many(y[a:b]) for a, b in ((0, 1), (1, 70), (70, 71), (71, 200))])
    assert np.array_equal(whole, parts, equal_nan=True)
    np.testing.assert_allclose(whole.sum(axis=1)[~np.isnan(y)], y[~np.isnan(y)], atol=1e-9)


def test_decomposer_saved_on_the_way_goes_on_with_the_same_bits() -> None:
    y = series(200)
    whole = OnlineDecomposer(12).update_many(y)
    first = OnlineDecomposer(12)
    first.update_many(y[:77])
    for restored in (OnlineDecomposer.from_bytes(first.to_bytes()), pickle.loads(pickle.dumps(first))):
        assert np.array_equal(whole[77:], restored.update_many(y[77:]))
    with pytest.raises(StoredStateError):
        OnlineDecomposer.from_bytes(first.to_bytes()[:-5])


def test_decomposer_memory_is_flat() -> None:
    decomposer = OnlineDecomposer(12)
    decomposer.update_many(series(100))
    before = decomposer.state_dict()["state"].nbytes
    decomposer.update_many(series(5000))
    assert decomposer.state_dict()["state"].nbytes == before


def test_monitor_batch_is_stream() -> None:
    rows = stream(200)
    whole = StreamMonitor().prime(rows[:80]).update_many(rows[80:])
    single = StreamMonitor().prime(rows[:80])
    readings = [single.update(time, row.to_dict()) for time, row in rows[80:].iterrows()]
    for field in ("score", "onset", "p_value", "is_anomaly", "alert", "repruned"):
        values = [getattr(reading, field) for reading in readings]
        assert np.array_equal(whole[field].to_numpy(), np.array(values)), field
    components = pd.DataFrame([reading.components for reading in readings], index=rows.index[80:])
    pd.testing.assert_frame_equal(whole[list(components.columns)], components, check_exact=True, check_names=False)
    blocks = StreamMonitor().prime(rows[:80])
    parts = pd.concat([blocks.update_many(rows[a:b]) for a, b in ((80, 81), (81, 150), (150, 200))])
    pd.testing.assert_frame_equal(whole, parts, check_exact=True)


def test_monitor_saved_on_the_way_goes_on_with_the_same_bits(tmp_path: object) -> None:
    rows = stream(200)
    whole = StreamMonitor().prime(rows[:80]).update_many(rows[80:])
    first = StreamMonitor().prime(rows[:80])
    first.update_many(rows[80:120])
    first.save(f"{tmp_path}/monitor.state")
    rest = StreamMonitor.load(f"{tmp_path}/monitor.state").update_many(rows[120:])
    pd.testing.assert_frame_equal(whole[40:], rest, check_exact=True)


def test_monitor_memory_is_flat() -> None:
    def held(monitor: StreamMonitor) -> dict[str, int]:
        return {key: v.nbytes for key, v in vars(monitor).items() if isinstance(v, np.ndarray)}

    rows = stream(3100)
    monitor = StreamMonitor().prime(rows[:100])
    before = held(monitor)
    monitor.update_many(rows[100:])
    assert before
    assert held(monitor) == before
    assert not [v for v in vars(monitor).values() if isinstance(v, list | set) and len(v) > 100]


def test_monitor_input_stays_as_it_is_and_unprimed_is_an_error() -> None:
    rows = stream(120)
    before = rows.copy()
    StreamMonitor().prime(rows[:80]).update_many(rows[80:])
    pd.testing.assert_frame_equal(rows, before, check_exact=True)
    with pytest.raises(InvalidSeriesError, match="primed"):
        StreamMonitor().update(rows.index[0], {"s0": 1.0, "s1": 2.0})
