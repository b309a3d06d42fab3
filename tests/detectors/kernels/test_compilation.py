"""The cache of machine code: found by content, safe, bounded, and never in the way."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

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


STARTED = """
import os, sys
import numba, numpy
numba.njit(lambda x: x)(1.0)
if sys.argv[1] != "same":
    os.setgroups([]); os.setgid(int(sys.argv[1])); os.setuid(int(sys.argv[1]))
from detectors.kernels import compilation
compiled = []
compilation.on_compiled.append(compiled.append)
from detectors.kernels.finite import all_finite
assert all_finite(numpy.ones((2, 2)))
print(len(compiled), compilation.cache_folder())
"""
NOBODY = 65534


def start(root: Path, user: str = "same", **environment: str) -> str:
    """Start a copy of the package in `root` without a home and a cache folder of its own."""
    kept = {k: v for k, v in os.environ.items() if k not in ("TSPRUNE_CACHE_DIR", "XDG_CACHE_HOME", "LOCALAPPDATA")}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", STARTED, user], cwd="/",
        env={**kept, "HOME": "/proc/nowhere", "PYTHONPATH": str(root), "PYTHONDONTWRITEBYTECODE": "1", **environment},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    return done.stdout.strip()


@pytest.fixture
def copied() -> Iterator[Path]:
    """A copy of `detectors` in a folder that everybody may read, as in an image."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(compilation.__file__).parents[1]
        shutil.copytree(source, Path(folder) / "detectors", ignore=shutil.ignore_patterns("__pycache__", "compiled"))
        for path in (Path(folder), *Path(folder).rglob("*")):
            path.chmod(0o755 if path.is_dir() else 0o644)
        yield Path(folder)


@needs_jit
@pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")
def test_an_image_starts_warm_for_every_user_without_a_home(copied: Path) -> None:
    assert start(copied) == "1 None"
    old = os.umask(0o002)  # a group that may write does not make the machine code of an image unusable
    try:
        assert start(copied, **{compilation.BESIDE_PACKAGE: "1"}) == "1 None"
    finally:
        os.umask(old)
    for path in copied.rglob("*"):
        path.chmod(0o555 if path.is_dir() else 0o444)
    assert start(copied) == "0 None"
    if os.geteuid() == 0:
        assert start(copied, user=str(NOBODY)) == "0 None"


@needs_jit
@pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")
def test_machine_code_of_an_image_for_another_cpu_is_kept_in_the_own_folder(copied: Path, tmp_path: Path) -> None:
    assert start(copied, **{compilation.BESIDE_PACKAGE: "1", "NUMBA_CPU_NAME": "x86-64"}) == "1 None"
    own = {"XDG_CACHE_HOME": str(tmp_path)}
    assert start(copied, **own) == f"1 {tmp_path / 'tsprune'}"
    assert start(copied, **own) == f"0 {tmp_path / 'tsprune'}"


@needs_jit
def test_machine_code_that_others_may_write_is_not_loaded(copied: Path) -> None:
    start(copied, **{compilation.BESIDE_PACKAGE: "1"})
    for path in (copied / "detectors" / "kernels" / "compiled").iterdir():
        path.chmod(0o777)
    assert start(copied) == "1 None"


def test_sources_that_are_no_files_are_compiled_in_memory() -> None:
    scope: dict[str, Any] = {}
    exec(compile("def twice(x):\n    return 2 * x", "/no/such/archive.zip/kernels/twice.py", "exec"), scope)
    assert compilation.njit(cache=True)(scope["twice"])(2.0) == 4.0
