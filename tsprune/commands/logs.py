"""`tsprune logs`: find abnormal sessions, windows or lines of a log, and show why."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import pandas as pd
import typer
from rich.console import Console
from rich.progress import Progress

from tsprune.commands.cells import InputFileError
from tsprune.commands.files import write_table_file
from tsprune.commands.options import Json, Output, Report, Seed, console, finish, print_table
from tsprune.exceptions import InvalidParameterError
from tsprune.logs import LogDetector, LogFollower, line_blocks
from tsprune.logs.line_times import window_seconds
from tsprune.reporting.page import Page

if TYPE_CHECKING:
    from types import FrameType

    from tsprune.logs.sources import LineBlock

__all__ = ["logs"]


def logs(
    path: Annotated[
        Path, typer.Argument(metavar="INPUT", help="Text, JSON lines or a journald export; also gzipped (.gz).")
    ],
    by: Annotated[
        str | None, typer.Option(help="Regular expression; its first group names the session of a line.")
    ] = None,
    window: Annotated[str | None, typer.Option(help="Length of windows that are documents, such as 5min.")] = None,
    reference: Annotated[
        str | None, typer.Option(metavar="UNTIL", help="Lines before this time are normal; learn from them alone.")
    ] = None,
    top: Annotated[int, typer.Option(min=1, help="Documents to show.")] = 5,
    metrics: Annotated[
        Path | None, typer.Option(help="Write counts of every template in every window there, for monitor.")
    ] = None,
    follow: Annotated[bool, typer.Option(help="Wait for more lines at the end of INPUT; needs --state.")] = False,
    state: Annotated[
        Path | None, typer.Option(help="Remember in this file what is scored; --output then is JSON lines.")
    ] = None,
    prime: Annotated[int, typer.Option(min=2, help="With --state: lines to learn from.")] = 10_000,
    seed: Seed = 0,
    output: Output = None,
    report: Report = None,
    json: Json = False,
) -> None:
    """Find abnormal sessions, windows or lines of a log, and show why."""
    _check(path, by, window)
    for name, written in (("--output", output), ("--metrics", metrics), ("--report", report)):
        if written is not None and written.resolve() == path.resolve():
            raise InputFileError(f"{name} must be another file than INPUT, got {str(path)!r} for both.")
    if follow or state is not None:
        _follow(path, by, window, reference, follow, state, output, prime, seed, json)
        return
    model = LogDetector(by=by, window=window, reference=reference, random_state=seed)
    with Progress(console=Console(stderr=True), transient=True) as progress:
        model.fit(_Watched(path, progress, "learn"))
        scores = model.score_samples(_Watched(path, progress, "score"))
        found = model.explain(_Watched(path, progress, "explain"), n=top)
    labels = scores < model.offset_
    if output is not None:
        name = str(scores.index.name)
        frame = pd.DataFrame({name: scores.index, "score": scores.to_numpy(), "p_value": model.p_values(scores)})
        write_table_file(frame.assign(label=(1 - 2 * labels.to_numpy().astype(int))), output, with_index=False)
    if metrics is not None:
        write_table_file(model.template_counts(path, window=window or "1min"), metrics)
    if report is not None:
        _page(path, model, scores, found).write(report)
    if not json:
        console.print(model.report_.summary())
        for document, part in found.groupby("document", sort=False):
            _show(document, part)
    documents = [
        {"document": str(d), "score": float(p["score"].iloc[0]), "p_value": float(p["p_value"].iloc[0]),
         "findings": p[["kind", "item", "count", "usual", "lines"]].to_dict("records")}
        for d, p in found.groupby("document", sort=False)
    ]  # fmt: skip
    summary = {
        "n_documents": len(scores),
        "n_abnormal": int(labels.sum()),
        "n_words": len(model.vocabulary_),
        "n_words_kept": int(model.support_.sum()),
        "n_templates": len(model.templates_),
        "guards": list(model.report_.guards),
        "most_abnormal": documents,
    }
    finish(summary, as_json=json, output=output, report=report)


class _Watched:
    """A log whose blocks move a bar of progress while they are read."""

    def __init__(self, path: Path, progress: Progress, verb: str) -> None:
        self.path, self.progress, self.verb = path, progress, verb

    def blocks(self) -> Iterator[LineBlock]:
        """Blocks of the file."""
        task = self.progress.add_task(self.verb, total=None)
        lines = 0
        for block in line_blocks(self.path):
            lines += len(block.lines)
            self.progress.update(task, description=f"{self.verb}: {lines} lines", completed=lines)
            yield block
        self.progress.update(task, total=lines)


def _check(path: Path, by: str | None, window: str | None) -> None:
    """Raise if the input or the options cannot be used."""
    if not path.is_file():
        raise InputFileError(f"INPUT must be a file that can be read, got {str(path)!r}; check the path.")
    if by is not None and window is not None:
        raise InvalidParameterError("--by and --window must not stand together; documents are sessions or windows.")
    if by is not None:
        try:
            re.compile(by)
        except re.error as error:
            raise InvalidParameterError(f"--by must be a regular expression, got {by!r}: {error}.") from None
    if window is not None:
        window_seconds(window)


def _follow(
    path: Path,
    by: str | None,
    window: str | None,
    reference: str | None,
    follow: bool,
    state: Path | None,
    output: Path | None,
    prime: int,
    seed: int,
    as_json: bool,
) -> None:
    """Score a growing log."""
    if state is None or output is None:
        raise InvalidParameterError("--follow needs --state and --output, files that remember what is scored.")
    if by is not None or reference is not None:
        raise InvalidParameterError(
            "--state must not stand with --by or --reference: sessions of a growing log have no end; use --window, "
            "and --prime for the lines to learn from."
        )
    files = {"INPUT": path, "--state": state, "--output": output}
    if len({file.resolve() for file in files.values()}) < len(files):
        raise InvalidParameterError(
            f"{', '.join(files)} must be different files, got {[str(f) for f in files.values()]}."
        )
    run = LogFollower(path, state, output, window=window, prime=prime, seed=seed)

    def stop(_number: int, _frame: FrameType | None) -> None:
        run.stopping = True

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    run.run(follow=follow)
    summary = {"n_lines": run.lines, "n_documents": run.documents, "n_abnormal": run.abnormal}
    if not as_json:
        console.print(f"{run.documents} documents scored, {run.abnormal} abnormal")
    finish(summary, as_json=as_json, output=output, report=None)


def _show(document: Any, part: pd.DataFrame) -> None:
    """Print one abnormal document."""
    first = part.iloc[0]
    rows = [
        {"what": row["kind"], "item": row["item"][:100], "count": float(row["count"]), "usual": float(row["usual"])}
        for _, row in part.iterrows()
    ]
    print_table(f"{document}: score {first['score']:.4g}, p {first['p_value']:.2g}", rows)
    for line in first["lines"]:
        console.print(f"  {line[:200]}", soft_wrap=True, markup=False)


def _page(path: Path, model: LogDetector, scores: pd.Series, found: pd.DataFrame) -> Page:
    """The HTML report."""
    lead = f"{len(scores)} documents, {len(model.templates_)} templates, {int(model.support_.sum())} words kept"
    page = Page(f"Log {path.name}", lead=lead)
    page.section("Most abnormal documents")
    for document, part in found.groupby("document", sort=False):
        page.text(f"{document}: score {part['score'].iloc[0]:.4g}, p-value {part['p_value'].iloc[0]:.2g}")
        shown = part[["kind", "item", "count", "usual", "share"]].copy()
        shown["lines"] = ["\n".join(lines) for lines in part["lines"]]
        page.table(shown)
    page.section("Decisions").report(model.report_)
    return page
