"""The cache of machine code: found by content, safe, bounded, and never in the way."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from detectors.kernels import compilation

PROGRAM = """
import sys
sys.path.insert(0, sys.argv[1])
from detectors.kernels import compilation
compiled = []
compilation.on_compiled.append(compiled.append)
from tsprune.kernels_under_test.kernels.outer import outer
print(outer(2.0), len(compiled))
"""
INNER = "from detectors.kernels.compilation import njit\n\n\n@njit(cache=True)\ndef inner(x):\n    return x + {n}\n"
OUTER = (
    "from detectors.kernels.compilation import njit\nfrom tsprune.kernels_under_test.kernels.inner import inner\n\n\n"
    "@njit(cache=True)\ndef outer(x):\n    return 10 * inner(x)\n"
)
JIT = os.environ.get("NUMBA_DISABLE_JIT") != "1"
needs_jit = pytest.mark.skipif(not JIT, reason="nothing is compiled with the JIT off")


def package(folder: Path, n: int = 1) -> Path:
    """A small package `tsprune` with two kernel files, beside the real `detectors`."""
    kernels = folder / "tsprune" / "kernels_under_test" / "kernels"
    kernels.mkdir(parents=True, exist_ok=True)
    for path in (folder / "tsprune", kernels.parent, kernels):
        (path / "__init__.py").write_text("")
    (kernels / "inner.py").write_text(INNER.format(n=n))
    (kernels / "outer.py").write_text(OUTER)
    return folder


def run(folder: Path, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", PROGRAM, str(folder)],
        env={**os.environ, **environment}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert not done.stderr
    return done.stdout.strip()


@needs_jit
def test_a_second_path_with_the_same_sources_starts_warm(tmp_path: Path) -> None:
    kept = {"TSPRUNE_CACHE_DIR": str(tmp_path / "cache")}
    assert run(package(tmp_path / "a"), **kept) == "30.0 2"
    assert run(package(tmp_path / "a"), **kept) == "30.0 0"
    assert run(package(tmp_path / "b"), **kept) == "30.0 0"


@needs_jit
def test_a_change_in_a_kernel_of_another_file_is_noticed(tmp_path: Path) -> None:
    kept = {"TSPRUNE_CACHE_DIR": str(tmp_path / "cache")}
    assert run(package(tmp_path / "a"), **kept) == "30.0 2"
    assert run(package(tmp_path / "a", n=2), **kept) == "40.0 2"


@needs_jit
def test_it_starts_where_nothing_can_be_written(tmp_path: Path) -> None:
    in_the_way = tmp_path / "file"
    in_the_way.write_text("")
    for environment in ({"TSPRUNE_CACHE_DIR": str(in_the_way)}, {"TSPRUNE_CACHE_DIR": "/proc/nowhere"}):
        assert run(package(tmp_path / "a"), **environment) == "30.0 2"


@needs_jit
def test_what_is_broken_is_compiled_again(tmp_path: Path) -> None:
    kept = {"TSPRUNE_CACHE_DIR": str(tmp_path / "cache")}
    run(package(tmp_path / "a"), **kept)
    for path in (tmp_path / "cache").rglob("*.nb?"):
        path.write_bytes(path.read_bytes()[:40])
    assert run(package(tmp_path / "a"), **kept) == "30.0 2"
    run(package(tmp_path / "a"), **kept)
    assert run(package(tmp_path / "a"), **kept) == "30.0 0"


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="owners and modes are those of POSIX")
def test_a_folder_that_others_may_write_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TSPRUNE_CACHE_DIR", str(tmp_path))
    tmp_path.chmod(0o777)
    assert compilation.cache_folder() is None
    tmp_path.chmod(0o700)
    assert compilation.cache_folder() == tmp_path


def test_the_users_folder_is_the_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TSPRUNE_CACHE_DIR", raising=False)
    monkeypatch.delenv("LOCALAPPDATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert compilation.cache_folder() == tmp_path / "tsprune"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(Path, "home", lambda: tmp_path / "home")
    assert compilation.cache_folder() == tmp_path / "home" / ".cache" / "tsprune"


def test_the_oldest_machine_code_goes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compilation, "LARGEST_CACHE", 250)
    for k in range(4):
        folder = tmp_path / f"k{k}"
        folder.mkdir()
        (folder / "f.nbc").write_bytes(b"x" * 100)
        os.utime(folder, (k, k))
    compilation._make_room(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["k2", "k3"]
    compilation._make_room(tmp_path / "missing")
