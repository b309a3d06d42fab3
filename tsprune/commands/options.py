"""Options that several commands share, and what they mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from tsprune.commands.files import dumps
from tsprune.exceptions import InvalidParameterError

__all__ = [
    "Columns", "DayFirst", "Decimal", "DecimalMark", "Duplicates", "FillAbsent", "Header", "Ignore", "Input", "Json",
    "OnDuplicates", "Output", "Overwrite", "Period", "Report", "Seed", "Time", "TimeZone", "console", "finish",
    "print_notes", "print_table", "read_period",
]  # fmt: skip


class OnDuplicates(StrEnum):
    """How to handle several rows of one time."""

    error = "error"
    mean = "mean"
    first = "first"
    last = "last"


class DecimalMark(StrEnum):
    """Decimal marks."""

    point = "."
    comma = ","


Input = Annotated[Path, typer.Argument(metavar="INPUT", help="CSV or Parquet file.")]
Time = Annotated[str | None, typer.Option(help="Column of times; found by its name and its cells if not given.")]
Columns = Annotated[
    list[str] | None, typer.Option("--column", help="Column of values; repeatable; default all columns of numbers.")
]
Period = Annotated[str, typer.Option(help="Season length in samples: 'auto', 'none', 24, or 24,168.")]
Output = Annotated[Path | None, typer.Option("--output", "-o", help="File for the result: .csv, .parquet or .json.")]
Report = Annotated[Path | None, typer.Option(help="Write a self-contained HTML report to this file.")]
Json = Annotated[bool, typer.Option("--json", help="Print one line of JSON as the last line of standard output.")]
Seed = Annotated[int, typer.Option(help="Random seed.")]
Ignore = Annotated[list[str] | None, typer.Option(help="Column to carry along untouched; repeatable.")]
Header = Annotated[bool, typer.Option("--header/--no-header", help="Whether the first line holds column names.")]
Duplicates = Annotated[OnDuplicates, typer.Option(help="How to handle several rows of one time.")]
TimeZone = Annotated[str | None, typer.Option(help="Time zone of timestamps that have none, such as Europe/Berlin.")]
Decimal = Annotated[DecimalMark | None, typer.Option(help="Decimal mark; default: decided by the cells.")]
DayFirst = Annotated[
    bool | None,
    typer.Option("--day-first/--month-first", help="How to read 03.04.2024; default: decided by all cells."),
]
FillAbsent = Annotated[
    bool, typer.Option("--fill-absent", help="Insert rows for timestamps that are absent, and fill their values.")
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Allow --output to replace INPUT.")]

console = Console(highlight=False)


def read_period(text: str) -> Any:
    """Return ``"auto"``, None, an integer, or a tuple of integers.

    Raises
    ------
    InvalidParameterError
        If the text is none of those.
    """
    if text in ("auto", "none"):
        return "auto" if text == "auto" else None
    try:
        periods = tuple(int(part) for part in text.split(","))
    except ValueError:
        raise InvalidParameterError(
            f"--period must be 'auto', 'none', or integers like 24,168, got {text!r}."
        ) from None
    return periods[0] if len(periods) == 1 else periods


def print_table(title: str, rows: Sequence[Mapping[Any, Any]]) -> None:
    """Print rows with equal keys as a table."""
    if not rows:
        return
    table = Table(title=title, title_justify="left", header_style="bold")
    for name, value in rows[0].items():
        table.add_column(str(name), justify="right" if isinstance(value, int | float) else "left", overflow="fold")
    for row in rows:
        table.add_row(*(_text(value) for value in row.values()))
    console.print(table)


def _text(value: Any) -> str:
    """A cell: four digits for a float, yes or no for a Boolean."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return "-" if value != value else f"{value:.4g}"
    return str(value)


def print_notes(notes: Sequence[str]) -> None:
    """Print what was decided about the input, one sentence a line."""
    for note in notes:
        console.print(note, markup=False, style="dim")


def finish(summary: dict[str, Any], *, as_json: bool, output: Path | None, report: Path | None) -> None:
    """Say where the files are; with `as_json`, print the summary as the last line."""
    if output is not None:
        summary = {**summary, "output": str(output)}
    if report is not None:
        summary = {**summary, "report": str(report)}
    if as_json:
        print(dumps(summary))
        return
    for name in ("output", "report"):
        if name in summary:
            console.print(f"{name}: {summary[name]}", soft_wrap=True)
