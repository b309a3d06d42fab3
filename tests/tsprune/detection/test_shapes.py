"""Shape evidence: found where structure repeats, silent where none does."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tsprune import SeriesDetector
from tsprune.detection.shape_evidence import SeriesShapes
from tsprune.detection.shape_view import ShapeView
from tsprune.detection.window_lengths import dominant_cycle, window_lengths
from tsprune.exceptions import InvalidParameterError


def _beats(n, seed, period=60, jitter=0.03):
    """Cycles of varying length with a sharp peak and a round wave."""
    rng = np.random.default_rng(seed)
    lengths = np.maximum(8, np.round(period * (1 + jitter * rng.normal(size=n // period + 2)))).astype(int)
    phase = np.concatenate([np.arange(m) / m for m in lengths])[:n]
    shape = np.exp(-0.5 * ((phase - 0.3) / 0.03) ** 2) + 0.4 * np.exp(-0.5 * ((phase - 0.6) / 0.08) ** 2)
    return shape + 0.03 * rng.normal(size=n)


def _with_reversed(n=4800, seed=0, at=3700, length=60):
    y = _beats(n, seed)
    y[at : at + length] = y[at : at + length][::-1]
    return y


@pytest.fixture(scope="module")
def fitted():
    return SeriesDetector(random_state=0).fit(_with_reversed()[:2000])


# ---------------------------------------------------------------------------------------------- window lengths


def test_cycles_of_varying_length_have_a_dominant_one():
    cycle, correlation = dominant_cycle(_beats(6000, 1))
    assert cycle == pytest.approx(60, abs=2)
    assert correlation > 0.3


@pytest.mark.parametrize("values", [np.zeros(500), np.arange(500.0), np.ones(10), np.array([1.0])])
def test_no_cycle_where_none_is(values):
    assert dominant_cycle(values) == (0, 0.0)


@settings(deadline=None, max_examples=20)
@given(st.integers(1, 3000), st.integers(2, 400))
def test_windows_are_increasing_and_at_most_an_eighth_of_training(n, period):
    lengths = window_lengths(np.sin(np.arange(n) * 2 * np.pi / period))
    assert list(lengths) == sorted(set(lengths))
    assert all(8 <= length <= n // 8 for length in lengths)
    assert (len(lengths) == 0) == (n < 64)


# ------------------------------------------------------------------------------------------------------- view


def test_scaling_and_shifting_change_no_distance():
    y = _beats(1500, 2)
    one = ShapeView(60, 10_000).fit(y[:900])
    two = ShapeView(60, 10_000).fit(y[:900] * 256.0 - 1024.0)
    np.testing.assert_allclose(two.held_out_, one.held_out_, rtol=1e-3)
    np.testing.assert_allclose(two.of(y[900:] * 256.0 - 1024.0, 900)[0], one.of(y[900:], 900)[0], rtol=1e-3)


def test_repeated_training_is_near_and_the_place_is_right():
    y = _beats(1500, 3)
    view = ShapeView(60, 10_000).fit(y[:1200])
    every = view.every_
    distance, nearest = view.of(y[300 - 300 % every : 600], 5000)
    assert distance.max() < 0.1
    np.testing.assert_allclose(nearest, 300 - 300 % every + every * np.arange(distance.shape[1]), atol=60)
    assert (nearest == 300 - 300 % every + every * np.arange(distance.shape[1])).mean() > 0.95


def test_long_gaps_hide_windows_and_single_values_are_bridged():
    y = _beats(1500, 4)
    view = ShapeView(40, 10_000).fit(y[:1000])
    test = y[1000:].copy()
    whole = view.of(test, 1000)[0]
    test[100], test[200:220] = np.nan, np.nan
    cut = view.of(test, 1000)[0]
    assert np.isfinite(cut[:, 61:101]).all()
    assert np.isnan(cut[:, 161:220]).all()
    np.testing.assert_allclose(cut[:, 220:], whole[:, 220:], rtol=1e-3)


def test_spread_is_the_mean_of_covering_windows():
    view = ShapeView(8, 100).fit(_beats(200, 5))
    distance = np.arange(13.0)
    spread = view.spread(distance, 20)
    expected = [np.mean(distance[max(0, t - 7) : min(t + 1, 13)]) for t in range(20)]
    np.testing.assert_allclose(spread, expected)
    assert np.isnan(view.spread(np.zeros(0), 3)).all()


def test_a_sample_of_training_is_nearly_as_good():
    y = _with_reversed(9000, 6, at=8000)
    spread = []
    for references in (10_000, 1000):
        view = ShapeView(60, references).fit(y[:6000])
        spread.append(view.spread(view.of(y[6000:], 6000)[0][0], 3000))
    assert all(1950 <= s.argmax() < 2110 for s in spread)
    assert np.median(spread[1] / spread[0]) == pytest.approx(1.0, abs=0.25)


# --------------------------------------------------------------------------------------------------- evidence


def test_silent_where_nothing_repeats():
    rng = np.random.default_rng(0)
    kinds = [
        lambda: rng.normal(size=2000),
        lambda: rng.normal(size=2000).cumsum(),
        lambda: rng.poisson(np.where(rng.random(2000) < 0.03, 12.0, 2.0)).astype(float),
        lambda: rng.standard_t(3, 2000),
        lambda: np.full(2000, 3.0),
    ]
    heard = [len(SeriesShapes(4000).fit(kind(), "y").views_) > 0 for kind in kinds for _ in range(4)]
    assert np.mean(heard) <= 0.1


def test_planted_faults_are_found_in_beats_and_the_report_tells(fitted):
    assert fitted.shapes_.weight > 2.0
    frame = fitted.report_.to_frame()
    shapes = frame[frame["kind"] == "shape"]
    assert len(shapes) == len(fitted.shapes_.series_[0].views_)
    assert (shapes["statistic"] >= 0.5).any()


@pytest.mark.parametrize("missing", [0.0, 0.01])
def test_a_reversed_beat_is_the_lowest_score(missing):
    y = _with_reversed()
    y[np.random.default_rng(1).random(y.size) < missing] = np.nan
    model = SeriesDetector(random_state=0).fit(y[:2000])
    scores = model.score_samples(y[2000:], time=np.arange(2000, y.size))
    assert 1640 <= scores.argmin() < 1820
    assert np.isfinite(scores).all()


def test_shapes_off_do_not_see_it():
    y = _with_reversed()
    model = SeriesDetector(shapes=False, random_state=0).fit(y[:2000])
    assert model.shapes_ is None
    assert model.explain_shapes(y[2000:], time=np.arange(2000, y.size)) == []


def test_fitted_rows_are_judged_by_the_rest_of_training():
    y = _with_reversed(3000, 2, at=1500)
    scores = SeriesDetector(random_state=0).fit(y).score_samples(y)
    assert 1440 <= scores.argmin() < 1620


def test_batches_in_one_and_with_fitted_rows_agree(fitted):
    y = _with_reversed()
    part = fitted.shapes_
    rows, n_context = fitted._series_rows(y[2000:], np.arange(2000, y.size))
    whole, _ = fitted._series_rows(y, np.arange(y.size))
    before = 2000 - part.reach  # windows of the rows after that reach into the new ones
    np.testing.assert_array_equal(part.of(whole)[:before, 0], part.held_out_[:before])
    np.testing.assert_allclose(part.of(rows)[n_context:], part.of(whole)[2000:], atol=0.3)


def test_explain_shapes_lays_both_stretches_over_each_other():
    y = _with_reversed()
    index = pd.date_range("2024-01-01", periods=y.size, freq="min")
    frame = pd.DataFrame({"still": np.random.default_rng(3).normal(size=y.size), "beat": y}, index=index)
    model = SeriesDetector(random_state=0).fit(frame.iloc[:2000])
    found = model.explain_shapes(frame.iloc[2000:], n_shapes=2)
    first = found[0]
    assert first.series == "beat"
    assert index[3600] <= first.start <= index[3780]
    assert first.nearest_start < index[2000]
    assert first.window == first.nearest_values.size
    at, near = frame.index.get_loc(first.start), frame.index.get_loc(first.nearest_start)
    np.testing.assert_allclose(first.values, y[at : at + first.window])
    np.testing.assert_allclose(first.nearest_values, y[near : near + first.window])
    assert [s.evidence for s in found] == sorted((s.evidence for s in found), reverse=True)
    with pytest.raises(InvalidParameterError, match="n_shapes"):
        model.explain_shapes(frame.iloc[2000:], n_shapes=0)


def test_one_broken_signal_among_many_is_not_drowned():
    n = 4800
    columns = [_beats(n, 10 + k, period=50 + 3 * k) for k in range(6)]
    columns[4][3700:3760] = columns[4][3700:3760][::-1]
    X = np.column_stack(columns)
    model = SeriesDetector(random_state=0).fit(X[:2000])
    scores = model.score_samples(X[2000:], time=np.arange(2000, n))
    assert 1600 <= scores.argmin() < 1860


def test_short_and_flat_series_have_no_shapes():
    for y in (np.arange(20.0), np.zeros(300), np.r_[np.zeros(299), 1.0]):
        assert SeriesShapes(100).fit(y, "y").views_ == []
    y = np.full(300, np.nan)
    y[0] = 1.0
    assert (SeriesShapes(100).fit(y, "y").held_out_ == 0.0).all()
