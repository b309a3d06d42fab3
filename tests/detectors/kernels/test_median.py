"""The median kernel gives the bits of numpy's."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from detectors.kernels.median import median

VALUES = st.floats(width=64, allow_nan=False, allow_infinity=False, min_value=-1e300, max_value=1e300)


@given(arrays(np.float64, st.integers(1, 60), elements=VALUES | st.sampled_from([0.0, 1.0, 2.0])))
def test_it_is_numpys(values: NDArray[np.float64]) -> None:
    before = values.copy()
    assert median(values) == np.median(values)
    np.testing.assert_array_equal(values, before)


def test_it_is_numpys_on_shapes_that_are_hard_to_select_from() -> None:
    rng = np.random.default_rng(0)
    for n in (2, 3, 64, 1001, 5000):
        rising = np.arange(float(n))
        for values in (rising, rising[::-1].copy(), np.minimum(rising, rising[::-1]), np.ones(n), rng.normal(size=n),
                       rng.integers(0, 3, n).astype(float), rising % 7):  # fmt: skip
            assert median(values) == np.median(values)


def test_missing_values_count_as_the_largest() -> None:
    assert np.isnan(median(np.empty(0)))
    assert np.isnan(median(np.array([np.nan, np.nan, 1.0])))
    assert median(np.array([3.0, np.nan, 1.0])) == 3.0
    assert np.isnan(median(np.array([np.nan, 1.0])))
