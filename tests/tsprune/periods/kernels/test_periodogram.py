"""Background and comb against formulas written out."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.naive_periodogram import combs, exact_innovations, log_tail, spectrum

from tsprune.periods.kernels.background import PHI_GRID, RATIO_GRID, fit_background, innovations
from tsprune.periods.kernels.periodogram import comb_scores, log_gamma_tail


@given(st.integers(1, 64), st.floats(0.0, 2000.0))
@settings(deadline=None, max_examples=80)
def test_log_tail_is_the_poisson_sum(n_terms, total):
    assert log_gamma_tail(n_terms, total) == pytest.approx(log_tail(n_terms, total), rel=1e-9, abs=1e-12)


@given(st.integers(0, 1000), st.integers(1, 20), st.integers(16, 200))
@settings(deadline=None, max_examples=25)
def test_comb_scores_are_their_naive_twin(seed, n_harmonics, half):
    white = np.random.default_rng(seed).exponential(1.0, half + 1)
    white[5] += 50.0
    scores, harmonics = comb_scores(white, 2 * half, 2, 40, n_harmonics)
    expected, orders = combs(white, 2 * half, 2, 40, n_harmonics)
    np.testing.assert_allclose(scores, expected, rtol=1e-9, atol=1e-12)
    np.testing.assert_array_equal(harmonics, orders)


def test_no_candidates_no_scores():
    scores, harmonics = comb_scores(np.ones(9), 16, 5, 4, 3)
    assert scores.size == harmonics.size == 0


@pytest.mark.parametrize("phi", [0.0, 0.5, 0.95])
def test_innovations_are_those_of_the_joint_distribution(phi):
    y = np.random.default_rng(0).normal(size=40)
    np.testing.assert_allclose(innovations(y, phi, 0.7, 0.4), exact_innovations(y, phi, 0.7, 0.4), atol=1e-10)


def test_innovations_of_a_random_walk_are_its_steps():
    steps = np.random.default_rng(0).normal(size=50)
    np.testing.assert_allclose(innovations(np.cumsum(steps), 1.0, 1.0, 0.0)[1:], steps[1:], atol=1e-12)


def test_a_missing_value_widens_the_next_prediction():
    errors = innovations(np.array([np.nan, 1.0, np.nan, np.nan, 4.0]), 1.0, 1.0, 0.0)
    np.testing.assert_allclose(errors, [0.0, 0.0, 0.0, 0.0, 3.0 / np.sqrt(3.0)])


@pytest.mark.parametrize(("phi", "ratio"), [(0.0, 0.0), (0.8, 0.0), (0.95, 10.0), (1.0, 0.0), (1.0, 100.0)])
def test_background_is_recovered_under_lines(phi, ratio):
    rng = np.random.default_rng(1)
    frequency = np.arange(1, 300) / 600
    step = 2.0 * (1 + phi) ** 2
    truth = spectrum(phi, step, 2.0 * ratio, frequency)
    power = truth * rng.exponential(1.0, frequency.size)
    power[24::25] *= 300.0
    four_sin2 = 4 * np.sin(np.pi * frequency) ** 2
    grid = np.array([0.0, 0.8, 0.95, 1.0])
    found, found_step, found_noise, loss = fit_background(
        power, four_sin2, np.ones(power.size), grid, np.array([0.0, 10.0, 100.0])
    )
    ratio_of_spectra = spectrum(found, found_step, found_noise, frequency) / truth
    assert np.isfinite(loss)
    assert np.exp(np.abs(np.log(ratio_of_spectra)).mean()) < 1.35


def test_grids_hold_the_corners():
    assert {0.0, 1.0} <= set(PHI_GRID)
    assert RATIO_GRID[0] == 0.0
