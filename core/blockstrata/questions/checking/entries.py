"""L2 entries looked at by themselves, many at a time: what they name, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from blockstrata.facts.codes import Mapping
from blockstrata.formats.qcow2.references import Batch
from blockstrata.formats.qcow2.tables import (
    ALL_ALLOCATED,
    COPIED,
    SUBCLUSTERS,
    compressed_spans,
)
from blockstrata.questions.checking.findings import PAST_DATA_END, PAST_END, Places, Severity
from blockstrata.questions.checking.rows import Fragments, Rows, chosen, plain_runs, rows_of
from blockstrata.questions.checking.tally import Tally

_RESERVED: Final = 0x3F000000000001FE


class EntryCheck:
    """Looks at the entries of one image after another, with what qemu-img calls fragmentation."""

    def __init__(self, tally: Tally, data_length: int, disk_sizes: Sequence[int]) -> None:
        """``data_length``: bytes of the file that has the guest's data.

        ``disk_sizes``: guest bytes of each snapshot, and last of the disk itself.
        """
        self._data_length = data_length
        self._disk_sizes = np.minimum(np.array(disk_sizes, np.uint64), np.uint64(2**62)).astype(np.int64)
        self._tally = tally
        self._header = tally.header
        self.fragments = Fragments(tally.size)

    def look(self, batch: Batch) -> None:
        """Look at a batch."""
        if self._look_at_runs(batch):
            return
        found = rows_of(self._header, batch)
        if found is None:
            return
        words, bitmaps, header = found.words, found.bitmaps, self._header
        host, compressed, present = found.host, found.compressed, found.present
        at = Places(batch, found.rows, header)
        fault = self._tally.fault
        reserved = ~compressed & (words & np.uint64(_RESERVED) != 0)
        fault("reserved", "reserved bits are set, so it cannot be trusted", reserved, found.times, at)
        if bitmaps is not None:
            says = "subclusters are marked allocated, but there is no host cluster: reading them fails"
            nowhere = ~compressed & ~present & (bitmaps & np.uint64(ALL_ALLOCATED) != 0)
            fault("subclusters", says, nowhere, found.times, at)
            says = "a subcluster is marked both allocated and zero: reading it fails"
            both = present & (bitmaps & bitmaps >> np.uint64(SUBCLUSTERS) != 0)
            fault("subclusters", says, both, found.times, at, host)
        says = "the host cluster is not aligned to a cluster: reading it fails"
        fault("unaligned", says, present & (host & header.cluster_size - 1 != 0), found.times, at, host)
        if header.version < 3:
            says = "the zero flag is set, which version 2 does not have: reading it fails"
            self._tally.warn("zero-flag", says, found.zero & ~compressed, at)
        if compressed.any():
            self._compressed(found, at)
        if not header.has_data_file:
            self._cut(found, at)
        self._clusters(found, at)

    def _clusters(self, found: Rows, at: Places) -> None:
        """Count the host clusters that entries name."""
        tally, present, host, is_zero = self._tally, found.present, found.host, found.zero
        is_set = found.words & np.uint64(COPIED) != 0
        if not present.all():
            host, is_set, is_zero = host[present], is_set[present], is_zero[present]
            at = at.take(present)
        table, times = found.table[present], chosen(found.times, present)
        if tally.is_first:
            self.fragments.add(table, host, chosen(found.active, present))
        looked = chosen(found.looked, present)
        if self._header.has_data_file:
            # refcounts are not of the data file's clusters, all of which have one user
            unset = ~is_set & (np.broadcast_to(looked, host.shape) > 0)
            says = "not marked as its only user (COPIED), as every entry for a data file must be"
            tally.fault("copied", says, unset, looked, at, host)
            if tally.is_first:
                self._in_data_file(host, at)
            return
        beyond = tally.count(host, tally.size, times)
        if beyond is not None and tally.is_first:
            # with the zero flag it reads as zeroes wherever it is
            for mapping, some in (
                (Mapping.NORMAL, ~is_zero & beyond),
                (Mapping.ZERO_ALLOC, is_zero & beyond),
            ):
                says, entries = PAST_END[mapping], at.take(some)
                tally.findings.add_entries(
                    "beyond-end", Severity.CORRUPTION, entries, says, host[some], tally.size
                )
        if isinstance(looked, int):
            if not looked:
                return
        elif not looked.all():
            some = looked > 0
            host, is_set, at, looked = host[some], is_set[some], at.take(some), looked[some]
        wrong = tally.copied(host, is_set, looked)
        if wrong is not None:
            tally.tell_copied(wrong, is_set, at, host)

    def _cut(self, found: Rows, at: Places) -> None:
        """Warn of clusters that the file ends in, before the last of what is read from them.

        QEMU itself leaves out what is not: subclusters, and what lies past the disk's end.
        """
        tally, size, host = self._tally, self._tally.size, found.host
        rows = np.flatnonzero(found.present)
        ends_in = tally.cut(host[rows])
        if ends_in is None:
            return
        rows = rows[ends_in]
        if found.bitmaps is None:
            used = np.where(found.zero[rows], 0, size)
        else:
            _, highest = np.frexp((found.bitmaps[rows] & np.uint64(ALL_ALLOCATED)).astype(np.float64))
            used = highest.astype(np.int64) * (size // SUBCLUSTERS)
        where = Places(at.batch, at.rows[rows], at.header).entries()
        left = self._disk_sizes[where.owner] - where.guest
        # what is past the disk's end is the state of a machine
        used = np.where(left > 0, np.minimum(used, left), used)
        tally.warn(
            "beyond-end", tally.says_cut("its cluster"), used > size - tally.missing, where, host[rows]
        )

    def _in_data_file(self, host: NDArray[np.int64], at: Places) -> None:
        says = "its offset in the data file is not the guest offset: reading it fails"
        entries = at.entries()
        self._tally.warn("data-file", says, host != entries.guest, entries, host)
        self._tally.warn("beyond-end", PAST_DATA_END, host >= self._data_length, entries, host)

    def _compressed(self, found: Rows, at: Places) -> None:
        """Count what compressed clusters take: whole sectors, up to the end of the last one."""
        tally, words, compressed = self._tally, found.words, found.compressed
        says = "a compressed cluster is marked COPIED, which is not allowed"
        marked = compressed & (words & np.uint64(COPIED) != 0)
        tally.fault("copied", says, marked, found.times, at)
        if self._header.has_data_file:
            says = "a compressed cluster in an image with a data file, which is not allowed: reading it fails"
            tally.fault("compressed", says, compressed, found.times, at)
            return
        if found.bitmaps is not None:
            says = "a compressed cluster with subclusters, which is not allowed"
            mixed = compressed & (found.bitmaps != 0)
            tally.fault("subclusters", says, mixed, found.times, at)
            compressed = compressed & ~mixed
        if tally.is_first:
            self.fragments.add_compressed(found.active, compressed)
        offset, length = compressed_spans(self._header, words[compressed])
        cut = offset + length > tally.length
        beyond = tally.count(offset, length, chosen(found.times, compressed))
        where, lost = at.take(compressed), offset >= tally.length
        if beyond is not None and tally.is_first:
            says = PAST_END[Mapping.COMPRESSED]
            tally.findings.add_entries("beyond-end", Severity.CORRUPTION, where.take(beyond), says)
            lost &= ~beyond
            cut &= ~beyond
        # less than a cluster past the end is not counted, and cannot be read either
        tally.warn("beyond-end", PAST_END[Mapping.COMPRESSED], lost, where)
        says = "the compressed data ends past the file's end: reading it may fail"
        tally.warn("beyond-end", says, cut & ~lost, where)

    def _look_at_runs(self, batch: Batch) -> bool:
        """Look at plain entries run by run, if runs are long and nothing is wrong; say whether so."""
        tally, runs = self._tally, plain_runs(self._header, batch)
        if runs is None or not runs.host.all():
            return False
        if int((runs.host + runs.lengths * tally.size).max()) > tally.length:
            return False
        if not tally.counter.add_sole_users(runs.host >> tally.bits, runs.lengths):
            return False
        if tally.is_first:
            self.fragments.add_runs(runs)
        return True
