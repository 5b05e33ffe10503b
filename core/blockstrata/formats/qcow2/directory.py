"""The L1 table: which L2 tables an image has, and which pieces of them are worth reading.

An L1 table of 32 MiB may name one stored L2 table four million times, and QEMU would read on for ever.  Here
a table that is named again is paid for from a budget; once that is spent, entries are INVALID::

    L1       A  ·  B  A  C  A  A  A  A  A  A  A …
    again             1     2  3  4  5 │ the budget
    kinds    T  ·  T  T  T  T  T  T  T  R  R  R …
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Final

import numpy as np

from blockstrata.formats.qcow2.stored import PIECE, Stretches, counting, stored_stretches
from blockstrata.formats.qcow2.tables import OFFSET_MASK, SUBCLUSTERS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from blockstrata.driver import HostNode
    from blockstrata.formats.qcow2.header import Header

REPEATS: Final = 1 << 20
"""Clusters, or subclusters, that L2 tables may map beyond the first time that they are named."""


class Kind(IntEnum):
    """What an L1 entry says."""

    NOTHING = 0
    TABLE = 1
    UNALIGNED = 2
    REPEATED = 3
    """It names a table that was named before, and the budget for that is spent."""


@dataclass(frozen=True, slots=True, eq=False)
class Directory:
    """An L1 table of n entries, and what is stored of the tables that they name.

    ``words`` uint64 (n,), as they stand in the image; ``kinds`` uint8 (n,), of :class:`Kind`; ``pieces``
    int64 (n,), how many pieces of an entry's table are to be read; ``first`` and ``count`` int64 (n,) say
    which ``stretches`` these are in.
    """

    header: Header
    words: NDArray[np.uint64]
    kinds: NDArray[np.uint8]
    pieces: NDArray[np.int64]
    first: NDArray[np.int64]
    count: NDArray[np.int64]
    stretches: Stretches

    def __len__(self) -> int:
        return len(self.words)

    @property
    def piece(self) -> int:
        """Bytes of a piece."""
        return min(PIECE, self.header.cluster_size)

    def batches(self, first: int, last: int, most: int) -> Iterator[tuple[int, int]]:
        """Yield ranges of entries that map, together, about ``most`` (sub)clusters that are stored."""
        done = np.cumsum(self.pieces[first:last])
        at, pieces = 0, max(1, most // parts_of(self.header, self.piece))
        while at < len(done):
            before = int(done[at - 1]) if at else 0
            end = int(np.searchsorted(done, before + pieces, side="right"))
            end = min(len(done), max(at + 1, end))
            yield first + at, first + end
            at = end

    def stored(self, first: int, last: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the pieces that entries ``first`` up to ``last`` lead to, by guest offset.

        The first guest byte that each maps, and the host byte at which it is stored, int64 (m,) both.
        """
        header = self.header
        entries = first + np.flatnonzero(self.pieces[first:last])
        entry, nth = counting(self.count[entries])
        entries = entries[entry]
        stretch = self.first[entries] + nth
        tables = (self.words[entries] & np.uint64(OFFSET_MASK)).astype(np.int64)
        starts = self.stretches.starts[stretch]
        at, nth = counting((self.stretches.ends[stretch] - starts) // self.piece)
        hosts = starts[at] + nth * self.piece
        clusters = (hosts - tables[at]) // header.l2_entry_size
        return entries[at] * header.l2_span + (clusters << header.cluster_bits), hosts


def read_directory(file: HostNode, header: Header, entries: int) -> Directory:
    """Read the first ``entries`` of an image's L1 table, and ask what is stored of the tables they name."""
    words = np.frombuffer(file.read(header.l1_offset, entries * 8), ">u8").astype(np.uint64)
    offsets = (words & np.uint64(OFFSET_MASK)).astype(np.int64)
    kinds = np.where(offsets & header.cluster_size - 1, Kind.UNALIGNED, Kind.TABLE).astype(np.uint8)
    kinds[offsets == 0] = Kind.NOTHING
    used = np.flatnonzero(kinds == Kind.TABLE)
    tables, once, table = np.unique(offsets[used], return_index=True, return_inverse=True)
    stretches = stored_stretches(file, tables, header.cluster_size)
    piece = min(PIECE, header.cluster_size)
    stored = np.bincount(stretches.table, (stretches.ends - stretches.starts) // piece, len(tables))
    bounds = np.searchsorted(stretches.table, np.arange(len(tables) + 1))
    pieces, first, count = np.zeros((3, entries), np.int64)
    pieces[used] = stored.astype(np.int64)[table]
    first[used] = bounds[:-1][table]
    count[used] = np.diff(bounds)[table]
    again = pieces.copy()
    again[used[once]] = 0
    spent = (np.cumsum(again) > REPEATS // parts_of(header, piece)) & (again > 0)
    kinds[spent] = Kind.REPEATED
    pieces[spent] = 0
    return Directory(header, words, kinds, pieces, first, count, stretches)


def parts_of(header: Header, length: int) -> int:
    """Return how many clusters, or subclusters, so many bytes of an L2 table map."""
    return length // header.l2_entry_size * (SUBCLUSTERS if header.extended_l2 else 1)
