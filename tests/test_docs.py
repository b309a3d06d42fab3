"""Every Python block of the documentation runs, one page after the other, and every page is in the navigation."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
PAGES = sorted(path for path in DOCS.rglob("*.md") if "```python" in path.read_text(encoding="utf-8"))
CONFIG = ROOT / "mkdocs.yml"


@pytest.mark.parametrize("page", PAGES, ids=[str(path.relative_to(DOCS)) for path in PAGES])
def test_the_python_of_a_page_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocks = re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    assert blocks
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {"__name__": "docs"}
    for block in blocks:
        exec(compile(block, str(page), "exec"), names)


@pytest.mark.skipif(not CONFIG.is_file(), reason="the wheel is tested without the configuration of the site")
def test_every_page_is_in_the_navigation() -> None:
    listed = set(re.findall(r"[\w/-]+\.md", CONFIG.read_text(encoding="utf-8"))) - {"gallery.md"}
    assert listed == {str(path.relative_to(DOCS)) for path in DOCS.rglob("*.md")}


@pytest.mark.skipif(not CONFIG.is_file(), reason="as above")
def test_the_reference_has_every_public_name() -> None:
    import detectors
    import tsprune

    for package in (detectors, tsprune):
        text = (DOCS / "reference" / f"{package.__name__}.md").read_text(encoding="utf-8")
        assert re.findall(r"^::: (\S+)$", text, flags=re.MULTILINE) == [
            f"{package.__name__}.{name}" for name in package.__all__
        ]
