"""L1 and L2 tables decoded to facts, whole tables at a time.

An L2 entry is 64 bits, big-endian (docs/interop/qcow2.txt of QEMU)::

    63     62          61 ─── 56   55 ───────────── 9   8 ── 1   0
    COPIED COMPRESSED  reserved    host offset          reserved ZERO

A compressed entry uses bits 0 to 61 otherwise; an extended entry is followed by 64 bits more, of which
bits 0 to 31 say "allocated" and 32 to 63 "reads as zero" for each of the 32 subclusters.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from blockstrata.facts.builder import Runs
from blockstrata.facts.codes import MAX_LENGTH, NO_HOST, Mapping, Storage, fact
from blockstrata.formats.qcow2.header import Header

OFFSET_MASK: Final = 0x00FFFFFFFFFFFE00
COPIED: Final = 1 << 63
COMPRESSED: Final = 1 << 62
ZERO: Final = 1
SUBCLUSTERS: Final = 32
_SUBCLUSTER_BITS: Final = 5
ALL_ALLOCATED: Final = 0xFFFFFFFF

_ZERO_BIT, _DATA_BIT, _PRESENT, _COMPRESSED, _INVALID, _LOST = (1 << bit for bit in range(6))
"""What is known of a cluster or subcluster, as the bits of a code.

Present: it has a host cluster.  Lost: it is compressed, and the file ends before that begins.
"""


def _mapping(code: int) -> Mapping:
    """Return what a code means."""
    present = bool(code & _PRESENT)
    if code & _INVALID:
        return Mapping.INVALID
    if code & _COMPRESSED:
        return Mapping.COMPRESSED
    if code & _ZERO_BIT:
        return Mapping.ZERO_ALLOC if present else Mapping.ZERO_PLAIN
    if code & _DATA_BIT:
        return Mapping.NORMAL
    return Mapping.UNALLOCATED_ALLOC if present else Mapping.UNALLOCATED


def _fact(code: int) -> int:
    """Return the fact that a code comes to, storage left open where the file below is to be asked."""
    mapping = _mapping(code)
    is_past_end = mapping is Mapping.COMPRESSED and code & _LOST
    return fact(mapping, Storage.BEYOND_EOF if is_past_end else Storage.NONE)


_FACTS = np.array([_fact(code) for code in range(64)], np.uint8)
_UNALLOCATED, _NORMAL = np.array([fact(Mapping.UNALLOCATED), fact(Mapping.NORMAL)], np.uint8)
_HOSTED = (Mapping.UNALLOCATED_ALLOC, Mapping.ZERO_ALLOC, Mapping.NORMAL)
_HAS_HOST = np.array([_mapping(code) in _HOSTED for code in range(64)])


class Entries(NamedTuple):
    """L2 entries that say all that their tables say; those left out continue the one before.

    ``guest`` int64 (n,), the first byte that each maps; ``words`` uint64 (n,), or (n, 2) for extended ones.
    """

    guest: NDArray[np.int64]
    words: NDArray[np.uint64]


class Breaks(NamedTuple):
    """Where entries that lie one after another map guest bytes that do not: the first of each stretch.

    ``first`` int64 (m,), which entry, from 0 on; ``guest`` int64 (m,), the first byte that it maps.
    """

    first: NDArray[np.int64]
    guest: NDArray[np.int64]


def telling(header: Header, words: NDArray[np.uint64], breaks: Breaks) -> Entries:
    """Leave out entries that are sure to continue the one before, as most do, without taking them apart.

    ``words`` uint64 (n,), or (n, 2) for extended L2 entries.  The first entry after a break stays::

        words    0  0  0  A  A+1  A+2  Z  Z  Z  0
        telling  0        A            Z        0
    """
    extended = header.extended_l2
    firsts = words[:, 0] if extended else words
    apart = np.empty(len(words), np.bool_)
    steps = firsts[1:] - firsts[:-1]
    # neither 0 nor a cluster
    steps &= ~np.uint64(header.cluster_size)
    np.not_equal(steps, 0, out=apart[1:])
    apart[breaks.first] = True
    if extended:
        bitmaps = words[:, 1]
        apart |= ~np.isin(bitmaps, _UNIFORM)
        apart[1:] |= bitmaps[1:] != bitmaps[:-1]
    at = np.flatnonzero(apart)
    if len(at) == len(words):
        return Entries(_mapped_by(header, at, breaks), words)
    more = np.diff(at, append=len(words)) - 1
    several = np.flatnonzero(more != 0)
    is_one = _is_one_run(header, firsts, at.take(several), more.take(several))
    if not is_one.all():
        mixed = np.zeros(len(at), np.bool_)
        mixed[several] = ~is_one
        at = np.flatnonzero(apart | np.repeat(mixed, more + 1))
    return Entries(_mapped_by(header, at, breaks), words.take(at, axis=0))


_UNIFORM: Final = np.array([0, ALL_ALLOCATED, ALL_ALLOCATED << SUBCLUSTERS], np.uint64)
"""Bitmaps that say the same of all subclusters."""


def _is_one_run(
    header: Header, words: NDArray[np.uint64], at: NDArray[np.intp], more: NDArray[np.intp]
) -> NDArray[np.bool_]:
    """Say of entries, each with ``more`` that are equal or one cluster on, whether all are of a kind.

    They are if all are zeroes, or all go on by a cluster from a host offset, and reach no other bits.
    """
    first = words.take(at)
    grown = words.take(at + more) - first
    host = first & np.uint64(OFFSET_MASK)
    goes_on = (grown == more.astype(np.uint64) << np.uint64(header.cluster_bits)) & (host != 0)
    return np.asarray(((grown == 0) & (first <= ZERO)) | (goes_on & (host + grown <= OFFSET_MASK)), np.bool_)


def _mapped_by(header: Header, at: NDArray[np.intp], breaks: Breaks) -> NDArray[np.int64]:
    """Return the first guest byte that each of some entries maps."""
    guest = at << header.cluster_bits
    lead = breaks.guest - (breaks.first << header.cluster_bits)
    if len(lead) > 1:
        bounds = np.searchsorted(at, breaks.first)
        lead = np.repeat(lead, np.diff(bounds, append=len(at)))
    guest += lead
    return guest


def decode(header: Header, entries: Entries, length: int = MAX_LENGTH) -> Runs:
    """Return the facts of L2 entries, storage left open; compressed ones from byte ``length`` on are lost.

    Runs may continue the one before; the last ends where the entries do.
    """
    if not header.extended_l2 and _are_plain(header, entries.words):
        host = (entries.words & np.uint64(OFFSET_MASK)).view(np.int64)
        absent = host == 0
        np.putmask(host, absent, NO_HOST)
        return Runs(entries.guest, np.where(absent, _UNALLOCATED, _NORMAL), host)
    starts, words, bitmaps = entries.guest, entries.words, None
    if header.extended_l2:
        words, bitmaps = words[:, 0], words[:, 1]
    host, codes, _ = _taken_apart(header, starts, words, bitmaps)
    compressed = np.flatnonzero(codes & np.uint8(_COMPRESSED))
    if len(compressed):
        offset, _ = compressed_spans(header, words.take(compressed))
        codes[compressed] |= (offset >= length) * np.uint8(_LOST)
    if bitmaps is not None:
        at, codes = _subclusters(codes, bitmaps)
        cluster = at >> _SUBCLUSTER_BITS
        into = (at & SUBCLUSTERS - 1) << header.cluster_bits - _SUBCLUSTER_BITS
        starts, host = starts.take(cluster) + into, host.take(cluster) + into
    return Runs(starts, _FACTS.take(codes), np.where(_HAS_HOST.take(codes), host, NO_HOST))


def _are_plain(header: Header, words: NDArray[np.uint64]) -> bool:
    """Say whether standard entries are all data or nothing, so that a host offset, or none, says it all."""
    others = COMPRESSED | ZERO | (header.cluster_size - 1) & OFFSET_MASK
    return not header.has_data_file and not int(np.bitwise_or.reduce(words)) & others


class _Apart(NamedTuple):
    """n entries taken apart: host offsets, int64 (n,), bytes; codes, uint8 (n,); why QEMU refuses which.

    The first reason of an entry counts; each comes with bool (n,).
    """

    host: NDArray[np.int64]
    codes: NDArray[np.uint8]
    refused: list[tuple[str, NDArray[np.bool_]]]


def _taken_apart(
    header: Header, guest: NDArray[np.int64], words: NDArray[np.uint64], bitmaps: NDArray[np.uint64] | None
) -> _Apart:
    """Take entries apart: ``guest`` is the first byte that each maps, ``bitmaps`` those of extended ones.

    Of extended entries the codes leave open what is data and what is zero.
    """
    host = (words & np.uint64(OFFSET_MASK)).view(np.int64)
    compressed = (words & np.uint64(COMPRESSED)) != 0
    # in an extended entry the bitmap says zero, and this bit says nothing
    zero = (words & np.uint64(0 if header.extended_l2 else ZERO)) != 0
    present, plain = host != 0, ~compressed
    refused = [("host offset {host:#x} is not aligned to a cluster", host & header.cluster_size - 1 != 0)]
    if header.version < 3:
        refused.insert(0, ("the zero flag in a version 2 image", zero))
    if header.has_data_file:
        # guest byte 0 lies at host byte 0; COPIED tells it from an unallocated cluster
        present |= ((words & np.uint64(COPIED)) != 0) & ~zero
        what = "host offset {host:#x} in the data file is not the guest offset {guest:#x}"
        refused.append((what, present & (host != guest)))
    if bitmaps is not None:
        what = "subclusters are marked allocated, but there is no host cluster"
        refused.append((what, (bitmaps & np.uint64(ALL_ALLOCATED) != 0) & ~present))
        both = bitmaps & bitmaps >> np.uint64(SUBCLUSTERS) != 0
        refused.append(("a subcluster is marked both allocated and zero", both))
    refused = [(why, which & plain) for why, which in refused]
    if header.has_data_file:
        refused.append(("a compressed cluster in an image with a data file", compressed))
    codes = (
        zero * np.uint8(_ZERO_BIT)
        | present * np.uint8(_PRESENT if header.extended_l2 else _PRESENT | _DATA_BIT)
        | compressed * np.uint8(_COMPRESSED)
    )
    for _, which in refused:
        codes |= which * np.uint8(_INVALID)
    return _Apart(host, codes, refused)


def _subclusters(
    codes: NDArray[np.uint8], bitmaps: NDArray[np.uint64]
) -> tuple[NDArray[np.intp], NDArray[np.uint8]]:
    """Return which subclusters are not as the one before in their cluster, and the code of each.

    Of clusters × 32; ``codes`` (clusters,) is what the entries say besides their bitmaps.
    """
    allocated = (bitmaps & np.uint64(ALL_ALLOCATED)).astype("<u4")
    zero = (bitmaps >> np.uint64(SUBCLUSTERS)).astype("<u4")
    one = np.uint32(1)
    at = np.flatnonzero(_bits(allocated ^ (allocated << one) | zero ^ (zero << one) | one).view(np.bool_))
    said = _bits(allocated) * np.uint8(_DATA_BIT) | _bits(zero) * np.uint8(_ZERO_BIT)
    return at, said.take(at) | codes.take(at >> _SUBCLUSTER_BITS)


def _bits(words: NDArray[np.uint32]) -> NDArray[np.uint8]:
    """Return the bits of little-endian words, each word's lowest first, (n × 32,)."""
    return np.unpackbits(words.view(np.uint8), bitorder="little")


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


def compressed_spans(
    header: Header, entries: NDArray[np.uint64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the same of many entries, int64 (n,) each."""
    size_bits = header.cluster_bits - 8
    shift = 62 - size_bits
    offset = (entries & np.uint64((1 << shift) - 1)).astype(np.int64)
    sectors = (entries >> np.uint64(shift) & np.uint64((1 << size_bits) - 1)).astype(np.int64) + 1
    return offset, sectors * 512 - offset % 512


def explain(header: Header, guest: int, at: TableEntry) -> str:
    """Say why QEMU refuses an entry, naming table and index; an empty string if it does not.

    ``guest`` is the first byte of the cluster.
    """
    l2_offset = at.l1_entry & OFFSET_MASK
    if l2_offset % header.cluster_size:
        return f"L1 entry {at.l1_index}: L2 table offset {l2_offset:#x} is not aligned to a cluster"
    if at.l2_offset is None:
        return ""
    words = np.array([at.entry], np.uint64)
    bitmaps = None if at.bitmap is None else np.array([at.bitmap], np.uint64)
    host, _, refused = _taken_apart(header, np.array([guest]), words, bitmaps)
    for why, which in refused:
        if which.any():
            what = why.format(host=int(host[0]), guest=guest)
            return f"L2 table {l2_offset:#x}, entry {at.l2_index}: {what}"
    return ""
