"""A chain that exists in memory only, for pictures of large images without any: one seed makes one chain."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from blockstrata.facts.codes import NO_HOST, Mapping, Storage, fact
from blockstrata.facts.extents import Extents
from blockstrata.facts.node import Driver, ProtocolNode
from blockstrata.graph.chain import Chain, Layer

if TYPE_CHECKING:
    from numpy.typing import NDArray

CLUSTER: Final = 1 << 16
CLUSTERS_A_RUN: Final = 8
"""Mean; with 2 M runs the disk has 1 TiB."""
SEED: Final = 2018

_STORED: Final = (
    (fact(Mapping.NORMAL, Storage.DATA), 0.70),
    (fact(Mapping.NORMAL, Storage.HOLE), 0.04),
    (fact(Mapping.ZERO_PLAIN), 0.12),
    (fact(Mapping.ZERO_ALLOC, Storage.DATA), 0.03),
    (fact(Mapping.ZERO_ALLOC, Storage.UNWRITTEN), 0.03),
    (fact(Mapping.COMPRESSED), 0.08),
)
"""What an overlay holds where it holds something, and how often."""
_HOSTED: Final = (Mapping.NORMAL, Mapping.ZERO_ALLOC)


class MadeUpFile(ProtocolNode):
    """The file under a made-up layer: data and holes in turn, and no bytes to read."""

    def __init__(self, name: str, length: int, runs: int, rng: np.random.Generator) -> None:
        super().__init__(name, "file", length)
        self.allocated = length
        self.identity = ("made-up", name)
        edges = _edges(max(1, min(runs, length // CLUSTER)), length // CLUSTER, rng)
        kinds = [fact(Mapping.PASSTHROUGH, Storage.DATA), fact(Mapping.PASSTHROUGH, Storage.HOLE)]
        facts = np.resize(np.array(kinds, np.uint8), len(edges) - 1)
        self._extents = Extents(edges, facts, edges[:-1].copy())

    def extents(self, start: int, length: int) -> Extents:
        """Return data and holes of a window inside the file."""
        return self._extents.cut(start, start + length)

    def read(self, offset: int, length: int) -> bytes:
        """Return zeroes."""
        return bytes(length)


class MadeUpImage(Driver):
    """A qcow2 node without a file; its layer knows all its facts, so that nobody asks it."""

    driver = "qcow2"
    backing_format = "qcow2"
    supports_backing = True

    def __init__(self, name: str, length: int, host: MadeUpFile) -> None:
        super().__init__(host)
        self.name = name
        self.length = length

    def extents(self, start: int, length: int) -> Extents:
        """Refuse: the facts are known."""
        raise NotImplementedError

    def features(self) -> dict[str, object]:
        """Return what the details may tell."""
        return {"cluster-size": CLUSTER}


def made_up_chain(layers: int, runs: int) -> Chain:
    """Return a chain of layers of ``runs`` runs each, all of one size."""
    size = runs * CLUSTERS_A_RUN * CLUSTER
    return Chain(tuple(_layer(depth, layers, runs, size) for depth in range(layers)))


def _layer(depth: int, layers: int, runs: int, size: int) -> Layer:
    rng = np.random.default_rng((SEED, depth))
    edges = _edges(runs, size // CLUSTER, rng)
    facts = _facts(runs, rng)
    host, end = _host(np.diff(edges), facts, rng)
    name = f"layer-{layers - 1 - depth:02d}.qcow2"
    node = MadeUpImage(name, size, MadeUpFile(name, end, runs // 4, rng))
    return Layer(depth, node, Extents(edges, facts, host))


def _edges(runs: int, clusters: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return the edges of so many runs that fill so many clusters, in bytes."""
    inner = rng.choice(clusters - 1, runs - 1, replace=False, shuffle=False) + 1
    inner.sort()
    return np.concatenate([[0], inner, [clusters]]).astype(np.int64) * CLUSTER


def _facts(runs: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Return facts in which every second run is deferred to the layer below."""
    codes, shares = zip(*_STORED, strict=True)
    facts = np.full(runs, fact(Mapping.UNALLOCATED), np.uint8)
    facts[1::2] = rng.choice(np.array(codes, np.uint8), runs // 2, p=shares)
    return facts


def _host(
    lengths: NDArray[np.int64], facts: NDArray[np.uint8], rng: np.random.Generator
) -> tuple[NDArray[np.int64], int]:
    """Return host offsets, and the file's length: runs lie side by side in batches, the batches shuffled."""
    hosted = np.flatnonzero(np.isin(facts >> 3, _HOSTED))
    batch = rng.permutation(len(hosted) // 64 + 1)[np.arange(len(hosted)) // 64]
    order = hosted[np.argsort(batch, kind="stable")]
    first = 4 * CLUSTER
    ends = first + np.cumsum(lengths[order])
    host = np.full(len(facts), NO_HOST, np.int64)
    host[order] = ends - lengths[order]
    return host, int(ends[-1]) if len(ends) else first
