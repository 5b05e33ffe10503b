"""L1 and L2 tables decoded to facts, whole tables at a time.

An L2 entry is 64 bits, big-endian (docs/interop/qcow2.txt of QEMU)::

    63     62          61 ─── 56   55 ───────────── 9   8 ── 1   0
    COPIED COMPRESSED  reserved    host offset          reserved ZERO

A compressed entry uses bits 0 to 61 otherwise; an extended entry is followed by 64 bits more, of which
bits 0 to 31 say "allocated" and 32 to 63 "reads as zero" for each of the 32 subclusters.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from blockstrata.extents import run_starts
from blockstrata.facts import CODES, NO_HOST, Mapping, fact

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from blockstrata.formats.qcow2.header import Header

OFFSET_MASK: Final = 0x00FFFFFFFFFFFE00
COPIED: Final = 1 << 63
COMPRESSED: Final = 1 << 62
ZERO: Final = 1
SUBCLUSTERS: Final = 32
ALL_ALLOCATED: Final = 0xFFFFFFFF

_UNALLOCATED = fact(Mapping.UNALLOCATED)
_UNALLOCATED_ALLOC = fact(Mapping.UNALLOCATED_ALLOC)
_ZERO_PLAIN = fact(Mapping.ZERO_PLAIN)
_ZERO_ALLOC = fact(Mapping.ZERO_ALLOC)
_NORMAL = fact(Mapping.NORMAL)
_COMPRESSED = fact(Mapping.COMPRESSED)
_INVALID = fact(Mapping.INVALID)

_HAS_HOST = np.zeros(CODES, np.bool_)
_HAS_HOST[[_UNALLOCATED_ALLOC, _ZERO_ALLOC, _NORMAL]] = True


@dataclass(frozen=True, slots=True, eq=False)
class Runs:
    """Runs without ends, each up to the next: starts and host offsets int64 (n,), facts uint8 (n,)."""

    starts: NDArray[np.int64]
    facts: NDArray[np.uint8]
    host: NDArray[np.int64]


def decode(header: Header, guests: NDArray[np.int64], tables: NDArray[np.uint64]) -> Runs:
    """Return the facts of L2 tables, storage left open.

    ``guests`` int64 (tables,) the first guest byte that each table maps, ascending; ``tables`` uint64, the
    entries of all tables one after another, (n,), or (n, 2) for extended L2 entries.  Every table starts a
    run; the last run of a table ends where the table does.
    """
    per_table = len(tables) // len(guests)
    clusters = np.arange(per_table, dtype=np.int64) << header.cluster_bits
    entries = _Entries.of(header, (guests[:, None] + clusters).reshape(-1), tables)
    if header.extended_l2:
        facts, host = _subclusters(header, entries, tables[:, 1])
        parts = SUBCLUSTERS
    else:
        facts, host = _clusters(entries), entries.host
        parts = 1
    host = np.where(_HAS_HOST[facts], host, NO_HOST)
    step = header.cluster_size // parts
    offsets = np.arange(per_table * parts, dtype=np.int64) * step
    starts = (guests[:, None] + offsets).reshape(-1)
    keep = run_starts(np.append(starts, starts[-1] + step), host, facts)
    keep[:: per_table * parts] = True
    return Runs(starts[keep], facts[keep], host[keep])


@dataclass(frozen=True, slots=True, eq=False)
class _Entries:
    """L2 entries taken apart, all of shape (n,).  ``present``: the entry names a host cluster."""

    host: NDArray[np.int64]
    zero: NDArray[np.bool_]
    present: NDArray[np.bool_]
    compressed: NDArray[np.bool_]
    invalid: NDArray[np.bool_]

    @classmethod
    def of(cls, header: Header, guest: NDArray[np.int64], tables: NDArray[np.uint64]) -> _Entries:
        """Take entries apart, ``guest`` being the first byte that each maps.

        ``invalid`` as :func:`explain` has it, but for what a bitmap adds.
        """
        words = tables[:, 0] if header.extended_l2 else tables
        host = (words & np.uint64(OFFSET_MASK)).astype(np.int64)
        compressed = (words & np.uint64(COMPRESSED)) != 0
        # in an extended entry the bitmap says zero, and this bit says nothing
        zero = (words & np.uint64(0 if header.extended_l2 else ZERO)) != 0
        present = host != 0
        invalid = present & (host & (header.cluster_size - 1) != 0) & ~compressed
        if header.version < 3:
            invalid |= zero & ~compressed
        if header.has_data_file:
            # guest byte 0 lies at host byte 0; COPIED tells it from an unallocated cluster
            present |= ((words & np.uint64(COPIED)) != 0) & ~zero
            invalid |= compressed | (present & (host != guest))
        return cls(host, zero, present, compressed, invalid)


def _clusters(entries: _Entries) -> NDArray[np.uint8]:
    """Return the fact of each cluster."""
    zero = np.where(entries.present, _ZERO_ALLOC, _ZERO_PLAIN)
    facts = np.where(entries.zero, zero, np.where(entries.present, _NORMAL, _UNALLOCATED))
    facts[entries.compressed] = _COMPRESSED
    facts[entries.invalid] = _INVALID
    return facts.astype(np.uint8)


def _subclusters(
    header: Header, entries: _Entries, bitmaps: NDArray[np.uint64]
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return fact and host offset of each subcluster, both of shape (entries × 32,)."""
    octets = bitmaps.astype("<u8").view(np.uint8)
    bits = np.unpackbits(octets, bitorder="little").reshape(-1, 64).astype(np.bool_)
    allocated, zero = bits[:, :SUBCLUSTERS], bits[:, SUBCLUSTERS:]
    present = entries.present[:, None]
    unmarked = np.where(present, _UNALLOCATED_ALLOC, _UNALLOCATED)
    facts = np.where(
        zero, np.where(present, _ZERO_ALLOC, _ZERO_PLAIN), np.where(allocated, _NORMAL, unmarked)
    )
    clash = (allocated & (zero | ~present)).any(axis=1)
    facts[entries.compressed] = _COMPRESSED
    facts[entries.invalid | (clash & ~entries.compressed)] = _INVALID
    size = header.cluster_size // SUBCLUSTERS
    hosts = entries.host[:, None] + np.arange(SUBCLUSTERS, dtype=np.int64) * size
    return facts.reshape(-1).astype(np.uint8), hosts.reshape(-1)


@dataclass(frozen=True, slots=True)
class TableEntry:
    """Where in the tables one guest byte is mapped, and the bits that stand there."""

    l1_index: int
    l2_index: int
    l2_offset: int | None
    """Host byte of the L2 table, or None where the L1 entry names none."""
    l1_entry: int
    entry: int
    bitmap: int | None
    """The second half of an extended entry."""


def compressed_at(header: Header, entry: int) -> tuple[int, int]:
    """Return where a compressed cluster starts, and its bytes up to the end of its last sector."""
    size_bits = header.cluster_bits - 8
    shift = 62 - size_bits
    offset = entry & ((1 << shift) - 1)
    sectors = (entry >> shift & ((1 << size_bits) - 1)) + 1
    return offset, sectors * 512 - offset % 512


def explain(header: Header, guest: int, at: TableEntry) -> str:
    """Say why QEMU refuses an entry, naming table and index; an empty string if it does not.

    ``guest`` is the first byte of the cluster.  The plain twin of the conditions in :func:`decode`.
    """
    l2_offset = at.l1_entry & OFFSET_MASK
    if l2_offset % header.cluster_size:
        return f"L1 entry {at.l1_index}: L2 table offset {l2_offset:#x} is not aligned to a cluster"
    if at.l2_offset is None:
        return ""
    host = at.entry & OFFSET_MASK
    reason = ""
    zero = bool(at.entry & ZERO) and at.bitmap is None
    present = host != 0 or (header.has_data_file and bool(at.entry & COPIED) and not zero)
    if at.entry & COMPRESSED:
        if header.has_data_file:
            reason = "a compressed cluster in an image with a data file"
    elif header.version < 3 and zero:
        reason = "the zero flag in a version 2 image"
    elif host % header.cluster_size:
        reason = f"host offset {host:#x} is not aligned to a cluster"
    elif header.has_data_file and present and host != guest:
        reason = f"host offset {host:#x} in the data file is not the guest offset {guest:#x}"
    elif at.bitmap is not None:
        allocated, zeroes = at.bitmap & ALL_ALLOCATED, at.bitmap >> SUBCLUSTERS
        if not present and allocated:
            reason = "subclusters are marked allocated, but there is no host cluster"
        elif allocated & zeroes:
            reason = "a subcluster is marked both allocated and zero"
    return f"L2 table {l2_offset:#x}, entry {at.l2_index}: {reason}" if reason else ""
