"""The output of ``nbdinfo --map --json``: what a server says of its export in one metadata context."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

_PIECE: Final = 1 << 13
"""Entries written at once."""

_WORDS: Final = {
    "base:allocation": ("data", "hole", "zero", "hole,zero"),
    "qemu:allocation-depth": ("absent", "local"),
}
_BITMAP: Final = re.compile("qemu:dirty-bitmap:.*", re.DOTALL)
_BITMAP_WORDS: Final = ("clean", "dirty")


def json_text(edges: NDArray[np.int64], types: NDArray[np.uint64], context: str) -> Iterator[str]:
    """Yield a JSON array in pieces, one object a line, laid out as nbdinfo lays them out.

    ``edges`` of shape (n + 1,), bytes; ``types`` of shape (n,); neighbours differ in type.  Types that
    nbdinfo has no word for carry no description.
    """
    described = {kind: _description(context, kind) for kind in set(types.tolist())}
    yield "[\n"
    for first in range(0, len(types), _PIECE):
        piece = slice(first, first + _PIECE)
        starts, ends = edges[:-1][piece].tolist(), edges[1:][piece].tolist()
        rows = zip(starts, ends, types[piece].tolist(), strict=True)
        yield ",\n" if first else ""
        yield ",\n".join(
            [
                f'{{ "offset": {start}, "length": {end - start}, "type": {kind}{described[kind]}}}'
                for start, end, kind in rows
            ]
        )
    yield "\n]\n"


def _description(context: str, kind: int) -> str:
    words = _BITMAP_WORDS if _BITMAP.fullmatch(context) else _WORDS.get(context, ())
    if kind < len(words):
        return f', "description": "{words[kind]}"'
    return f', "description": "backing depth {kind}"' if context == "qemu:allocation-depth" else ""
