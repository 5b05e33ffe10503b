"""The walk through all that names host clusters, a window of clusters after the other.

Memory is bounded so; L2 tables that name nothing in a window are not read for it again.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from blockstrata.facts.codes import Storage
from blockstrata.formats.qcow2.node import Qcow2Node
from blockstrata.formats.qcow2.references import Batch, l2_batches
from blockstrata.formats.qcow2.tables import ALL_ALLOCATED
from blockstrata.questions.checking.canvas import (
    COMPRESSED,
    DATA,
    DISK,
    NO_GUEST,
    NOBODY,
    NUMBER,
    PLAIN,
    SNAPSHOT,
    TWICE,
    USES,
    Canvas,
    HostRuns,
    HostUse,
    use_of,
)
from blockstrata.questions.checking.findings import Places
from blockstrata.questions.checking.named import Named
from blockstrata.questions.checking.rows import Fragments, chosen, plain_runs, rows_of
from blockstrata.questions.checking.tick import Tick

_LEAST_WINDOW: Final = 1 << 19
_MOST_WINDOW: Final = 1 << 25
"""Clusters marked at once; in between, a quarter of the file's."""
_MOST_BEYOND: Final = 10000
"""Runs past the file's end that are told."""


@dataclass(slots=True)
class Sums:
    """What was found of a file so far; of all of it, once the windows were gone through.

    ``by_use``, bytes of the file for each use and each storage; ``beyond``, references past the file's end.
    ``allocated``, ``fragmented``, ``compressed``: guest clusters, as ``qemu-img check`` counts them.
    ``stretches``: runs of the disk's own data that go on in the file as they do on the disk, ``stretched``
    their bytes.
    """

    by_use: NDArray[np.int64] = field(default_factory=lambda: np.zeros((len(USES), len(Storage)), np.int64))
    beyond: int = 0
    allocated: int = 0
    fragmented: int = 0
    compressed: int = 0
    stretches: int = 0
    stretched: int = 0

    def bytes_of(self, use: HostUse) -> int:
        """Return the bytes of the file that are for a use."""
        return int(self.by_use[NUMBER[use]].sum())

    def stored_of(self, use: HostUse) -> int:
        """Return how many of these the file has storage for that was written."""
        row = self.by_use[NUMBER[use]]
        return int(row.sum() - row[Storage.HOLE] - row[Storage.UNWRITTEN] - row[Storage.BEYOND_EOF])

    @property
    def total(self) -> int:
        """Bytes of all uses: the file's length."""
        return int(self.by_use.sum())

    @property
    def mean_stretch(self) -> int | None:
        """Bytes of the disk's own data that lie together, on average; None if there is none."""
        return self.stretched // self.stretches if self.stretches else None


def one_run(start: int, end: int, use: HostUse, guest: int = NO_GUEST) -> HostRuns:
    """Return a run of nobody's, or of the guest's."""
    return HostRuns(
        np.array([start, end]), np.array([NUMBER[use]]), np.array([guest]), np.array([NOBODY], np.int32)
    )


class HostWalk:
    """One image, while it is gone through."""

    def __init__(self, node: Qcow2Node, named: Named, sums: Sums, tick: Tick) -> None:
        """``tick`` is told how many of how many bytes of the file are done."""
        self._file, self._header, self._sums = node.file, node.header, sums
        self._tick, self._named = tick, named
        self._fragments = Fragments(node.header.cluster_size)
        self._end = -(-node.file.length // node.header.cluster_size)
        self._reach = np.array([[np.iinfo(np.int64).max], [-1]]).repeat(len(self._named.tables.host), axis=1)
        """The lowest and the highest cluster that each L2 table names, once they are known."""
        self._beyond: list[NDArray[np.int64]] = []
        self._is_first = True

    def runs(self) -> Iterator[HostRuns]:
        """Yield what each byte of the file is for."""
        yield from _joined(self._blocks(), self._file.length)

    def _blocks(self) -> Iterator[HostRuns]:
        """Yield what clusters are for, block by block; the last may reach past the file's end."""
        bits, window = self._header.cluster_bits, min(max(_LEAST_WINDOW, self._end // 4), _MOST_WINDOW)
        lead: int | None = None
        for first in range(0, self._end, window):
            last = min(first + window, self._end)
            canvas = Canvas(self._named.blocks, first, last)
            self._is_first = first == 0
            self._mark_metadata(canvas)
            tables = self._named.tables
            if not self._is_first:
                tables = tables.take((self._reach[0] < last) & (self._reach[1] >= first))
            done = 0
            for batch in l2_batches(self._file, self._header, tables):
                self._mark(canvas, batch)
                done += len(batch.host)
                share = min(1.0, done * batch.per_piece / max(1, len(tables.host) * self._per_table))
                self._tick(first + int((last - first) * share) << bits, self._file.length)
            for start in range(first, last, canvas.block):
                end = min(start + canvas.block, last)
                clusters, stretches, lead = canvas.data_runs(start, end, lead)
                self._sums.stretches += stretches
                self._sums.stretched += clusters << bits
                yield canvas.as_runs(start, end)
            fragments = self._fragments
            self._sums.allocated, self._sums.fragmented, self._sums.compressed = (
                fragments.allocated,
                fragments.fragmented,
                fragments.compressed,
            )

    @property
    def _per_table(self) -> int:
        return self._header.cluster_size // self._header.l2_entry_size

    def _mark_metadata(self, canvas: Canvas) -> None:
        metadata, size, blocks = self._named.metadata, self._header.cluster_size, self._named.blocks

        def mark(use: HostUse, host: NDArray[np.int64], length: int, owner: NDArray[np.int64] | int) -> None:
            canvas.metadata(use, host, length, owner)
            self._note(host, length, np.full(len(host), NO_GUEST))

        for region in metadata.regions:
            mark(use_of(region.use), np.array([region.host]), region.length, region.owner)
        for number in range(int(metadata.bits_of.max(initial=-1)) + 1):
            mark(HostUse.BITMAP_DATA, metadata.bits[metadata.bits_of == number], size, number)
        good = (blocks.offsets != 0) & ~blocks.unreadable
        mark(HostUse.REFCOUNT_BLOCK, blocks.offsets[good].astype(np.int64), size, blocks.index[good])
        tables = self._named.tables
        guest = tables.index * self._header.l2_span
        for use, which in ((HostUse.L2, tables.active > 0), (HostUse.SNAPSHOT_L2, tables.active == 0)):
            canvas.metadata(use, tables.host[which], size, tables.owner[which], guest[which])
        self._note(tables.host, size, guest)

    def _mark(self, canvas: Canvas, batch: Batch) -> None:
        header, tables = self._header, batch.tables
        runs = plain_runs(header, batch)
        if runs is not None and runs.host.all():
            guest = self._guest(batch, runs.rows)
            if self._is_first:
                self._fragments.add_runs(runs)
                self._remember(batch, runs.rows, runs.host, runs.lengths << header.cluster_bits)
                self._note(runs.host, runs.lengths << header.cluster_bits, guest)
            canvas.runs(runs.host, runs.lengths, guest)
            return
        found = rows_of(header, batch)
        if found is None:
            return
        compressed, present = found.compressed, found.present
        if found.bitmaps is not None:
            # a compressed cluster has no subclusters, and QEMU does not follow one that says so
            compressed = compressed & (found.bitmaps == 0)
        if self._is_first:
            self._fragments.add(found.table[present], found.host[present], chosen(found.active, present))
            self._fragments.add_compressed(found.active, compressed & ~np.bool_(header.has_data_file))
        if header.has_data_file:
            return
        host, length = found.spans(header)
        active, times = tables.active[found.table], tables.times[found.table]
        data = ~found.zero if found.bitmaps is None else found.bitmaps & np.uint64(ALL_ALLOCATED) != 0
        word = (
            np.where(compressed, np.uint16(COMPRESSED), np.uint16(PLAIN))
            | (data & ~compressed) * np.uint16(DATA)
            | (active > 0) * np.uint16(DISK)
            | (times > active) * np.uint16(SNAPSHOT)
            | ((active > 1) & ~compressed) * np.uint16(TWICE)
        )
        named = np.flatnonzero(present | compressed)
        if self._is_first:
            self._remember(batch, found.rows[named], host[named], length[named])
        inside = host[named] >> header.cluster_bits < canvas.last
        inside &= host[named] + length[named] > canvas.first << header.cluster_bits
        if self._is_first and not inside.all():
            past = named[host[named] + length[named] > self._file.length]
            self._note(host[past], length[past], self._guest(batch, found.rows[past]))
        named = named[inside]
        bitmaps = None if found.bitmaps is None else found.bitmaps[named] & np.uint64(ALL_ALLOCATED)
        canvas.entries(
            host[named],
            length[named],
            word[named],
            self._guest(batch, found.rows[named]),
            tables.owner[found.table[named]],
            bitmaps,
        )

    def _guest(self, batch: Batch, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        return Places(batch, rows, self._header).entries().guest

    def _remember(
        self,
        batch: Batch,
        rows: NDArray[np.int64],
        host: NDArray[np.int64],
        length: NDArray[np.int64],
    ) -> None:
        """Remember how far the clusters reach that entries of tables name."""
        table = np.searchsorted(self._named.tables.host, batch.tables.host[batch.table_of(rows)])
        np.minimum.at(self._reach[0], table, host >> self._header.cluster_bits)
        np.maximum.at(self._reach[1], table, host + length - 1 >> self._header.cluster_bits)

    def _note(
        self, host: NDArray[np.int64], length: NDArray[np.int64] | int, guest: NDArray[np.int64]
    ) -> None:
        """Keep what reaches past the file's end by a cluster or more, in the first window."""
        if not self._is_first or not len(host):
            return
        end = self._end << self._header.cluster_bits
        past = np.flatnonzero(host + length > end)
        if not len(past):
            return
        self._sums.beyond += len(past)
        start = np.maximum(host[past], end)
        lengths = length if isinstance(length, int) else length[past]
        guest = np.where(guest[past] == NO_GUEST, NO_GUEST, guest[past] + start - host[past])
        self._beyond.append(np.stack([start, host[past] + lengths, guest])[:, :_MOST_BEYOND])
        if len(self._beyond) > 100:
            self._beyond = [self._sorted_beyond()]

    def _sorted_beyond(self) -> NDArray[np.int64]:
        found = np.concatenate(self._beyond, axis=1)
        found = found[:, np.lexsort((found[1], found[0]))]
        # what others reach over is theirs already
        apart = np.append(True, found[0, 1:] >= np.maximum.accumulate(found[1])[:-1])
        return found[:, apart][:, :_MOST_BEYOND]

    def beyond_end(self) -> Iterator[HostRuns]:
        """Yield what is named past the file's end, with gaps between the runs."""
        if not self._beyond:
            return
        start, end, guest = self._sorted_beyond()
        goes_on = (start[1:] == end[:-1]) & (np.diff(start) == np.diff(guest))
        first = np.flatnonzero(np.append(True, ~goes_on))
        start, guest, end = start[first], guest[first], end[np.append(first[1:] - 1, len(end) - 1)]
        for at in range(len(start)):
            yield one_run(int(start[at]), int(end[at]), HostUse.BEYOND_END, int(guest[at]))


def _joined(blocks: Iterator[HostRuns], length: int) -> Iterator[HostRuns]:
    """Yield runs that go on over blocks as one, cut to the file's length; free at its end: tail."""
    last: HostRuns | None = None
    for block in blocks:
        runs = block if last is None else _continued(last, block)
        at = len(runs.use) - 1
        if at:
            yield runs.part(0, at)
        last = runs.part(at, at + 1)
    if last is None:
        return
    use = last.use
    if use[0] == NUMBER[HostUse.FREE]:
        use = np.array([NUMBER[HostUse.TAIL]])
    yield last._replace(edges=np.minimum(last.edges, length), use=use)


def _continued(last: HostRuns, block: HostRuns) -> HostRuns:
    """Return the runs of a block with the one before it in front, joined if it goes on."""
    use, owner = (int(last.use[0]), int(last.owner[0])), (int(block.use[0]), int(block.owner[0]))
    expected = int(last.guest[0])
    if expected != NO_GUEST and USES[use[0]] is not HostUse.COMPRESSED:
        expected += int(last.edges[1] - last.edges[0])
    follows = int(block.guest[0])
    goes_on = use == owner and (expected == follows or USES[use[0]] is HostUse.COMPRESSED)
    rest = block.part(1, len(block.use)) if goes_on else block
    return HostRuns(
        np.append(last.edges[0], rest.edges),
        np.append(last.use, rest.use),
        np.append(last.guest, rest.guest),
        np.append(last.owner, rest.owner),
    )
