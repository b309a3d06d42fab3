"""PeaksOverThreshold against distributions whose tails are known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import genpareto

from tsprune.detection.thresholds import PeaksOverThreshold
from tsprune.exceptions import InvalidParameterError, InvalidSeriesError


@pytest.mark.parametrize("shape", [-0.3, 0.0, 0.3])
def test_the_parameters_of_a_pareto_tail_come_back(shape):
    sample = genpareto.rvs(shape, scale=2.0, size=200_000, random_state=np.random.RandomState(0))
    tail = PeaksOverThreshold.fit(sample, tail_share=0.2)
    assert abs(tail.shape - shape) < 0.03
    assert abs(tail.quantile(1e-3) / genpareto.isf(1e-3, shape, scale=2.0) - 1.0) < 0.05


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 9999), st.integers(1, 400), st.sampled_from(["normal", "standard_cauchy", "exponential"]))
def test_p_values_fall_and_invert_quantiles(seed, n, law):
    sample = getattr(np.random.default_rng(seed), law)(size=n)
    tail = PeaksOverThreshold.fit(sample)
    grid = np.linspace(sample.min() - 1.0, sample.max() + 50.0, 300)
    p = tail.p_value(grid)
    assert ((p > 0.0) & (p <= 1.0)).all()
    assert (np.diff(p) <= 1e-12).all()
    if tail.scale > 0.0:
        small = tail.share / 3.0
        assert abs(tail.p_value(np.array([tail.quantile(small)]))[0] / small - 1.0) < 1e-6


def test_quantiles_of_the_body_are_empirical():
    sample = np.arange(1000.0)
    assert PeaksOverThreshold.fit(sample).quantile(0.5) == np.quantile(sample, 0.5)


def test_a_sample_without_a_tail_has_a_threshold():
    tail = PeaksOverThreshold.fit(np.ones(50))
    assert tail.scale == 0.0
    assert tail.quantile(1e-3) == 1.0
    np.testing.assert_allclose(tail.p_value(np.array([0.0, 2.0])), [1.0, 1.0 / 51.0])


def test_few_peaks_are_exponential_and_tied_ones_are_capped():
    assert PeaksOverThreshold.fit(np.arange(8.0)).shape == 0.0
    tail = PeaksOverThreshold.fit(np.r_[np.zeros(980), np.full(19, 1e-9), 1.0])
    assert -0.5 <= tail.shape <= 0.9
    assert np.isfinite(tail.quantile(1e-6))


def test_beyond_a_finite_end_the_p_value_is_tiny_but_not_zero():
    tail = PeaksOverThreshold.fit(np.random.default_rng(0).uniform(size=5000))
    assert tail.shape < 0.0
    assert 0.0 < tail.p_value(np.array([1e9]))[0] < 1e-100


def test_bad_input_is_an_error():
    with pytest.raises(InvalidParameterError, match="tail_share"):
        PeaksOverThreshold.fit(np.ones(3), tail_share=0.0)
    with pytest.raises(InvalidSeriesError, match="finite"):
        PeaksOverThreshold.fit(np.array([1.0, np.nan]))
    with pytest.raises(InvalidParameterError, match="p must be"):
        PeaksOverThreshold.fit(np.ones(3)).quantile(0.0)


def test_a_resistant_tail_ignores_the_worst_rows():
    clean = np.random.default_rng(0).exponential(size=5000)
    dirty = clean.copy()
    dirty[:50] += 50.0
    bar = PeaksOverThreshold.fit_resistant(clean).quantile(1e-3)
    assert abs(bar / np.log(1000.0) - 1.0) < 0.25
    assert PeaksOverThreshold.fit_resistant(dirty).quantile(1e-3) < 2.0 * bar
    assert PeaksOverThreshold.fit(dirty).quantile(1e-3) > 3.0 * bar


def test_a_resistant_tail_of_ties_is_the_plain_one():
    sample = np.r_[np.zeros(990), np.arange(10.0)]
    assert PeaksOverThreshold.fit_resistant(sample).shape == PeaksOverThreshold.fit(sample, tail_share=0.1).shape
