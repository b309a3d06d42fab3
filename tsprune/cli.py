"""The command line `tsprune`.

Exit status: 0 fine, 1 a guard stopped the work, 2 bad input. Errors go to standard error as one line that names
the rule, the value, where and the remedy; there is never a traceback for bad input.
"""

from __future__ import annotations

import sys

import typer

from tsprune.commands.monitor import monitor
from tsprune.exceptions import GuardError, PruningError

__all__ = ["app", "main"]

app = typer.Typer(
    name="tsprune",
    help="Prune what does not help from time series and anomaly-detection inputs.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command()(monitor)


@app.callback()
def _root() -> None:
    """Keep sub-commands even when there is a single one."""


def main() -> None:
    """Run the command line and turn domain errors into exit statuses."""
    try:
        app(standalone_mode=True)
    except GuardError as error:
        print(f"tsprune: {error}", file=sys.stderr)
        sys.exit(1)
    except (PruningError, OSError, ImportError) as error:
        print(f"tsprune: {error}", file=sys.stderr)
        sys.exit(2)
