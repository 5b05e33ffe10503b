"""The FIEMAP ioctl of Linux: where a file's storage is, reserved space told from holes.

::

    fiemap (32 bytes)           start, length, flags, mapped, count, reserved
    fiemap_extent (56 bytes)    logical, physical, length, 2 × reserved, flags, 3 × reserved

The layout is linux/fiemap.h's; numbers are in the machine's own byte order.
"""

from __future__ import annotations

import fcntl
import struct
from collections.abc import Iterator
from enum import IntFlag
from itertools import chain
from typing import Final

import numpy as np
from numpy.typing import NDArray

from blockstrata.facts.codes import Mapping, Storage, fact

_FS_IOC_FIEMAP: Final = 0xC020660B
_HEAD: Final = struct.Struct("=QQIIII")
_EXTENT: Final = np.dtype(
    [
        *(("start", np.uint64), ("physical", np.uint64), ("length", np.uint64), ("reserved", np.uint64, 2)),
        *(("flags", np.uint32), ("unused", np.uint32, 3)),
    ]
)
_BATCH: Final = 8192
"""Extents asked for at once: 448 KiB."""
_SYNC: Final = 1
"""Write out first what is delayed, so that it has a place."""


class Extent(IntFlag):
    """The flags of an extent that matter here."""

    LAST = 0x1
    UNKNOWN = 0x2
    DELALLOC = 0x4
    ENCODED = 0x8
    ENCRYPTED = 0x80
    INLINE = 0x200
    TAIL = 0x400
    UNWRITTEN = 0x800
    SHARED = 0x2000


_STORES: Final = (
    Extent.UNKNOWN | Extent.DELALLOC | Extent.ENCODED | Extent.ENCRYPTED | Extent.INLINE | Extent.TAIL
)
"""Extents of these kinds are data, whatever else is said of them (docs/semantics.md, "Seek and fiemap")."""

_DATA = fact(Mapping.PASSTHROUGH, Storage.DATA)
_SHARED = fact(Mapping.PASSTHROUGH, Storage.SHARED)
_HOLE = fact(Mapping.PASSTHROUGH, Storage.HOLE)
_UNWRITTEN = fact(Mapping.PASSTHROUGH, Storage.UNWRITTEN)


def fiemap_probe(fd: int, length: int) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    """Return starts and fact codes of the runs of a file of ``length`` bytes; ``OSError`` without FIEMAP.

    Starts int64 (n,), bytes, codes uint8 (n,).
    """
    starts, ends, flags = extents(fd, length)
    # what was reserved before a file was copied is shared too (btrfs), and reads as zero in both
    is_unwritten = flags & np.uint32(Extent.UNWRITTEN | _STORES) == Extent.UNWRITTEN
    is_shared = flags & np.uint32(Extent.SHARED) != 0
    codes = np.where(is_unwritten, _UNWRITTEN, np.where(is_shared, _SHARED, _DATA))
    return runs_of(starts, ends, codes, length)


def runs_of(
    starts: NDArray[np.int64], ends: NDArray[np.int64], codes: NDArray[np.integer], length: int
) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    """Return starts and fact codes of runs over ``length`` bytes, of extents that are sorted and apart.

    What no extent covers is a hole; neighbours of one code join::

        extents   ├── data ──┤      ├─ unwritten ─┼───── …
        runs      ├── data ──┼ hole ┼─ unwritten ─┤length
    """
    edges = np.zeros(2 * len(starts) + 2, np.int64)
    edges[1:-1:2], edges[2:-1:2], edges[-1] = starts, ends, length
    facts = np.full(len(edges) - 1, _HOLE, np.uint8)
    facts[1::2] = codes
    there = np.flatnonzero(edges[1:] > edges[:-1])
    facts = facts.take(there)
    first = np.flatnonzero(np.append(True, facts[1:] != facts[:-1])) if len(facts) else there
    return edges.take(there).take(first), facts.take(first)


def extents(
    fd: int, length: int, *, sync: bool = True
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.uint32]]:
    """Return the extents in the first ``length`` bytes of a file, cut there; ``OSError`` without FIEMAP.

    They are sorted and apart: starts and ends int64 (n,), bytes; flags uint32 (n,).
    ``sync``: what was written and has no place yet is given one first.
    """
    told = [
        [batch[name].copy() for name in ("start", "length", "flags")]
        for batch in chain([np.empty(0, _EXTENT)], _batches(fd, length, sync=sync))
    ]
    start, size, flags = (np.concatenate(column) for column in zip(*told, strict=True))
    # a file system may tell of more than an int64 holds; the sums here stay below 2**64
    most = np.uint64(length)
    start = np.minimum(start, most)
    ends = np.maximum.accumulate(np.minimum(start + np.minimum(size, most), most).astype(np.int64))
    starts = np.maximum(start.astype(np.int64), np.append(0, ends[:-1])[: len(ends)])
    there = np.flatnonzero(ends > starts)
    return starts.take(there), ends.take(there), flags.take(there)


def _batches(fd: int, length: int, *, sync: bool) -> Iterator[NDArray[np.void]]:
    """Yield the extents in the first ``length`` bytes as the file system tells them, a batch a call.

    The next batch takes the place of the one before.
    """
    at = 0
    request = bytearray(_HEAD.size + _BATCH * _EXTENT.itemsize)
    while at < length:
        _HEAD.pack_into(request, 0, at, length - at, _SYNC if sync and at == 0 else 0, 0, _BATCH, 0)
        fcntl.ioctl(fd, _FS_IOC_FIEMAP, request)
        mapped = _HEAD.unpack_from(request)[3]
        batch = np.frombuffer(request, _EXTENT, min(mapped, _BATCH), _HEAD.size)
        yield batch
        if not mapped or batch["flags"][-1] & Extent.LAST:
            return
        end = int(batch["start"][-1]) + int(batch["length"][-1])
        if end <= at:  # the file changes, or the file system lies
            return
        at = end
