"""Kernels of the cleaner against dense linear algebra and plain loops."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from reference import naive_cleaning as naive

from tsprune.cleaning.kernels.gaps import solve_gap
from tsprune.cleaning.kernels.level_blocks import level_pairs, refine_level
from tsprune.cleaning.kernels.patches import (
    best_pairs,
    best_patches,
    innovations,
    patch_fit,
    search_patches,
    step_evidence,
)
from tsprune.cleaning.kernels.running_median import running_mad, running_median
from tsprune.cleaning.kernels.seasonal_smoothing import left_out_errors, phase_medians, smooth_cycles, smooth_trend

PHI = np.array([1.0, -0.7, -0.2, 0.05])
SEEDS = st.integers(0, 10_000)


def walk(seed: int, n: int = 60) -> np.ndarray:
    return np.cumsum(np.random.default_rng(seed).normal(size=n))


def sums_of(e: np.ndarray, v: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return np.r_[0.0, np.cumsum(v * e)], np.r_[0.0, np.cumsum(v)]


@settings(deadline=None, max_examples=15)
@given(SEEDS)
def test_innovations_are_the_whitened_series(seed: int) -> None:
    a = walk(seed)
    np.testing.assert_allclose(innovations(a, PHI), naive.innovations(a, PHI), atol=1e-12)


@settings(deadline=None, max_examples=25)
@given(SEEDS, st.integers(5, 50), st.integers(1, 12))
def test_patch_fit_is_least_squares_on_the_whitened_indicator(seed: int, start: int, length: int) -> None:
    a, stop = walk(seed), min(start + length, 60)
    v = np.random.default_rng(seed + 1).uniform(0.5, 2.0, 60)
    e = innovations(a, PHI)
    xe, xx, free = patch_fit(e, v, *sums_of(e, v), np.cumsum(PHI), start, stop, 1.0)
    z, size = naive.patch_z(a, PHI, v, start, stop)
    assert xe / np.sqrt(xx) == pytest.approx(z, abs=1e-9)
    assert xe / xx == pytest.approx(size, abs=1e-9)
    assert free >= v[start] * e[start] ** 2 - 1e-9
    if stop < 60:  # two steps of any sizes explain at least what two equal and opposite ones do
        assert free >= z * z - 1e-7 * max(1.0, z * z)


@settings(deadline=None, max_examples=10)
@given(SEEDS)
def test_best_patches_find_the_best_of_all_lengths(seed: int) -> None:
    a = walk(seed, 40)
    v = np.ones(40)
    e = innovations(a, PHI)
    z, stop = np.zeros(40), np.zeros(40, np.int64)
    best_patches(e, v, np.cumsum(PHI), 0, 40, 1, 5, 1e9, 0.0, 1.0, z, stop, np.empty((5, len(e) + 1)))
    for start in range(3, 36):
        every = [naive.patch_z(a, PHI, v, start, b)[0] for b in range(start + 1, min(start + 5, 40) + 1)]
        assert abs(z[start]) == pytest.approx(max(np.abs(every)), abs=1e-9)


@settings(deadline=None, max_examples=20)
@given(SEEDS, st.integers(0, 30), st.integers(1, 40), st.sampled_from([1.0, -1.0]))
def test_best_patches_of_some_rows_are_those_of_every_pair_of_ends(seed: int, low: int, size: int, back: float) -> None:
    a = walk(seed, 40)
    v = np.random.default_rng(seed + 1).uniform(0.2, 2.0, 40)
    v[[5, 17]] = 0.0
    e, sums = innovations(a, PHI), np.cumsum(PHI)
    z, stop = np.zeros(40), np.zeros(40, np.int64)
    best_patches(e, v, sums, low, low + size, 1, 12, 4.0, 0.5, back, z, stop, np.full((5, len(e) + 1), np.nan))
    for start in range(low, min(low + size, 40)):
        best = 0.0
        for end in range(start + 1, min(start + 12, 40) + 1):
            xe, xx, free = patch_fit(e, v, *sums_of(e, v), sums, start, end, back)
            evidence = xe / np.sqrt(xx) if xx > 0.0 else 0.0
            fits = free - evidence**2 <= max(4.0, 0.1 * evidence**2) and abs(xe) >= 0.5 * xx
            if v[start] > 0.0 and fits and abs(evidence) > abs(best):
                best = evidence
        assert z[start] == pytest.approx(best, abs=1e-8)


@settings(deadline=None, max_examples=15)
@given(SEEDS, st.integers(1, 8), st.integers(0, 40))
@example(0, 3, 1)
@example(1, 5, 2)
def test_gaps_are_filled_by_generalised_least_squares(seed: int, length: int, start: int) -> None:
    a = walk(seed)
    v = np.random.default_rng(seed + 1).uniform(0.5, 2.0, 60)
    rows = np.arange(start, start + length)
    values, variances = solve_gap(a, PHI, v, rows)
    expected, spread = naive.gap(a, PHI, v, rows)
    np.testing.assert_allclose(values, expected, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(variances, spread, rtol=1e-6)


def test_search_takes_out_what_was_put_in() -> None:
    a = np.random.default_rng(0).normal(0, 0.1, 80)
    phi = np.array([1.0, -0.5])
    b = a.copy()
    b[20] += 5.0
    b[40:46] -= 3.0
    b[60], b[61] = b[60] + 4.0, b[61] - 6.0
    v = np.full(80, 100.0)
    start, stop, size, z, rest = search_patches(b, phi, v, 1, 10, 8.0, 9.0, 0.5, 7.0, 1.0, 20)
    covered = np.zeros(80, bool)
    for low, high in zip(start, stop, strict=True):
        covered[low:high] = True
    np.testing.assert_array_equal(np.flatnonzero(covered), [20, *range(40, 46), 60, 61])
    assert np.abs(rest - a).max() < 0.5
    assert (np.abs(z) > 8.0).all()
    assert size[np.flatnonzero(start == 40)[0]] == pytest.approx(-3.0, abs=0.3)


@pytest.mark.parametrize("seed", [0, 1])
def test_search_forgets_nothing_that_changed(seed: int) -> None:
    """A twin that looks at every row again after every patch takes out the same, bit by bit; rows fill two blocks."""
    rng = np.random.default_rng(seed)
    n, phi = 300, np.array([1.0, -0.4, 0.1])
    a = rng.normal(size=n)
    for first, length in zip(rng.integers(0, n, 8), rng.integers(1, 9, 8), strict=True):
        a[first : first + length] += rng.choice([-9.0, 9.0])
    a[0] += 9.0
    v = np.where(rng.uniform(size=n) < 0.05, 0.0, 1.0)
    found = search_patches(a, phi, v, 2, 8, 4.0, 9.0, 0.5, 7.0, 1.0, 40)
    sums, rest, taken, reach = np.cumsum(phi), a.copy(), np.zeros(n, bool), 2
    starts, stops, alone = [], [], []

    def settle() -> None:
        """Fit every patch within the memory of the last one again, twice, the last one first."""
        for sweep in range(2):
            for k in range(len(starts) - 1, -1, -1):
                near = starts[k] <= stops[-1] + 3 and stops[k] + 3 >= starts[-1]
                if not alone[k] or not near or (sweep == 0 and k == len(starts) - 1):
                    continue
                x = np.zeros(n)
                x[starts[k] : stops[k]] = 1.0
                effect = np.where(np.arange(n) >= starts[k], np.convolve(x, phi)[:n], 0.0)
                e = innovations(rest, phi)
                rest[starts[k] : stops[k]] -= (v * effect * e).sum() / (v * effect * effect).sum()

    while True:
        e = innovations(rest, phi)
        z, stop, pair_z, pair = np.zeros(n), np.zeros(n, np.int64), np.zeros(n), np.zeros((n, 2))
        best_patches(e, v, sums, 0, n, 2, reach, 9.0, 0.5, 1.0, z, stop, np.empty((5, n + 1)))
        best_pairs(e, v, phi, sums, 0, n, 9.0, 0.5, 7.0, pair_z, pair)
        z[taken], pair_z[taken] = 0.0, 0.0
        row, double = int(np.abs(z).argmax()), int(pair_z.argmax())
        if max(abs(z[row]), pair_z[double]) <= 4.0:
            if reach == 8:
                break
            reach = 8
            continue
        if pair_z[double] > abs(z[row]):
            rest[double : double + 2] -= pair[double]
            taken[double : double + 2] = True
            starts.append(double)
            stops.append(double + 2)
            alone.append(False)
            settle()
            continue
        taken[row] = True
        x = np.array([sums[min(t - row, 2)] - (sums[min(t - stop[row], 2)] if t >= stop[row] else 0.0) for t in
                      range(row, min(stop[row] + 2, n))])  # fmt: skip
        rest[row : stop[row]] -= z[row] / np.sqrt((v[row : row + x.size] * x * x).sum())
        starts.append(row)
        stops.append(int(stop[row]))
        alone.append(True)
        settle()
    assert found[0].tolist() == starts
    assert found[1].tolist() == stops
    np.testing.assert_allclose(found[4], rest, atol=1e-12)
    assert len(starts) > 5


def test_search_stops_at_the_limit_and_leaves_a_lasting_step_alone() -> None:
    a = np.random.default_rng(1).normal(0, 0.1, 60)
    b = a.copy()
    b[::10] += 9.0
    start = search_patches(b, np.array([1.0, -0.5]), np.full(60, 100.0), 1, 4, 6.0, 9.0, 0.0, 7.0, 1.0, 2)[0]
    assert start.size == 2
    level = np.cumsum(a)
    level[30:] += 20.0
    found = search_patches(level, np.array([1.0, -1.0]), np.full(60, 100.0), 1, 8, 6.0, 9.0, 0.0, 7.0, 1.0, 20)
    assert found[0].size == 0


def test_control_search_finds_double_steps() -> None:
    a = np.cumsum(np.random.default_rng(2).normal(0, 0.1, 60))
    a[20:] += 5.0
    a[24:] += 5.0
    start, stop, size, _, _ = search_patches(
        a, np.array([1.0, -1.0]), np.full(60, 100.0), 1, 8, 6.0, 9.0, 0.0, 7.0, -1.0, 4
    )
    assert (20, 24) in list(zip(start.tolist(), stop.tolist(), strict=True))
    assert size[0] == pytest.approx(5.0, abs=0.5)


def test_temporary_level_between_its_edges() -> None:
    a = np.cumsum(np.random.default_rng(3).normal(0, 0.1, 90))
    a[30:60] += 4.0
    phi = np.array([1.0, -1.0])
    v, e = np.full(90, 100.0), innovations(a, phi)
    z = step_evidence(e, v, np.cumsum(phi))
    edges = np.flatnonzero(np.abs(z) > 4.0)
    pairs, found = level_pairs(e, v, np.cumsum(phi), edges, z, 8, 45, 0.0)
    assert pairs.tolist() == [[30, 60]]
    assert found[0] == pytest.approx(naive.patch_z(a, phi, v, 30, 60)[0])
    assert level_pairs(e, v, np.cumsum(phi), edges, z, 40, 45, 0.0)[0].shape == (0, 2)  # too short
    assert level_pairs(e, v, np.cumsum(phi), edges, z, 8, 45, 9.0)[0].shape == (0, 2)  # too small


@settings(deadline=None, max_examples=10)
@given(SEEDS)
def test_refined_ends_are_the_best_nearby(seed: int) -> None:
    a, v = walk(seed), np.random.default_rng(seed + 1).uniform(0.5, 2.0, 60)
    a[22:41] += 6.0
    start, stop, size, z, free = refine_level(innovations(a, PHI), v, np.cumsum(PHI), 23, 40, 2)
    tried = {(s, t): naive.patch_z(a, PHI, v, s, t) for s in range(21, 26) for t in range(38, 43)}
    best = max(tried, key=lambda rows: abs(tried[rows][0]))
    assert (start, stop) == best
    assert (z, size) == pytest.approx(tried[best])
    assert free >= z * z - 1e-9


@settings(deadline=None, max_examples=25)
@given(SEEDS, st.integers(1, 30), st.integers(0, 8))
def test_running_medians(seed: int, n: int, half_window: int) -> None:
    rng = np.random.default_rng(seed)
    x = np.round(rng.normal(size=n), 1)
    x[rng.random(n) < 0.2] = np.nan
    np.testing.assert_allclose(running_median(x, half_window), naive.running_median(x, half_window))
    np.testing.assert_allclose(running_mad(x, half_window), naive.running_mad(x, half_window), atol=1e-12)


@settings(deadline=None, max_examples=25)
@given(SEEDS, st.integers(2, 40), st.integers(1, 7))
def test_phases(seed: int, n: int, period: int) -> None:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    x[rng.random(n) < 0.2] = np.nan
    np.testing.assert_allclose(phase_medians(x, period), naive.phase_medians(x, period))
    np.testing.assert_allclose(left_out_errors(x, period), naive.left_out_errors(x, period), atol=1e-12)


def test_smoothers_are_local_regressions() -> None:
    rng = np.random.default_rng(4)
    x, w = rng.normal(size=50), rng.uniform(0.5, 1.0, 50)
    trend, cycles = smooth_trend(x, w, 6), smooth_cycles(x, w, 7, 2)
    for t in (0, 1, 20, 48, 49):
        assert trend[t] == pytest.approx(naive.local_line(x, w, t, 6), abs=1e-9)
        assert cycles[t] == pytest.approx(naive.cycle_mean(x, w, t, 7, 2), abs=1e-9)


def test_smoothers_bridge_gaps_and_give_zero_without_weight() -> None:
    x, w = np.arange(40.0), np.ones(40)
    w[10:30] = 0.0
    np.testing.assert_allclose(smooth_trend(x, w, 3), x, atol=1e-8)
    assert (smooth_trend(x, np.zeros(40), 3) == 0.0).all()
    assert (smooth_cycles(x, np.zeros(40), 7, 2) == 0.0).all()
    assert smooth_trend(x, (x == 5.0).astype(float), 3)[6] == 5.0
    assert np.isfinite(smooth_cycles(x, w, 7, 1)).all()
