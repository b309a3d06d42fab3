"""Records: what a line may be, and the kind of everything it may not be."""

from __future__ import annotations

import json
import math

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tsprune.exceptions import InvalidRecordError
from tsprune.streaming.monitor.rows import check_values
from tsprune.streaming.run.records import KINDS, parse_line, parse_time

NAMES = ("cpu", "disk")
GOOD = b'{"time": "2024-01-01T00:05:00Z", "values": {"cpu": 1.5, "disk": null}}'


def refused(line: bytes, names: tuple[str, ...] | None = NAMES) -> str:
    with pytest.raises(InvalidRecordError) as caught:
        parse_line(line, names)
    assert str(caught.value)
    return caught.value.kind


def test_a_good_line() -> None:
    record = parse_line(GOOD + b"\r\n", NAMES)
    assert record.time == pd.Timestamp("2024-01-01T00:05:00Z").value
    assert record.text == "2024-01-01T00:05:00Z"
    assert record.values["cpu"] == 1.5
    assert math.isnan(record.values["disk"])


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        (b"", "empty"),
        (b" \t\r\n", "empty"),
        (b"{", "syntax"),
        (GOOD + GOOD, "syntax"),
        (b"\xff\xfe\x00{", "syntax"),
        (GOOD.decode().encode("utf-16"), "syntax"),
        (b"[" * 100_000, "syntax"),
        (b"time,cpu", "syntax"),
        (b"[]", "shape"),
        (b"null", "shape"),
        (b"3", "shape"),
        (b'{"values": {"cpu": 1}}', "shape"),
        (b'{"time": "2024-01-01"}', "shape"),
        (b'{"time": "2024-01-01", "values": [1]}', "shape"),
        (b'{"time": "never", "values": {"net": "x"}}', "shape"),
        (b'{"time": "never", "values": {"cpu": "x"}}', "time"),
        (b'{"time": null, "values": {}}', "time"),
        (b'{"time": 1704067200, "values": {}}', "time"),
        (b'{"time": "", "values": {}}', "time"),
        (b'{"time": "2024-13-45T00:00:00Z", "values": {}}', "time"),
        (b'{"time": "1066-10-14", "values": {}}', "time"),
        (b'{"time": "0001-01-01T00:00:00+14:00", "values": {}}', "time"),
        (b'{"time": "2024-01-01", "values": {"cpu": "1", "disk": Infinity}}', "value"),
        (b'{"time": "2024-01-01", "values": {"cpu": true}}', "value"),
        (b'{"time": "2024-01-01", "values": {"cpu": [1]}}', "value"),
        (b'{"time": "2024-01-01", "values": {"cpu": {}}}', "value"),
        (b'{"time": "2024-01-01", "values": {"cpu": Infinity}}', "infinite"),
        (b'{"time": "2024-01-01", "values": {"cpu": -1e999}}', "infinite"),
        (b'{"time": "2024-01-01", "values": {"cpu": 1%s}}' % (b"0" * 309), "infinite"),
        (b'{"time": "2024-01-01", "values": {"cpu": -1%s}}' % (b"0" * 9000), "infinite"),
    ],
)
def test_every_kind_of_refusal(line: bytes, kind: str) -> None:
    assert refused(line) == kind
    assert kind in KINDS


def test_the_first_record_names_the_metrics() -> None:
    assert refused(b'{"time": "2024-01-01", "values": {}}', None) == "shape"
    assert list(parse_line(GOOD, None).values) == ["cpu", "disk"]
    assert list(parse_line(GOOD, ("cpu",), adopt=True).values) == ["cpu", "disk"]


@pytest.mark.parametrize("text", ["1" + "0" * 30, "-1e300", "5e-324", "0", "-0.0", "12"])
def test_any_finite_double_is_a_value(text: str) -> None:
    record = parse_line(f'{{"time": "2024-01-01", "values": {{"cpu": {text}}}}}'.encode(), NAMES)
    assert record.values["cpu"] == float(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024-01-01", "2024-01-01"),
        ("2024-01-01T01:00:00+01:00", "2024-01-01"),
        ("20240101T000000Z", "2024-01-01"),
        ("2024-01-01 00:00:00.5", "2024-01-01T00:00:00.5"),
        ("2024-01-01T00:00:00.123456789Z", "2024-01-01T00:00:00.123456789"),
        ("2024-01-01T00:00:00.1234567-02:00", "2024-01-01T02:00:00.1234567"),
        ("1969-12-31T23:59:59.999999999", "1969-12-31T23:59:59.999999999"),
    ],
)
def test_times_are_those_of_pandas(text: str, expected: str) -> None:
    assert parse_time(text) == pd.Timestamp(expected).value


@settings(deadline=None, max_examples=60)
@given(st.binary(max_size=80) | st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=5) | st.integers(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["time", "values", "cpu"]), inner),
).map(lambda value: json.dumps(value).encode()))  # fmt: skip
def test_no_line_ever_breaks_the_reader(line: bytes) -> None:
    kind = None
    values: list[float] = []
    try:
        values = list(parse_line(line, NAMES).values.values())
    except InvalidRecordError as error:
        kind = error.kind
    assert kind is None or kind in KINDS
    assert not any(map(math.isinf, values))


def test_values_of_other_libraries() -> None:
    import decimal

    import numpy as np

    found = check_values({"a": np.float32(1.5), "b": decimal.Decimal(2), "c": pd.NA, "d": np.int8(3), "e": pd.NaT})
    assert found["a"], found["b"] == (1.5, 2.0)
    assert math.isnan(found["c"])
    assert math.isnan(found["e"])
    for bad in (np.bool_(True), b"1", np.str_("2"), object(), np.arange(3)):
        with pytest.raises(InvalidRecordError) as caught:
            check_values({"a": bad})
        assert caught.value.kind == "value"


def test_a_name_that_comes_twice_is_refused() -> None:
    with pytest.raises(InvalidRecordError, match="got 'cpu' twice") as caught:
        parse_line(b'{"time": "2024-01-01T00:00:00Z", "values": {"cpu": 1, "cpu": 2}}', None)
    assert caught.value.kind == "shape"
