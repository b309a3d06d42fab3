"""Known events: holidays and protected times are never changed and never learnt from, and the report names them."""

from __future__ import annotations

import datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tsprune import SeriesCleaner
from tsprune.cleaning.ical import read_calendar
from tsprune.cleaning.known_events import find_known_events
from tsprune.exceptions import InvalidParameterError

DAYS = pd.date_range("2023-01-01", periods=365)
FEAST = {"2023-11-24": "Black Friday", datetime.date(2023, 12, 25): "Christmas"}


def sales() -> pd.Series:
    rng = np.random.default_rng(0)
    y = 100 * (1 + 0.3 * np.sin(2 * np.pi * np.arange(365) / 7)) * np.exp(rng.normal(0, 0.05, 365))
    y[[327, 358, 200]] *= [4.0, 0.1, 5.0]
    return pd.Series(y, DAYS)


@pytest.mark.parametrize("table", ["mapping", "series", "frame"])
def test_tables_of_holidays_protect_their_days_and_no_others(table: str) -> None:
    names = pd.Series(list(FEAST.values()), pd.DatetimeIndex([pd.Timestamp(d) for d in FEAST]))
    holidays = {"mapping": FEAST, "series": names, "frame": names.reset_index()}[table]
    y = sales()
    cleaner = SeriesCleaner(7, holidays=holidays)
    out = cleaner.fit_transform(y)
    assert np.flatnonzero(cleaner.mask_).tolist() == [200]
    np.testing.assert_array_equal(out.iloc[[327, 358]], y.iloc[[327, 358]])
    told = cleaner.report_.to_frame()
    assert told[told["kind"] == "known event"]["reason"].str.contains("Black Friday|Christmas").all()
    assert SeriesCleaner(7).fit(y).mask_[[200, 327, 358]].all()


def test_a_country_keeps_black_friday_and_christmas() -> None:
    cleaner = SeriesCleaner(7, holidays="US").fit(sales())
    assert np.flatnonzero(cleaner.mask_).tolist() == [200]
    with pytest.raises(InvalidParameterError, match="country such as 'DE'"):
        SeriesCleaner(7, holidays="Atlantis").fit(sales())


CALENDAR = """BEGIN:VCALENDAR\r
BEGIN:VEVENT\r
DTSTART;VALUE=DATE:20191225\r
DTEND;VALUE=DATE:20191227\r
RRULE:FREQ=YEARLY\r
SUMMARY:Christmas\\, both\r
  days\r
END:VEVENT\r
BEGIN:VEVENT\r
DTSTART;TZID=Europe/Berlin:20191129T080000\r
DTEND;TZID=Europe/Berlin:20191129T200000\r
RRULE:FREQ=YEARLY;BYMONTH=11;BYDAY=4FR\r
EXDATE;TZID=Europe/Berlin:20221125T080000\r
SUMMARY:Black Friday\r
END:VEVENT\r
END:VCALENDAR\r
"""


def test_an_icalendar_file_is_read_with_its_rules(tmp_path: Path) -> None:
    path = tmp_path / "feasts.ics"
    path.write_text(CALENDAR, encoding="utf-8")
    days = read_calendar(path, 2022, 2023)
    assert days[datetime.date(2023, 12, 26)] == "Christmas, both days"
    assert datetime.date(2022, 11, 25) not in days
    assert days[datetime.date(2023, 11, 24)] == "Black Friday"
    for given in (path, str(path)):
        assert np.flatnonzero(SeriesCleaner(7, holidays=given).fit(sales()).mask_).tolist() == [200]
    path.write_text("no calendar", encoding="utf-8")
    with pytest.raises(InvalidParameterError, match="BEGIN:VCALENDAR"):
        read_calendar(path, 2022, 2023)
    path.write_text("BEGIN:VCALENDAR\nBEGIN:VEVENT\nDTSTART:soon\nEND:VEVENT\n", encoding="utf-8")
    with pytest.raises(InvalidParameterError, match="line 4"):
        read_calendar(path, 2022, 2023)
    with pytest.raises(InvalidParameterError, match="cannot be read"):
        read_calendar(tmp_path / "none.ics", 2022, 2023)


@pytest.mark.parametrize("freq", ["h", "D", "W", "MS"])
def test_a_day_covers_its_rows_at_every_step(freq: str) -> None:
    times = pd.date_range("2023-01-01", periods={"h": 24 * 60, "D": 90, "W": 60, "MS": 24}[freq], freq=freq)
    (event,) = find_known_events(times, {"2023-02-08": "feast"}, None)
    rows = times[event.start : event.stop]
    step = times[1] - times[0]
    assert (abs(rows - pd.Timestamp("2023-02-08")) < max(step, pd.Timedelta(days=1))).all()
    assert len(rows) == {"h": 24, "D": 1, "W": 2, "MS": 2}[freq]


def test_protected_times_spans_functions_and_rows() -> None:
    y = sales()
    for protect in (
        ["2023-11-24", "2023-12-25"],
        [("2023-11-01", "2023-12-31")],
        lambda times: np.asarray(times.month >= 11),
    ):
        assert np.flatnonzero(SeriesCleaner(7, protect=protect).fit(y).mask_).tolist() == [200]
    plain = y.to_numpy()
    assert np.flatnonzero(SeriesCleaner(7, protect=[327, (350, 364)]).fit(plain).mask_).tolist() == [200]
    with pytest.raises(InvalidParameterError, match="one Boolean a row"):
        SeriesCleaner(7, protect=lambda _: 3).fit(y)
    with pytest.raises(InvalidParameterError, match="integer times"):
        SeriesCleaner(7, protect=["2023-11-24"]).fit(plain)
    with pytest.raises(InvalidParameterError, match="need a series with timestamps"):
        SeriesCleaner(7, holidays=FEAST).fit(plain)
    with pytest.raises(InvalidParameterError, match="pairs of times"):
        SeriesCleaner(7, protect=["soon"]).fit(y)


def test_bounds_and_gaps_on_protected_rows() -> None:
    y = sales()
    y.iloc[358] = np.nan
    cleaner = SeriesCleaner(7, upper=250.0, protect=["2023-11-24", "2023-12-25"])
    out = cleaner.fit_transform(y)
    assert out.iloc[327] == y.iloc[327] > 250.0
    assert np.isfinite(out.iloc[358])


def test_a_causal_cleaner_keeps_known_events_in_one_fit_and_in_parts() -> None:
    y = sales()
    whole = SeriesCleaner(7, causal=True, holidays=FEAST).fit(y)
    parts = SeriesCleaner(7, causal=True, holidays=FEAST).fit(y.iloc[:300]).partial_fit(y.iloc[300:])
    assert not whole.mask_[[327, 358]].any()
    assert whole.mask_[200]
    pd.testing.assert_frame_equal(whole.changes_, parts.changes_)
    later = SeriesCleaner(7, causal=True, holidays=FEAST).fit(y.iloc[:300]).transform(y.iloc[300:])
    np.testing.assert_array_equal(later.iloc[[27, 58]], y.iloc[[327, 358]])
