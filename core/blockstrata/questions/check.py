"""Is a qcow2 image sound?  The numbers of ``qemu-img check``, and what they mean.

Every reference to a host cluster is counted and held against the refcounts that the image stores; on the way
each entry is looked at by itself.  What was found with QEMU 7.2 and holds here too: a table that is named
several times is counted, with all its faults, so many times; a counter is as wide as the image's refcounts,
and each reference that it has no room for is a corruption; an entry that does not make sense counts all
the same for the cluster that it names.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from blockstrata.errors import UnsupportedError
from blockstrata.facts.codes import Mapping
from blockstrata.formats.qcow2.metadata import Use
from blockstrata.formats.qcow2.node import HeaderNode, Qcow2Node
from blockstrata.formats.qcow2.references import l2_batches
from blockstrata.formats.qcow2.tables import COPIED, OFFSET_MASK
from blockstrata.graph.chain import Layer
from blockstrata.questions.checking.counter import COUNT, TooOftenError
from blockstrata.questions.checking.entries import EntryCheck
from blockstrata.questions.checking.findings import (
    MOST,
    PAST_END,
    Entries,
    Finding,
    Findings,
    Severity,
    bad_blocks,
    region_past_end,
)
from blockstrata.questions.checking.named import distinct, read_named
from blockstrata.questions.checking.spans import Spans, spans_of
from blockstrata.questions.checking.tally import Tally
from blockstrata.questions.checking.tick import Tick, no_tick
from blockstrata.questions.checking.users import UserSearch
from blockstrata.questions.checking.warnings import warnings

_WINDOW: Final = 1 << 27
"""Clusters counted at once: half a GiB of counters."""
_L1_RESERVED: Final = ~(OFFSET_MASK | COPIED) & 2**64 - 1


@dataclass(frozen=True, slots=True)
class Check:
    """What ``qemu-img check`` counts, by its names, and what was found.

    ``image_end_offset`` in bytes, all else in clusters or faults; ``findings`` what hurts most first.
    """

    filename: str
    image_end_offset: int
    check_errors: int
    corruptions: int
    leaks: int
    total_clusters: int
    allocated_clusters: int
    fragmented_clusters: int
    compressed_clusters: int
    findings: tuple[Finding, ...]
    format: str = "qcow2"


def check(layer: Layer, progress: Tick = no_tick) -> Check:
    """Check the image of one layer of a chain, which must be qcow2; its snapshots and bitmaps with it.

    Nothing below it is looked at.  ``progress`` is told now and then how many L2 tables were gone through,
    and of how many.  ``UnsupportedError`` for other formats, for more clusters than can be
    checked, and for tables made to take for ever.  ``BadImageError`` where QEMU gives no numbers either:
    a snapshot table, bitmap directory or bitmap table that cannot be read; and why an image could not be
    opened at all.
    """
    node = layer.node
    if isinstance(node, HeaderNode):
        raise node.refusal
    if not isinstance(node, Qcow2Node):
        raise UnsupportedError(node.name, "", f"{node.driver} images cannot be checked, only qcow2")
    layer.check_open()
    try:
        return _Checker(node).run(progress)
    except TooOftenError:
        what = "refers to a cluster too many times to count"
        raise UnsupportedError(node.file.name, "", what) from None


class _Checker:
    """One image, while it is checked: in windows of host clusters, nearly always one."""

    def __init__(self, node: Qcow2Node) -> None:
        self.node, self.header = node, node.header
        named = read_named(node)
        self.metadata, self.words, self.table, self.tables = (
            named.metadata,
            named.words,
            named.blocks,
            named.tables,
        )
        self.findings = Findings(each.id for each in node.read_snapshots())
        self.tally = Tally(self.header, node.file.length, self.table, self.findings)
        sizes = [*(each.disk_size for each in node.read_snapshots()), self.header.size]
        self.entries = EntryCheck(self.tally, node.host.length, sizes)
        self.check_errors = self.leaks = self.highest = 0

    def run(self, progress: Tick) -> Check:
        """Count, compare, and tell."""
        tally, header, file = self.tally, self.header, self.node.file
        for kind, entry, says in self.metadata.faults:
            tally.corruptions += 1
            self.findings.add(Finding(kind, Severity.CORRUPTION, f"{entry}: {says}", entry=entry))
        overlaps: list[int] = []
        hosts, windows = self.tables.host, -(-tally.end // _WINDOW)
        for first in range(0, tally.end, _WINDOW):
            tally.open_window(first, min(first + _WINDOW, tally.end))
            spans = self._count_regions()
            self._count_bits()
            self._count_l1()
            for batch in l2_batches(file, header, self.tables):
                self.entries.look(batch)
                done = int(np.searchsorted(hosts, batch.host[-1], side="right"))
                progress(first // _WINDOW * len(hosts) + done, windows * len(hosts))
            self._count_blocks()
            overlaps += self._overlaps(spans)
            self._compare()
        self._name_users(overlaps)
        end = self.highest + 1 << header.cluster_bits
        # where refcounts cannot be read, QEMU's end says nothing of what lies past it
        for finding in warnings(self.node, None if self.check_errors else max(end, tally.reached)):
            self.findings.add(finding)
        return Check(
            filename=self.node.name,
            image_end_offset=end,
            check_errors=self.check_errors,
            corruptions=tally.corruptions,
            leaks=self.leaks,
            total_clusters=-(-header.size // header.cluster_size),
            allocated_clusters=self.entries.fragments.allocated,
            fragmented_clusters=self.entries.fragments.fragmented,
            compressed_clusters=self.entries.fragments.compressed,
            findings=self.findings.told(),
        )

    def _count_regions(self) -> Spans:
        """Count what the image names outright, and return it."""
        regions = self.metadata.regions
        host, length = np.array([(each.host, each.length) for each in regions], np.int64).T
        beyond = self.tally.beyond(host, length, 1)
        if beyond is not None:
            for at in np.flatnonzero(beyond).tolist() if self.tally.is_first else ():
                self.findings.add(region_past_end(regions[at]))
            host, length = host[~beyond], length[~beyond]
        if self.tally.is_first:
            self._warn_of_cut_regions()
        spans = spans_of(host, length, self.tally.bits)
        self.tally.count_spans(spans)
        return spans

    def _warn_of_cut_regions(self) -> None:
        end = self.tally.length
        for use, host, length, _ in self.metadata.regions:
            # the rest of the header's cluster holds nothing
            if use is not Use.HEADER and end < host + length < end + self.tally.size:
                missing = host + length - end
                says = f"{use}: the file ends {missing} bytes before it does: what lay there reads as zeroes"
                self.findings.add(Finding("beyond-end", Severity.WARNING, says, host, length, None, use))

    def _count_bits(self) -> None:
        hosts = self.metadata.bits
        cut = self.tally.cut(hosts)
        if cut is not None:
            says = self.tally.says_cut("a cluster of bits of a bitmap") + ", that is as clean"
            self.findings.add_clusters("beyond-end", Severity.WARNING, hosts[cut][:1], self.tally.size, says)
        beyond = self.tally.count(hosts, self.header.cluster_size, 1)
        if beyond is not None and self.tally.is_first:
            says = (
                "bits of a bitmap are past the file's end and read as clean: a backup that uses it lacks data"
            )
            where = np.sort(hosts[beyond])
            self.findings.add_clusters(
                "beyond-end", Severity.CORRUPTION, where, self.header.cluster_size, says
            )

    def _count_l1(self) -> None:
        said, tables = self.words, self.tables
        offsets = (said.words & np.uint64(OFFSET_MASK)).astype(np.int64)
        at = Entries.of_l1(said.owner, said.index, self.header)
        order = np.lexsort((at.index, at.owner))
        at, words, times, active, host = (
            at.take(order),
            said.words[order],
            said.times[order],
            said.active[order],
            offsets[order],
        )
        reserved = words & np.uint64(_L1_RESERVED) != 0
        self.tally.fault(
            "reserved", "reserved bits are set, so it cannot be trusted", reserved, times, at, host
        )
        zero = host == 0
        of_table = Entries.of_l1(tables.owner, tables.index, self.header)
        odd = tables.host & self.tally.size - 1 != 0
        says = "the L2 table is not aligned to a cluster: QEMU refuses to read what it maps"
        self.tally.fault("unaligned", says, odd, tables.times, of_table, tables.host)
        cut = self.tally.cut(tables.host)
        if cut is not None:
            self.tally.warn("beyond-end", self.tally.says_cut("the L2 table"), cut, of_table, tables.host)
        beyond = self.tally.count(tables.host, self.tally.size, tables.times)
        if beyond is not None and self.tally.is_first:
            says, which = PAST_END[Mapping.UNALLOCATED], of_table.take(beyond)
            self.findings.add_entries(
                "beyond-end", Severity.CORRUPTION, which, says, tables.host[beyond], self.tally.size
            )
        own = (active > 0) & ~zero
        host, is_set = host[own], words[own] & np.uint64(COPIED) != 0
        wrong = self.tally.copied(host, is_set, active[own])
        if wrong is not None:
            self.tally.tell_copied(wrong, is_set, at.take(own), host)

    def _count_blocks(self) -> None:
        """Count the refcount blocks, last of all, as each that is named before is a corruption by itself."""
        table, counter = self.table, self.tally.counter
        offsets = table.offsets
        bad = offsets == 0
        for which, kind, says in bad_blocks(table, self.tally.top << self.tally.bits):
            bad |= which
            if self.tally.is_first:
                self.tally.corruptions += int(np.count_nonzero(which))
                self.findings.add_blocks(kind, table, np.flatnonzero(which), says)
        good = np.flatnonzero(~bad)
        cut = self.tally.cut(offsets[good].astype(np.int64))
        if cut is not None:
            says = self.tally.says_cut("the refcount block")
            self.findings.add_blocks("beyond-end", table, good[cut], says, Severity.WARNING)
        hosts, first, times = np.unique(offsets[good].astype(np.int64), return_index=True, return_counts=True)
        clusters = hosts >> self.tally.bits
        inside = (clusters >= counter.first) & (clusters < counter.last)
        clusters, first, times = clusters[inside], first[inside], times[inside]
        extra = times - 1 + ((counter.at(clusters) & COUNT) > 0)
        if table.most > 1:
            self.tally.corruptions += int(extra.sum())
            says = "the refcount block lies where something else does: writing one spoils the other"
            self.findings.add_blocks("overlap", table, good[first[extra > 0]], says)
        counter.add(clusters, times)

    def _overlaps(self, spans: Spans) -> list[int]:
        """Return clusters of metadata that something else is in, too, and whose refcounts hide it."""
        kept: list[int] = []
        rest = 0
        for crowded in self._crowded(spans):
            stored, _ = self.table.refcounts(crowded)
            hidden = crowded[stored >= (self.tally.counter.at(crowded) & COUNT)]
            room = MOST - len(kept)
            kept += hidden[:room].tolist()
            rest += len(hidden[room:])
        self.findings.more("overlap", Severity.WARNING, rest, rest * self.tally.size)
        return kept

    def _crowded(self, spans: Spans) -> Iterator[NDArray[np.int64]]:
        """Yield clusters of metadata that are named for something else too, none twice."""
        counter, bits = self.tally.counter, self.header.cluster_bits
        top = min(counter.last, self.tally.top)
        for start, found in counter.in_spans(spans):
            several = start + np.flatnonzero(found > 1)
            yield several[several < top]
        blocks = self.table.offsets
        blocks = blocks[(blocks != 0) & (blocks < np.uint64(counter.last << bits))].astype(np.int64)
        parts = self.metadata.bits >> bits, self.tables.host >> bits, distinct(blocks) >> bits
        times = [np.ones(len(parts[0]), np.int64), self.tables.times, np.ones(len(parts[2]), np.int64)]
        clusters, place, uses = np.unique(np.concatenate(parts), return_inverse=True, return_counts=True)
        own = np.bincount(place, np.concatenate(times), len(clusters))
        inside = (clusters >= counter.first) & (clusters < top)
        # those of the spans were looked at
        span = np.searchsorted(spans.last, clusters, side="right")
        inside &= (span == len(spans.last)) | (clusters < spans.first[np.minimum(span, len(spans.first) - 1)])
        clusters, own, uses = clusters[inside], own[inside], uses[inside]
        yield clusters[((counter.at(clusters) & COUNT) > own) | (uses > 1)]

    def _name_users(self, overlaps: list[int]) -> None:
        """Say of clusters that too many name who does."""
        bits = self.header.cluster_bits
        low = [(each.host or 0) >> bits for each in self.findings.kept("refcount-low")]
        clusters = np.array(sorted({*low, *overlaps}), np.int64)
        if not len(clusters):
            return
        search = UserSearch(self.node.file, self.header, self.findings, clusters)
        users = search.find(self.metadata, self.tables, self.table)
        named = {cluster << bits: (str(who), who.guest) for cluster, who in users.items() if who.count}
        self.findings.explain("refcount-low", named, self.header.cluster_size)
        for cluster in overlaps:
            who, guest = named.get(cluster << bits, ("several", None))
            says = f"overlap: {who} are in the same cluster: writing one spoils the other"
            self.findings.add(
                Finding("overlap", Severity.WARNING, says, cluster << bits, self.header.cluster_size, guest)
            )

    def _compare(self) -> None:
        """Hold what was counted against what is stored."""
        counter = self.tally.counter
        last = min(counter.last, self.tally.top)
        unreadable = self.table.unreadable_runs(counter.first, last)
        for start, end in unreadable:
            self.check_errors += end - start
            says = "refcounts that cannot be read, because their block is not aligned or is out of range"
            self.findings.add(
                Finding(
                    "refcount-block",
                    Severity.CORRUPTION,
                    says,
                    start << self.tally.bits,
                    end - start << self.tally.bits,
                )
            )
        for start, high, low, over in counter.compared(last, unreadable):
            self.tally.corruptions += len(low) + int(over.sum())
            self.leaks += len(high)
            hosts = np.flatnonzero(over) + start << self.tally.bits
            says = "more references than the refcount can hold: snapshots cannot share it"
            self.findings.add_clusters("overflow", Severity.CORRUPTION, hosts, self.tally.size, says)
            says = "refcount too low: more users than it says, so it may be reused or freed while in use"
            self.findings.add_clusters(
                "refcount-low", Severity.CORRUPTION, low << self.tally.bits, self.tally.size, says
            )
            says = "refcount too high: there are fewer references than it says, and the space is lost"
            self.findings.add_clusters(
                "refcount-high", Severity.LEAK, high << self.tally.bits, self.tally.size, says
            )
        self.highest = max(self.highest, counter.highest)
