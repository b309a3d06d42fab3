"""How much is compiled before the first result: functions that numba compiles, its own helpers included, per path.

A kernel that is compiled for a second layout or for a literal, and a sort, median or formatted text inside a kernel
shows here. Where a budget is broken, look at the list that the failure prints.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

BUDGETS = {"clean": 105, "detect": 82, "monitor": 145}
PROGRAM = """
import sys
from numba.core import event
names = []
class Listener(event.Listener):
    def on_start(self, e):
        function = e.data["dispatcher"].py_func
        names.append(f"{function.__module__}.{function.__qualname__} {e.data['args']}")
    def on_end(self, e):
        pass
event.register("numba:compile", Listener())
from tsprune.commands.warmup import _PATHS
_PATHS[sys.argv[1]]()
print("\\n".join(names))
"""


@pytest.mark.slow
@pytest.mark.skipif(os.environ.get("NUMBA_DISABLE_JIT") == "1", reason="nothing is compiled with the JIT off")
@pytest.mark.parametrize("path", BUDGETS)
def test_a_path_compiles_no_more_than_its_budget(path: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, path], env={**os.environ, "TSPRUNE_CACHE_DIR": str(tmp_path)},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    compiled = done.stdout.splitlines()
    assert 0 < len(compiled) <= BUDGETS[path], done.stdout
