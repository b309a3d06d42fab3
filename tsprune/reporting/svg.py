"""Line charts as inline SVG, with their data beside them so that the page's script can zoom and read values.

A chart holds lines over one axis of times or row numbers, with marks (a circle each) and shaded spans. Long lines are
thinned to the lowest and highest point of every pixel column, so that a spike is never lost.
"""

from __future__ import annotations

import html
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

__all__ = ["Line", "Marks", "line_chart"]

Floats = NDArray[np.float64]

# colours of the page's style sheet, one set for light and one for dark screens
COLOURS = ("var(--blue)", "var(--teal)", "var(--amber)", "var(--violet)", "var(--green)", "var(--red)")
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 12, 24, 24  # margins, in pixels
_MOST_POINTS = 20_000  # of a line that travel with the page; longer ones are thinned to the extremes of blocks


@dataclass(frozen=True)
class Line:
    """A line: `values` (n_timepoints,) with NaN where it breaks."""

    name: str
    values: Floats
    colour: str = ""
    width: float = 1.2


@dataclass(frozen=True)
class Marks:
    """Circles at `rows` (k,) and `values` (k,); `texts` are shown when the pointer rests on one.

    `targets` are ids of elements of the page that a click leads to.
    """

    name: str
    rows: NDArray[np.int64]
    values: Floats
    colour: str = "var(--red)"
    texts: Sequence[str] = field(default_factory=tuple)
    targets: Sequence[str] = field(default_factory=tuple)


def line_chart(
    lines: Sequence[Line],
    index: pd.Index,
    *,
    title: str = "",
    marks: Sequence[Marks] = (),
    spans: Sequence[tuple[int, int]] = (),
    width: int = 920,
    height: int = 170,
) -> str:
    """Return a chart as SVG text.

    Parameters
    ----------
    lines : sequence of Line
        All of the length of `index`.
    index : Index of shape (n_timepoints,)
        Labels of the horizontal axis.
    title : str
        Printed above; also what a screen reader says.
    marks : sequence of Marks
    spans : sequence of (int, int)
        Half-open row ranges to shade.
    width, height : int
        In pixels.

    Returns
    -------
    str
        One `<figure>` with the drawing and its data.
    """
    drawing = _drawing(lines, index, title, marks, spans, width, height)
    stored = json.dumps(_data(lines, index, title, marks, spans, height), allow_nan=False).replace("<", "\\u003c")
    return f"<figure class='chart'>{drawing}<script type='application/json'>{stored}</script></figure>"


def _data(
    lines: Sequence[Line],
    index: pd.Index,
    title: str,
    marks: Sequence[Marks],
    spans: Sequence[tuple[int, int]],
    height: int,
) -> dict[str, Any]:
    """What the script of the page draws a chart from; marks and spans in rows of the thinned lines."""
    n = len(index)
    rows = np.arange(n)
    if n > _MOST_POINTS and lines:
        kept = {0, n - 1, *(int(row) for group in marks for row in group.rows)}
        for line in lines:
            values = np.asarray(line.values, dtype=np.float64)
            for a, b in pairwise(np.linspace(0, n, _MOST_POINTS // (2 * len(lines)) + 1).astype(int).tolist()):
                block = values[a:b]
                if np.isfinite(block).any():
                    kept |= {a + int(np.nanargmin(block)), a + int(np.nanargmax(block))}
        rows = np.array(sorted(kept))
    timed = isinstance(index, pd.DatetimeIndex)
    chosen = index[rows]
    labels = _milliseconds(chosen) if isinstance(chosen, pd.DatetimeIndex) else [str(value) for value in chosen]
    return {
        "title": title,
        "height": height,
        "timed": timed,
        "index": labels,
        "lines": [
            {
                "name": line.name,
                "colour": line.colour or COLOURS[k % len(COLOURS)],
                "values": _numbers(np.asarray(line.values, dtype=np.float64)[rows]),
            }
            for k, line in enumerate(lines)
        ],
        "marks": [
            {
                "name": group.name,
                "colour": group.colour,
                "rows": np.searchsorted(rows, group.rows).tolist(),
                "values": _numbers(group.values),
                "texts": list(group.texts),
                "targets": list(group.targets),
            }
            for group in marks
        ],
        "spans": [[int(k) for k in np.searchsorted(rows, span)] for span in spans],
    }


def _milliseconds(times: pd.DatetimeIndex) -> list[int]:
    """Wall-clock times (n,) as milliseconds since 1970, as JavaScript counts them."""
    wall = times.tz_localize(None) if times.tz is not None else times
    return [int(value) for value in wall.as_unit("ms").asi8]


def _numbers(values: Floats) -> list[float | None]:
    """Values (n,) with seven digits; None where there is none."""
    return [float(f"{value:.7g}") if np.isfinite(value) else None for value in values.tolist()]


def _drawing(
    lines: Sequence[Line],
    index: pd.Index,
    title: str,
    marks: Sequence[Marks],
    spans: Sequence[tuple[int, int]],
    width: int,
    height: int,
) -> str:
    """The chart as it stands without the script: one `<svg>` element."""
    n = len(index)
    everything = [np.asarray(line.values, dtype=np.float64) for line in lines] + [m.values for m in marks]
    finite = np.concatenate([v[np.isfinite(v)] for v in everything] or [np.zeros(1)])
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    if high <= low:
        low, high = low - 0.5, high + 0.5
    inner_width, inner_height = width - _LEFT - _RIGHT, height - _TOP - _BOTTOM

    def x(row: float) -> float:
        return _LEFT + inner_width * row / max(1, n - 1)

    def y(value: float) -> float:
        return _TOP + inner_height * (high - value) / (high - low)

    parts = [
        f"<svg viewBox='0 0 {width} {height}' role='img' aria-label='{html.escape(title, quote=True)}'>",
        f"<text x='{_LEFT}' y='15' class='t'>{html.escape(title)}</text>",
    ]
    for first, end in spans:
        left, right = x(first - 0.5), x(end - 0.5)
        parts.append(
            f"<rect x='{left:.1f}' y='{_TOP}' width='{max(1.0, right - left):.1f}' height='{inner_height}' class='s'/>"
        )
    for value in _ticks(low, high):
        parts.append(f"<path d='M{_LEFT} {y(value):.1f}H{width - _RIGHT}' class='g'/>")
        parts.append(f"<text x='{_LEFT - 6}' y='{y(value) + 4:.1f}' class='y'>{value:.6g}</text>")
    for row in np.unique(np.linspace(0, n - 1, min(6, n)).astype(int)):
        anchor = "start" if row == 0 else "end" if row == n - 1 else "middle"
        label = html.escape(_label(index[row]))
        parts.append(f"<text x='{x(row):.1f}' y='{height - 6}' class='x' text-anchor='{anchor}'>{label}</text>")
    for k, line in enumerate(lines):
        colour = line.colour or COLOURS[k % len(COLOURS)]
        path = _path(np.asarray(line.values, dtype=np.float64), inner_width, x, y)
        parts.append(f"<path d='{path}' style='stroke:{colour}' stroke-width='{line.width}' class='l'/>")
    for group in marks:
        for k, (row, value) in enumerate(zip(group.rows.tolist(), group.values.tolist(), strict=True)):
            if np.isfinite(value):
                text = html.escape(group.texts[k]) if k < len(group.texts) else ""
                place = f"cx='{x(row):.1f}' cy='{y(value):.1f}'"
                parts.append(f"<circle {place} r='3.2' style='fill:{group.colour}'><title>{text}</title></circle>")
    named = [(line.name, line.colour or COLOURS[k % len(COLOURS)]) for k, line in enumerate(lines)]
    named += [(group.name, group.colour) for group in marks]
    right_end = float(width - _RIGHT)
    for name, colour in reversed(named):
        if name:
            parts.append(f"<text x='{right_end:.0f}' y='15' class='n' style='fill:{colour}'>{html.escape(name)}</text>")
            right_end -= 7.0 * len(name) + 14
    return "".join([*parts, "</svg>"])


def _ticks(low: float, high: float) -> Floats:
    """Round values (k,) between `low` and `high`, two to six of them."""
    rough = (high - low) / 4.0
    unit = 10.0 ** np.floor(np.log10(rough)) if rough > 0.0 else 0.0
    if not 0.0 < unit < np.inf or unit < 1e-9 * max(abs(low), abs(high)):
        return np.linspace(low, high, 4)  # no room between the numbers for round ones
    step = min((unit * factor for factor in (1.0, 2.0, 2.5, 5.0, 10.0)), key=lambda step: abs(np.log(step / rough)))
    ticks: Floats = np.arange(np.ceil(low / step), np.floor(high / step) + 1) * step
    return ticks


def _label(value: object) -> str:
    """A short text for a stamp or a number."""
    if isinstance(value, pd.Timestamp):
        midnight = value == value.normalize()
        return value.strftime("%Y-%m-%d" if midnight else "%Y-%m-%d %H:%M")
    return str(value)


def _path(values: Floats, pixels: int, x: Callable[[float], float], y: Callable[[float], float]) -> str:
    """Path of a line (n_timepoints,): every point, or the extremes of each pixel column; breaks at NaN."""
    n = values.size
    rows = np.arange(n)
    if n > 4 * pixels:
        edges = np.linspace(0, n, pixels + 1).astype(int)
        chosen = []
        for a, b in pairwise(edges.tolist()):
            block = values[a:b]
            if np.isfinite(block).any():
                chosen += sorted({a + int(np.nanargmin(block)), a + int(np.nanargmax(block))})
            elif b > a:
                chosen.append(int(a))
        rows = np.asarray(chosen, dtype=np.int64)
    text, pen_down = [], False
    for row in rows.tolist():
        if np.isfinite(values[row]):
            text.append(f"{'L' if pen_down else 'M'}{x(row):.1f} {y(values[row]):.1f}")
            pen_down = True
        else:
            pen_down = False
    return "".join(text)
