"""The window join against its naive twin."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.naive_window_join import naive_nearest

from tsprune.detection.kernels import window_join
from tsprune.detection.kernels.window_join import nearest_windows, window_moments


def _join(a, b, width, floors, *, usable=None, parts=None, shift=0, exclusion=0):
    n_a, n_b = a.size - width + 1, b.size - width + 1
    usable = np.ones(n_a, dtype=bool) if usable is None else usable
    parts = np.array([[0, n_a]]) if parts is None else np.array(parts)
    distance = np.full((len(parts), 2, n_b), np.inf, dtype=np.float32)
    index = np.full((len(parts), 2, n_b), -1, dtype=np.int32)
    moments = window_moments(a, width), window_moments(b, width)
    nearest_windows(a, b, width, *moments, np.array(floors), usable, parts, shift, exclusion, distance, index)
    return distance, index


def _series(seed, n):
    y = np.random.default_rng(seed).normal(size=n).cumsum()
    return (y - np.median(y)) / np.ptp(y)


def _same_distance(index, a, b, width, floor, distance):
    """The place found is as near as the nearest, ties and rounding apart."""
    for j, i in enumerate(index):
        if i >= 0:
            one, _ = naive_nearest(a[i : i + width], b[j : j + width], width, floor, [True], 0, 0)
            assert one[0] == pytest.approx(distance[j], abs=1e-4)


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 9999), st.integers(4, 20), st.integers(-30, 60), st.sampled_from([0, 1, 8, 200]))
def test_join_equals_its_twin(seed, width, shift, exclusion):
    a, b = _series(seed, 70), _series(seed + 1, 55)
    usable = np.random.default_rng(seed).random(a.size - width + 1) < 0.8
    floors = (1e-3, 3.0)
    distance, index = _join(a, b, width, floors, usable=usable, shift=shift, exclusion=exclusion)
    for k, floor in enumerate(floors):
        expected, _ = naive_nearest(a, b, width, floor, usable, shift, exclusion)
        np.testing.assert_allclose(distance[0, k], expected, atol=1e-4)
        _same_distance(index[0, k], a, b, width, floor, expected)


@pytest.mark.parametrize("parts", [[(0, 20), (20, 45)], [(3, 10), (30, 41)]], ids=["touching", "apart"])
def test_parts_are_joins_of_their_own(parts):
    a, b, width = _series(0, 54), _series(1, 40), 10
    distance, _ = _join(a, b, width, (0.01, 1.0), parts=parts, shift=5, exclusion=4)
    for p, (start, stop) in enumerate(parts):
        usable = np.zeros(45, dtype=bool)
        usable[start:stop] = True
        expected, _ = naive_nearest(a, b, width, 0.01, usable, 5, 4)
        np.testing.assert_allclose(distance[p, 0], expected, atol=1e-4)


def test_tiles_do_not_show():
    """A join over several tiles equals joins of its pieces."""
    a, b, width = _series(3, 300), _series(4, 2 * window_join._TILE + 100), 16
    whole, _ = _join(a, b, width, (0.01, 1.0))
    for start in (0, 500, window_join._TILE - 7, 2 * window_join._TILE - 20):
        piece, _ = _join(a, b[start : start + 100], width, (0.01, 1.0))
        np.testing.assert_allclose(whole[0, :, start : start + 85], piece[0], atol=1e-4)


def test_a_spike_leaves_no_error_behind():
    a, b = _series(5, 400), _series(6, 400)
    a[100] = 4.0  # as far as values are let through
    distance, _ = _join(a, b, 20, (1e-3, 1.0))
    expected, _ = naive_nearest(a, b, 20, 1e-3, np.ones(381, dtype=bool), 0, 0)
    np.testing.assert_allclose(distance[0, 0], expected, atol=2e-3)


def test_moments_follow_the_windows():
    y = _series(2, 60)
    mean, variance, _, _ = window_moments(y, 9)
    windows = np.lib.stride_tricks.sliding_window_view(y, 9)
    np.testing.assert_allclose(mean, windows.mean(axis=1), atol=1e-12)
    np.testing.assert_allclose(variance, windows.var(axis=1), atol=1e-12)
