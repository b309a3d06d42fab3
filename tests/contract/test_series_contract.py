"""What every estimator of series promises beyond scikit-learn's checks."""

from __future__ import annotations

import itertools
import pickle
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from contract.subjects import (
    SERIES_CLEANERS,
    SERIES_DETECTORS,
    SERIES_PRUNERS,
    build,
    containers,
    series,
)
from detectors.report import PruningReport
from tsprune.exceptions import InvalidSeriesError, TimeIndexError

PRUNERS = sorted(SERIES_PRUNERS)
TRANSFORMERS = sorted(SERIES_PRUNERS | SERIES_CLEANERS)
ALL = sorted(SERIES_PRUNERS | SERIES_CLEANERS | SERIES_DETECTORS)
KINDS = containers()


def result(name: str, fitted: Any, X: Any, **times: Any) -> Any:
    return fitted.score_samples(X, **times) if name in SERIES_DETECTORS else fitted.transform(X, **times)


@pytest.mark.parametrize("kind", sorted(KINDS))
@pytest.mark.parametrize("name", TRANSFORMERS)
def test_container_length_index_order_and_names_stay(name: str, kind: str) -> None:
    X = KINDS[kind](series(150, 2))
    out = build(name).fit(X).transform(X)
    assert type(out) is type(X)
    assert out.shape == X.shape
    if kind == "pandas":
        pd.testing.assert_index_equal(out.index, X.index)
    if kind != "numpy":
        assert list(out.columns) == list(X.columns)


@pytest.mark.parametrize("name", TRANSFORMERS)
def test_one_dimensional_input_comes_back_one_dimensional(name: str) -> None:
    y = series(150)
    named = pd.Series(y, index=pd.date_range("2024-01-01", periods=150, freq="h"), name="load")
    out = build(name).fit(named).transform(named)
    assert isinstance(out, pd.Series)
    assert out.name == "load"
    pd.testing.assert_index_equal(out.index, named.index)
    assert build(name).fit_transform(y).shape == (150,)
    polar = pl.Series("load", y)
    assert isinstance(build(name).fit_transform(polar), pl.Series)


@pytest.mark.parametrize("name", ALL)
def test_all_containers_give_the_same_numbers(name: str) -> None:
    X = series(150, 2)
    outs = []
    for kind in KINDS.values():
        given = kind(X)
        outs.append(np.asarray(result(name, build(name).fit(given), given)))
    assert np.array_equal(outs[0], outs[1])
    assert np.array_equal(outs[0], outs[2])


@pytest.mark.parametrize("name", ALL)
def test_input_stays_as_it_is_and_pickle_gives_the_same_bits(name: str) -> None:
    X = series(150, 2)
    X[20:23, 0] = np.nan
    before = X.copy()
    fitted = build(name).fit(X)
    out = np.asarray(result(name, fitted, X))
    np.testing.assert_array_equal(X, before)
    np.testing.assert_array_equal(np.asarray(result(name, pickle.loads(pickle.dumps(fitted)), X)), out)
    np.testing.assert_array_equal(np.asarray(result(name, build(name).fit(X), X)), out)
    assert isinstance(fitted.report_, PruningReport)


@pytest.mark.parametrize("kind", ["pandas", "polars"])
@pytest.mark.parametrize("name", ALL)
def test_reordered_and_missing_columns_are_errors(name: str, kind: str) -> None:
    X = KINDS[kind](series(150, 2))
    fitted = build(name).fit(X)
    for wrong in (X[["s1", "s0"]], X[["s0"]], X.rename({"s0": "other"} if kind == "polars" else str.upper)
                  if kind == "polars" else X.rename(columns={"s0": "other"})):  # fmt: skip
        with pytest.raises(ValueError, match=r"feature|column"):
            result(name, fitted, wrong)


@pytest.mark.parametrize("name", sorted(SERIES_PRUNERS | SERIES_DETECTORS))
def test_no_silent_phase_shift(name: str) -> None:
    """Rows without times that are not the fitted ones are an error that names the remedy; with times they are not."""
    y = series(240)
    fitted = build(name).fit(y[:200])
    with pytest.raises(TimeIndexError, match="time"):
        result(name, fitted, y[200:])
    later = result(name, fitted, y[200:], time=np.arange(200, 240))
    assert np.asarray(later).shape == (40,)
    with pytest.raises(TimeIndexError, match="earlier"):
        result(name, fitted, y[:40], time=np.arange(-40, 0))


@pytest.mark.parametrize("name", PRUNERS)
def test_inverse_is_exact_inside_and_after_the_span(name: str) -> None:
    X = series(240, 2)
    X[30:34, 1] = np.nan
    fitted = build(name).fit(X[:180])
    time = np.arange(240)
    pruned = fitted.transform(X, time=time)
    assert not np.allclose(pruned, X, equal_nan=True)
    np.testing.assert_allclose(fitted.inverse_transform(pruned, time=time), X, rtol=0, atol=1e-10)
    inside = fitted.transform(X[:180])
    np.testing.assert_allclose(fitted.inverse_transform(inside), X[:180], rtol=0, atol=1e-10)


@pytest.mark.parametrize("name", PRUNERS)
def test_new_rows_in_blocks_or_at_once_give_the_same_bits(name: str) -> None:
    X = series(240)
    X[205] = np.nan
    outs = []
    for cuts in ([180, 240], [180, 181, 205, 206, 230, 240], list(range(180, 241))):
        fitted = build(name).fit(X[:180])
        for start, stop in itertools.pairwise(cuts):
            fitted.partial_fit(X[start:stop])
        outs.append(fitted.transform(X))
    np.testing.assert_array_equal(outs[0], outs[1])
    np.testing.assert_array_equal(outs[0], outs[2])


@pytest.mark.parametrize("name", PRUNERS)
def test_no_row_sees_a_later_one(name: str) -> None:
    X = series(240)
    other = X.copy()
    other[220:] += 50.0
    fitted, blind = build(name).fit(X[:180]), build(name).fit(X[:180])
    first = fitted.partial_fit(X[180:]).transform(X)
    second = blind.partial_fit(other[180:]).transform(other)
    np.testing.assert_array_equal(first[:220], second[:220])
    time = np.arange(180, 240)
    third = build(name).fit(X[:180])
    np.testing.assert_array_equal(
        third.transform(X[180:], time=time)[:40], third.transform(other[180:], time=time)[:40]
    )


@pytest.mark.parametrize("name", TRANSFORMERS)
def test_float32_stays_float32_and_set_output_and_pipelines_work(name: str) -> None:
    X = series(150, 2)
    assert build(name).fit_transform(X.astype(np.float32)).dtype == np.float32
    frame = KINDS["pandas"](X)
    fitted = build(name).set_output(transform="polars")
    out = fitted.fit_transform(frame)
    assert isinstance(out, pl.DataFrame)
    assert list(fitted.get_feature_names_out()) == list(frame.columns)
    chain = make_pipeline(build(name), FunctionTransformer())
    np.testing.assert_array_equal(chain.fit_transform(X), build(name).fit_transform(X))


@pytest.mark.parametrize("name", ALL)
def test_time_is_metadata(name: str) -> None:
    """`time` can be requested for every method that takes it."""
    for method in ("fit", "score_samples" if name in SERIES_DETECTORS else "transform"):
        setter = f"set_{method}_request"
        assert hasattr(build(name), setter) or method == "score_samples"
    with pytest.raises(InvalidSeriesError):
        build(name).fit(np.arange(30), np.arange(30))


@pytest.mark.parametrize("name", sorted(SERIES_DETECTORS))
def test_contamination_is_the_share_of_outliers_among_the_fitted_rows(name: str) -> None:
    y = series(300)
    fitted = build(name, contamination=0.1).fit(y)
    labels = fitted.predict(y)
    assert set(labels) == {-1, 1}
    assert 20 <= (labels == -1).sum() <= 40
    assert np.array_equal(labels == -1, fitted.decision_function(y) < 0)
