"""Files of the command line: what is read, guessed, written and refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tsprune.commands.files import (
    InputFileError,
    dumps,
    read_series_file,
    read_table_file,
    to_json_value,
    write_table_file,
)

FRAME = pd.DataFrame(
    {"when": pd.date_range("2024-01-01", periods=3, freq="D"), "a": [1.0, np.nan, 3.0], "b": [1, 2, 3]}
)


@pytest.mark.parametrize("ending", [".csv", ".csv.gz", ".parquet"])
def test_series_with_a_time_column_that_is_found(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"x{ending}"
    FRAME.to_parquet(path) if ending == ".parquet" else FRAME.to_csv(path, index=False)
    frame = read_series_file(path, None, None)
    assert list(frame.columns) == ["a", "b"]
    assert isinstance(frame.index, pd.DatetimeIndex)
    assert frame.index.name == "when"
    assert list(read_series_file(path, "when", ["b"]).columns) == ["b"]


def test_tab_separated_and_integer_times(tmp_path: Path) -> None:
    path = tmp_path / "x.tsv"
    pd.DataFrame({"t": [10, 20], "y": [1.0, 2.0]}).to_csv(path, sep="\t", index=False)
    assert read_series_file(path, None, None).index.tolist() == [10, 20]


def test_without_times_rows_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    pd.DataFrame({"y": [1.0, 2.0], "word": ["a", "b"]}).to_csv(path, index=False)
    frame = read_series_file(path, None, None)
    assert list(frame.columns) == ["y"]
    assert isinstance(frame.index, pd.RangeIndex)
    pd.DataFrame({"word": ["a", "b"], "y": [1.0, 2.0]}).to_csv(path, index=False)
    assert list(read_series_file(path, None, None).columns) == ["y"]


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
            read_series_file(path, None, None)
    path.write_text("a,b\nx,y\n")
    with pytest.raises(InputFileError, match="column of numbers"):
        read_series_file(path, None, None)
    with pytest.raises(InputFileError, match=r"column 'c' must be in x\.csv"):
        read_series_file(path, "c", None)
    with pytest.raises(InputFileError, match="ISO 8601"):
        read_series_file(path, "a", None)
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
    np.testing.assert_array_equal(back["a"], FRAME["a"])
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
        frame = read_series_file(path, None, None)
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
        read_series_file(path, None, None)
    assert list(read_series_file(path, None, ["b"]).columns) == ["b"]


@pytest.mark.parametrize(
    ("name", "stamps"),
    [
        ("when", [f"{k:02d}/01/2024 10:00" for k in range(1, 13)]),
        ("when", [f"{k}.1.2024" for k in range(1, 13)]),
        ("when", [f"Jan {k}, 2024" for k in range(1, 13)]),
        ("when", [f"2024-01-{k:02d}T00:00{'Z' if k % 2 else '+01:00'}" for k in range(1, 13)]),
        ("time", [f"tick {k}" for k in range(12)]),
        ("timestamp", [1.7e9 + k / 2 for k in range(12)]),
    ],
)
def test_stamps_that_cannot_be_read_are_no_row_numbers(tmp_path: Path, name: str, stamps: list[object]) -> None:
    path = tmp_path / "x.csv"
    pd.DataFrame({name: stamps, "y": np.arange(12.0)}).to_csv(path, index=False)
    for columns in (None, ["y"]):
        # pandas 2 takes stamps of several zones for times, in objects: there the index refuses them
        with pytest.raises(InputFileError, match=r"times that cannot be read|ISO 8601 stamps of one zone, got"):
            read_series_file(path, None, columns)


def test_labels_and_numbers_in_front_are_no_stamps(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    for first in (["a1", "b2", "c3"], ["10-4", "1/2", "W-12"], [0.5, 1.5, 2.5]):
        pd.DataFrame({"first": first, "y": [1.0, 2.0, 3.0]}).to_csv(path, index=False)
        assert isinstance(read_series_file(path, None, ["y"]).index, pd.RangeIndex)


def test_a_gzip_file_that_was_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "x.csv.gz"
    FRAME.to_csv(path, index=False)
    path.write_bytes(path.read_bytes()[:-12])
    with pytest.raises(InputFileError, match="must hold a table"):
        read_table_file(path)
