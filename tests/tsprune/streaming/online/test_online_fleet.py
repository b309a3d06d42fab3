"""OnlineFleet: bit for bit one OnlineDecomposer a series."""

import numpy as np
import pytest

from detectors.exceptions import InvalidParameterError
from tsprune import OnlineDecomposer
from tsprune.exceptions import InvalidSeriesError, StoredStateError
from tsprune.streaming.online.fleet import OnlineFleet


def values(n_timepoints=200, n_series=6, seed=0):
    rng = np.random.default_rng(seed)
    t = np.arange(n_timepoints)[:, None]
    y = np.sin(2 * np.pi * t / 12) * np.arange(n_series) + rng.normal(0, 0.3, (n_timepoints, n_series))
    y[n_timepoints // 2 :, ::2] += 5.0
    y[rng.random(y.shape) < 0.05] = np.nan
    return y


@pytest.mark.parametrize("period", [None, 12, [0, 2, 5, 12, 12, 24], np.array([12, 12, 0, 3, 3, 7])])
def test_a_fleet_is_one_decomposer_a_series(period):
    y = values()
    fleet = OnlineFleet(6, period)
    parts = np.stack([fleet.update(row) for row in y])
    periods = [period] * 6 if period is None or isinstance(period, int) else period
    for k, length in enumerate(periods):
        expected = OnlineDecomposer(int(length) if length else None).update_many(y[:, k])
        np.testing.assert_array_equal(parts[:, k], expected)
    np.testing.assert_array_equal(OnlineFleet(6, period).update_many(y), parts)


@pytest.mark.parametrize("period", [None, np.int64(12), [0, 2, 5, 12, 12, 24]])
def test_a_stored_fleet_goes_on(period):
    y = values()
    fleet = OnlineFleet(6, period, season_memory=5)
    fleet.update_many(y[:77])
    expected = fleet.state_dict()
    others = [OnlineFleet.from_bytes(fleet.to_bytes()), OnlineFleet.from_state(expected)]
    parts = fleet.update_many(y[77:])
    for other in others:
        np.testing.assert_array_equal(other.update_many(y[77:]), parts)


def test_a_state_that_does_not_fit_is_refused():
    stored = OnlineFleet(3, 12).state_dict()
    with pytest.raises(StoredStateError, match="must hold"):
        OnlineFleet.from_state({"period": 12})
    with pytest.raises(StoredStateError, match="shape"):
        OnlineFleet.from_state({**stored, "n_series": 4})
    with pytest.raises(StoredStateError, match="parameters"):
        OnlineFleet.from_state({**stored, "season_memory": 3})


def test_values_are_checked_before_any_is_taken():
    fleet = OnlineFleet(3, 12)
    fleet.update([1.0, 2.0, 3.0])
    before = fleet.states_.copy()
    with pytest.raises(InvalidSeriesError, match="series 1"):
        fleet.update([1.0, np.inf, 3.0])
    with pytest.raises(InvalidSeriesError, match="shape"):
        fleet.update([1.0, 2.0])
    with pytest.raises(InvalidSeriesError, match="infinite"):
        fleet.update_many([[1.0, np.inf, 3.0]])
    with pytest.raises(InvalidSeriesError, match="shape"):
        fleet.update_many([1.0, 2.0, 3.0])
    np.testing.assert_array_equal(fleet.states_, before)


@pytest.mark.parametrize(
    "parameters",
    [{"n_series": 0}, {"period": 1}, {"period": [12, 12]}, {"period": [1, 12, 12]}, {"shift_window": "all"}],
)
def test_parameters_are_checked_at_the_first_update(parameters):
    fleet = OnlineFleet(**{"n_series": 3, "period": 12, **parameters})
    with pytest.raises(InvalidParameterError):
        fleet.update(np.zeros(3))
