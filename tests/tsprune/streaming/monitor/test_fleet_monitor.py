"""FleetMonitor: many series at once are many series alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from detectors.exceptions import InvalidParameterError
from detectors.storage.state_file import dump_state, write_state
from tsprune.exceptions import InvalidSeriesError, StoredStateError
from tsprune.streaming.monitor.fleet_monitor import FleetMonitor


@pytest.fixture
def rows() -> np.ndarray:
    rng = np.random.default_rng(0)
    rows = 100 + rng.normal(size=(500, 6)) * np.array([1e-3, 1, 10, 1e6, 0, 1])
    rows[400, 1] += 12
    rows[rng.random(rows.shape) < 0.05] = np.nan
    return rows


def test_each_series_is_alone_and_saving_changes_nothing(rows: np.ndarray, tmp_path: Path) -> None:
    fleet = FleetMonitor(6)
    together = np.array([fleet.update(row) for row in rows])
    for k in range(6):
        single = FleetMonitor(1)
        alone = []
        for number, row in enumerate(rows):
            alone.append(single.update(row[k : k + 1])[0])
            if number == 250:
                single.save(tmp_path / "state")
                single = FleetMonitor.load(tmp_path / "state")
        np.testing.assert_array_equal(np.array(alone), together[:, k])
    assert np.isfinite(together).all()
    assert (together[:, :, 0] <= 0).all()
    assert together[300:, 1, 0].argmin() == 100
    assert together[400, 1, 1] < 1e-4
    assert (together[20:, 4, 1] == 1).all()  # a constant is never abnormal


def test_the_tail_is_calibrated() -> None:
    rng = np.random.default_rng(1)
    fleet = FleetMonitor(300, memory=500)
    ps = np.array([fleet.update(rng.normal(size=300))[:, 1] for _ in range(1500)])[700:]
    assert np.mean(ps <= 0.02) == pytest.approx(0.02, abs=0.01)
    assert np.mean(ps <= 0.001) == pytest.approx(0.001, abs=0.0015)


def test_doors(tmp_path: Path) -> None:
    fleet = FleetMonitor(3)
    fleet.update([1, 2, 3])
    before = fleet.states_.copy()
    for wrong in ([1, 2], [1, 2, np.inf], [[1, 2, 3]]):
        with pytest.raises(InvalidSeriesError):
            fleet.update(wrong)
    np.testing.assert_array_equal(fleet.states_, before)
    with pytest.raises(InvalidParameterError):
        FleetMonitor(0).update([])
    write_state(tmp_path / "other", dump_state({"kind": "other"}, {}))
    with pytest.raises(StoredStateError, match="FleetMonitor"):
        FleetMonitor.load(tmp_path / "other")
    assert np.isfinite(FleetMonitor(2).update([1.7e308, -1.7e308])).all()
    monsters = FleetMonitor(1)
    found = [monsters.update([value]) for value in [*range(20), 1.7e308, -1.7e308, 0.0, 1.0]]
    assert np.isfinite(found).all()
