"""Refcount table and blocks decoded: how often each host cluster is in use, as the image itself has it.

Bits 0 to 8 of a table entry are reserved, the rest is the host offset of a block, 0 for one of zeroes
(docs/interop/qcow2.txt of QEMU)::

    table    │   A   │   0   │   B   │ …
    blocks   ├ 1 1 1 0 ┤       ├ 1 2 0 0 ┤          big-endian; those of less than a byte from its low bits up
    cluster    0 1 2 3  4 5 6 7  8 9 …
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from blockstrata.facts.codes import SECTOR
from blockstrata.facts.node import HostNode
from blockstrata.formats.qcow2.header import END_OF_NODES, Header
from blockstrata.formats.qcow2.stored import (
    PIECE,
    counting,
    pieces_of,
    read_pieces,
    stored_stretches,
    stored_words,
)

BLOCK_MASK: Final = 0xFFFFFFFFFFFFFE00
_BATCH: Final = 1 << 19
"""Refcounts decoded at once."""
_OCTET: Final = 3
"""The refcount order of whole octets."""
_BLOCKS: Final = 1 << 13
"""Blocks whose storage is asked for at once."""


@dataclass(frozen=True, slots=True, eq=False)
class RefcountTable:
    """The n entries of a refcount table that are not zero.

    ``index`` int64 (n,), which they are, ascending; ``words`` uint64 (n,), as they stand in the image;
    ``unreadable`` bool (n,), those whose block QEMU cannot read: unaligned, or past what a file can hold.
    """

    file: HostNode
    header: Header
    index: NDArray[np.int64]
    words: NDArray[np.uint64]
    unreadable: NDArray[np.bool_]

    @property
    def per_block(self) -> int:
        """Clusters that one block counts."""
        return self.header.cluster_size * 8 >> self.header.refcount_order

    @property
    def most(self) -> int:
        """The largest refcount that fits."""
        return (1 << (1 << self.header.refcount_order)) - 1

    @property
    def offsets(self) -> NDArray[np.uint64]:
        """Host bytes of the blocks."""
        return self.words & np.uint64(BLOCK_MASK)

    def unreadable_runs(self, first: int, last: int) -> list[tuple[int, int]]:
        """Return from which cluster up to which refcounts cannot be read, inside a range of clusters."""
        at = self.index[self.unreadable]
        if not len(at):
            return []
        breaks = np.flatnonzero(np.diff(at) != 1)
        starts = at[np.append(0, breaks + 1)] * self.per_block
        ends = (at[np.append(breaks, len(at) - 1)] + 1) * self.per_block
        cut = (
            (max(first, start), min(last, end))
            for start, end in zip(starts.tolist(), ends.tolist(), strict=True)
        )
        return [(start, end) for start, end in cut if start < end]

    def cannot_read(self, clusters: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return of which clusters the refcounts cannot be read."""
        return np.isin(clusters // self.per_block, self.index[self.unreadable])

    def stored(self, first: int, last: int) -> Iterator[tuple[NDArray[np.int64], NDArray[Any]]]:
        """Yield what is stored of the refcounts of clusters ``first`` up to ``last`` and some around them.

        Each time the first clusters of m pieces, ascending, int64 (m,), and their refcounts, unsigned
        (m, k); what is not yielded is 0 or cannot be read.
        """
        header = self.header
        piece = min(PIECE, header.cluster_size)
        per_piece = piece * 8 >> header.refcount_order
        low = int(np.searchsorted(self.index, first // self.per_block))
        high = int(np.searchsorted(self.index, -(-last // self.per_block)))
        used = low + np.flatnonzero((self.offsets[low:high] != 0) & ~self.unreadable[low:high])
        for at in range(0, len(used), _BLOCKS):
            some = used[at : at + _BLOCKS]
            blocks, which = np.unique(self.offsets[some].astype(np.int64), return_inverse=True)
            of, host = pieces_of(stored_stretches(self.file, blocks, header.cluster_size), piece)
            # from each block's pieces to those of each entry that names it
            bounds = np.searchsorted(of, np.arange(len(blocks) + 1))
            entry, nth = counting(np.diff(bounds)[which])
            host = host[bounds[:-1][which[entry]] + nth]
            before = (host - blocks[which[entry]]) * 8 >> header.refcount_order
            cluster = self.index[some[entry]] * self.per_block + before
            inside = np.flatnonzero((cluster < last) & (cluster + per_piece > first))
            step = max(1, _BATCH // per_piece)
            for start in range(0, len(inside), step):
                part = inside[start : start + step]
                yield cluster[part], self._decoded(host[part], piece)

    def stretches(self, first: int, last: int) -> Iterator[tuple[int, NDArray[Any]]]:
        """Yield what :meth:`stored` does, joined and cut to the window, and where each starts in it."""
        if first == last:
            return
        for cluster, refcounts in self.stored(first, last):
            bounds = np.flatnonzero(np.append(True, np.diff(cluster) != refcounts.shape[1])).tolist()
            for at, stop in pairwise([*bounds, len(cluster)]):
                start = int(cluster[at]) - first
                flat = refcounts[at:stop].reshape(-1)[max(0, -start) :]
                start = max(0, start)
                yield start, flat[: last - first - start]

    def _decoded(self, host: NDArray[np.int64], piece: int) -> NDArray[Any]:
        order = self.header.refcount_order
        if order >= _OCTET:
            return read_pieces(self.file, host, piece, f">u{1 << order - _OCTET}").reshape(len(host), -1)
        octets = read_pieces(self.file, host, piece, "u1")
        width = 1 << order
        shifts = np.arange(0, 8, width, dtype=np.uint8)
        return (octets[:, None] >> shifts & np.uint8((1 << width) - 1)).reshape(len(host), -1)

    def refcounts(self, clusters: NDArray[np.int64]) -> tuple[NDArray[np.uint64], NDArray[np.bool_]]:
        """Look clusters up: their refcounts, uint64 (n,), and which cannot be read, bool (n,)."""
        found = np.zeros(len(clusters), np.uint64)
        unreadable = self.cannot_read(clusters)
        if not len(self.index):
            return found, unreadable
        header, table = self.header, clusters // self.per_block
        at = np.minimum(np.searchsorted(self.index, table), len(self.index) - 1)
        bits = (clusters % self.per_block) << header.refcount_order
        place = self.offsets[at].astype(np.int64) + bits // 8
        named = (self.index[at] == table) & (self.offsets[at] != 0) & ~unreadable
        rows = np.flatnonzero(named & (place < self.file.length))
        place, bits = place[rows], bits[rows]
        pieces, which = np.unique(place // SECTOR, return_inverse=True)
        octets = read_pieces(self.file, pieces * SECTOR, SECTOR, "u1").astype(np.uint64)
        first = which * SECTOR + place % SECTOR
        if header.refcount_order < _OCTET:
            most = np.uint64(self.most)
            found[rows] = octets[first] >> (bits % 8).astype(np.uint64) & most
        for nth in range(1 << header.refcount_order - _OCTET if header.refcount_order >= _OCTET else 0):
            found[rows] = found[rows] << np.uint64(8) | octets[first + nth]
        return found, unreadable


def read_refcount_table(file: HostNode, header: Header) -> RefcountTable:
    """Read the refcount table that a header names."""
    entries = (header.refcount_table_clusters << header.cluster_bits) // 8
    index, words = stored_words(file, header.refcount_table_offset, entries)
    offsets = words & np.uint64(BLOCK_MASK)
    unreadable = offsets & np.uint64(header.cluster_size - 1) != 0
    unreadable |= offsets > np.uint64(END_OF_NODES - header.cluster_size)
    return RefcountTable(file, header, index, words, unreadable)
