"""The arrows of the architecture, read from the source: no import of the wrong kind, lazy ones included."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import detectors
import tsprune

PACKAGES = {"detectors": Path(detectors.__file__).parent, "tsprune": Path(tsprune.__file__).parent}
MEANINGLESS = {"utils", "helpers", "common", "misc", "manager"}
HEAVY = {"statsmodels", "pyod", "sklearn", "matplotlib", "scipy", "numba", "polars", "pyarrow", "rich", "typer"}
OPTIONAL = {
    "matplotlib", "polars", "pyarrow", "onnx", "onnxruntime", "skl2onnx", "redis", "paho", "confluent_kafka",
    "prometheus_client", "optuna", "dask", "ray", "pyspark", "pyod", "statsmodels",
}  # fmt: skip


def module_name(path: Path, package: str) -> str:
    parts = [package, *path.relative_to(PACKAGES[package]).with_suffix("").parts]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def sources() -> dict[str, Path]:
    return {module_name(path, package): path for package, root in PACKAGES.items() for path in root.rglob("*.py")}


SOURCES = sources()


def is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)


def imports(tree: ast.AST, top_level_only: bool = False) -> set[str]:
    """Every imported module, `from a import b` as `a` and `a.b`; blocks for type checkers left out."""
    found: set[str] = set()
    stack: list[ast.AST] = [tree]
    while stack:
        node = stack.pop()
        if is_type_checking(node):
            stack.extend(node.orelse)
            continue
        if top_level_only and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"relative import of {node.module}: say it in full"
            found |= {str(node.module)} | {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module"):
            found |= {str(argument.value) for argument in node.args[:1] if isinstance(argument, ast.Constant)}
        stack.extend(ast.iter_child_nodes(node))
    return found


TREES = {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in SOURCES.items()}
GRAPH = {name: {i for i in imports(tree) if i in SOURCES} for name, tree in TREES.items()}


def test_detectors_never_import_tsprune() -> None:
    wrong = {
        m: i
        for m, tree in TREES.items()
        for i in imports(tree)
        if m.split(".")[0] == "detectors" and i.split(".")[0] == "tsprune"
    }
    assert not wrong


COMPILATION = "detectors.kernels.compilation"  # compiles the kernels and keeps their machine code; no kernel itself


@pytest.mark.parametrize("module", sorted(m for m in SOURCES if ".kernels" in m and m != COMPILATION))
def test_kernels_import_numpy_numba_and_kernels_only(module: str) -> None:
    allowed = {"__future__", "numpy", "numba", "math", "typing", "collections", "llvmlite"}
    wrong = {i for i in imports(TREES[module]) if i.split(".")[0] not in allowed and ".kernels" not in i}
    assert not wrong, f"{module} imports {wrong}"


LEAF = "detectors.kernels.leaf"  # an entry point of its own


@pytest.mark.parametrize("module", sorted(m for m in SOURCES if m not in (COMPILATION, LEAF)))
def test_kernels_are_compiled_by_the_cache_of_content(module: str) -> None:
    """A kernel of `numba.njit(cache=True)` does not start on a read-only disk, and does not notice changed callees."""
    wrong = {node.attr for node in ast.walk(TREES[module]) if isinstance(node, ast.Attribute)
             and ast.unparse(node) in ("numba.njit", "numba.jit", "numba.vectorize", "numba.guvectorize")}  # fmt: skip
    wrong |= imports(TREES[module]) & {"numba.njit", "numba.jit", "numba.vectorize", "numba.guvectorize"}
    assert not wrong, f"{module} uses numba's {wrong}; use detectors.kernels.compilation.njit"


def test_no_cycles() -> None:
    """Imports inside functions count, a hidden lazy cycle is a cycle; the package doors only map names."""
    doors = set(PACKAGES)
    graph = {m: {i for i in targets if i not in doors and i != m} for m, targets in GRAPH.items() if m not in doors}
    done: set[str] = set()

    def visit(module: str, path: tuple[str, ...]) -> None:
        assert module not in path, " -> ".join((*path[path.index(module) :], module))
        if module in done:
            return
        for target in sorted(graph[module]):
            visit(target, (*path, module))
        done.add(module)

    for module in sorted(graph):
        visit(module, ())
    assert done == set(graph)


def test_every_internal_import_exists() -> None:
    for module, tree in TREES.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and str(node.module).split(".")[0] in PACKAGES:
                assert node.module in SOURCES, f"{module} imports {node.module}, which is not there"


# The house: every room, and the rooms it may import. A module belongs to the room with the longest matching name.
# Everything of `tsprune` may import `detectors` and `tsprune.exceptions`; everything of `detectors` its root files.
ROOT = {
    "detectors.exceptions", "detectors.parameters", "detectors.report", "detectors.tables", "detectors.blas",
    "detectors.rank_correlation", "detectors.kernels",
}  # fmt: skip
ENGINES = {"detectors.wrappers", "detectors.features", "detectors.storage"}
ROOMS: dict[str, set[str]] = {
    **{name: set() for name in ROOT},
    "detectors.storage": set(),
    "detectors.features": {"detectors.storage"},
    "detectors.wrappers": {"detectors.features", "detectors.storage"},
    "detectors.isolation_forest": ENGINES,
    "detectors.lof": ENGINES,
    "detectors.words": {"detectors.features", "detectors.storage"},
    "detectors.one_class_svm": ENGINES,
    "detectors.networks": ENGINES,
    "detectors.tradeoffs": ENGINES | {"detectors.isolation_forest", "detectors.lof", "detectors.one_class_svm"},
    "tsprune.exceptions": set(),
    "tsprune.kernels": set(),
    "tsprune.series": set(),
    "tsprune.reporting": set(),
    "tsprune.periods": {"tsprune.series", "tsprune.kernels"},
    "tsprune.decomposition": {"tsprune.periods", "tsprune.series", "tsprune.kernels"},
    "tsprune.cleaning": {"tsprune.periods", "tsprune.series", "tsprune.kernels"},
    "tsprune.detection": {"tsprune.periods", "tsprune.series", "tsprune.kernels"},
    "tsprune.pruners": {"tsprune.decomposition", "tsprune.periods", "tsprune.series", "tsprune.kernels"},
    "tsprune.logs": {"tsprune.series", "tsprune.kernels"},
    "tsprune.streaming": set(),
    "tsprune.streaming.monitor": {"tsprune.series", "tsprune.kernels"},
    "tsprune.streaming.online": {"tsprune.series", "tsprune.kernels"},
    "tsprune.streaming.run": {"tsprune.streaming.monitor", "tsprune.series"},
    "tsprune.fleet": {
        "tsprune.cleaning",
        "tsprune.decomposition",
        "tsprune.detection",
        "tsprune.pruners",
        "tsprune.series",
    },
    "tsprune.commands": {"*"},
    "tsprune.cli": {"*"},
    "tsprune.__main__": {"*"},
}
DOORS = set(PACKAGES)  # the two __init__ files map public names to rooms


def room(module: str) -> str | None:
    matching = [name for name in ROOMS if module == name or module.startswith(name + ".")]
    return max(matching, key=len, default=None)


def test_every_module_has_a_room() -> None:
    assert not [module for module in SOURCES if module not in DOORS and room(module) is None]
    assert not [name for name in ROOMS if all(room(module) != name for module in SOURCES)], "a room without modules"


def test_rooms_import_only_what_their_row_allows() -> None:
    wrong = []
    for module, targets in GRAPH.items():
        here = room(module)
        if here is None or "*" in ROOMS[here]:
            continue
        for target in targets:
            there = room(target)
            allowed = there in (here, None) or there in ROOMS[here] or there in ROOT or there == "tsprune.exceptions"
            if not allowed and not (module.startswith("tsprune.") and str(there).startswith("detectors.")):
                wrong.append(f"{module} imports {target}: {here} may not import {there}")
    assert not wrong


@pytest.mark.parametrize("module", sorted(SOURCES))
def test_optional_and_heavy_parts_are_imported_inside_functions(module: str) -> None:
    wrong = {i.split(".")[0] for i in imports(TREES[module], top_level_only=True)} & OPTIONAL
    assert not wrong, f"{module} imports {wrong} at module level"


@pytest.mark.parametrize("module", sorted(SOURCES))
def test_files_are_small_and_named_after_the_noun(module: str) -> None:
    assert module.rsplit(".", 1)[-1] not in MEANINGLESS
    lines = len(SOURCES[module].read_text(encoding="utf-8").splitlines())
    assert lines <= 400, f"{module} has {lines} lines and wants to be two"


def test_import_is_light() -> None:
    code = f"import sys, tsprune, detectors; print(sorted({HEAVY!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_public_names_resolve_and_are_listed() -> None:
    for package in (tsprune, detectors):
        assert sorted(package.__all__) == list(package.__all__)
        assert set(package._HOME) == set(package.__all__)
        assert set(package.__all__) <= set(dir(package))
        for name in package.__all__:
            assert getattr(package, name).__name__ == name
        with pytest.raises(AttributeError, match="public names"):
            package.no_such_name  # noqa: B018 - the access is the test


def test_a_foreign_package_named_detectors_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "detectors").mkdir()
    (tmp_path / "detectors" / "__init__.py").write_text("")
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import tsprune"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "another package of that name is in the way" in done.stderr
