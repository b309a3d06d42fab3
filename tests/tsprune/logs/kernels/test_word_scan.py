"""The compiled scan of words against its naive twin."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.naive_log_words import masked_words

from tsprune.logs.vocabulary import Vocabulary

# hashes are meant to wrap around; numpy says so where the kernel runs as plain Python
pytestmark = pytest.mark.filterwarnings("ignore:overflow encountered:RuntimeWarning")

LINES = [
    "2024-03-01T12:00:01.123Z INFO web[17]: GET /item/42?x=1 from 10.0.0.1:8080 took -3.5 ms",
    "081109 203518 143 INFO dfs.DataNode: Receiving block blk_-1608999687919862906 src: /10.250.19.102:54106",
    "core.2275 dumped at 0x0b85eee0, mask 0x08 .............1 R02-M1-N0-C:J12-U11",
    'user="alice" id=550e8400-e29b-41d4-a716-446655440000 sha 9f86d081884c7d65 deadbeef cafe',
    "a--b ... ..x x.. 1.2.3.4 1,2 +5 -5 a-5 5-a 5.x v1.2.3-rc4 naïve 5é é5 -",
    "",
    "   ",
]


def scanned(lines: list[str]) -> list[list[str]]:
    vocabulary = Vocabulary()
    line, word, _ = vocabulary.read(lines)
    texts = vocabulary.texts()
    found: list[list[str]] = [[] for _ in lines]
    for i, w in zip(line.tolist(), word.tolist(), strict=True):
        found[i].append(texts[w])
    return found


@pytest.mark.parametrize("line", LINES)
def test_lines_of_many_kinds_as_the_twin_masks_them(line: str) -> None:
    assert scanned([line]) == [masked_words(line)]


def test_what_is_variable_goes_and_what_is_not_stays() -> None:
    assert scanned(["at 10.0.0.1:80 port 9", "took -3.5e ms"])[0] == ["at", "#", "#", "port", "#"]
    assert scanned(["blk_-123 blk_5 /a/b12/c.log R02-M1"])[0] == ["blk_#", "blk_#", "/a/b#/c.log", "R#-M#"]
    assert scanned(["550e8400-e29b-41d4-a716-446655440000"])[0][0].startswith("#")


TEXT = st.text(alphabet="aBcxfF09 18.-+_/:#=,[]\té", max_size=60)


@settings(max_examples=300, deadline=None)
@given(st.lists(TEXT, min_size=1, max_size=4))
def test_any_text_as_the_twin_masks_it(lines: list[str]) -> None:
    assert scanned(lines) == [masked_words(line) for line in lines]
