"""Write docs/constants.md: every named number of the two packages, its value, and where it comes from.

The source of a constant is the comment on its line, or the comment lines right above it or its block.

    uv run python tools/constants.py          # write the page
    uv run python tools/constants.py --check  # 1 if a new constant has no source, or the page is out of date

Numbers of earlier days whose origin nobody wrote down are listed in ``constants_without_source.txt``; the list may only
become shorter.
"""

from __future__ import annotations

import ast
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "constants.md"
LEDGER = Path(__file__).with_name("constants_without_source.txt")  # older numbers whose origin was never written down


@dataclass(frozen=True)
class Constant:
    """A named number: where it stands, its value as written, and the comment that says where it comes from."""

    module: str
    name: str
    value: str
    source: str


def is_number(node: ast.expr) -> bool:
    """Whether an expression is a number, or a tuple or array of numbers."""
    if isinstance(node, ast.UnaryOp):
        return is_number(node.operand)
    if isinstance(node, ast.BinOp):
        return is_number(node.left) and is_number(node.right)
    if isinstance(node, ast.Tuple | ast.List):
        return bool(node.elts) and all(is_number(item) for item in node.elts)
    return isinstance(node, ast.Constant) and isinstance(node.value, int | float) and not isinstance(node.value, bool)


def comment_of(lines: list[str], first: int, last: int) -> str:
    """The comment behind a statement (line numbers from 1), or the comment lines right above it."""
    behind = lines[last - 1].partition("  # ")[2].strip()
    if behind and not behind.startswith(("fmt:", "noqa")):
        return behind
    above: list[str] = []
    row = first - 2
    while row >= 0 and lines[row].strip() and not lines[row].startswith(("# ", "def ", "class ", "import ", "from ")):
        row -= 1  # one comment above a block of constants speaks for all of them
    while row >= 0 and lines[row].startswith("# "):
        above.insert(0, lines[row][2:].strip())
        row -= 1
    return " ".join(above)


def constants(path: Path) -> list[Constant]:
    """Named numbers at the top level of a module."""
    text = path.read_text(encoding="utf-8")
    lines = text.splitlines()
    module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
    found: list[Constant] = []
    for node in ast.parse(text).body:
        target = node.targets[0] if isinstance(node, ast.Assign) and len(node.targets) == 1 else None
        target = node.target if isinstance(node, ast.AnnAssign) else target
        value = node.value if isinstance(node, ast.Assign | ast.AnnAssign) else None
        if target is None or value is None:
            continue
        source = comment_of(lines, node.lineno, node.end_lineno or node.lineno)
        pairs = [(target, value)]
        if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
            pairs = list(zip(target.elts, value.elts, strict=False))
            if not source and [ast.unparse(item) for item in value.elts] == [str(k) for k in range(len(value.elts))]:
                source = "numbers that stand for names"
        for name, number in pairs:
            if isinstance(name, ast.Name) and name.id.strip("_").isupper() and is_number(number):
                found.append(Constant(module, name.id, ast.unparse(number), source))
    return found


def every_constant() -> list[Constant]:
    """Named numbers of both packages, by module."""
    paths = sorted(path for package in ("detectors", "tsprune") for path in (ROOT / package).rglob("*.py"))
    return [constant for path in paths for constant in constants(path)]


def page(found: list[Constant]) -> str:
    """The page as text."""
    lines = [
        "# Constants",
        "",
        "Every named number in the code, with its source: a paper, a derivation, or the measurement that set it.",
        "Made by `tools/constants.py`; CI fails on a new number without a source.",
    ]
    module = ""
    for constant in found:
        if constant.module != module:
            module = constant.module
            lines += ["", f"## `{module}`", "", "| name | value | source |", "|---|---|---|"]
        source = constant.source.replace("|", "\\|") or "*not recorded*"
        lines.append(f"| `{constant.name}` | `{constant.value}` | {source} |")
    return "\n".join(lines) + "\n"


def main() -> int:
    """Write or check the page."""
    found = every_constant()
    bare = [f"{constant.module}.{constant.name} = {constant.value}" for constant in found if not constant.source]
    known = set(LEDGER.read_text(encoding="utf-8").splitlines()) if LEDGER.is_file() else set()
    if "--accept" in sys.argv:
        LEDGER.write_text("\n".join(bare) + "\n", encoding="utf-8")
        known = set(bare)
    new = [line for line in bare if line not in known]
    if "--check" not in sys.argv:
        PAGE.write_text(page(found), encoding="utf-8")
        print(f"{PAGE.relative_to(ROOT)}: {len(found)} constants, {len(bare)} without a source")
        return 0
    if new:
        print("new constants without a source:", *new, sep="\n  ")
    stale = not PAGE.is_file() or PAGE.read_text(encoding="utf-8") != page(found)
    if stale:
        print(f"{PAGE.relative_to(ROOT)} is out of date: uv run python tools/constants.py")
    return int(bool(new) or stale)


if __name__ == "__main__":
    sys.exit(main())
