"""The monitor's kernels against their naive twins."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.naive_monitor import (
    naive_hill,
    naive_novelty,
    naive_onset,
    naive_rarity,
    naive_regression_residual,
    naive_unexplained,
    naive_views,
)

import tsprune.streaming.monitor.kernels.layout as at
from detectors.isolation_forest.kernels.packed_forest import pack_forest
from tsprune.streaming.monitor.kernels import advance as kernel
from tsprune.streaming.monitor.kernels import metric
from tsprune.streaming.monitor.kernels.calibration import HISTOGRAM_SIZE, N_BINS, TOTAL, add_count, tail_probability
from tsprune.streaming.monitor.kernels.extremes import COUNT, EXTREMES_SIZE, KEPT, rarity
from tsprune.streaming.monitor.kernels.fleet import FLEET_SIZE, advance_fleet
from tsprune.streaming.monitor.kernels.novelty import BOOK, BOOK_SIZE, VALUES, novelty
from tsprune.streaming.monitor.kernels.relations import halve_sample, learn_relations, unexplained_rows
from tsprune.streaming.monitor.kernels.visits import (
    N_HOURS,
    N_SLOTS,
    N_VISITS,
    N_WEEKS,
    SLOT,
    VISITS_SIZE,
    WEEK_SIZE,
    median_of_seven,
    slot_median,
    visit,
    week_median,
)
from tsprune.streaming.monitor.kernels.windows import WINDOW_SIZE, push, views

short = settings(deadline=None, max_examples=25)
numbers = st.floats(-1e6, 1e6, allow_nan=False).map(lambda x: round(x, 3))


@short
@given(st.lists(numbers, min_size=1, max_size=60), st.sampled_from([5.0, 20.0, 1e9]))
def test_novelty_is_the_distance_to_the_nearest_remembered_value(values: list[float], memory: float) -> None:
    book = np.zeros(BOOK_SIZE)
    found = [novelty(book, 0, value, float(row), memory) for row, value in enumerate(values)]
    assert found == naive_novelty(values, memory)


def test_a_full_book_keeps_its_order_its_range_and_most_of_its_detail() -> None:
    rng = np.random.default_rng(0)
    book = np.zeros(BOOK_SIZE)
    values = rng.normal(size=600)
    for row, value in enumerate(values):
        novelty(book, 0, value, float(row), 1e9)
    count = int(book[0])
    kept = book[VALUES : VALUES + count]
    assert count < BOOK
    assert np.all(np.diff(kept) > book[1])
    assert np.abs(kept[:, None] - values[None, :]).min(axis=0).max() < 3 * book[1]
    assert kept[0] <= values.min() + 2 * book[1]
    assert kept[-1] >= values.max() - 2 * book[1]


def test_the_nearest_value_of_a_book_that_was_full_is_found() -> None:
    rng = np.random.default_rng(1)
    book = np.zeros(BOOK_SIZE)
    for row, value in enumerate(rng.standard_t(2.0, size=2000)):
        kept = book[VALUES : VALUES + int(book[0])].copy()
        expected = np.abs(kept - value).min() if row else -1.0
        assert novelty(book, 0, value, float(row), 1e9) == expected


@short
@given(st.lists(st.floats(0, 1e6).map(lambda x: round(x, 3)), min_size=1, max_size=55))
def test_rarity_is_the_rank_while_everything_is_kept(values: list[float]) -> None:
    extremes = np.zeros(EXTREMES_SIZE)
    assert [rarity(extremes, 0, value, 1e9) for value in values] == pytest.approx(naive_rarity(values))


def test_rarity_beyond_everything_is_the_tail_of_a_power_law() -> None:
    rng = np.random.default_rng(1)
    values = (rng.pareto(2.0, 400) + 1).tolist()
    extremes = np.zeros(EXTREMES_SIZE)
    for value in values:
        rarity(extremes, 0, value, 1e9)
    highest = max(values)
    for factor in (1.5, 10.0, 1e6):
        found = rarity(extremes.copy(), 0, factor * highest, 1e9)
        assert found == pytest.approx(naive_hill(values, factor * highest))
    assert rarity(extremes.copy(), 0, 1e300, 1e9) >= 1e-12


def test_rarity_of_ordinary_values_falls_with_the_value() -> None:
    extremes = np.zeros(EXTREMES_SIZE)
    for value in range(1, 301):
        rarity(extremes, 0, float(value), 1e9)
    found = [rarity(extremes.copy(), 0, value, 1e9) for value in (0.0, 50.0, 150.0, 172.9, 174.0, 250.0, 300.0)]
    assert found[0] == 1.0
    assert np.all(np.diff(found) < 0)
    assert found[-2] == pytest.approx(52 / 301)


def test_rarity_forgets_half_after_two_horizons() -> None:
    extremes = np.zeros(EXTREMES_SIZE)
    for value in range(200):
        rarity(extremes, 0, float(value), 100.0)
    assert extremes[0] == 100.0
    assert extremes[COUNT] == KEPT // 2
    assert np.all(np.diff(extremes[2 : 2 + KEPT // 2]) > 0)
    assert extremes[2 + KEPT // 2 - 1] == 199.0


def test_rarity_of_nothing_but_zeros_is_one() -> None:
    extremes = np.zeros(EXTREMES_SIZE)
    assert {rarity(extremes, 0, 0.0, 1e9) for _ in range(200)} == {1.0}
    assert rarity(extremes, 0, 1.0, 1e9) == pytest.approx(1 / 201)  # no power law fits zeros


@short
@given(st.lists(numbers, min_size=1, max_size=150))
def test_views_are_those_of_the_last_values(values: list[float]) -> None:
    window, found = np.zeros(WINDOW_SIZE), np.zeros(7)
    for value in values:
        push(window, value)
    views(window, found)
    np.testing.assert_allclose(found, naive_views(np.array(values)), rtol=1e-9, atol=1e-6)


def test_calibration_counts_and_extrapolates() -> None:
    histogram = np.zeros(HISTOGRAM_SIZE)
    assert tail_probability(histogram, 50.0) == 1.0
    for k in range(1000):
        add_count(histogram, 10.0 + 0.02 * k, 1.0, 1e9)
    assert tail_probability(histogram, 0.5) == 1.0
    assert tail_probability(histogram, 20.0) == pytest.approx(0.5, abs=0.01)
    assert tail_probability(histogram, 29.0) == pytest.approx(0.05, abs=0.01)
    beyond = [tail_probability(histogram, place) for place in (30.5, 40.0, 60.0, N_BINS - 1e-6)]
    assert beyond[0] < 10 / 1001
    assert np.all(np.diff(beyond) < 0) or beyond[-1] == 1e-12
    assert min(beyond) >= 1e-12


def test_calibration_forgets_half_after_two_horizons() -> None:
    histogram = np.zeros(HISTOGRAM_SIZE)
    for _ in range(200):
        add_count(histogram, 3.5, 1.0, 100.0)
    assert histogram[TOTAL] == 100.0
    assert histogram[3] == 100.0
    assert histogram[:N_BINS].sum() == histogram[N_BINS:TOTAL].sum() == 100.0


@short
@given(st.lists(st.floats(0, 12).map(lambda x: round(x, 1)), min_size=1, max_size=80), st.integers(1, 30))
def test_onset_is_evidence_above_the_rest_of_the_episode(evidence: list[float], episode: int) -> None:
    joint, integers = np.zeros(at.JOINT_SIZE), np.zeros(at.N_INTEGERS, dtype=np.int64)
    integers[at.I_EPISODE] = episode
    found = []
    for row, value in enumerate(evidence):
        integers[at.I_ROWS] = row
        highest = kernel._recent_highest(joint, integers, value)
        found.append(value if value > highest else 0.0)
    assert found == naive_onset(evidence, episode)


def test_a_full_queue_of_falling_evidence_still_answers() -> None:
    joint, integers = np.zeros(at.JOINT_SIZE), np.zeros(at.N_INTEGERS, dtype=np.int64)
    integers[at.I_EPISODE] = at.MAX_EPISODE
    for row in range(at.MAX_EPISODE + 5):
        integers[at.I_ROWS] = row
        kernel._recent_highest(joint, integers, 5000.0 - row)
    assert integers[at.I_HELD] == at.MAX_EPISODE
    integers[at.I_ROWS] = at.MAX_EPISODE + 5
    assert kernel._recent_highest(joint, integers, 0.0) == 5000.0 - 5


def test_slot_median_is_that_of_the_last_seven_visits() -> None:
    row, work = np.zeros(VISITS_SIZE + 5), np.zeros(N_VISITS)
    row[5 + SLOT] = -1.0
    assert math.isnan(slot_median(row, 5, 3, work))
    days = np.random.default_rng(0).normal(size=(10, 2))
    for number, day in enumerate(days, start=1):
        for value in day:  # two values in one visit count as their mean
            visit(row, 5, 3, value, N_SLOTS, N_VISITS)
        visit(row, 5, 4, 0.0, N_SLOTS, N_VISITS)
        expected = np.median(days[max(0, number - 7) : number].mean(axis=1))
        assert slot_median(row, 5, 3, work) == pytest.approx(expected)


def test_local_time_follows_the_changes() -> None:
    zone = np.array([[0, 100, 200], [1, 2, 3]], dtype=np.int64)
    assert [kernel._local_time(t, zone) - t for t in (-50, 0, 99, 100, 199, 200, 10**6)] == [1, 1, 1, 2, 2, 3, 3]


def test_counter_increase_and_restart() -> None:
    row, integers = np.zeros(at.METRIC_SIZE), np.zeros(at.N_INTEGERS, dtype=np.int64)
    row[at.M_COUNTER] = 1.0
    assert math.isnan(metric.increase(row, 100.0, 10.0, integers))
    assert metric.increase(row, 160.0, 40.0, integers) == 2.0
    assert metric.increase(row, 30.0, 50.0, integers) == 3.0
    assert integers[at.I_RESETS] == 1


def test_strength_is_continuous_and_falls() -> None:
    ps = np.array([1e-12, 1e-3, 0.0999999, 0.1, 0.5, 1.0])
    found = [metric.strength(p) for p in ps]
    assert np.all(np.diff(found) < 0)
    assert found[2] == pytest.approx(found[3], abs=1e-5)
    assert found[-1] == 0.0


@short
@given(st.lists(st.floats(-1e9, 1e9), min_size=7, max_size=7))
def test_the_median_of_seven(values: list[float]) -> None:
    assert median_of_seven(np.array([0.0, *values]), 1) == np.median(values)


def fresh(history: np.ndarray, episode: int, horizon: float) -> dict[str, np.ndarray]:
    """State arrays for metrics with this history (n_rows, n_metrics); the last metric counts up."""
    integers = np.zeros(at.N_INTEGERS, dtype=np.int64)
    integers[at.I_STEP], integers[at.I_EPISODE] = 3600 * 10**9, episode
    metrics = np.zeros((history.shape[1], at.METRIC_SIZE))
    for row, column in zip(metrics[:-1], history.T[:-1], strict=True):
        metric.start_metric(row, column[np.isfinite(column)])
    metrics[-1, at.M_COUNTER] = 1.0
    params = np.array([0.01, 2.0, 0.05, 1.0, 0.0, 0.0, horizon, 1.0, 0.95])
    gates = np.full((history.shape[1], at.N_GATES), np.nan)
    joint = np.zeros(at.JOINT_SIZE)
    joint[at.J_TOKENS] = 1.0
    return {"params": params, "gates": gates, "integers": integers, "joint": joint, "metrics": metrics}


NO_FOREST = np.zeros(0, np.uint32)
STUMP = pack_forest(  # one tree of one decision: is the first relation above 1.5?
    np.zeros(3, np.uint32), np.array([1.5, 0.0, 0.0], np.float32), np.array([1, 2, 1, 1, 2, 2], np.uint32),
    np.zeros(3, np.uint8), np.array([0.0, 8.0, 1.0]), np.zeros(1, np.int64), 8.0,
)  # fmt: skip


def test_rows_at_once_are_rows_one_by_one() -> None:
    rng = np.random.default_rng(0)
    n = 24 * 12
    hours = np.arange(n)
    values = np.column_stack([
        10 + 5 * np.sin(hours / 24 * 2 * np.pi) + rng.normal(0, 0.3, n), np.cumsum(rng.poisson(900, n)),
    ]).astype(float)  # fmt: skip
    values[150:, 0] = 10 + 5 * rng.normal(size=n - 150)  # the season ends
    values[100, 0], values[101, 0], values[120, 1] = np.nan, 1e300, 5.0
    values[200:230, 1] = np.nan
    values[240:, 0] = 500.0 + rng.normal(size=n - 240)
    times = hours * 3600 * 10**9
    times[80:] += 5 * 3600 * 10**9
    zone = np.zeros((2, 1), dtype=np.int64)
    states = [fresh(values[:60], 20, 100.0) for _ in range(2)]
    outs = [np.empty((n, at.OUT_METRICS + 2 * at.PER_METRIC)) for _ in range(2)]
    unsampled = (np.zeros((0, 4), np.float32), np.zeros((4, 4)))
    for state, out, size in zip(states, outs, (n, 1), strict=True):
        for start in range(0, n, size):
            part = slice(start, start + size)
            arguments = (times[part], values[part], out[part], zone, *state.values(), *unsampled, NO_FOREST)
            assert kernel.advance(*arguments) == len(times[part])
    np.testing.assert_array_equal(outs[0], outs[1])
    for name, array in states[0].items():
        np.testing.assert_array_equal(array, states[1][name])
    integers, out = states[0]["integers"], outs[0]
    assert integers[at.I_ROWS] == n
    assert integers[at.I_GAPS] == 1
    assert integers[at.I_RESETS] == 1
    assert integers[at.I_MISSING] == 31
    assert integers[at.I_LOG_COUNT] >= 3  # the season came and went, the second metric went and came
    assert integers[at.I_ALERTS] == out[:, at.OUT_ALERT].sum() > 0
    assert np.isfinite(out[:, : at.OUT_METRICS]).all()
    assert out[-1, at.OUT_METRICS] == pytest.approx(500, abs=3)  # a level that lasts is learnt


def test_the_sample_fills_and_a_broken_relation_is_evidence_of_its_own() -> None:
    rng = np.random.default_rng(0)
    shared = rng.normal(size=(400, 1))
    values = 10 + np.hstack([shared, shared, np.zeros((400, 1))]) + 0.2 * rng.normal(size=(400, 3))
    values[350, 0] = values[350, 1] + 2.0  # both are where they often are, but not together
    times, zone = np.arange(400) * 3600 * 10**9, np.zeros((2, 1), dtype=np.int64)
    state = fresh(values[:60], 20, 1000.0)
    state["metrics"][-1, at.M_COUNTER] = 0.0
    metric.start_metric(state["metrics"][-1], values[:60, -1].copy())
    state["integers"][at.I_STRIDE] = 2
    sample, out = np.zeros((100, 6), np.float32), np.empty((400, at.OUT_METRICS + 3 * at.PER_METRIC))
    done = kernel.advance(times, values, out, zone, *state.values(), sample, np.zeros((6, 5)), NO_FOREST)
    assert done == 200  # every other row
    assert state["integers"][at.I_SAMPLED] == 100
    assert (out[:200, at.OUT_METRICS + at.C_RELATION] == 0).all()
    relations = learn_relations(sample)
    state["integers"][at.I_SAMPLED] = 0
    rest = (times[200:], values[200:], out[200:], zone, *state.values(), sample, relations, STUMP)
    state["integers"][at.I_CHANGED] = 1
    assert kernel.advance(*rest) == 200
    assert out[200:, at.OUT_REPRUNED].sum() == 1  # the first row after a forest was grown says what changed
    causes = out[350, at.OUT_METRICS :].reshape(3, -1)[:, at.C_RELATION]
    assert causes[:2].min() > 1.5 * causes[2]  # of two that no longer agree either may be the one
    assert out[350, at.OUT_SCORE] < -1
    assert out[200:350, at.OUT_METRICS + at.C_RELATION].mean() < 0.5 * causes[0]


def test_relations_are_residuals_of_regressions_on_the_others() -> None:
    rng = np.random.default_rng(1)
    mixed = rng.normal(size=(300, 8)) @ rng.normal(size=(8, 8))
    mixed[:, 5] = 7.0  # one that never moves
    mixed[3, 2] = np.nan
    sample = mixed.astype(np.float32)
    relations = learn_relations(sample)
    expected = naive_unexplained(sample.astype(float))
    np.testing.assert_allclose(unexplained_rows(sample, relations), expected, rtol=1e-6, atol=1e-9)
    residual = np.array(naive_regression_residual(sample.astype(float), 1))
    correlation = np.corrcoef(unexplained_rows(sample, relations)[:, 1], residual)[0, 1]
    assert correlation > 0.999
    empty = learn_relations(np.full((10, 4), np.nan, np.float32))
    assert (unexplained_rows(np.full((3, 4), np.nan, np.float32), empty) == 0).all()


def test_half_a_sample_is_every_other_row_or_the_newer_ones() -> None:
    sample = np.arange(12, dtype=np.float32).reshape(6, 2)
    halve_sample(sample, True)
    assert sample[:3, 0].tolist() == [2, 6, 10]
    sample = np.arange(12, dtype=np.float32).reshape(6, 2)
    halve_sample(sample, False)
    assert sample[:3, 0].tolist() == [6, 8, 10]


def test_week_median_is_that_of_the_last_three_visits_from_the_second_on() -> None:
    row = np.zeros(WEEK_SIZE + 5)
    row[5 + SLOT] = -1.0
    weeks = np.random.default_rng(0).normal(size=(9, 2))
    for number, week in enumerate(weeks, start=1):
        for value in week:
            visit(row, 5, 100, value, N_HOURS, N_WEEKS)
        visit(row, 5, 101, 0.0, N_HOURS, N_WEEKS)
        expected = np.median(weeks[max(0, number - 3) : number].mean(axis=1)) if number > 1 else np.nan
        np.testing.assert_allclose(week_median(row, 5, 100), expected)


def test_fleet_kernel_keeps_the_series_apart() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(size=(60, 3))
    values[50] = [np.nan, 30.0, values[50, 2]]
    values[:, 2] = 7.0
    states, out = np.zeros((3, FLEET_SIZE)), np.empty((3, 2))
    scores = []
    for row in values:
        advance_fleet(row, states, 100.0, 0.9, out)
        scores.append(out.copy())
    found = np.array(scores)
    assert np.isfinite(found).all()
    assert found[50, 1, 1] < 1e-4
    assert found[50, 0, 1] == 1.0
    assert found[51, 1, 0] == pytest.approx(0.9 * found[50, 1, 0], rel=0.5)
    assert (found[1:, 2] == [0.0, 1.0]).all()
    advance_fleet(np.array([0.0, 0.0, 8.0]), states, 100.0, 0.9, out)
    assert out[2, 1] <= 1e-12  # a constant that changes
