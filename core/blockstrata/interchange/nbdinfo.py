"""The output of ``nbdinfo --map --json``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

DIRTY_BITMAP: Final = {0: "clean", 1: "dirty"}
"""The words for the types of ``qemu:dirty-bitmap:NAME``."""

_PIECE: Final = 1 << 13
"""Runs written at once."""


def json_text(
    edges: NDArray[np.int64], types: NDArray[np.integer], words: Mapping[int, str]
) -> Iterator[str]:
    """Yield a JSON array in pieces, one object a line, laid out as nbdinfo lays them out.

    ``edges`` (n + 1,) bytes, ``types`` (n,); a type that has no word carries no description.
    """
    ends = {
        kind: f'"type": {kind}' + (f', "description": "{words[kind]}"}}' if kind in words else "}")
        for kind in np.unique(types).tolist()
    }
    lengths = np.diff(edges)
    yield "[\n"
    for first in range(0, len(types), _PIECE):
        piece = slice(first, first + _PIECE)
        rows = zip(edges[:-1][piece].tolist(), lengths[piece].tolist(), types[piece].tolist(), strict=True)
        yield ",\n" if first else ""
        yield ",\n".join(
            [f'{{ "offset": {start}, "length": {length}, {ends[kind]}' for start, length, kind in rows]
        )
    yield "\n]\n"
