"""OnlineDecomposer: ways of arriving, stored memory, accuracy after shifts and steps, bounded memory."""

import pickle

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.exceptions import InvalidParameterError
from tsprune import OnlineDecomposer
from tsprune.exceptions import InvalidSeriesError, StoredStateError


def troubled(n=600, period=24, seed=0):
    """A season with noise, a step, outliers and missing values, (n,)."""
    rng = np.random.default_rng(seed)
    t = np.arange(n)
    y = np.sin(2 * np.pi * t / period) + 2.0 * (t > n // 2) + rng.normal(0, 0.1, n)
    y[rng.random(n) < 0.02] += 3.0
    y[rng.random(n) < 0.05] = np.nan
    return y


@given(st.integers(0, 1000), st.sampled_from([None, 2, 7, 24]), st.lists(st.integers(0, 120), max_size=6))
@settings(deadline=None, max_examples=25)
def test_the_way_of_arriving_does_not_matter(seed, period, cuts):
    y = troubled(400, seed=seed)
    at_once = OnlineDecomposer(period).update_many(y)
    decomposer = OnlineDecomposer(period)
    one_by_one = np.array([decomposer.update(v) for v in y])
    np.testing.assert_array_equal(one_by_one, at_once)
    blocks = OnlineDecomposer(period)
    parts = []
    for block in np.split(y, np.minimum(np.cumsum(cuts), y.size)):
        parts.append(blocks.update_many(block) if block.size else np.empty((0, 3)))
        blocks = OnlineDecomposer.from_bytes(blocks.to_bytes())
    np.testing.assert_array_equal(np.concatenate(parts), at_once)
    assert blocks.n_seen_ == decomposer.n_seen_ == y.size


@pytest.mark.parametrize("copy", ["state", "bytes", "pickle"])
def test_a_stored_decomposer_goes_on(copy):
    y = troubled()
    decomposer = OnlineDecomposer(24, shift_window=5, level_window=100, season_memory=4)
    decomposer.update_many(y[:333])
    other = {
        "state": lambda: OnlineDecomposer.from_state(decomposer.state_dict()),
        "bytes": lambda: OnlineDecomposer.from_bytes(decomposer.to_bytes()),
        "pickle": lambda: pickle.loads(pickle.dumps(decomposer)),
    }[copy]()
    np.testing.assert_array_equal(other.update_many(y[333:]), decomposer.update_many(y[333:]))
    assert (other.shift_window, other.level_window, other.season_memory) == (5, 100, 4)


def test_state_is_a_copy_and_may_be_of_a_decomposer_not_begun():
    decomposer = OnlineDecomposer(np.int64(4))
    stored = decomposer.state_dict()
    assert stored["period"] == 4
    assert type(stored["period"]) is int
    stored["state"][:] = 7.0
    assert decomposer.update(1.0) == (1.0, 0.0, 0.0)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda s: s.pop("period"), "must hold"),
        (lambda s: s.update(more=1), "must hold"),
        (lambda s: s.update(period=12), "stored parameters"),
        (lambda s: s.update(state=s["state"][:-1]), "stored parameters"),
        (lambda s: s.update(level_window=50), "stored parameters"),
    ],
)
def test_a_state_that_does_not_fit_is_refused(change, match):
    stored = OnlineDecomposer(24).state_dict()
    change(stored)
    with pytest.raises(StoredStateError, match=match):
        OnlineDecomposer.from_state(stored)


def test_damaged_or_foreign_bytes_are_refused():
    from tsprune.streaming.online.fleet import OnlineFleet

    stored = OnlineDecomposer(24).to_bytes()
    with pytest.raises(StoredStateError):
        OnlineDecomposer.from_bytes(stored[:-1] + bytes([stored[-1] ^ 1]))
    with pytest.raises(StoredStateError, match="kind"):
        OnlineDecomposer.from_bytes(OnlineFleet(2, 24).to_bytes())


@pytest.mark.parametrize(
    "parameters", [{"period": 1}, {"period": 2.5}, {"shift_window": -1}, {"level_window": 1}, {"season_memory": 0}]
)
def test_parameters_are_checked_at_the_first_point(parameters):
    decomposer = OnlineDecomposer(**{"period": 24, **parameters})
    with pytest.raises(InvalidParameterError, match=next(iter(parameters))):
        decomposer.update(1.0)


def test_infinite_values_are_refused_and_nothing_is_taken():
    decomposer = OnlineDecomposer(4)
    decomposer.update(1.0)
    with pytest.raises(InvalidSeriesError, match="finite"):
        decomposer.update(float("inf"))
    with pytest.raises(InvalidSeriesError, match="finite"):
        decomposer.update_many(np.array([1.0, -np.inf]))
    assert decomposer.n_seen_ == 1
    with pytest.raises(InvalidSeriesError):
        decomposer.update_many(np.zeros((3, 2)))


def test_containers_and_the_input_is_left_alone():
    y = troubled()
    kept = y.copy()
    expected = OnlineDecomposer(24).update_many(y)
    np.testing.assert_array_equal(y, kept)
    np.testing.assert_array_equal(OnlineDecomposer(24).update_many(pd.Series(y)), expected)
    np.testing.assert_array_equal(OnlineDecomposer(24).update_many(list(y)), expected)


def test_skip_is_that_many_missing_values():
    y = troubled()
    one, other = OnlineDecomposer(24), OnlineDecomposer(24)
    for part in (y[:10], y[10:300]):
        one.update_many(part)
        other.update_many(part)
        one.skip(1000)
        other.update_many(np.full(1000, np.nan))
    np.testing.assert_array_equal(one.update_many(y[300:]), other.update_many(y[300:]))
    assert one.n_seen_ == other.n_seen_
    with pytest.raises(InvalidParameterError):
        one.skip(-1)
    fresh = OnlineDecomposer()
    fresh.skip(3)
    assert fresh.n_seen_ == 3


def test_memory_is_bounded():
    decomposer = OnlineDecomposer(24)
    assert decomposer.n_seen_ == 0
    decomposer.update(0.0)
    before = len(pickle.dumps(decomposer))
    decomposer.update_many(troubled(5000))
    assert len(pickle.dumps(decomposer)) == before < 2000


@pytest.mark.parametrize("seed", range(4))
def test_steps_of_the_level_stay_out_of_the_season(seed):
    rng = np.random.default_rng(seed)
    period, cycles = 100, 16
    t = np.arange(period * cycles)
    trend = np.zeros(t.size)
    for size in (1.0, -2.0, 1.5):
        trend[rng.integers(6 * period, 15 * period) :] += size
    season = np.where(t % period < 50, -np.sin(4 * np.pi * t / period), 0.0)
    parts = OnlineDecomposer(period).update_many(season + trend + rng.normal(0, 0.05, t.size))
    late = slice(5 * period, None)
    assert np.abs(parts[late, 0] - trend[late]).mean() < 0.02
    assert np.abs(parts[late, 1] - season[late]).mean() < 0.025


@pytest.mark.parametrize("seed", range(4))
def test_shifts_of_the_phase_stay_out_of_the_trend(seed):
    rng = np.random.default_rng(seed)
    period = 100
    cycle = np.repeat([5.0, -5.0], 50)
    season = np.concatenate([np.roll(cycle, 6) if k > 4 and rng.random() < 0.3 else cycle for k in range(20)])
    parts = OnlineDecomposer(period).update_many(season + rng.normal(0, 0.05, season.size))[5 * period :]
    assert np.abs(parts[:, 0]).mean() < 0.01
    assert np.abs(parts[:, 1] - season[5 * period :]).mean() < 0.08


def test_without_a_season_the_trend_follows_the_level():
    rng = np.random.default_rng(0)
    truth = np.where(np.arange(800) < 400, 1.0, 4.0)
    parts = OnlineDecomposer().update_many(truth + rng.normal(0, 0.2, 800))
    assert (parts[:, 1] == 0.0).all()
    assert np.abs(parts[410:, 0] - 4.0).mean() < 0.1


def test_a_noise_free_season_is_learnt_exactly():
    y = np.tile([1.0, 5.0, 2.0, 0.0], 30)
    parts = OnlineDecomposer(4).update_many(y)
    np.testing.assert_allclose(parts[8:, 2], 0.0, atol=1e-9)
    np.testing.assert_allclose(parts[8:, 0], 2.0, atol=1e-9)


@given(st.lists(st.floats(-1e6, 1e6) | st.just(float("nan")), min_size=1, max_size=80), st.sampled_from([None, 2, 5]))
@settings(deadline=None, max_examples=60)
def test_known_values_always_have_finite_parts_that_add_up(values, period):
    y = np.array(values)
    parts = OnlineDecomposer(period).update_many(y)
    known = np.isfinite(y)
    assert np.isfinite(parts[known]).all()
    np.testing.assert_allclose(parts[known].sum(axis=1), y[known], atol=1e-6)
