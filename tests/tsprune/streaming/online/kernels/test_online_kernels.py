"""The compiled step against its naive twin, on series that make every branch speak."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.naive_online import NaiveOnline

from tsprune.streaming.online.kernels import step as online
from tsprune.streaming.online.kernels.layout import H_DELTA, H_LEVEL, new_state, state_size


def fresh(period, shift=3, window=200.0, gain=0.1):
    state = np.empty(state_size(period, shift))
    new_state(state, period, shift, window, gain)
    return state


def run(state, values):
    out = np.empty((len(values), 3))
    online.many_steps(state, np.asarray(values, dtype=np.float64), out)
    return out


def series(kind, seed=0, period=12, cycles=14):
    """A season with noise and one kind of trouble, (n,)."""
    rng = np.random.default_rng(seed)
    n = period * cycles
    t = np.arange(n)
    shape = {"pulse": np.where(np.arange(period) < period // 3, 2.0, -1.0)}.get(
        kind, np.sin(2 * np.pi * t[:period] / period)
    )
    y = shape[t % period] + rng.normal(0, 0.05, n)
    if kind == "pulse":
        late = (t // period == 8) | (t // period == 10)
        y = np.where(late, shape[(t - 2) % period], shape[t % period]) + rng.normal(0, 0.05, n)
    elif kind == "moved":
        y = np.where(t >= 7 * period, np.sin(2 * np.pi * (t - 2) / period), y) + rng.normal(0, 0.01, n)
    elif kind == "steps":
        y += 3.0 * (t >= 6 * period + 5) - 5.0 * (t >= 10 * period)
    elif kind == "small_step":
        y += 0.06 * (t >= 5 * period) - 0.06 * (t >= 10 * period)
    elif kind == "ramp":
        y += 1.0 * t / period
    elif kind == "steep":
        y = np.sin(2 * np.pi * t / period) + 2.0 * t / period + rng.normal(0, 0.4, n)
    elif kind == "outliers":
        y[rng.random(n) < 0.05] += 4.0
    elif kind == "missing":
        y[rng.random(n) < 0.2] = np.nan
        y[5 * period : 6 * period + 4] = np.nan
    elif kind == "shape":
        y[t % period == 4] += 2.0 * (t[t % period == 4] >= 6 * period)
    elif kind == "louder":
        y += rng.normal(0, 2.0, n) * (t >= 6 * period)
    elif kind == "walk":
        y += np.cumsum(rng.normal(0, 0.2, n))
    elif kind == "constant":
        y = np.where(t < 8 * period, 0.0, 5.0)
    return y


KINDS = (
    "plain",
    "pulse",
    "moved",
    "steps",
    "small_step",
    "ramp",
    "steep",
    "outliers",
    "missing",
    "shape",
    "louder",
    "walk",
    "constant",
)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("period", [0, 12])
def test_step_is_its_naive_twin(kind, period):
    y = series(kind, seed=KINDS.index(kind))
    naive = NaiveOnline(period, 3, 200.0, 0.1)
    expected = np.array([naive.update(float(v)) for v in y])
    np.testing.assert_allclose(run(fresh(period), y), expected, rtol=1e-7, atol=1e-8)


@given(st.integers(0, 10_000), st.sampled_from(KINDS), st.sampled_from([0, 2, 5, 12]))
@settings(deadline=None, max_examples=20)
def test_step_is_its_naive_twin_on_mixtures(seed, kind, period):
    rng = np.random.default_rng(seed)
    y = series(kind, seed, cycles=8) + series(KINDS[seed % (len(KINDS) - 1)], seed + 1, cycles=8)
    y[rng.random(y.size) < 0.02] = np.nan
    naive = NaiveOnline(period, min(3, max(0, (period - 1) // 2)), 200.0, 0.1)
    expected = np.array([naive.update(float(v)) for v in y])
    state = fresh(period, shift=min(3, max(0, (period - 1) // 2)))
    np.testing.assert_allclose(run(state, y), expected, rtol=1e-6, atol=1e-7)


def test_leading_missing_values_wait_for_the_first_known_one():
    y = np.concatenate([np.full(30, np.nan), series("plain")])
    naive = NaiveOnline(12, 3, 200.0, 0.1)
    expected = np.array([naive.update(float(v)) for v in y])
    np.testing.assert_allclose(run(fresh(12), y), expected, rtol=1e-8, atol=1e-9)
    assert np.isnan(run(fresh(0), y)[:30, 0]).all()


def test_parts_add_up():
    y = series("steps")
    np.testing.assert_allclose(run(fresh(12), y).sum(axis=1), y, atol=1e-12)


@pytest.mark.parametrize("kind", ["plain", "pulse", "missing"])
def test_advance_is_that_many_missing_values(kind):
    y = series(kind)
    for period in (0, 12):
        for known in (0, 5, 30, 100):
            one, other = fresh(period), fresh(period)
            run(one, y[:known])
            run(other, y[:known])
            run(one, np.full(43, np.nan))
            online.advance(other, 43)
            np.testing.assert_array_equal(one, other)


def test_fleet_step_is_one_step_each():
    y = np.stack([series(kind) for kind in KINDS], axis=1)
    states = np.stack([fresh(12) for _ in KINDS])
    out = np.empty((len(y), len(KINDS), 3))
    for row, parts in zip(y, out, strict=True):
        online.fleet_step(states, row, parts)
    for k in range(len(KINDS)):
        np.testing.assert_array_equal(out[:, k], run(fresh(12), y[:, k]))


def test_a_lasting_shift_moves_the_season():
    state = fresh(12)
    run(state, series("moved"))
    assert state[H_DELTA] == -2


def test_a_step_restarts_the_level():
    state = fresh(12)
    out = run(state, series("steps"))
    assert abs(state[H_LEVEL] + 2.0) < 0.1
    assert np.abs(out[6 * 12 + 9 : 10 * 12, 0] - 3.0).max() < 0.2


def test_scaling_the_series_scales_the_parts():
    y = series("steps")
    np.testing.assert_allclose(run(fresh(12), 4.0 * y), 4.0 * run(fresh(12), y), rtol=1e-7, atol=1e-9)
    shifted = run(fresh(12), y + 64.0)
    shifted[:, 0] -= 64.0
    np.testing.assert_allclose(shifted, run(fresh(12), y), atol=1e-9)
