"""What a qcow2 header and its directories name outright, and what is wrong with how they do it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from blockstrata.errors import BadImageError, UnsupportedError
from blockstrata.facts.node import HostNode
from blockstrata.formats.qcow2.bitmaps import Bitmap, check_bitmaps, check_entries
from blockstrata.formats.qcow2.header import END_OF_NODES, MAX_L1_BYTES, Encryption, Header
from blockstrata.formats.qcow2.snapshots import Snapshot
from blockstrata.formats.qcow2.stored import stored_words
from blockstrata.formats.qcow2.tables import OFFSET_MASK


class Use(StrEnum):
    """What host clusters are used for."""

    HEADER = "header"
    L1 = "L1 table"
    SNAPSHOT_TABLE = "snapshot table"
    SNAPSHOT_L1 = "L1 table of a snapshot"
    REFCOUNT_TABLE = "refcount table"
    REFCOUNT_BLOCK = "refcount block"
    ENCRYPTION_HEADER = "encryption header"
    BITMAP_DIRECTORY = "bitmap directory"
    BITMAP_TABLE = "bitmap table"
    BITMAP_DATA = "bits of bitmap"
    L2 = "L2 table"


class Region(NamedTuple):
    """A run of host bytes that the image names once; ``owner`` is a snapshot's or bitmap's number, or -1."""

    use: Use
    host: int
    length: int
    owner: int = -1


class Fault(NamedTuple):
    """Something that QEMU counts as a corruption, and where it stands."""

    kind: str
    entry: str
    says: str


@dataclass(frozen=True, slots=True)
class Metadata:
    """What is named, and each fault of naming it.

    ``bits`` int64 (n,): host bytes of the clusters that hold bits of bitmaps; ``bits_of`` int64 (n,), whose.
    """

    regions: tuple[Region, ...]
    bits: NDArray[np.int64]
    bits_of: NDArray[np.int64]
    faults: tuple[Fault, ...]


_MOST_ENTRIES: Final = 1 << 24
"""Table entries of all bitmaps that are looked at."""
_SIGNED: Final = 1 << 63
"""A length from here on is negative to QEMU, which counts nothing for it."""
_FAR: Final = (1 << 62) - 1

_INCOMPLETE_BELOW = 16
"""Bytes of extra data that an entry of the snapshot table has in version 3, at the least."""


def read_metadata(
    file: HostNode, header: Header, snapshots: tuple[Snapshot, ...], bitmaps: tuple[Bitmap, ...]
) -> Metadata:
    """Return what header, snapshot table and bitmap directory name, and the bits that bitmaps' tables name.

    ``BadImageError`` as :func:`read_regions` has it, and where the table of a bitmap makes no sense.
    """
    regions, faults = read_regions(file, header, snapshots, bitmaps)
    bits, bits_of = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    if header.bitmaps:
        check_bitmaps(file, header, bitmaps)
        if sum(each.table_entries for each in bitmaps) > _MOST_ENTRIES:
            what = f"the tables of all bitmaps have more than {_MOST_ENTRIES} entries"
            raise UnsupportedError(file.name, "qcow2 bitmap directory", what)
        for number, bitmap in enumerate(bitmaps):
            bits.append(_bits(file, header, bitmap))
            bits_of.append(np.full(len(bits[-1]), number, np.int64))
    return Metadata(regions, np.concatenate(bits), np.concatenate(bits_of), tuple(faults))


def read_regions(
    file: HostNode, header: Header, snapshots: tuple[Snapshot, ...], bitmaps: tuple[Bitmap, ...]
) -> tuple[tuple[Region, ...], list[Fault]]:
    """Return the regions alone, and the faults of naming them; nothing is read.

    ``BadImageError`` where QEMU cannot go on: the L1 table of a snapshot lies past what a file can hold.
    """
    found = [
        Region(Use.HEADER, 0, header.cluster_size),
        Region(
            Use.REFCOUNT_TABLE,
            header.refcount_table_offset,
            header.refcount_table_clusters << header.cluster_bits,
        ),
    ]
    if header.l1_entries:
        found.append(Region(Use.L1, header.l1_offset, header.l1_entries * 8))
    if header.encryption is Encryption.LUKS:
        found.append(
            Region(Use.ENCRYPTION_HEADER, header.encryption_header_offset, header.encryption_header_size)
        )
    faults: list[Fault] = []
    if snapshots:
        size = snapshots[-1].end - header.snapshots_offset
        found.append(Region(Use.SNAPSHOT_TABLE, header.snapshots_offset, size))
        _add_snapshots(file, header, snapshots, found, faults)
    if header.bitmaps:
        found.append(
            Region(Use.BITMAP_DIRECTORY, header.bitmap_directory_offset, header.bitmap_directory_size)
        )
        found += [
            Region(Use.BITMAP_TABLE, each.table_offset, each.table_entries * 8, number)
            for number, each in enumerate(bitmaps)
        ]
    return tuple(_bounded(each) for each in found if 0 < each.length < _SIGNED), faults


def _bounded(region: Region) -> Region:
    """Return a region in numbers whose sum fits an int64; what lies so far out lies past every file."""
    return region._replace(host=min(region.host, _FAR), length=min(region.length, _FAR))


def _add_snapshots(
    file: HostNode,
    header: Header,
    snapshots: tuple[Snapshot, ...],
    regions: list[Region],
    faults: list[Fault],
) -> None:
    if header.has_data_file:
        what = (
            "there are internal snapshots, but guest data lies in a data file, which keeps nothing for them"
        )
        faults.append(Fault("snapshot-table", "snapshot table", what))
    for number, each in enumerate(snapshots):
        entry = f"snapshot table, entry {number} ({each.id})"
        if header.version >= 3 and each.extra_size < _INCOMPLETE_BELOW:
            what = (
                f"{each.extra_size} bytes of extra data are less than the 16 that say how large the disk was"
            )
            faults.append(Fault("snapshot-table", entry, what))
        length = each.l1_entries * 8
        lost = "what the snapshot held cannot be reached"
        if each.l1_offset % header.cluster_size:
            what = f"the L1 table at {each.l1_offset:#x} is not aligned to a cluster: {lost}"
            faults.append(Fault("unaligned", entry, what))
        elif length > MAX_L1_BYTES:
            what = f"the L1 table of {each.l1_entries} entries is larger than any disk needs: {lost}"
            faults.append(Fault("snapshot-table", entry, what))
        elif length and each.l1_offset > END_OF_NODES - length:
            raise BadImageError(file.name, f"qcow2 {entry}", f"L1 table: {each.l1_offset:#x} is out of range")
        else:
            regions.append(Region(Use.SNAPSHOT_L1, each.l1_offset, length, number))


def _bits(file: HostNode, header: Header, bitmap: Bitmap) -> NDArray[np.int64]:
    """Return the host bytes that a bitmap's table names."""
    if bitmap.table_offset > END_OF_NODES - bitmap.table_entries * 8:
        what = f"the table at {bitmap.table_offset:#x} is past the end of the longest file"
        raise BadImageError(file.name, f"qcow2 bitmap '{bitmap.name}'", what)
    index, table = stored_words(file, bitmap.table_offset, bitmap.table_entries)
    check_entries(file, header, bitmap, table, index)
    offsets = table & np.uint64(OFFSET_MASK)
    hosts: NDArray[np.int64] = offsets[offsets != 0].astype(np.int64)
    return hosts
