"""Growth: trends and level shifts go, incidents stay, later rows are continued."""

from __future__ import annotations

import numpy as np
import pytest

from tsprune import SeriesDetector
from tsprune.detection.components import Components
from tsprune.detection.growth import Growth, Growths, rough_growth

N = 1440
T = np.arange(N)
SEASON = 10.0 * np.sin(2 * np.pi * T / 24)


def noise(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=N)


def lowest(detector: SeriesDetector, y: np.ndarray, k: int = 6) -> list[int]:
    """Rows of the `k` lowest scores that are more than 12 rows apart."""
    rows: list[int] = []
    for row in np.argsort(detector.score_samples(y), kind="stable").tolist():
        if all(abs(row - other) > 12 for other in rows):
            rows.append(row)
    return rows[:k]


@pytest.mark.parametrize(
    "trend",
    [100.0 * T / N, 60.0 * (T / N) ** 2, 100.0 * np.exp(T / N), -40.0 * T / N],
    ids=["line", "bend", "exp", "fall"],
)
def test_spikes_in_a_growing_series_rank_first(trend):
    y = 100.0 + trend + SEASON + noise()
    at = [200, 700, 1300]
    y[at] += 12.0
    detector = SeriesDetector(random_state=0).fit(y)
    assert set(at) <= {row for low in lowest(detector, y) for row in range(low - 12, low + 13)}
    assert min(abs(lowest(detector, y)[0] - a) for a in at) <= 12
    assert "y growth" in detector.report_.removed
    assert detector.periods_ == (24,)


def test_a_level_shift_is_an_event_and_then_the_level():
    y = 100.0 + 30.0 * (T >= 700) + SEASON + noise()
    growth, record = Growth.fit(y - SEASON, T, "y")
    assert growth is not None
    assert "1 level shift" in record.reason
    assert abs(growth.shifts[0] - 700) <= 3
    assert abs(growth.jumps[0] - 30.0) < 2.0
    rest = y - SEASON - growth.at(T)
    assert rest[700:706].mean() - np.median(rest) > 20.0
    assert abs(np.median(rest[760:]) - np.median(rest[:690])) < 1.5


@pytest.mark.parametrize(
    "y",
    [
        noise(1),
        np.cumsum(noise(2)),
        noise(3) - 40.0 * ((T > 600) & (T < 700)),
        noise(4) - 40.0 * ((T > 600) & (T < 900)),
        noise(5) - 40.0 * (T > 1340),
        np.zeros(N),
    ],
    ids=["noise", "walk", "outage", "long outage", "incident at the end", "constant"],
)
def test_without_evidence_everything_stays(y):
    growth, record = Growth.fit(y, T, "y")
    assert growth is None
    assert record.kept


def test_few_rows_confirm_nothing():
    assert "128 are needed" in Growth.fit(np.arange(50.0), np.arange(50), "y")[1].reason
    np.testing.assert_array_equal(rough_growth(np.arange(50.0), np.arange(50)), 0.0)


def test_later_rows_continue_the_line_and_then_the_level():
    growth, _ = Growth.fit(0.1 * T + noise(), T, "y")
    assert growth is not None
    line = growth.at(np.arange(N, N + 700))
    np.testing.assert_allclose(np.diff(line), 0.1, atol=0.01)
    far = growth.at(np.array([3 * N, 9 * N]))
    assert far[0] == far[1]


def test_scores_of_later_rows_follow_the_growth():
    y = 100.0 + 50.0 * T / N + SEASON + noise()
    detector = SeriesDetector(random_state=0).fit(y[:1000])
    later = np.arange(1000, N)
    assert (detector.predict(y[1000:], time=later) < 0).mean() < 0.02
    y[1200] += 12.0
    assert abs(detector.score_samples(y[1000:], time=later).argmin() - 200) <= 12


def test_the_trend_can_be_left():
    y = 100.0 + 100.0 * T / N + noise()
    detector = SeriesDetector(trend=None, random_state=0).fit(y)
    assert detector.components_.growths.growths == (None,)


def test_growth_that_other_series_tell_stays():
    common = 0.01 * T + noise(9)
    twins = np.c_[common, common, common] + 0.3 * np.random.default_rng(0).normal(size=(N, 3))
    growths = Growths.fit(twins, T, list("abc"))
    assert growths.growths == (None, None, None)
    assert "the other series tell it" in growths.records[0].reason
    assert growths.remove(twins, T) is twins
    alone = Growths.fit(np.c_[0.1 * T + noise(), noise(1)], T, ["a", "b"])
    assert alone.growths[0] is not None
    assert alone.growths[1] is None


def test_missing_values_and_gaps_are_taken():
    y = 0.1 * T + noise()
    y[::5] = np.nan
    position = np.arange(N) + 300 * (np.arange(N) > 500)
    growth, _ = Growth.fit(0.1 * position + noise() + 0.0 * y, position, "y")
    assert growth is not None
    rest = 0.1 * position - growth.at(position)
    assert np.ptp(rest) < 2.0


def test_a_season_that_a_trend_hides_is_found():
    y = 0.5 * T + SEASON + noise()
    found = Components.fit(y[:, None], T, ["y"], period="auto", trend="auto")
    assert found.seasons.periods == (24,)
    rest = found.remove(y[:, None], T)[:, 0]
    assert rest.std() < 1.3
    np.testing.assert_allclose(y - found.at(T)[:, 0], rest)


def test_a_ramp_without_noise_stays():
    """Its rest would be rounding, in which every later row is infinitely far off."""
    growth, record = Growth.fit(0.1 * T, T, "y")
    assert growth is None
    assert "no noise" in record.reason
