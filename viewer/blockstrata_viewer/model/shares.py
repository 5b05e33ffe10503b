"""How much of each class of run lies in each cell: the numbers behind a frame.

Sums are kept for every block of runs and completed inside a block, so a frame costs the same for ten runs and
for millions, and the sums stay small beside the runs.

Of a region whose runs were given up there are chunks.  An offset inside a chunk counts as the nearer of its
ends, so a strip of cells as large as chunks or larger is exact to half a chunk a cell::

    runs     ├┼┼─┼┼┼──┼┼─┼─┼┼┼┼──┼─┤├──────── UNREAD ─────────┤
    chunks                          ├─ 3 GiB data ┼─ 4 GiB data┤
                                    │  1 GiB zero │            │
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from blockstrata_viewer.model.viewport import Viewport

BLOCK: Final = 16
"""Runs a block."""
_IN_BLOCK: Final = np.arange(BLOCK + 1)
"""Edges of a block's runs, counted from its first."""


class Cells(NamedTuple):
    """Runs in cells, those of a viewport's columns or others.

    ``edges`` int64 (columns + 1,), bytes, kept inside the runs; ``blocks`` int64 (columns + 1,), the block
    of runs that holds each edge, the last one for the end; ``amounts`` int64 (columns, kinds), bytes of each
    class.
    """

    edges: NDArray[np.int64]
    blocks: NDArray[np.intp]
    amounts: NDArray[np.int64]


class Shares:
    """Prefix sums over n runs: ``edges`` int64 (n + 1,) in bytes; ``classes`` (n,), each below ``kinds``.

    ``summaries``, ascending, are chunks that stand for the runs in their place, which say less: for each
    region ``edges`` int64 (c + 1,), bytes, and ``amounts`` int64 (c, kinds), the bytes of each class.
    """

    def __init__(
        self,
        edges: NDArray[np.int64],
        classes: NDArray[np.unsignedinteger],
        kinds: int,
        summaries: Sequence[tuple[NDArray[np.int64], NDArray[np.int64]]] = (),
    ) -> None:
        self.edges = edges
        self.classes = classes
        self.kinds = kinds
        self._kept: tuple[Viewport, Cells] | None = None
        # searched before the edges are, most of which stay out of the processor's caches
        self._block_starts = edges[:-1:BLOCK].copy()
        self._sums = _block_sums(edges, classes, kinds)
        self._chunk_starts = self._chunk_ends = np.empty(0, np.int64)
        if summaries:
            # what they hold beyond what the runs in their place say
            beyond = [amounts - self.between(chunks) for chunks, amounts in summaries]
            self._chunk_starts = np.concatenate([chunks[:-1] for chunks, _ in summaries])
            self._chunk_ends = np.concatenate([chunks[1:] for chunks, _ in summaries])
            sums = np.cumsum(np.concatenate(beyond), axis=0)
            self._chunk_sums = np.concatenate([np.zeros_like(sums[:1]), sums])

    def _blocks_at(self, offsets: NDArray[np.int64]) -> NDArray[np.intp]:
        return self._block_starts.searchsorted(offsets, side="right") - 1

    def _before(self, offsets: NDArray[np.int64], blocks: NDArray[np.intp]) -> NDArray[np.int64]:
        """Return the bytes of each class before each offset, int64 (m, kinds); offsets must be inside."""
        if not len(self.classes):
            return np.zeros((len(offsets), self.kinds), np.int64)
        if len(self._chunk_ends):
            offsets = self._beside_chunks(offsets)
            blocks = self._blocks_at(offsets)
        runs = (blocks * BLOCK)[:, None] + _IN_BLOCK
        # runs from the offset on are cut to nothing, and so is what the last block has too few of
        edges = np.minimum(self.edges.take(runs, mode="clip"), offsets[:, None])
        lengths = edges[:, 1:] - edges[:, :-1]
        classes = self.classes.take(runs[:, :-1], mode="clip")
        sums = self._sums.take(blocks, axis=0)
        rows = np.arange(0, sums.size, self.kinds)
        np.add.at(sums.reshape(-1), (classes + rows[:, None]).reshape(-1), lengths.reshape(-1))
        if len(self._chunk_ends):
            sums += self._chunk_sums[self._chunk_ends.searchsorted(offsets, side="right")]
        return sums

    def _beside_chunks(self, offsets: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return offsets, each that is inside a chunk moved to the nearer of its ends."""
        chunk = self._chunk_ends.searchsorted(offsets, side="right")
        starts, ends = (each.take(chunk, mode="clip") for each in (self._chunk_starts, self._chunk_ends))
        nearer = np.where(offsets - starts < ends - offsets, starts, ends)
        return np.where((starts < offsets) & (offsets < ends), nearer, offsets)

    def between(self, offsets: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the bytes of each class between neighbouring offsets, int64 (m - 1, kinds)."""
        return np.asarray(np.diff(self._before(offsets, self._blocks_at(offsets)), axis=0), np.int64)

    def columns(self, viewport: Viewport) -> Cells:
        """Return the runs in a viewport's columns.

        The last answer is kept, because most keys change neither the viewport nor the runs.
        """
        if self._kept is None or self._kept[0] != viewport:
            size = int(self.edges[-1])
            edges = np.full(viewport.columns + 1, size, np.int64)
            # of the cells past the end there may be more than 2**63 bytes can number
            inside = max(0, min(viewport.columns + 1, size // viewport.cell + 1 - viewport.left))
            cells = np.arange(viewport.left, viewport.left + inside, dtype=np.int64)
            edges[:inside] = cells * viewport.cell
            self._kept = viewport, self.cells(edges)
        return self._kept[1]

    def cells(self, edges: NDArray[np.int64]) -> Cells:
        """Return the runs between neighbouring edges, which must be inside the runs."""
        blocks = self._blocks_at(edges)
        before = self._before(edges, blocks)
        return Cells(edges, blocks, before[1:] - before[:-1])

    def totals(self) -> NDArray[np.int64]:
        """Return the bytes of each class, int64 (kinds,)."""
        runs = np.asarray(self._sums[-1], np.int64)
        return runs + self._chunk_sums[-1] if len(self._chunk_ends) else runs


def _block_sums(
    edges: NDArray[np.int64], classes: NDArray[np.unsignedinteger], kinds: int
) -> NDArray[np.int64]:
    """Return the bytes of each class before each block of runs and before the end, (blocks + 1, kinds)."""
    blocks = -(-len(classes) // BLOCK)
    sums = np.zeros((blocks + 1, kinds), np.int64)
    if len(classes):
        row = np.repeat(np.arange(kinds, sums.size, kinds), BLOCK)[: len(classes)]
        np.add.at(sums.reshape(-1), row + classes, np.diff(edges))
        np.cumsum(sums, axis=0, out=sums)
    return sums
