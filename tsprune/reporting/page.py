"""A self-contained HTML page: verdict, texts, tables, charts and pruning reports in one file that loads nothing."""

from __future__ import annotations

import html
from importlib import resources
from pathlib import Path

import pandas as pd

from detectors.report import PruningReport

__all__ = ["Page"]

_SHOWN_ROWS = 100  # of a table


class Page:
    """A page that grows by sections and is written once.

    Parameters
    ----------
    title : str
        Heading and window title.
    lead : str
        One line below the heading.

    Examples
    --------
    >>> page = Page("A report", lead="of nothing")
    >>> page.section("First").text("Some words.")
    >>> "<h2>First</h2>" in page.to_html()
    True
    """

    def __init__(self, title: str, *, lead: str = "") -> None:
        self.title = title
        self.lead = lead
        self._parts: list[str] = []
        self._has_chart = False

    def __len__(self) -> int:
        """Return the number of parts so far."""
        return len(self._parts)

    def section(self, heading: str) -> Page:
        """Start a section; return the page."""
        self._parts.append(f"<h2>{html.escape(heading)}</h2>")
        return self

    def verdict(self, text: str) -> Page:
        """Say in a sentence or two what came out; return the page."""
        self._parts.append(f"<p class='verdict'>{html.escape(text)}</p>")
        return self

    def fold(self, heading: str) -> None:
        """Start a part that is folded away until it is asked for."""
        self._parts.append(f"<details><summary>{html.escape(heading)}</summary>")

    def unfold(self) -> None:
        """End the folded part."""
        self._parts.append("</details>")

    def text(self, text: str) -> None:
        """Add a paragraph of plain text."""
        self._parts.append(f"<p>{html.escape(text)}</p>")

    def chart(self, svg: str) -> None:
        """Add a chart made by `tsprune.reporting.svg`; say once how to use charts."""
        self._parts.append(svg)
        if not self._has_chart:
            self._parts.append(
                "<p class='hint'>Charts: drag over a stretch to enlarge it, double-click for all; with the keyboard, "
                "arrows move, + and - zoom, 0 shows all. A click on a mark leads to its row.</p>"
            )
        self._has_chart = True

    def table(self, frame: pd.DataFrame, *, with_index: bool = False, ids: str = "") -> None:
        """Add the first 100 rows of a table; says how many are left out.

        With `ids`, rows get the ids ``<ids>-0``, ``<ids>-1``, ... that marks of a chart can lead to, and all are shown.
        """
        shown = frame if ids else frame.head(_SHOWN_ROWS)
        body = shown.to_html(
            index=with_index, border=0, na_rep="", float_format=lambda value: f"{value:.4g}", escape=True
        )
        if ids:
            head, _, rows = body.partition("<tbody>")
            parts = rows.split("<tr>")
            body = head + "<tbody>" + parts[0] + "".join(f"<tr id='{ids}-{k}'>{row}" for k, row in enumerate(parts[1:]))
        self._parts.append(f"<div class='scroll'>{body}</div>")
        if len(frame) > len(shown):
            self.text(f"… and {len(frame) - len(shown)} more rows")

    def report(self, report: PruningReport) -> None:
        """Add a pruning report: its guards first, then the table."""
        for guard in report.guards:
            self._parts.append(f"<p class='guard'>{html.escape(guard)}</p>")
        self._parts.append(f"<p><strong>{html.escape(report.summary().splitlines()[0])}</strong></p>")
        frame = report.to_frame()
        order = frame["kept"].argsort(kind="stable")  # what went comes first
        shown = frame.iloc[order].assign(kept=lambda f: f["kept"].map({True: "kept", False: report.verb}))
        self.table(shown)

    def to_html(self) -> str:
        """Return the page as text."""
        style = _resource("page.css")
        script = f"<script>{_resource('chart.js')}</script>" if self._has_chart else ""
        return (
            "<!doctype html><html lang='en'><head><meta charset='utf-8'>"
            "<meta name='viewport' content='width=device-width,initial-scale=1'>"
            f"<title>{html.escape(self.title)}</title><style>{style}</style></head><body>"
            f"<h1>{html.escape(self.title)}</h1><p class='lead'>{html.escape(self.lead)}</p>"
            f"{''.join(self._parts)}{script}</body></html>"
        )

    def write(self, path: str | Path) -> Path:
        """Write the page and return the absolute path."""
        path = Path(path).resolve()
        path.write_text(self.to_html(), encoding="utf-8")
        return path


def _resource(name: str) -> str:
    """A text file of this package."""
    return resources.files("tsprune.reporting").joinpath(name).read_text(encoding="utf-8")
