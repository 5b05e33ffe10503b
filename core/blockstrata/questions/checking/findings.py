"""What a check finds, told run by run: where it stands, what is wrong, what follows.

Faults come in columns and are joined into runs; what there are too many of, one last finding stands for.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from blockstrata.facts.codes import Mapping
from blockstrata.formats.qcow2.header import Header
from blockstrata.formats.qcow2.metadata import Region, Use
from blockstrata.formats.qcow2.refcount_blocks import RefcountTable

if TYPE_CHECKING:  # info and map tell findings without a check, and start without what that takes
    from blockstrata.formats.qcow2.references import Batch

MOST: Final = 1000
"""Findings of one kind that are told apart."""
_REFCOUNT_RESERVED: Final = 0x1FF

_WORST_FIRST: Final = (
    *("beyond-end", "overlap", "unaligned", "subclusters", "compressed", "zero-flag", "data-file"),
    *("refcount-block", "refcount-low", "overflow", "copied", "reserved", "snapshot-table"),
    *("refcount-high", "corrupt", "stated-raw", "dirty", "in-use", "bitmap-orphaned", "bitmap-in-use"),
    *("tail", "encrypted"),
)
"""Kinds by what they cost: data that is lost, what cannot be read, what writing will spoil, the rest."""


class Severity(StrEnum):
    """How bad a finding is; QEMU counts corruptions and leaks."""

    CORRUPTION = "corruption"
    LEAK = "leak"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Finding:
    """One fault, or a run of the same.

    ``host``, ``length`` and ``guest`` in bytes, None where there is no place; ``entry`` names the entry of a
    table or directory; ``says`` is one plain sentence.
    """

    kind: str
    severity: Severity
    says: str
    host: int | None = None
    length: int | None = None
    guest: int | None = None
    entry: str | None = None


PAST_END: Final = {
    Mapping.UNALLOCATED: "the L2 table lies past the file's end: what it mapped is lost",
    Mapping.NORMAL: "the host cluster lies past the file's end: it reads as zeroes, and its data is lost",
    Mapping.COMPRESSED: "the compressed data lies past the file's end: reading it fails",
    Mapping.ZERO_ALLOC: "the host cluster lies past the file's end: it reads as zeroes, as its entry says",
    Mapping.UNALLOCATED_ALLOC: "the host cluster lies past the file's end: nothing was stored in it",
}
"""What follows where a table names something past the file's end, by what the map says there."""

PAST_DATA_END: Final = (
    "the host cluster lies past the data file's end: it reads as zeroes, and its data may be lost"
)

_WITHOUT: Final = {
    Use.L1: "what it mapped is lost",
    Use.SNAPSHOT_L1: "what the snapshot held is lost",
    Use.SNAPSHOT_TABLE: "the snapshots are lost",
    Use.REFCOUNT_TABLE: "every refcount reads as 0, and what is written next lands on what is stored",
    Use.BITMAP_DIRECTORY: "the bitmaps are lost, and the next backup must be a full one",
    Use.BITMAP_TABLE: "the bitmap reads as clean: a backup by it lacks data",
    Use.ENCRYPTION_HEADER: "no key opens the image any more",
}
"""What follows where the file ends before what the image needs."""


def region_past_end(region: Region) -> Finding:
    """Return the finding of a region that the file ends before, or in."""
    where = f"{region.use}: {region.host:#x} and {region.length} bytes on lies past the file's end"
    says = f"{where}: {_WITHOUT[region.use]}" if region.use in _WITHOUT else where
    return Finding("beyond-end", Severity.CORRUPTION, says, region.host, region.length, None, region.use)


def bytes_behind(end: int, length: int) -> Finding:
    """Return the finding of a file of ``length`` bytes of which the image uses those up to ``end``."""
    says = f"{length - end} bytes past the image's end, to which nothing in it refers"
    return Finding("tail", Severity.WARNING, says, end, length - end)


@dataclass(frozen=True, slots=True, eq=False)
class Entries:
    """Where n faults stand.

    ``owner`` int64 (n,), a snapshot's number or -1 for the disk; ``table`` int64 (n,), the L2 table's host
    byte, -1 for the L1 table; ``index`` int64 (n,) in that; ``guest`` int64 (n,), bytes.
    """

    owner: NDArray[np.int64]
    table: NDArray[np.int64]
    index: NDArray[np.int64]
    guest: NDArray[np.int64]

    @classmethod
    def of_l1(cls, owner: NDArray[np.int64], index: NDArray[np.int64], header: Header) -> Entries:
        """Return entries of L1 tables."""
        return cls(owner, np.full(len(index), -1), index, index * header.l2_span)

    def take(self, which: NDArray[np.bool_] | NDArray[np.intp]) -> Entries:
        """Return some of them."""
        return Entries(self.owner[which], self.table[which], self.index[which], self.guest[which])

    def entries(self) -> Entries:
        """Return them all."""
        return self


@dataclass(frozen=True, slots=True, eq=False)
class Places:
    """Where n faults stand, worked out only where there are any: ``rows`` int64 (n,) of a batch's entries."""

    batch: Batch
    rows: NDArray[np.int64]
    header: Header

    def take(self, which: NDArray[np.bool_]) -> Places:
        """Return some of them."""
        return Places(self.batch, self.rows[which], self.header)

    def entries(self) -> Entries:
        """Work them out."""
        tables, table = self.batch.tables, self.batch.table_of(self.rows)
        index = self.batch.index_of(self.rows, self.header.l2_entry_size)
        guest = tables.index[table] * self.header.l2_span + (index << self.header.cluster_bits)
        return Entries(tables.owner[table], tables.host[table], index, guest)


def bad_blocks(table: RefcountTable, end: int) -> Iterator[tuple[NDArray[np.bool_], str, str]]:
    """Yield which entries of a refcount table lead to no block, bool (n,), the kind, and what follows.

    ``end`` is the first host byte in which no block can lie.
    """
    offsets = table.offsets
    reserved = table.words & np.uint64(_REFCOUNT_RESERVED) != 0
    odd = ~reserved & (offsets & np.uint64(table.header.cluster_size - 1) != 0)
    yield reserved, "reserved", "reserved bits are set"
    says = "the refcount block is not aligned to a cluster: QEMU cannot read it, and allocates nothing"
    yield odd, "unaligned", says
    says = "the refcount block lies past the file's end: its refcounts read as 0"
    yield ~reserved & ~odd & (offsets >= np.uint64(end)), "beyond-end", says


class Findings:
    """Gathers findings; of each kind no more than :data:`MOST` are kept apart."""

    def __init__(self, snapshots: Iterable[str] = ()) -> None:
        """``snapshots``: their IDs."""
        self._snapshots = [f"'{each}'" for each in snapshots]
        self._kept: dict[tuple[str, Severity, str], list[Finding]] = {}
        self._rest: dict[tuple[str, Severity, str], tuple[int, int]] = {}

    def add(self, finding: Finding) -> None:
        """Add one."""
        key = finding.kind, finding.severity, ""
        kept = self._kept.setdefault(key, [])
        if len(kept) < MOST:
            kept.append(finding)
        else:
            self._more(key, 1, finding.length or 0)

    def more(self, kind: str, severity: Severity, count: int, length: int) -> None:
        """Add ``count`` findings of a kind, ``length`` bytes in all, without telling them apart."""
        if count:
            self._more((kind, severity, ""), count, length)

    def _more(self, key: tuple[str, Severity, str], runs: int, length: int) -> None:
        before = self._rest.get(key, (0, 0))
        self._rest[key] = before[0] + runs, before[1] + length

    def add_clusters(
        self, kind: str, severity: Severity, host: NDArray[np.int64], size: int, says: str
    ) -> None:
        """Add faults of clusters at ascending host bytes, int64 (n,), each of ``size`` bytes.

        Runs go on from one call to the next.
        """
        if not len(host):
            return
        starts, ends = _runs(np.diff(host) == size, len(host))
        key = kind, severity, says
        kept = self._kept.setdefault(key, [])
        spans = zip(host[starts].tolist(), (host[ends] + size).tolist(), strict=True)
        for nth, (start, end) in enumerate(spans):
            last = kept[-1] if kept else None
            if key not in self._rest and last and (last.host or 0) + (last.length or 0) == start:
                kept[-1] = Finding(kind, severity, says, last.host, (last.length or 0) + end - start)
            elif len(kept) < MOST:
                kept.append(Finding(kind, severity, says, start, end - start))
            else:
                left = (host[ends[nth:]] + size - host[starts[nth:]]).sum()
                self._more(key, len(starts) - nth, int(left))
                break

    def add_entries(
        self,
        kind: str,
        severity: Severity,
        where: Entries | Places,
        says: str,
        host: NDArray[np.int64] | None = None,
        length: int | None = None,
    ) -> None:
        """Add faults of table entries; ``host`` int64 (n,) and ``length`` bytes are what the entries name."""
        at = where.entries()
        count = len(at.index)
        if not count:
            return
        goes_on = (np.diff(at.index) == 1) & (np.diff(at.table) == 0) & (np.diff(at.owner) == 0)
        if host is not None:
            goes_on &= np.diff(host) == length
        starts, ends = _runs(goes_on, count)
        key = kind, severity, ""
        kept = self._kept.setdefault(key, [])
        room = max(0, MOST - len(kept))
        for start, end in zip(starts[:room].tolist(), ends[:room].tolist(), strict=True):
            entry = self.entry_name(at, start, end)
            size = None if host is None or length is None else length * (end - start + 1)
            place = None if host is None else int(host[start])
            guest = int(at.guest[start])
            kept.append(Finding(kind, severity, f"{entry}: {says}", place, size, guest, entry))
        if len(starts) > room:
            total = 0 if host is None or length is None else length * int((ends - starts + 1)[room:].sum())
            self._more(key, len(starts) - room, total)

    def add_blocks(
        self,
        kind: str,
        table: RefcountTable,
        which: NDArray[np.intp],
        says: str,
        severity: Severity = Severity.CORRUPTION,
    ) -> None:
        """Add faults of some entries of a refcount table, (n,)."""
        size = table.header.cluster_size
        self.more(kind, severity, len(which[MOST:]), len(which[MOST:]) * size)
        for at in which[:MOST].tolist():
            entry = f"refcount table, entry {int(table.index[at])}"
            host = int(table.offsets[at])
            self.add(Finding(kind, severity, f"{entry}: {says}", host, size, None, entry))

    def entry_name(self, at: Entries, start: int, end: int) -> str:
        """Say which entries some places are, from one to another."""
        index, last, owner, table = (
            int(each) for each in (at.index[start], at.index[end], at.owner[start], at.table[start])
        )
        where = f"L2 table {table:#x}" if table >= 0 else "the L1 table"
        if owner >= 0:
            where += f" of snapshot {self._snapshots[owner]}"
        return f"{where}, entry {index}" if index == last else f"{where}, entries {index} to {last}"

    def region_name(self, use: Use, owner: int) -> str:
        """Say what a run of host bytes is."""
        if use is Use.SNAPSHOT_L1:
            return f"the L1 table of snapshot {self._snapshots[owner]}"
        return f"the {use}" + (f" {owner}" if owner >= 0 else "")

    def kept(self, kind: str) -> list[Finding]:
        """Return what was found of a kind so far, one by one."""
        return [each for key, kept in self._kept.items() if key[0] == kind for each in kept]

    def explain(self, kind: str, explained: dict[int, tuple[str, int | None]], size: int) -> None:
        """Add to findings of a kind, by host byte, who is concerned and where the guest meets it.

        That is known of one cluster, of ``size`` bytes: of a longer run the first is said to be meant.
        """
        for key, kept in self._kept.items():
            if key[0] == kind:
                kept[:] = [
                    replace(
                        each,
                        says=f"{each.says} ({_at(each, size)}{explained[each.host][0]})",
                        guest=explained[each.host][1],
                    )
                    if each.host in explained
                    else each
                    for each in kept
                ]

    def told(self) -> tuple[Finding, ...]:
        """Return all: what hurts most first, then by place."""
        found = []
        for key, kept in self._kept.items():
            found += [(0, each) for each in kept]
            if key in self._rest:
                runs, length = self._rest[key]
                says = f"and {runs} more of the kind" + (f": {key[2]}" if key[2] else "")
                found.append((1, Finding(key[0], key[1], says, None, length or None)))
        severities, last = list(Severity), len(_WORST_FIRST)
        kinds = {kind: nth for nth, kind in enumerate(_WORST_FIRST)}
        found.sort(
            key=lambda each: (
                severities.index(each[1].severity),
                kinds.get(each[1].kind, last),
                each[0],
                each[1].host or 0,
            )
        )
        return tuple(each for _, each in found)


def _at(finding: Finding, size: int) -> str:
    return f"at {finding.host:#x}: " if (finding.length or 0) > size else ""


def _runs(goes_on: NDArray[np.bool_], count: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the first and the last of each run; ``goes_on`` (count - 1,): whether the next belongs to it."""
    breaks = np.flatnonzero(~goes_on)
    return np.append(0, breaks + 1), np.append(breaks, count - 1)
