"""Temporary levels, and the end of a series: what is moved back, and what is left alone."""

from __future__ import annotations

import numpy as np
import pytest

from tsprune import SeriesCleaner
from tsprune.cleaning.level_blocks import find_level_blocks
from tsprune.cleaning.model import SeriesModel, fit_model
from tsprune.cleaning.patches import Patch, _foreseen, _sure_beside_the_end


def busy(seed: int, n: int = 700) -> np.ndarray:
    """A day and a week that wander, in noise with memory (n_timepoints,)."""
    rng = np.random.default_rng(seed)
    t = np.arange(n)
    e = rng.normal(0, 1.0, n)
    noise = np.zeros(n)
    for k in range(1, n):
        noise[k] = 0.9 * noise[k - 1] + e[k]
    day = 10 * np.sin(2 * np.pi * t / 24) * (1.0 + 0.3 * (t // 24 % 7 >= 5))
    return 100 + day + noise


def levels(cleaner: SeriesCleaner) -> np.ndarray:
    """The rows moved back."""
    table = cleaner.changes_
    return table["time"][table["reason"] == "level shift"].to_numpy()


@pytest.mark.parametrize("seed", range(4))
def test_a_block_that_the_season_could_learn_is_found(seed: int) -> None:
    y = busy(seed)
    x = y.copy()
    x[420:490] += 15.0
    cleaner = SeriesCleaner(24)
    out = cleaner.fit_transform(x)
    assert levels(cleaner).tolist() == list(range(420, 490))
    assert np.abs(out - y)[420:490].mean() < 3.0


def test_two_blocks_are_both_moved_back() -> None:
    x = busy(6, 960)
    x[200:260] += 20.0
    x[600:690] -= 20.0
    assert levels(SeriesCleaner(24).fit(x)).tolist() == [*range(200, 260), *range(600, 690)]


def test_the_block_is_chosen_not_its_complement() -> None:
    x = busy(7)
    x[400:450] += 15.0
    x[560:610] += 15.0  # between them the level looks low, but it is the blocks that are odd
    assert not set(levels(SeriesCleaner(24).fit(x))) & set(range(452, 558))


@pytest.mark.parametrize("seed", range(5))
def test_a_random_walk_has_no_blocks(seed: int) -> None:
    x = np.cumsum(np.random.default_rng(seed).standard_t(4, 600))
    assert levels(SeriesCleaner(None).fit(x)).size == 0


def test_spikes_at_both_ends_of_a_plateau_make_no_block() -> None:
    rng = np.random.default_rng(0)
    x = np.cumsum(rng.normal(0, 0.05, 500))
    x[300:] -= 30.0  # lasts
    x[220] += 20.0
    x[310] -= 20.0
    nothing = np.zeros(500, bool)
    spikes = nothing.copy()
    spikes[[220, 310]] = True
    model = fit_model(x, spikes, ())
    assert find_level_blocks(x, spikes, spikes, model, (), 6, 1.0)[0] == []


def test_a_climb_in_several_steps_at_the_end_protects_spikes() -> None:
    a = np.random.default_rng(3).uniform(-0.5, 0.5, 100)
    a[20] = 12.0
    calm = SeriesModel(np.zeros((100, 0)), a.copy(), np.ones(1), 0.0, np.ones(100))
    a[-3:] = 3.5  # no step of five deviations, but three of the same sign
    patches = [Patch(20, 21, 12.0, 12.0, 5.0)]
    climbing = SeriesModel(np.zeros((100, 0)), a, np.ones(1), 0.0, np.ones(100))
    assert _sure_beside_the_end(patches, calm, np.zeros(100, bool)) == patches
    assert _sure_beside_the_end(patches, climbing, np.zeros(100, bool)) == []


def test_what_would_replace_a_patch_at_the_end_must_be_known() -> None:
    walk = SeriesModel(np.zeros((100, 0)), np.zeros(100), np.array([1.0, -1.0]), 0.0, np.ones(100))
    starts, stops, sizes = np.array([50, 99, 60]), np.array([60, 100, 100]), np.array([4.0, 4.0, 4.0])
    assert _foreseen(starts, stops, sizes, walk).tolist() == [True, True, False]
    mean = SeriesModel(np.zeros((100, 0)), np.zeros(100), np.ones(1), 0.0, np.ones(100))
    assert _foreseen(starts, stops, sizes, mean).all()  # noise around a mean is as well known 40 rows ahead


def test_a_walk_whose_bursts_went_back_is_not_extrapolated_over_many_rows() -> None:
    rng = np.random.default_rng(1)
    x = 1000 + np.cumsum(rng.normal(0, 1.0, 800))
    for start in range(60, 700, 60):
        x[start : start + 5] += 14.0
    x[-30:] += 14.0
    cleaner = SeriesCleaner(52)
    assert not cleaner.fit(x).mask_[-30:].any()
    assert cleaner.mask_[60:65].all()


def test_six_rows_before_a_block_are_too_few_to_call_it_one() -> None:
    rng = np.random.default_rng(3)
    y = 10 + 3 * np.sin(np.arange(1500) / 24 * 2 * np.pi) + rng.normal(0, 0.3, 1500)
    early, late = y.copy(), y.copy()
    early[6:250] += 12.0  # a regime that the record nearly starts with
    late[200:444] += 12.0
    reasons = [set(SeriesCleaner(24).fit(series).changes_["reason"]) for series in (early, late)]
    assert "level shift" not in reasons[0]
    assert "level shift" in reasons[1]
