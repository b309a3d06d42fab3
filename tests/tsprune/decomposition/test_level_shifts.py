"""Level shifts: found where they are, and nowhere else."""

from __future__ import annotations

import os

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from tsprune import decompose
from tsprune.decomposition.level_shifts import Step, find_steps, steps_of, without_episodes

N_CASES = 40 if os.environ.get("TSPRUNE_SLOW") else 4


def noise(kind: str, n: int, rng: np.random.Generator) -> np.ndarray:
    e = rng.normal(size=n)
    if kind == "heavy":
        return rng.standard_t(3, n)
    if kind == "autoregressive":
        for i in range(1, n):
            e[i] += 0.9 * e[i - 1]
    if kind == "walk":
        return np.cumsum(e)
    if kind == "smooth walk":
        return np.cumsum(np.cumsum(e)) * 0.01 + rng.normal(size=n)
    if kind == "exponential":
        return np.exp(5.0 * np.arange(n) / n) + e
    return e


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["white", "heavy", "autoregressive", "walk", "smooth walk", "exponential"])
def test_no_shift_is_found_where_there_is_none(kind: str) -> None:
    rng = np.random.default_rng(11)
    found = 0
    for _ in range(N_CASES):
        y = noise(kind, 900, rng)
        y = y + 2.0 * np.std(y) * np.tile(rng.normal(size=24), 38)[:900]
        found += bool(decompose(y, 24, robust=True).shifts) + bool(find_steps(noise(kind, 900, rng), 24, 60))
    # two looks a case at level 0.001: more than one in 80 has a probability below 0.004
    assert found <= 1


@given(st.integers(200, 700), st.floats(3.0, 50.0), st.booleans(), st.integers(0, 10**6))
@settings(max_examples=12, deadline=None)
def test_a_plain_shift_is_found_at_its_place(place: int, size: float, up: bool, seed: int) -> None:
    rng, t = np.random.default_rng(seed), np.arange(900)
    size = size if up else -size
    season = np.sin(2 * np.pi * t / 24)
    y = 0.003 * t + season + size * (t >= place) + rng.normal(0, 0.3, 900)
    found = decompose(y, 24, robust=True)
    assert [abs(shift.position - place) <= 1 for shift in found.shifts] == [True]
    shift = found.shifts[0]
    assert abs(shift.size - size) < 1.0
    assert shift.p_value < 0.001
    assert np.abs(found.trend - 0.003 * t - size * (t >= place)).mean() < 0.25
    # the mirrored series has the mirrored shift
    mirrored = decompose(y[::-1], 24, robust=True)
    assert [abs(900 - shift.position - place) <= 1 for shift in mirrored.shifts] == [True]
    # units and level of the series do not matter
    scaled = decompose(1e3 * y - 7e4, 24, robust=True)
    assert [s.position for s in scaled.shifts] == [s.position for s in found.shifts]
    assert_allclose(scaled.trend, 1e3 * found.trend - 7e4, atol=1e-4)


def test_several_shifts_with_gaps_and_outliers() -> None:
    rng, t = np.random.default_rng(4), np.arange(1344)
    steps = 4.0 * (t >= 465) - 4.0 * (t >= 900)
    y = steps + 2 * np.sin(2 * np.pi * t / 24) + np.repeat(rng.normal(size=7), 24)[t % 168] + rng.normal(0, 0.3, 1344)
    y[rng.random(1344) < 0.02] += 4.0
    y[rng.random(1344) < 0.05] = np.nan
    y[470:490] = np.nan
    found = decompose(y, (24, 168), robust=True)
    assert [abs(s.position - p) <= 2 for s, p in zip(found.shifts, (465, 900), strict=True)] == [True, True]
    assert np.abs(found.trend - np.nanmean(found.trend - steps) - steps).mean() < 0.2
    assert list(found.shifts_frame().columns) == ["position", "time", "size", "statistic", "p_value"]
    assert found.shifts_frame().shape == (2, 5)


def test_an_episode_a_ramp_and_a_season_are_no_shifts() -> None:
    rng, t = np.random.default_rng(5), np.arange(1344)
    season, e = np.sin(2 * np.pi * t / 24), rng.normal(0, 0.3, 1344)
    episode = 8.0 * ((t >= 500) & (t < 530))
    ramp = np.clip((t - 600) / 60, 0, 1) * 8.0
    week = 3.0 * ((t // 24) % 7 < 5)
    for disturbance in (episode, ramp, week):
        assert decompose(season + disturbance + e, 24, robust=True).shifts == ()


def test_shifts_are_looked_for_only_on_request() -> None:
    rng, t = np.random.default_rng(6), np.arange(600)
    y = 9.0 * (t >= 300) + np.sin(2 * np.pi * t / 12) + rng.normal(0, 0.3, 600)
    assert decompose(y, 12).shifts == ()
    assert decompose(y, 12, robust=True, outer_iter=3).shifts == ()
    assert decompose(y, 12, robust=True, shifts=False).shifts == ()
    for parameters in ({"shifts": True}, {"robust": True}, {"robust": True, "engine": "statsmodels"}):
        found = decompose(y, 12, **parameters)
        assert [s.position for s in found.shifts] == [300]
        assert_allclose(found.trend + found.seasonal[:, 0] + found.remainder, y, atol=1e-12)


def test_steps_without_season_and_without_noise() -> None:
    y = np.repeat([0.0, 5.0, 2.0], 200)
    found = decompose(y, None, shifts=True)
    assert [(s.position, round(s.size, 9)) for s in found.shifts] == [(200, 5.0), (400, -3.0)]
    assert_allclose(found.trend, y, atol=1e-9)


def test_a_shift_in_a_gap_begins_at_the_first_known_point() -> None:
    rng, t = np.random.default_rng(8), np.arange(600)
    y = 6.0 * (t >= 310) + rng.normal(0, 0.3, 600)
    y[305:316] = np.nan
    steps = find_steps(y, 24, 60)
    assert [step.position for step in steps] == [316]
    assert_allclose(steps[0].size, 6.0, atol=0.6)


def test_short_and_constant_series_have_no_steps() -> None:
    assert find_steps(np.r_[np.zeros(20), np.ones(20)], 12, 30) == []
    assert find_steps(np.ones(500), 24, 60) == []


def test_steps_add_up_and_pairs_cancel() -> None:
    steps = [Step(2, 1.0, 9.0, 0.0), Step(4, -3.0, 9.0, 0.0)]
    assert_allclose(steps_of(steps, 6), [0, 0, 1, 1, -2, -2])
    assert without_episodes([Step(10, 5.0, 9, 0), Step(30, -4.0, 9, 0), Step(200, 2.0, 9, 0)], 50) == [
        Step(200, 2.0, 9, 0)
    ]
    assert len(without_episodes([Step(10, 5.0, 9, 0), Step(30, 4.0, 9, 0)], 50)) == 2
    assert len(without_episodes([Step(10, 5.0, 9, 0), Step(90, -5.0, 9, 0)], 50)) == 2
