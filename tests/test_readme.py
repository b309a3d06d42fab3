"""What the README and the docs say is true: code blocks run, links lead somewhere, names exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import detectors
import tsprune

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
pytestmark = pytest.mark.skipif(not README.is_file(), reason="the README is not part of the wheel")


def blocks(language: str) -> list[str]:
    return (
        re.findall(rf"```{language}\n(.*?)```", README.read_text(encoding="utf-8"), flags=re.DOTALL)
        if README.is_file()
        else []
    )


@pytest.mark.parametrize("code", blocks("python"))
def test_python_blocks_run(code: str) -> None:
    names: dict[str, object] = {}
    exec(compile(code, "README.md", "exec"), names)
    assert {"X", "cleaner"} & set(names)


def test_there_are_two_set_up_commands() -> None:
    commands = [line for block in blocks("bash") for line in block.splitlines() if "pip install uv" in line]
    assert len(commands) == 2
    assert "uv run tsprune demo" in commands[0]
    assert "uv run pytest" in commands[1]


def test_every_public_name_is_in_the_table_and_exists() -> None:
    text = README.read_text(encoding="utf-8")
    for package in (tsprune, detectors):
        for name in package.__all__:
            if name not in ("Decomposition", "Reading", "PruningReport"):
                assert f"{name}`" in text, name


def test_links_lead_somewhere() -> None:
    for page in [README, *sorted((ROOT / "docs").rglob("*.md"))]:
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text(encoding="utf-8")):
            made_by_the_build = "pictures/" in target or target.endswith("gallery.md")
            assert made_by_the_build or (page.parent / target).exists(), f"{page.name} links to {target}"
