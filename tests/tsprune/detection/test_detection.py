"""SeriesDetector: the chain, its containers, its errors."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.base import clone
from sklearn.neighbors import LocalOutlierFactor

from tsprune import SeriesDetector
from tsprune.exceptions import InvalidParameterError, InvalidSeriesError, TimeIndexError


def _wave(n=600, seed=0, start=0):
    rng = np.random.default_rng(seed)
    return np.sin((start + np.arange(n)) * 2 * np.pi / 24) + 0.1 * rng.normal(size=n)


def _with_burst(n=600, seed=0):
    y = _wave(n, seed)
    y[300:312] += 2.0
    return y


@pytest.fixture(scope="module")
def fitted():
    return SeriesDetector(random_state=0).fit(_with_burst())


def test_finds_a_burst_and_removes_the_season(fitted):
    assert fitted.periods_ == (24,)
    assert 300 <= fitted.score_samples(_with_burst()).argmin() < 312
    assert "y season 24" in fitted.report_.removed


def test_an_anomaly_in_training_does_not_raise_the_threshold_over_itself():
    y = _with_burst(3000)
    labels = SeriesDetector(random_state=0).fit_predict(y)
    assert (labels[302:310] == -1).all()
    assert (labels < 0).sum() < 100


def test_labels_agree_with_the_decision(fitted):
    y = _with_burst()
    decision = fitted.decision_function(y)
    np.testing.assert_array_equal(fitted.predict(y), np.where(decision < 0, -1, 1))
    share = SeriesDetector(contamination=0.02, random_state=0).fit(y)
    np.testing.assert_array_equal(share.decision_function(y), share.score_samples(y) - share.offset_)


def test_same_input_same_output():
    y = _with_burst()
    a, b = (SeriesDetector(random_state=3).fit(y).score_samples(y) for _ in range(2))
    np.testing.assert_array_equal(a, b)


def test_fit_predict_equals_both(fitted):
    y = _with_burst()
    np.testing.assert_array_equal(clone(fitted).fit_predict(y), fitted.predict(y))


@pytest.mark.parametrize("make", [pd.Series, pl.Series, lambda y: pd.DataFrame({"y": y}), lambda y: y.tolist()])
def test_containers_give_the_same_scores(make, fitted):
    y = _with_burst()
    np.testing.assert_array_equal(SeriesDetector(random_state=0).fit(make(y)).score_samples(make(y)),
                                  fitted.score_samples(y))  # fmt: skip


def test_later_times_continue_the_season():
    train, test = _wave(600), _wave(200, seed=1, start=600)
    test[100:110] -= 2.0
    detector = SeriesDetector(random_state=0).fit(train)
    scores = detector.score_samples(test, time=np.arange(600, 800))
    assert 100 <= scores.argmin() < 110
    assert detector.predict(test, time=np.arange(600, 800))[105] == -1


def test_values_that_differ_without_times_are_an_error():
    detector = SeriesDetector(random_state=0).fit(_wave(600))
    with pytest.raises(TimeIndexError, match="pass `time=`"):
        detector.score_samples(_wave(200, seed=1))


def test_earlier_times_are_an_error():
    index = pd.date_range("2024-01-01", periods=300, freq="h")
    detector = SeriesDetector(random_state=0).fit(pd.Series(_wave(300), index))
    with pytest.raises(TimeIndexError, match="earlier"):
        detector.score_samples(pd.Series(_wave(300), index - pd.Timedelta("1D")))
    with pytest.raises(TimeIndexError, match="kind"):
        detector.score_samples(_wave(300), time=np.arange(300))


def test_several_series_are_judged_jointly():
    rng = np.random.default_rng(0)
    first = rng.normal(size=800)
    frame = pd.DataFrame({"a": first, "b": first + 0.05 * rng.normal(size=800), "c": rng.normal(size=800)})
    frame.loc[500:520, "b"] *= -1.0  # b stays in its range, its relation to a breaks
    detector = SeriesDetector(random_state=0).fit(frame)
    assert 495 <= detector.score_samples(frame).argmin() <= 525
    explained = detector.explain(frame)
    assert explained.shape == frame.shape
    assert (explained.to_numpy() >= 0).all()
    assert explained.iloc[505:515].sum().idxmax() in ("a", "b")


def test_columns_must_be_the_fitted_ones():
    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(60, 2)), columns=["a", "b"])
    detector = SeriesDetector(random_state=0).fit(frame)
    with pytest.raises(InvalidSeriesError, match="columns"):
        detector.score_samples(frame[["b", "a"]])
    with pytest.raises(InvalidSeriesError, match="expecting 2 features"):
        detector.score_samples(frame["a"])


def test_a_detector_of_the_caller_is_what_scores():
    y = _with_burst()
    detector = SeriesDetector(LocalOutlierFactor(novelty=True), smoothing=None).fit(y)
    assert type(detector.detector_).__name__ == "PrunedDetector"
    rows = detector.embedding_.transform(detector.seasons_.remove(y[:, None] / detector._unit, np.arange(600)))
    engine = detector.detector_.detector_
    expected = engine.score_samples(rows[:, detector.support_])
    np.testing.assert_allclose(np.corrcoef(detector.score_samples(y), expected)[0, 1], 1.0)


def test_missing_values_are_no_evidence():
    y = _with_burst()
    y[100:130] = np.nan
    scores = SeriesDetector(random_state=0).fit(y).score_samples(y)
    assert np.isfinite(scores).all()
    assert 300 <= scores.argmin() < 312


def test_a_constant_series_that_moves_is_found():
    rng = np.random.default_rng(0)
    train = pd.DataFrame({"a": rng.normal(size=500), "b": np.full(500, 2.0)})
    test = pd.DataFrame({"a": rng.normal(size=100), "b": np.full(100, 2.0)}, index=pd.RangeIndex(500, 600))
    test.loc[550:555, "b"] = 2.001
    detector = SeriesDetector(random_state=0).fit(train)
    assert 45 <= detector.score_samples(test).argmin() <= 60
    assert (detector.explain(test).loc[550:555].idxmax(axis=1) == "b").all()


def test_bad_parameters_and_series():
    with pytest.raises(InvalidParameterError, match="window"):
        SeriesDetector(window=1).fit(_wave())
    with pytest.raises(InvalidSeriesError, match="at least 8"):
        SeriesDetector().fit(_wave(7))
    with pytest.raises(InvalidSeriesError, match="y is not used"):
        SeriesDetector().fit(_wave(50), np.arange(50))


def test_one_row_after_training_uses_the_rows_before_it():
    fitted = SeriesDetector(random_state=0).fit(_wave(600))
    calm = fitted.score_samples([np.sin(600 * 2 * np.pi / 24)], time=[600])
    wild = fitted.score_samples([9.0], time=[600])
    assert calm.shape == (1,)
    assert wild[0] < fitted.offset_ < calm[0]


@pytest.mark.parametrize("factor", [1e-300, 1e-150, 1e150, 1e300])
def test_very_small_and_large_units_change_nothing(factor):
    y = _with_burst(300)
    y[150:160] += 3.0
    scores = SeriesDetector(random_state=0).fit(y * factor).score_samples(y * factor)
    assert 145 <= scores.argmin() <= 165


def test_one_wild_value_does_not_drown_the_rows_after_it():
    train, test = _wave(600), _wave(300, seed=1, start=600)
    plain = SeriesDetector(random_state=0).fit(train)
    time = np.arange(600, 900)
    calm = plain.score_samples(test, time=time)
    test[10] = 1e200
    wild = plain.score_samples(test, time=time)
    assert wild.argmin() in range(5, 16)
    np.testing.assert_allclose(wild[250:], calm[250:], atol=1e-3)  # shapes are compared in single precision


@pytest.mark.parametrize("y", [np.ones(100), np.arange(100) % 2, np.r_[np.zeros(50), 1, np.zeros(50)]])
def test_degenerate_series_get_finite_scores(y):
    assert np.isfinite(SeriesDetector(random_state=0).fit(y).score_samples(y)).all()


def test_a_time_column_gives_the_times():
    frame = pl.DataFrame({"t": pd.date_range("2024-01-01", periods=200, freq="h"), "y": _wave(200)})
    detector = SeriesDetector(random_state=0, time_column="t").fit(frame)
    assert detector.explain(frame).shape[0] == detector.score_samples(frame).size == 200
    later = pd.Series([0.0], pd.DatetimeIndex(["2024-01-09 08:00"]))
    assert detector.score_samples(later).shape == (1,)


@pytest.mark.parametrize("options", [{"smoothing": None}, {"smoothing": 16}, {"window": 10}, {"period": [12, 24]},
                                     {"period": None}, {"contamination": 0.05}, {"energy": False}])  # fmt: skip
def test_every_option_is_built(options):
    y = _with_burst()
    detector = SeriesDetector(random_state=0, **options).fit(y)
    scores = detector.score_samples(y)
    assert 295 <= scores.argmin() <= 317
    if "contamination" in options:
        assert abs((detector.predict(y) < 0).mean() - 0.05) < 0.01


def test_pyod_detectors_keep_the_sign():
    from pyod.models.hbos import HBOS

    y = _with_burst()
    assert 290 <= SeriesDetector(HBOS()).fit(y).score_samples(y).argmin() < 322


def test_energy_joins_a_detector_on_request():
    y = _with_burst()
    alone, joined = (SeriesDetector(LocalOutlierFactor(novelty=True), energy=e).fit(y) for e in ("auto", True))
    assert alone.energy_ is None
    assert joined.energy_ is not None
    assert (alone.score_samples(y) != joined.score_samples(y)).any()


def test_irregular_stamps_and_gaps_are_taken():
    index = pd.date_range("2024-01-01", periods=600, freq="h") + pd.to_timedelta(
        (np.arange(600) % 7 == 3) * 5, unit="m"
    )
    series = pd.Series(_with_burst(), index).drop(index[100:120])
    detector = SeriesDetector(random_state=0).fit(series)
    assert detector.periods_ == (24,)
    assert 275 <= detector.score_samples(series).argmin() <= 295


@pytest.mark.parametrize("size", [50.0, 200.0, 10_000.0])
@pytest.mark.parametrize("seed", range(3))
def test_one_absurd_value_is_one_episode(size: float, seed: int) -> None:
    series = np.random.default_rng(seed).normal(100.0, 1.0, 1500)
    series[750] += size
    detector = SeriesDetector(random_state=0).fit(series)
    assert np.flatnonzero(detector.predict(series) < 0).tolist() == [750]
