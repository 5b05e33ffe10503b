"""The L1 table: which L2 tables an image has, and which pieces of them are worth reading.

An L1 table of 32 MiB may name one stored L2 table four million times, and QEMU would read on for ever.  Here
a table that is named again is paid for from a budget; once that is spent, entries are INVALID::

    L1       A  ·  B  A  C  A  A  A  A  A  A  A …
    again             1     2  3  4  5 │ the budget
    kinds    T  ·  T  T  T  T  T  T  T  R  R  R …
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from blockstrata.facts.codes import NO_HOST, Mapping, Storage, fact
from blockstrata.facts.extents import Extents, join, uniform
from blockstrata.facts.node import HostNode, whole_sectors
from blockstrata.formats.qcow2.header import Header
from blockstrata.formats.qcow2.stored import PIECE, Stretches, counting, stored_stretches, stored_words
from blockstrata.formats.qcow2.tables import OFFSET_MASK, SUBCLUSTERS

REPEATS: Final = 1 << 20
"""Clusters, or subclusters, that L2 tables may map beyond the first time that they are named."""


class Kind(IntEnum):
    """What an L1 entry says."""

    NOTHING = 0
    TABLE = 1
    LOST = 2
    """It names a table past the file's end, which QEMU reads as zeroes."""
    UNALIGNED = 3
    REPEATED = 4
    """It names a table that was named before, and the budget for that is spent."""


LOST_TABLE: Final = fact(Mapping.UNALLOCATED, Storage.BEYOND_EOF)
"""The fact of what a table past the file's end would map."""


class Pieces(NamedTuple):
    """m stored pieces of L2 tables: the first guest byte that each maps, and its host byte, int64 (m,)."""

    guest: NDArray[np.int64]
    host: NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Directory:
    """The n entries of an L1 table that are not zero, and what is stored of the tables that they name.

    ``entries`` int64 (n,), which of the table's they are, ascending; ``words`` uint64 (n,), as they stand in
    the image; ``kinds`` uint8 (n,), of :class:`Kind`; ``pieces`` int64 (n,), how many pieces of an entry's
    table are to be read; ``first`` and ``count`` int64 (n,) say which ``stretches`` these are in.
    """

    header: Header
    entries: NDArray[np.int64]
    words: NDArray[np.uint64]
    kinds: NDArray[np.uint8]
    pieces: NDArray[np.int64]
    first: NDArray[np.int64]
    count: NDArray[np.int64]
    stretches: Stretches
    end: int
    """How many entries of the table the file has; those from here on lie past its end."""

    @property
    def piece(self) -> int:
        """Bytes of a piece."""
        return min(PIECE, self.header.cluster_size)

    @property
    def piece_span(self) -> int:
        """Guest bytes that a piece maps."""
        return self.piece // self.header.l2_entry_size << self.header.cluster_bits

    def entry(self, index: int) -> tuple[int, Kind]:
        """Return an entry of the L1 table, and what it says."""
        at = int(np.searchsorted(self.entries, index))
        if at == len(self.entries) or self.entries[at] != index:
            return 0, Kind.NOTHING
        return int(self.words[at]), Kind(self.kinds[at])

    def _among(self, first: int, last: int) -> tuple[int, int]:
        """Return which of those that say something are the entries ``first`` up to ``last`` of the table."""
        low, high = np.searchsorted(self.entries, [first, last]).tolist()
        return low, high

    def has_faults(self, first: int, last: int) -> bool:
        """Say whether any of the entries ``first`` up to ``last`` leads to no table, but should."""
        low, high = self._among(first, last)
        return last > self.end or bool((self.kinds[low:high] >= Kind.LOST).any())

    def lost_tables(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return which entries name tables past the file's end, and their host bytes, int64 (n,) each."""
        lost = self.kinds == Kind.LOST
        return self.entries[lost], (self.words[lost] & np.uint64(OFFSET_MASK)).astype(np.int64)

    def batches(self, first: int, last: int, most: int) -> Iterator[tuple[int, int, int]]:
        """Yield (first, last, tables) of ranges of L1 entries that map about ``most`` stored (sub)clusters.

        ``tables`` is how many L2 tables are stored at all.
        """
        low, high = self._among(first, last)
        done = np.cumsum(self.pieces[low:high])
        pieces = max(1, most // parts_of(self.header, self.piece))
        at, start = 0, first
        while start < last:
            before = int(done[at - 1]) if at else 0
            end = max(at + 1, int(np.searchsorted(done, before + pieces, side="right")))
            stop = int(self.entries[low + end]) if low + end < high else last
            yield start, stop, int(np.count_nonzero(self.pieces[low + at : low + end]))
            at, start = end, stop

    def overview(self, start: int, end: int) -> Extents:
        """Return what the entries say of a window of bytes: UNREAD where parts of tables are stored."""
        span = self.header.l2_span
        if end > self.end * span:
            inside = max(start, self.end * span)
            own = [self.overview(start, inside)] if start < inside else []
            return join([*own, uniform(inside, end, LOST_TABLE)])
        low, high = self._among(start // span, -(-end // span))
        entries, kinds = self.entries[low:high], self.kinds[low:high]
        said = np.full(len(entries), fact(Mapping.UNALLOCATED), np.uint8)
        said[kinds == Kind.LOST] = LOST_TABLE
        said[kinds >= Kind.UNALIGNED] = fact(Mapping.INVALID)
        said[self.pieces[low:high] > 0] = fact(Mapping.UNREAD)
        # stretches of neighbours that say the same
        first = np.flatnonzero((np.diff(entries, prepend=-2) != 1) | (np.diff(said, prepend=said[:1]) != 0))
        after = np.append(first[1:], len(entries))[: len(first)]
        edges = np.stack([entries[first], entries[after - 1] + 1], axis=1).reshape(-1) * span
        # between them, and around them, the table says nothing
        edges = np.clip(np.concatenate([[start], edges, [end]]), start, end)
        facts = np.full(len(edges) - 1, fact(Mapping.UNALLOCATED), np.uint8)
        facts[1::2] = said[first]
        kept = np.diff(edges) > 0
        edges = np.append(edges[:-1][kept], end)
        return Extents(edges, facts[kept], np.full(len(edges) - 1, NO_HOST, np.int64)).coalesce()

    def stored(self, first: int, last: int) -> Pieces:
        """Return the pieces that entries ``first`` up to ``last`` lead to, by guest offset."""
        header = self.header
        low, high = self._among(first, last)
        used = low + np.flatnonzero(self.pieces[low:high])
        group, nth = counting(self.count[used])
        used = used[group]
        stretch = self.first[used] + nth
        tables = (self.words[used] & np.uint64(OFFSET_MASK)).astype(np.int64)
        starts = self.stretches.starts[stretch]
        group, nth = counting((self.stretches.ends[stretch] - starts) // self.piece)
        hosts = starts[group] + nth * self.piece
        clusters = (hosts - tables[group]) // header.l2_entry_size
        guests = self.entries[used[group]] * header.l2_span + (clusters << header.cluster_bits)
        return Pieces(guests, hosts)


def read_directory(file: HostNode, header: Header, l1_offset: int, entries: int) -> Directory:
    """Read the first ``entries`` of an L1 table, and ask what is stored of the tables that they name."""
    length = whole_sectors(file.length)
    is_cut = l1_offset + entries * 8 - length >= header.cluster_size
    end = max(0, length - l1_offset) // 8 if is_cut else entries
    index, words = stored_words(file, l1_offset, entries)
    offsets = (words & np.uint64(OFFSET_MASK)).astype(np.int64)
    kinds = np.where(offsets & header.cluster_size - 1, Kind.UNALIGNED, Kind.TABLE).astype(np.uint8)
    kinds[(kinds == Kind.TABLE) & (offsets >= length)] = Kind.LOST
    kinds[offsets == 0] = Kind.NOTHING
    used = np.flatnonzero(kinds == Kind.TABLE)
    tables, once, table = np.unique(offsets[used], return_index=True, return_inverse=True)
    stretches = stored_stretches(file, tables, header.cluster_size)
    piece = min(PIECE, header.cluster_size)
    stored = np.bincount(stretches.table, (stretches.ends - stretches.starts) // piece, len(tables))
    bounds = np.searchsorted(stretches.table, np.arange(len(tables) + 1))
    pieces, first, count = np.zeros((3, len(index)), np.int64)
    pieces[used] = stored.astype(np.int64)[table]
    first[used] = bounds[:-1][table]
    count[used] = np.diff(bounds)[table]
    again = pieces.copy()
    again[used[once]] = 0
    spent = (np.cumsum(again) > REPEATS // parts_of(header, piece)) & (again > 0)
    kinds[spent] = Kind.REPEATED
    pieces[spent] = 0
    return Directory(header, index, words, kinds, pieces, first, count, stretches, end)


def parts_of(header: Header, length: int) -> int:
    """Return how many clusters, or subclusters, so many bytes of an L2 table map."""
    return length // header.l2_entry_size * (SUBCLUSTERS if header.extended_l2 else 1)
