"""Embedding, energies, smoothing, responsibilities and seasonal profiles: the links of the detection chain."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tsprune.detection.embedding import SeriesEmbedding, embedding_scales
from tsprune.detection.responsibility import Responsibility, episode_widths
from tsprune.detection.scores import smooth_scores, smoothing_widths
from tsprune.detection.seasonal_profile import SeasonalProfile, SeasonalProfiles, candidate_periods
from tsprune.detection.window_energy import WindowEnergy


def test_scales_fit_the_series_and_end_at_the_window():
    assert embedding_scales(None, 10_000) == (4, 16, 64)
    assert embedding_scales(30, 10_000) == (4, 16, 30)
    assert embedding_scales(30, 100) == (4,)
    assert embedding_scales(2, 25) == (2,)


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 9999), st.floats(0.01, 100.0), st.floats(-100.0, 100.0))
def test_units_of_a_series_do_not_matter(seed, factor, shift):
    values = np.random.default_rng(seed).normal(size=(80, 2))
    plain = SeriesEmbedding((4,)).fit_transform(values, ["a", "b"])
    moved = SeriesEmbedding((4,)).fit_transform(values * factor + shift, ["a", "b"])
    np.testing.assert_allclose(moved, plain, atol=1e-6)


def test_transform_of_the_training_rows_is_fit_transform():
    values = np.random.default_rng(0).normal(size=(60, 2))
    values[5:9, 1] = np.nan
    embedding = SeriesEmbedding((4,))
    rows = embedding.fit_transform(values, ["a", "b"])
    np.testing.assert_array_equal(embedding.transform(values), rows)
    np.testing.assert_allclose(rows[:, embedding.owner_ == 0].mean(axis=0), 0.0, atol=1e-9)
    assert embedding.reach == 4
    assert len(embedding.feature_names_) == rows.shape[1] == embedding.owner_.size


def test_leaving_a_constant_is_a_fixed_surprise():
    values = np.c_[np.random.default_rng(0).normal(size=1000), np.full(1000, 5.0)]
    embedding = SeriesEmbedding((4,)).fit(values, ["a", "b"])
    assert embedding.constant_.tolist() == [False, True]
    later = np.array([[0.0, 5.0], [0.0, 5.1], [0.0, 900.0], [0.0, np.nan]])
    level = embedding.transform(later)[:, 3]
    np.testing.assert_allclose(level, [0.0, np.sqrt(2 * np.log(1001)), np.sqrt(2 * np.log(1001)), 0.0])


def test_nested_groups_grow_from_levels_to_everything():
    embedding = SeriesEmbedding((4, 16)).fit(np.random.default_rng(0).normal(size=(200, 2)), ["a", "b"])
    groups = embedding.nested_groups()
    assert [g.size for g in groups] == [2, 6, 10]
    assert [embedding.feature_names_[i] for i in groups[0]] == ["a level", "b level"]


def test_energy_is_the_ridged_mahalanobis_distance():
    rows = np.random.default_rng(0).normal(size=(300, 3)) @ np.array([[1.0, 0.5, 0.0], [0.0, 1.0, 0.3], [0, 0, 2.0]])
    energy = WindowEnergy([np.array([0, 2]), np.arange(3)]).fit(rows)
    covariance = np.cov(rows.T)
    ridged = covariance + 0.1 * np.trace(covariance) / 3 * np.eye(3)
    moved = rows - rows.mean(axis=0)
    expected = [np.sqrt(row @ np.linalg.solve(ridged, row)) for row in moved]
    np.testing.assert_allclose(energy.of(rows)[:, 1], expected)
    assert energy.held_out_.shape == (300, 2)


def test_fitted_rows_are_judged_by_the_other_blocks():
    rows = np.random.default_rng(1).normal(size=(40, 2))
    whole = [np.arange(2)]
    energy = WindowEnergy(whole).fit(rows)
    assert energy.block_ends_.tolist() == list(range(4, 41, 4))
    alone = WindowEnergy(whole).fit(rows[4:])
    np.testing.assert_allclose(energy.held_out_[:4], alone.of(rows[:4]))
    assert energy.held_out_.mean() > energy.of(rows).mean()
    mixed = energy.of(rows[[0, 39, 5]], np.array([0, -1, 5]))
    np.testing.assert_allclose(mixed[[0, 2]], energy.held_out_[[0, 5]])
    np.testing.assert_allclose(mixed[1], energy.of(rows[39:])[0])


def test_energies_of_constant_or_few_rows_are_finite():
    assert np.isfinite(WindowEnergy([np.arange(2)]).fit(np.zeros((30, 2))).held_out_).all()
    assert WindowEnergy([np.arange(2)]).fit(np.eye(2)).held_out_.shape == (2, 1)


def test_smoothing_keeps_the_mean_of_a_constant_and_the_peak():
    np.testing.assert_allclose(smooth_scores(np.full(50, 2.0), (1, 8, 32)), 2.0)
    peak = np.zeros(101)
    peak[50] = 1.0
    smooth = smooth_scores(peak, (1, 8, 32))
    assert smooth.argmax() == 50
    assert smooth[45] < smooth[48]
    assert smooth[20] == 0.0


def test_smoothing_widths_are_at_most_a_tenth():
    assert smoothing_widths(10_000) == (1, 8, 32, 128)
    assert smoothing_widths(100) == (1, 8, 10)
    assert smoothing_widths(10_000, 64) == (1, 4, 16, 64)
    assert smoothing_widths(10_000, 1) == (1,)


def test_responsibility_spreads_over_the_episode_and_names_the_owner():
    rng = np.random.default_rng(0)
    train, rows = rng.normal(size=(5000, 4)), rng.normal(size=(300, 4))
    rows[150, 3] = 15.0
    owner = np.array([0, 0, 1, 1])
    parts = Responsibility(owner, (3, 21)).fit(train).of(rows)
    assert parts.shape == (300, 2)
    assert (parts >= 0.0).all()
    assert (parts[140:161].argmax(axis=1) == 1).all()
    assert parts[149, 1] > parts[142, 1]


def test_responsibility_survives_features_that_stand_still():
    parts = Responsibility(np.array([0, 1]), (1,)).fit(np.zeros((50, 2))).of(np.zeros((3, 2)))
    np.testing.assert_allclose(parts, 0.0, atol=1e-12)


def test_episode_widths_are_odd_and_at_most_a_twentieth():
    assert episode_widths(10**6) == (33, 65, 129, 257, 513, 1025)
    assert episode_widths(20) == (1,)


@pytest.mark.parametrize("missing", [False, True])
def test_a_confirmed_season_is_removed(missing):
    position = np.arange(240)
    y = np.tile([0.0, 1.0, 5.0, 2.0], 60)
    if missing:
        y = y.copy()
        y[position % 7 == 0] = np.nan
        y[position % 4 == 3] = np.nan
    profile, record = SeasonalProfile.fit(y, position, 4, "y")
    assert profile is not None
    assert not record.kept
    rest = y - profile.at(position)
    np.testing.assert_allclose(rest[~np.isnan(y)], rest[~np.isnan(y)][0])


def test_an_unconfirmed_season_stays_and_the_record_says_why():
    noise = np.random.default_rng(0).normal(size=240)
    profile, record = SeasonalProfile.fit(noise, np.arange(240), 24, "y")
    assert profile is None
    assert record.kept
    assert "held-out" in record.reason
    assert "cycles" in SeasonalProfile.fit(noise, np.arange(240), 100, "y")[1].reason
    assert SeasonalProfile.fit(np.ones(240), np.arange(240), 24, "y")[0] is None


def test_a_half_without_values_confirms_nothing():
    y = np.sin(np.arange(96) * 2 * np.pi / 24)
    y[(np.arange(96) // 24) % 2 == 1] = np.nan
    assert SeasonalProfile.fit(y, np.arange(96), 24, "y")[0] is None


def test_a_season_that_other_series_tell_stays():
    rng = np.random.default_rng(0)
    season = np.sin(np.arange(960) * 2 * np.pi / 24)
    twins = np.c_[season, season, season, season] + 0.05 * rng.normal(size=(960, 4))
    names = list("abcd")
    moods = np.repeat(rng.uniform(0.2, 2.0, 40), 24)[:, None]  # days differ, and the other series know how
    assert SeasonalProfiles.fit(moods * twins, np.arange(960), names, [[24]] * 4).periods == ()
    assert SeasonalProfiles.fit(twins, np.arange(960), names, [[24]] * 4).periods == (24,)
    pair = np.c_[season + 0.01 * rng.normal(size=960), rng.normal(size=960)]
    lengths = [candidate_periods(column, np.arange(960), "auto") for column in pair.T]
    single = SeasonalProfiles.fit(pair, np.arange(960), ["a", "b"], lengths)
    assert [len(p) for p in single.profiles] == [1, 0]
    assert single.periods == (24,)


def test_no_seasons_are_looked_for_where_there_is_no_grid():
    position = np.arange(0, 5000, 50)
    y = np.sin(np.arange(100.0))[:, None]
    assert candidate_periods(y[:, 0], position, "auto") == []
    assert candidate_periods(y[:, 0], position, None) == []
    assert candidate_periods(y[:, 0], position, [12, 7]) == [7, 12]
    profiles = SeasonalProfiles.fit(y, position, ["y"], [[]])
    assert profiles.remove(y, position) is y


def test_windows_at_the_ends_are_whole():
    """The mean of a season over whole windows is nearly 0 everywhere; a cut window would hold a part of a cycle."""
    y = np.sin(2 * np.pi * np.arange(400) / 16)[:, None]
    embedding = SeriesEmbedding((16,)).fit(y, ["y"])
    raw = embedding.transform(y) * embedding.scale_ + embedding.center_
    assert np.abs(raw[:, 1]).max() < 1e-9
    assert np.isfinite(embedding.transform(y[:5])).all()
