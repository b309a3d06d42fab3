"""Vocabulary, sources and times of log lines."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest

from tsprune.exceptions import InvalidRecordError, TimeIndexError
from tsprune.logs.line_times import as_seconds, found_seconds, window_seconds
from tsprune.logs.lines_beside import lines_beside
from tsprune.logs.sources import line_blocks
from tsprune.logs.vocabulary import Vocabulary


def test_the_vocabulary_grows_past_its_first_table_and_is_the_same_in_pieces() -> None:
    rng = np.random.default_rng(0)
    letters = np.array(list("abcdefghij"))
    lines = [" ".join("".join(letters[rng.integers(10, size=7)]) for _ in range(9)) for _ in range(3000)]
    whole, pieces = Vocabulary(), Vocabulary()
    line, word, hashes = whole.read(lines)
    parts = [pieces.read(lines[i : i + 100]) for i in range(0, 3000, 100)]
    assert len(whole) == len(set(whole.texts())) > 20_000
    assert whole.texts() == pieces.texts()
    np.testing.assert_array_equal(word, np.concatenate([p[1] for p in parts]))
    np.testing.assert_array_equal(hashes, np.concatenate([p[2] for p in parts]))
    assert np.bincount(line).tolist() == [9] * 3000


def test_a_restored_vocabulary_numbers_words_as_before_and_a_copy_grows_apart() -> None:
    first = Vocabulary()
    first.read(["alpha beta gamma 12"])
    again = Vocabulary.restored(*first.arrays().values())
    twin = first.copy()
    twin.read(["delta"])
    assert (len(first), len(twin)) == (4, 5)
    np.testing.assert_array_equal(again.read(["gamma alpha new"])[1], [2, 0, 4])


def test_a_line_with_a_break_inside_is_one_line() -> None:
    line, _, hashes = Vocabulary().read(["one\ntwo", "three"])
    assert line.tolist() == [0, 0, 1]
    assert len(hashes) == 2


def test_text_and_gzip_have_file_and_number(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_text("one\r\ntwo\nlast")
    with gzip.open(tmp_path / "a.log.gz", "wt") as file:
        file.write("one\ntwo\nlast\n")
    for name in ("a.log", "a.log.gz"):
        (block,) = line_blocks(tmp_path / name)
        assert block.lines == ["one", "two", "last"]
        assert (block.where, block.number(1)) == (str(tmp_path / name), 2)


def test_json_lines_and_journald(tmp_path: Path) -> None:
    records = [
        {"time": "2024-01-01T00:00:00Z", "level": "warning", "message": "disk 3 full"},
        {"__REALTIME_TIMESTAMP": "1704067200000000", "PRIORITY": "3", "SYSLOG_IDENTIFIER": "sshd", "MESSAGE": "no key"},
        {"MESSAGE": [104, 105]},
        {"a": 1, "b": "x"},
    ]
    path = tmp_path / "a.jsonl"
    path.write_text("\n".join(map(json.dumps, records)) + "\n\n  at stack.trace(line 4)\n")
    (block,) = line_blocks(path)
    assert block.lines == ["WARNING disk 3 full", "ERR sshd no key", "hi", "a=1 b=x", "  at stack.trace(line 4)"]
    assert block.times[:2] == ["2024-01-01T00:00:00Z", "1704067200.0"]
    assert block.number(4) == 6
    export = tmp_path / "b.export"
    export.write_text("__CURSOR=s\n__REALTIME_TIMESTAMP=1704067200000000\nPRIORITY=6\nMESSAGE=up\n\nMESSAGE=down\n")
    (block,) = line_blocks(export)
    assert block.lines == ["INFO up", "down"]


def test_frames_and_series() -> None:
    lines = ["a b", "c d"]
    for source in (
        lines, tuple(lines), iter(lines), "a b\nc d", pd.Series(lines), pd.DataFrame({"x": [1, 2], "message": lines}),
        pl.Series(lines), pl.DataFrame({"line": lines}),
    ):  # fmt: skip
        (block,) = line_blocks(source)
        assert block.lines == lines


def test_what_is_no_log_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(InvalidRecordError, match="must be a file"):
        list(line_blocks(tmp_path / "none.log"))
    with pytest.raises(InvalidRecordError, match="must be text, got 3"):
        list(line_blocks(["a", 3]))
    with pytest.raises(InvalidRecordError, match="must have one of the columns"):
        list(line_blocks(pd.DataFrame({"x": ["a"]})))
    broken = tmp_path / "b.jsonl"
    broken.write_text('{"message": "a"}\n[1]\n')
    with pytest.raises(InvalidRecordError, match="line 2"):
        list(line_blocks(broken))
    cut = tmp_path / "c.log.gz"
    cut.write_bytes(gzip.compress(b"one\n" * 1000)[:30])
    with pytest.raises(InvalidRecordError, match="whole gzip"):
        list(line_blocks(cut))


@pytest.mark.parametrize(
    ("line", "seconds"),
    [
        ("2024-03-01T12:00:01.5Z start", 1709294401.5),
        ("2024-03-01 13:00:01,500+01:00 start", 1709294401.5),
        ("- 1117838570 2005.06.03 R02 2005-06-03-15.42.50.363779 R02", 1117813370.363779),
        ("Jun 14 15:16:01 combo sshd: failure", 14224561.0),
        ('1.2.3.4 - - [10/Oct/2000:13:55:36 -0700] "GET /"', 971211336.0),
        ("081109 203518 143 INFO dfs", 1226262918.0),
        ("at 1117838570.25 it began", 1117838570.25),
    ],
)
def test_times_are_found(line: str, seconds: float) -> None:
    found = found_seconds([line, "  no time here", line])
    if "R02" in line:  # two forms fit; the date is taken
        assert abs(found[0] - seconds) < 86400
    else:
        np.testing.assert_allclose(found, seconds)


def test_lines_without_times_have_none() -> None:
    assert np.isnan(found_seconds(["a", "b"])).all()
    assert np.isnan(found_seconds(["Foo 99 99:99:99 x"])).all()


def test_times_of_many_kinds() -> None:
    expected = [1704067200.0, 1704067201.5]
    stamps = pd.to_datetime(["2024-01-01T00:00:00", "2024-01-01T00:00:01.5"], format="ISO8601")
    for times in (expected, stamps, stamps.tz_localize("UTC"), ["2024-01-01T00:00:00Z", "2024-01-01T00:00:01.5Z"]):
        np.testing.assert_allclose(as_seconds(times), expected)
    with pytest.raises(TimeIndexError, match="time must hold"):
        as_seconds(["yesterday"])
    assert window_seconds("5min") == 300.0
    for wrong in ("nonsense", "0s", "-1h"):
        with pytest.raises(TimeIndexError, match="window must be"):
            window_seconds(wrong)


def test_what_stands_beside_lines_must_be_as_long() -> None:
    lines = ["a", "b", "c"]
    for beside in (([1, 2], None, None), (None, [0.0] * 4, None), (None, None, [True])):
        with pytest.raises(InvalidRecordError, match="one entry a line"):
            list(lines_beside(lines, *beside))
    ((block, names, _),) = lines_beside(lines, ["x", "y", "z"], None, [False, True, True])
    assert block.lines == ["b", "c"]
    assert list(names or ()) == ["y", "z"]
    assert [block.number(i) for i in range(2)] == [1, 2]
    ((block, _, seconds),) = lines_beside(lines, None, [1.0, 2.0, 3.0], 3)
    assert block.lines == ["a", "b"]
    assert seconds.tolist() == [1.0, 2.0]
