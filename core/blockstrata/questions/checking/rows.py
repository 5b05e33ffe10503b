"""Entries of L2 tables that are not zero, many at a time, as all who look for references take them."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from blockstrata.formats.qcow2.header import Header
from blockstrata.formats.qcow2.references import Batch
from blockstrata.formats.qcow2.tables import COMPRESSED, COPIED, OFFSET_MASK, ZERO, compressed_spans

_LONG: Final = 64
"""Entries a run, on average, from which on runs are quicker than entries."""

Times = NDArray[np.int64] | int
"""How often each of some entries counts; one number for all where it is the same."""


def summed(times: Times, which: NDArray[np.bool_]) -> int:
    """Return how often some of n entries count together."""
    return times * int(np.count_nonzero(which)) if isinstance(times, int) else int(times[which].sum())


def chosen(times: Times, which: NDArray[np.bool_]) -> Times:
    """Return how often each of some of n entries counts."""
    return times if isinstance(times, int) else times[which]


class Rows(NamedTuple):
    """n entries that are not zero.

    ``rows`` int64 (n,), which of the batch's; ``words`` and, of extended ones, ``bitmaps``, uint64 (n,);
    ``host`` int64 (n,), the byte that each names, of compressed ones nothing that makes sense;
    ``compressed``, ``zero`` (extended ones have no such flag) and ``present``, whether there is a host
    cluster, bool (n,); ``table`` int64 (n,), which table each stands in; ``times`` how often each counts,
    ``active`` how often for the disk itself, ``looked`` how often its COPIED flag is looked at.
    """

    rows: NDArray[np.int64]
    words: NDArray[np.uint64]
    bitmaps: NDArray[np.uint64] | None
    host: NDArray[np.int64]
    compressed: NDArray[np.bool_]
    zero: NDArray[np.bool_]
    present: NDArray[np.bool_]
    table: NDArray[np.int64]
    times: Times
    active: Times
    looked: Times

    def spans(self, header: Header) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the host byte and the length of what each entry names, compressed ones too, int64 (n,)."""
        host, length = self.host.copy(), np.full(len(self.host), header.cluster_size)
        host[self.compressed], length[self.compressed] = compressed_spans(header, self.words[self.compressed])
        return host, length


def rows_of(header: Header, batch: Batch) -> Rows | None:
    """Return the entries of a batch that are not zero, None if there are none."""
    words, bitmaps = batch.words, None
    if header.extended_l2:
        words, bitmaps = words[:, 0], words[:, 1]
        rows = np.flatnonzero(words | bitmaps)
        bitmaps = bitmaps[rows]
    else:
        rows = np.flatnonzero(words)
    if not len(rows):
        return None
    words = words[rows]
    compressed = words & np.uint64(COMPRESSED) != 0
    host = (words & np.uint64(OFFSET_MASK)).astype(np.int64)
    zero = words & np.uint64(0 if header.extended_l2 else ZERO) != 0
    present = host != 0
    if header.has_data_file:
        # guest byte 0 lies at host byte 0; COPIED tells it from an unallocated cluster
        present |= (words & np.uint64(COPIED) != 0) & ~zero
    present &= ~compressed
    table = batch.table_of(rows)
    times, active, looked = (
        _weights(column, batch.table, table)
        for column in (batch.tables.times, batch.tables.active, batch.tables.looked)
    )
    return Rows(rows, words, bitmaps, host, compressed, zero, present, table, times, active, looked)


def _weights(column: NDArray[np.int64], of_piece: NDArray[np.int64], of_row: NDArray[np.int64]) -> Times:
    first = int(column[of_piece[0]])
    return first if (column[of_piece] == first).all() else column[of_row]


class PlainRuns(NamedTuple):
    """n runs of entries that follow one another in their table and in the file.

    ``rows`` int64 (n,), the first entry of each; ``host`` int64 (n,), the byte that it names; ``lengths``
    int64 (n,), entries.  ``fragmented``: how many of all do not follow the entry before in their table.
    """

    rows: NDArray[np.int64]
    host: NDArray[np.int64]
    lengths: NDArray[np.int64]
    fragmented: int


def plain_runs(header: Header, batch: Batch) -> PlainRuns | None:
    """Return the entries of a batch as runs, if these are long and all entries are plain; otherwise None.

    Plain: data of the disk alone, each entry the only user of its cluster, in tables that are named once.
    """
    tables, words = batch.tables, batch.words
    if header.extended_l2 or header.has_data_file:
        return None
    if not ((tables.times[batch.table] == 1) & (tables.looked[batch.table] == 1)).all():
        return None
    others = ~(COPIED | OFFSET_MASK & ~(header.cluster_size - 1)) & 2**64 - 1
    anything, everything = np.bitwise_or.reduce(words), np.bitwise_and.reduce(words)
    if int(anything) & others or not int(everything) & COPIED:
        return None
    is_first = np.ones(len(words), np.bool_)
    np.not_equal(words[1:] - words[:-1], np.uint64(header.cluster_size), out=is_first[1:])
    starts = np.flatnonzero(np.diff(batch.table, prepend=-1)) * batch.per_piece
    count = np.count_nonzero(is_first)
    if count * _LONG > len(words):
        return None
    fragmented = int(count - np.count_nonzero(is_first[starts]))
    # the guest does not go on from one table to the next, nor over entries that are not stored
    is_first[starts] = True
    piece = batch.per_piece * header.l2_entry_size
    is_first[(np.flatnonzero(np.diff(batch.host) != piece) + 1) * batch.per_piece] = True
    rows = np.flatnonzero(is_first)
    host = (words[rows] & np.uint64(OFFSET_MASK)).astype(np.int64)
    return PlainRuns(rows, host, np.diff(rows, append=len(words)), fragmented)


class Fragments:
    """Adds up what the disk's own tables allocate, and what of it qemu-img calls fragmented, in clusters."""

    def __init__(self, cluster_size: int) -> None:
        self._size = cluster_size
        self.allocated = self.fragmented = self.compressed = 0

    def add(self, table: NDArray[np.int64], host: NDArray[np.int64], active: Times) -> None:
        """Add clusters at host bytes, as they follow one another in their tables."""
        self.allocated += summed(active, np.ones(len(host), np.bool_))
        apart = np.zeros(len(host), np.bool_)
        apart[1:] = (table[1:] == table[:-1]) & (host[1:] != host[:-1] + self._size)
        self.fragmented += summed(active, apart)

    def add_compressed(self, active: Times, which: NDArray[np.bool_]) -> None:
        """Add compressed clusters, each of which is read by itself."""
        number = summed(active, which)
        self.allocated += number
        self.compressed += number
        self.fragmented += number

    def add_runs(self, runs: PlainRuns) -> None:
        """Add plain entries."""
        self.allocated += int(runs.lengths.sum())
        self.fragmented += runs.fragmented
