"""A torch.nn.Sequential rebuilt from stored arrays: the names and attributes that an adapter sees, without torch."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


def stored_sequential(stored: Mapping[str, Any], n_times: int = 8) -> Any:
    """Build the stand-in from a file of `golden/networks/make_torch_weights.py`; convolutions start at `n_times`."""
    modules = []
    for place, (kind, settings) in enumerate(json.loads(str(stored["architecture"]))):
        parts: dict[str, Any] = {
            key.split(".", 1)[1]: array for key, array in stored.items() if key.startswith(f"{place}.")
        }
        if kind == "Conv1d":
            first = {"n_times": n_times} if not any(type(m).__name__ == "Conv1d" for m in modules) else {}
            shape = {
                name: (settings.get(name, usual),) for name, usual in (("stride", 1), ("padding", 0), ("dilation", 1))
            }
            parts |= {"groups": 1, **shape, **first}
        elif kind == "BatchNorm1d":
            parts["eps"] = 1e-5
        modules.append(type(kind, (), {"children": lambda _: iter(()), **parts})())
    return type("Sequential", (), {"children": lambda _: iter(modules), "state_dict": lambda _: dict(stored)})()
