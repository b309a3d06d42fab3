"""How kernels are compiled and where their machine code is kept: once per machine, not once per path.

`njit` is numba's, with a cache of its own behind ``cache=True``. Machine code is found by the *content* of the kernel's
file and of the kernel files it imports, so that a second clone, environment or container layer with the same sources
starts warm, and a change in a kernel of another file is noticed. It is looked for

1. beside the package, in ``detectors/kernels/compiled``, where `tsprune warmup --into-package` put it (images);
2. in the folder that ``TSPRUNE_CACHE_DIR`` names, else in the user's cache folder.

Invariant: nothing is loaded that another user could have written, and a machine on which nothing can be written still
starts: it compiles in memory, without a word.
"""

from __future__ import annotations

import hashlib
import os
import platform
import re
import shutil
import stat
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, TypeVar, overload

import numba
from numba.core import caching as _numba_caching

__all__ = ["cache_folder", "njit", "on_compiled"]

caching: Any = _numba_caching  # numba's types are not complete

# folder of the machine code that ships beside the package
SHIPPED = Path(__file__).resolve().parent / "compiled"
# where this variable is set, machine code is written to that folder
BESIDE_PACKAGE = "TSPRUNE_COMPILE_INTO_PACKAGE"
# bytes that all folders of machine code may take together; one set of sources takes about 25 MB
LARGEST_CACHE = 400 * 2**20
_IMPORTED = re.compile(
    r"^(?:from|import) ((?:tsprune|detectors)[\w.]*\.kernels[\w.]*)(?: import ([^\n#]+))?", re.MULTILINE
)

Kernel = TypeVar("Kernel", bound=Callable[..., Any])

# called with the name of a kernel each time one was compiled; the command line shows progress with it
on_compiled: list[Callable[[str], None]] = []


@overload
def njit(function: Kernel, /) -> Kernel: ...
@overload
def njit(**options: Any) -> Callable[[Kernel], Kernel]: ...
def njit(function: Any = None, /, **options: Any) -> Any:
    """Compile a function as `numba.njit` does; with ``cache=True`` keep its machine code by content.

    Parameters
    ----------
    function : callable, optional
    **options
        Of `numba.njit`.

    Returns
    -------
    callable
        The compiled function (the function itself where ``NUMBA_DISABLE_JIT`` is set), or a decorator.
    """
    if function is None:
        return lambda decorated: _compiled(decorated, **options)
    return _compiled(function, **options)


def _compiled(function: Any, *, cache: bool = False, **options: Any) -> Any:
    """One function, compiled when it is first called with arguments of a kind."""
    dispatcher = numba.njit(**options)(function)
    if cache and hasattr(dispatcher, "py_func"):
        dispatcher._cache = _cache_of(dispatcher.py_func)  # what numba's enable_caching() does with its own cache
    return dispatcher


def cache_folder() -> Path | None:
    """Return the folder in which machine code is kept, or None where there is none that only this user can write."""
    given = os.environ.get("TSPRUNE_CACHE_DIR")
    home = os.environ.get("LOCALAPPDATA") or os.environ.get("XDG_CACHE_HOME")
    try:
        folder = Path(given) if given else Path(home) / "tsprune" if home else Path.home() / ".cache" / "tsprune"
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        return folder if _is_ours(folder) and os.access(folder, os.W_OK) else None
    except (OSError, RuntimeError):  # no home, a read-only file system, a file in the way
        return None


def _is_ours(folder: Path) -> bool:
    """Whether nobody but this user (or the administrator) can have written into a folder."""
    if not hasattr(os, "geteuid"):
        return True
    found = folder.stat()
    others = stat.S_IWGRP | stat.S_IWOTH
    return found.st_uid in (0, os.geteuid()) and not found.st_mode & others


def _cache_of(function: Callable[..., Any]) -> Any:
    """The cache of one function; one that keeps nothing where nothing can be read or written."""
    source = Path(function.__code__.co_filename)
    folder, writable = _folder_of(_key(source))
    if folder is None:
        return _NoCache(function)
    return _ContentCache(function, folder, writable)


@cache
def _folder_of(key: str) -> tuple[str | None, bool]:
    """The folder for the machine code of one set of sources, and whether it may be written."""
    shipped = SHIPPED / key
    if os.environ.get(BESIDE_PACKAGE):
        return str(shipped), True
    if shipped.is_dir() and _is_ours_or_the_package(shipped) and not os.environ.get("TSPRUNE_CACHE_DIR"):
        return str(shipped), os.access(shipped, os.W_OK)
    root = cache_folder()
    return (None, False) if root is None else (str(root / key), True)


def _is_ours_or_the_package(folder: Path) -> bool:
    """Whether a folder beside the package is as trustworthy as the package: the same owner, nobody else writes."""
    if not hasattr(os, "geteuid"):
        return True
    same_owner = folder.stat().st_uid == Path(__file__).stat().st_uid
    return same_owner and not folder.stat().st_mode & (stat.S_IWGRP | stat.S_IWOTH)


@cache
def _key(source: Path) -> str:
    """Name of the folder for a kernel file: its module, and a hash of all sources and versions that matter."""
    digest = hashlib.sha256()
    for path in sorted(_sources(source)):
        digest.update(path.read_bytes())
    versions = (numba.__version__, platform.machine(), sys.implementation.cache_tag, platform.system())
    digest.update(repr(versions).encode())
    parts = source.with_suffix("").parts
    name = ".".join(parts[-3:]) if len(parts) > 2 else source.stem
    return f"{name}-{digest.hexdigest()[:20]}"


@cache
def _sources(source: Path) -> frozenset[Path]:
    """A kernel file and the kernel files that it imports, directly or not."""
    found = {source}
    root = _package_root(source)
    for module, names in _IMPORTED.findall(source.read_text(encoding="utf-8")) if root is not None else ():
        base = root.joinpath(*module.split(".")) if root is not None else source
        candidates = [
            base.with_suffix(".py"),
            *(base / f"{n.strip().split(' ')[0].strip('()')}.py" for n in names.split(",")),
        ]
        for path in candidates:
            if path.is_file() and path not in found:
                found |= _sources(path)
    return frozenset(found)


def _package_root(source: Path) -> Path | None:
    """The folder that holds the package of a file."""
    for folder in source.parents:
        if folder.name in ("tsprune", "detectors") and (folder / "__init__.py").is_file():
            return folder.parent
    return None


class _Locator(caching._CacheLocator):
    """Tell numba where the machine code of a function is; the folder itself stands for the content of the sources."""

    def __init__(self, function: Callable[..., Any], folder: str) -> None:
        self._line = function.__code__.co_firstlineno
        self._folder = folder

    def get_cache_path(self) -> str:
        return self._folder

    def get_source_stamp(self) -> str:
        return Path(self._folder).name

    def get_disambiguator(self) -> str:
        return str(self._line)


class _Implementation(caching.CompileResultCacheImpl):
    """How numba reads and writes a compiled function, at a place of ours."""

    def __init__(self, function: Callable[..., Any], folder: str) -> None:
        self._lineno = function.__code__.co_firstlineno
        self._locator = _Locator(function, folder)
        name = f"{Path(function.__code__.co_filename).stem}.{function.__qualname__}"
        self._filename_base = self.get_filename_base(name, getattr(sys, "abiflags", ""))


def _tell(function: Callable[..., Any]) -> None:
    """Tell who wants to know that a function was compiled."""
    for listener in on_compiled:
        listener(function.__name__)


class _NoCache(caching.NullCache):
    """Keeps nothing, and tells what was compiled."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function

    def save_overload(self, _sig: Any, _data: Any) -> None:
        _tell(self._function)


class _ContentCache(caching.FunctionCache):
    """A cache by content that never fails: what cannot be kept is compiled again."""

    def __init__(self, function: Callable[..., Any], folder: str, writable: bool) -> None:
        self._folder, self._writable = folder, writable
        self._impl_class = lambda f: _Implementation(f, folder)
        super().__init__(function)

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        try:
            return super().load_overload(sig, target_context)
        except Exception:  # a file that was cut off, or of a build of numba that reads another form
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        _tell(self._py_func)
        if not self._writable:
            return
        try:
            if not Path(self._folder).is_dir():
                _make_room(Path(self._folder).parent)
            super().save_overload(sig, data)
        except Exception:  # no room, or an index that cannot be read: kept next time
            self._writable = False
            with suppress(OSError):
                self.flush()


def _make_room(root: Path) -> None:
    """Delete the oldest folders of machine code where all together take more than `LARGEST_CACHE`."""
    try:
        folders = [path for path in root.iterdir() if path.is_dir()]
        sizes = {path: sum(file.stat().st_size for file in path.iterdir()) for path in folders}
        newest_first = sorted(folders, key=lambda path: path.stat().st_mtime, reverse=True)
    except OSError:
        return
    total = 0
    for path in newest_first:
        total += sizes[path]
        if total > LARGEST_CACHE:
            shutil.rmtree(path, ignore_errors=True)
