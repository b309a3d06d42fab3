"""Files of the command line: what is read, guessed, written and refused."""

from __future__ import annotations

import decimal
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tsprune.commands.cells import InputFileError
from tsprune.commands.files import check_not_input, dumps, read_table_file, to_json_value, write_table_file
from tsprune.commands.series_file import SeriesFile, read_series_file

FRAME = pd.DataFrame(
    {"when": pd.date_range("2024-01-01", periods=3, freq="D"), "a": [1.0, np.nan, 3.0], "b": [1, 2, 3]}
)


@pytest.mark.parametrize("ending", [".csv", ".csv.gz", ".parquet"])
def test_series_with_a_time_column_that_is_found(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"x{ending}"
    FRAME.to_parquet(path) if ending == ".parquet" else FRAME.to_csv(path, index=False)
    frame = read_series_file(path).frame
    assert list(frame.columns) == ["a", "b"]
    assert isinstance(frame.index, pd.DatetimeIndex)
    assert frame.index.name == "when"
    assert list(read_series_file(path, "when", ["b"]).frame.columns) == ["b"]


def test_tab_separated_and_integer_times(tmp_path: Path) -> None:
    path = tmp_path / "x.tsv"
    pd.DataFrame({"t": [10, 20], "y": [1.0, 2.0]}).to_csv(path, sep="\t", index=False)
    assert read_series_file(path).frame.index.tolist() == [10, 20]


def test_without_times_rows_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    pd.DataFrame({"y": [1.0, 2.0], "word": ["a", "b"]}).to_csv(path, index=False)
    frame = read_series_file(path).frame
    assert list(frame.columns) == ["y"]
    assert isinstance(frame.index, pd.RangeIndex)
    pd.DataFrame({"word": ["a", "b"], "y": [1.0, 2.0]}).to_csv(path, index=False)
    assert list(read_series_file(path).frame.columns) == ["y"]


def test_what_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(InputFileError, match="check the path"):
        read_table_file(tmp_path / "none.csv")
    other = tmp_path / "x.xlsx"
    other.write_text("a")
    with pytest.raises(InputFileError, match="must end in"):
        read_table_file(other)
    path = tmp_path / "x.csv"
    for text, message in (
        ("", "must hold a table"),
        ("a,b\n", "at least one row"),
        ("a\n\x00\xff", r"must hold a table|number"),
    ):
        path.write_bytes(text.encode("latin-1"))
        with pytest.raises(InputFileError, match=message):
            read_series_file(path)
    path.write_text("a,b\nx,y\n")
    with pytest.raises(InputFileError, match="column of numbers"):
        read_series_file(path)
    path.write_text("a,b\nx,1\n")
    with pytest.raises(InputFileError, match=r"column 'c' must be in x\.csv"):
        read_series_file(path, "c", None)
    with pytest.raises(InputFileError, match="times in one notation, got 'x'"):
        read_series_file(path, "a")
    broken = tmp_path / "x.parquet"
    broken.write_text("no parquet")
    with pytest.raises(InputFileError, match="must hold a table"):
        read_table_file(broken)


@pytest.mark.parametrize("ending", [".csv", ".parquet", ".json"])
def test_what_is_written_is_read_again(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"out{ending}"
    write_table_file(FRAME.set_index("when"), path)
    back = pd.read_json(path) if ending == ".json" else read_table_file(path)
    assert list(back.columns) == ["when", "a", "b"]
    np.testing.assert_array_equal(pd.to_numeric(back["a"]), FRAME["a"])
    write_table_file(FRAME[["a"]], path, with_index=False)
    with pytest.raises(InputFileError, match="must end in"):
        write_table_file(FRAME, tmp_path / "out.xls")


def test_json_has_no_nan() -> None:
    value = {
        "a": np.float64("nan"),
        "b": [np.int64(1), pd.NaT, None, True],
        3: pd.Timestamp("2024-01-01"),
        "c": np.bool_(1),
    }
    assert to_json_value(value) == {"a": None, "b": [1, None, None, True], "3": "2024-01-01 00:00:00", "c": True}
    assert json.loads(dumps(value))["a"] is None


@pytest.mark.parametrize("separator", [";", "\t"])
def test_the_first_line_tells_the_separator(tmp_path: Path, separator: str) -> None:
    for name in ("x.csv", "x.csv.gz", "x.txt"):
        path = tmp_path / name
        FRAME.to_csv(path, index=False, sep=separator, decimal="," if separator == ";" else ".", encoding="utf-8-sig")
        frame = read_series_file(path).frame
        assert frame.index.name == "when"
        np.testing.assert_array_equal(frame["a"], FRAME["a"])
        assert frame["b"].tolist() == [1, 2, 3]


def test_names_are_never_shifted(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text(
        "when,a\n2024-01-01,1,\n2024-01-02,2,\n"
    )  # pandas calls the stamps an index, and the numbers `when`
    with pytest.raises(InputFileError, match="got 2 names and 3 cells"):
        read_table_file(path)


def test_numbers_spoilt_by_a_cell_are_not_left_out_in_silence(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("t,a,b,site\n1,1.0,2,x\n2,n/v,,y\n3,2.0,5,z\n")
    with pytest.raises(InputFileError, match=r"column 'a' .* got 'n/v' at row 1"):
        read_series_file(path)
    assert list(read_series_file(path, None, ["b"]).frame.columns) == ["b"]


HOURS = pd.date_range("2024-01-20", periods=60, freq="h")
DAYS = pd.date_range("2024-01-20", periods=60, freq="D")


@pytest.mark.parametrize(
    ("name", "times", "stamps"),
    [
        ("time", HOURS, HOURS.astype(str)),
        ("stamp", HOURS, HOURS.strftime("%Y-%m-%dT%H:%M:%SZ")),
        ("when", DAYS, DAYS.strftime("%d.%m.%Y")),
        ("when", DAYS, DAYS.strftime("%m/%d/%Y")),
        ("when", DAYS, DAYS.strftime("%d %b %Y")),
        ("date", DAYS, DAYS.strftime("%Y%m%d")),
        ("anything", HOURS, HOURS.strftime("%Y%m%d%H")),
        ("timestamp", HOURS, (HOURS.astype("datetime64[ns]").astype("int64") // 10**9).astype(str)),
        ("ts", HOURS, (HOURS.astype("datetime64[ns]").astype("int64") // 10**6).astype(str)),
        ("when", HOURS, HOURS.strftime("%d/%m/%Y %I:%M %p")),
        ("week", pd.date_range("2024-01-01", periods=60, freq="7D"),
         pd.date_range("2024-01-01", periods=60, freq="7D").strftime("%G-W%V")),
    ],
)  # fmt: skip
@pytest.mark.parametrize("place", ["first", "last"])
def test_times_are_found_wherever_and_however_they_are_written(
    tmp_path: Path, name: str, times: pd.DatetimeIndex, stamps: pd.Index, place: str
) -> None:
    path = tmp_path / "x.csv"
    y = np.arange(len(times)) / 3
    columns = {name: stamps, "y": y} if place == "first" else {"y": y, name: stamps}
    table = pd.DataFrame(columns)
    table.to_csv(path, index=False)
    file = read_series_file(path)
    assert file.time == name
    assert list(file.frame.columns) == ["y"]
    index = pd.DatetimeIndex(file.frame.index)
    naive = index.tz_convert("UTC").tz_localize(None) if index.tz is not None else index
    assert (naive == times).all()
    pd.testing.assert_frame_equal(file.with_values(file.frame), read_table_file(path))


@pytest.mark.parametrize(
    "before", [{}, {"": range(60)}, {"id": range(60)}, {"site": ["n"] * 60}, {"unique_id": ["7"] * 60}]
)
def test_columns_that_are_not_worked_on_are_carried_along(tmp_path: Path, before: dict[str, Any]) -> None:
    path, out = tmp_path / "x.csv", tmp_path / "o.csv"
    pd.DataFrame({**before, "time": HOURS, "load": np.arange(60.0), "zip": ["007"] * 60, "ok": [True] * 60}).to_csv(
        path, index=False
    )
    file = read_series_file(path, ignore=["zip"])
    assert list(file.frame.columns) == ["load"]
    assert file.time == "time"
    assert len(file.carried) == 2 + len(before)
    changed = file.frame.copy()
    changed.iloc[3, 0] = 99.5
    write_table_file(file.with_values(changed), out, with_index=False)
    old, new = path.read_text().splitlines(), out.read_text().splitlines()
    assert [k for k in range(len(old)) if old[k] != new[k]] == [4]
    assert new[4] == old[4].replace(",3.0,", ",99.5,")


def test_rows_come_out_in_the_order_in_which_they_came(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    table = pd.DataFrame({"time": HOURS, "y": np.arange(60.0)})
    for rows, word in ((np.arange(60)[::-1], "newest first"), (np.random.default_rng(0).permutation(60), "sorted")):
        table.iloc[rows].to_csv(path, index=False)
        file = read_series_file(path)
        assert file.frame["y"].tolist() == list(range(60))
        assert any(word in note for note in file.notes)
        assert file.with_values(file.frame)["y"].astype(float).tolist() == rows.tolist()
        assert file.with_columns({"score": np.arange(60.0)})["score"].tolist() == rows.tolist()


def test_repeated_times_are_refused_or_merged(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    pd.DataFrame({"time": [*HOURS[:5], HOURS[4]], "y": [0.0, 1, 2, 3, 4, 8], "n": list("abcdef")}).to_csv(
        path, index=False
    )
    with pytest.raises(InputFileError, match=r"at rows 4, 5 .*--duplicates mean, first or last"):
        read_series_file(path)
    for how, value in (("mean", 6.0), ("first", 4.0), ("last", 8.0)):
        file = read_series_file(path, duplicates=how)
        assert file.frame["y"].tolist() == [0, 1, 2, 3, value]
        merged = file.with_values(file.frame)
        assert merged["y"].astype(float).tolist() == [0, 1, 2, 3, value]
        assert merged["n"].tolist() == [*"abcd", "f" if how == "last" else "e"]


def test_series_below_each_other_are_refused_with_the_way_out(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    part = pd.DataFrame({"time": HOURS, "load": np.arange(60.0)})
    both = pd.concat([part.assign(unique_id="a"), part.assign(unique_id="b")])
    later = pd.concat([part.assign(unique_id="a"), part.assign(unique_id="b", time=part.time + pd.Timedelta("90D"))])
    for long in (both, later, both.sort_values("time"), both.drop(columns="time")):
        long.to_csv(path, index=False)
        with pytest.raises(InputFileError, match=r"2 series in column 'unique_id' \(a, b, ...\); use `tsprune fleet"):
            read_series_file(path)


def test_a_first_line_of_data_is_no_line_of_names(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    pd.DataFrame({"time": HOURS, "y": np.arange(60.0)}).to_csv(path, index=False, header=False)
    with pytest.raises(InputFileError, match="pass --no-header"):
        read_series_file(path)
    file = read_series_file(path, header=False)
    assert (file.time, list(file.frame.columns), len(file.frame)) == ("column_1", ["column_2"], 60)


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["1.5", "", "n/a", "-", "?", "2"], [1.5, np.nan, np.nan, np.nan, np.nan, 2]),
        (["1,234.5", "12", "-1,000,000"], [1234.5, 12, -1e6]),
        (["1.234,5", "12", "-1.000.000"], [1234.5, 12, -1e6]),
        (["1,5", "2", "-0,25"], [1.5, 2, -0.25]),
        (["1 234,5", "12\u00a0000"], [1234.5, 12000]),
        (["1,234,567", "1,234"], [1234567, 1234]),
        (["1e3", "-2E-1", "+.5"], [1000, -0.2, 0.5]),
        (["0.1", "0.30000000000000004"], [0.1, 0.30000000000000004]),
    ],
)
def test_numbers_as_people_write_them(tmp_path: Path, cells: list[str], expected: list[float]) -> None:
    path = tmp_path / "x.csv"
    pd.DataFrame({"y": cells, "z": range(len(cells))}).to_csv(path, index=False)
    np.testing.assert_array_equal(read_series_file(path, columns=["y"]).frame["y"], expected)


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (["1,234", "5,678", "1"], "can be read in two ways, got '1,234'"),
        (["12", "13", "12 kWh"], "got '12 kWh' at row 2"),
        (["1", "2", "3", "total: 6"], "got 'total: 6' at row 3"),
    ],
)
def test_cells_that_are_no_numbers_are_shown(tmp_path: Path, cells: list[str], message: str) -> None:
    path = tmp_path / "x.csv"
    pd.DataFrame({"y": cells, "z": range(len(cells))}).to_csv(path, index=False)
    with pytest.raises(InputFileError, match=message):
        read_series_file(path)
    assert list(read_series_file(path, ignore=["y"]).frame.columns) == ["z"]


def test_the_decimal_mark_can_be_given(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("y;z\n1,234;1\n5,678;2\n")
    assert read_series_file(path, decimal=",").frame["y"].tolist() == [1.234, 5.678]
    assert read_series_file(path, decimal=".").frame["y"].tolist() == [1234, 5678]
    assert read_series_file(path).frame["y"].tolist() == [1.234, 5.678]  # semicolons go with decimal commas


@pytest.mark.parametrize(
    ("name", "stamps", "message"),
    [
        ("when", [f"{k:02d}/{13 - k:02d}/2024 10:00" for k in range(1, 13)], "--day-first or --month-first"),
        ("when", [f"2024-01-{k:02d}T00:00{'Z' if k % 2 else ''}" for k in range(1, 13)], "offset or without"),
        ("time", [f"tick {k}" for k in range(12)], "times that cannot be read"),
        ("time", [*(f"2024-01-{k:02d}" for k in range(1, 12)), "soon"], "got 'soon'"),
        ("timestamp", [1.7e9 + k / 2 for k in range(12)], "times that cannot be read"),
    ],
)
def test_times_that_cannot_be_read_are_no_row_numbers(
    tmp_path: Path, name: str, stamps: list[object], message: str
) -> None:
    path = tmp_path / "x.csv"
    pd.DataFrame({name: stamps, "y": np.arange(12.0)}).to_csv(path, index=False)
    for columns in (None, ["y"]):
        with pytest.raises(InputFileError, match=message):
            read_series_file(path, None, columns)
    assert read_series_file(path, ignore=[name]).time is None


def test_day_and_month_can_be_given(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    pd.DataFrame({"when": ["03/04/2024", "05/06/2024"], "y": [1.0, 2.0]}).to_csv(path, index=False)
    assert read_series_file(path, day_first=True).frame.index[0] == pd.Timestamp("2024-04-03")
    assert read_series_file(path, day_first=False).frame.index[0] == pd.Timestamp("2024-03-04")


def test_stamps_without_a_zone_can_be_given_one(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    wall = pd.date_range("2024-10-26", periods=60, freq="h", tz="Europe/Berlin")
    pd.DataFrame({"time": wall.tz_localize(None), "y": np.arange(60.0)}).to_csv(path, index=False)
    assert (read_series_file(path, time_zone="Europe/Berlin").frame.index == wall).all()
    with pytest.raises(InputFileError, match="--time-zone must name a zone"):
        read_series_file(path, time_zone="Mars/Base")


def test_labels_and_numbers_in_front_are_no_stamps(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    for first in (["a1", "b2", "c3"], ["10-4", "1/2", "W-12"], [0.5, 1.5, 2.5]):
        pd.DataFrame({"first": first, "y": [1.0, 2.0, 3.0]}).to_csv(path, index=False)
        assert isinstance(read_series_file(path, None, ["y"]).frame.index, pd.RangeIndex)


def test_a_result_never_replaces_its_input_unasked(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    FRAME.to_csv(path, index=False)
    with pytest.raises(InputFileError, match="pass --overwrite"):
        check_not_input(path, tmp_path / "." / "x.csv", False)
    check_not_input(path, path, True)
    check_not_input(path, tmp_path / "y.csv", False)
    check_not_input(path, None, False)


def test_comments_encodings_and_types_of_parquet(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes("# from the logger\n# caf\u00e9\ntime,caf\u00e9\n2024-01-01,1\n2024-01-02,2\n".encode("latin-1"))
    assert list(read_series_file(path).frame.columns) == ["caf\u00e9"]
    stored = tmp_path / "x.parquet"
    FRAME.set_index("when").assign(c=[decimal.Decimal("1.5"), None, decimal.Decimal("2")]).to_parquet(stored)
    file = read_series_file(stored)
    assert isinstance(file, SeriesFile)
    assert (file.time, list(file.frame.columns)) == ("when", ["a", "b", "c"])
    np.testing.assert_array_equal(file.frame["c"], [1.5, np.nan, 2])


def test_a_gzip_file_that_was_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "x.csv.gz"
    FRAME.to_csv(path, index=False)
    path.write_bytes(path.read_bytes()[:-12])
    with pytest.raises(InputFileError, match="must hold a table"):
        read_table_file(path)


def test_months_as_numbers_are_months_and_weeks_are_refused(tmp_path: Path) -> None:
    months = pd.period_range("2019-07", periods=30, freq="M").strftime("%Y%m")
    path = tmp_path / "months.csv"
    path.write_text("month,y\n" + "".join(f"{m},{i}.5\n" for i, m in enumerate(months)))
    index = read_series_file(path).frame.index
    assert (index[0], index[-1]) == (pd.Timestamp("2019-07-01"), pd.Timestamp("2021-12-01"))
    weeks = pd.date_range("2019-07-01", periods=60, freq="W-MON").strftime("%G%V")
    path.write_text("week,y\n" + "".join(f"{w},{i}.5\n" for i, w in enumerate(weeks)))
    with pytest.raises(InputFileError, match="201927, which looks like a year and a week; write weeks as"):
        read_series_file(path)
    path.write_text("t,y\n" + "".join(f"{i},{i}.5\n" for i in range(201_990, 202_020)))
    assert read_series_file(path).frame.index[0] == 201_990


CALENDARS = {
    "hours": pd.date_range("2024-01-20", periods=60, freq="h"),
    "months": pd.date_range("2015-01-31", periods=60, freq="ME"),
    "business days": pd.bdate_range("2024-01-01", periods=60),
    "across both clock changes": pd.date_range("2024-03-30", periods=60, freq="h", tz="Europe/Berlin"),
}


@pytest.mark.parametrize("name", CALENDARS)
def test_absent_timestamps_are_named_and_filled_if_asked_for(tmp_path: Path, name: str) -> None:
    path = tmp_path / "x.csv"
    times = CALENDARS[name]
    table = pd.DataFrame({"time": times, "y": np.arange(60.0), "site": "n"})
    table.to_csv(path, index=False)
    assert read_series_file(path).n_absent == 0
    rows = np.r_[0:20, 21:40, 44:60]
    table.iloc[rows].to_csv(path, index=False)
    file = read_series_file(path)
    assert file.n_absent == 5
    assert any("5 timestamps are absent" in note and "--fill-absent" in note for note in file.notes)
    assert len(file.with_values(file.frame)) == 55
    filled = read_series_file(path, fill_absent=True)
    assert (filled.frame.index == times).all()
    assert np.flatnonzero(filled.frame["y"].isna()).tolist() == [20, 40, 41, 42, 43]
    repaired = filled.with_values(filled.frame.fillna(-1.0))
    assert repaired["y"].astype(float).tolist() == [-1.0 if k in (20, 40, 41, 42, 43) else float(k) for k in range(60)]
    assert repaired["site"].tolist() == ["" if k in (20, 40, 41, 42, 43) else "n" for k in range(60)]


def test_times_without_a_grid_lack_nothing(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    irregular = pd.to_datetime(np.random.default_rng(0).integers(0, 10**8, 40).cumsum(), unit="s")
    pd.DataFrame({"time": irregular, "y": np.arange(40.0)}).to_csv(path, index=False)
    assert read_series_file(path).n_absent == 0
