"""PruningReport: what it says, and that nothing is lost on the way to JSON and back."""

from __future__ import annotations

import json
import math

import matplotlib as mpl
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.exceptions import PruningError
from detectors.report import PruningRecord, PruningReport, merge

mpl.use("Agg")

KEPT = PruningRecord("cpu", "relevant", True, "depends on disk", 0.4, 0.1, 0.001)
GONE = PruningRecord("dice <b>", "independent noise", False, "depends on nothing", 0.02, 0.1, 0.8)
CONSTANT = PruningRecord(7, "constant", False, "one value")
REPORT = PruningReport([KEPT, GONE, CONSTANT], subject="features", guards=["half must stay"], figures={"level": 0.05})


def test_lists_and_summary() -> None:
    assert REPORT.removed == ["dice <b>", 7]
    assert REPORT.kept == ["cpu"]
    assert len(REPORT) == 3
    lines = REPORT.summary().splitlines()
    assert lines == ["features: 2 of 3 removed (independent noise 1, constant 1)", "guard: half must stay"]
    assert PruningReport([KEPT], subject="rows").summary() == "rows: 0 of 1 removed"


def test_frame_has_the_columns_of_the_contract() -> None:
    frame = REPORT.to_frame()
    assert list(frame.columns) == ["item", "kind", "kept", "reason", "statistic", "threshold", "p_value"]
    assert frame["kept"].tolist() == [True, False, False]
    assert math.isnan(frame["p_value"].iloc[2])
    empty = PruningReport([]).to_frame()
    assert list(empty.columns) == list(frame.columns)
    assert len(empty) == 0


def test_html_is_escaped_and_marks_what_went() -> None:
    text = REPORT._repr_html_()
    assert "dice &lt;b&gt;" in text
    assert "dice <b>" not in text
    assert text.count("#c1121f") == 2
    many = PruningReport([KEPT] * 300)._repr_html_()
    assert "and 100 more" in many


def test_plot_draws_one_bar_per_item() -> None:
    axes = REPORT.plot()
    assert len(axes.patches) == 3
    assert REPORT.plot(ax=axes) is axes


def test_merge_keeps_everything() -> None:
    joined = merge([REPORT, PruningReport([KEPT], subject="rows", figures={"n": 1})], "model")
    assert len(joined) == 4
    assert joined.guards == ("half must stay",)
    assert joined.figures == {"features.level": 0.05, "rows.n": 1}


numbers = st.floats(allow_infinity=False, allow_nan=True)
records = st.builds(
    PruningRecord, st.one_of(st.text(), st.integers()), st.text(), st.booleans(), st.text(), numbers, numbers, numbers
)


@settings(deadline=None, max_examples=50)
@given(st.lists(records, max_size=5), st.lists(st.text(), max_size=2))
def test_json_round_trip(rows: list[PruningRecord], guards: list[str]) -> None:
    report = PruningReport(
        rows, subject="features", guards=guards, figures={"a": 1, "b": np.float64(0.5), "c": math.nan}
    )
    text = report.to_json(indent=1)
    json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    back = PruningReport.from_json(text)
    assert back.to_frame().equals(report.to_frame())
    assert back.guards == report.guards
    assert back.figures == {"a": 1, "b": 0.5, "c": None}


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"format": 99}', '{"format": 1, "records": [{}]}'])
def test_what_is_no_report_is_an_error(text: str) -> None:
    with pytest.raises(PruningError):
        PruningReport.from_json(text)
