"""Output containers that scikit-learn's `set_output` asks for."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

from tsprune import ComponentPruner, NoisePruner, SeasonalPruner, SeriesCleaner, TrendPruner

ROWS = np.arange(240)
VALUES = 10.0 + np.sin(2.0 * np.pi * ROWS / 24) + 0.1 * np.random.default_rng(0).normal(size=240)


@pytest.mark.parametrize("output", ["polars", "pandas"])
@pytest.mark.parametrize(
    "transformer",
    [ComponentPruner(), NoisePruner(), SeasonalPruner(period=24), SeriesCleaner(period=24), TrendPruner()],
    ids=lambda transformer: type(transformer).__name__,
)
@pytest.mark.parametrize("given", [pd.Series(VALUES, name="a"), pl.Series("a", VALUES), pd.DataFrame({"a": VALUES})])
def test_frames_of_the_kind_asked_for(transformer: Any, output: str, given: Any) -> None:
    plain = np.asarray(transformer.set_output(transform="default").fit_transform(VALUES[:, None]))
    frame = transformer.set_output(transform=output).fit_transform(given)
    assert type(frame) is (pl.DataFrame if output == "polars" else pd.DataFrame)
    np.testing.assert_allclose(frame.to_numpy(), plain, rtol=1e-12)


@pytest.mark.parametrize("unit", [1e-300, 1e-310])
def test_a_series_too_small_to_square_is_left_alone(unit: float) -> None:
    x = VALUES * unit
    x[100] = 3.0 * x[100]
    np.testing.assert_array_equal(SeriesCleaner(period=24).fit_transform(x), x)
