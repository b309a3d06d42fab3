"""The command line `tsprune`.

Exit status: 0 fine, 1 a guard stopped the work, 2 bad input. Errors go to standard error as one line that names
the rule, the value, where and the remedy; there is never a traceback for bad input.

A command's module is imported when that command runs, so `tsprune --help` and `tsprune monitor` start quickly.
"""

from __future__ import annotations

import atexit
import importlib
import os
import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from tsprune import __version__
from tsprune.exceptions import GuardError, PruningError

__all__ = ["main"]

_COMMANDS = {
    "demo": "Run the whole chain on real data that ships with the dependencies.",
    "clean": "Repair what is broken in series, leave alone what is not.",
    "detect": "Score every time point and explain the most abnormal ones.",
    "decompose": "Split series into trend, seasonal components and remainder.",
    "prune": "Remove irrelevant columns of a table, and say why.",
    "monitor": "Follow a stream of records, score every point once, survive a crash.",
    "fleet": "Clean, score or decompose many series of a long table.",
    "logs": "Find abnormal sessions, windows or lines of a log, and show why.",
    "warmup": "Compile all kernels ahead, so that the first result comes at once.",
    "report": "Write one HTML page with components, repairs and anomalies of a file.",
}


_CONTEXT = {"help_option_names": ["-h", "--help"]}
_EXAMPLES = """Examples:

  tsprune demo

  tsprune clean sales.csv --output clean.csv --report report.html

  tsprune detect load.csv --top 3 --json

  tsprune prune table.csv --drop label --output kept.csv

  tsprune monitor metrics.jsonl --state state.db --output readings.jsonl

Every command has --help. Exit status: 0 fine, 1 a guard stopped the work, 2 bad input."""


def _single(name: str) -> typer.Typer:
    """Import one command; an application of that command alone."""
    command = getattr(importlib.import_module(f"tsprune.commands.{name}"), name)
    application = typer.Typer(add_completion=False, pretty_exceptions_enable=False, context_settings=_CONTEXT)
    application.command(name=name, help=_COMMANDS[name])(command)
    return application


def _listing(whole: str | None = None) -> typer.Typer:
    """All commands by name and help line only, for `--help`, completion, and for names that are not there.

    The command `whole` is imported with its options.
    """
    application = typer.Typer(
        name="tsprune",
        help="Prune what does not help from time series and anomaly-detection inputs.",
        epilog=_EXAMPLES,
        add_completion=True,
        pretty_exceptions_enable=False,
        context_settings=_CONTEXT,
    )
    for name, text in _COMMANDS.items():
        command = getattr(importlib.import_module(f"tsprune.commands.{name}"), name) if name == whole else _nothing
        application.command(name=name, help=text)(command)

    @application.callback(invoke_without_command=True)
    def _root(
        context: typer.Context, version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False
    ) -> None:
        if version:
            print(__version__)
        elif context.invoked_subcommand is None:
            print(context.get_help())

    return application


def _show_compilation() -> None:
    """Say on the terminal how many kernels were compiled, while they are: a first run takes longer than the next."""
    from detectors.kernels.compilation import on_compiled

    compiled: list[str] = []

    def tell(name: str) -> None:
        compiled.append(name)
        print(f"\rcompiling kernels, once per machine: {len(compiled)} ", end="", file=sys.stderr, flush=True)

    on_compiled.append(tell)
    atexit.register(lambda: print(file=sys.stderr) if compiled else None)


def _nothing() -> None:
    """Stand for a command in the listing."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and turn domain errors into exit statuses.

    Parameters
    ----------
    arguments : sequence of str, optional
        Words after ``tsprune``; default those of the process.

    Raises
    ------
    SystemExit
        Always; 0 fine, 1 a guard stopped the work, 2 bad input.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    if words and words[0] in _COMMANDS and words[0] != "warmup" and sys.stderr.isatty() and "--json" not in words:
        _show_compilation()
    try:
        if "_TSPRUNE_COMPLETE" in os.environ:  # the shell asks what may come next
            typed = os.environ.get("COMP_WORDS", os.environ.get("_TYPER_COMPLETE_ARGS", "")).split()
            _listing(next((word for word in typed[1:2] if word in _COMMANDS), None))(words, prog_name="tsprune")
        elif words and words[0] in _COMMANDS:
            _single(words[0])(words[1:], prog_name=f"tsprune {words[0]}")
        else:
            _listing()(words, prog_name="tsprune")
    except GuardError as error:
        print(f"tsprune: {error}", file=sys.stderr)
        sys.exit(1)
    except (PruningError, OSError, ImportError) as error:
        print(f"tsprune: {error}", file=sys.stderr)
        sys.exit(2)
