"""A self-contained HTML page: texts, tables, charts and pruning reports in one file that loads nothing."""

from __future__ import annotations

import html
from pathlib import Path

import pandas as pd

from detectors.report import PruningReport

__all__ = ["Page"]

_SHOWN_ROWS = 100
_STYLE = """
:root{color-scheme:light dark;--ink:#1b263b;--soft:#5c677d;--line:#d9dee7;--paper:#fff;--shade:#f4a26133}
@media(prefers-color-scheme:dark){:root{--ink:#e6eaf2;--soft:#9aa5b8;--line:#38445a;--paper:#141a24;--shade:#f4a26144}}
body{font:15px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper);max-width:960px;
 margin:2rem auto;padding:0 1rem}
h1{font-size:1.6rem;margin-bottom:.2rem}h2{font-size:1.2rem;margin-top:2.2rem;border-bottom:1px solid var(--line)}
p.lead{color:var(--soft);margin-top:0}svg{width:100%;height:auto;display:block;margin:.6rem 0}
.scroll{overflow:auto;max-height:26rem}@media print{.scroll{max-height:none}}
table{border-collapse:collapse;font-size:13px;margin:.6rem 0;font-variant-numeric:tabular-nums}
th,td{padding:.25rem .6rem;text-align:left;border-bottom:1px solid var(--line);vertical-align:top}
th,td:first-child{white-space:nowrap}
th{color:var(--soft);font-weight:600}
svg text{font:11px system-ui,sans-serif;fill:var(--soft)}svg .t{font-weight:600;fill:var(--ink)}svg .y{text-anchor:end}
svg .n{text-anchor:end}svg .g{stroke:var(--line);stroke-width:.7}
svg .l{fill:none;stroke-linejoin:round}svg .s{fill:var(--shade)}
.guard{border-left:3px solid #e09f3e;padding-left:.7rem;color:var(--soft)}
"""


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

    def section(self, heading: str) -> Page:
        """Start a section; return the page."""
        self._parts.append(f"<h2>{html.escape(heading)}</h2>")
        return self

    def text(self, text: str) -> None:
        """Add a paragraph of plain text."""
        self._parts.append(f"<p>{html.escape(text)}</p>")

    def chart(self, svg: str) -> None:
        """Add a chart made by `tsprune.reporting.svg`."""
        self._parts.append(svg)

    def table(self, frame: pd.DataFrame, *, with_index: bool = False) -> None:
        """Add the first 100 rows of a table; says how many are left out."""
        shown = frame.head(_SHOWN_ROWS)
        body = shown.to_html(
            index=with_index, border=0, na_rep="", float_format=lambda value: f"{value:.4g}", escape=True
        )
        self._parts.append(f"<div class='scroll'>{body}</div>")
        if len(frame) > _SHOWN_ROWS:
            self.text(f"… and {len(frame) - _SHOWN_ROWS} more rows")

    def report(self, report: PruningReport) -> None:
        """Add a pruning report: its guards first, then the table."""
        for guard in report.guards:
            self._parts.append(f"<p class='guard'>{html.escape(guard)}</p>")
        self._parts.append(f"<p><strong>{html.escape(report.summary().splitlines()[0])}</strong></p>")
        frame = report.to_frame()
        order = frame["kept"].argsort(kind="stable")  # what went comes first
        shown = frame.iloc[order].assign(kept=lambda f: f["kept"].map({True: "kept", False: "removed"}))
        self.table(shown)

    def to_html(self) -> str:
        """Return the page as text."""
        return (
            "<!doctype html><html lang='en'><head><meta charset='utf-8'>"
            "<meta name='viewport' content='width=device-width,initial-scale=1'>"
            f"<title>{html.escape(self.title)}</title><style>{_STYLE}</style></head><body>"
            f"<h1>{html.escape(self.title)}</h1><p class='lead'>{html.escape(self.lead)}</p>"
            f"{''.join(self._parts)}</body></html>"
        )

    def write(self, path: str | Path) -> Path:
        """Write the page and return the absolute path."""
        path = Path(path).resolve()
        path.write_text(self.to_html(), encoding="utf-8")
        return path
