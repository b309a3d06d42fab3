"""StreamMonitor: one by one = blocks = at once, doors, causes, time as it comes."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.exceptions import InvalidParameterError
from detectors.storage.state_file import dump_state, parse_state
from tsprune.exceptions import InvalidRecordError, InvalidSeriesError, StoredStateError, TimeIndexError
from tsprune.streaming.monitor.alert_policy import AlertPolicy
from tsprune.streaming.monitor.monitor import StreamMonitor
from tsprune.streaming.monitor.reading import CAUSES, COMPONENTS, FIELDS, RANGE, Reading

STEP = pd.Timedelta("5min")


def table(n_rows: int, names: tuple[str, ...] = ("a", "b"), seed: int = 0, missing: float = 0.0) -> pd.DataFrame:
    """Daily season and noise, NaN here and there."""
    rng = np.random.default_rng(seed)
    row = np.arange(n_rows)[:, None]
    values = (
        20 + 5 * np.sin(2 * np.pi * (row / 288 + np.arange(len(names)) / 5)) + rng.normal(size=(n_rows, len(names)))
    )
    values[rng.random(values.shape) < missing] = np.nan
    index = pd.DatetimeIndex(pd.Timestamp("2024-03-01") + STEP * np.arange(n_rows), name="time")
    return pd.DataFrame(values, index=index, columns=list(names))


def rows(frame: pd.DataFrame) -> list[tuple[pd.Timestamp, dict[str, float]]]:
    return list(zip(frame.index, frame.to_dict("records"), strict=True))


def row(reading: Reading) -> dict[str, object]:
    """What one row of `update_many` says, from a reading, in the order of its columns."""
    names = [name.removesuffix(".trend") for name in reading.components if name.endswith(".trend")]
    parts = {**reading.components, **reading.ranges}
    kinds = (*COMPONENTS, *RANGE)
    shown = {field: getattr(reading, field) for field in (*FIELDS, "held_back", "incident")}
    return shown | {f"{name}.{kind}": parts[f"{name}.{kind}"] for name in names for kind in kinds}


def fields(readings: list[Reading]) -> pd.DataFrame:
    return pd.DataFrame(
        [row(r) for r in readings],
        index=pd.DatetimeIndex([r.time for r in readings], name="time"),
    )


@pytest.fixture(scope="module")
def history() -> pd.DataFrame:
    return table(700, missing=0.02)


@pytest.fixture
def monitor(history: pd.DataFrame) -> StreamMonitor:
    return StreamMonitor().prime(history)


def test_one_by_one_at_once_blocks_and_saved_are_the_same_bits(tmp_path: Path) -> None:
    frame = table(1500, missing=0.03)
    frame.iloc[1000, 0] = 90.0
    frame = frame.drop(frame.index[1100:1150])
    history, rest = frame.iloc[:700], frame.iloc[700:]
    single = StreamMonitor().prime(history)
    expected = fields([single.update(when, values) for when, values in rows(rest)])
    pd.testing.assert_frame_equal(StreamMonitor().prime(history).update_many(rest), expected, check_exact=True)
    mixed = StreamMonitor().prime(history)
    parts, start = [], 0
    for size in (1, 7, 100, 1, 250, 3, 10_000):
        block = rest.iloc[start : start + size]
        start += size
        if size == 7:
            parts.append(fields([mixed.update(when, values) for when, values in rows(block)]))
        else:
            parts.append(mixed.update_many(block))
        mixed.save(tmp_path / "state")
        mixed = StreamMonitor.load(tmp_path / "state")
    pd.testing.assert_frame_equal(pd.concat(parts), expected, check_exact=True)
    assert mixed.to_bytes() == single.to_bytes()
    assert mixed.counts_ == single.counts_
    assert single.counts_["rows"] == len(frame)
    assert single.counts_["gaps"] == 1


@settings(deadline=None, max_examples=8)
@given(st.lists(st.integers(1, 60), min_size=1, max_size=6), st.integers(0, 10**6))
def test_any_cut_gives_the_same_readings(sizes: list[int], seed: int) -> None:
    frame = table(160 + sum(sizes), ("x",), seed, missing=0.1)
    whole = StreamMonitor(episode=20).prime(frame.iloc[:160]).update_many(frame.iloc[160:])
    cut, start, parts = StreamMonitor(episode=20).prime(frame.iloc[:160]), 160, []
    for size in sizes:
        parts.append(cut.update_many(frame.iloc[start : start + size]))
        start += size
    pd.testing.assert_frame_equal(pd.concat(parts), whole, check_exact=True)


def test_readings_are_finite_and_on_their_scales(monitor: StreamMonitor) -> None:
    frame = table(1400, missing=0.02).iloc[700:]
    frame.iloc[50] = np.nan
    frame.iloc[60, 0], frame.iloc[61, 0], frame.iloc[62, 1] = 1e300, -1.7e308, 1.7e308
    found = monitor.update_many(frame)
    assert np.isfinite(found[["score", "onset", "p_value"]].to_numpy()).all()
    assert (found["score"] <= 0).all()
    assert (found["onset"] <= 0).all()
    assert found["p_value"].between(1e-12, 1).all()
    assert (found["onset"] >= found["score"] - 1e-9).all()
    assert found["is_anomaly"].dtype == found["alert"].dtype == found["repruned"].dtype == bool
    later = found.iloc[80:]
    assert np.isfinite(later[["a.trend", "a.seasonal", "b.trend", "b.seasonal"]].to_numpy()).all()
    assert later["a.trend"].between(0, 40).all()  # the monsters were not learnt


def test_components_add_up_to_the_value(monitor: StreamMonitor) -> None:
    frame = table(1000).iloc[700:]
    found = monitor.update_many(frame)
    for name in ("a", "b"):
        total = sum(found[f"{name}.{part}"] for part in COMPONENTS)
        np.testing.assert_allclose(total, frame[name], rtol=1e-12)


def test_a_spike_is_an_onset_once_and_a_state_for_a_while(monitor: StreamMonitor) -> None:
    frame = table(1000).iloc[700:]
    frame.iloc[100, 0] += 60
    found = monitor.update_many(frame)
    spike = found.iloc[100]
    assert spike["is_anomaly"]
    assert spike["alert"]
    assert spike["onset"] < -3
    assert found["onset"].idxmin() == found.index[100]
    assert (found["score"].iloc[100:130] < -2).all()
    assert (found["onset"].iloc[101:250] > spike["onset"]).all()


def test_a_value_met_before_is_not_new(monitor: StreamMonitor) -> None:
    frame = table(2000).iloc[700:]
    frame.iloc[[100, 600, 1100], 0] = 75.0
    found = monitor.update_many(frame)["onset"]
    assert found.iloc[100] < -3
    assert found.iloc[600] > found.iloc[100]
    assert found.iloc[1100] > found.iloc[100]


def test_ordinary_rows_are_seldom_anomalies() -> None:
    frame = table(6000, ("x",), seed=5)
    found = (
        StreamMonitor(AlertPolicy(false_alarm_rate=0.01, per_day=None)).prime(frame[:1000]).update_many(frame[1000:])
    )
    assert found["is_anomaly"].mean() < 0.02


def test_the_season_is_used_where_it_predicts_and_dropped_where_it_does_not() -> None:
    frame = table(288 * 9, ("x",))
    rng = np.random.default_rng(1)
    frame.iloc[288 * 5 :, 0] = 20 + 3 * rng.normal(size=288 * 4)  # the season ends
    monitor = StreamMonitor(horizon=1000).prime(frame[:600])
    found = monitor.update_many(frame[600:])
    changes = monitor.diff()
    assert list(changes["part"].unique()) == ["season"]
    assert changes["kept"].iloc[0]
    assert not changes["kept"].iloc[-1]
    assert monitor.counts_["repruned"] == len(changes)
    assert found["repruned"].sum() >= 1
    assert (found.loc[found["repruned"]].index.isin(changes["time"])).all()
    in_use = found.loc[pd.Timestamp("2024-03-05") : pd.Timestamp("2024-03-06")]
    assert in_use["x.seasonal"].std() > 2
    assert found["x.remainder"].loc["2024-03-05"].std() < 2.5
    without = StreamMonitor(season=None).prime(frame[:600]).update_many(frame[600:])
    assert (without["x.seasonal"] == 0).all()
    assert not without["repruned"].any()


def test_the_season_follows_the_clocks_on_the_wall() -> None:
    index = pd.date_range("2024-03-16", "2024-04-08", freq="15min", tz="Europe/Berlin", name="time")
    rng = np.random.default_rng(0)
    busy = (index.hour >= 8) & (index.hour < 18)
    frame = pd.DataFrame({"x": 10.0 + 20 * busy + rng.normal(0, 0.5, len(index))}, index=index)
    history, rest = frame[: 96 * 10], frame[96 * 10 :]
    day = rest.loc["2024-03-31"]
    at_eight = day.index[(day.index.hour == 8) & (day.index.minute == 0)][0]
    local = StreamMonitor(time_zone="Europe/Berlin").prime(history).update_many(rest)
    fixed = StreamMonitor().prime(history).update_many(rest)
    assert abs(local.loc[at_eight, "x.seasonal"] - fixed.loc[at_eight, "x.seasonal"]) > 10
    assert abs(local.loc[at_eight, "x.remainder"]) < abs(fixed.loc[at_eight, "x.remainder"])


def test_naive_stamps_are_utc(history: pd.DataFrame) -> None:
    zoned = history.tz_localize("UTC").tz_convert("Asia/Tokyo")
    frame = table(800).iloc[700:]
    first = StreamMonitor().prime(history).update_many(frame)
    second = StreamMonitor().prime(zoned).update_many(frame.tz_localize("UTC").tz_convert("America/New_York"))
    np.testing.assert_array_equal(first.to_numpy(dtype=float), second.to_numpy(dtype=float))


def test_late_and_duplicated_rows_are_refused_and_change_nothing(monitor: StreamMonitor, history: pd.DataFrame) -> None:
    before, last = monitor.to_bytes(), history.index[-1]
    for time, kind in ((last, "duplicate"), (last - STEP, "late"), (last - pd.Timedelta("9D"), "late")):
        with pytest.raises(InvalidRecordError, match="later than the last row") as caught:
            monitor.update(time, {"a": 1.0, "b": 1.0})
        assert caught.value.kind == kind
        with pytest.raises(InvalidRecordError, match="later than the last row"):
            monitor.update_many(table(1).set_axis(pd.DatetimeIndex([time])))
    assert monitor.to_bytes() == before
    assert monitor.last_time_ == last.value


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ({"a": "12", "b": 1.0}, "value"),
        ({"a": True, "b": "x"}, "value"),
        ({"a": [1.0], "b": 1.0}, "value"),
        ({"a": math.inf, "b": 1.0}, "infinite"),
        ({"a": 10**400, "b": 1.0}, "infinite"),
        ({"a": 1.0, "c": 1.0}, "shape"),
        ({"a": 1.0, "b": 1.0, "c": None}, "shape"),
    ],
)
def test_bad_values_are_refused_and_change_nothing(
    monitor: StreamMonitor, history: pd.DataFrame, values: dict[str, object], kind: str
) -> None:
    before = monitor.to_bytes()
    with pytest.raises(InvalidRecordError) as caught:
        monitor.update(history.index[-1] + STEP, values)
    assert caught.value.kind == kind
    assert monitor.to_bytes() == before


@pytest.mark.parametrize("values", [{}, {"a": None}, {"a": math.nan, "b": None}, {"b": pd.NA, "a": np.float32("nan")}])
def test_missing_values_are_taken_as_they_come(history: pd.DataFrame, values: dict[str, object]) -> None:
    first, second = StreamMonitor().prime(history), StreamMonitor().prime(history)
    time = history.index[-1] + STEP
    expected = first.update_many(pd.DataFrame({"a": [np.nan], "b": [np.nan]}, index=[time]))
    found = second.update(time, values)
    assert (found.score, found.onset) == (expected["score"].iloc[0], expected["onset"].iloc[0])
    assert math.isnan(found.components["a.remainder"])
    assert second.counts_["missing"] == first.counts_["missing"]


def test_odd_numbers_are_numbers(monitor: StreamMonitor, history: pd.DataFrame) -> None:
    reading = monitor.update(history.index[-1] + STEP, {"a": np.float32(20.5), "b": 10**30})
    assert reading.components["b.remainder"] > 1e29
    again = monitor.update(str(history.index[-1] + 2 * STEP), {"a": np.int64(20), "b": 20})
    assert math.isfinite(again.score)


@pytest.mark.parametrize("time", ["yesterday-ish", pd.NaT, object()])
def test_times_that_are_none_are_refused(monitor: StreamMonitor, time: object) -> None:
    with pytest.raises(InvalidRecordError) as caught:
        monitor.update(time, {"a": 1.0, "b": 1.0})
    assert caught.value.kind in ("time", "late")


def test_new_metrics_are_refused_or_adopted(history: pd.DataFrame, tmp_path: Path) -> None:
    adopting = StreamMonitor(new_metrics="adopt").prime(history)
    frame = table(1200, ("a", "b", "c")).iloc[700:]
    with pytest.raises(InvalidRecordError, match="adopt"):
        StreamMonitor().prime(history).update_many(frame)
    adopting.update(frame.index[0], {"a": 1.0, "b": 1.0, "c": 3.0})
    found = adopting.update_many(frame.iloc[1:])
    assert adopting.names_ == ("a", "b", "c")
    assert np.isfinite(found["c.remainder"]).all()
    adopting.save(tmp_path / "state")
    assert StreamMonitor.load(tmp_path / "state").names_ == ("a", "b", "c")


def test_a_metric_that_stays_away_is_left_out_and_comes_back() -> None:
    frame = table(1200)
    frame.iloc[700:1000, 1] = np.nan
    monitor = StreamMonitor(episode=50).prime(frame[:600])
    monitor.update_many(frame[600:])
    changes = monitor.diff()
    changes = changes[changes["part"] == "metric"]
    assert list(changes["metric"]) == ["b", "b"]
    assert list(changes["kept"]) == [False, True]
    assert changes["time"].iloc[0] == frame.index[749]


def test_many_metrics_a_little_off_at_once_are_an_anomaly() -> None:
    names = tuple(f"m{k}" for k in range(12))
    rng = np.random.default_rng(2)
    frame = pd.DataFrame(rng.normal(size=(1500, 12)), index=table(1500).index, columns=list(names))
    frame.iloc[1200] = 1.9 * rng.choice([-1.0, 1.0], 12)  # each of them ordinary by itself
    found = StreamMonitor().prime(frame[:800]).update_many(frame[800:])
    alone = StreamMonitor().prime(frame.iloc[:800, :1]).update_many(frame.iloc[800:, :1])
    assert found["onset"].idxmin() == frame.index[1200]
    assert found["is_anomaly"].iloc[400]
    assert not alone["is_anomaly"].iloc[400]


def broken(n: int = 2000, seed: int = 0) -> tuple[pd.DataFrame, slice]:
    """Five metrics that move together; in some rows one of them has the values of another time."""
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(n, 2)) @ rng.normal(size=(2, 5)) + 0.2 * rng.normal(size=(n, 5))
    where = slice(n - 200, n - 185)
    values[where, 1] = values[300:315, 1]
    index = pd.date_range("2024-03-01", periods=n, freq="5min", name="time")
    return pd.DataFrame(values, index=index, columns=list("abcde")), where


def test_a_relation_that_breaks_is_seen_where_every_metric_is_ordinary() -> None:
    frame, where = broken()
    monitor = StreamMonitor().prime(frame[:1000])
    found = [monitor.update(when, values) for when, values in rows(frame[1000:])]
    p_values = np.array([reading.p_value for reading in found])
    inside = np.zeros(len(found), dtype=bool)
    inside[where.start - 1000 : where.stop - 1000] = True
    assert (p_values[inside] < 0.01).mean() > 5 * (p_values[~inside] < 0.01).mean()
    worst = int(np.where(inside, p_values, 1.0).argmin())
    assert p_values[worst] < 0.002
    assert found[worst].explain()["relation"].idxmax() == "b"
    assert found[worst].explain()["relation"].sum() > 0.8
    alone = StreamMonitor().prime(frame[["b"]][:1000]).update_many(frame[["b"]][1000:])
    assert (alone["p_value"][inside] >= 0.01).all()
    changes = monitor.diff().query("part == 'relation'")
    assert set(changes["metric"]) == set("abcde")
    assert changes["time"].iloc[0] == frame.index[511]  # the first forest
    assert monitor.counts_["forests"] == 2
    assert monitor.counts_["repruned"] >= 1


def test_growing_forests_depend_on_nothing_but_the_rows(tmp_path: Path) -> None:
    frame, _ = broken(1300)
    frame.iloc[400:420, 2] = np.nan
    whole = StreamMonitor().prime(frame[:500])
    expected = whole.update_many(frame[500:])
    other = StreamMonitor().prime(frame[:500])
    parts = []
    for cut in (slice(500, 511), slice(511, 512), slice(512, 1023), slice(1023, 1300)):
        other.save(tmp_path / "state")
        other = StreamMonitor.load(tmp_path / "state")
        parts.append(other.update_many(frame[cut]))
    pd.testing.assert_frame_equal(pd.concat(parts), expected, check_exact=True, check_freq=False)
    assert expected["repruned"].iloc[12]  # the row after the first forest
    assert other.to_bytes() == whole.to_bytes()


def test_the_sample_spans_the_horizon_in_bounded_memory() -> None:
    frame, _ = broken(2600)
    monitor = StreamMonitor(horizon=1100).prime(frame)
    assert monitor.counts_["forests"] == 5  # after 512, 1024, 1536, 2048 and 2560 rows: one of two, newer half
    assert monitor._forest.sample.shape == (512, 10)


def test_metrics_that_never_move_have_no_relations() -> None:
    index = pd.date_range("2024-03-01", periods=700, freq="5min", name="time")
    monitor = StreamMonitor().prime(pd.DataFrame({"a": 1.0, "b": 2.0}, index=index))
    assert monitor.counts_["forests"] == 0
    reading = monitor.update(index[-1] + STEP, {"a": 1.0, "b": 9.0})
    assert reading.p_value < 0.01


def test_adopting_begins_the_relations_anew(tmp_path: Path) -> None:
    frame, _ = broken(1300)
    monitor = StreamMonitor(new_metrics="adopt").prime(frame[["a", "b"]][:600])
    assert monitor.counts_["forests"] == 1
    monitor.update_many(frame[["a", "b", "c"]][600:1200])
    assert monitor.counts_["forests"] == 2
    assert set(monitor.diff().query("part == 'relation'")["metric"]) == {"a", "b", "c"}
    refused = frame[["a", "b", "c", "d"]][1100:]
    with pytest.raises(InvalidRecordError, match="later"):
        monitor.update_many(refused)
    assert monitor.names_ == ("a", "b", "c")  # a refused frame adopts nothing


def test_the_season_of_the_week_is_used_where_it_predicts() -> None:
    index = pd.date_range("2024-01-01", periods=24 * 56, freq="h", name="time")
    rng = np.random.default_rng(3)
    weekend = index.day_of_week >= 5
    load = 50 + 10 * np.sin(index.hour / 24 * 2 * np.pi) * np.where(weekend, 0.2, 1.0) - 20 * weekend
    frame = pd.DataFrame({"x": load + rng.normal(0, 1, len(index))}, index=index)
    monitor = StreamMonitor().prime(frame[: 24 * 28])
    changes = monitor.diff()
    assert list(changes.loc[changes["part"] == "week", "kept"]) == [True]
    assert changes.loc[changes["part"] == "week", "time"].iloc[0] >= index[24 * 14]  # never before two weeks
    found = monitor.update_many(frame[24 * 28 :])
    by_day = found["x.seasonal"].groupby(found.index.day_of_week >= 5).mean()
    assert by_day[False] - by_day[True] == pytest.approx(20, abs=3)
    noise = pd.DataFrame({"x": 50 + 10 * np.sin(index.hour / 24 * 2 * np.pi) + rng.normal(0, 1, len(index))}, index)
    assert "week" not in set(StreamMonitor().prime(noise).diff()["part"])


def test_an_outage_is_explained_by_missing_data() -> None:
    frame = table(900)
    monitor = StreamMonitor(AlertPolicy(false_alarm_rate=0.01)).prime(frame[:700])
    monitor.update_many(frame[700:800])
    frame.iloc[800:, 0] = np.nan
    readings = [monitor.update(when, values) for when, values in rows(frame[800:820])]
    table_ = readings[5].explain()
    assert list(table_.columns) == list(CAUSES)
    assert table_.to_numpy().sum() == pytest.approx(1.0)
    assert table_.stack().idxmax() == ("a", "missing")


@pytest.mark.parametrize(("change", "cause"), [("level", "level"), ("noise", "noise variance"), ("phase", "season")])
def test_explain_names_metric_and_cause(change: str, cause: str) -> None:
    frame = table(288 * 6, ("calm", "hit"))
    rng = np.random.default_rng(3)
    start = 288 * 5 + 100
    if change == "level":
        frame.iloc[start:, 1] += 40
    elif change == "noise":
        frame.iloc[start:, 1] = 20 + rng.choice([-7.0, 7.0], len(frame) - start)
    else:
        frame.iloc[start:, 1] = 40 - frame.iloc[start:, 1]
    monitor = StreamMonitor().prime(frame[: 288 * 4])
    monitor.update_many(frame.iloc[288 * 4 : start])
    shares = pd.DataFrame(0.0, index=["calm", "hit"], columns=list(CAUSES))
    for when, values in rows(frame.iloc[start : start + 60]):
        reading = monitor.update(when, values)
        if reading.p_value < 0.01:
            shares = shares.add(reading.explain(), fill_value=0.0)
    assert shares.sum(axis=1).idxmax() == "hit"
    assert shares.loc["hit", cause] > 0


def test_counters_are_followed_as_rates_and_may_restart() -> None:
    rng = np.random.default_rng(0)
    total = np.cumsum(rng.poisson(3000, 900)).astype(float)
    total[850:] -= total[849]  # the process restarts
    index = pd.DatetimeIndex(pd.Timestamp("2024-01-01") + STEP * np.arange(900), name="time")
    frame = pd.DataFrame({"requests": total}, index=index)
    monitor = StreamMonitor(counters=("requests",)).prime(frame[:700])
    found = monitor.update_many(frame[700:])
    assert monitor.counts_["counter_resets"] == 1
    assert found["requests.trend"].between(9, 11).all()  # 3000 in 300 s
    assert not found["is_anomaly"].iloc[150]
    with pytest.raises(InvalidSeriesError, match="counters"):
        StreamMonitor(counters=("bytes",)).prime(frame)


@pytest.mark.parametrize(
    "history",
    [pd.DataFrame(), "text", pd.DataFrame({"a": [1.0]}), table(5).iloc[::-1], pd.DataFrame({"a": ["x"]}, index=[STEP])],
)
def test_bad_history_is_refused(history: object) -> None:
    with pytest.raises((InvalidSeriesError, TimeIndexError)):
        StreamMonitor().prime(history)


def test_more_doors(history: pd.DataFrame, monitor: StreamMonitor) -> None:
    with pytest.raises(InvalidSeriesError, match="primed first"):
        StreamMonitor().update(pd.Timestamp("2024-01-01"), {"a": 1.0})
    with pytest.raises(InvalidSeriesError, match="different names"):
        StreamMonitor().prime(pd.DataFrame([[1.0, 2.0]], index=history.index[:1], columns=["a", "a"]))
    with pytest.raises(InvalidSeriesError, match="finite or NaN"):
        StreamMonitor().prime(history.replace(history.iloc[3, 0], np.inf))
    with pytest.raises(InvalidSeriesError, match="must hold numbers"):
        StreamMonitor().prime(history.astype(object))
    with pytest.raises(InvalidSeriesError, match="DataFrame"):
        monitor.update_many([1, 2])
    assert len(monitor.update_many(history.iloc[:0])) == 0
    with pytest.raises(InvalidParameterError):
        StreamMonitor(horizon=3).prime(history)
    with pytest.raises(InvalidParameterError, match="IANA"):
        StreamMonitor(time_zone="Mars/Olympus").prime(history)


def test_little_history_is_enough_to_begin() -> None:
    frame = table(60, ("x",))
    monitor = StreamMonitor().prime(frame[:1])
    found = monitor.update_many(frame[1:])
    assert np.isfinite(found[["score", "onset", "p_value"]].to_numpy()).all()
    assert not found["alert"].iloc[:20].any()
    empty = frame.copy()
    empty.iloc[:50] = np.nan
    found = StreamMonitor().prime(empty[:40]).update_many(empty[40:])
    assert np.isfinite(found[["score", "onset", "p_value"]].to_numpy()).all()


@pytest.mark.parametrize("level", [0.0, 5.0, -1e12])
def test_a_constant_is_no_anomaly_and_a_change_of_it_is(level: float) -> None:
    index = pd.DatetimeIndex(pd.Timestamp("2024-01-01") + STEP * np.arange(900), name="time")
    frame = pd.DataFrame({"x": np.full(900, level)}, index=index)
    frame.iloc[850, 0] += 1.0
    found = StreamMonitor().prime(frame[:600]).update_many(frame[600:])
    assert not found["is_anomaly"].iloc[:250].any()
    assert found["onset"].idxmin() == index[850]
    assert found["onset"].iloc[250] < -2


def test_to_bytes_is_what_save_writes_and_foreign_states_are_refused(monitor: StreamMonitor, tmp_path: Path) -> None:
    from detectors.storage.state_file import dump_state

    monitor.save(tmp_path / "state")
    assert (tmp_path / "state").read_bytes() == monitor.to_bytes()
    assert StreamMonitor.from_bytes(monitor.to_bytes()).to_bytes() == monitor.to_bytes()
    with pytest.raises(StoredStateError, match="StreamMonitor"):
        StreamMonitor.from_bytes(dump_state({"kind": "other"}, {}))
    with pytest.raises(StoredStateError, match="another version"):
        StreamMonitor.from_bytes(dump_state({"kind": "StreamMonitor", "version": 0}, {}))
    kept = StreamMonitor(AlertPolicy(per_day=None, direction="up"), episode=9, time_zone="Europe/Paris").prime(
        table(50)
    )
    loaded = StreamMonitor.from_bytes(kept.to_bytes())
    assert loaded.alerts == kept.alerts
    assert (loaded.episode, loaded.time_zone, loaded.new_metrics) == (9, "Europe/Paris", "refuse")


def test_state_is_small_and_flat(history: pd.DataFrame) -> None:
    monitor = StreamMonitor().prime(history)
    early = len(monitor.to_bytes())
    monitor.update_many(table(6000).iloc[700:])
    assert len(monitor.to_bytes()) < 64 * 1024 * len(monitor.names_)
    assert len(monitor.to_bytes()) < 2 * early + 65536


def test_the_reading_shows_itself(monitor: StreamMonitor, history: pd.DataFrame) -> None:
    reading = monitor.update(history.index[-1] + STEP, {"a": 20.0, "b": 20.0})
    assert repr(reading).startswith("Reading(time=2024-03-03")
    assert "p_value=" in repr(reading)
    assert set(reading.components) == {f"{name}.{part}" for name in "ab" for part in COMPONENTS}
    assert not hasattr(reading, "__dict__")


@pytest.mark.parametrize("year", [1600, 2500])
def test_times_beyond_int64_are_refused(monitor: StreamMonitor, year: int) -> None:
    for time in (f"{year}-01-01", np.datetime64(f"{year}-01-01"), pd.Timestamp(f"{year}-01-01")):
        with pytest.raises(InvalidRecordError, match="years 1678 to 2261") as caught:
            monitor.update(time, {"a": 1.0, "b": 1.0})
        assert caught.value.kind == "time"
    index = pd.date_range(f"{year}-01-01", periods=3, freq="5min", unit="s")
    with pytest.raises(TimeIndexError, match="years 1678 to 2261"):
        StreamMonitor().prime(pd.DataFrame({"a": [1.0, 2.0, 3.0]}, index=index))


@pytest.mark.parametrize("values", [[1.0, 2.0], 5.0, None, "x", np.array([1.0, 2.0])])
def test_values_without_names_are_refused(monitor: StreamMonitor, history: pd.DataFrame, values: object) -> None:
    before = monitor.to_bytes()
    with pytest.raises(InvalidRecordError, match="must be a mapping of metric to number") as caught:
        monitor.update(history.index[-1] + STEP, values)  # type: ignore[arg-type]
    assert caught.value.kind == "shape"
    assert monitor.to_bytes() == before


def test_names_and_booleans_mean_the_same_row_by_row_and_in_bulk(history: pd.DataFrame) -> None:
    frame = history.set_axis([1, 2], axis=1)
    later = history.index[-1] + STEP
    bulk = StreamMonitor().prime(frame).update_many(pd.DataFrame({1: [True], 2: [np.nan]}, index=[later]))
    for values in ({1: True}, {"1": np.bool_(True), 2: None}):
        single = StreamMonitor().prime(frame).update(later, values)
        assert (single.score, single.onset, single.p_value) == tuple(bulk.iloc[0, :3])


def test_columns_that_would_be_lost_are_refused(monitor: StreamMonitor, history: pd.DataFrame) -> None:
    later = history.set_axis(history.index + pd.Timedelta("100D"))
    for frame in (later.set_axis(["a", "a"], axis=1), later.assign(**{"a": 1.0}).set_axis([1, "1"], axis=1)):
        with pytest.raises(InvalidSeriesError, match="must have different names"):
            monitor.update_many(frame)
    with pytest.raises(InvalidSeriesError, match="must hold numbers, got dtype complex128"):
        monitor.update_many(later.astype(complex))


def test_small_types_and_huge_values_do_not_warn(monitor: StreamMonitor, history: pd.DataFrame) -> None:
    for k, value in enumerate((np.int8(100), np.uint8(200), np.float64(1e308)), start=1):
        assert math.isfinite(monitor.update(history.index[-1] + k * STEP, {"a": value, "b": value}).score)


def test_a_state_with_an_unknown_parameter_is_of_another_version(monitor: StreamMonitor) -> None:
    meta, arrays = parse_state(monitor.to_bytes())
    meta["parameters"]["later_idea"] = 1
    with pytest.raises(StoredStateError, match=r"another version of tsprune.*later_idea"):
        StreamMonitor.from_bytes(dump_state(meta, arrays))
