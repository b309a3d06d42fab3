"""Peaks of a series whose ordinary deviations have heavy tails are its own; far larger faults are not."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tsprune import SeriesCleaner
from tsprune.cleaning.heavy_tail import largest_of_tail

N = 2920
WEEK = np.sin(2 * np.pi * np.arange(N) / 7)


@pytest.mark.parametrize("seed", range(3))
def test_heavy_tails_keep_their_peaks(seed: int) -> None:
    y = 10.0 + WEEK + 0.2 * np.random.default_rng(seed).standard_t(3, N)
    cleaner = SeriesCleaner(7).fit(y)
    assert cleaner.mask_.mean() <= 0.002
    assert any("heavy tail" in guard for guard in cleaner.report_.guards)


def test_a_fault_clear_of_a_heavy_tail_is_found() -> None:
    y = 10.0 + WEEK + 0.2 * np.random.default_rng(3).standard_t(3, N)
    y[[400, 1500, 2400]] += 30.0
    mask = SeriesCleaner(7).fit(y).mask_
    assert mask[[400, 1500, 2400]].all()
    assert mask.mean() <= 0.003


@pytest.mark.parametrize("share", [0.002, 0.01, 0.04])
def test_faults_in_a_series_with_light_tails_are_found(share: float) -> None:
    rng = np.random.default_rng(4)
    y = 10.0 + WEEK + 0.2 * rng.normal(size=N)
    at = rng.choice(N - 20, int(share * N), replace=False)
    y[at] += rng.choice([-1.0, 1.0], at.size) * rng.uniform(2.0, 6.0, at.size)
    mask = SeriesCleaner(7).fit(y).mask_
    assert mask[at].mean() >= 0.95
    assert np.delete(mask, at).mean() <= 0.001


def test_limit_of_a_tail_of_known_index() -> None:
    sizes = (np.arange(1, 10001) / 10001) ** -0.3  # exceeded by sizes^(-1 / 0.3) of the rows: once at 10000^0.3
    assert largest_of_tail(np.sort(sizes)[:-50], 50) == pytest.approx(10001**0.3, rel=0.02)


def test_too_few_rows_too_many_candidates_and_no_noise_set_no_limit() -> None:
    sizes = np.abs(np.random.default_rng(5).normal(size=4000))
    assert largest_of_tail(sizes[:1999], 3) == 0.0
    assert largest_of_tail(sizes, 400) == 0.0
    assert largest_of_tail(np.zeros(4000), 3) == 0.0


@given(st.integers(0, 2**32 - 1), st.floats(0.1, 100.0))
def test_limit_follows_the_unit(seed: int, unit: float) -> None:
    sizes = np.abs(np.random.default_rng(seed).standard_t(4, 2500))
    assert largest_of_tail(unit * sizes, 8) == pytest.approx(unit * largest_of_tail(sizes, 8))
