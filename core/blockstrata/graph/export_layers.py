"""The layers behind an NBD export, rebuilt from ``qemu:allocation-depth``.

A server that serves a whole chain may tell how deep in it each byte lies: 0 allocated nowhere, 1 in the layer
that is served, N in the Nth.  What the layers above hide of another is not seen from here::

    depth     ├ 1 ┼──── 2 ────┼── 0 ──┼ 1 ┼──── 3 ───┤
    depth 1   ├───┤                   ├───┤
    depth 2       ├───────────┤
    depth 3                               ├──────────┤
"""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Mapping as Dict
from typing import Final

import numpy as np

from blockstrata.facts.codes import NO_HOST, Mapping, fact
from blockstrata.facts.extents import Extents
from blockstrata.facts.node import Driver
from blockstrata.formats.raw import RawNode
from blockstrata.graph.chain import Chain, Layer
from blockstrata.protocols.nbd.handshake import ALLOCATION_DEPTH
from blockstrata.protocols.nbd.node import NbdNode
from blockstrata.text.printable import base_name

_MOST_LAYERS: Final = 256
"""Depths that are told apart; an export that reaches deeper is shown as one layer."""

_UNALLOCATED = fact(Mapping.UNALLOCATED)


class ExportLayer(Driver):
    """What an export shows of the layer at one depth; the rest is left to the layers below."""

    driver = "nbd"
    supports_backing = True

    def __init__(self, host: NbdNode, depth: int) -> None:
        super().__init__(host)
        self.name = f"{base_name(host.name)} · depth {depth}"
        self.length = host.length
        self._export = host
        self._depth = depth

    def extents(self, start: int, length: int) -> Extents:
        """Return the storage of what lies at this depth; all else is UNALLOCATED."""
        storage = self._export.extents(start, length)
        inside = max(0, min(length, self.length - start))
        depths = self._export.status(ALLOCATION_DEPTH, start, inside)
        edges = np.union1d(storage.edges, depths.edges)
        starts = edges[:-1]
        run = np.searchsorted(storage.edges, starts, side="right") - 1
        at = np.searchsorted(depths.edges, starts, side="right") - 1
        # the tail of the last sector is past the export, and in no layer
        types = np.append(depths.types, np.uint64(0))[np.minimum(at, len(depths.types))]
        is_here = types == np.uint64(self._depth)
        facts = np.where(is_here, storage.facts[run], np.uint8(_UNALLOCATED))
        return Extents(edges, facts, np.where(is_here, starts, NO_HOST)).coalesce()

    def windows(self) -> Iterator[tuple[int, int, int]]:
        """Yield the windows in which the export is asked about."""
        yield from self.host.windows()

    def features(self) -> Dict[str, object]:
        """Return how deep in the server's chain the layer is, and what the server says of itself."""
        return {"allocation-depth": self._depth, **self.host.features()}


def as_opened(chain: Chain) -> Chain:
    """Return the one layer that QEMU sees of an export, for layers that were rebuilt; else the chain."""
    node = chain.layers[0].node
    return Chain((Layer(0, RawNode(node.host)),)) if isinstance(node, ExportLayer) else chain


def export_layers(chain: Chain) -> Chain:
    """Return the layers behind an export, where its server tells depths; else the chain as it is.

    Asks about the whole export.  ``ServerError`` if the server does not answer as it should.
    """
    node = chain.layers[0].node
    if len(chain.layers) > 1 or not isinstance(node, RawNode) or node.features():
        return chain
    export = node.host
    if not isinstance(export, NbdNode):
        return chain
    depths = export.allocation_depth(0, export.length)
    if depths is None:
        return chain
    deepest = int(depths.types.max(initial=0))
    if not 1 < deepest <= _MOST_LAYERS:
        return chain
    return Chain(tuple(Layer(index, ExportLayer(export, index + 1)) for index in range(deepest)))
