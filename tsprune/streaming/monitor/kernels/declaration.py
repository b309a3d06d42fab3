"""Declaration of a block of memory: names and sizes, from which places, the total, and what is stored follow."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Block", "moved"]


class Block:
    """Named parts of a vector, one behind the other.

    Parameters
    ----------
    name : str
        What the block is called where it is stored.
    **sizes : int >= 1
        Numbers of each part, in order.

    Examples
    --------
    >>> block = Block("joint", tokens=1, histogram=133, state=1)
    >>> block["state"], block.size
    (134, 135)
    """

    def __init__(self, name: str, **sizes: int) -> None:
        self.name = name
        self.sizes: Mapping[str, int] = sizes
        self._places: dict[str, int] = {}
        self.size = 0
        for part, size in sizes.items():
            self._places[part] = self.size
            self.size += size

    def __getitem__(self, part: str) -> int:
        """Return where a part begins."""
        return self._places[part]

    def describe(self) -> list[list[str | int]]:
        """Return name and size of every part, as they are stored with a state."""
        return [[part, size] for part, size in self.sizes.items()]

    def moves(self, stored: list[list[str | int]]) -> list[tuple[int, int, int]] | None:
        """Return (place there, place here, size) of the parts that a stored block and this one share.

        None if a part has another size there. A part that is absent there begins with zeros: every part that is added
        to a block must allow that.
        """
        moves, place = [], 0
        for part, size in stored:
            if not isinstance(part, str) or not isinstance(size, int) or size < 1:
                return None
            if part in self.sizes:
                if self.sizes[part] != size:
                    return None
                moves.append((place, self._places[part], size))
            place += size
        return moves


def moved(block: Block, layouts: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> NDArray[Any]:
    """Return a stored array in this version's layout: parts that were not there begin with zeros.

    Raises
    ------
    ValueError
        If a part has another size, or the array is not as long as its layout says.
    """
    stored, described = arrays[block.name], layouts[block.name]
    if described == block.describe():
        if stored.shape[-1] != block.size:
            raise ValueError(f"{block.name} has {stored.shape[-1]} numbers instead of {block.size}")
        return stored
    moves = block.moves(described)
    if moves is None or stored.shape[-1] != sum(size for _, size in described):
        raise ValueError(f"parts of {block.name} have other sizes")
    found = np.zeros((*stored.shape[:-1], block.size), dtype=stored.dtype)
    for there, here, size in moves:
        found[..., here : here + size] = stored[..., there : there + size]
    return found
