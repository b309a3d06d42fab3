"""Charts and pages: well-formed, self-contained, and nothing lost from the picture."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.report import PruningRecord, PruningReport
from tsprune.reporting import words
from tsprune.reporting.page import Page
from tsprune.reporting.svg import Line, Marks, _ticks, line_chart

INDEX = pd.date_range("2024-01-01", periods=100, freq="h")
VALUES = np.sin(np.arange(100) / 5)


def drawing(figure: str) -> ET.Element:
    """The static drawing of a chart."""
    return ET.fromstring(re.search(r"<svg.*?</svg>", figure)[0])  # type: ignore[index]  # a chart always has one


def stored(figure: str) -> dict[str, Any]:
    """What the script of the page draws the chart from."""
    found: dict[str, Any] = json.loads(re.search(r"<script[^>]*>(.*?)</script>", figure)[1])  # type: ignore[index]
    return found


def points(svg: str) -> np.ndarray:
    """Coordinates of the first line of a chart (n, 2)."""
    path = next(e.attrib["d"] for e in drawing(svg).iter("path") if e.attrib["class"] == "l")
    return np.array([[float(v) for v in pair.split(" ")] for pair in re.split("[ML]", path)[1:]])


def test_a_chart_is_well_formed_and_escaped() -> None:
    marks = [Marks("found", np.array([3, 5]), VALUES[[3, 5]], texts=["a < b", "c"])]
    svg = line_chart([Line("x & y", VALUES), Line("", VALUES / 2)], INDEX, title="<t>", marks=marks, spans=[(10, 20)])
    root = drawing(svg)
    tags = [element.tag for element in root.iter()]
    assert tags.count("circle") == 2
    assert tags.count("rect") == 1
    texts = [element.text for element in root.iter("text")]
    assert {"<t>", "x & y", "found"} <= set(texts)
    assert "2024-01-01" in texts


def test_the_line_goes_through_every_point_and_breaks_at_gaps() -> None:
    values = VALUES.copy()
    values[40] = np.nan
    svg = line_chart([Line("x", values)], INDEX)
    assert len(points(svg)) == 99
    assert svg.count("M") >= 2
    heights = points(svg)[:, 1]
    assert np.argmin(heights) == np.nanargmax(values)  # up is up


def test_a_spike_survives_thinning() -> None:
    values = np.zeros(100_000)
    values[54_321] = 9.0
    svg = line_chart([Line("x", values)], pd.RangeIndex(values.size), width=300)
    assert len(points(svg)) < 1000
    assert points(svg)[:, 1].min() < points(svg)[:, 1].max() - 50
    gap = np.full(100_000, np.nan)
    gap[:5] = 1.0
    assert "M" in line_chart([Line("x", gap)], pd.RangeIndex(gap.size), width=300)


def test_flat_and_empty_lines_have_a_chart() -> None:
    for values in (np.ones(5), np.full(5, np.nan), np.array([2.0])):
        drawing(line_chart([Line("x", values)], pd.RangeIndex(values.size)))
    marked = line_chart(
        [Line("x", np.ones(3))], pd.RangeIndex(3), marks=[Marks("m", np.array([1]), np.array([np.nan]))]
    )
    assert "<circle" not in marked


def test_a_page_is_one_file_that_loads_nothing(tmp_path: Path) -> None:
    page = Page("Title <x>", lead="lead")
    page.section("First & last").text("a < b")
    page.chart(line_chart([Line("x", VALUES)], INDEX))
    page.table(pd.DataFrame({"a": np.arange(150), "b": ["<i>"] * 150}))
    page.table(pd.DataFrame({"a": [0.123456789]}), with_index=True)
    records = [PruningRecord("keep", "relevant", True, "r", 1.0), PruningRecord("go", "constant", False, "one value")]
    page.report(PruningReport(records, subject="features", guards=["half stays"]))
    path = page.write(tmp_path / "page.html")
    text = path.read_text(encoding="utf-8")
    assert path.is_absolute()
    for word in (
        "Title &lt;x&gt;",
        "First &amp; last",
        "a &lt; b",
        "50 more rows",
        "0.1235",
        "half stays",
        "1 of 2 removed",
    ):
        assert word in text
    assert "&lt;i&gt;" in text
    assert text.index("<td>go</td>") < text.index("<td>keep</td>")
    assert not re.search(r"(src|href)=|@import|url\(|https?://(?!www\.w3\.org/2000/svg)", text)


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (3.763, 15.0, [5.0, 7.5, 10.0, 12.5, 15.0]),
        (-1.092, 2.315, [-1.0, 0.0, 1.0, 2.0]),
        (0.0, 1.0, [0.0, 0.25, 0.5, 0.75, 1.0]),
        (-5e-301, 5e-301, [-5e-301, -2.5e-301, 0.0, 2.5e-301, 5e-301]),
    ],
)
def test_the_axis_has_round_values(low: float, high: float, expected: list[float]) -> None:
    np.testing.assert_allclose(_ticks(low, high), expected, rtol=1e-12)


@settings(deadline=None)
@given(st.floats(-1e6, 1e6), st.floats(1e-3, 1e6))
def test_there_are_always_some_values_on_the_axis(low: float, extent: float) -> None:
    ticks = _ticks(low, low + extent)
    assert 2 <= ticks.size <= 7
    assert (ticks >= low - 1e-9 * extent).all()
    assert (ticks <= low + extent * (1 + 1e-9)).all()


def test_values_too_close_for_round_ones() -> None:
    assert _ticks(1e6, np.nextafter(1e6, 2e6)).size == 4


def test_the_data_of_a_chart_travel_with_it() -> None:
    values = VALUES.copy()
    values[40] = np.nan
    marks = [Marks("m", np.array([3]), values[[3]], texts=["</script>"], targets=["row-0"])]
    data = stored(line_chart([Line("x", values)], INDEX, title="t", marks=marks, spans=[(10, 20)]))
    assert (data["title"], data["timed"], len(data["index"]), data["spans"]) == ("t", True, 100, [[10, 20]])
    assert pd.Timestamp(data["index"][5], unit="ms") == INDEX[5]
    read = np.array(data["lines"][0]["values"], dtype=float)
    np.testing.assert_allclose(read, values, atol=1e-6)
    assert data["marks"][0]["rows"] == [3]
    assert data["marks"][0]["texts"] == ["</script>"]


def test_long_lines_travel_thinned_with_their_extremes_and_marks() -> None:
    values = np.zeros(300_000)
    values[123_456], values[200_001] = 5.0, -5.0
    marks = [Marks("m", np.array([777, 250_001]), values[[777, 250_001]])]
    data = stored(line_chart([Line("x", values)], pd.RangeIndex(values.size), marks=marks, spans=[(0, 300_000)]))
    assert len(data["index"]) <= 20_100
    assert max(data["lines"][0]["values"]) == 5.0
    assert min(data["lines"][0]["values"]) == -5.0
    assert [data["index"][row] for row in data["marks"][0]["rows"]] == ["777", "250001"]
    assert data["spans"] == [[0, len(data["index"])]]


def test_tables_have_rows_that_marks_lead_to() -> None:
    page = Page("t")
    page.verdict("a < b")
    page.fold("more")
    page.unfold()
    page.table(pd.DataFrame({"a": range(120)}), ids="change")
    text = page.to_html()
    assert "<p class='verdict'>a &lt; b</p>" in text
    assert "<tr id='change-0'>" in text
    assert "<tr id='change-119'>" in text
    assert "more rows" not in text
    assert text.count("<details>") == text.count("</details>") == 1
    assert "chart.js" not in text


def test_sentences_fit_the_case() -> None:
    assert words.repaired({"gap": 59, "spike": 1}) == ["59 missing values filled", "1 spike replaced"]
    assert words.listed(["a", "b", "c"]) == "a, b and c"
    assert words.listed([]) == ""
    verdict = words.cleaning_verdict("co2", 2284, {"gap": 59, "level shift": 12}, ["the season was kept"])
    assert verdict.startswith(
        "co2: 71 of 2,284 values changed: 59 missing values filled and 12 values of level shifts moved back"
    )
    assert verdict.endswith("The season was kept.")
    assert "nothing was changed" in words.cleaning_verdict("co2", 10, {})
    assert "No anomaly among 100" in words.detection_verdict(100, 0, 0)
    assert "1 abnormal episode, 3 time points of 100." in words.detection_verdict(100, 1, 3)
    assert words.pruning_verdict(5, {"a": "constant"}) == "1 of 5 columns dropped: 1 constant."
    assert words.pruning_verdict(5, {}).startswith("All 5 columns stay.")
    assert words.pruning_verdict(5, {}, ["half stays"]).endswith("half stays")
    change = next(pd.DataFrame({"time": [3], "reason": ["spike"], "old": [9.0], "new": [1.5]}).itertuples())
    assert words.sentence_of_change(change) == "3: spike replaced, 9 became 1.5"
