"""Who names which host clusters: L1 tables of the disk and of its snapshots, and each L2 table once.

Snapshots share their tables with the disk, and an L1 table of 32 MiB may name one L2 table four million
times.  A table is read once however often it is named, and counts so many times::

    L1 of the disk     A  B  B          tables    A  B  C
    L1 of a snapshot   A  C             times     2  2  1
                                        active    1  2  0
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from blockstrata.errors import UnsupportedError
from blockstrata.facts.node import HostNode
from blockstrata.formats.qcow2.header import Header
from blockstrata.formats.qcow2.stored import PIECE, pieces_of, read_pieces, stored_stretches, stored_words
from blockstrata.formats.qcow2.tables import OFFSET_MASK

_READ: Final = 1 << 19
"""Bytes of tables looked through at once: what a processor keeps close."""
_MOST_WORDS: Final = 1 << 25
"""Entries of snapshots' L1 tables that are read: hundreds of snapshots of the largest disks."""
_COMPACTED: Final = 1 << 22
"""Entries of L1 tables that may wait until they are counted."""
_MOST_UNALIGNED: Final = 256 << 20
"""Bytes of L2 tables at odd places that are read; they may overlap, so that a small file has many."""
_SECTOR: Final = 512


@dataclass(frozen=True, slots=True, eq=False)
class L1Words:
    """What L1 tables say, each word once.

    ``words`` uint64 (n,), ascending; ``times`` int64 (n,), how often it stands in any of the tables, and
    ``active`` int64 (n,) in the disk's own; ``owner`` int64 (n,), the first snapshot that has it, -1 for the
    disk, and ``index`` int64 (n,), where it stands there first.
    """

    words: NDArray[np.uint64]
    times: NDArray[np.int64]
    active: NDArray[np.int64]
    owner: NDArray[np.int64]
    index: NDArray[np.int64]

    def columns(self) -> tuple[NDArray[np.uint64], *tuple[NDArray[np.int64], ...]]:
        """Return all that is known of the words."""
        return self.words, self.times, self.active, self.owner, self.index


def read_l1_words(file: HostNode, header: Header, snapshots: Sequence[tuple[int, int, int]]) -> L1Words:
    """Read the disk's L1 table and those of snapshots: (number, host byte, entries) each.

    ``UnsupportedError`` if those of the snapshots have more entries than one cares to read.
    """
    index, words = stored_words(file, header.l1_offset, header.l1_entries)
    once = np.ones(len(words), np.int64)
    waiting = [L1Words(words, once, once, once * -1, index)]
    read = size = 0
    repeated: dict[tuple[int, int], list[int]] = {}
    for number, offset, entries in snapshots:
        repeated.setdefault((offset, entries), []).append(number)
    for (offset, entries), numbers in repeated.items():
        index, words = stored_words(file, offset, entries)
        read += len(words)
        size += len(words)
        if read > _MOST_WORDS:
            what = f"the L1 tables of its snapshots have more than {_MOST_WORDS} entries"
            raise UnsupportedError(file.name, "qcow2 snapshots", what)
        times, none = np.full(len(words), len(numbers), np.int64), np.zeros(len(words), np.int64)
        waiting.append(L1Words(words, times, none, none + numbers[0], index))
        if size > _COMPACTED:
            waiting, size = [_joined(waiting)], 0
    return _joined(waiting)


def _joined(parts: list[L1Words]) -> L1Words:
    words = np.concatenate([each.words for each in parts])
    times, active, owner, index = (
        np.concatenate(each) for each in zip(*(part.columns()[1:] for part in parts), strict=True)
    )
    found, first, which = np.unique(words, return_index=True, return_inverse=True)
    all_times, own = (_sums(which, each, len(found)) for each in (times, active))
    return L1Words(found, all_times, own, owner[first], index[first])


def _sums(which: NDArray[np.intp], times: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """Add up times by which of ``count`` they are of."""
    return np.bincount(which, weights=times, minlength=count).astype(np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class L2Tables:
    """n L2 tables, each once: ``host`` int64 (n,), ascending; ``times`` and ``active`` as L1 words have them.

    ``owner`` and ``index`` int64 (n,): an L1 table that names it, and where; ``looked`` int64 (n,), how often
    the COPIED flags in it are looked at.
    """

    host: NDArray[np.int64]
    times: NDArray[np.int64]
    active: NDArray[np.int64]
    owner: NDArray[np.int64]
    index: NDArray[np.int64]
    looked: NDArray[np.int64]

    def take(self, which: NDArray[np.bool_]) -> L2Tables:
        """Return some of them."""
        columns = (self.host, self.times, self.active, self.owner, self.index, self.looked)
        return L2Tables(*(each[which] for each in columns))


def l2_tables(said: L1Words) -> L2Tables:
    """Return the tables that L1 words name; words that differ in their flags alone name one."""
    offsets = (said.words & np.uint64(OFFSET_MASK)).astype(np.int64)
    host, which = np.unique(offsets, return_inverse=True)
    # the disk's own entry is the one to speak of
    best = np.full(len(host), -1, np.int64)
    best[which[::-1]] = np.arange(len(which))[::-1]
    own = np.flatnonzero(said.active > 0)
    best[which[own][::-1]] = own[::-1]
    times, active = (_sums(which, each, len(host)) for each in (said.times, said.active))
    return L2Tables(host, times, active, said.owner[best], said.index[best], active)


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Stored pieces of whole L2 tables, one after another.

    ``table`` int64 (m,), which table each piece is of; ``host`` int64 (m,), its host byte; ``words`` uint64
    (m × k,), or (m × k, 2) for extended entries.
    """

    tables: L2Tables
    table: NDArray[np.int64]
    host: NDArray[np.int64]
    words: NDArray[np.uint64]

    @property
    def per_piece(self) -> int:
        """Entries of a piece."""
        return len(self.words) // len(self.host)

    def table_of(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return which table each of some entries stands in."""
        return self.table[rows // self.per_piece]

    def index_of(self, rows: NDArray[np.int64], entry_size: int) -> NDArray[np.int64]:
        """Return the index in its table of each of some entries."""
        piece, nth = np.divmod(rows, self.per_piece)
        return (self.host[piece] - self.tables.host[self.table[piece]]) // entry_size + nth


def l2_batches(file: HostNode, header: Header, tables: L2Tables) -> Iterator[Batch]:
    """Yield what is stored of L2 tables, in the file's order; entries that are left out are zero.

    Tables at odd places come last.  ``UnsupportedError`` if there are too many of them.
    """
    size = header.cluster_size
    odd = tables.host & size - 1 != 0
    for some, piece in ((tables.take(~odd), min(PIECE, size)), (tables.take(odd), _SECTOR)):
        stretches = stored_stretches(file, some.host, size)
        if piece < min(PIECE, size) and int((stretches.ends - stretches.starts).sum()) > _MOST_UNALIGNED:
            what = f"more than {_MOST_UNALIGNED} bytes of L2 tables are not aligned to a cluster"
            raise UnsupportedError(file.name, "qcow2 L1 table", what)
        table, host = pieces_of(stretches, piece)
        ends = np.append(np.flatnonzero(np.diff(table)) + 1, len(table))
        at = 0
        while at < len(table):
            nth = int(np.searchsorted(ends, at + _READ // piece, side="right")) - 1
            stop = int(ends[nth]) if nth >= 0 and ends[nth] > at else int(ends[nth + 1])
            words = read_pieces(file, host[at:stop], piece, ">u8")
            if header.extended_l2:
                words = words.reshape(-1, 2)
            yield Batch(some, table[at:stop], host[at:stop], words)
            at = stop
