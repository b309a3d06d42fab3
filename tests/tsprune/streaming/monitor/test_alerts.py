"""AlertPolicy: budget, hysteresis, duration, direction, size."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from detectors.exceptions import InvalidParameterError
from tsprune.streaming.monitor.alert_policy import AlertPolicy
from tsprune.streaming.monitor.monitor import StreamMonitor


def stream(spikes: dict[int, float], n_rows: int = 1200, width: int = 1) -> pd.DataFrame:
    """Noise of one unit, with spikes of growing novelty; rows counted after the 600 of the history."""
    values = np.random.default_rng(0).normal(size=n_rows)
    for row, size in spikes.items():
        values[600 + row : 600 + row + width] += size
    index = pd.date_range("2024-01-01", periods=n_rows, freq="5min", name="time")
    return pd.DataFrame({"x": values}, index=index)


def alerts(policy: AlertPolicy, frame: pd.DataFrame) -> tuple[list[int], StreamMonitor]:
    monitor = StreamMonitor(policy).prime(frame[:600])
    found = monitor.update_many(frame[600:])
    assert monitor.counts_["alerts"] == found["alert"].sum()
    return np.flatnonzero(found["alert"]).tolist(), monitor


SPIKES = {50: 20.0, 100: -45.0, 150: 80.0, 200: -130.0}


def test_without_a_budget_every_new_episode_alerts() -> None:
    found, monitor = alerts(AlertPolicy(per_day=None), stream(SPIKES))
    assert found == list(SPIKES)
    assert monitor.counts_["suppressed"] == 0


def test_the_budget_is_spent_and_filled_again() -> None:
    found, monitor = alerts(AlertPolicy(per_day=2), stream({**SPIKES, 580: 300.0}))
    assert found[:2] == [50, 100]  # the first two of the day
    assert 580 in found  # two days later there is a budget again
    assert monitor.counts_["suppressed"] >= 1


def test_direction_and_size() -> None:
    assert alerts(AlertPolicy(per_day=None, direction="up"), stream(SPIKES))[0] == [50, 150]
    assert alerts(AlertPolicy(per_day=None, direction="down"), stream(SPIKES))[0] == [100, 200]
    assert alerts(AlertPolicy(per_day=None, min_size=60.0), stream(SPIKES))[0] == [150, 200]


def test_duration_waits() -> None:
    frame = stream({50: 20.0}, width=1)
    frame.iloc[700:706, 0] = [30.0, 45.0, 70.0, 100.0, 140.0, 190.0]
    assert alerts(AlertPolicy(per_day=None, min_duration=3), frame)[0] == [102]


def test_an_open_episode_alerts_once() -> None:
    frame = stream({})
    frame.iloc[700:712, 0] = 30.0 * np.arange(1, 13) ** 1.5
    assert alerts(AlertPolicy(per_day=None), frame)[0] == [100]


@pytest.mark.parametrize(
    "wrong",
    [
        {"false_alarm_rate": 0.0}, {"false_alarm_rate": 0.9}, {"per_day": 0}, {"release": 0.0}, {"min_duration": 0},
        {"direction": "left"}, {"min_size": -1.0},
    ],
)  # fmt: skip
def test_bad_policies_are_refused_when_made(wrong: dict[str, object]) -> None:
    with pytest.raises(InvalidParameterError, match=next(iter(wrong))):
        AlertPolicy(**wrong)


def test_the_kernel_gets_the_numbers() -> None:
    assert AlertPolicy(per_day=None).as_array().tolist() == [1e-3, np.inf, 0.05, 1.0, 0.0, 0.0]
    assert AlertPolicy(direction="down").as_array()[4] == -1.0
