"""Kernels that count no references, with and without the compiler's option for it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from detectors.kernels import leaf as module


def total_of_part(values: NDArray[np.float64], first: int) -> float:
    total = 0.0
    for value in values[first:]:
        total += value
    return total


def without_option(**options: Any) -> Any:
    """Stand for a numba that does not know the option."""
    if "_nrt" in options:
        raise KeyError("Unrecognized options")
    return lambda function: function


@pytest.mark.parametrize("is_known", [True, False])
def test_a_kernel_answers_whether_the_compiler_knows_the_option_or_not(
    is_known: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not is_known:
        monkeypatch.setattr(module, "njit", without_option)
    kernel = module.leaf(total_of_part)
    assert kernel(np.arange(5.0), 2) == 9.0
