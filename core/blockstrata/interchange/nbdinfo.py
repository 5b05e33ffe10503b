"""The output of ``nbdinfo --map --json``: what a server says of its export in one metadata context."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import numpy as np

from blockstrata.interchange.columns import Words, text
from blockstrata.semantics.nbd import WIRE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from blockstrata.guest import View
    from blockstrata.semantics.table import Semantics

BASE_ALLOCATION: Final = "base:allocation"

_WORDS: Final = {
    BASE_ALLOCATION: ("data", "hole", "zero", "hole,zero"),
    "qemu:allocation-depth": ("absent", "local"),
}
_BITMAP: Final = re.compile("qemu:dirty-bitmap:.*", re.DOTALL)
_BITMAP_WORDS: Final = ("clean", "dirty")


def block_status(view: View, server: Semantics) -> tuple[NDArray[np.int64], NDArray[np.uint64]]:
    """Return edges and types of what a server says of a view; ``BadImageError`` if a run is INVALID."""
    view.require_valid()
    flags = server.flags(view) & np.uint8(WIRE)
    first, edges = view.extents.stretches(flags)
    return edges, flags[first].astype(np.uint64)


def json_text(edges: NDArray[np.int64], types: NDArray[np.uint64], context: str) -> Iterator[str]:
    """Yield a JSON array in pieces, one object a line, laid out as nbdinfo lays them out.

    ``edges`` of shape (n + 1,), bytes; ``types`` of shape (n,); neighbours differ in type.  Types that
    nbdinfo has no word for carry no description.
    """
    kinds, which = np.unique(types, return_inverse=True)
    described = np.array([f"{kind}{_description(context, kind)}".encode() for kind in kinds.tolist()])
    starts, lengths = edges[:-1], np.diff(edges)
    rows = text(
        len(types),
        *(b',\n{ "offset": ', starts, b', "length": ', lengths, b', "type": ', Words(described, which), b"}"),
    )
    yield "[\n" + next(rows, "").removeprefix(",\n")
    yield from rows
    yield "\n]\n"


def _description(context: str, kind: int) -> str:
    words = _BITMAP_WORDS if _BITMAP.fullmatch(context) else _WORDS.get(context, ())
    if kind < len(words):
        return f', "description": "{words[kind]}"'
    return f', "description": "backing depth {kind}"' if context == "qemu:allocation-depth" else ""
