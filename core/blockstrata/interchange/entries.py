"""Map entries: the runs of a view under a semantics, merged by ``qemu-img map``'s rule."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from blockstrata.extents import run_starts
from blockstrata.facts import NO_HOST
from blockstrata.printable import printable

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from blockstrata.chain import Layer
    from blockstrata.guest import View
    from blockstrata.semantics.table import Semantics


@dataclass(frozen=True, slots=True, eq=False)
class Entries:
    """n map entries, or the one empty entry of a window of no bytes.

    ``start``, ``length``, ``depth``, ``offset`` int64 of shape (n,), bytes, ``offset`` NO_HOST where it is
    not valid; ``source`` int64, the index of the layer; ``flags`` uint8 of the semantics.
    """

    semantics: Semantics
    start: NDArray[np.int64]
    length: NDArray[np.int64]
    depth: NDArray[np.int64]
    source: NDArray[np.int64]
    flags: NDArray[np.uint8]
    offset: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.start)


class Names(dict[int, str]):
    """The printable names of the files that layers store their bytes in, each made when first asked for."""

    def __init__(self, layers: tuple[Layer, ...]) -> None:
        super().__init__()
        self._layers = layers

    def __missing__(self, index: int) -> str:
        self[index] = printable(self._layers[index].node.host.name)
        return self[index]


def entries(view: View, semantics: Semantics) -> Entries:
    """Return the entries of a view.

    Neighbours merge when their depth and flags agree and, where there is an offset, it continues
    (SPEC.md section 2).  ``BadImageError`` if a run is INVALID.
    """
    view.require_valid()
    extents = view.extents
    flags = semantics.flags(view)
    offset = np.where(flags & np.uint8(semantics.offset_flag), extents.host, NO_HOST)
    if not len(extents):
        none = np.zeros(1, np.int64)
        return Entries(semantics, extents.edges, none, none, none, np.zeros(1, np.uint8), none + NO_HOST)
    starts = run_starts(extents.edges, offset, flags, view.depth)
    # in most disks no runs merge: nothing is copied then
    kept = slice(None) if starts.all() else starts
    start = extents.edges[:-1][kept]
    length = extents.lengths if len(start) == len(extents) else np.diff(start, append=extents.end)
    return Entries(semantics, start, length, view.depth[kept], view.source[kept], flags[kept], offset[kept])
