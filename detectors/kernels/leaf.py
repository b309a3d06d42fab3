"""How kernels are compiled that run for every row, or every value of a stream, and make no arrays of their own.

Such a kernel is put into its caller, and it does not count who holds the arrays it looks at: its caller does, for as
long as it runs. Counting is an atomic addition each time an array or a part of one is passed on, and took a fifth of
the time of the monitor and of a local outlier factor.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from detectors.kernels.compilation import njit

__all__ = ["leaf"]

Kernel = TypeVar("Kernel", bound=Callable[..., Any])
_OPTIONS: dict[str, Any] = {"cache": True, "error_model": "numpy", "forceinline": True}


def leaf(function: Kernel) -> Kernel:
    """Compile a kernel that allocates nothing.

    Parameters
    ----------
    function : callable
        Reads and writes arrays it is given, may take parts of them, calls only kernels of its kind.

    Returns
    -------
    callable
        The kernel, compiled (a numba dispatcher).
    """
    compiler: Any = njit
    try:
        compiled: Kernel = compiler(**_OPTIONS, _nrt=False)(function)
    except (KeyError, TypeError):  # an option numba does not document: where it is gone, the kernel is only slower
        compiled = compiler(**_OPTIONS)(function)
    return compiled
