"""What is known to be bad, every metric by itself, limits and gates, runs of the same, ranges, policies that change."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import tsprune.streaming.monitor.kernels.layout as at
from detectors.exceptions import InvalidParameterError
from detectors.storage.state_file import dump_state, parse_state
from tsprune.exceptions import StoredStateError
from tsprune.streaming.monitor.alert_policy import AlertPolicy, MetricPolicy
from tsprune.streaming.monitor.kernels.novelty import BOOK_SIZE, accept_since, meet
from tsprune.streaming.monitor.monitor import StreamMonitor
from tsprune.streaming.monitor.reading import CAUSES, COMPONENTS, FIELDS

DAY = 288


def service(days: int, seed: int = 0, names: tuple[str, ...] = ("load", "latency")) -> pd.DataFrame:
    """5-minute metrics with a daily course and noise of their own."""
    rng = np.random.default_rng(seed)
    row = np.arange(DAY * days)[:, None]
    course = 100 + 40 * np.sin(2 * np.pi * row / DAY + np.arange(len(names)))
    values = course + rng.gamma(4.0, 2.0, (len(row), len(names)))
    return pd.DataFrame(values, pd.date_range("2026-01-05", periods=len(row), freq="5min", name="time"), list(names))


def found(monitor: StreamMonitor, frame: pd.DataFrame, start: int) -> np.ndarray:
    return start + np.flatnonzero(monitor.update_many(frame.iloc[start:])["alert"])


@pytest.mark.parametrize("prime_days", [7, 16])
def test_the_same_outage_is_alerted_each_time_also_after_it_was_in_the_history(prime_days: int) -> None:
    """A value met before was known, however bad it had been."""
    frame = service(24)
    starts = [DAY * day + 40 for day in (9, 12, 14, 18, 20, 22)]
    for start in starts:
        frame.iloc[start : start + 18, 1] *= 4
    first = DAY * prime_days
    alerts = found(StreamMonitor().prime(frame[:first]), frame, first)
    later = [start for start in starts if start >= first]
    assert [start for start in later if ((alerts >= start) & (alerts < start + 6)).any()] == later
    assert len(alerts) <= len(later) + 6


def test_a_state_that_lasts_is_a_new_ordinary_one() -> None:
    frame = service(20)
    frame.iloc[DAY * 9 :, 1] += 400.0
    alerts = found(StreamMonitor(episode=100).prime(frame[: DAY * 7]), frame, DAY * 7)
    assert (alerts == DAY * 9).any()
    assert (alerts > DAY * 10).sum() <= 8


def test_bad_entries_are_known_only_within_their_episode() -> None:
    book = np.zeros(BOOK_SIZE)
    for row, value in enumerate((0.0, 1.0, 2.0)):
        meet(book, 0, value, float(row), 1e9, np.inf)
    *_, place = meet(book, 0, 50.0, 3.0, 1e9, np.inf)
    book[2 + 16 + 256 + place] = -1.0 - 3.0  # bad from now on
    assert meet(book, 0, 51.0, 4.0, 1e9, np.inf)[:3] == (1.0, 49.0, True)
    assert meet(book, 0, 50.0, 5.0, 1e9, 3.0)[:3] == (0.0, 1.0, False)
    accept_since(book, 0, 3.0)
    assert meet(book, 0, 50.0, 6.0, 1e9, np.inf)[:3] == (0.0, 0.0, False)


def test_more_metrics_do_not_hide_one() -> None:
    frame = service(16, names=("a", "b", "c", "d", "e"))
    start = DAY * 14 + 100
    frame.iloc[start : start + 24, 3] += 60.0
    for columns in (["d"], list("abcde")):
        alerts = found(StreamMonitor().prime(frame[columns][: DAY * 7]), frame[columns], DAY * 7)
        assert ((alerts >= start) & (alerts < start + 12)).any(), columns


def test_limits_always_speak_and_gates_keep_quiet() -> None:
    frame = service(9)
    last = DAY * 8
    frame.iloc[last + 10 : last + 14, 0] = 171.0
    frame.iloc[last + 50, 1] = 400.0
    limits = MetricPolicy(upper=170.0, lower=20.0, max_step=80.0)
    policy = AlertPolicy(per_day=1e-9, metrics={"load": limits, "latency": MetricPolicy(min_abs=1000.0)})
    monitor = StreamMonitor(policy).prime(frame[:last])
    readings = [monitor.update(t, v) for t, v in zip(frame.index[last:], frame[last:].to_dict("records"), strict=True)]
    limited = [k for k, r in enumerate(readings) if "above its limit" in r.reasons.get("load", [])]
    assert limited == [10, 11, 12, 13]
    assert [k for k in limited if readings[k].alert] == [10]  # once for as long as it lasts
    assert readings[50].is_anomaly
    assert not readings[50].alert
    assert not readings[50].held_back
    for size in (MetricPolicy(min_rel=5.0), MetricPolicy(direction="down")):
        quiet = StreamMonitor(AlertPolicy(metrics={"latency": size})).prime(frame[:last])
        assert last + 50 not in found(quiet, frame, last)
    assert last + 50 in found(StreamMonitor().prime(frame[:last]), frame, last)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"lower": 2.0, "upper": 1.0}, "at most upper"), ({"max_step": 0.0}, "max_step"),
        ({"min_abs": -1.0}, "min_abs"),
        ({"direction": "left"}, "direction"), ({"upper": float("nan")}, "upper"),
    ],
)  # fmt: skip
def test_bad_metric_policies_are_refused_when_made(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidParameterError, match=message):
        MetricPolicy(**wrong)


def test_a_metric_that_is_stuck_or_gone_has_a_name_within_minutes() -> None:
    frame = service(9)
    last = DAY * 8
    frame.iloc[last + 20 : last + 40, 0] = frame.iloc[last + 20, 0]
    frame.iloc[last + 100 : last + 120, 1] = np.nan
    monitor = StreamMonitor().prime(frame[:last])
    readings = [monitor.update(t, v) for t, v in zip(frame.index[last:], frame[last:].to_dict("records"), strict=True)]
    stuck = [k for k, r in enumerate(readings) if "stuck" in r.reasons.get("load", [])]
    gone = [k for k, r in enumerate(readings) if "gone" in r.reasons.get("latency", [])]
    assert stuck[0] <= 23
    assert stuck[-1] == 39
    assert gone[0] <= 103
    assert gone[-1] == 119
    assert any(readings[k].alert for k in range(20, 24))
    assert any(readings[k].alert for k in range(100, 105))


def test_flat_by_nature_is_not_stuck() -> None:
    row = np.arange(DAY * 12)
    power = np.clip(np.sin(2 * np.pi * (row / DAY - 0.25)), 0.0, None) * 500
    power *= np.exp(np.random.default_rng(0).normal(0, 0.1, len(row)))
    frame = pd.DataFrame({"solar": power}, pd.date_range("2026-01-05", periods=len(row), freq="5min"))
    monitor = StreamMonitor().prime(frame[: DAY * 4])
    readings = [
        monitor.update(t, v) for t, v in zip(frame.index[DAY * 4 :], frame[DAY * 4 :].to_dict("records"), strict=True)
    ]
    assert not any("stuck" in r.reasons.get("solar", []) for r in readings)


def test_the_longer_a_silence_the_rarer_its_end() -> None:
    """Absent rows longer than an episode were no news."""
    frame, p_values = service(8), []
    for rows in (1, 12, 288, 460, 576):
        monitor = StreamMonitor(episode=450).prime(frame[:1500])
        last = frame.index[1499]
        assert monitor.silence(last + pd.Timedelta("5min")) == 0.0
        reading = monitor.update(last + (rows + 1) * pd.Timedelta("5min"), frame.iloc[1500].to_dict())
        p_values.append(reading.p_value)
        if rows > 1:
            assert reading.alert
            assert reading.reasons[""] == ["silent"]
    assert np.all(np.diff(p_values[1:]) < 0)


@pytest.mark.parametrize("coverage", [0.8, 0.95])
@pytest.mark.parametrize("kind", ["normal", "lognormal", "walk", "counts", "season"])
def test_the_range_holds_the_share_asked(coverage: float, kind: str) -> None:
    rng, n = np.random.default_rng(1), DAY * 20
    values = {
        "normal": rng.normal(size=n), "lognormal": np.exp(rng.normal(size=n)), "walk": np.cumsum(rng.normal(size=n)),
        "counts": rng.poisson(9.0, n).astype(float), "season": service(20, 1).iloc[:, 0].to_numpy(),
    }[kind]  # fmt: skip
    frame = pd.DataFrame({"x": values}, pd.date_range("2026-01-05", periods=n, freq="5min"))
    monitor = StreamMonitor(coverage=coverage).prime(frame[: DAY * 5])
    readings = monitor.update_many(frame[DAY * 5 :])
    inside = frame["x"][DAY * 5 :].between(readings["x.lower"], readings["x.upper"]).mean()
    assert abs(inside - coverage) < 0.02
    assert (readings["x.lower"] <= readings["x.expected"]).all()


def test_a_policy_changes_without_learning_anew(tmp_path: Path) -> None:
    frame = service(10)
    before = StreamMonitor().prime(frame[: DAY * 8])
    changed = StreamMonitor().prime(frame[: DAY * 8])
    policy = AlertPolicy(per_day=None, metrics={"load": MetricPolicy(upper=120.0)})
    assert changed.set_alerts(policy) is changed
    changed.save(tmp_path / "state")
    changed = StreamMonitor.load(tmp_path / "state")
    assert changed.alerts == policy
    columns = ["score", "onset", "p_value", "load.expected", "latency.upper"]
    first, second = before.update_many(frame[DAY * 8 :]), changed.update_many(frame[DAY * 8 :])
    pd.testing.assert_frame_equal(first[columns], second[columns], check_exact=True)
    assert second["alert"].sum() > first["alert"].sum()
    with pytest.raises(InvalidParameterError, match="names of metrics"):
        changed.set_alerts(AlertPolicy(metrics={"disk": MetricPolicy(upper=1.0)}))
    with pytest.raises(InvalidParameterError, match="MetricPolicy"):
        AlertPolicy(metrics={"load": {"upper": 1.0}})


def test_the_budget_goes_to_the_worst() -> None:
    rng, n = np.random.default_rng(3), 12_000
    values = rng.normal(size=n)
    small = np.arange(3000, n, 150)
    values[small] += rng.choice([-1.0, 1.0], len(small)) * rng.uniform(8.0, 12.0, len(small))
    large = small[10::12] + 75
    values[large] += 300.0 + 40.0 * np.arange(len(large))
    frame = pd.DataFrame({"x": values}, pd.date_range("2026-01-05", periods=n, freq="min"))
    monitor = StreamMonitor(AlertPolicy(per_day=2.0, false_alarm_rate=0.05)).prime(frame[:2500])
    readings = monitor.update_many(frame[2500:])
    alerts = 2500 + np.flatnonzero(readings["alert"])
    assert np.isin(large, alerts).mean() >= 0.75
    assert len(alerts) <= 2 * n / 1440 + 2
    assert monitor.counts_["suppressed"] > 20
    assert readings["held_back"].sum() >= monitor.counts_["suppressed"]


def test_readings_and_policies_follow_the_declared_layout(tmp_path: Path) -> None:
    assert tuple(at.RESULT.sizes)[: len(COMPONENTS)] == COMPONENTS
    assert tuple(at.RESULT.sizes)[-len(CAUSES) :] == ("level", "slope", "season", "noise", "missing", "relation")
    assert [name.removeprefix("is_") for name in FIELDS] == list(at.FIELDS.sizes)[: len(FIELDS)]
    assert len(AlertPolicy().as_array()) == at.POLICY.size == at.PARAMS["horizon"]
    assert [field.name for field in dataclasses.fields(MetricPolicy)] == list(at.GATES.sizes)
    for block in (at.FIELDS, at.RESULT, at.INTEGERS, at.PARAMS, at.GATES, at.JOINT, at.METRIC):
        ends = [block[name] + size for name, size in block.sizes.items()]
        assert [0, *ends[:-1]] == [block[name] for name in block.sizes]
        assert ends[-1] == block.size
    monitor = StreamMonitor().prime(service(3))
    meta, arrays = parse_state(monitor.to_bytes())
    # a state with one part less, as an older version would have stored it, is read; the part begins with zeros
    place = at.METRIC["gone_told"]
    meta["layout"]["metrics"] = [part for part in meta["layout"]["metrics"] if part[0] != "gone_told"]
    older = arrays | {"metrics": np.delete(arrays["metrics"], place, axis=1)}
    loaded = StreamMonitor.from_bytes(dump_state(meta, older))
    assert loaded.to_bytes() == monitor.to_bytes()
    meta["layout"]["metrics"][0][1] = 2
    with pytest.raises(StoredStateError, match="another version"):
        StreamMonitor.from_bytes(dump_state(meta, older))
