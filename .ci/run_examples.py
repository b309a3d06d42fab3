"""Run every example in a folder of its own; one that fails, or needs what is not installed, says so and fails."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

EXAMPLES = sorted((Path(__file__).resolve().parents[1] / "examples").glob("*.py"))


def main() -> int:
    """Run them all; 1 if one fails or there is none."""
    failed = 0
    environment = os.environ | {"MPLBACKEND": "Agg"}
    for path in EXAMPLES:
        start = time.perf_counter()
        with tempfile.TemporaryDirectory() as folder:
            done = subprocess.run(
                [sys.executable, "-W", "default", str(path)],
                cwd=folder, capture_output=True, text=True, env=environment, timeout=300, check=False,
            )  # fmt: skip
        print(f"{'ok    ' if done.returncode == 0 else 'FAILED'} {path.name} ({time.perf_counter() - start:.0f} s)")
        if done.returncode:
            failed += 1
            print(done.stdout[-1000:], done.stderr[-3000:])
    if not EXAMPLES:
        print("there are no examples")
    return int(bool(failed) or not EXAMPLES)


if __name__ == "__main__":
    sys.exit(main())
