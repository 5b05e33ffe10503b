"""Who names each host cluster, for a window of them: 14 bytes a cluster, 18 with subclusters.

One word says who has named a cluster so far, and a look-up in a table what it is used for::

    12           11      10         9    8     7        6     5    4        3 ───── 0
    unreadable   stored  compressed data plain snapshot twice disk overlap  metadata
    └ refcount ───────┘  └ named by entries of L2 tables ───────┘           Use, 0 for none
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from blockstrata.formats.qcow2.metadata import Use
from blockstrata.formats.qcow2.refcount_blocks import RefcountTable
from blockstrata.formats.qcow2.stored import counting
from blockstrata.formats.qcow2.tables import ALL_ALLOCATED, SUBCLUSTERS


class HostUse(StrEnum):
    """What a host byte is for."""

    HEADER = "header"
    REFCOUNT_TABLE = "refcount-table"
    REFCOUNT_BLOCK = "refcount-block"
    L1 = "l1"
    L2 = "l2"
    SNAPSHOT_TABLE = "snapshot-table"
    SNAPSHOT_L1 = "snapshot-l1"
    SNAPSHOT_L2 = "snapshot-l2"
    """An L2 table that snapshots alone name."""
    BITMAP_DIRECTORY = "bitmap-directory"
    BITMAP_TABLE = "bitmap-table"
    BITMAP_DATA = "bitmap-data"
    ENCRYPTION_HEADER = "encryption-header"
    DATA = "data"
    COMPRESSED = "compressed"
    RESERVED = "reserved"
    """Of the guest, but nothing is read from it: allocated zeroes, unused subclusters."""
    SNAPSHOT_DATA = "snapshot-data"
    """Data that snapshots alone name."""
    SHARED = "shared"
    """Data that the disk and a snapshot name, or the disk several times."""
    LEAKED = "leaked"
    """Nothing names it, and its refcount is not 0."""
    UNKNOWN = "unknown"
    """Nothing names it, and its refcount cannot be read."""
    FREE = "free"
    OVERLAP = "overlap"
    """Named as two things that cannot be in one place."""
    TAIL = "tail"
    """Behind the last cluster that is in use."""
    BEYOND_END = "beyond-end"
    """Named, but past the file's end."""


USES: Final = tuple(HostUse)
NUMBER: Final = {use: np.uint8(at) for at, use in enumerate(USES)}
"""What stands for a use in arrays."""


def use_of(use: Use) -> HostUse:
    """Return what a region of metadata is for; those of both are called alike."""
    return HostUse[use.name]


_META: Final = 15
_OVERLAP: Final = 1 << 4
DISK: Final = 1 << 5
TWICE: Final = 1 << 6
SNAPSHOT: Final = 1 << 7
PLAIN: Final = 1 << 8
DATA: Final = 1 << 9
COMPRESSED: Final = 1 << 10
_STORED: Final = 1 << 11
_UNREADABLE: Final = 1 << 12
_NAMED: Final = _STORED - 1
_ENTRIES: Final = DISK | SNAPSHOT


def _looked_up() -> NDArray[np.uint8]:
    """Return the number of the use that each word means."""
    word = np.arange(1 << 13)
    meta, entries = word & _META, word & _ENTRIES != 0
    found = np.full(len(word), NUMBER[HostUse.FREE])

    def mark(which: NDArray[np.bool_], use: HostUse) -> None:
        found[which] = NUMBER[use]

    mark(word & _STORED != 0, HostUse.LEAKED)
    mark(word & _UNREADABLE != 0, HostUse.UNKNOWN)
    mark(entries, HostUse.RESERVED)
    mark(entries & (word & DATA != 0), HostUse.DATA)
    mark(entries & (word & COMPRESSED != 0), HostUse.COMPRESSED)
    mark(word & _ENTRIES == SNAPSHOT, HostUse.SNAPSHOT_DATA)
    mark(entries & ((word & _ENTRIES == _ENTRIES) | (word & TWICE != 0)), HostUse.SHARED)
    mark(entries & (word & PLAIN != 0) & (word & COMPRESSED != 0), HostUse.OVERLAP)
    for at, use in enumerate(USES[:_META]):
        mark(meta == at + 1, use)
    mark((meta != 0) & (entries | (word & _OVERLAP != 0)), HostUse.OVERLAP)
    return found


_USE_OF: Final = _looked_up()
_WITH_GUEST: Final = (
    *(HostUse.L2, HostUse.SNAPSHOT_L2, HostUse.DATA, HostUse.COMPRESSED),
    *(HostUse.RESERVED, HostUse.SNAPSHOT_DATA, HostUse.SHARED),
)
_HAS_GUEST: Final = np.isin(np.arange(len(USES)), [NUMBER[each] for each in _WITH_GUEST])
_BLOCK: Final = 1 << 16
"""Clusters, or subclusters, made into runs at once."""
NOBODY: Final = -1
NO_GUEST: Final = -1
_NOBODY: Final = np.array([NOBODY], np.int32)


class HostRuns(NamedTuple):
    """n runs of host bytes, ascending and gapless.

    ``edges`` int64 (n + 1,), bytes; ``use`` uint8 (n,), indices into :data:`USES`; ``guest`` int64 (n,), the
    guest byte that stands at a run's first, or that an L2 table maps first, -1 for none; ``owner`` int32
    (n,), the number of the snapshot or bitmap, or of the refcount block's entry, -1 for none.
    """

    edges: NDArray[np.int64]
    use: NDArray[np.uint8]
    guest: NDArray[np.int64]
    owner: NDArray[np.int32]

    def part(self, start: int, stop: int) -> HostRuns:
        """Return the runs from one up to another, by their numbers."""
        edges, some = self.edges[start : stop + 1], slice(start, stop)
        return HostRuns(edges, self.use[some], self.guest[some], self.owner[some])


class Canvas:
    """The host clusters ``first`` up to ``last``, of which each reference is marked; others are left out."""

    def __init__(self, table: RefcountTable, first: int, last: int) -> None:
        header = table.header
        self.first, self.last = first, last
        self._size, self._bits = header.cluster_size, header.cluster_bits
        self.block = _BLOCK // SUBCLUSTERS if header.extended_l2 else _BLOCK
        """Clusters that are made into runs at once."""
        self._words = np.zeros(last - first, np.uint16)
        # one more than it is, as what nobody painted is 0
        self._owner = np.zeros(last - first, np.int32)
        self._lead = np.zeros(last - first, np.int64)
        self._bitmaps = np.zeros(last - first, np.uint32) if header.extended_l2 else None
        for start, refcounts in table.stretches(first, last):
            self._words[start : start + len(refcounts)] |= (refcounts != 0) * np.uint16(_STORED)
        for start, end in table.unreadable_runs(first, last):
            self._words[start - first : end - first] |= np.uint16(_UNREADABLE)

    def metadata(
        self,
        use: HostUse,
        host: NDArray[np.int64],
        length: int,
        owner: NDArray[np.int64] | int = NOBODY,
        guest: NDArray[np.int64] | None = None,
    ) -> None:
        """Mark runs of host bytes, each of one thing; two of them in one cluster overlap."""
        clusters, which = self._touched(host, length)
        words = self._words[clusters]
        is_again = (words & _META != 0) | self._named_twice(clusters)
        self._words[clusters] = np.where(words & _META, words, words | np.uint16(NUMBER[use] + 1))
        self._words[clusters[is_again]] |= np.uint16(_OVERLAP)
        self._owner[clusters] = (owner if isinstance(owner, int) else owner[which]) + 1
        if guest is not None:
            self._lead[clusters] = guest[which] - host[which]

    def entries(
        self,
        host: NDArray[np.int64],
        length: NDArray[np.int64] | int,
        word: NDArray[np.uint16],
        guest: NDArray[np.int64],
        owner: NDArray[np.int64],
        bitmaps: NDArray[np.uint64] | None = None,
    ) -> None:
        """Mark what n entries of L2 tables name.

        ``word`` uint16 (n,): DISK, TWICE, SNAPSHOT, PLAIN, DATA, COMPRESSED; ``guest`` int64 (n,), the byte
        that each maps first, ``owner`` int64 (n,), a snapshot; ``bitmaps`` uint64 (n,) of extended entries.
        """
        clusters, which = self._touched(host, length)
        if not len(clusters):
            return
        more, words = word[which], self._words[clusters]
        own = more & DISK != 0
        # many compressed clusters may lie in one of the host's
        twice = own & (more & COMPRESSED == 0) & ((words & DISK != 0) | self._named_twice(clusters))
        # all bits are set, however often a cluster is named at once
        for bit in (DISK, TWICE, SNAPSHOT, PLAIN, DATA, COMPRESSED):
            some = more & bit != 0
            if some.all():
                self._words[clusters] |= np.uint16(bit)
            elif some.any():
                self._words[clusters[some]] |= np.uint16(bit)
        self._words[clusters[twice]] |= np.uint16(TWICE)
        # the disk's own is the one to speak of, and the first
        tell = (words & _NAMED == 0) | (own & (words & (DISK | _META) == 0))
        told = clusters[tell][::-1]
        self._owner[told] = owner[which[tell]][::-1] + 1
        self._lead[told] = (guest[which[tell]] - host[which[tell]])[::-1]
        if self._bitmaps is not None and bitmaps is not None:
            np.bitwise_or.at(self._bitmaps, clusters, bitmaps[which].astype(np.uint32))

    def runs(self, host: NDArray[np.int64], lengths: NDArray[np.int64], guest: NDArray[np.int64]) -> None:
        """Mark runs of the disk's own data, ``lengths`` in clusters, one after another."""
        word = np.uint16(DISK | PLAIN | DATA)
        first = np.maximum(host >> self._bits, self.first) - self.first
        last = np.minimum((host >> self._bits) + lengths, self.last) - self.first
        for start, end, lead in zip(first.tolist(), last.tolist(), (guest - host).tolist(), strict=True):
            if start >= end:
                continue
            words = self._words[start:end]
            if np.bitwise_or.reduce(words) & _NAMED:
                twice = words & DISK != 0
                words[twice] |= np.uint16(TWICE)
            words |= word
            self._lead[start:end] = lead
            self._owner[start:end] = 0

    def _touched(
        self, host: NDArray[np.int64], length: NDArray[np.int64] | int
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the clusters of the window that runs of host bytes touch, and which of the runs each."""
        low = host >> self._bits
        high = host + (length - 1) >> self._bits
        low, high = np.maximum(low, self.first), np.minimum(high, self.last - 1)
        which = np.flatnonzero(low <= high)
        low = low[which] - self.first
        counts = high[which] - self.first - low + 1
        if (counts == 1).all():
            return low, which
        group, nth = counting(counts)
        return low[group] + nth, which[group]

    def _named_twice(self, clusters: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return which of some clusters stand among them again: each but one of those that are equal."""
        kept = self._lead[clusters]
        numbers = np.arange(len(clusters))
        self._lead[clusters] = numbers
        again: NDArray[np.bool_] = self._lead[clusters] != numbers
        self._lead[clusters] = kept
        return again

    def as_runs(self, start: int, end: int) -> HostRuns:
        """Return what some clusters of the window are used for; neighbours may be alike.

        ``start`` and ``end`` are clusters of the file.
        """
        part = slice(start - self.first, end - self.first)
        words = self._words[part]
        if not words.any():
            edges = np.array([start, end]) * self._size
            return HostRuns(edges, np.array([NUMBER[HostUse.FREE]]), np.array([NO_GUEST]), _NOBODY)
        use = _USE_OF[words]
        lead, owner, unit = self._lead[part], self._owner[part], self._size
        if self._bitmaps is not None:
            unused = (use == NUMBER[HostUse.DATA]) & (self._bitmaps[part] != ALL_ALLOCATED)
            if unused.any():
                unit = self._size // SUBCLUSTERS
                bits = np.unpackbits(self._bitmaps[part].astype("<u4").view(np.uint8), bitorder="little")
                use, lead, owner, unused = (
                    np.repeat(each, SUBCLUSTERS) for each in (use, lead, owner, unused)
                )
                use[unused & (bits == 0)] = NUMBER[HostUse.RESERVED]
        goes_on = use[1:] == use[:-1]
        goes_on &= owner[1:] == owner[:-1]
        goes_on &= (lead[1:] == lead[:-1]) | ~_HAS_GUEST[use[1:]] | (use[1:] == NUMBER[HostUse.COMPRESSED])
        at = np.append(0, np.flatnonzero(~goes_on) + 1)
        edges = np.append(at, len(use)) * unit + start * self._size
        use = use[at]
        guest = np.where(_HAS_GUEST[use], lead[at] + edges[:-1], NO_GUEST)
        return HostRuns(edges, use, guest, owner[at] - np.int32(1))

    def data_runs(self, start: int, end: int, lead: int | None) -> tuple[int, int, int | None]:
        """Return of the disk's own stored data how many clusters and stretches there are.

        A stretch goes on in the file as it does on the disk.  ``lead``: that of the cluster before, None if
        it is none of these; returned is that of the last one.
        """
        part = slice(start - self.first, end - self.first)
        words = self._words[part]
        own = words & (DISK | PLAIN | DATA | COMPRESSED | _META) == DISK | PLAIN | DATA
        count = int(np.count_nonzero(own))
        leads = self._lead[part]
        begins = own.copy()
        begins[1:] &= ~own[:-1] | (leads[1:] != leads[:-1])
        if own[0] and lead is not None and int(leads[0]) == lead:
            begins[0] = False
        return count, int(np.count_nonzero(begins)), int(leads[-1]) if own[-1] else None
