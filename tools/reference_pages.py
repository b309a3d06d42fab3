"""Write the reference pages: one entry for every public name of the two packages.

uv run python tools/reference_pages.py
"""

from __future__ import annotations

from pathlib import Path

import detectors
import tsprune

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "reference"


def main() -> None:
    """Write both pages."""
    for package in (tsprune, detectors):
        entries = "\n\n".join(f"::: {package.__name__}.{name}" for name in package.__all__)
        (FOLDER / f"{package.__name__}.md").write_text(f"# {package.__name__}\n\n{entries}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
