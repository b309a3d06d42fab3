"""A small fixed regression of quality: a handful of figures that a change of a constant must not lose.

Every bound leaves some room below today's figure; data are generated or ship with the dependencies.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_breast_cancer
from sklearn.metrics import roc_auc_score

from detectors import PrunedIsolationForest, PrunedLOF, PrunedOneClassSVM
from tsprune import SeriesCleaner, SeriesDetector, StreamMonitor, find_periods


def daily_load(rng: np.random.Generator, per: int = 24, days: int = 28) -> tuple[np.ndarray, np.ndarray]:
    """A level with quiet nights, and the same with noise that grows with it."""
    hours = np.arange(per * days) / per * 24
    level = 120 * (np.clip(np.sin(2 * np.pi * (hours - 8) / 24), -0.6, None) + 0.7) + 8
    return level, level * np.exp(rng.normal(0, 0.07, per * days))


@pytest.mark.parametrize("per", [24, 96])
def test_the_cleaner_leaves_flawless_series_alone(per: int) -> None:
    rng = np.random.default_rng(per)
    level, multiplicative = daily_load(rng, per)
    for y in (multiplicative, rng.poisson(level).astype(float), level + rng.normal(0, 5, level.size)):
        assert len(SeriesCleaner(period=per).fit(y).changes_) <= 0.003 * y.size


def test_the_cleaner_finds_planted_spikes_and_fills_gaps_better_than_a_line() -> None:
    rng = np.random.default_rng(3)
    truth = 50 + 8 * np.sin(2 * np.pi * np.arange(1000) / 24) + rng.normal(0, 1, 1000)
    spoilt = truth.copy()
    at = rng.choice(np.arange(30, 970), 15, replace=False)
    spoilt[at] += rng.choice([-1, 1], 15) * rng.uniform(8, 14, 15)
    spoilt[500:512] = np.nan
    cleaner = SeriesCleaner(period=24)
    clean = np.asarray(cleaner.fit_transform(spoilt))
    found = set(cleaner.changes_.loc[cleaner.changes_["reason"] != "gap", "time"])
    assert len(found & set(at.tolist())) >= 14
    assert len(found - set(at.tolist())) <= 1
    line = np.interp(np.arange(500, 512), [499, 512], spoilt[[499, 512]])
    assert np.abs(clean[500:512] - truth[500:512]).mean() < 0.4 * np.abs(line - truth[500:512]).mean()


def test_the_detector_decides_by_episodes() -> None:
    rng = np.random.default_rng(4)
    n = 24 * 60
    grown = 100 * (1 + 0.4 * np.arange(n) / n) + 10 * np.sin(2 * np.pi * np.arange(n) / 24) + rng.normal(0, 1, n)
    spoilt = grown.copy()
    incidents = ((300, 1), (620, 6), (1080, 12))
    for start, width in incidents:
        spoilt[start : start + width] += 14.0
    episodes = SeriesDetector(random_state=0).fit(spoilt).episodes_
    starts = np.asarray(episodes["start"])
    assert all((np.abs(starts - start) <= 3).any() for start, _ in incidents)
    assert len(episodes) <= 4
    assert len(SeriesDetector(random_state=0).fit(grown).episodes_) <= 1


def test_an_abnormal_shape_within_the_usual_range_has_the_lowest_score() -> None:
    rng = np.random.default_rng(5)
    phase = np.arange(4000) / 80
    beat = np.exp(-(((phase % 1) - 0.4) ** 2) / 0.002) + 0.4 * np.exp(-(((phase % 1) - 0.7) ** 2) / 0.01)
    y = beat + rng.normal(0, 0.03, 4000)
    y[3040:3120] = y[3040:3120][::-1]
    detector = SeriesDetector(random_state=0).fit(y[:2000])
    scores = detector.score_samples(y[2000:], time=np.arange(2000, 4000))
    assert 940 <= int(np.argmin(scores)) <= 1220


@pytest.mark.parametrize(
    ("detector", "least"), [(PrunedIsolationForest, 0.93), (PrunedOneClassSVM, 0.92), (PrunedLOF, 0.9)]
)
def test_irrelevant_columns_cost_little(detector: type, least: float) -> None:
    table = load_breast_cancer()
    X = np.vstack([table.data[table.target == 1], table.data[table.target == 0][:20]])
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    noisy = np.hstack([X, np.random.default_rng(0).permuted(np.hstack([X, X]), axis=0)])
    model = detector() if detector is PrunedLOF else detector(random_state=0)
    outlier = np.r_[np.zeros(len(X) - 20), np.ones(20)]
    assert roc_auc_score(outlier, -model.fit(noisy).score_samples(noisy)) >= least


def test_the_monitor_alerts_the_same_outage_again() -> None:
    rng = np.random.default_rng(6)
    times = pd.date_range("2026-01-05", periods=288 * 20, freq="5min")
    frame = pd.DataFrame({"p99_ms": 90 + rng.gamma(2.0, 6.0, len(times))}, index=times)
    starts = [288 * day + 120 for day in (10, 13, 17)]
    for start in starts:
        frame.iloc[start : start + 18] *= 4
    alerts = 288 * 7 + np.flatnonzero(
        StreamMonitor().prime(frame.iloc[: 288 * 7]).update_many(frame.iloc[288 * 7 :])["alert"]
    )
    assert all(((alerts >= start) & (alerts < start + 6)).any() for start in starts)
    assert len(alerts) <= 6


def test_day_and_week_are_found_and_noise_has_no_season() -> None:
    rng = np.random.default_rng(7)
    times = pd.date_range("2024-02-05", periods=24 * 28, freq="h")
    office = np.where((times.day_of_week < 5) & (times.hour >= 8) & (times.hour < 18), 50.0, 5.0)
    found = find_periods(pd.Series(office + rng.normal(0, 1, len(times)), times))
    assert {24, 168} <= {period.period for period in found}
    assert not find_periods(rng.normal(size=500))
