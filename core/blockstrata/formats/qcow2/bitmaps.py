"""Persistent dirty bitmaps, checked as QEMU 7.2 checks them when it opens an image: all of them, at once.

The bitmaps extension of the header leads to a directory, each entry of which leads to a table, each entry of
which stands for one cluster of bits, bit 0 of byte 0 first (docs/interop/qcow2.txt of QEMU)::

    directory   ├─ 24 bytes ─┼─ extra data ─┼─ name ─┤0…7├─ …
    table       ├ 0: all clean ┼ 1: all dirty ┼ offset of a cluster ┼ …
    disk        ├ granularity ┼ granularity ┼ …                  (one bit each)
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from blockstrata.errors import BadImageError, UnsupportedError
from blockstrata.facts.node import HostNode
from blockstrata.formats.qcow2.header import END_OF_NODES, Header, c_text
from blockstrata.formats.qcow2.tables import OFFSET_MASK

_ENTRY: Final = struct.Struct(">QIIBBHI")
_IN_USE: Final = 1
_AUTO: Final = 2
_DIRTY_TRACKING: Final = 1
_MAX_NAME: Final = 1023
_MAX_BYTES: Final = 512 << 20
"""Bytes that the clusters of one bitmap may take."""

_ALL_DIRTY: Final = 1
_CLEAN, _DIRTY, _STORED = 0, 1, 2

_MOST_ENTRIES: Final = 1 << 26
"""Table entries of all bitmaps of an image.  Theirs would take 32 GiB of memory in QEMU at the least."""
_MOST_RUNS: Final = 1 << 24
_BATCH_BYTES: Final = 1 << 19
"""Bytes of bits decoded at once."""


@dataclass(frozen=True, slots=True)
class Bitmap:
    """One entry of the directory.  Sizes and offsets in bytes, the table in entries."""

    name: str
    granularity: int
    """Guest bytes that one bit stands for."""
    in_use: bool
    """Whoever wrote to the image did not store the bits in the end: they mean nothing."""
    auto: bool
    """Whether writes to the disk set bits."""
    table_offset: int
    table_entries: int


@dataclass(frozen=True, slots=True, eq=False)
class DirtyRuns:
    """Sorted, gapless runs: ``edges`` int64 (n + 1,), bytes; ``dirty`` bool (n,), no two neighbours alike."""

    edges: NDArray[np.int64]
    dirty: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.dirty)


def read_bitmaps(file: HostNode, header: Header) -> tuple[Bitmap, ...]:
    """Return the bitmaps in the directory's order; ``BadImageError`` says which entry QEMU refuses."""
    size = header.bitmap_directory_size
    # an entry may be cut off by the end
    directory = file.read(header.bitmap_directory_offset, size) + bytes(_ENTRY.size)
    found: list[Bitmap] = []
    at = 0
    while at < size or len(found) < header.bitmaps:
        field = f"qcow2 bitmap directory, entry {len(found)}"
        if len(found) == header.bitmaps:
            what = f"is one more than the {len(found)} that the header names"
            raise BadImageError(file.name, field, what)
        table_offset, table_entries, flags, kind, granularity_bits, name_size, extra_size = (
            _ENTRY.unpack_from(directory, at)
        )
        end = at + (_ENTRY.size + name_size + extra_size + 7 & ~7)
        if end > size:
            raise BadImageError(file.name, field, "is cut off by the directory's end")
        faults = {
            f"{extra_size} bytes of extra data of unknown meaning": extra_size,
            f"flags {flags:#x}, of which some are reserved": flags & ~(_IN_USE | _AUTO),
            f"type {kind}, which is not that of dirty bitmaps": kind != _DIRTY_TRACKING,
            f"a name of {name_size} bytes": name_size > _MAX_NAME,
            f"granularity bits {granularity_bits}, not 9 to 31": not 9 <= granularity_bits <= 31,
            f"a table at {table_offset:#x}": not table_offset or table_offset % header.cluster_size,
            f"a table of {table_entries} entries": not 0 < table_entries << header.cluster_bits <= _MAX_BYTES,
        }
        for what, is_wrong in faults.items():
            if is_wrong:
                raise BadImageError(file.name, field, f"has {what}")
        name = directory[at + _ENTRY.size : at + _ENTRY.size + name_size]
        in_use, auto = bool(flags & _IN_USE), bool(flags & _AUTO)
        found.append(Bitmap(c_text(name), 1 << granularity_bits, in_use, auto, table_offset, table_entries))
        at = end
    return tuple(found)


def check_bitmaps(file: HostNode, header: Header, bitmaps: Sequence[Bitmap]) -> None:
    """Raise what QEMU finds wrong when it loads the bitmaps: ``BadImageError`` names the bitmap.

    ``UnsupportedError`` if there are more tables than one cares to read.
    """
    valid = [bitmap for bitmap in bitmaps if not bitmap.in_use]
    if sum(bitmap.table_entries for bitmap in valid) > _MOST_ENTRIES:
        what = f"the tables of all bitmaps have more than {_MOST_ENTRIES} entries"
        raise UnsupportedError(file.name, "qcow2 bitmap directory", what)
    names: set[str] = set()
    for bitmap in bitmaps:
        if bitmap.name in names and not bitmap.in_use:
            raise _bad(file, bitmap, "another bitmap has the same name")
        names.add(bitmap.name)
    for bitmap in valid:
        read_table(file, header, bitmap)


def _bad(file: HostNode, bitmap: Bitmap, what: str) -> BadImageError:
    return BadImageError(file.name, f"qcow2 bitmap '{bitmap.name}'", what)


def read_table(file: HostNode, header: Header, bitmap: Bitmap) -> NDArray[np.uint64]:
    """Return the table of a bitmap, uint64 (entries,); ``BadImageError`` names what QEMU refuses in it."""
    needed = -(-header.size // (bitmap.granularity * header.cluster_size * 8))
    if bitmap.table_entries != needed:
        raise _bad(file, bitmap, f"the table has {bitmap.table_entries} entries, the disk needs {needed}")
    if bitmap.table_offset + bitmap.table_entries * 8 > END_OF_NODES:
        raise _bad(file, bitmap, f"the table at {bitmap.table_offset:#x} is past the end of the longest file")
    table = np.frombuffer(file.read(bitmap.table_offset, bitmap.table_entries * 8), ">u8").astype(np.uint64)
    check_entries(file, header, bitmap, table)
    return table


def check_entries(
    file: HostNode,
    header: Header,
    bitmap: Bitmap,
    words: NDArray[np.uint64],
    index: NDArray[np.int64] | None = None,
) -> None:
    """``BadImageError`` names the first entry of a table that QEMU refuses.

    ``words`` uint64 (n,); ``index`` int64 (n,) says which entries they are, all of them if it is None.
    """
    offsets = words & np.uint64(OFFSET_MASK)
    invalid = (words & np.uint64(~(OFFSET_MASK | _ALL_DIRTY) & 2**64 - 1)) != 0
    invalid |= (offsets & np.uint64(header.cluster_size - 1)) != 0
    invalid |= (offsets != 0) & (words & np.uint64(_ALL_DIRTY) != 0)
    if invalid.any():
        at = int(np.argmax(invalid))
        entry = at if index is None else int(index[at])
        raise _bad(file, bitmap, f"table entry {entry}, {int(words[at]):#x}, is invalid")


def dirty_runs(file: HostNode, header: Header, bitmap: Bitmap, start: int, end: int) -> DirtyRuns:
    """Return which bytes of a range of the disk are dirty.

    What lies past the end of the disk is clean.  ``BadImageError`` if the bits mean nothing, or the table is
    malformed; ``UnsupportedError`` if there are more runs than fit into memory.
    """
    if bitmap.in_use:
        raise _bad(file, bitmap, "is in use: it was not stored after the last writes")
    table = read_table(file, header, bitmap)
    per_entry = bitmap.granularity * header.cluster_size * 8
    first, last = start // per_entry, min(-(-end // per_entry), len(table))
    starts, dirty = [np.array([first * per_entry], np.int64)], [np.zeros(1, np.bool_)]
    runs = 0
    for bits, values in _pieces(file, header, table, first, last):
        starts.append(bits * bitmap.granularity)
        dirty.append(values)
        runs += len(bits)
        if runs > _MOST_RUNS:
            what = f"has more than {_MOST_RUNS} runs in this range; ask for less of the disk"
            raise UnsupportedError(file.name, f"bitmap '{bitmap.name}'", what)
    return _joined(np.concatenate(starts), np.concatenate(dirty), start, end, header.size)


def _pieces(
    file: HostNode, header: Header, table: NDArray[np.uint64], first: int, last: int
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.bool_]]]:
    """Yield bits at which a run may start and whether it is dirty, in no order; each lasts to the next.

    Entries ``first`` up to ``last``.  Neighbours that store no bits are one run; the clusters of the others
    are decoded in batches.
    """
    words = table[first:last]
    offsets = words & np.uint64(OFFSET_MASK)
    kinds = np.where(offsets != 0, _STORED, words & np.uint64(_ALL_DIRTY)).astype(np.int8)
    entries = first + np.arange(len(words), dtype=np.int64)
    per_entry = header.cluster_size * 8
    plain = (np.diff(kinds, prepend=np.int8(-1)) != 0) & (kinds != _STORED)
    yield entries[plain] * per_entry, kinds[plain] == _DIRTY
    stored = np.flatnonzero(kinds == _STORED)
    batch = max(1, _BATCH_BYTES // header.cluster_size)
    for at in range(0, len(stored), batch):
        some = stored[at : at + batch]
        raw = b"".join(file.read(offset, header.cluster_size) for offset in offsets[some].tolist())
        bits, dirty = _changes(np.frombuffer(raw, np.uint8).reshape(len(some), header.cluster_size))
        row, within = np.divmod(bits, per_entry)
        yield entries[some][row] * per_entry + within, dirty


def _changes(octets: NDArray[np.uint8]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return the bits of some rows of octets that differ from the bit before, and the first of each row.

    Only octets that can hold a change are taken apart: not those that are all zeroes or all ones as the
    octet before is.
    """
    keep = np.ones(octets.shape, np.bool_)
    same = octets[:, 1:] == octets[:, :-1]
    keep[:, 1:] = ~(same & ((octets[:, 1:] == 0) | (octets[:, 1:] == 0xFF)))
    kept = np.flatnonzero(keep)
    bits = np.unpackbits(octets[keep], bitorder="little")
    changed = np.ones(len(bits), np.bool_)
    changed[1:] = bits[1:] != bits[:-1]
    changed[::8] |= kept % octets.shape[1] == 0
    at = np.flatnonzero(changed)
    return kept[at >> 3] * 8 + (at & 7), bits[at].astype(np.bool_)


def _joined(
    starts: NDArray[np.int64], dirty: NDArray[np.bool_], start: int, end: int, size: int
) -> DirtyRuns:
    """Return runs sorted, cut to a range, clean from the disk's ``size`` on, neighbours joined."""
    if size < end:
        on_disk = starts < size
        starts, dirty = np.append(starts[on_disk], size), np.append(dirty[on_disk], False)
    order = np.argsort(starts, kind="stable")
    starts, dirty = starts[order], dirty[order]
    # the last run that starts at or before the range reaches into it
    starts = np.maximum(starts, start)
    keep = np.append(starts[1:] > starts[:-1], True) & (starts < end)
    starts, dirty = starts[keep], dirty[keep]
    keep = np.diff(dirty, prepend=~dirty[:1])
    return DirtyRuns(np.append(starts[keep], end), dirty[keep])
