"""OrdinaryTail against distributions whose maxima are known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tsprune.detection.thresholds import OrdinaryTail
from tsprune.exceptions import InvalidParameterError, InvalidSeriesError


def test_the_gumbel_of_exponential_maxima_comes_back():
    """The largest of b exponential values is Gumbel with location log b and scale 1 for large b."""
    sample = np.random.default_rng(0).exponential(size=200_000)
    tail = OrdinaryTail.fit(sample)
    assert abs(tail.location - np.log(64)) < 0.1
    assert abs(tail.scale - 1.0) < 0.1
    assert not tail.suspected.any()


@pytest.mark.parametrize("law", ["normal", "exponential"])
def test_ordinary_samples_pass_the_level_as_often_as_stated(law):
    passed = 0
    for seed in range(200):
        sample = getattr(np.random.default_rng(seed), law)(size=2000)
        tail = OrdinaryTail.fit(sample)
        later = getattr(np.random.default_rng((seed, 1)), law)(size=2000)
        passed += later.max() > tail.level(0.2, 2000)
    assert passed / 200 < 0.25


def test_many_incidents_neither_raise_the_level_nor_hide_each_other():
    clean = np.random.default_rng(0).exponential(size=6000)
    dirty = clean.copy()
    starts = np.arange(300, 6000, 600)
    for k, start in enumerate(starts):
        dirty[start : start + 5 + k] += 20.0 * (k + 1)
    plain, resistant = OrdinaryTail.fit(clean), OrdinaryTail.fit(dirty, reach=32)
    assert abs(resistant.level(0.1, 6000) - plain.level(0.1, 6000)) < 1.5
    assert all(resistant.suspected[start - 32 : start + 5 + k + 32].all() for k, start in enumerate(starts))


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 9999), st.integers(1, 400), st.sampled_from(["normal", "standard_cauchy", "exponential"]))
def test_p_values_fall_and_agree_with_levels(seed, n, law):
    sample = getattr(np.random.default_rng(seed), law)(size=n)
    tail = OrdinaryTail.fit(sample)
    grid = np.linspace(sample.min() - 1.0, sample.max() + 50.0, 300)
    p = tail.p_value(grid, n)
    assert ((p > 0.0) & (p <= 1.0)).all()
    assert (np.diff(p) <= 1e-12).all()
    if tail.scale > 0.0:
        level = tail.level(0.05, tail.block)
        assert abs(tail.expected_episodes(np.array([level]), tail.block)[0] - 0.05) < 1e-9


def test_units_of_the_sample_do_not_matter():
    sample = np.random.default_rng(0).normal(size=900)
    sample[100:103] += 30.0
    one, other = OrdinaryTail.fit(sample), OrdinaryTail.fit(3.0 * sample + 7.0)
    np.testing.assert_allclose(other.level(0.1, 900), 3.0 * one.level(0.1, 900) + 7.0)
    np.testing.assert_array_equal(one.suspected, other.suspected)


def test_a_sample_without_spread_has_a_level():
    tail = OrdinaryTail.fit(np.ones(50))
    assert tail.scale == 0.0
    assert tail.level(0.1, 50) == 1.0
    p = tail.p_value(np.array([1.0, 1.5]), 50)
    assert p[0] > 0.99
    assert 0.0 < p[1] < 1e-100


def test_missing_values_are_left_out():
    sample = np.random.default_rng(0).normal(size=2000)
    with_gaps = sample.copy()
    with_gaps[::7] = np.nan
    assert abs(OrdinaryTail.fit(with_gaps).level(0.1, 2000) - OrdinaryTail.fit(sample).level(0.1, 2000)) < 0.5


def test_bad_input_is_an_error():
    with pytest.raises(InvalidSeriesError, match="finite"):
        OrdinaryTail.fit(np.array([1.0, np.inf]))
    with pytest.raises(InvalidSeriesError, match="present"):
        OrdinaryTail.fit(np.full(3, np.nan))
    with pytest.raises(InvalidParameterError, match="episodes must be positive"):
        OrdinaryTail.fit(np.arange(9.0)).level(0.0, 10)
