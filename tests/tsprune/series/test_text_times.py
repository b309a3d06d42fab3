"""Times as people write them: one notation a column, and no guess between day-first and month-first."""

from __future__ import annotations

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tsprune.exceptions import TimeIndexError
from tsprune.series.text_times import parse_times
from tsprune.series.times import times_of_column

DAYS = pd.date_range("2024-01-01", periods=60)
HOURS = pd.date_range("2024-03-01", periods=240, freq="h")
DATES = ["%d.%m.%Y", "%m/%d/%Y", "%d/%m/%Y", "%d-%m-%Y", "%d %b %Y", "%b %d, %Y", "%d-%b-%Y", "%d-%b-%y", "%Y/%m/%d",
         "%d/%b/%Y", "%A, %d %B %Y", "%d.%m.%y", "%m/%d/%y", "%Y-%m-%d"]  # fmt: skip
CLOCKS = [" %H:%M", " %I:%M:%S %p", " %H:%M:%S", "T%H:%M:%S.%f"]


@pytest.mark.parametrize("notation", [*DATES, "%Y%m%d"])
def test_every_notation_of_days_is_read(notation: str) -> None:
    assert (parse_times(DAYS.strftime(notation)) == DAYS).all()


@pytest.mark.parametrize("clock", CLOCKS)
@pytest.mark.parametrize("notation", DATES)
def test_every_notation_of_hours_is_read(notation: str, clock: str) -> None:
    assert (parse_times(HOURS.strftime(notation + clock)) == HOURS).all()


@pytest.mark.parametrize(
    ("cells", "first", "second"),
    [
        (["2023-W05", "2023-W06"], "2023-01-30", "2023-02-06"),
        (["2023-W05-3", "2023-W05-4"], "2023-02-01", "2023-02-02"),
        (["2024Q1", "2024Q2"], "2024-01-01", "2024-04-01"),
        (["Q1 2024", "Q2 2024"], "2024-01-01", "2024-04-01"),
        (["2024-01", "2024-02"], "2024-01-01", "2024-02-01"),
        (["01/2024", "02/2024"], "2024-01-01", "2024-02-01"),
        (["Jan-24", "Feb-24"], "2024-01-01", "2024-02-01"),
        (["2024", "2025"], "2024-01-01", "2025-01-01"),
        ([202401, 202402], "2024-01-01", "2024-02-01"),
        (["2024010100", "2024010101"], "2024-01-01 00:00", "2024-01-01 01:00"),
        ([1704067200, 1704070800], "2024-01-01 00:00", "2024-01-01 01:00"),
        ([1704067200000, 1704070800000], "2024-01-01 00:00", "2024-01-01 01:00"),
        ([1704067200.0, 1704067200.5], "2024-01-01", "2024-01-01 00:00:00.5"),
        (["1st Jan 2024", "2nd Jan 2024"], "2024-01-01", "2024-01-02"),
        (["2024-01-01 10:00:00,250", "2024-01-01 10:00:01,250"], "2024-01-01 10:00:00.25", "2024-01-01 10:00:01.25"),
    ],
)
def test_weeks_quarters_months_and_numbers(cells: list[object], first: str, second: str) -> None:
    assert parse_times(cells).tolist() == [pd.Timestamp(first), pd.Timestamp(second)]


def test_offsets_and_zones() -> None:
    winter_and_summer = ["2024-03-30T12:00:00+01:00", "2024-03-31T12:00:00+02:00"]
    assert parse_times(winter_and_summer)[1] == pd.Timestamp("2024-03-31 10:00", tz="UTC")
    log = parse_times(["05/Jan/2024:10:00:00 +0200", "05/Jan/2024:11:00:00 +0200"])
    assert log[0] == pd.Timestamp("2024-01-05 08:00", tz="UTC")
    twice = parse_times(["2024-10-27 01:30", "2024-10-27 02:30", "2024-10-27 02:30", "2024-10-27 03:30"],
                        zone="Europe/Berlin")  # fmt: skip
    assert (twice[1:] - twice[:-1] == pd.Timedelta(hours=1)).all()
    with pytest.raises(TimeIndexError, match="clock does not show"):
        parse_times(["2024-03-31 02:30"], zone="Europe/Berlin")
    with pytest.raises(TimeIndexError, match="one time zone"):
        parse_times(["2024-01-01T00:00+01:00", "2024-01-01T05:00+03:00"])
    with pytest.raises(TimeIndexError, match="got both"):
        parse_times(["2024-01-01T00:00+01:00", "2024-01-01T05:00"])


def test_what_may_be_either_is_refused_unless_one_reading_is_regular() -> None:
    with pytest.raises(TimeIndexError, match=r"got '01/02/2024' at row 0, which may mean 2024-02-01 .*day_first="):
        parse_times(pd.date_range("2024-02-01", periods=12).strftime("%d/%m/%Y"))
    told = parse_times(["01/02/2024", "02/02/2024"], day_first=False)
    assert told[1] == pd.Timestamp("2024-02-02")
    assert parse_times(["01/02/2024", "02/02/2024"], day_first=True)[1] == pd.Timestamp("2024-02-02")
    assert parse_times(["01.02.2024", "02.02.2024"])[0] == pd.Timestamp("2024-02-01")  # points: day first
    hours = pd.date_range("2024-03-01", periods=72, freq="h")
    assert (parse_times(hours.strftime("%d/%m/%Y %H:%M")) == hours).all()


@pytest.mark.parametrize(
    ("cells", "says"),
    [
        (["2024-01-01", "soon"], "got 'soon' at row 1"),
        (["5/13/2024", "soon"], "got 'soon' at row 1"),
        (["2024-01-01", None], "got None at row 1"),
        (["Jan 24", "Jan 25"], "one notation"),
        (["12:00", "13:00"], "one notation"),
        ([0, 1, 2], "neither dates"),
    ],
)
def test_what_is_no_time_is_named(cells: list[object], says: str) -> None:
    with pytest.raises(TimeIndexError, match=says):
        parse_times(cells)


def test_columns_of_any_kind_in_any_order() -> None:
    assert times_of_column(["02.01.2024", "01.01.2024"]).tolist() == [
        pd.Timestamp("2024-01-02"),
        pd.Timestamp("2024-01-01"),
    ]
    assert times_of_column([3, 1, 2]).tolist() == [3, 1, 2]
    mixed = [pd.Timestamp("2024-01-01", tz="UTC"), pd.Timestamp("2024-01-01", tz="Europe/Berlin")]
    with pytest.raises(TimeIndexError, match="one time zone"):
        times_of_column(mixed)
    assert str(times_of_column(mixed, mixed_zones="utc").tz) == "UTC"


@settings(max_examples=40, deadline=None)
@given(st.lists(st.datetimes(pd.Timestamp("1990-01-13"), pd.Timestamp("2090-01-01")), min_size=1, max_size=8),
       st.sampled_from(["%d %B %Y %H:%M:%S.%f", "%Y-%m-%d %H:%M:%S.%f", "%d.%m.%Y %H:%M:%S.%f"]))  # fmt: skip
def test_reading_undoes_writing(times: list[pd.Timestamp], notation: str) -> None:
    index = pd.DatetimeIndex(times)
    assert (parse_times(index.strftime(notation)) == index.floor("us")).all()
