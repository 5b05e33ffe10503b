"""A view: the facts of a window of guest bytes, and the layer that each run comes from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from blockstrata.errors import BadImageError
from blockstrata.facts.codes import NO_HOST, Mapping, Storage, mapping_of, storage_of
from blockstrata.facts.extents import Extents, blocks
from blockstrata.graph.chain import Layer


class Run(NamedTuple):
    """One run of a view, as Python's own numbers; offsets and lengths in bytes.

    ``host`` is where the byte at ``start`` lies in the file of ``layer``, None where it has no place there.
    Whether the block layer supplies the zeroes of a run that its layer defers is a mark in the fact code
    (``SYNTHESISED`` in ``View.extents.facts``), and in every semantics' flags.
    """

    start: int
    length: int
    mapping: Mapping
    storage: Storage
    host: int | None
    layer: Layer


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """Facts over a window of guest bytes, and for each run the layer they come from.

    ``source`` int64 of shape (n,) indexes ``layers``; ``depth`` int64 of shape (n,) is what ``qemu-img map``
    calls depth.  ``in_place``: the view of one layer in its chain, in which deferred runs stay deferred.
    Iterate for its n runs one by one, each as a :class:`Run`; what was found stays when the chain is closed.
    """

    extents: Extents
    source: NDArray[np.int64]
    depth: NDArray[np.int64]
    layers: tuple[Layer, ...]
    in_place: bool = False

    def __len__(self) -> int:
        return len(self.extents)

    def __iter__(self) -> Iterator[Run]:
        edges = self.extents.edges
        for part in blocks(len(self)):
            found = zip(
                edges[part].tolist(),
                np.diff(edges[part.start : part.stop + 1]).tolist(),
                self.extents.facts[part].tolist(),
                self.extents.host[part].tolist(),
                self.source[part].tolist(),
                strict=True,
            )
            for start, length, code, host, source in found:
                place = None if host == NO_HOST else host
                yield Run(start, length, mapping_of(code), storage_of(code), place, self.layers[source])

    def sources(self) -> tuple[list[Layer], NDArray[np.intp]]:
        """Return the layers that runs come from, and for each run which of these, (n,).

        A view of one layer of a long chain has one, whatever lies above and below.
        """
        used = np.flatnonzero(np.bincount(self.source))
        nth = np.zeros(len(self.layers), np.intp)
        nth[used] = np.arange(len(used))
        return [self.layers[index] for index in used.tolist()], nth[self.source]

    def require_valid(self) -> None:
        """Raise a layer's refusal; ``BadImageError`` naming entry and reason if a run is INVALID."""
        for layer in self.layers:
            if refusal := layer.node.find_refusal():
                raise refusal
        broken = np.flatnonzero(self.extents.having(Mapping.INVALID))
        if len(broken):
            offset = int(self.extents.edges[broken[0]])
            layer = self.layers[int(self.source[broken[0]])]
            raise BadImageError(layer.name, f"guest offset {offset:#x}", layer.fault_at(offset))
