"""The output of ``nbdinfo --map --json``: what a server says of its export in one metadata context."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from blockstrata.guest.view import View
from blockstrata.interchange.columns import Words, json_array, text
from blockstrata.interchange.entries import in_parts
from blockstrata.semantics.table import Semantics

BASE_ALLOCATION: Final = "base:allocation"

_WORDS: Final = {
    BASE_ALLOCATION: ("data", "hole", "zero", "hole,zero"),
    "qemu:allocation-depth": ("absent", "local"),
}
_BITMAP_WORDS: Final = ("clean", "dirty")

Status = tuple[NDArray[np.int64], NDArray[np.uint64]]
"""n neighbouring runs that differ in type: edges (n + 1,), bytes, and types (n,)."""


def block_status(views: Iterable[View], server: Semantics) -> Iterator[Status]:
    """Yield what a server says of views that follow one another, as it would of one view of it all.

    ``BadImageError`` when it comes to a run that is INVALID.
    """
    # a server knows no layers, and answers for what is deferred
    depth = np.int64(0)
    served = (replace(each, depth=np.broadcast_to(depth, len(each)), in_place=False) for each in views)
    for part in in_parts(filter(len, served), server):
        if len(part):
            yield np.append(part.start, part.start[-1] + part.length[-1]), part.flags.astype(np.uint64)


def json_text(parts: Iterable[Status], context: str) -> Iterator[str]:
    """Yield a JSON array in pieces, one object a line, laid out as nbdinfo lays them out.

    Types that nbdinfo has no word for carry no description.
    """
    rows = (piece for edges, types in parts for piece in _rows(edges, types, context))
    return json_array(rows, "[\n", "\n]\n")


def _rows(edges: NDArray[np.int64], types: NDArray[np.uint64], context: str) -> Iterator[str]:
    kinds, which = np.unique(types, return_inverse=True)
    described = np.array(
        [f"{kind}{_description(context, kind)}".encode() for kind in kinds.tolist()] or [b""]
    )
    starts, lengths = edges[:-1], np.diff(edges)
    return text(
        len(types),
        *(b',\n{ "offset": ', starts, b', "length": ', lengths, b', "type": ', Words(described, which), b"}"),
    )


def _description(context: str, kind: int) -> str:
    words = _BITMAP_WORDS if context.startswith("qemu:dirty-bitmap:") else _WORDS.get(context, ())
    if kind < len(words):
        return f', "description": "{words[kind]}"'
    return f', "description": "backing depth {kind}"' if context == "qemu:allocation-depth" else ""
