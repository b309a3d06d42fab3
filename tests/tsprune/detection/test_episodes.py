"""Decisions by episodes: what is flagged, how long, how often on clean series, and in which terms."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import pytest

from tsprune import AlarmBudget, FalseAlarmRate, SeriesDetector
from tsprune.detection.alarms import rows_of
from tsprune.detection.episodes import EpisodeRule, fill_holes, peaks, runs
from tsprune.detection.thresholds import OrdinaryTail
from tsprune.exceptions import InvalidParameterError, InvalidSeriesError

N = 1440
T = np.arange(N)


def season(n: int = N) -> np.ndarray:
    return 10.0 * np.sin(2 * np.pi * np.arange(n) / 24)


def autoregression(rng: np.random.Generator, n: int, phi: float) -> np.ndarray:
    steps = rng.normal(size=n)
    y = np.empty(n)
    y[0] = steps[0] / np.sqrt(1.0 - phi**2)
    for t in range(1, n):
        y[t] = phi * y[t - 1] + steps[t]
    return y


KINDS = {
    "noise": lambda rng, n: rng.normal(size=n),
    "autoregression": lambda rng, n: autoregression(rng, n, 0.8),
    "walk": lambda rng, n: np.cumsum(rng.normal(size=n)),
    "season": lambda rng, n: season(n) + rng.normal(size=n),
    "counts": lambda rng, n: rng.poisson(4.0 + 0.3 * (10.0 + season(n))).astype(float),
    "joint": lambda rng, n: season(n)[:, None] + rng.normal(size=(n, 3)),
}


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_clean_series_are_silent_fitted_and_later(kind):
    """0.2 episodes a series are the stated rate; a walk has no level to return to, and its far ends count as novel."""
    within, later = [], []
    for seed in range(4):
        y = KINDS[kind](np.random.default_rng((17, seed)), 1000)
        within.append(len(SeriesDetector(random_state=0).fit(y).episodes_))
        detector = SeriesDetector(random_state=0).fit(y[:700])
        later.append(len(detector.episodes(y[700:], time=np.arange(700, 1000))))
    assert sum(within) <= (4 if kind == "walk" else 2)
    assert sum(later) <= (6 if kind == "walk" else 2)  # where a walk leaves the range it was fitted in, it is novel


def test_incidents_are_found_with_their_extent_and_do_not_mask_each_other():
    rng = np.random.default_rng(1)
    y = season() + rng.normal(size=N)
    truth = np.zeros(N, dtype=bool)
    for start, width, size in ((200, 1, 12.0), (420, 12, -10.0), (700, 5, 20.0), (1000, 3, 60.0), (1300, 8, 11.0)):
        y[start : start + width] += size
        truth[start : start + width] = True
    labels = SeriesDetector(random_state=0).fit_predict(y) < 0
    assert labels[truth].mean() > 0.9
    assert labels.sum() < 1.5 * truth.sum()


@pytest.mark.parametrize("n", [500, 1000, 5000])
@pytest.mark.parametrize("share", [0.001, 0.01, 0.04])
def test_spikes_are_found_whatever_their_number_and_the_length(n, share):
    rng = np.random.default_rng((2, n))
    y = season(n) + rng.normal(size=n)
    at = rng.choice(np.arange(5, n - 5), max(1, int(share * n)), replace=False)
    y[at] += 30.0
    labels = SeriesDetector(random_state=0).fit_predict(y) < 0
    assert labels[at].all()
    assert labels.sum() <= 1.5 * at.size + 2


def test_after_clean_training_one_spike_is_one_row():
    y = season() + np.random.default_rng(3).normal(size=N)
    detector = SeriesDetector(random_state=0).fit(y[:1000])
    y[1200] += 30.0
    assert np.flatnonzero(detector.predict(y[1000:], time=T[1000:]) < 0).tolist() == [200]


def test_decision_and_labels_agree_and_scores_rank_without_it():
    y = season() + np.random.default_rng(4).normal(size=N)
    y[600:606] += 15.0
    detector = SeriesDetector(random_state=0).fit(y)
    decision = detector.decision_function(y)
    np.testing.assert_array_equal(detector.predict(y) < 0, decision < 0)
    assert (decision[600:606] < 0).all()
    assert decision[595] >= 0
    assert detector.score_samples(y)[595] < np.median(detector.score_samples(y))


def test_episodes_tell_when_how_unusual_which_series_and_what_was_expected():
    index = pd.date_range("2026-01-01", periods=N, freq="h")
    rng = np.random.default_rng(5)
    frame = pd.DataFrame({"a": 50.0 + season() + rng.normal(size=N), "b": rng.normal(size=N)}, index)
    frame.iloc[500:504, 0] -= 25.0
    frame.iloc[900, 1] += 20.0
    detector = SeriesDetector(random_state=0).fit(frame)
    table = detector.episodes_
    assert table["series"].tolist() == ["a", "b"]
    assert table["start"].tolist() == [index[500], index[900]]
    assert table["end"].tolist() == [index[503], index[900]]
    assert table["cause"].tolist() == ["below its range", "above its range"]
    assert (table["p_value"] < 1e-3).all()
    first = table.iloc[0]
    assert abs(first["expected"] - (50.0 + season()[T[500:504][index[500:504] == first["peak"]][0] == T][0])) < 2.0
    assert first["found"] == frame.loc[first["peak"], "a"]
    assert first["lower"] < first["expected"] < first["upper"]
    pd.testing.assert_frame_equal(detector.episodes(frame), table)
    assert detector.threshold_report_.n_episodes == 2
    assert "2 found in training" in detector.threshold_report_.summary()


def test_an_episode_inside_the_range_names_the_course():
    rng = np.random.default_rng(6)
    y = season() + 0.3 * rng.normal(size=N)
    y[700:724] = y[700:724].mean()
    detector = SeriesDetector(period=None, random_state=0).fit(y)
    causes = detector.episodes_["cause"].tolist()
    assert all("range" in cause or "rows" in cause for cause in causes)


@pytest.mark.parametrize("coverage_of", ["expected", "season"])
def test_the_expected_range_covers_95_percent_of_later_values(coverage_of):
    inside = []
    for seed in range(8):
        y = season(3000) * (coverage_of == "season") + np.random.default_rng((7, seed)).normal(size=3000)
        detector = SeriesDetector(random_state=0).fit(y[:2000])
        table = detector.expected(y[2000:], time=np.arange(2000, 3000))
        inside.append(((y[2000:] >= table["lower"]) & (y[2000:] <= table["upper"])).mean())
    assert 0.93 <= np.mean(inside) <= 0.97


def test_the_expected_range_of_several_series_is_in_their_units():
    rng = np.random.default_rng(8)
    frame = pd.DataFrame({"a": 1e6 * rng.normal(size=800), "b": 1e-3 * rng.normal(size=800)})
    table = SeriesDetector(random_state=0).fit(frame).expected(frame)
    assert table.columns.tolist() == [(s, c) for s in "ab" for c in ("expected", "lower", "upper")]
    assert 3e6 < (table["a", "upper"] - table["a", "lower"]).iloc[0] < 5e6


def test_a_budget_flags_the_worst_only():
    y = season() + np.random.default_rng(9).normal(size=N)
    for k, row in enumerate(range(100, 1400, 130)):
        y[row] += 12.0 + 3.0 * k
    index = pd.date_range("2026-01-01", periods=N, freq="h")
    worst = SeriesDetector(contamination=AlarmBudget(2), random_state=0).fit(pd.Series(y, index))
    assert worst.episodes_["start"].tolist() == [index[1140], index[1270]]
    daily = SeriesDetector(contamination=AlarmBudget(0.1, per="1D"), random_state=0).fit(pd.Series(y, index))
    assert 4 <= len(daily.episodes_) <= 7
    with pytest.raises(InvalidParameterError, match="no timestamps"):
        SeriesDetector(contamination=AlarmBudget(1, per="1D")).fit(y)


def test_a_false_alarm_rate_sets_the_level():
    y = season() + np.random.default_rng(10).normal(size=N)
    y[[300, 800]] += 20.0
    strict, loose = (
        SeriesDetector(contamination=FalseAlarmRate(rate, per=1000), random_state=0).fit(y) for rate in (0.01, 5.0)
    )
    assert strict.offset_ < loose.offset_
    assert abs(loose.threshold_report_.false_per_1000 - 5.0) < 0.5
    assert strict.episodes_["start"].tolist() == [300, 800]
    assert len(loose.episodes_) > 2


def test_a_few_labels_move_the_threshold():
    y = season() + np.random.default_rng(11).normal(size=N)
    y[[300, 800]] += 30.0
    y[600] += 12.0
    labels = np.zeros(N)
    labels[[300, 800]] = -1
    labels[600] = 1
    detector = SeriesDetector(contamination="labels", random_state=0).fit(y, labels)
    assert detector.episodes_["start"].tolist() == [300, 800]
    for wrong in (None, np.ones(3), np.full(N, 2)):
        with pytest.raises(InvalidSeriesError, match="labels"):
            SeriesDetector(contamination="labels").fit(y, wrong)
    with pytest.raises(InvalidSeriesError, match="labels"):
        SeriesDetector(contamination="labels").fit(y, np.zeros(N))


def test_choices_are_checked_and_pickled():
    for wrong in ({"episodes": 0}, {"episodes": 1, "per": "soon"}, {"episodes": 1, "per": -5}):
        with pytest.raises(InvalidParameterError):
            AlarmBudget(**wrong)
    assert pickle.loads(pickle.dumps(FalseAlarmRate(1, per="7D"))) == FalseAlarmRate(1, per="7D")
    assert rows_of(pd.Timedelta(hours=12), 24.0) == 12.0


def test_flags_need_a_peak_and_fill_holes():
    tail = OrdinaryTail(1.0, 0.5, 64.0, np.zeros(0, dtype=bool))
    evidence = np.zeros(400)
    evidence[[100, 103, 104, 300]] = [5.0, 9.0, 5.0, 7.0]
    assert runs(EpisodeRule(tail, 3.0).flags(evidence)) == [(100, 105), (300, 301)]
    assert runs(EpisodeRule(tail, 3.0, 1.0).flags(evidence)) == [(100, 105), (300, 301)]
    evidence[[200, 300, 350]] = [6.0, 4.0, 3.1]
    assert runs(EpisodeRule(tail, 3.0, 1.0).flags(evidence)) == [(100, 105)]
    assert not EpisodeRule(tail, 10.0).flags(evidence).any()


def test_peaks_fall_and_flat_tops_count_once():
    evidence = np.zeros(300)
    evidence[50:54] = 3.0
    evidence[200] = 5.0
    assert peaks(evidence)[:2].tolist() == [5.0, 3.0]
    assert (peaks(evidence) > 0).sum() == 2


def test_holes_at_the_ends_stay():
    flags = np.array([False, True, False, False, True, False])
    assert fill_holes(flags, 2).tolist() == [False, True, True, True, True, False]
    assert fill_holes(flags, 1).tolist() == flags.tolist()
    assert runs(np.zeros(3, dtype=bool)) == []
